"""The scenarios of the recordings: who does what, one thing after the other, on the lab's Asterisk.

A scenario's name is that of its recording; the state that it is about stands before the slash.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from lab import AmiProxy, Bridge, Lab, free_port, until
from lab.numbers import (
    CONFERENCE,
    DIAL_F,
    DIAL_G,
    ECHO,
    FORWARDED,
    GROUP,
    LINEAR,
    NOBODY,
    ONE_AGENT,
    PARK_ME,
    PARKING,
    ROUNDS,
    SHORT,
    SPY,
    SUPPORT,
    VIA_LOCAL,
    VIA_LOCAL_N,
)
from lab.service import GLOBAL
from lab.sip import SipUser

PAUSE = 0.7
"""Seconds between two things that people do: more than a moment of the story (recorded.telling.MOMENT)."""


class Stage:
    """The lab while a scenario is played: people do one thing after the other."""

    def __init__(
        self, lab: Lab, bridge: Bridge, proxy: AmiProxy, begin: Callable[[], Awaitable[None]]
    ) -> None:
        self.lab = lab
        self.bridge = bridge
        self.proxy = proxy
        """What the recorder's connection goes through."""
        self._begin = begin

    async def pause(self, seconds: float = PAUSE) -> None:
        """People take their time."""
        await asyncio.sleep(seconds)

    async def dials(self, phone: str, number: str, *rings: str) -> None:
        """A phone dials a number, and these phones ring."""
        await self.lab[phone].dial(number)
        for other in rings:
            await self.lab[other].wait_for_ring()
        await self.pause()

    async def answers(self, phone: str) -> None:
        """What rings at a phone is answered."""
        await self.lab[phone].accept()
        await self.pause()

    async def declines(self, phone: str) -> None:
        """What rings at a phone is declined."""
        await self.lab[phone].decline()
        await self.pause()

    async def rings(self, phone: str, within: float = 10) -> None:
        """A phone rings, sooner or later."""
        await self.lab[phone].wait_for_ring(within)
        await self.pause()

    async def talk(self, one: str = "100", other: str = "210") -> None:
        """One calls the other, who answers."""
        await self.dials(one, f"0003*{other}", other)
        await self.answers(other)
        await self.lab.wait_together(one, other)

    async def hangs_up(self, phone: str) -> None:
        """A phone hangs up."""
        await self.lab[phone].hangup()
        await self.pause()

    async def holds(self, phone: str) -> None:
        """A phone puts the other on hold."""
        await self.lab[phone].hold()
        await self.pause()

    async def resumes(self, phone: str) -> None:
        """A phone takes the other back."""
        await self.lab[phone].resume()
        await self.pause()

    async def transfers(self, phone: str, number: str, *rings: str) -> None:
        """A phone transfers the other by REFER, without asking."""
        await self.lab[phone].transfer(number)
        for other in rings:
            await self.lab[other].wait_for_ring()
        await self.pause()

    async def presses(self, phone: str, keys: str) -> None:
        """Somebody presses keys."""
        await self.lab[phone].dtmf(keys)

    async def waits_in(self, phone: str, application: str, within: float = 10) -> None:
        """A phone arrives where it waits."""
        await self.lab.wait_waiting(phone, application, within)
        await self.pause()

    async def is_quiet(self, phone: str, within: float = 10) -> None:
        """A phone's last call ends by itself."""
        await self.lab[phone].wait_closed(timeout=within)
        await self.pause()

    async def picks_up(self, extension: str, to: str, *, view_of: str = "", **options: Any) -> None:
        """The API is asked to take the call at an extension, and the new phone rings."""
        await self.asks(extension, to, view_of or extension, **options)
        await self.lab[to].wait_for_ring()
        await self.pause()

    async def asks(self, extension: str, to: str, view_of: str, **options: Any) -> None:
        """The API is asked, and says that the new phone rings."""
        call = await self.bridge.call(f"0003*{extension}", user="@owner", token=GLOBAL)
        view = next(view["id"] for view in call["phoneCallView"] if view["extension"] == f"0003*{view_of}")
        answer = await self.bridge.pick_up(
            f"0003*{extension}",
            call["id"],
            f"0003*{to}",
            view=view,
            user="@owner",
            token=GLOBAL,
            **options,
        )
        assert answer.status_code == 202, answer.text

    async def recording_begins(self) -> None:
        """In a scenario that is joined late: everything before is not in the recording."""
        await self._begin()
        await self.pause()


