"""How a pickup can end, played with real phones: the columns of the matrix.

Each end does something while (or before) the new phone rings, and says what must be true then, told by witnesses
that are not the bridge: the phones themselves, and Asterisk's own list of channels.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx2

from lab import Bridge, Lab, Message, PhoneCall, until
from lab.asterisk import ChannelRow
from lab.pace import Pace, pace
from lab.sip import SIP_USER, SipUser
from matrix.states import CALLED, TAKER, THIRD, WHO_IS_ON_HOLD, Scene
from real.states import asks

UNREGISTERED = "0003*102"
"""An extension that Asterisk knows, and whose phone is switched off in the matrix."""

STOPS_WITHIN = 0.2
"""Seconds in which a ring that can no longer succeed has to stop."""

Rows = frozenset[tuple[str, ...]]


@dataclass(slots=True)
class Verdict:
    """What the witnesses say of one pickup."""

    lost: list[str] = field(default_factory=list)
    """People who are not where they should be."""
    false: list[str] = field(default_factory=list)
    """Answers of the API that were not true."""

    def people(self, complaint: str, *, unless: bool = False) -> None:
        """Note a complaint about people."""
        if not unless:
            self.lost.append(complaint)

    def answer(self, complaint: str, *, unless: bool = False) -> None:
        """Note a complaint about an answer."""
        if not unless:
            self.false.append(complaint)


@dataclass(slots=True)
class Play:
    """One pickup under way."""

    lab: Lab
    bridge: Bridge
    scene: Scene
    verdict: Verdict = field(default_factory=Verdict)
    machine: Pace = field(default_factory=pace)
    apart: float | None = None
    """Seconds between the two answers that Asterisk had, where both phones were in time."""
    declined: PhoneCall | None = None
    """The ring that its phone has declined by itself."""

    def ask(self, *, to: str = TAKER, ring: float = 20, wait: float = 30) -> "asyncio.Task[httpx2.Response]":
        """PUT the PickUp and wait for its outcome in the background."""
        scene = self.scene
        return asyncio.ensure_future(
            asks(self.bridge, scene.uri, scene.call, to, view=scene.view, ring=ring, wait=wait)
        )

    async def rows(self) -> Rows:
        """Where everybody is, as Asterisk says: in which state, bridge, slot, place of a queue, and whether on hold.

        Without the new phone.
        """
        strangers = [row for row in await self.lab.strangers() if row.extension not in (TAKER, SIP_USER)]
        return frozenset(map(_row, strangers)) | await self._places({row.uniqueid for row in strangers})

    async def before(self) -> Rows:
        """Where everybody is, once each of Asterisk's lists has it: a slot is announced ahead of who is in it."""

        async def listed() -> Rows | None:
            there = {row.uniqueid: row for row in await self.lab.strangers()}
            rows = await self.rows()
            parked = {row[2]: there[row[0]] for row in rows if row[1] == "ParkedCall" and row[0] in there}
            queued = {row[0] for row in rows if row[1] == "QueueEntry"}
            waits = {id_ for id_, row in there.items() if row.application == "Queue"}
            if self.scene.parked:
                return rows if self.scene.parked in parked and parked[self.scene.parked].bridge else None
            return rows if self.scene.kind != "waits" or queued == waits else None

        rows = await until(listed, "everybody is where he waits", timeout=20)
        assert rows is not None
        return rows

    async def _places(self, uniqueids: set[str]) -> Rows:
        ask = self.lab.ami.action
        told = [
            *await ask({"Action": "ParkedCalls"}),
            *await ask({"Action": "QueueStatus"}),
            *await ask(WHO_IS_ON_HOLD),
        ]
        return frozenset(
            (
                uniqueid,
                row["Event"],
                *(row.get(name, "") for name in ("ParkingSpace", "Position", "Variable")),
            )
            for row in told
            if (uniqueid := row.get("ParkeeUniqueid") or row.get("Uniqueid")) in uniqueids
        )

    async def unchanged(self, before: Rows) -> None:
        """Everybody is where he was, and the new phone is out of it."""

        async def same() -> bool:
            extensions = {row.extension for row in await self.lab.strangers()}
            return before == await self.rows() and not extensions & {TAKER, SIP_USER}

        try:
            await until(same, "nothing has changed", timeout=20)
        except TimeoutError:
            now = await self.rows()
            self.verdict.people(f"moved: {sorted(before ^ now)}")

    async def together(self, *those: str) -> None:
        """These hear each other, straight or through Local channels, and nobody else is with them."""

        async def joined() -> bool:
            groups = await self.lab.groups()
            through = {
                name.partition(";")[0] for group in groups for name in group if name.startswith("Local/")
            }
            for pair in through:
                ends = [group for group in groups if f"{pair};1" in group or f"{pair};2" in group]
                groups = [group for group in groups if group not in ends]
                groups.append(set().union(*ends) - {f"{pair};1", f"{pair};2"})
            return {self.lab.endpoint(one) for one in those} in groups

        try:
            await until(joined, f"{' and '.join(those)} are together", timeout=20)
        except TimeoutError as late:
            raise TimeoutError(f"{late}; channels: {await self.lab.strangers()}") from None

    async def taken(self, response: httpx2.Response) -> None:
        """The new phone has the source, nobody else has anything, and the API says so."""
        scene, verdict = self.scene, self.verdict
        try:
            await self.together(TAKER, scene.source)
        except TimeoutError as late:
            verdict.people(str(late))
        await self.nobody_is_left(TAKER, scene.source)
        await self.told_elsewhere()
        await self.let_go()
        body = response.json() if response.status_code == 200 else {}
        views = {view["extension"] for view in body.get("phoneCallView", ())}
        verdict.answer(
            f"connected, and the API said {response.status_code} {response.text[:300]}",
            unless=response.status_code == 200 and body["id"] == scene.call and TAKER in views,
        )

    async def told_elsewhere(self) -> None:
        """Every other phone that rang for the caller and was not answered is told that somebody else did."""
        for extension in (CALLED, THIRD):
            for ring in self.lab[extension].rings:
                if ring.established == 0 and ring is not self.declined:
                    await self.lab[extension].wait_closed(ring, timeout=20)
                    self.verdict.people(f"{extension} shows a missed call", unless=ring.elsewhere)

    async def let_go(self) -> None:
        """The phone that had the call, or rang for it, has nothing of it any more."""
        scene = self.scene
        if not scene.target:
            return
        try:
            if scene.ring:
                await self.lab[scene.target].wait_closed(scene.ring)
            else:
                await until(lambda: self._is_out(scene.target), f"{scene.target} is let go", timeout=20)
        except TimeoutError as late:
            self.verdict.people(str(late))

    async def _is_out(self, extension: str) -> bool:
        return not any(row.extension == extension for row in await self.lab.strangers())

    async def nobody_is_left(self, *those: str) -> None:
        """Nobody sits alone in a bridge, and nobody fell into the voicemail."""

        async def fine() -> bool:
            rows = await self.lab.strangers()
            bridges = Counter(row.bridge for row in rows if row.bridge)
            alone = [row for row in rows if bridges[row.bridge] == 1 and row.application != "Park"]
            return not alone and not any(row.context == "voicemail" for row in rows)

        try:
            await until(fine, "nobody is left alone", timeout=20)
        except TimeoutError:
            self.verdict.people(f"left alone or in voicemail ({those} talk): {await self.lab.strangers()}")

    def says(self, response: httpx2.Response, status: int, code: str = "") -> None:
        """The API's answer has this status and code."""
        told = response.json()["error"]["code"] if response.status_code >= 400 else ""
        self.verdict.answer(
            f"expected {status} {code}, and the API said {response.status_code} {response.text[:300]}",
            unless=(response.status_code, told) == (status, code),
        )

    async def hung_up(self, extension: str, mark: int) -> float:
        """When Asterisk saw a phone hang up; as the witness heard it, in seconds of the monotonic clock.

        Args:
            extension: Whose phone.
            mark: How many events the witness had heard before.
        """
        seen = await self.lab.ami.wait_for(
            lambda event: (
                event["Event"] == "Hangup" and f"/{self.lab.endpoint(extension)}-" in event["Channel"]
            ),
            since=mark,
        )
        return float(seen["_at"])

    async def stopped(self, ring: PhoneCall, since: float, cause: int) -> None:
        """The new phone fell silent soon, and was told why."""
        await self.lab[TAKER].wait_closed(ring, timeout=20)
        took = self.machine.worth(since, ring.closed)
        self.verdict.people(f"024 rang on for {took:.3f} s", unless=took <= STOPS_WITHIN)
        self.verdict.people(
            f"024 was told {ring.cause} ({ring.reason}), not {cause}", unless=ring.elsewhere == (cause == 26)
        )


