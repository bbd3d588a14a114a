"""Random call flows on the real Asterisk: after each step the bridge's picture is Asterisk's, and a new bridge's too."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from bridge.ami import Link
from bridge.app import create_picture
from bridge.calls import Headers, Picture
from bridge.settings import load
from lab import Bridge, Lab, PhoneError, until
from lab.fixtures import NewBridge, NewProxy
from lab.floor import COMPANY
from lab.numbers import GROUP, NOBODY, ONE_AGENT, PARK_ME, PARKING, SUPPORT, VIA_LOCAL, VIA_LOCAL_N
from lab.service import GLOBAL
from real.states import together

pytestmark = [pytest.mark.anyio, pytest.mark.real]

SECONDS = float(os.environ.get("TRUE_PICTURE_SECONDS") or ("60" if os.environ.get("CI") else "20"))
SEED = os.environ.get("TRUE_PICTURE_SEED", "")

PEOPLE = ("0003*100", "0003*101", "0003*102", "0003*210", "0003*211", "0003*024", "0003*025")
NUMBERS = (*PEOPLE, GROUP, NOBODY, ONE_AGENT, SUPPORT, PARK_ME, VIA_LOCAL, VIA_LOCAL_N)


async def test_the_picture_stays_true(lab: Lab, new_bridge: NewBridge, new_proxy: NewProxy) -> None:
    """Whoever dials, answers, holds, parks, transfers and hangs up: the same legs as in Asterisk, and no ghosts.

    And all that for one list a minute, after those of the beginning.
    """
    proxy = await new_proxy()
    began = time.monotonic()
    bridge = await new_bridge(proxy.login)
    seed = SEED or str(random.randrange(10**9))
    dice = random.Random(seed)
    steps = 0
    end = time.monotonic() + SECONDS
    overtaken = 0
    while time.monotonic() < end:
        step = ""
        try:
            async with _newcomer(lab, bridge) as newcomer:
                step = await _step(lab, dice)
                overtaken += not newcomer.knows_all.is_set()
                await newcomer.knows_all.wait()
                await _same(lab, bridge, newcomer.picture)
            steps += 1
            if steps % 25 == 0:
                await _as_one_started_now(bridge, await new_bridge())
        except TimeoutError as differs:
            pytest.fail(f"TRUE_PICTURE_SEED={seed}, after step {steps} ({step}): {differs}")
    assert steps >= SECONDS / 10
    assert overtaken, "no list was on its way while something happened"
    await _as_one_started_now(bridge, await new_bridge())
    await lab.reset()
    await _same(lab, bridge)
    lists = proxy.lists()
    assert max(lists.values()) <= 1 + (time.monotonic() - began) // 60, lists


async def _step(lab: Lab, dice: random.Random) -> str:
    """Let somebody do something that he can do now; tell what."""
    deeds: list[tuple[str, Callable[[], Awaitable[object]]]] = []
    for name in PEOPLE:
        phone = lab[name]
        live = phone.live
        if not live:
            number = dice.choice(NUMBERS)
            deeds += [(f"{name} dials {number}", partial(phone.dial, number))] * 2
            deeds += [(f"{name} is rung, to dial {number}", partial(_originate, lab, name, number))]
        for call in live:
            if call.state == "ringing":
                deeds += [(f"{name} answers", partial(phone.accept, call))] * 4
                deeds += [(f"{name} declines", partial(phone.decline, call))]
            else:
                deeds += [(f"{name} hangs up", partial(phone.hangup, call))]
        if len(live) == 1 and live[0].state == "established":
            number = dice.choice((*PEOPLE, PARKING))
            deeds += [
                (f"{name} holds", phone.hold),
                (f"{name} resumes", phone.resume),
                (f"{name} transfers to {number}", partial(phone.transfer, number)),
            ]
    told, deed = dice.choice(deeds)
    try:
        await deed()
    except (PhoneError, TimeoutError):  # the other end was quicker
        return f"{told}, in vain"
    return told


async def _originate(lab: Lab, name: str, number: str) -> None:
    """Have somebody rung by another's Originate, who is put through to a number when he answers."""
    await lab.ami.action({
        "Action": "Originate", "Channel": f"PJSIP/{name}", "Context": "internal", "Exten": number, "Priority": "1",
        "Async": "true", "Timeout": "20000",
    })  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """What a bridge shows of one view."""

    view: str
    extension: str
    status: str
    held: bool
    slot: str


Calls = dict[str, tuple[Shown, ...]]
"""The views of each call, by the call's id."""


