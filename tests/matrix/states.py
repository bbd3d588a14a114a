"""The states that a call can be picked up in, each set up with real phones: the rows of the matrix."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from lab import Bridge, Lab, PhoneCall, until
from lab.numbers import GROUP, NOBODY, ONE_AGENT, PARK_ME, PARKING, ROUNDS, SUPPORT, VIA_LOCAL_N
from lab.sip import SipUser

CALLER, CALLED, TAKER, THIRD = "0003*100", "0003*210", "0003*024", "0003*211"
FIRST_IN_LINE = "0003*101"
"""Who waits in the queue ahead of the caller."""
OUTSIDE = "outside"
"""Somebody without an extension, who calls by way of the trunk."""

WHO_IS_ON_HOLD = {"Action": "Status", "Variables": "CHANNEL(onhold)", "AllVariables": "false"}
"""The question whose answer has a row for each channel, with whether it is on hold."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A call in one of the states, ready to be picked up."""

    state: str
    kind: str
    """What the target does: rings, talks, waits."""
    uri: str
    call: str
    view: str
    source: str
    """The extension that shall hear the new phone."""
    target: str
    """The extension whose phone loses the call; empty where the waiting party is the target itself."""
    queue: bool = False
    rounds: bool = False
    """Whether the queue gives its agent up after four seconds, and rings him again."""
    parked: str = ""
    """The slot."""
    ring: PhoneCall | None = None
    """The ring at the target's phone."""


State = Callable[[Lab, Bridge], Awaitable[Scene]]


async def _listed(bridge: Bridge, uri: str, status: str, *, views: int) -> dict[str, Any]:
    """The one call under an extension, once it has so many views, one of them in that status there, and all phones ring."""

    async def settled() -> dict[str, Any] | None:
        for call in await bridge.calls(uri):
            shown = call["phoneCallView"]
            there = any(v["status"] == status and v["extension"] == uri for v in shown)
            if len(shown) == views and there and all(v["status"] != "2" for v in shown):
                return call
        return None

    return await until(settled, f"a call at {uri} in status {status}", timeout=20)


def _view(call: dict[str, Any], extension: str) -> str:
    found: str = next(view["id"] for view in call["phoneCallView"] if view["extension"] == extension)
    return found


async def _rings(
    lab: Lab, bridge: Bridge, state: str, number: str, *, views: int, queue: bool = False
) -> Scene:
    await lab[CALLER].dial(number)
    ring = await lab[CALLED].wait_for_ring()
    call = await _listed(bridge, CALLED, "3", views=views)
    return Scene(
        state, "rings", CALLED, call["id"], _view(call, CALLED), CALLER, CALLED, queue=queue, ring=ring
    )


async def ringing(lab: Lab, bridge: Bridge) -> Scene:
    """One phone rings."""
    return await _rings(lab, bridge, "ringing", CALLED, views=2)


async def fork(lab: Lab, bridge: Bridge) -> Scene:
    """One of two phones that ring for the same call."""
    return await _rings(lab, bridge, "fork", GROUP, views=3)


async def via_local(lab: Lab, bridge: Bridge) -> Scene:
    """A phone that rings through a Local channel."""
    return await _rings(lab, bridge, "via Local", VIA_LOCAL_N, views=2)


async def queue_rings(lab: Lab, bridge: Bridge) -> Scene:
    """A queue's agent rings."""
    return await _rings(lab, bridge, "queue rings", ONE_AGENT, views=2, queue=True)


async def queue_rounds(lab: Lab, bridge: Bridge) -> Scene:
    """A queue's agent rings, for four seconds at a time."""
    scene = await _rings(lab, bridge, "queue rings in rounds", ROUNDS, views=2, queue=True)
    return replace(scene, rounds=True)


async def call_waiting(lab: Lab, bridge: Bridge) -> Scene:
    """A second call rings at a phone that talks."""
    await lab["0003*101"].dial(CALLED)
    await lab[CALLED].accept(await lab[CALLED].wait_for_ring())
    await lab.wait_together("0003*101", CALLED)
    return await _rings(lab, bridge, "call waiting", CALLED, views=2)


async def _talks(lab: Lab, bridge: Bridge) -> dict[str, Any]:
    await lab[CALLER].dial(CALLED)
    await lab[CALLED].accept(await lab[CALLED].wait_for_ring())
    await lab.wait_together(CALLER, CALLED)
    return await _listed(bridge, CALLED, "5", views=2)


