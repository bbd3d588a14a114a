"""The bridge is killed at each stage of a pickup, ended politely, or started late: Asterisk alone keeps the truth."""

import asyncio
import time
from collections.abc import Collection
from functools import partial
from typing import Any

import pytest

from lab import AmiProxy, Bridge, Lab, Message, PhoneCall, until
from lab.fixtures import NewBridge, NewProxy
from lab.numbers import DIAL_G, NOBODY, PARK_ME
from lab.pace import pace
from matrix.ends import Play
from matrix.states import (
    FIRST_IN_LINE,
    Scene,
    held,
    parked,
    parked_by_transfer,
    queue_rings,
    queued,
    ringing,
    talking,
    via_local,
)
from real.states import TALK, asks, booked_late, shows, talk

pytestmark = [pytest.mark.anyio, pytest.mark.real]


async def rung(lab: Lab, bridge: Bridge, scene: Scene) -> PhoneCall:
    """Have 024 rung for a call; its ring."""
    await asks(bridge, scene.uri, scene.call, "0003*024", view=scene.view)
    return await lab["024"].wait_for_ring()


@pytest.mark.usefixtures("unwatched")
async def test_killed_before_the_originate_arrived(
    lab: Lab, new_bridge: NewBridge, new_proxy: NewProxy
) -> None:
    """Its Originate never left the network: nobody rings, the call rings on, and a new bridge can pick it up."""
    proxy = await new_proxy()
    bridge = await new_bridge(proxy.login)
    scene = await ringing(lab, bridge)
    proxy.hold(to_asterisk=True)
    asked = asyncio.ensure_future(
        bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view, caller_id="John Doe <42420042>")
    )
    await until(lambda: _is_held(proxy, "Originate"), "the Originate is on its way")
    await bridge.kill()
    await asyncio.gather(asked, return_exceptions=True)
    proxy.cut()
    proxy.release()

    await bridge.start()

    assert not lab["024"].rings
    assert (await bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view)).status_code == 202
    await lab["024"].accept(await lab["024"].wait_for_ring())
    await lab.wait_together("024", "100")


async def _is_held(proxy: AmiProxy, name: str) -> bool:
    return f"Action: {name}\r\n".encode() in proxy.held


@pytest.mark.parametrize("restarted", [True, False], ids=["before the phone answers", "after it"])
@pytest.mark.usefixtures("unwatched")
async def test_killed_before_the_answer_to_the_originate(
    lab: Lab, new_bridge: NewBridge, new_proxy: NewProxy, *, restarted: bool
) -> None:
    """The phone rings, and nobody has heard of it: it connects all the same, and the new bridge tells what it is."""
    proxy = await new_proxy()
    bridge = await new_bridge(proxy.login)
    scene = await ringing(lab, bridge)
    proxy.actions = _DeafAfterOriginate(proxy)
    asked = asyncio.ensure_future(bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view))
    ring = await lab["024"].wait_for_ring()
    assert not asked.done()
    await bridge.kill()
    await asyncio.gather(asked, return_exceptions=True)
    proxy.cut()
    proxy.release()
    if not restarted:
        await lab["024"].accept(ring)
        await lab.wait_together("024", "100")

    await bridge.start()

    shown = await _view(bridge, scene.uri, scene.call, "01")
    status = "ringing" if restarted else "connected"
    assert shown["pickUp"] == {"from": "0003*210", "sendCallTo": "0003*024", "status": status}
    again = await bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
    if restarted:
        await lab["024"].accept(ring)
        await lab.wait_together("024", "100")
    assert len(lab["024"].rings) == 1


class _DeafAfterOriginate(list[Message]):
    """Holds what Asterisk says from the moment in which an Originate passes."""

    def __init__(self, proxy: AmiProxy) -> None:
        super().__init__()
        self._proxy = proxy

    def append(self, action: Message, /) -> None:
        super().append(action)
        if action["Action"] == "Originate":
            self._proxy.hold(from_asterisk=True)


@pytest.mark.usefixtures("unwatched")
async def test_a_restarted_bridge_goes_on_watching(lab: Lab, new_bridge: NewBridge) -> None:
    """Killed while 024 rings and started again: the caller hangs up, and 024 falls silent."""
    for state in (ringing, talking, parked, queued):
        bridge = await new_bridge()
        scene = await state(lab, bridge)
        ring = await rung(lab, bridge, scene)
        await bridge.kill()
        await bridge.start()
        shown = await _view(bridge, scene.uri, scene.call, scene.view)
        assert shown["pickUp"]["status"] == "ringing", state.__name__

        play, mark = Play(lab, bridge, scene), len(lab.ami.events)
        await lab["100"].hangup()

        await play.stopped(ring, await play.hung_up("0003*100", mark), 16)
        assert (ring.established, play.verdict.lost) == (0, []), state.__name__
        await bridge.close()
        await lab.reset()