def _row(row: ChannelRow) -> tuple[str, str, str, str, str]:
    return row.name, row.state, row.context, row.application, row.bridge


End = Callable[[Play], Awaitable[None]]


async def answers(play: Play) -> None:
    """024 answers."""
    asked = play.ask()
    await play.lab[TAKER].wait_for_ring()
    await play.lab[TAKER].accept()
    await play.taken(await asked)


async def busy(play: Play) -> None:
    """The phone that shall take it is busy."""
    before = await play.before()
    async with SipUser(play.lab.asterisk) as phone:
        phone.refusal = "486 Busy Here"
        play.says(await play.ask(to=phone.extension), 409, "pc_sendcallto_unavailable")
    await play.unchanged(before)


async def declines(play: Play) -> None:
    """024 declines."""
    before = await play.before()
    asked = play.ask()
    await play.lab[TAKER].wait_for_ring()
    await play.lab[TAKER].decline()
    play.says(await asked, 409, "pc_sendcallto_unavailable")
    await play.unchanged(before)


async def no_answer(play: Play) -> None:
    """024 rings in vain."""
    before = await play.before()
    asked = play.ask(ring=0.5)
    ring = await play.lab[TAKER].wait_for_ring()
    play.says(await asked, 204)
    await play.lab[TAKER].wait_closed(ring)
    await play.unchanged(before)


