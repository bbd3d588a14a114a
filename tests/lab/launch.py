"""Become a program that ends with whoever started it, inside a root folder and as another user where asked.

Run as ``python -I -S launch.py PARENT ROOT USER PROGRAM ARGUMENT...``; ROOT / and USER root change nothing, PROGRAM is a whole path. It uses
the standard library alone, and replaces itself by the program: one process, whose id is known.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def command(root: str, user: str, *arguments: str) -> list[str]:
    """Return the command line that runs a program this way, as a child of this very process."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), root, user, *arguments]


def _main(parent: str, root: str, user: str, *arguments: str) -> None:
    prctl = ctypes.CDLL(None).prctl
    if root != "/":
        os.chroot(root)
        os.chdir("/")
    if user != "root":
        uid, gid = _ids(user)
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # after setuid, which would clear it
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where the tests were started in the background
    if os.getppid() == int(parent):
        os.execv(arguments[0], arguments)


def _ids(user: str) -> tuple[int, int]:
    """Look a user up in the root's own /etc/passwd."""
    with open("/etc/passwd") as lines:  # noqa: PTH123 (pathlib is not worth its start-up time here)
        for line in lines:
            name, _, uid, gid, *_ = line.split(":")
            if name == user:
                return int(uid), int(gid)
    raise SystemExit(f"no user {user} here")


if __name__ == "__main__":
    _main(*sys.argv[1:])
