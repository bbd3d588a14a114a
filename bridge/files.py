"""Files that only their owner can read: customers' numbers stand in them, or secrets."""

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_OPEN = re.compile(r"/proc/|/dev/(?:stdin|stdout|stderr|fd/\d+)$")


def fresh(path: Path) -> TextIO:
    """Open a file that is not there yet.

    Raises:
        FileExistsError: it is there.
        OSError: it cannot be made.
    """
    return _stream(path) if _is_no_file(path) else _private(path, path)


@contextmanager
def whole(path: Path, *, new: bool = False) -> Iterator[TextIO]:
    """Write a file whole or not at all: an older one stays until the end, and where something fails, for good.

    Args:
        path: Where.
        new: Write none over that is there.

    Raises:
        FileExistsError: it is there, and shall be new.
        OSError: it cannot be written.
    """
    if _is_no_file(path):
        with _stream(path) as out:
            yield out
        return
    if new and os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
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
    return path.exists() and (not path.is_file() or _OPEN.match(str(path.absolute())) is not None)


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