FORK = "[internal]\nexten => 0003*881,1,Dial(PJSIP/0003*103&PJSIP/0003*210,30)\n"
"""A number that rings at 103, a SIP user without a phone, and at 210."""

DIAL_BOTH = "[internal]\nexten => 0003*880,1,Dial(PJSIP/0003*210,30,G(voicemail^s^1))\n"
"""A number that sends both ends on once the called one has answered."""


class Forwarder(asyncio.DatagramProtocol):
    """A telephone that is forwarded: it answers every INVITE with 302 and another number."""

    PORT = free_port()
    ENDPOINT = f"""\
[0003*150](phone)
aors = 0003*150
[0003*150](phone-aor)
contact = sip:0003*150@127.0.0.1:{PORT}
"""

    def __init__(self, to: str) -> None:
        self._to = to
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: tuple[str | Any, int]) -> None:
        request, *lines = data.decode().split("\r\n")
        if not request.startswith("INVITE"):
            return
        kept = [line for line in lines if line.startswith(("Via:", "From:", "To:", "Call-ID:", "CSeq:"))]
        answer = [
            "SIP/2.0 302 Moved Temporarily",
            *(f"{line};tag=forwarded" if line.startswith("To:") else line for line in kept),
            f"Contact: <sip:{self._to}@127.0.0.1>",
            "Content-Length: 0",
        ]
        assert self._transport is not None
        self._transport.sendto("\r\n".join([*answer, "", ""]).encode(), address)


Play = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """One recording to be made."""

    name: str
    play: Play
    lab: Mapping[str, Any]
    """What the lab is like, where it is not the usual one."""
    late: bool = False
    """Whether the scenario says itself when the recording begins."""

    def path(self, folder: Path, version: int, driver: str = "PJSIP") -> Path:
        """Where the recording goes; one of an old version, or of chan_sip's phones, says so in its name."""
        words = re.sub("[^0-9A-Za-z/]+", "-", self.name)
        kind = ("" if version == 22 else f".{version}") + ("-sip" if driver == "SIP" else "")
        return folder / f"{words}{kind}.jsonl"


@dataclass
class Book:
    """All scenarios, by name."""

    scenarios: dict[str, Scenario] = field(default_factory=dict)

    def __call__(self, name: str, *, late: bool = False, **lab: Any) -> Callable[[Play], Play]:
        """Put a scenario into the book."""

        def put(play: Play) -> Play:
            self.scenarios[name] = Scenario(name, play, lab, late)
            return play

        return put


scenario = Book()

# ------------------------------------------------------------------ ringing


@scenario("ringing/answered, the called one hangs up")
async def _(on: Stage) -> None:
    await on.talk()
    await on.hangs_up("210")


@scenario("ringing/answered, the caller hangs up")
async def _(on: Stage) -> None:
    await on.talk()
    await on.hangs_up("100")


@scenario("ringing/the caller leaves")
async def _(on: Stage) -> None:
    await on.dials("100", "0003*210", "210")
    await on.hangs_up("100")


@scenario("ringing/declined, the caller goes to the voicemail")
async def _(on: Stage) -> None:
    await on.dials("100", "0003*210", "210")
    await on.declines("210")
    await on.hangs_up("100")


@scenario("ringing/not answered, the caller goes to the voicemail")
async def _(on: Stage) -> None:
    await on.dials("100", SHORT, "210")
    await on.waits_in("100", "Playback")
    await on.hangs_up("100")


@scenario("ringing/of two forks one answers")
async def _(on: Stage) -> None:
    await on.dials("100", GROUP, "210", "211")
    await on.answers("211")
    await on.hangs_up("100")


@scenario("ringing/of two forks one declines, the other answers")
async def _(on: Stage) -> None:
    await on.dials("100", GROUP, "210", "211")
    await on.declines("210")
    await on.answers("211")
    await on.hangs_up("211")


@scenario("ringing/of two forks one is busy", extensions=FORK)
async def _(on: Stage) -> None:
    async with SipUser(on.lab.asterisk) as busy:
        busy.refusal = "486 Busy Here"
        await on.dials("100", "0003*881", "210")
        await on.answers("210")
        await on.hangs_up("100")


@scenario("ringing/the caller leaves two forks")
async def _(on: Stage) -> None:
    await on.dials("100", GROUP, "210", "211")
    await on.hangs_up("100")


