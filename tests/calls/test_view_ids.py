"""The ids that views show: 00, how many channels later, a pickup's view, or six digits; no two the same."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.calls.channels import Channel, Pickup
from bridge.calls.model import Mode, Order, PickupStatus
from bridge.calls.views import view_ids
from bridge.grammar import CallId, Extension, PickupId, Uniqueid
from calls.story import Story, picture


def digest(uniqueid: str, more: str = "") -> str:
    """Six decimal digits from SHA-256 of a Uniqueid."""
    return f"{int(hashlib.sha256((uniqueid + more).encode()).hexdigest(), 16) % 1_000_000:06d}"


def channel(uniqueid: str, *, view: str | None = None, call: CallId | None = None) -> Channel:
    """A leg; with a view, one that has picked it up."""
    one = Channel(uniqueid, "PJSIP/0003*024-1", "", 6, 0.0, Extension("0003*024"), local=False, party=True)
    if view is not None:
        id_ = PickupId.of(call or CallId.of("1.1"), 1)
        order = Order(
            view=view, taken_from="", send_call_to=Extension("0003*024"), source=Uniqueid("1.1"),
            target=Uniqueid("1.2"), mode=Mode.RINGING, queue=False, ring=None, by="", answered=None, since=None, caller="",
            dialled="",
        )  # fmt: skip
        one.pickup = Pickup(id_, 0.0, order, PickupStatus.CONNECTED)
    return one


def ids(linkedid: str, *legs: Channel) -> list[str]:
    """The ids that legs show."""
    return list(view_ids(legs, linkedid, CallId.of(linkedid)).values())


@pytest.mark.parametrize(
    ("linkedid", "uniqueid", "view"),
    [
        ("1795465922.7", "1795465922.7", "00"),
        ("1795465922.7", "1795465922.8", "01"),
        ("1795465922.7", "1795465999.19", "12"),
        ("1795465922.7", "1795465922.106", "99"),
        ("1795465922.7", "1795465922.107", "100"),
        ("1795465922.7", "1795465922.1000007", "1000000"),
        ("pbx-1-1795465922.7", "pbx-1-1795465922.9", "02"),
        ("a.b-c-1795465922.7", "a.b-c-1795465922.9", "02"),
        ("1795465922.7", "1795000000.9", "02"),  # the clock was set back; numbers go on
        ("1795465922.7", "1795465922.6", digest("1795465922.6")),  # born before
        ("1795465922.7", "1795465999.7", digest("1795465999.7")),  # Asterisk was restarted
        ("click-77", "click-77", "00"),
        ("click-77", "1795465922.9", digest("1795465922.9")),
        ("1795465922.7", "click-77", digest("click-77")),
        ("1795465922.7", "1795465922.9 ", digest("1795465922.9 ")),
        (
            "1795465922.7",
            "1795465922.\u0669",
            digest("1795465922.\u0669"),
        ),  # a digit, but not one of Asterisk's
    ],
)
def test_one_leg(linkedid: str, uniqueid: str, view: str) -> None:
    """What a leg shows when no other is there."""
    assert ids(linkedid, channel(uniqueid)) == [view]


def test_a_difference_that_is_another_legs_digest() -> None:
    """A counted id and a digest that happen to be the same: who was there first keeps it, the other shows another."""
    far = f"1795465922.{int(digest('click-77'))}"
    assert ids("1795465922.0", channel("click-77"), channel(far)) == [digest("click-77"), digest(far)]
    assert ids("1795465922.0", channel(far), channel("click-77")) == [
        digest("click-77"),
        digest("click-77", "+"),
    ]


def test_a_pickup_shows_the_view_that_it_took_over() -> None:
    """Whatever its own id is."""
    assert ids("1.1", channel("1.1"), channel("uapi-x", view="07")) == ["00", "07"]
    assert ids("1.1", channel("1.2"), channel("uapi-x", view="00")) == ["01", "00"]


def test_a_pickup_of_a_view_that_is_there() -> None:
    """A waiting party keeps its view, and its new end shows a digest; so does one of a call that has merged away."""
    leg = channel("uapi-x", view="00")
    assert ids("1.1", channel("1.1"), leg) == ["00", digest("uapi-x")]
    other = channel("uapi-x", view="01", call=CallId.of("2.2"))
    assert ids("1.1", channel("1.1"), other) == ["00", digest("uapi-x")]


@pytest.mark.parametrize("pair", [False, True], ids=["at once", "after asking"])
def test_the_new_end_of_a_waiting_party_keeps_its_id(*, pair: bool) -> None:
    """Also once that party has gone, and somebody else is there: nobody's 00 is another's from one moment to the next."""
    story = Story()
    story.parks_himself("0003*100")
    story.picks_waiting("0003*024", "0003*100")
    leg = story.takes("0003*024")
    assert [one.view for one in story.live.calls()[0].legs] == ["00", digest(leg.uniqueid)]
    if pair:
        story.consults("0003*100", "0003*211")
        story.answers("0003*211")
        story.completes("0003*100")
    else:
        story.transfers("0003*100", "0003*211")
    for one in (story.live, story.fresh()):
        (call,) = one.calls()
        assert {one.uniqueid: one.view for one in call.legs}[leg.uniqueid] == digest(leg.uniqueid)
        assert "00" not in [one.view for one in call.legs]


def test_a_pickup_whose_order_is_not_known() -> None:
    """A leg of our form that nobody can say anything about shows its digest."""
    leg = channel("uapi-x", view="01")
    assert leg.pickup
    leg.pickup.order = None
    assert ids("1.1", channel("1.1"), leg) == ["00", digest("uapi-x")]


def test_two_pickups_of_one_view() -> None:
    """Two legs that were both to take one view over do not both show it."""
    legs = [channel("uapi-x", view="01"), channel("uapi-y", view="01")]
    assert ids("1.1", *legs) == ["01", digest("uapi-y")]


def test_a_target_that_lives_on_beside_its_successor() -> None:
    """The old leg is no view while its successor is there, and the successor has its id."""
    story = Story()
    story.dials("0003*100", "0003*210")
    target = story.answers("0003*210")
    leg = story.picks_talking("0003*024", "0003*210")
    story.state(leg, 6)
    source, room = story.chan("0003*100"), story.room()
    story.leave(source)
    story.enter(source, room)
    story.enter(leg, room)
    call = story.live.call(story.call_of("0003*100"))
    assert call and target.uniqueid in story.channels
    assert [(one.view, one.uniqueid) for one in call.legs] == [("00", source.uniqueid), ("01", leg.uniqueid)]
    story.leave(leg)
    story.hang_up(leg)
    call = story.live.call(story.call_of("0003*100"))
    assert call and [(one.view, one.uniqueid) for one in call.legs][1] == ("01", target.uniqueid)


def test_merged_calls() -> None:
    """The younger call's legs are counted from the older call's first, and its pickup leg shows a digest."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    story.dials("0003*101", "0003*211")
    story.picks_ringing("0003*024", "0003*211")
    leg = story.takes("0003*024")
    story.merges(story.chan("0003*024"), story.chan("0003*100"))
    call = story.live.call(CallId.of("1795465922.0"))
    assert call and [one.view for one in call.legs] == ["00", digest(leg.uniqueid)]
    assert len(story.live.calls()) == 1


