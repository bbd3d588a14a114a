"""One phone rings once, however many ask: the lock is the pickup leg's ChannelId in Asterisk, nothing in memory."""

import asyncio
from collections import Counter

import pytest

from lab import Bridge, Lab
from lab.fixtures import NewBridge
from lab.numbers import ONE_AGENT
from lab.service import GLOBAL, OWNER
from matrix.states import ringing, talking

pytestmark = [pytest.mark.anyio, pytest.mark.real]

TAKERS = ("0003*024", "0003*025")


async def _rung(lab: Lab) -> list[str]:
    """The extensions, of those asked for, whose phones ring or have rung; as often as they did."""
    return [taker for taker in TAKERS for _ in lab[taker].rings]


async def test_the_same_request_again_is_the_same_pickup(lab: Lab, bridge: Bridge) -> None:
    """A retry while it rings and one after it was connected get the same answer, marked, and no second ring."""
    scene = await ringing(lab, bridge)
    first = await bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view)
    again = await bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view)
    waiting = asyncio.ensure_future(
        bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view, wait=10)
    )
    await lab["024"].accept(await lab["024"].wait_for_ring())
    connected = await waiting
    later = await bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view, wait=1)
    at_once = await bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view)

    answers = (first, again, connected, later, at_once)
    assert [answer.status_code for answer in answers] == [202, 202, 200, 200, 202]
    assert ["Idempotent-Replayed" in answer.headers for answer in answers] == [False, True, True, True, True]
    assert again.json() == first.json()
    assert await _rung(lab) == ["0003*024"]


async def test_a_failed_pickup_can_be_tried_again(lab: Lab, bridge: Bridge) -> None:
    """024 declines; the same request is a new try, which rings again and is no replay."""
    scene = await ringing(lab, bridge)
    waiting = asyncio.ensure_future(
        bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view, wait=10)
    )
    await lab["024"].decline(await lab["024"].wait_for_ring())
    assert (await waiting).status_code == 409

    waiting = asyncio.ensure_future(
        bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view, wait=10)
    )
    await lab["024"].accept(await lab["024"].wait_for_ring())

    answer = await waiting
    assert (answer.status_code, "Idempotent-Replayed" in answer.headers) == (200, False)


async def test_two_apps_that_want_it_elsewhere_do_not_both_get_it(lab: Lab, bridge: Bridge) -> None:
    """While 024 rings, another app asks for 025: 409, and 025 stays silent."""
    scene = await ringing(lab, bridge)
    assert (await bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view)).status_code == 202

    other = await bridge.pick_up(
        scene.uri, scene.call, "0003*025", view=scene.view, token=OWNER, user="@owner"
    )

    assert (other.status_code, other.json()["error"]["code"]) == (409, "pc_pickup_conflict")
    await lab["024"].wait_for_ring()
    assert await _rung(lab) == ["0003*024"]


async def test_both_legs_of_a_talk_are_one_call(lab: Lab, bridge: Bridge, new_bridge: NewBridge) -> None:
    """Two apps, at two bridges, each take one end of a talking call to a phone of their own: one of them gets it."""
    other = await new_bridge()
    scene = await talking(lab, bridge)
    await other.seen(scene.uri, "5")

    answers = await asyncio.gather(
        bridge.pick_up(scene.uri, scene.call, "0003*024", view="01"),
        other.pick_up(scene.uri, scene.call, "0003*025", view="00", token=OWNER, user="@owner"),
    )

    assert sorted(answer.status_code for answer in answers) == [202, 409]
    rung = TAKERS[0 if answers[0].status_code == 202 else 1]
    await lab[rung].accept(await lab[rung].wait_for_ring())
    await lab.wait_together(rung, "100" if rung == "0003*024" else "210")
    assert await _rung(lab) == [rung]


async def test_an_agent_and_his_waiting_caller_are_one_call(
    lab: Lab, bridge: Bridge, new_bridge: NewBridge
) -> None:
    """One app takes the ring of a queue's agent, another, at another bridge, the waiting caller: one of them gets it."""
    other = await new_bridge()
    await lab["100"].dial(ONE_AGENT)
    await lab["210"].wait_for_ring()
    call = await bridge.seen("0003*210")
    agent = next(view["id"] for view in call["phoneCallView"] if view["extension"] == "0003*210")
    await other.seen("0003*210")

    answers = await asyncio.gather(
        bridge.pick_up("0003*210", call["id"], "0003*024", view=agent),
        other.pick_up("0003*210", call["id"], "0003*025", view="00", token=OWNER, user="@owner"),
    )

    assert sorted(answer.status_code for answer in answers) == [202, 409]
    rung = TAKERS[0 if answers[0].status_code == 202 else 1]
    await lab[rung].accept(await lab[rung].wait_for_ring())
    await lab.wait_together(rung, "100")
    assert await _rung(lab) == [rung]


@pytest.mark.parametrize("connections", [4, 100])
async def test_a_storm_rings_one_phone_once(lab: Lab, new_bridge: NewBridge, connections: int) -> None:
    """50 identical and 50 competing PUTs over two processes: one phone rings once.

    The rest are told the same, marked as a replay, or 409; nobody is told 202 for a phone that did not ring; and of
    those that got it exactly one is no replay. Where each has a connection of its own some wait for the outcome.
    """
    bridges = [await new_bridge(connections=connections // 2) for _ in range(2)]
    scene = await ringing(lab, bridges[0])
    await bridges[1].seen(scene.uri, token=GLOBAL, user="@owner")
    waits = [number % 5 == 0 and connections == 100 for number in range(100)]
    storm = [
        bridges[number % 2].pick_up(
            scene.uri,
            scene.call,
            TAKERS[number // 2 % 2],
            view=scene.view,
            wait=20 if waits[number] else None,
        )
        for number in range(100)
    ]
    tasks = [asyncio.ensure_future(each) for each in storm]
    rung = await _first_ring(lab)
    # All but those that wait for this very ring have their answer before it ends.
    await asyncio.gather(
        *(task for number, task in enumerate(tasks) if not waits[number] or TAKERS[number // 2 % 2] != rung)
    )
    await lab[rung].accept()
    answers = await asyncio.gather(*tasks)

    told: Counter[tuple[str, int, bool]] = Counter()
    for number, answer in enumerate(answers):
        told[TAKERS[number // 2 % 2], answer.status_code, "Idempotent-Replayed" in answer.headers] += 1
    loser = TAKERS[1 - TAKERS.index(rung)]
    assert {status for taker, status, _ in told if taker == loser} == {409}
    assert {status for taker, status, _ in told if taker == rung} == ({200, 202} if any(waits) else {202})
    assert sum(count for (taker, _, replayed), count in told.items() if taker == rung and not replayed) == 1
    assert await _rung(lab) == [rung]
    await lab.wait_together(rung, "100")


async def _first_ring(lab: Lab) -> str:
    ringing = {asyncio.ensure_future(lab[taker].wait_for_ring()): taker for taker in TAKERS}
    done, pending = await asyncio.wait(ringing, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return ringing[done.pop()]