@scenario("ringing/through a Local channel that stays")
async def _(on: Stage) -> None:
    await on.dials("100", VIA_LOCAL_N, "210")
    await on.answers("210")
    await on.hangs_up("210")


@scenario("ringing/through a Local channel that goes")
async def _(on: Stage) -> None:
    await on.dials("100", VIA_LOCAL, "210")
    await on.answers("210")
    await on.pause(1)
    await on.hangs_up("100")


@scenario("ringing/forwarded by the dialplan")
async def _(on: Stage) -> None:
    await on.dials("100", FORWARDED, "210")
    await on.answers("210")
    await on.pause(1)
    await on.hangs_up("100")


@scenario("ringing/forwarded by the phone", files={"pjsip.conf": Forwarder.ENDPOINT})
async def _(on: Stage) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: Forwarder("0003*024"), local_addr=("127.0.0.1", Forwarder.PORT)
    )
    try:
        await on.dials("100", "0003*150", "024")
        await on.answers("024")
        await on.pause(1)
        await on.hangs_up("100")
    finally:
        transport.close()


@scenario("ringing/a second call at a busy phone")
async def _(on: Stage) -> None:
    await on.talk("101", "210")
    await on.dials("100", "0003*210", "210")
    await on.hangs_up("101")
    await on.answers("210")
    await on.hangs_up("100")


@scenario("ringing/an outside caller comes in")
async def _(on: Stage) -> None:
    outside = await on.lab.outside()
    await outside.dial("0003*210")
    await on.rings("210")
    await on.answers("210")
    await outside.hangup()
    await on.pause()


@scenario("ringing/somebody outside is called")
async def _(on: Stage) -> None:
    outside = await on.lab.outside()
    await on.lab["100"].dial(outside.extension)
    await outside.wait_for_ring()
    await on.pause()
    await outside.accept()
    await on.pause()
    await on.hangs_up("100")


@scenario("ringing/a click calls both ends")
async def _(on: Stage) -> None:
    originate = {
        "Action": "Originate",
        "Channel": "PJSIP/0003*100",
        "CallerID": "Web <0003*210>",
        "Async": "true",
    }
    there = {"Context": "internal", "Exten": "0003*210", "Priority": "1", "ChannelId": "click-to-call-7"}
    await on.lab.ami.action(originate | there)
    await on.rings("100")
    await on.answers("100")
    await on.rings("210")
    await on.answers("210")
    await on.hangs_up("100")


# ------------------------------------------------------------------ talking


@scenario("talking/held and resumed by the called one")
async def _(on: Stage) -> None:
    await on.talk()
    await on.holds("210")
    await on.resumes("210")
    await on.hangs_up("210")


@scenario("talking/held by the caller, who hangs up")
async def _(on: Stage) -> None:
    await on.talk()
    await on.holds("100")
    await on.hangs_up("100")


@scenario("talking/transferred blindly")
async def _(on: Stage) -> None:
    await on.talk()
    await on.transfers("210", "0003*024", "024")
    await on.answers("024")
    await on.hangs_up("100")


@scenario("talking/transferred blindly by the caller")
async def _(on: Stage) -> None:
    await on.talk()
    await on.transfers("100", "0003*024", "024")
    await on.answers("024")
    await on.hangs_up("024")


@scenario("talking/transferred by keys")
async def _(on: Stage) -> None:
    await on.talk()
    await on.presses("210", "#1")
    await on.pause(1)
    await on.presses("210", "0003*024")
    await on.rings("024")
    await on.answers("024")
    await on.hangs_up("100")


@scenario("talking/transferred after a consultation")
async def _(on: Stage) -> None:
    await _consult(on)
    await on.answers("024")
    await on.hangs_up("210")
    await on.pause(1)
    await on.hangs_up("100")


@scenario("talking/a consultation that ends in the voicemail")
async def _(on: Stage) -> None:
    await _consult(on)
    await on.declines("024")
    await on.pause(1.5)
    await on.hangs_up("100")


@scenario("talking/transferred by a phone that has two calls")
async def _(on: Stage) -> None:
    async with SipUser(on.lab.asterisk) as phone:
        await on.lab["100"].dial(phone.extension)
        first = await phone.wait_call()
        await on.pause()
        on.lab["211"].on_ring("accept")
        second = await phone.call("0003*211")
        await on.pause()
        await phone.refer(first, second)
        await on.lab.wait_together("100", "211")
        await on.pause()
        await on.hangs_up("211")