async def talking(lab: Lab, bridge: Bridge) -> Scene:
    """The called phone talks."""
    call = await _talks(lab, bridge)
    return Scene("talking", "talks", CALLED, call["id"], "01", CALLER, CALLED)


async def talking_caller(lab: Lab, bridge: Bridge) -> Scene:
    """The caller's own leg of a talking call."""
    call = await _talks(lab, bridge)
    return Scene("talking, caller's leg", "talks", CALLER, call["id"], "00", CALLED, CALLER)


async def _hold(lab: Lab, phone: str) -> None:
    """Let a phone hold its call, until Asterisk has put the other one on hold, a moment after the phone has been answered."""

    async def on_hold() -> int:
        rows = await lab.ami.action(WHO_IS_ON_HOLD)
        return sum(row.get("Variable") == "CHANNEL(onhold)=1" for row in rows)

    before = await on_hold()
    await lab[phone].hold()

    async def more() -> bool:
        return await on_hold() > before

    await until(more, f"whoever talks with {phone} is on hold")


async def held(lab: Lab, bridge: Bridge) -> Scene:
    """The target has the source on hold."""
    call = await _talks(lab, bridge)
    await _hold(lab, CALLED)
    return Scene("held by target", "talks", CALLED, call["id"], "01", CALLER, CALLED)


async def held_by_source(lab: Lab, bridge: Bridge) -> Scene:
    """The source has the target on hold."""
    call = await _talks(lab, bridge)
    await _hold(lab, CALLER)
    return Scene("held by source", "talks", CALLED, call["id"], "01", CALLER, CALLED)


async def held_by_both(lab: Lab, bridge: Bridge) -> Scene:
    """Each has the other on hold."""
    call = await _talks(lab, bridge)
    await _hold(lab, CALLED)
    await _hold(lab, CALLER)
    return Scene("held by both", "talks", CALLED, call["id"], "01", CALLER, CALLED)


async def transferred(lab: Lab, bridge: Bridge) -> Scene:
    """210 has sent the caller on to 211 without asking, and they talk."""
    await _talks(lab, bridge)
    await lab[CALLED].transfer(THIRD)
    await lab[THIRD].accept(await lab[THIRD].wait_for_ring())
    return await _at_third(lab, bridge, "transferred")


async def transfer_rings(lab: Lab, bridge: Bridge) -> Scene:
    """210 has sent the caller on to 211 without asking, whose phone rings."""
    await _talks(lab, bridge)
    await lab[CALLED].transfer(THIRD)
    ring = await lab[THIRD].wait_for_ring()
    await lab[CALLED].wait_closed()
    call = await _listed(bridge, THIRD, "3", views=2)
    return Scene("transfer rings", "rings", THIRD, call["id"], _view(call, THIRD), CALLER, THIRD, ring=ring)


async def transferred_after_asking(lab: Lab, bridge: Bridge) -> Scene:
    """210 has asked 211 by *2, and left the caller there; the Local pair of it has gone."""
    await _talks(lab, bridge)
    mark = len(lab.ami.events)
    await lab[CALLED].dtmf("*2")
    await lab.ami.wait_for(lambda event: event["Event"] == "MusicOnHoldStart", since=mark)
    await lab[CALLED].dtmf(THIRD)
    await lab[THIRD].accept(await lab[THIRD].wait_for_ring())
    await lab[CALLED].hangup()
    return await _at_third(lab, bridge, "transferred after asking")


async def transferred_by_the_phone(lab: Lab, bridge: Bridge) -> Scene:
    """103 has made one call of its two with 100 and 211 by itself: REFER with Replaces."""
    async with SipUser(lab.asterisk) as phone:
        await lab[CALLER].dial(phone.extension)
        first = await phone.wait_call()
        lab[THIRD].on_ring("accept")
        second = await phone.call(THIRD)
        lab[THIRD].on_ring("")

        async def consulting() -> bool:
            return {phone.extension, THIRD} in await lab.groups()

        # Before, Asterisk puts the caller in the place of 103's second leg, and tells nobody (22.10).
        await until(consulting, "103 and 211 are together", timeout=20)
        await phone.refer(first, second)
        return await _at_third(lab, bridge, "transferred by the phone")


async def taken_over(lab: Lab, bridge: Bridge) -> Scene:
    """211 has picked the caller up, and they talk."""
    call = await _talks(lab, bridge)
    lab[THIRD].on_ring("accept")
    picked_up = await bridge.pick_up(CALLED, call["id"], THIRD, view="01", wait=20)
    lab[THIRD].on_ring("")
    assert picked_up.status_code == 200, picked_up.text
    return await _at_third(lab, bridge, "picked up before")