async def not_registered(play: Play) -> None:
    """The phone that shall take it is switched off."""
    before = await play.before()
    play.says(await play.ask(to=UNREGISTERED), 409, "pc_sendcallto_unavailable")
    await play.unchanged(before)


async def source_leaves(play: Play) -> None:
    """Whoever should hear 024 hangs up while it rings."""
    asked = play.ask()
    ring = await play.lab[TAKER].wait_for_ring()
    mark = len(play.lab.ami.events)
    await play.lab[play.scene.source].hangup()
    await play.stopped(ring, await play.hung_up(play.scene.source, mark), 16)
    play.says(await asked, 204)
    await play.nobody_is_left()


async def target_leaves(play: Play) -> None:
    """The phone that has the call declines it, or hangs up, while 024 rings."""
    scene, phone = play.scene, play.lab[play.scene.target]
    asked = play.ask()
    ring = await play.lab[TAKER].wait_for_ring()
    mark = len(play.lab.ami.events)
    if scene.ring:
        await phone.decline(scene.ring)
        play.declined = scene.ring
    else:
        await phone.hangup()
    if scene.queue:
        await play.lab[TAKER].accept(ring)
        await play.taken(await asked)
        return
    await play.stopped(ring, await play.hung_up(scene.target, mark), 16)
    if scene.kind == "rings":
        play.says(await asked, 409, "pc_pickup_conflict")
    else:
        play.says(await asked, 204)
        await play.nobody_is_left()


async def target_answers(play: Play) -> None:
    """The target answers first: the call is taken over from it."""
    asked = play.ask()
    await play.lab[TAKER].wait_for_ring()
    assert play.scene.ring
    await play.lab[play.scene.target].accept(play.scene.ring)
    await play.lab[TAKER].accept()
    await play.taken(await asked)