async def _consult(on: Stage) -> None:
    """210 talks, presses *2 and calls 024."""
    await on.talk()
    await on.presses("210", "*2")
    await on.pause(1)
    await on.presses("210", "0003*024")
    await on.rings("024")


@scenario("talking/dialled with g, the called one hangs up")
async def _(on: Stage) -> None:
    await on.dials("100", DIAL_G, "210")
    await on.answers("210")
    await on.hangs_up("210")
    await on.waits_in("100", "Playback")
    await on.hangs_up("100")


@scenario("talking/dialled with F, the caller hangs up")
async def _(on: Stage) -> None:
    await on.dials("100", DIAL_F, "210")
    await on.answers("210")
    await on.hangs_up("100")
    await on.waits_in("210", "Playback")
    await on.hangs_up("210")


@scenario("talking/dialled with G, both go on by themselves", extensions=DIAL_BOTH)
async def _(on: Stage) -> None:
    await on.dials("100", "0003*880", "210")
    await on.answers("210")
    await on.waits_in("100", "Playback")
    await on.hangs_up("210")
    await on.hangs_up("100")


@scenario("talking/spied upon")
async def _(on: Stage) -> None:
    await on.talk()
    await on.dials("101", SPY)
    await on.waits_in("101", "ChanSpy")
    await on.hangs_up("101")
    await on.hangs_up("100")


@scenario("talking/a conference of three")
async def _(on: Stage) -> None:
    for phone in ("100", "101", "210"):
        await on.dials(phone, CONFERENCE)
    for phone in ("101", "100", "210"):
        await on.hangs_up(phone)


# ------------------------------------------------------------------ waiting


@scenario("waiting/parks himself and is fetched")
async def _(on: Stage) -> None:
    await on.dials("100", PARK_ME)
    await on.waits_in("100", "Park")
    await on.dials("025", "702")
    await on.lab.wait_together("100", "025")
    await on.pause()
    await on.hangs_up("025")


@scenario("waiting/parks himself and leaves")
async def _(on: Stage) -> None:
    await on.dials("100", PARK_ME)
    await on.waits_in("100", "Park")
    await on.hangs_up("100")


@scenario("waiting/parked by a transfer and fetched")
async def _(on: Stage) -> None:
    await on.talk()
    await on.transfers("210", PARKING)
    await on.is_quiet("210")
    await on.dials("025", "702")
    await on.lab.wait_together("100", "025")
    await on.pause()
    await on.hangs_up("100")


@scenario(
    "waiting/parked too long, comes back",
    options={("res_parking.conf", "default", "parkingtime"): "4"},
    company=False,
)
async def _(on: Stage) -> None:
    await on.talk()
    await on.transfers("210", PARKING)
    await on.is_quiet("210")
    await on.rings("210")
    await on.answers("210")
    await on.hangs_up("100")


@scenario("waiting/in a queue, one agent answers")
async def _(on: Stage) -> None:
    await on.dials("100", ONE_AGENT, "210")
    await on.answers("210")
    await on.hangs_up("210")


@scenario("waiting/in a queue that rings all")
async def _(on: Stage) -> None:
    await on.dials("100", SUPPORT, "210", "211")
    await on.answers("211")
    await on.hangs_up("100")


@scenario("waiting/in a queue, the first agent declines")
async def _(on: Stage) -> None:
    await on.dials("100", LINEAR, "210")
    await on.declines("210")
    await on.rings("211")
    await on.answers("211")
    await on.hangs_up("100")


@scenario("waiting/in a queue, the caller leaves while it rings")
async def _(on: Stage) -> None:
    await on.dials("100", SUPPORT, "210", "211")
    await on.hangs_up("100")


@scenario("waiting/in a queue where nobody is")
async def _(on: Stage) -> None:
    await on.dials("100", NOBODY)
    await on.waits_in("100", "Queue")
    await on.hangs_up("100")


@scenario("waiting/in a queue, round after round")
async def _(on: Stage) -> None:
    await on.dials("100", ROUNDS, "210")
    await on.rings("210")
    await on.answers("210")
    await on.hangs_up("100")


# ------------------------------------------------------------------ picked up

JOHN_DOE = "John Doe <42420042>"


@scenario("pickup/ringing")
async def _(on: Stage) -> None:
    await on.dials("100", "0003*210", "210")
    await on.picks_up("210", "024", caller_id=JOHN_DOE)
    await on.answers("024")
    await on.hangs_up("024")