async def _at_third(lab: Lab, bridge: Bridge, state: str) -> Scene:
    await lab.wait_together(CALLER, THIRD)

    async def alone() -> bool:
        return {row.extension for row in await lab.strangers()} == {CALLER, THIRD}

    await until(alone, "nobody else has anything of the call", timeout=20)
    call = await _listed(bridge, THIRD, "5", views=2)
    return Scene(state, "talks", THIRD, call["id"], _view(call, THIRD), CALLER, THIRD)


async def parked(lab: Lab, bridge: Bridge) -> Scene:
    """The caller parked himself."""
    await lab[CALLER].dial(PARK_ME)
    await lab.wait_waiting(CALLER, "Park")
    return await _in_slot(bridge, "parked", CALLER)


async def parked_by_transfer(lab: Lab, bridge: Bridge) -> Scene:
    """210 parked the caller by a blind transfer."""
    await _talks(lab, bridge)
    return await _parked_by_210(lab, bridge, "parked by transfer", CALLER)


async def parked_outside(lab: Lab, bridge: Bridge) -> Scene:
    """210 parked somebody from outside, with two others in the lot: he is taken by way of what he had dialled."""
    await lab["0003*101"].dial(PARK_ME)
    await lab.wait_waiting("0003*101", "Park")
    await (await lab.outside()).dial(GROUP)
    # Asterisk gives no reason for the end of a ring of which it has not heard yet.
    await lab[THIRD].wait_for_ring()
    await lab[CALLED].accept(await lab[CALLED].wait_for_ring())
    await lab.wait_together(OUTSIDE, CALLED)
    return replace(await _parked_by_210(lab, bridge, "parked, from outside", OUTSIDE), uri=GROUP)


async def _parked_by_210(lab: Lab, bridge: Bridge, state: str, source: str) -> Scene:
    await lab[CALLED].transfer(PARKING)
    scene = await _in_slot(bridge, state, CALLED)

    async def alone() -> bool:
        return not any(row.extension == CALLED for row in await lab.strangers())

    await until(alone, "210 has let go", timeout=20)
    return replace(scene, source=source)


async def _in_slot(bridge: Bridge, state: str, uri: str) -> Scene:
    async def slot() -> tuple[str, str] | None:
        for call in await bridge.calls(uri):
            for view in call["phoneCallView"]:
                if view.get("parkedPos"):
                    return call["id"], view["parkedPos"]
        return None

    call, position = await until(slot, f"a parked call under {uri}", timeout=20)
    return Scene(state, "waits", uri, call, "00", CALLER, "", parked=str(position))


async def queued(lab: Lab, bridge: Bridge) -> Scene:
    """The caller waits in a queue without agents, behind somebody else."""
    await lab[FIRST_IN_LINE].dial(NOBODY)
    await lab.wait_waiting(FIRST_IN_LINE, "Queue")
    await lab[CALLER].dial(NOBODY)
    await lab.wait_waiting(CALLER, "Queue")
    call = await _listed(bridge, CALLER, "5", views=1)
    return Scene("queued", "waits", NOBODY, call["id"], "00", CALLER, "", queue=True)


async def queued_outside(lab: Lab, bridge: Bridge) -> Scene:
    """Somebody from outside waits in a queue without agents."""
    await (await lab.outside()).dial(NOBODY)
    await lab.wait_waiting(OUTSIDE, "Queue")

    async def listed() -> str:
        return next((call["id"] for call in await bridge.calls(NOBODY)), "")

    call = await until(listed, "he is listed at the queue", timeout=20)
    return Scene("queued, from outside", "waits", NOBODY, call, "00", OUTSIDE, "", queue=True)


async def queued_while_ringing(lab: Lab, bridge: Bridge) -> Scene:
    """The caller waits in a queue while both agents ring."""
    await lab[CALLER].dial(SUPPORT)
    await lab[CALLED].wait_for_ring()
    call = await _listed(bridge, CALLER, "5", views=3)
    return Scene("queued, agents ring", "waits", SUPPORT, call["id"], "00", CALLER, "", queue=True)


STATES: tuple[State, ...] = (
    ringing,
    fork,
    via_local,
    queue_rings,
    queue_rounds,
    call_waiting,
    talking,
    talking_caller,
    held,
    held_by_source,
    held_by_both,
    transfer_rings,
    transferred,
    transferred_after_asking,
    transferred_by_the_phone,
    taken_over,
    parked,
    parked_by_transfer,
    parked_outside,
    queued,
    queued_outside,
    queued_while_ringing,
)
