"""A ringing call, beside the plain story: what a bridge started then sees, what the books say, a queue's rounds and races.

The story itself, for each way of ringing, is in test_ringing.py.
"""

import asyncio
import os
import random
import re

import pytest

from lab import Bridge, Lab, until
from lab.fixtures import NewBridge
from lab.numbers import (
    ANNOUNCED,
    GROUP,
    LINEAR,
    ONE_AGENT,
    ROUNDS,
    ROUNDS_ELSEWHERE,
    SUPPORT,
    VIA_ANSWERED_LOCAL,
    VIA_LOCAL,
    VIA_LOCAL_N,
    VIA_TWO_LOCALS,
)
from real.states import (
    RING,
    TALK,
    agree,
    only,
    over,
    picked_up_from,
    queue_log,
    refused,
    ring,
    rings,
    shows,
    take,
    talk,
    talks,
    told_whose_ring_to_take,
    uniqueid,
    view,
    view_of,
    views,
)

pytestmark = [pytest.mark.anyio, pytest.mark.real]


@pytest.mark.parametrize("number", ["0003*210", GROUP, VIA_LOCAL, VIA_LOCAL_N, SUPPORT, LINEAR])
async def test_a_bridge_that_is_started_now_sees_the_same(lab: Lab, bridge: Bridge, number: str) -> None:
    """While it rings, while the pickup rings and when it is connected: the same call, views and pickup."""
    await ring(lab, number)
    if number in (GROUP, SUPPORT):
        await rings(lab, "211")
    call = await bridge.seen("0003*210")
    target = view_of(call, "0003*210")["id"]
    await agree(lab, bridge)

    await bridge.pick_up("0003*210", call["id"], "0003*024", view=target)
    at_024 = await rings(lab, "024")
    ringing = await bridge.call("0003*210")
    assert view(ringing, target)["pickUp"] == picked_up_from("0003*210", "0003*024", "ringing")
    await agree(lab, bridge)

    await lab["024"].accept(at_024)
    await only(lab, {"100", "024"})
    await shows(bridge, "0003*210", {"00": "0003*100", target: "0003*024"}, "55")
    await agree(lab, bridge)
    assert (await bridge.call(number))["id"] == call["id"]


async def test_a_second_ring_at_a_busy_phone_is_a_call_of_its_own(lab: Lab, bridge: Bridge) -> None:
    """210 talks with 100 and hears 101 knock: two calls, to a bridge started now as well, before and after."""
    await talk(lab)
    first = await shows(bridge, "0003*210", TALK, "55")
    knocking = await ring(lab, caller="101")
    second = await shows(bridge, "0003*101", {"00": "0003*101", "01": "0003*210"}, "43")
    assert {call["id"] for call in await bridge.calls("0003*210")} == {first["id"], second["id"]}
    await agree(lab, bridge)
    await take(lab, bridge, "0003*210", second["id"])
    assert (await lab["210"].wait_closed(knocking)).elsewhere
    await only(lab, {"100", "210"}, {"101", "024"})
    await shows(bridge, "0003*100", views(first), "55")
    await shows(bridge, "0003*101", {"00": "0003*101", "01": "0003*024"}, "55")
    await agree(lab, bridge)


# ------------------------------------------------------------------ the books


async def test_the_call_records_tell_it(lab: Lab, bridge: Bridge) -> None:
    """100 rang at 210, which he never talked with, and talked with 024."""
    await ring(lab)
    call = await shows(bridge, "0003*210", RING, "43")
    caller = await uniqueid(lab, "100")
    await take(lab, bridge, "0003*210", call["id"])
    await lab["100"].hangup()
    await over(lab)
    await talks(lab, caller, "024", rang="210")