async def _listed(bridge: Bridge) -> Calls:
    """Every call that a bridge lists to somebody who may see all."""
    response = await bridge.get("@me", "@self", token=GLOBAL, params={"count": "500"})
    assert response.status_code == 200, response.text
    ids = [(call["id"], view["id"]) for call in response.json()["entry"] for view in call["phoneCallView"]]
    assert len(set(ids)) == len(ids), f"two legs of a call show one id: {ids}"
    return {
        call["id"]: tuple(
            Shown(
                view["id"],
                view["extension"],
                view["status"],
                "onHold" in view,
                str(view.get("parkedPos", "")),
            )
            for view in call["phoneCallView"]
        )
        for call in response.json()["entry"]
    }


def _drawn(picture: Picture) -> Calls:
    """The same of a picture."""
    return {
        call.id: tuple(
            Shown(leg.view, leg.number, leg.status, leg.on_hold is not None, leg.parked_pos)
            for leg in call.legs
        )
        for call in picture.calls()
        if any(leg.extension for leg in call.legs)
    }


def _legs(calls: Calls) -> list[tuple[str, bool]]:
    """Every leg, as extension and whether it is up."""
    return sorted((view.extension, view.status == "5") for views in calls.values() for view in views)


async def _same(lab: Lab, bridge: Bridge, *overtaken: Picture) -> None:
    """A bridge that saw all, one that begins now, and Asterisk agree: on calls, on channels, and on who is with whom.

    Args:
        lab: Where it happens.
        bridge: The one that saw all.
        overtaken: Pictures that live on, whose lists were on their way while something happened.
    """
    seen: list[Any] = []

    async def same() -> bool:
        rows = await lab.asterisk.channels()
        listed = await _listed(bridge)
        async with _newcomer(lab, bridge) as newcomer:
            await newcomer.knows_all.wait()
            drawn = [(_drawn(picture), _bridges(picture)) for picture in (newcomer.picture, *overtaken)]
        after = await lab.asterisk.channels()
        there = sorted((row.extension, row.state == "Up") for row in after if row.name.startswith("PJSIP/"))
        bridged = {row.name: row.bridge for row in after if row.bridge}
        seen[:] = [
            ("Asterisk", there, bridged),
            ("the bridge", listed),
            ("one started now, and before", drawn),
        ]
        return (
            rows == after
            and _legs(listed) == there
            and all(those == (listed, bridged) for those in drawn)
            and _in_one_call(listed, await together(lab))
        )

    try:
        await until(same, "the bridge shows what Asterisk has")
    except TimeoutError as differs:
        raise TimeoutError(f"{differs}: {seen}") from None
    assert {extension for extension, _ in _legs(await _listed(bridge))} >= set(COMPANY)


def _in_one_call(calls: Calls, groups: set[frozenset[str]]) -> bool:
    """Whether those who hear each other are in one call; strangers in a lot or a queue's music do not."""
    parties = [{view.extension.rpartition("*")[2] for view in views} for views in calls.values()]
    waiting = {view.extension.rpartition("*")[2] for views in calls.values() for view in views if view.slot}
    return all(
        any(group <= those for those in parties)
        for group in groups
        if len(group) == 2 and not group & waiting
    )


def _bridges(picture: Picture) -> dict[str, str]:
    """In which bridge each channel is that is in one."""
    return {
        channel.name: channel.bridge.uniqueid
        for channel in picture.board.channels.values()
        if channel.bridge is not None
    }


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A bridge's link and picture that have only just begun."""

    picture: Picture
    knows_all: asyncio.Event
    """Set when Asterisk's lists have arrived."""


@asynccontextmanager
async def _newcomer(lab: Lab, bridge: Bridge) -> AsyncIterator[Newcomer]:
    """The picture of a bridge that begins now: what its link makes of Asterisk's lists, and of events from then on."""
    settings = load(bridge.config, {})
    ami = settings.ami.model_copy(update={"port": lab.asterisk.ami.port})  # not by a proxy's
    newcomer = Newcomer(create_picture(settings, settings.endpoints()), asyncio.Event())

    def take(event: Headers, at: float) -> None:
        newcomer.picture.apply(event, at)

    link = Link(
        ami,
        context=settings.pbx.context,
        on_event=take,
        on_state=lambda state: newcomer.knows_all.set() if state.up else None,
    )
    running = asyncio.create_task(link.run())
    try:
        async with asyncio.timeout(30):
            yield newcomer
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def _as_one_started_now(bridge: Bridge, late: Bridge) -> None:
    """A bridge started just now, as a process, lists the same calls."""
    seen: list[Any] = []

    async def same() -> bool:
        seen[:] = await asyncio.gather(_listed(bridge), _listed(late))
        return bool(seen[0] == seen[1])

    try:
        await until(same, "both bridges show the same")
    except TimeoutError as differs:
        raise TimeoutError(f"{differs}: {seen}") from None
    finally:
        await late.close()