@scenario("pickup/ringing, one of two forks")
async def _(on: Stage) -> None:
    await on.dials("100", GROUP, "210", "211")
    await on.picks_up("211", "024")
    await on.answers("024")
    await on.hangs_up("100")


@scenario("pickup/ringing through a Local channel")
async def _(on: Stage) -> None:
    await on.dials("100", VIA_LOCAL_N, "210")
    await on.picks_up("210", "024")
    await on.answers("024")
    await on.hangs_up("024")


@scenario("pickup/a second call at a busy phone")
async def _(on: Stage) -> None:
    await on.talk("101", "210")
    await on.dials("100", "0003*210", "210")
    await on.picks_up("100", "024", view_of="210")
    await on.answers("024")
    await on.hangs_up("101")
    await on.hangs_up("100")


@scenario("pickup/rung by a queue")
async def _(on: Stage) -> None:
    await on.dials("100", SUPPORT, "210", "211")
    await on.picks_up("210", "024")
    await on.answers("024")
    await on.hangs_up("024")


@scenario("pickup/waiting in a queue")
async def _(on: Stage) -> None:
    await on.dials("100", NOBODY)
    await on.waits_in("100", "Queue")
    await on.picks_up("901", "024", view_of="100")
    await on.answers("024")
    await on.pause(1)
    await on.hangs_up("024")


@scenario("pickup/waiting in a queue that rings all")
async def _(on: Stage) -> None:
    await on.dials("100", SUPPORT, "210", "211")
    await on.picks_up("900", "024", view_of="100")
    await on.answers("024")
    await on.hangs_up("024")


@scenario("pickup/talking")
async def _(on: Stage) -> None:
    await on.talk()
    await on.picks_up("210", "024", caller_id=JOHN_DOE)
    await on.answers("024")
    await on.hangs_up("100")


@scenario("pickup/the side of the caller in a talk")
async def _(on: Stage) -> None:
    await on.talk()
    await on.picks_up("100", "024")
    await on.answers("024")
    await on.hangs_up("210")


@scenario("pickup/held")
async def _(on: Stage) -> None:
    await on.talk()
    await on.holds("210")
    await on.picks_up("210", "024")
    await on.answers("024")
    await on.hangs_up("024")


@scenario("pickup/held by the other")
async def _(on: Stage) -> None:
    await on.talk()
    await on.holds("100")
    await on.picks_up("210", "024")
    await on.answers("024")
    await on.resumes("100")
    await on.hangs_up("024")


@scenario("pickup/after a transfer")
async def _(on: Stage) -> None:
    await on.talk()
    await on.transfers("210", "0003*211", "211")
    await on.answers("211")
    await on.picks_up("211", "024")
    await on.answers("024")
    await on.hangs_up("100")


@scenario("pickup/parks himself")
async def _(on: Stage) -> None:
    await on.dials("100", PARK_ME)
    await on.waits_in("100", "Park")
    await on.picks_up("100", "024")
    await on.answers("024")
    await on.hangs_up("024")


@scenario(
    "pickup/parked, and back at who parked him",
    options={("res_parking.conf", "default", "parkingtime"): "4"},
    company=False,
)
async def _(on: Stage) -> None:
    await on.talk()
    await on.transfers("210", PARKING)
    await on.is_quiet("210")
    await on.picks_up("210", "024", view_of="100")
    await on.rings("210")
    await on.answers("024")
    await on.hangs_up("024")


@scenario("pickup/parked by a transfer")
async def _(on: Stage) -> None:
    await on.talk()
    await on.transfers("210", PARKING)
    await on.is_quiet("210")
    await on.picks_up("210", "024", view_of="100")
    await on.answers("024")
    await on.hangs_up("024")


@scenario("pickup/twice, one after the other")
async def _(on: Stage) -> None:
    await on.dials("100", "0003*210", "210")
    await on.picks_up("210", "024")
    await on.answers("024")
    await on.picks_up("024", "025")
    await on.answers("025")
    await on.hangs_up("025")


@scenario("pickup/not answered in time")
async def _(on: Stage) -> None:
    await on.dials("100", "0003*210", "210")
    await on.picks_up("210", "024", ring=1)
    await on.is_quiet("024")
    await on.answers("210")
    await on.hangs_up("100")


@scenario("pickup/declined, then by another")
async def _(on: Stage) -> None:
    await on.dials("100", "0003*210", "210")
    await on.picks_up("210", "024")
    await on.declines("024")
    await on.picks_up("210", "025")
    await on.answers("025")
    await on.hangs_up("100")