@pytest.mark.parametrize("heard", [True, False], ids=["heard of", "not heard of"])
@pytest.mark.usefixtures("unwatched")
async def test_killed_at_the_answer(
    lab: Lab, new_bridge: NewBridge, new_proxy: NewProxy, *, heard: bool
) -> None:
    """Killed in the moment in which 024 answers, or before it heard of that: Asterisk connects it all the same."""
    proxy = await new_proxy()
    for state in (ringing, talking, parked, queued):
        bridge = await new_bridge(proxy.login)
        scene = await state(lab, bridge)
        ring = await rung(lab, bridge, scene)

        if heard:
            mark = len(lab.ami.events)
            answered = asyncio.ensure_future(lab["024"].accept(ring))
            await lab.ami.wait_for(partial(_of_024, "Newstate"), since=mark)
            await bridge.kill()
            await answered
            await lab.wait_together("024", "100")
        else:
            proxy.hold(from_asterisk=True)
            await lab["024"].accept(ring)
            await lab.wait_together("024", "100")
            await bridge.kill()
            proxy.cut()
            proxy.release()

        await bridge.start()
        shown = await _view(bridge, scene.uri, scene.call, scene.view)
        assert shown["pickUp"]["status"] == "connected", state.__name__
        await bridge.close()
        await lab.reset()


@pytest.mark.usefixtures("unwatched")
async def test_dead_when_the_caller_leaves(lab: Lab, new_bridge: NewBridge) -> None:
    """Nobody stops 024's ring: it answers for a caller who is gone, and is let go at once."""
    for state in (ringing, talking, parked, queued):
        bridge = await new_bridge()
        scene = await state(lab, bridge)
        ring = await rung(lab, bridge, scene)
        await bridge.kill()
        await lab["100"].hangup()
        await until(lambda: _left(lab, "0003*024"), "024 alone is left")

        await lab["024"].command("accept", ring.id, check=False)

        await lab["024"].wait_closed(ring)
        await bridge.close()
        await lab.reset()


@pytest.mark.usefixtures("unwatched")
async def test_a_dead_bridge_leaves_a_talk_to_asterisk(lab: Lab, new_bridge: NewBridge) -> None:
    """Who called with Dial's option g is let go without it, and not sent on into the voicemail.

    Asterisk 16.28 cannot tell another channel where to go: it waits a third of a second for the bridge, and takes the
    call all the same.
    """
    bridge = await new_bridge()
    await talk(lab, DIAL_G)
    call = await shows(bridge, "0003*210", TALK, "55")
    old = lab["100"].live[0]
    await bridge.pick_up("0003*100", call["id"], "0003*024", view="00")
    ring = await lab["024"].wait_for_ring()
    await bridge.kill()
    since = len(lab.ami.events)

    await lab["024"].accept(ring)
    await lab.wait_together("024", "210")

    if lab.asterisk.version == 16:
        up, entered = [
            await lab.ami.wait_for(partial(_of_024, name), since=since)
            for name in ("Newstate", "BridgeEnter")
        ]
        assert 0.15 < float(entered["_at"]) - float(up["_at"]) < 3
    else:
        assert (await lab["100"].wait_closed(old)).cause == 16
        assert await lab.in_voicemail() == []


def _of_024(name: str, event: Message) -> bool:
    """Whether an event says that 024 has answered, or is bridged."""
    return (
        event["Event"] == name
        and event["Channel"].startswith("PJSIP/0003*024-")
        and event["ChannelState"] == "6"
    )


async def _left(lab: Lab, extension: str) -> bool:
    return {row.extension for row in await lab.strangers()} - {FIRST_IN_LINE} == {extension}


