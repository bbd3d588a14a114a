"""How soon the API answers while many calls are live, beside a Starlette application that answers a constant."""

import json
import socket
import statistics
import time

from bench.measure import Measured
from bench.serving import CALLS_OF_ONE_USER, OWNER, TOKEN, call_id, serving
from bench.stream import number

_ROUNDS = 25
_REQUESTS = 300
_SECONDS_OF_A_ROUND = 5.0
LIVE = 10_000
_ALL = "/uapi/phoneCalls/@me/@self?count=20"


class Client:
    """One open connection that asks one thing again and again, with nothing between it and its socket.

    Args:
        port: Whose.
        path: What.
        token: As whom.
        body: What is PUT there; a GET where None.
        status: What the answer must have.
    """

    def __init__(
        self, port: int, path: str, token: str, *, body: bytes | None = None, status: int = 200
    ) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._status = status
        head = f"{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        if body is None:
            self._request = f"GET {head}\r\n".encode()
        else:
            entity = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            self._request = f"PUT {head}{entity}".encode() + body

    def ask(self) -> bytes:
        """Ask, and wait for the whole answer.

        Returns:
            Its body.
        """
        self._socket.sendall(self._request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._more()
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 %d " % self._status):
            raise RuntimeError(answer.decode())
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        length = int(lengths[0].partition(b":")[2])
        while len(body) < length:
            body += self._more()
        return body

    def _more(self) -> bytes:
        data = self._socket.recv(1 << 18)
        if not data:
            raise RuntimeError("the server closed the connection")
        return data

    def timed(self) -> float:
        """Ask, and say how many microseconds the answer took."""
        start = time.perf_counter()
        self.ask()
        return (time.perf_counter() - start) * 1e6

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def alternately(ours: Client, reference: Client, rounds: int, requests: int) -> Measured:
    """Ask both in turns, request by request; a round's value is its median.

    Where answers take long there are fewer requests to a round: it lasts no more than some seconds.
    """
    measured = Measured("µs")
    slowest = max(ours.timed(), reference.timed()) / 1e6
    requests = max(5, min(requests, int(_SECONDS_OF_A_ROUND / slowest)))
    slow: dict[str, list[float]] = {"ours": [], "reference": []}
    for n in range(-1, rounds):
        took: tuple[list[float], list[float]] = ([], [])
        for m in range(requests):
            for side in (0, 1) if m % 2 else (1, 0):
                took[side].append((ours, reference)[side].timed())
        if n >= 0:
            measured.ours.append(statistics.median(took[0]))
            measured.reference.append(statistics.median(took[1]))
            slow["ours"] += took[0]
            slow["reference"] += took[1]
    for name, times in slow.items():
        measured.notes[f"p99 {name}, µs"] = round(statistics.quantiles(times, n=100)[98])
    return measured


def one(rounds: int, calls: int = LIVE) -> Measured:
    """GET of one PhoneCall."""
    path = f"/uapi/phoneCalls/@me/{number(2)}/{call_id(1, calls)}"
    return _beside_a_constant(path, TOKEN, rounds, calls)


def page(rounds: int, calls: int = LIVE) -> Measured:
    """A list of 20 of all live calls, as the organization's owner sees it."""
    return _beside_a_constant(_ALL, OWNER, rounds, calls)


def users(rounds: int, calls: int = LIVE) -> Measured:
    """The list of one user's ten calls with all live calls, beside the same with 100."""
    path = "/uapi/phoneCalls/@me/@self?count=20"
    with serving("ours", str(calls)) as (many, _), serving("ours", "100") as (few, _):
        until_live(many, calls)
        until_live(few, 100)
        ours, reference = Client(many, path, TOKEN), Client(few, path, TOKEN)
        for client in (ours, reference):
            if _found(client.ask()) != CALLS_OF_ONE_USER:
                raise RuntimeError("the user's calls are not all there")
        return alternately(ours, reference, rounds or _ROUNDS, _REQUESTS)


def _beside_a_constant(path: str, token: str, rounds: int, calls: int) -> Measured:
    with serving("ours", str(calls)) as (port, _):
        until_live(port, calls)
        ours = Client(port, path, token)
        body = ours.ask()
        with serving("constant", str(len(body))) as (other, _):
            measured = alternately(ours, Client(other, path, token), rounds or _ROUNDS, _REQUESTS)
    measured.notes |= {"bytes": len(body), "live calls": calls}
    return measured


def until_live(port: int, calls: int) -> None:
    """Wait until the service has worked off the beginning of all calls."""
    client = Client(port, _ALL, OWNER)
    end = time.monotonic() + 120
    while (found := _found(client.ask())) != calls:
        if time.monotonic() > end:
            raise RuntimeError(f"{found} calls are live, not {calls}")
        time.sleep(0.1)
    client.close()


def _found(body: bytes) -> int:
    return int(json.loads(body)["totalResults"])
