"""Make the secrets of an installation by compose, once, in the volume that its services share.

The token is shown when it is made and never again: only its hash is kept. Run with ``--new-token``, it makes another.
"""

import argparse
import os
import secrets
import sys
import tempfile
from pathlib import Path

from bridge import tokens

_TYPEABLE = "abcdefghjkmnpqrstuvwxyz23456789"
"""What cannot be mistaken when it is typed into a phone."""

_AMI, _PHONES, _TOKEN = "ami.secret", "phone.password", "token.sha256"


def main() -> int:
    """Make what is missing, and say so on standard output."""
    parser = argparse.ArgumentParser(
        prog="first-start", description="Make this installation's secrets, once."
    )
    parser.add_argument(
        "--new-token", action="store_true", help="make another API token; the old one is void"
    )
    parser.add_argument("--folder", type=Path, default=Path("/var/lib/uapi"), help="default: %(default)s")
    options = parser.parse_args()
    folder: Path = options.folder
    if not os.access(folder, os.W_OK):
        sys.stderr.write(f"first-start: the volume at {folder} is not writable for user {os.getuid()}\n")
        return 1
    if not (folder / _AMI).exists():
        _keep(folder / _AMI, secrets.token_hex(32))
    if not (folder / _PHONES).exists():
        _keep(folder / _PHONES, "".join(secrets.choice(_TYPEABLE) for _ in range(16)))
        _say(
            f"phone password: {(folder / _PHONES).read_text().strip()}",
            "for every phone; its user is its extension, such as 0003*210",
        )
    if options.new_token or not (folder / _TOKEN).exists():
        made = tokens.make()
        _keep(folder / _TOKEN, made.sha256)
        _say(f"API token: {made.text}", "shown this once; only its hash is kept")
    else:
        _say("the secrets are there; --new-token makes another API token")
    return 0


def _keep(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable for its group."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as out:
        out.write(f"{text}\n")
        out.flush()
        os.fchmod(out.fileno(), 0o640)
        os.fsync(out.fileno())
    Path(out.name).replace(path)


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
