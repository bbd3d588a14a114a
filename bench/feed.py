"""Events to 200 listeners at once, beside 200 times what one costs: processor time of the service."""

import selectors
import signal
import socket
import subprocess
import time
from pathlib import Path

from bench.measure import Measured
from bench.serving import TOKEN, serving
from bench.stream import number

LISTENERS = 200
_ROUNDS = 7
_ENDED = b"event: ended\n"


def listeners(rounds: int) -> Measured:
    """The changes of one call from its beginning to its end, to all of them."""
    measured = Measured("ms")
    with serving("ours", "0") as (port, process):
        for n in range(-1, rounds or _ROUNDS):
            sides = (LISTENERS, 1) if n % 2 else (1, LISTENERS)
            spent = {many: took(port, process, many) for many in sides}
            if n >= 0:
                measured.ours.append(spent[LISTENERS])
                measured.reference.append(spent[1] * LISTENERS)
    measured.notes = {"listeners": LISTENERS}
    return measured


def took(port: int, process: subprocess.Popen[bytes], many: int) -> float:
    """Milliseconds of the service's processor time for a burst of calls, told to so many."""
    sockets = [_listen(port) for _ in range(many)]
    try:
        time.sleep(0.1)
        before = _cpu(process.pid)
        process.send_signal(signal.SIGUSR1)
        _hear_out(sockets)
        return (_cpu(process.pid) - before) * 1000
    finally:
        for one in sockets:
            one.close()
        time.sleep(0.2)


def _listen(port: int) -> socket.socket:
    """Begin a stream, and read until the snapshot has come."""
    plain = socket.create_connection(("127.0.0.1", port), 30)
    plain.sendall(
        f"GET /uapi/phoneCalls/@me/{number(0)}/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
    )
    heard = b""
    while b"event: snapshot" not in heard or not heard.endswith(b"\n\n\r\n"):
        heard += plain.recv(65536)
    return plain


def _hear_out(sockets: list[socket.socket]) -> None:
    """Read until each has heard of the end of the call."""
    with selectors.DefaultSelector() as ready:
        for one in sockets:
            ready.register(one, selectors.EVENT_READ, bytearray())
        left = len(sockets)
        while left:
            found = ready.select(30)
            if not found:
                raise RuntimeError(f"{left} listeners have not heard the end")
            for key, _ in found:
                plain = key.fileobj
                assert isinstance(plain, socket.socket)
                key.data.extend(plain.recv(1 << 18))
                if _ENDED in key.data:
                    ready.unregister(plain)
                    left -= 1


def _cpu(pid: int) -> float:
    """Seconds of processor time that a process has had, all its threads together."""
    nanoseconds = sum(
        int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()
    )
    return nanoseconds / 1e9