def test_an_older_call_that_comes_in_is_where_counting_begins() -> None:
    """Legs that were born before the one whose Linkedid they take show digests, whose number says nothing."""
    story = Story(sequence=50)
    story.dials("0003*100", "0003*210", uniqueid="click-77")
    story.answers("0003*210")
    story.dials("0003*101", "0003*211")
    story.answers("0003*211")
    story.merges(story.chan("0003*101"), story.chan("0003*100"))
    call = story.live.call(CallId.of("click-77"))
    assert call and [one.view for one in call.legs] == ["00", digest("1795465922.51")]


def test_a_system_name() -> None:
    """Ids with the PBX's system name in front are counted alike."""
    story = Story(system="pbx-1", sequence=3)
    story.dials("0003*100", "0003*210")
    call = story.live.call(CallId.of("pbx-1-1795465922.3"))
    assert call and call.published == 1795465922.0
    assert [one.view for one in call.legs] == ["00", "01"]


_EPOCHS = st.sampled_from(["1795465922", "1795465923", "5", "pbx-1-1795465922"])
_UNIQUEIDS = st.one_of(
    st.builds("{}.{}".format, _EPOCHS, st.integers(0, 20) | st.integers(99_990, 1_100_000)),
    st.text(max_size=12),
    st.from_regex(r"uapi-[0-9a-f]{2}-[0-9]", fullmatch=True),
)
_VIEWS = st.one_of(
    st.none(), st.from_regex(r"[0-9]{2,7}", fullmatch=True), st.sampled_from(["00", "01"]), st.just("")
)


@given(st.lists(st.tuples(_UNIQUEIDS, _VIEWS), unique_by=lambda leg: leg[0], max_size=12), st.data())
def test_no_two_legs_show_one_id(legs: list[tuple[str, str | None]], data: st.DataObject) -> None:
    """Whatever ids Asterisk, ARI and earlier pickups have given; and each id is at least two digits."""
    linkedid = data.draw(_UNIQUEIDS | st.sampled_from([uniqueid for uniqueid, _ in legs] or ["1.1"]))
    chans = [channel(uniqueid, view=view, call=CallId.of(linkedid)) for uniqueid, view in legs]
    shown = ids(linkedid, *chans)
    assert len(shown) == len(legs)
    assert len(set(shown)) == len(shown)
    assert all(view.isdigit() and len(view) >= 2 for view in shown)


@given(st.lists(st.integers(0, 1_100_000), unique=True, min_size=2, max_size=8))
def test_ids_do_not_depend_on_who_tells_of_them(numbers: list[int]) -> None:
    """A bridge that saw the channels born shows the ids that one shows which has only the rows of a Status."""
    live, fresh = picture(), picture()
    first = f"1795465922.{numbers[0]}"
    rows = [
        {
            "Channel": f"PJSIP/0003*{number}-{number:08x}",
            "Uniqueid": f"1795465922.{number}",
            "Linkedid": first,
            "ChannelState": "6",
        }
        for number in numbers
    ]
    for row in rows:
        live.apply({"Event": "Newchannel", **row}, 1795465922.5)
    for row in reversed(rows):
        fresh.apply({"Event": "Status", "ActionID": "resync-1/Status", **row}, 1795465930.0)
    fresh.apply({"Event": "StatusComplete", "ActionID": "resync-1/Status"}, 1795465930.0)
    assert [leg.view for leg in live.calls()[0].legs] == [leg.view for leg in fresh.calls()[0].legs]
