"""Random call flows on the real Asterisk: after each step the bridge's picture is Asterisk's, and a new bridge's too."""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from lab import Bridge, Lab, PhoneError, until
from lab.fixtures import NewBridge
from lab.floor import COMPANY
from lab.numbers import GROUP, NOBODY, ONE_AGENT, PARK_ME, PARKING, SUPPORT, VIA_LOCAL, VIA_LOCAL_N
from lab.service import GLOBAL

pytestmark = [pytest.mark.anyio, pytest.mark.real]

SECONDS = float(os.environ.get("TRUE_PICTURE_SECONDS", "20"))
SEED = os.environ.get("TRUE_PICTURE_SEED", "")

PEOPLE = ("0003*100", "0003*101", "0003*102", "0003*210", "0003*211", "0003*024", "0003*025")
NUMBERS = (*PEOPLE, GROUP, NOBODY, ONE_AGENT, SUPPORT, PARK_ME, VIA_LOCAL, VIA_LOCAL_N)

Legs = list[tuple[str, str]]


async def test_the_picture_stays_true(lab: Lab, bridge: Bridge, new_bridge: NewBridge) -> None:
    """Whoever dials, answers, holds, parks, transfers and hangs up: the same legs as in Asterisk, and no ghosts."""
    seed = SEED or str(random.randrange(10**9))
    dice = random.Random(seed)
    steps = 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        step = await _step(lab, dice)
        steps += 1
        try:
            await _same(lab, bridge)
            if steps % 10 == 0:
                await _as_one_started_now(bridge, await new_bridge())
        except TimeoutError as differs:
            pytest.fail(f"TRUE_PICTURE_SEED={seed}, after step {steps} ({step}): {differs}")
    assert steps >= SECONDS / 2
    await lab.reset()
    await _same(lab, bridge)


async def _step(lab: Lab, dice: random.Random) -> str:
    """Let somebody do something that he can do now; tell what."""
    deeds: list[tuple[str, Callable[[], Awaitable[object]]]] = []
    for name in PEOPLE:
        phone = lab[name]
        live = phone.live
        if not live:
            number = dice.choice(NUMBERS)
            deeds += [(f"{name} dials {number}", partial(phone.dial, number))] * 2
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


async def _shown(bridge: Bridge) -> Legs:
    """Every leg that a bridge lists to somebody who may see all, as extension and whether it is up."""
    response = await bridge.get("@me", "@self", token=GLOBAL, params={"count": "500"})
    assert response.status_code == 200, response.text
    return sorted(
        (view["extension"], "up" if view["status"] == "5" else "not up")
        for call in response.json()["entry"]
        for view in call["phoneCallView"]
    )


async def _there(lab: Lab) -> Legs:
    """Every leg that Asterisk has, told the same way."""
    return sorted(
        (row.extension, "up" if row.state == "Up" else "not up")
        for row in await lab.asterisk.channels()
        if row.name.startswith("PJSIP/")
    )


async def _same(lab: Lab, bridge: Bridge) -> None:
    seen: list[Any] = []

    async def same() -> bool:
        there, shown = await _there(lab), await _shown(bridge)
        seen[:] = [there, shown]
        return there == shown

    try:
        await until(same, "the bridge shows what Asterisk has", timeout=5)
    except TimeoutError as differs:
        raise TimeoutError(f"{differs}: Asterisk {seen[0]}, the bridge {seen[1]}") from None
    assert {extension for extension, _ in seen[1]} >= set(COMPANY)


async def _as_one_started_now(bridge: Bridge, late: Bridge) -> None:
    """A bridge started just now shows the same calls, with the same ids."""

    async def ids(each: Bridge) -> list[tuple[str, list[tuple[str, str, str]]]]:
        response = await each.get("@me", "@self", token=GLOBAL, params={"count": "500"})
        return sorted(
            (
                call["id"],
                sorted((view["id"], view["extension"], view["status"]) for view in call["phoneCallView"]),
            )
            for call in response.json()["entry"]
        )

    seen: list[Any] = []

    async def same() -> bool:
        seen[:] = await asyncio.gather(ids(bridge), ids(late))
        return bool(seen[0] == seen[1])

    try:
        await until(same, "both bridges show the same", timeout=5)
    except TimeoutError as differs:
        raise TimeoutError(f"{differs}: {seen}") from None
    finally:
        await late.close()
