"""How long from the PUT until the new phone rings, beside a bare AMI Originate on an open connection.

Both are done in turns on one real Asterisk and one real phone, for a call that rings at 0003*210 all the while, and
timed on the same clock until the phone says that it rings. Run by ``make latency``, or as
``PYTHONPATH=tests:. python tools/latency.py --rounds 200``.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial

from lab import AmiLogin, Bridge, Lab, LabUnavailableError, until
from lab.service import JOHN

_LONG = "[internal]\nexten => 0003*999,1,Dial(PJSIP/0003*210,600)\n"
_PHONES = ("0003*100", "0003*024", "0003*210")
_PAIRS_OF_A_CALL = 25
"""A softphone gives up after two minutes of ringing."""
_GETS_OF_A_CALL = 5
"""They warm the service up, so they come after the pairs."""

_CALLER_ID = "John Doe <42420042>"
_ORIGINATE = (
    f"Action: Originate\r\nActionID: ring\r\nChannel: PJSIP/0003*024\r\nCallerID: {_CALLER_ID}\r\n"
    "Timeout: 20000\r\nAsync: true\r\nApplication: Wait\r\nData: 1\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Plain:
    """An open connection with nothing between it and its socket."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def to_ami(cls, login: AmiLogin) -> "Plain":
        """A manager session that wants no events."""
        plain = cls(*await asyncio.open_connection(login.host, login.port))
        await plain.reader.readline()
        await plain.ask(
            f"Action: Login\r\nUsername: {login.username}\r\nSecret: {login.secret}\r\nEvents: off\r\n\r\n".encode()
        )
        return plain

    async def ask(self, question: bytes) -> tuple[float, bytes]:
        """Send, and read the answer up to its first empty line.

        Returns:
            When it was sent, by the monotonic clock, and that much of the answer.
        """
        sent = time.monotonic()
        self.writer.write(question)
        return sent, await self.reader.readuntil(b"\r\n\r\n")


def put_request(port: int, call: str, view: str) -> bytes:
    """The PUT, as it goes over the wire."""
    body = json.dumps(
        {
            "action": "PickUp",
            "sendCallTo": "0003*024",
            "phoneCallViewId": view,
            "callerId": _CALLER_ID,
        }
    )
    return _request(
        "PUT", port, call, f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )


def _request(method: str, port: int, call: str, rest: str = "\r\n") -> bytes:
    return (
        f"{method} /uapi/phoneCalls/@me/0003*210/{call} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {JOHN}\r\n{rest}"
    ).encode()


async def measure(rounds: int) -> dict[str, list[float]]:
    """Measure in turns.

    Args:
        rounds: How many of each.

    Returns:
        Seconds: of a PUT until the phone rings (``put``), of a PUT until its 202 (``accepted``), of a bare Originate
        until the phone rings (``originate``), and of a GET of that call until its reply (``get``): what any request
        costs a service that has been idle meanwhile.
    """
    times: dict[str, list[float]] = {"put": [], "accepted": [], "originate": [], "get": []}
    async with (
        Lab(phones=_PHONES, extensions=_LONG, company=False) as lab,
        Bridge(lab.asterisk.ami) as bridge,
    ):
        login = lab.asterisk.witness
        await lab.ami.close()  # who would be told of all that happens while the clock runs
        ami = await Plain.to_ami(login)
        http = Plain(*await asyncio.open_connection("127.0.0.1", bridge.port))
        for first in range(0, rounds, _PAIRS_OF_A_CALL):
            call, view = await _ringing(lab, bridge)
            put = partial(_ask, http, put_request(bridge.port, call, view), 202)
            get = partial(_ask, http, _request("GET", bridge.port, call), 200)
            # The first of each warms up.
            pairs = min(_PAIRS_OF_A_CALL, rounds - first) + (first == 0)
            await _pairs(lab, times, pairs, partial(_originate, ami), put, get)
            await lab["100"].hangup()
            await until(lambda: _channels(lab, 0), "the call is over")
    return {name: values[1:] for name, values in times.items()}


Ask = Callable[[], Coroutine[None, None, tuple[float, float]]]
"""Asks for something; when that was sent, and when it was answered."""


async def _ringing(lab: Lab, bridge: Bridge) -> tuple[str, str]:
    """Let 210 ring; that call's id, and 210's view of it."""
    await lab["100"].dial("0003*999")
    await lab["210"].wait_for_ring()
    call = await bridge.seen("0003*210")
    view = next(one["id"] for one in call["phoneCallView"] if one["extension"] == "0003*210")
    return call["id"], view


async def _pairs(
    lab: Lab, times: dict[str, list[float]], pairs: int, originate: Ask, put: Ask, get: Ask
) -> None:
    """Have 024 rung by one and by the other, who begins changing from pair to pair; then ask for the call some times."""
    for n in range(pairs):
        for name, ring in ((("put", put), ("originate", originate)))[:: 1 if n % 2 else -1]:
            sent, answered, rung = await _rung(lab, ring)
            times[name].append(rung - sent)
            if name == "put":
                times["accepted"].append(answered - sent)
    for _ in range(_GETS_OF_A_CALL):
        await _rung(lab, originate)
        sent, answered = await get()
        times["get"].append(answered - sent)


async def _rung(lab: Lab, ring: Ask) -> tuple[float, float, float]:
    """Have 024 rung, and decline; when that was asked for, when it was answered, and when the phone rang."""
    began = asyncio.create_task(ring())
    rung = await lab["024"].wait_for_ring()
    sent, answered = await began
    await lab["024"].decline(rung)
    await until(lambda: _channels(lab, 2), "the new phone's channel is gone", every=0.005)
    return sent, answered, rung.since


async def _originate(ami: Plain) -> tuple[float, float]:
    sent, _ = await ami.ask(_ORIGINATE.encode())
    return sent, time.monotonic()


async def _ask(http: Plain, request: bytes, status: int) -> tuple[float, float]:
    sent, head = await http.ask(request)
    answered = time.monotonic()
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), head
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await http.reader.readexactly(int(length.partition(b":")[2]))
    return sent, answered


async def _channels(lab: Lab, number: int) -> bool:
    return len(await lab.strangers()) == number


def report(times: dict[str, list[float]]) -> str:
    """The figures, as a table."""
    lines = [f"{'milliseconds':<28}{'median':>9}{'p99':>9}{'most':>9}"]
    for name, what in (
        ("put", "PUT until the phone rings"),
        ("originate", "Originate until it rings"),
        ("accepted", "PUT until 202"),
        ("get", "GET until its reply"),
    ):
        values = sorted(1000 * value for value in times[name])
        figures = statistics.median(values), values[min(len(values) - 1, int(0.99 * len(values)))], values[-1]
        lines.append(f"{what:<28}" + "".join(f"{value:9.2f}" for value in figures))
    ratio = statistics.median(times["put"]) / statistics.median(times["originate"])
    lines.append(f"{len(times['put'])} rounds in turns; ratio of the medians {ratio:.2f}")
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="PUT-to-ringing beside a bare AMI Originate.")
    parser.add_argument("--rounds", type=int, default=100, help="how many of each; default: 100")
    rounds: int = parser.parse_args().rounds
    try:
        print(report(asyncio.run(measure(rounds))))
    except LabUnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
