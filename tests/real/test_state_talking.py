"""A talk is taken over at either end: the source hears the new phone at once, and the old leg is let go for good."""

import pytest

from lab import Bridge, Lab, Message, until
from lab.numbers import DIAL_F, DIAL_G, SUPPORT
from lab.pace import pace
from real.states import (
    TALK,
    agree,
    only,
    over,
    picked_up_from,
    queue_log,
    shows,
    take,
    talk,
    talks,
    uniqueid,
    view,
    views,
)

pytestmark = [pytest.mark.anyio, pytest.mark.real]


async def test_the_called_end_of_a_talk_is_taken(lab: Lab, bridge: Bridge) -> None:
    """210 is let go, 024 and 100 hear each other, and each phone shows whom it is with now."""
    at_210 = await talk(lab)
    call = await shows(bridge, "0003*210", TALK, "55")
    at_100 = lab["100"].live[0]
    caller = await uniqueid(lab, "100")
    await agree(lab, bridge, forgets=())

    picked_up = await take(lab, bridge, "0003*210", call["id"], caller_id="John Doe <42420042>")
    assert views(picked_up) == {"00": "0003*100", "01": "0003*024"}
    assert view(picked_up, "01")["pickUp"] == picked_up_from("0003*210", "0003*024")
    assert view(picked_up, "01")["source"] == ["0003*100"]
    assert view(picked_up, "01")["destination"] == ["0003*210"]
    assert view(picked_up, "01")["answered"] == view(call, "01")["answered"]
    assert (await lab["210"].wait_closed(at_210)).cause == 16
    await only(lab, {"100", "024"})
    at_024 = lab["024"].live[0]
    assert (at_024.name, at_024.number) == ("John Doe", "42420042")
    await lab.wait_sound("100", "024")
    await lab["100"].wait_shown(at_100, "John Doe", "42420042")
    await lab["024"].wait_shown(at_024, "Ext 100", "0003*100")
    await agree(lab, bridge, forgets=())

    await lab["024"].hangup()
    await lab["100"].wait_closed(at_100)
    await over(lab)
    await talks(lab, caller, "210", "024")


async def test_the_new_phone_is_heard_at_once(lab: Lab, bridge: Bridge) -> None:
    """From the new phone's answer to the moment it is bridged with the source it takes less than 0.1 s."""
    machine = pace()
    await talk(lab)
    call = await shows(bridge, "0003*210", TALK, "55")
    since = len(lab.ami.events)
    await take(lab, bridge, "0003*210", call["id"])
    up = await lab.ami.wait_for(lambda event: _of_pickup(event, "Newstate", ChannelState="6"), since=since)
    bridged = await lab.ami.wait_for(lambda event: _of_pickup(event, "BridgeEnter"), since=since)
    assert machine.worth(float(up["_at"]), float(bridged["_at"])) < 0.1


def _of_pickup(event: Message, name: str, **headers: str) -> bool:
    """Whether an event is one of the pickup leg's."""
    return (
        event["Event"] == name and event["Uniqueid"].startswith("uapi-") and headers.items() <= event.items()
    )


async def test_the_callers_own_end_of_a_talk_is_taken(lab: Lab, bridge: Bridge) -> None:
    """100 may pass the call that he made himself to 024: 210 hears 024, and 100 falls into no voicemail."""
    await talk(lab)
    call = await shows(bridge, "0003*100", TALK, "55")
    at_100 = lab["100"].live[0]
    picked_up = await take(lab, bridge, "0003*100", call["id"], view="00")
    assert views(picked_up) == {"00": "0003*024", "01": "0003*210"}
    assert view(picked_up, "00")["pickUp"] == picked_up_from("0003*100", "0003*024")
    assert view(picked_up, "00")["source"] == ["0003*100"]
    assert (await lab["100"].wait_closed(at_100)).cause == 16
    await only(lab, {"210", "024"})
    assert await lab.in_voicemail() == []
    await agree(lab, bridge, forgets=())


@pytest.mark.parametrize(
    ("number", "taken", "stays"),
    [(DIAL_G, "100", "210"), (DIAL_G, "210", "100"), (DIAL_F, "210", "100"), (DIAL_F, "100", "210")],
)
async def test_nobody_goes_on_in_the_dialplan(
    lab: Lab, bridge: Bridge, number: str, taken: str, stays: str
) -> None:
    """Dial's options g and F, which send a leg on when the other is gone, do not when a pickup takes its place."""
    await talk(lab, number)
    call = await shows(bridge, "0003*210", TALK, "55")
    since, old = len(lab.ami.events), lab[taken].live[0]
    view_id = {"100": "00", "210": "01"}[taken]
    picked_up = await take(lab, bridge, f"0003*{taken}", call["id"], view=view_id)
    assert views(picked_up)[view_id] == "0003*024"
    assert (await lab[taken].wait_closed(old)).cause == 16
    await only(lab, {stays, "024"})
    await lab[stays].hangup()
    await over(lab)
    went = [e for e in lab.ami.events[since:] if e["Event"] == "Newexten" and e["Context"] == "voicemail"]
    assert went == []


async def test_a_talk_with_an_agent_is_taken(lab: Lab, bridge: Bridge) -> None:
    """The queue's caller talks with 210: 024 takes the talk over, and the queue's books know when 210's part ended."""
    await talk(lab, SUPPORT)
    call = await bridge.seen("0003*210", "5")
    caller = await uniqueid(lab, "100")
    target = next(id_ for id_, extension in views(call).items() if extension == "0003*210")
    await take(lab, bridge, "0003*210", call["id"], view=target)
    await only(lab, {"100", "024"})
    await lab["024"].hangup()
    await over(lab)
    assert not [event for event in lab.ami.events if event.get("Context") == "voicemail"]

    async def booked() -> bool:
        return queue_log(lab, caller) == [("PJSIP/0003*210", "CONNECT"), ("PJSIP/0003*210", "COMPLETEAGENT")]

    await until(booked, "the queue's books know who talked with him, and until when")
    await talks(lab, caller, "210", "024")