@pytest.mark.usefixtures("unwatched")
async def test_the_link_of_the_put_outlives_the_bridge(lab: Lab, new_bridge: NewBridge) -> None:
    """After kill -9 and restart, `link.self` of the PUT's reply finds the call, connected, with the same ids."""
    bridge = await new_bridge()
    scene = await ringing(lab, bridge)
    accepted = await bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view)
    await lab["024"].accept(await lab["024"].wait_for_ring())
    await lab.wait_together("024", "100")
    await shows(bridge, scene.uri, {"00": "0003*100", "01": "0003*024"}, "55")
    before = await bridge.get("@me", scene.uri, scene.call)
    await bridge.kill()
    await bridge.start()

    link = accepted.json()["link"]["self"]
    after = await bridge.http.get(link, headers={"Authorization": "Bearer john-token"})

    without = ("answered",) if await booked_late(lab) else ()
    assert _timeless(after.json(), without) == _timeless(before.json(), without)
    assert after.json()["phoneCallView"][1]["pickUp"]["status"] == "connected"


def _timeless(shown: Any, without: Collection[str] = ()) -> Any:
    """The same without times, which a restart may date anew within a second, and without some members."""
    if isinstance(shown, dict):
        times = ("answered", "onHold", "parked", "ringing", "published")
        return {
            key: key in times or _timeless(value, without)
            for key, value in shown.items()
            if key not in without
        }
    return [_timeless(each, without) for each in shown] if isinstance(shown, list) else shown


async def _view(bridge: Bridge, extension: str, call: str, view: str) -> dict[str, Any]:
    body = (await bridge.get("@me", extension, call)).json()
    found: dict[str, Any] = next(each for each in body["phoneCallView"] if each["id"] == view)
    return found


async def test_one_started_in_the_middle_lists_the_same(
    lab: Lab, bridge: Bridge, new_bridge: NewBridge
) -> None:
    """In each state of a call, a bridge started just then lists what one lists that saw the call begin."""
    for state in (ringing, via_local, talking, held, parked, parked_by_transfer, queued, queue_rings):
        scene = await state(lab, bridge)
        late = await new_bridge()

        # Re-bridging makes Asterisk forget when a call was answered.
        forgets = state is parked_by_transfer or await booked_late(lab)
        without = ("answered",) if forgets else ()
        seen, found = [_timeless(await each.calls(scene.uri), without) for each in (bridge, late)]

        assert _without_links(found) == _without_links(seen), state.__name__
        await late.close()
        await lab.reset()


def _without_links(entries: Any) -> Any:
    return [{key: value for key, value in entry.items() if not key.startswith("link")} for entry in entries]


@pytest.mark.parametrize("answers", [False, True], ids=["still ringing", "answered in time"])
@pytest.mark.usefixtures("unwatched")
async def test_sigterm_answers_those_who_wait_and_leaves_the_pickups_alone(
    lab: Lab, new_bridge: NewBridge, new_proxy: NewProxy, *, answers: bool
) -> None:
    """On SIGTERM new PUTs are 503, a waiting one is answered, AMI is logged off, exit is 0; 024 rings on and connects."""
    proxy = await new_proxy()
    bridge = await new_bridge(proxy.login)
    scene = await ringing(lab, bridge)
    waiting = asyncio.ensure_future(
        bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view, wait=30)
    )
    ring = await lab["024"].wait_for_ring()

    machine, started = pace(), time.monotonic()
    stopping = asyncio.ensure_future(bridge.stop())
    await until(lambda: _refuses(bridge, scene), "new requests are refused", timeout=20)
    if answers:
        await lab["024"].accept(ring)
    answered = await waiting

    expected = (200 if answers else 202, "wait=30")
    assert (answered.status_code, answered.headers["Preference-Applied"]) == expected
    assert await stopping == 0
    assert machine.worth(started, time.monotonic()) <= 10
    assert proxy.count("Logoff") == 1
    if not answers:
        await lab["024"].accept(ring)
    await lab.wait_together("024", "100")


async def _refuses(bridge: Bridge, scene: Scene) -> bool:
    """Whether a new PUT is told 503, and when to come again."""
    answer = await bridge.pick_up(scene.uri, scene.call, "0003*025")
    return answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0


@pytest.mark.usefixtures("unwatched")
async def test_calls_that_ended_meanwhile_are_no_ghosts(lab: Lab, new_bridge: NewBridge) -> None:
    """What was hung up while no bridge ran is not listed by the next."""
    bridge = await new_bridge()
    await lab["100"].dial(PARK_ME)
    await lab.wait_waiting("100", "Park")
    await lab["101"].dial(NOBODY)
    await lab.wait_waiting("101", "Queue")
    await bridge.call("0003*100")
    await bridge.kill()
    await lab["100"].hangup()
    await bridge.start()

    assert await bridge.calls("0003*100") == []
    assert len(await bridge.calls("0003*101")) == 1
