"""Files that only their owner can read: customers' numbers stand in them, or secrets."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


def fresh(path: Path) -> TextIO:
    """Open a file that is not there yet.

    Raises:
        FileExistsError: it is there.
        OSError: it cannot be made.
    """
    return _stream(path) if _is_no_file(path) else _private(path, path)


@contextmanager
def whole(path: Path) -> Iterator[TextIO]:
    """Write a file whole or not at all: an older one stays until the end, and where something fails, for good.

    Raises:
        OSError: it cannot be written.
    """
    if _is_no_file(path):
        with _stream(path) as out:
            yield out
        return
    target = Path(os.path.realpath(path))  # a link stays one
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    out = _private(beside, path)
    try:
        with out:
            yield out
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _is_no_file(path: Path) -> bool:
    """Whether it is a pipe or a device, or one of ours that is open, such as /dev/stdout: its place is not ours."""
    return path.exists() and (not path.is_file() or path.absolute().parts[1] in ("dev", "proc"))


def _stream(path: Path) -> TextIO:
    """Nothing is lost of what is in it."""
    return path.open("a", encoding="utf-8", errors="surrogatepass")


def _private(path: Path, meant: Path) -> TextIO:
    """Make a file that was not there; an error names the one that is meant."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        error.filename = str(meant)
        raise
    # Halves of surrogate pairs, which the PBX may say: a recording holds them as they came.
    return os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogatepass")
