"""Free ports, and a bounded wait for what has no event of its own."""

# ruff: noqa: ASYNC109 (a wait is told its bound where it is called)

import asyncio
import contextlib
import itertools
import os
import random
import socket
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
"""Where several processes share the tests (pytest-xdist), each has ports of its own."""


def sound_ports(first: int) -> tuple[int, int]:
    """The first and the last port for sound that are this process's, of ten thousand.

    Args:
        first: The first of all of them.
    """
    share = 10_000 // _WORKERS // 2 * 2
    return first + _WORKER * share, first + (_WORKER + 1) * share - 1


def _mine() -> list[int]:
    """This process's ports for all else, shuffled."""
    ports = range(30000 + 2 * _WORKER, 32767, 2 * _WORKERS)
    return random.SystemRandom().sample(ports, len(ports))


_PORTS = itertools.cycle(_mine())
"""Even ports: a softphone takes its own and the next one. Each is given once, until all were."""


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that is free now for UDP and for TCP, and that nobody else is given here or by the kernel.

    Not the kernel's choice: two who ask it within an instant may get the same. And each connection that a client closed
    keeps its port for a minute (TIME-WAIT, RFC 9293 section 3.6.1): after thousands of them most of the kernel's are
    taken, and a softphone that cannot have its port for UDP and TCP does not start.

    Asterisk has 10000 to 19999 for sound (rtp.conf), on all addresses; phones have 20000 to 29999.

    Args:
        host: The address it is free on.
    """
    while True:
        port = next(_PORTS)
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        ):
            udp.bind((host, port))
            tcp.bind((host, port))  # no SO_REUSEADDR: the phone has none either
            return port


def is_free(port: int, kind: socket.SocketKind = socket.SOCK_STREAM, host: str = "") -> bool:
    """Whether nobody has a port; all addresses unless told one."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


async def until(
    ask: Callable[[], Awaitable[T | None]], what: str, *, timeout: float = 20, every: float = 0.02
) -> T:
    """Ask again and again until the answer is true, and return it.

    Args:
        ask: The question.
        what: What is waited for, for the message.
        timeout: Seconds until it gives up.
        every: Seconds between two questions.

    Raises:
        TimeoutError: It did not come true in time; the message tells the last answer.
    """
    deadline = time.monotonic() + timeout
    while True:
        answer = await ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout} s; last seen: {answer!r}")
        await asyncio.sleep(every)