async def test_the_queues_books_tell_it(lab: Lab, bridge: Bridge) -> None:
    """The caller was connected, by the agent whose ring was taken; queue_log, counters and CDR say the same."""
    await ring(lab, SUPPORT)
    await rings(lab, "211")
    call = await bridge.seen("0003*210")
    caller = await uniqueid(lab, "100")
    before = await counters(lab, "support")
    await take(lab, bridge, "0003*210", call["id"], view=view_of(call, "0003*210")["id"])
    await only(lab, {"100", "024"})
    await lab["024"].hangup()
    await over(lab)

    async def booked() -> bool:
        log = [("PJSIP/0003*210", "CONNECT"), ("PJSIP/0003*210", "COMPLETEAGENT")]
        return queue_log(lab, caller) == log and await counters(lab, "support") == (before[0] + 1, before[1])

    await until(booked, "the queue's books are closed")
    await talks(lab, caller, "024", rang="210")


async def counters(lab: Lab, queue: str) -> tuple[int, int]:
    """How many callers a queue has connected, and how many it calls abandoned."""
    found = re.search(r"C:(\d+), A:(\d+)", await lab.asterisk.cli(f"queue show {queue}"))
    assert found
    return int(found[1]), int(found[2])


# ------------------------------------------------------------------ a queue goes on meanwhile


@pytest.mark.parametrize("answers", ["between two rounds", "in the next round"])
async def test_a_round_ends_while_the_new_phone_rings(lab: Lab, bridge: Bridge, answers: str) -> None:
    """When 210 no longer rings for the queue, the caller still waits there: 024 goes on ringing and takes him.

    Where 210 rings again by then, that ring is taken with him: no missed call, and the queue has connected its caller.
    """
    at_210 = await ring(lab, ROUNDS)
    caller = await uniqueid(lab, "100")
    call = await bridge.seen("0003*210")
    target = view_of(call, "0003*210")["id"]
    asked = await bridge.pick_up("0003*210", call["id"], "0003*024", view=target)
    assert asked.status_code == 202, asked.text
    at_024 = await rings(lab, "024")
    await lab["210"].wait_closed(at_210)
    if answers == "in the next round":
        at_210 = await rings(lab, "210")
        await told_whose_ring_to_take(lab, "210")
    await lab["024"].accept(at_024)
    await only(lab, {"100", "024"})
    if answers == "in the next round":
        assert (await lab["210"].wait_closed(at_210)).elsewhere

        async def booked() -> bool:
            return queue_log(lab, caller)[-1:] == [("PJSIP/0003*210", "CONNECT")]

        await until(booked, "the queue's books say that he was connected")
    picked_up = await shows(bridge, ROUNDS, {"00": "0003*100", target: "0003*024"}, "55")
    assert view(picked_up, target)["pickUp"] == picked_up_from("0003*210", "0003*024")
    await agree(lab, bridge)
    await lab["024"].hangup()
    await lab["100"].wait_closed()
    await over(lab)
    assert not [event for event in lab.ami.events if event.get("Context") == "voicemail"]


async def test_a_round_that_ends_as_if_somebody_had_answered(lab: Lab, bridge: Bridge) -> None:
    """Queue()'s option C tells 210 so at the end of each round: the caller waits on, 024 rings on and takes him."""
    at_210 = await ring(lab, ROUNDS_ELSEWHERE)
    call = await bridge.seen("0003*210")
    target = view_of(call, "0003*210")["id"]
    waiting = asyncio.create_task(bridge.pick_up("0003*210", call["id"], "0003*024", view=target, wait=20))
    at_024 = await rings(lab, "024")
    assert (await lab["210"].wait_closed(at_210)).elsewhere
    await rings(lab, "210")
    assert at_024.state == "ringing"
    await lab["024"].accept(at_024)
    await only(lab, {"100", "024"})
    assert (await waiting).status_code == 200


async def test_an_agent_who_has_answered_has_the_caller(lab: Lab, bridge: Bridge) -> None:
    """The queue has him wait before it bridges them: 024's ring stops, and until they talk the caller is not to be had."""
    at_210 = await ring(lab, ANNOUNCED)
    call = await bridge.seen("0003*210")
    waiting = asyncio.create_task(bridge.pick_up(ANNOUNCED, call["id"], "0003*024", view="00", wait=20))
    at_024 = await rings(lab, "024")
    await lab["210"].accept(at_210)
    assert (await lab["024"].wait_closed(at_024)).elsewhere
    refused(await waiting)
    again = refused(await bridge.pick_up(ANNOUNCED, call["id"], "0003*025", view="00"))
    assert again == "An agent of the queue has just answered."
    await only(lab, {"100", "210"})
    assert lab["025"].rings == []
    await take(
        lab, bridge, "0003*210", call["id"], view=view_of(await bridge.call("0003*210"), "0003*210")["id"]
    )
    await only(lab, {"100", "024"})


