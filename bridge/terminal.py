"""What the commands say: a line on standard output, a complaint on standard error, each at once."""

import sys


def say(line: str) -> None:
    """Say something on standard output."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def complain(line: str) -> None:
    """Say something on standard error."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
