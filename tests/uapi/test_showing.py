"""What comes from the PBX, and by it from anybody, is shown safely."""

import pytest

from uapi.world import World, path


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Jane", "Jane <0003*100>"),
        ("", "<0003*100>"),
        ("<script>alert(1)</script>", "scriptalert(1)/script <0003*100>"),
        ("Eve <911>", "Eve 911 <0003*100>"),
        ("a\r\nb\x00\x1b[31mc", "ab[31mc <0003*100>"),
        ("a\u202e\u200bb\u00a0c", "ab c <0003*100>"),
        ("\ud800x", "x <0003*100>"),
        ("\ufffd\ufffd", "\ufffd\ufffd <0003*100>"),
        ("x" * 10_000, "x" * 80 + " <0003*100>"),
        ("  Jürgen   王  ", "Jürgen 王 <0003*100>"),
        ('"; DROP', '"; DROP <0003*100>'),
    ],
)
def test_a_name_is_shown_as_far_as_it_can_be_printed(world: World, name: str, shown: str) -> None:
    """At a length that can be read, and never as a second number."""
    world.ring(world.caller(display=name))
    with world.client() as client:
        reply = client.get(path())
    assert reply.json()["entry"][0]["phoneCallView"][1]["callerId"] == shown


def test_a_number_is_shown_as_far_as_it_is_one(world: World) -> None:
    """It may be anything that a trunk let in."""
    world.ring(world.channel(7, "PJSIP/trunk", 4, number="+49\r\n<30>\x00 1" + "2" * 500, exten="0003*210"))
    with world.client() as client:
        view = client.get(path()).json()["entry"][0]["phoneCallView"][0]
    assert view["extension"] == ("+49301" + "2" * 500)[:64]
    assert view["source"] == [view["extension"]]


def test_a_linkedid_may_be_anything(world: World) -> None:
    """A call that ARI or a click-to-call made has an id of their own choice."""
    uniqueid = "my call/../\u2028 ${x}"
    world.event(
        "Newchannel", Uniqueid=uniqueid, Linkedid=uniqueid, Channel="PJSIP/0003*210-00000001", ChannelState="6",
        CallerIDNum="0003*210", CallerIDName="", Exten="",
    )  # fmt: skip
    with world.client() as client:
        entry = client.get(path()).json()["entry"][0]
    assert (len(entry["id"]), entry["phoneCallView"][0]["id"]) == (20, "00")
    assert entry["published"] == "2012-06-27T14:09:00+00:00"


def test_a_slot_is_a_number_where_it_is_one(world: World) -> None:
    """And what it is called where it is not."""
    caller = world.caller()
    world.park(caller, space="vip-1")
    with world.client() as client:
        assert client.get(path()).json()["entry"][0]["phoneCallView"][0]["parkedPos"] == "vip-1"