async def same_moment(play: Play) -> None:
    """Target and 024 answer in the same millisecond or so: one of them has the caller, the other nothing."""
    scene, lab = play.scene, play.lab
    asked = play.ask()
    ring = await lab[TAKER].wait_for_ring()
    assert scene.ring
    mark = len(lab.ami.events)
    offset = random.uniform(-0.002, 0.002)  # a race, not a secret
    first, second = (scene.target, TAKER) if offset < 0 else (TAKER, scene.target)
    racing = [asyncio.ensure_future(lab[first].command("accept", check=False))]
    await asyncio.sleep(abs(offset))
    racing.append(asyncio.ensure_future(lab[second].command("accept", check=False)))
    await asyncio.gather(*racing)
    response = await asked
    winner = TAKER if response.status_code == 200 else scene.target
    try:
        await play.together(winner, scene.source)
    except TimeoutError as late:
        play.verdict.answer(f"the API said {response.status_code}, and {late}")
    await play.nobody_is_left(winner, scene.source)
    if winner == TAKER:
        await play.let_go()
    else:
        play.says(response, 409, "pc_pickup_conflict")
        await lab[TAKER].wait_closed(ring)
    up = {
        event["Channel"].rpartition("-")[0]: float(event["_at"])
        for event in lab.ami.events[mark:]
        if _up(event)
    }
    if {f"PJSIP/{TAKER}", f"PJSIP/{scene.target}"} <= set(up):
        play.apart = abs(up[f"PJSIP/{TAKER}"] - up[f"PJSIP/{scene.target}"])


def _up(event: Message) -> bool:
    return event["Event"] == "Newstate" and event["ChannelState"] == "6"


async def fetched(play: Play) -> None:
    """Somebody dials the slot while 024 rings."""
    asked = play.ask()
    ring = await play.lab[TAKER].wait_for_ring()
    mark = len(play.lab.ami.events)
    await play.lab["0003*025"].dial(play.scene.parked)
    fetched = await play.lab.ami.wait_for(lambda event: event["Event"] == "UnParkedCall", since=mark)
    await play.stopped(ring, float(fetched["_at"]), 26)
    play.says(await asked, 409, "pc_pickup_conflict")
    await play.lab.wait_together("0003*025", play.scene.source)


async def round_ends(play: Play) -> None:
    """The queue gives the agent up for this round while 024 rings, then 024 answers: the caller is taken where he waits."""
    asked = play.ask()
    ring = await play.lab[TAKER].wait_for_ring()
    assert play.scene.ring
    await play.lab[CALLED].wait_closed(play.scene.ring)
    play.declined = play.scene.ring  # missed before anybody had the caller
    await play.lab[TAKER].accept(ring)
    await play.taken(await asked)


async def bridge_dies(play: Play) -> None:
    """The bridge is killed while 024 rings: Asterisk completes the pickup by itself, and a new bridge shows it."""
    scene, bridge = play.scene, play.bridge
    response = await asks(bridge, scene.uri, scene.call, TAKER, view=scene.view)
    play.says(response, 202)
    await play.lab[TAKER].wait_for_ring()
    await bridge.kill()
    try:
        await play.lab[TAKER].accept()
        try:
            await play.together(TAKER, scene.source)
        except TimeoutError as late:
            play.verdict.people(str(late))
        await play.nobody_is_left(TAKER, scene.source)
        await play.told_elsewhere()
        await play.let_go()
    finally:
        await bridge.start()
    listed = await bridge.get("@me", scene.uri, scene.call)
    views = {view["extension"] for view in listed.json().get("phoneCallView", ())}
    play.verdict.answer(f"after the restart the call is {listed.text[:400]}", unless=TAKER in views)


ENDS: tuple[End, ...] = (
    answers,
    busy,
    declines,
    no_answer,
    not_registered,
    source_leaves,
    target_leaves,
    target_answers,
    same_moment,
    fetched,
    round_ends,
    bridge_dies,
)


def fits(end: End, scene: Scene) -> bool:
    """Whether an end can happen to a call in this state, whichever scene of it."""
    if scene.rounds or end is round_ends:
        return scene.rounds and end is round_ends
    if end is target_leaves:
        return bool(scene.target)
    if end in (target_answers, same_moment):
        return scene.kind == "rings" and scene.state != "call waiting"
    return bool(scene.parked) if end is fetched else True