@pytest.mark.parametrize("number", ["0003*210", VIA_LOCAL_N, VIA_TWO_LOCALS, VIA_ANSWERED_LOCAL, ANNOUNCED])
async def test_the_phone_whose_ring_is_taken_answers_first(lab: Lab, bridge: Bridge, number: str) -> None:
    """It is 210's view that was asked for: once he has the caller, 024 takes the talk over from him.

    However many Local channels lie between, whoever has answered for him before, and where a queue announces him first.
    """
    at_210 = await ring(lab, number)
    call = await bridge.seen("0003*210")
    target = view_of(call, "0003*210")["id"]
    waiting = asyncio.create_task(bridge.pick_up("0003*210", call["id"], "0003*024", view=target, wait=20))
    at_024 = await rings(lab, "024")
    await lab["210"].accept(at_210)
    await only(lab, {"100", "210"})
    assert at_024.state == "ringing"
    await lab["024"].accept(at_024)
    answer = await waiting
    assert answer.status_code == 200, answer.text
    await only(lab, {"100", "024"})


@pytest.mark.usefixtures("unwatched")
async def test_an_agent_who_has_answered_keeps_the_caller_without_a_bridge(
    lab: Lab, new_bridge: NewBridge
) -> None:
    """Nobody stops 024's ring: it answers in vain while 210 waits for the caller, and is let go."""
    bridge = await new_bridge()
    at_210 = await ring(lab, ANNOUNCED)
    call = await bridge.seen("0003*210")
    await bridge.pick_up(ANNOUNCED, call["id"], "0003*024", view="00")
    at_024 = await rings(lab, "024")
    await bridge.kill()
    await lab["210"].accept(at_210)
    await lab["024"].accept(at_024)
    await lab["024"].wait_closed(at_024)
    await only(lab, {"100", "210"})


ROUNDS_OF_A_RACE = int(os.environ.get("ROUNDS", "4"))


@pytest.mark.parametrize(
    ("number", "taken"), [(SUPPORT, "0003*210"), (SUPPORT, "0003*100"), (ONE_AGENT, "0003*100")]
)
async def test_an_agent_answers_in_the_same_millisecond(
    lab: Lab, bridge: Bridge, number: str, taken: str
) -> None:
    """One of the two has the caller, the other is let go; whoever waits is told which, and nobody is left alone."""
    agent = "210" if number == ONE_AGENT else "211"

    async def at_rest() -> bool:
        agents = await lab.asterisk.cli("queue show support")
        return agents.count("(Not in use)") == 2 and not await bridge.calls("0003*210")

    for _ in range(ROUNDS_OF_A_RACE):
        await until(at_rest, "the agents are at rest")
        await ring(lab, number)
        at_agent = await rings(lab, agent) if agent == "211" else lab["210"].rings[-1]
        call = await bridge.seen("0003*210")
        target = view_of(call, taken)["id"]
        waiting = asyncio.create_task(bridge.pick_up(number, call["id"], "0003*024", view=target, wait=20))
        at_024 = await rings(lab, "024")
        both = [(agent, at_agent), ("024", at_024)]
        random.shuffle(both)
        racing = []
        for phone, at_phone in both:
            racing.append(asyncio.ensure_future(lab[phone].command("accept", at_phone.id, check=False)))
            await asyncio.sleep(random.uniform(0, 0.002))  # a race, not a secret
        await asyncio.gather(*racing)
        answer = await waiting
        winner = "024" if answer.status_code == 200 else agent
        if winner == agent:
            refused(answer)
        await only(lab, {"100", winner})
        await lab["100"].hangup()
        await lab.reset()
