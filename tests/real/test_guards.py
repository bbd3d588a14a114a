"""The guards without which a caller was stolen, stranded or lost: `make mutants` switches each off and sees red here."""

import asyncio

import pytest

from lab import Bridge, Lab, until
from lab.fixtures import NewBridge, NewProxy
from lab.numbers import DIAL_G, ECHO, PARK_ME, VIA_LOCAL_N
from lab.service import JANE
from matrix.ends import Play, source_leaves
from matrix.states import parked, ringing, talking
from real.states import TALK, shows, talk

pytestmark = [pytest.mark.anyio, pytest.mark.real]


@pytest.mark.usefixtures("unwatched")
async def test_who_was_fetched_meanwhile_stays_with_his_fetcher(lab: Lab, new_bridge: NewBridge) -> None:
    """A parked caller is fetched by dialling the slot while 024 rings and no bridge watches: 024's answer is in vain."""
    bridge = await new_bridge()
    scene = await parked(lab, bridge)
    assert (await bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view)).status_code == 202
    ring = await lab["024"].wait_for_ring()
    await bridge.kill()
    await lab["025"].dial(scene.parked)
    await lab.wait_together("025", "100")

    await lab["024"].command(
        "accept", ring.id, check=False
    )  # it is hung up sooner than it can say that it talks

    await lab["024"].wait_closed(ring)
    await lab.wait_together("025", "100")


@pytest.mark.usefixtures("unwatched")
@pytest.mark.parametrize("way", [DIAL_G, VIA_LOCAL_N])
async def test_who_talks_to_somebody_else_by_now_stays_with_him(
    lab: Lab, new_bridge: NewBridge, way: str
) -> None:
    """100's end of a talk is to go to 024; 210 is given to 101 while no bridge watches: 024's answer is in vain."""
    bridge = await new_bridge()
    await talk(lab, way)
    (call_of_100,) = lab["100"].live
    views = TALK if way == DIAL_G else {"00": "0003*100", "03": "0003*210"}
    call = await shows(bridge, "0003*100", views, "55")
    assert (await bridge.pick_up("0003*100", call["id"], "0003*024", view="00")).status_code == 202
    ring = await lab["024"].wait_for_ring()
    await bridge.kill()
    await lab["101"].dial(ECHO)
    await lab.wait_waiting("101", "Echo")
    names = {row.extension: row.name for row in await lab.strangers()}
    await lab.ami.action(
        {"Action": "Bridge", "Channel1": names["0003*210"], "Channel2": names["0003*101"], "Tone": "no"}
    )
    await lab.wait_together("101", "210")
    if way == DIAL_G:
        await lab.wait_waiting("100", "Playback")
    else:
        await lab["100"].wait_closed(call_of_100)

    await lab["024"].command("accept", ring.id, check=False)

    await lab["024"].wait_closed(ring)
    await lab.wait_together("101", "210")


async def test_two_bridges_and_two_phones_make_one_ring(
    lab: Lab, bridge: Bridge, new_bridge: NewBridge, new_proxy: NewProxy
) -> None:
    """An instance that has not heard yet of another's pickup asks for another phone: Asterisk lets one of them ring."""
    proxy = await new_proxy()
    other = await new_bridge(proxy.login)
    scene = await ringing(lab, bridge)
    await other.seen(scene.uri)
    proxy.hold(from_asterisk=True)
    first = await bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view)
    assert first.status_code == 202, first.text
    await lab["024"].wait_for_ring()

    asked = asyncio.ensure_future(
        other.pick_up(scene.uri, scene.call, "0003*025", view=scene.view, caller_id="John Doe <42420042>")
    )

    async def sent() -> bool:
        return proxy.count("Originate") == 1

    await until(sent, "the other one has asked for a ring")
    proxy.release()
    refused = await asked
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "pc_pickup_conflict")
    await lab["024"].accept()
    await lab.wait_together("100", "024")
    assert not lab["025"].rings


async def test_nobody_throws_anothers_phone_out_of_its_call(lab: Lab, bridge: Bridge) -> None:
    """Jane sees a call that she has a leg in; the other leg of it is not hers to take."""
    await lab["100"].dial("0003*024")
    await lab["024"].accept(await lab["024"].wait_for_ring())
    await lab.wait_together("100", "024")
    call = await bridge.seen("0003*024", "5", token=JANE)

    answer = await bridge.pick_up("0003*024", call["id"], "0003*025", view="00", token=JANE)

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
    await lab.wait_together("100", "024")
    assert not lab["025"].rings


async def test_a_ring_ends_with_the_call_it_is_for(lab: Lab, bridge: Bridge) -> None:
    """The caller hangs up while 024 rings: 024 falls silent within 0.2 s."""
    for state in (ringing, talking):
        play = Play(lab, bridge, await state(lab, bridge))
        await source_leaves(play)
        assert (play.verdict.lost, play.verdict.false) == ([], [])
        await lab.reset()


async def test_a_stranger_in_the_same_lot_is_not_taken(lab: Lab, bridge: Bridge) -> None:
    """Two callers are parked in one lot: the one that was asked for is taken, the other stays."""
    scene = await parked(lab, bridge)
    await lab["101"].dial(PARK_ME)
    await lab.wait_waiting("101", "Park")

    asked = asyncio.ensure_future(bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view, wait=10))
    await lab["024"].wait_for_ring()
    await lab["024"].accept()

    assert (await asked).status_code == 200
    await lab.wait_together("100", "024")
    await lab.wait_waiting("101", "Park")
