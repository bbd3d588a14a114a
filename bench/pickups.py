"""What a pickup costs on a real Asterisk with real phones, each beside what Asterisk itself does for the same."""

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bench.measure import Measured
from lab import AmiLogin, Bridge, Lab, until

_PHONES = ("0003*100", "0003*024", "0003*210")
_CALLER_ID = "John Doe <42420042>"
_EXTENSIONS = """[internal]
exten => 0003*999,1,Dial(PJSIP/0003*210,600)
[bench]
exten => ringing,1,Pickup(0003*999@internal)
exten => talking,1,Bridge(${BENCH_SOURCE},x)
"""
"""A phone that may ring for long; and Asterisk's own ways to do what our dialplan does."""

Way = Callable[[], Awaitable[float]]


@asynccontextmanager
async def office() -> AsyncIterator[tuple[Lab, Bridge]]:
    """Asterisk, three phones, and the service."""
    async with (
        Lab(phones=_PHONES, company=False, extensions=_EXTENSIONS) as lab,
        Bridge(lab.asterisk.ami) as bridge,
    ):
        yield lab, bridge


class _Desk:
    """What happens at the phones: 100 calls 0003*999, 210 rings or answers, 024 is the new phone."""

    def __init__(self, lab: Lab, bridge: Bridge) -> None:
        self.lab = lab
        self.bridge = bridge

    async def call(self, *, answered: bool) -> None:
        """Let 100 call 210, which rings or talks."""
        self.lab.ami.events.clear()
        await self.lab["100"].dial("0003*999")
        await self.lab["210"].wait_for_ring()
        if answered:
            await self.lab["210"].accept()
            await self.lab.wait_together("100", "210")

    async def put(self) -> None:
        """Ask the service to send the call to 024."""
        call = await self.bridge.call("0003*210")
        view = next(one["id"] for one in call["phoneCallView"] if one["extension"] == "0003*210")
        answer = await self.bridge.pick_up(
            "0003*210", call["id"], "0003*024", view=view, caller_id=_CALLER_ID
        )
        assert answer.status_code == 202, answer.text

    async def originate(self, extension: str) -> None:
        """Have 024 rung by a bare Originate, for something of Asterisk's own."""
        source = await self.source()
        await self.lab.ami.action(
            {
                "Action": "Originate",
                "Channel": "PJSIP/0003*024",
                "CallerID": _CALLER_ID,
                "Timeout": "20000",
                "Async": "true",
                "Context": "bench",
                "Exten": extension,
                "Priority": "1",
                "Variable": f"BENCH_SOURCE={source}",
            }
        )

    async def source(self) -> str:
        """The caller's Uniqueid."""
        rows = await self.lab.asterisk.channels()
        return next(row.uniqueid for row in rows if row.extension == "0003*100")

    async def answers(self) -> tuple[float, float]:
        """Let 024 answer.

        Returns:
            Seconds until two are in one bridge: from the command to the phone, and from when Asterisk has its answer.
        """
        lab = self.lab
        await lab["024"].wait_for_ring()
        await asyncio.sleep(0.05)  # what rings is at rest
        position = len(lab.ami.events)
        start = time.monotonic()
        await lab["024"].accept()
        entered = await lab.ami.wait_for(
            lambda event: event["Event"] == "BridgeEnter" and event["BridgeNumChannels"] == "2",
            since=position,
        )
        up = await lab.ami.wait_for(
            lambda event: (
                event["Event"] == "Newstate"
                and event["ChannelState"] == "6"
                and event["Channel"].startswith("PJSIP/0003*024-")
            ),
            since=position,
        )
        return float(entered["_at"]) - start, float(entered["Timestamp"]) - float(up["Timestamp"])

    async def clear(self) -> None:
        """Hang everybody up."""
        for phone in self.lab.phones.values():
            for call in phone.live:
                await phone.hangup(call)

        async def quiet() -> bool:
            return not await self.lab.strangers()

        await until(quiet, "all channels are gone", every=0.01)
        for phone in self.lab.phones.values():
            phone.forget()


def answer(rounds: int, *, answered: bool = False) -> Measured:
    """From the new phone's answer until the two are bridged."""
    return asyncio.run(_answer(rounds or 100, answered=answered))


def answer_talking(rounds: int) -> Measured:
    """The same for a call that was answered."""
    return answer(rounds, answered=True)


async def _answer(rounds: int, *, answered: bool) -> Measured:
    measured = Measured("ms")
    inside: dict[str, list[float]] = {"ours": [], "reference": []}
    stamps = {("manager.conf", "general", "timestampevents"): "yes"}
    async with (
        Lab(phones=_PHONES, company=False, extensions=_EXTENSIONS, options=stamps) as lab,
        Bridge(lab.asterisk.ami) as bridge,
    ):
        desk = _Desk(lab, bridge)
        for n in range(-1, rounds):
            for mine in (True, False) if n % 2 else (False, True):
                await desk.call(answered=answered)
                await (desk.put() if mine else desk.originate("talking" if answered else "ringing"))
                whole, within = await desk.answers()
                await desk.clear()
                if n >= 0:
                    (measured.ours if mine else measured.reference).append(whole * 1000)
                    inside["ours" if mine else "reference"].append(within * 1000)
    for name, values in inside.items():
        measured.notes[f"inside Asterisk, {name}, ms"] = round(statistics.median(values), 2)
    return measured


def hangup(rounds: int) -> Measured:
    """From the caller's hangup until the second phone is silent."""
    return asyncio.run(_hangup(rounds or 100))


async def _hangup(rounds: int) -> Measured:
    measured = Measured("ms")
    async with office() as (lab, bridge):
        desk = _Desk(lab, bridge)
        for n in range(-1, rounds):
            for mine in (True, False) if n % 2 else (False, True):
                await desk.call(answered=False)
                if mine:
                    await desk.put()
                    took = await _silent(desk)
                else:
                    async with _plain_socket(lab.asterisk.ami, await desk.source()):
                        await desk.originate("ringing")
                        took = await _silent(desk)
                await desk.clear()
                if n >= 0:
                    (measured.ours if mine else measured.reference).append(took * 1000)
    return measured


async def _silent(desk: _Desk) -> float:
    """Let the caller hang up while 024 rings; seconds until 024 is silent."""
    ring = await desk.lab["024"].wait_for_ring()
    await asyncio.sleep(0.05)  # what rings is at rest
    start = time.monotonic()
    await desk.lab["100"].hangup()
    await desk.lab["024"].wait_closed(ring)
    assert ring.closed is not None
    return ring.closed - start


@asynccontextmanager
async def _plain_socket(login: AmiLogin, source: str) -> AsyncIterator[None]:
    """One who hangs 024's channel up when the caller's is gone, in a process of its own as the service is."""
    watching = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.plain", str(login.port), login.username, login.secret, source,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert watching.stdout is not None
    try:
        await watching.stdout.readline()  # it has logged in
        yield
        assert await watching.wait() == 0
    finally:
        if watching.returncode is None:
            watching.kill()
