"""A held call is picked up, whoever holds it: a hold by the leg that goes is over, one by the leg that stays is not."""

import pytest

from lab import Bridge, Lab, until
from lab.numbers import VIA_LOCAL_N
from real.states import Call, agree, only, picked_up_from, take, talk, view, view_of, views

pytestmark = [pytest.mark.anyio, pytest.mark.real]


async def held(bridge: Bridge, at: str, holders: dict[str, bool]) -> Call:
    """Wait until both views are on hold, or neither is, with exactly these holders; return the call."""

    async def so() -> Call | None:
        call = await bridge.call(at)
        on_hold = {"onHold" in each for each in call["phoneCallView"]}
        found = {each["id"]: each.get("holder") == 1 for each in call["phoneCallView"]}
        return call if found == holders and on_hold == {any(holders.values())} else None

    found = await until(so, f"the holders are {holders}", timeout=20)
    assert found is not None
    return found


async def music(lab: Lab, phone: str) -> bool:
    """Whether a phone hears music now, as Asterisk's events tell."""
    heard = [
        event["Event"] == "MusicOnHoldStart"
        for event in lab.ami.events
        if event["Event"].startswith("MusicOnHold") and lab[phone].extension in event["Channel"]
    ]
    return bool(heard and heard[-1])


async def test_a_call_held_by_the_target_is_taken(lab: Lab, bridge: Bridge) -> None:
    """210 has 100 on hold: 024 takes the call, the hold is over on both views, and 100 hears 024."""
    await talk(lab)
    await lab["210"].hold()
    call = await held(bridge, "0003*210", {"00": False, "01": True})
    assert [each["status"] for each in call["phoneCallView"]] == ["5", "5"]
    await until(lambda: music(lab, "100"), "100 hears music")
    await agree(lab, bridge)

    picked_up = await take(lab, bridge, "0003*210", call["id"])
    assert views(picked_up) == {"00": "0003*100", "01": "0003*024"}
    assert view(picked_up, "01")["pickUp"] == picked_up_from("0003*210", "0003*024")
    await only(lab, {"100", "024"})
    await held(bridge, "0003*210", {"00": False, "01": False})

    async def quiet() -> bool:
        return not await music(lab, "100")

    await until(quiet, "100 hears music no more")
    await lab.wait_sound("100", "024")
    await agree(lab, bridge)


async def test_a_call_held_by_the_source_stays_held(lab: Lab, bridge: Bridge) -> None:
    """100 has 210 on hold: 024 takes 210's place, and nobody says that the hold is over before 100 does."""
    await talk(lab)
    await lab["100"].hold()
    at_100 = lab["100"].live[0]
    call = await held(bridge, "0003*210", {"00": True, "01": False})
    since = view(call, "01")["onHold"]
    await agree(lab, bridge)
    await take(lab, bridge, "0003*210", call["id"])
    await only(lab, {"100", "024"})
    assert lab["100"].held(at_100)
    call = await held(bridge, "0003*210", {"00": True, "01": False})
    assert view(call, "01")["onHold"] == since
    assert views(call) == {"00": "0003*100", "01": "0003*024"}
    await agree(
        lab, bridge, forgets=("answered", "onHold", "holder")
    )  # Asterisk itself forgets who holds a new partner
    await lab["100"].resume()
    await held(bridge, "0003*210", {"00": False, "01": False})


async def test_a_call_held_by_both_is_taken(lab: Lab, bridge: Bridge) -> None:
    """Each has the other on hold: 024 takes 210's place and its hold with it; 100's stays."""
    await talk(lab)
    await lab["210"].hold()
    await lab["100"].hold()
    call = await held(bridge, "0003*210", {"00": True, "01": True})
    await agree(lab, bridge)
    await take(lab, bridge, "0003*210", call["id"])
    await only(lab, {"100", "024"})
    await held(bridge, "0003*210", {"00": True, "01": False})
    await agree(lab, bridge, forgets=("answered", "onHold", "holder"))
    await lab["100"].resume()
    await held(bridge, "0003*210", {"00": False, "01": False})


async def held_by_210(bridge: Bridge, since: str) -> Call:
    """Wait until 210 alone holds, and has since then, as the views of all who are up say; return the call."""

    async def so() -> Call | None:
        call = await bridge.call("0003*210")
        holders = [each["extension"] for each in call["phoneCallView"] if each.get("holder") == 1]
        dates = {each.get("onHold") for each in call["phoneCallView"] if each["status"] == "5"}
        return call if holders == ["0003*210"] and dates == {since} else None

    found = await until(so, "210 holds, since the same moment")
    assert found is not None
    return found


async def test_whoever_holds_a_local_pair_holds_whom_it_leads_to(lab: Lab, bridge: Bridge) -> None:
    """210 holds 100 by way of a Local pair; 100 transfers it to 211, and 024 takes it there: 210 holds all the while."""
    await talk(lab, VIA_LOCAL_N)
    await lab["210"].hold()
    call = await held(bridge, "0003*210", {"00": False, "03": True})
    since = view(call, "03")["onHold"]
    await agree(lab, bridge)

    await lab["100"].transfer("0003*211")
    await lab["211"].wait_for_ring()
    await held_by_210(bridge, since)
    await agree(lab, bridge)
    await lab["211"].accept()
    await only(lab, {"210", "211"})
    call = await held_by_210(bridge, since)
    await agree(lab, bridge)

    at_211 = view_of(call, "0003*211")["id"]
    await take(lab, bridge, "0003*211", call["id"], view=at_211)
    await only(lab, {"210", "024"})
    await held_by_210(bridge, since)
    await agree(lab, bridge, forgets=("answered", "onHold", "holder"))
    await lab["210"].resume()
    await held(bridge, "0003*210", {"03": False, at_211: False})