@scenario("pickup/refused, then by another")
async def _(on: Stage) -> None:
    async with SipUser(on.lab.asterisk) as refusing:
        refusing.refusal = "603 Decline"
        await on.dials("100", "0003*210", "210")
        await on.asks("210", "103", "210")
        await on.pause()
        await on.picks_up("210", "025")
        await on.answers("025")
        await on.hangs_up("100")


@scenario("pickup/the caller leaves while the new phone rings")
async def _(on: Stage) -> None:
    await on.dials("100", "0003*210", "210")
    await on.picks_up("210", "024")
    await on.hangs_up("100")


@scenario("pickup/the other fork answers first")
async def _(on: Stage) -> None:
    await on.dials("100", GROUP, "210", "211")
    await on.picks_up("210", "024")
    await on.answers("211")
    await on.hangs_up("100")


@scenario("pickup/who rang answers, and is taken over then")
async def _(on: Stage) -> None:
    await on.dials("100", "0003*210", "210")
    await on.picks_up("210", "024")
    await on.answers("210")
    await on.answers("024")
    await on.hangs_up("024")


# ------------------------------------------------------------------ the bridge comes and goes


@scenario("connecting/while all kinds of calls are there", late=True)
async def _(on: Stage) -> None:
    await on.talk("100", "210")
    await on.holds("210")
    await on.dials("101", PARK_ME)
    await on.dials("102", SUPPORT, "211")
    await on.dials("025", "0003*024", "024")
    await on.recording_begins()
    await on.resumes("210")
    await on.answers("211")
    await on.answers("024")
    await on.hangs_up("101")
    await on.hangs_up("100")
    await on.hangs_up("102")
    await on.hangs_up("024")


@scenario("connecting/while a pickup is under way", late=True)
async def _(on: Stage) -> None:
    await on.dials("100", "0003*210", "210")
    await on.picks_up("210", "024")
    await on.recording_begins()
    await on.answers("024")
    await on.hangs_up("100")


@scenario("connecting/after a pickup", late=True)
async def _(on: Stage) -> None:
    await on.talk()
    await on.picks_up("210", "024")
    await on.answers("024")
    await on.recording_begins()
    await on.holds("024")
    await on.hangs_up("100")


@scenario("connecting/the connection is lost and comes back")
async def _(on: Stage) -> None:
    await on.talk()
    await on.dials("101", "0003*211", "211")
    on.proxy.cut(refuse=True)
    await on.hangs_up("100")
    await on.answers("211")
    await on.dials("102", PARK_ME)
    on.proxy.allow()
    await until(_settled(on.proxy, len(on.proxy.connected)), "the recorder is back")
    await on.pause(1)
    await on.hangs_up("101")
    await on.hangs_up("102")


def _settled(proxy: AmiProxy, before: int) -> Callable[[], Awaitable[bool]]:
    async def settled() -> bool:
        return len(proxy.connected) > before

    return settled


@scenario("connecting/a PBX with a systemname", systemname="pbx-berlin-1")
async def _(on: Stage) -> None:
    await on.dials("100", GROUP, "210", "211")
    await on.picks_up("211", "024")
    await on.answers("024")
    await on.hangs_up("024")


@scenario("connecting/three calls of two, one among the other")
async def _(on: Stage) -> None:
    pairs = (("100", "210"), ("101", "211"), ("102", "024"))
    for caller, called in pairs:
        await on.lab[caller].dial(f"0003*{called}")
        await on.lab[called].wait_for_ring()
    await on.pause()
    await asyncio.gather(*(on.lab[called].accept() for _, called in pairs))
    await on.pause()
    await asyncio.gather(on.lab["210"].hold(), on.lab["101"].hold(), on.lab["024"].hangup())
    await on.pause()
    await asyncio.gather(on.lab["100"].hangup(), on.lab["101"].resume())
    await on.pause()
    await on.hangs_up("211")


@scenario("connecting/fifty calls at once")
async def _(on: Stage) -> None:
    phones = ("100", "101", "102", "024", "025", "210", "211")
    for n in range(50):
        await on.lab[phones[n % len(phones)]].dial(ECHO)
        await asyncio.sleep(0.03)
    await on.pause(1)
    for phone in phones:
        for call in on.lab[phone].live[:4]:
            await on.lab[phone].hangup(call)
    await on.pause(1)
