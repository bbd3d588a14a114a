"""Whatever a stream holds: no exception, no memory without bound, and no harm to the calls that come after."""

import json
import random
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.calls import LIVE, RESYNC, WANTED, Headers, PickupNote, PickupStatus, Picture, text
from bridge.calls.events import number, once, variables
from bridge.grammar import Extension
from calls.checks import check, drawn, nothing_left, shown
from calls.pbx import Told
from calls.story import Story, picture
from calls.tales import TALES

RINGING = """
    listed under 0003*100 0003*210
      00 0003*100 0003*100>0003*210 flow=2 status=4 other="Ext 210 <0003*210>"
      01 0003*210 0003*100>0003*210 flow=2 status=3 ringing other="Ext 100 <0003*100>"
"""

HEADERS = (
    "ActionID", "BridgeID", "BridgeTechnology", "BridgeType", "BridgeUniqueid", "CallerIDNum", "Cause", "Channel",
    "ChannelState", "ConnectedLineNum", "DNID", "DestUniqueid", "Device", "Exten", "Linkedid", "Newname",
    "ParkeeUniqueid", "ParkerDialString", "ParkingDuration", "ParkingSpace", "Queue", "Seconds", "State",
    "TargetUniqueid", "Uniqueid", "Variable",
)  # fmt: skip

_WORDS = st.sampled_from([
    "", "0", "4", "5", "6", "-1", "99999999999999999999", "basic", "holding_bridge", "resync-1/Status", "resync",
    "PJSIP/0003*210-00000001", "Local/1@a-1;1", "Local/1@a-1;2", "<unknown>", "(null)", "\ud800", "\x00", "1.1",
    "1795465922.0", "1795465922.1", "uapi-1124c8c8da4bb12cd8b2-1", "UAPI_TO=0003*024", "CHANNEL(onhold)=1",
    "x" * 5000,
])  # fmt: skip
_VALUES = st.one_of(
    _WORDS, st.text(max_size=8), st.lists(_WORDS, max_size=3), st.none(), st.integers(), st.floats(),
    st.lists(st.one_of(st.none(), st.integers(), st.lists(st.text(max_size=2)))), st.binary(max_size=4),
    st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
)  # fmt: skip
_EVENTS = st.builds(
    lambda name, headers: {"Event": name, **headers},
    st.one_of(st.sampled_from(sorted(WANTED)), _VALUES),
    st.dictionaries(st.one_of(st.sampled_from(HEADERS), st.text(max_size=5)), _VALUES, max_size=9),
)


def applied(one: Picture, event: Mapping[str, object]) -> None:
    list(one.apply(event, 1795465922.0))  # type: ignore[arg-type]  # garbage


def test_texts_that_are_kept_are_held_once() -> None:
    """What is told of both channels of a call is one text in memory, though each event brings it anew."""
    story = Story()
    story.on_event = lambda event, _: applied(story.live, json.loads(json.dumps(event)))
    story.dials("0003*100", "0003*210")
    caller, called = story.live.board.channels.values()
    assert caller.uniqueid is caller.linkedid is called.linkedid is called.dialler
    assert called.connected_number == "0003*100"
    assert called.connected_number is caller.number or once is str


@given(st.lists(_EVENTS, max_size=12))
def test_no_event_raises(events: list[Mapping[str, object]]) -> None:
    """Wrong types, missing, huge and unknown: the picture holds together, and takes a later call as ever."""
    one = picture()
    for event in events:
        applied(one, event)
    check(one)
    story = Story()
    story.tell(one)
    nothing_left(one)
    story.live = one
    story.dials("0003*100", "0003*210")
    assert shown(one) == drawn(RINGING)


@given(st.sampled_from(sorted(TALES)), st.integers(0, 2**32), st.data())
def test_no_tale_raises_however_it_is_mangled(tale: str, seed: int, data: st.DataObject) -> None:
    """Events lost, doubled, out of order, with headers cut out or exchanged; the next resync is the truth again."""
    story = Story()
    rng = random.Random(seed)
    heard: list[tuple[Headers, float]] = []
    story.on_event = lambda event, at: heard.append((event, at))
    TALES[tale](story)
    kinds = st.sampled_from(["lose", "double", "swap", "cut", "lie"])
    for kind in data.draw(st.lists(kinds, max_size=8)):
        mangle(kind, heard, rng)
    one = picture()
    for event, at in heard:
        applied(one, event)
        assert at
    check(one)
    story.tell(one)
    fresh = story.fresh()
    assert [call.id for call in one.calls()] == [call.id for call in fresh.calls()]


def mangle(kind: str, heard: list[tuple[Headers, float]], rng: random.Random) -> None:
    """Do one kind of harm to a stream."""
    if len(heard) < 2:
        return
    where = rng.randrange(len(heard) - 1)
    event, at = heard[where]
    match kind:
        case "lose":
            del heard[where]
        case "double":
            heard.insert(rng.randrange(where, len(heard)), (event, at))
        case "swap":
            heard[where], heard[where + 1] = heard[where + 1], heard[where]
        case "cut":
            left = [header for header in event if rng.random() < 0.7]
            heard[where] = ({header: event[header] for header in left}, at)
        case "lie":
            other = rng.choice(heard)[0]
            header = rng.choice([header for header in event if header != "Event"])
            heard[where] = ({**event, header: other.get(header, "")}, at)


@pytest.mark.parametrize("heard", [None, frozenset[Extension]()], ids=["nobody listens", "to others"])
def test_nothing_is_kept_of_calls_that_were_asked_for_one_by_one(heard: frozenset[Extension] | None) -> None:
    """A bridge whose lists nobody reads, with one who listens to other phones or with nobody, forgets its calls as well."""
    story = Story()
    story.live.track_changes = heard is not None
    for n in range(3):
        story.dials("0003*100", "0003*210")
        call = story.call_of("0003*100")
        story.picks_ringing("0003*024", "0003*210")
        story.fails("0003*024", 17)
        assert story.live.call(call)
        story.live.note(call, "01", PickupNote("0003*210", Extension("0003*025"), PickupStatus.UNREACHABLE))
        if n:
            story.answers("0003*210")
        if n == 1:
            assert story.live.call(call)
        story.hangs_up("0003*100")
        if heard is not None:
            story.live.take_changes(heard)
    nothing_left(story.live)


def test_the_halves_of_a_local_pair_that_lead_in_a_circle() -> None:
    """Two pairs whose halves are together, and dial each other, are followed to no end, and not for ever."""
    one = picture()
    names = ("Local/1@a-1;1", "Local/1@a-1;2", "Local/2@a-2;1", "Local/2@a-2;2")
    for n, name in enumerate(names):
        applied(one, {"Event": "Newchannel", "Uniqueid": f"1.{n}", "Channel": name, "ChannelState": "6"})
    enter = {"Event": "BridgeEnter", "BridgeType": "basic", "BridgeTechnology": "simple_bridge"}
    for n, room in enumerate(("b", "a", "a", "b")):
        applied(one, {**enter, "Uniqueid": f"1.{n}", "BridgeUniqueid": room})
        applied(one, {"Event": "DialBegin", "Uniqueid": f"1.{3 - n}", "DestUniqueid": f"1.{n}"})
    for channel in one.board.channels.values():
        assert one.board.talks_with(channel) is None
        assert one.board.called_by(channel) is None
    check(one)


def test_a_bridge_without_an_id() -> None:
    """Strangers are not together because nobody says where they are."""
    story = Story()
    for phone in ("0003*100", "0003*101"):
        story.comes_in(phone, "0003*811")
    for chan in story.channels.values():
        event = {"Event": "BridgeEnter", "BridgeType": "basic", "Uniqueid": chan.uniqueid, "Linkedid": "x"}
        story.live.apply(event, story.now)
    assert len(story.live.calls()) == 2
    assert not story.live.board.bridges


def test_the_same_channel_announced_twice() -> None:
    """The second time is nothing new."""
    story = Story()
    story.dials("0003*100", "0003*210")
    table = shown(story.live)
    for chan in list(story.channels.values()):
        story.say("Newchannel", {**chan.headers(), "ChannelState": "4", "Linkedid": "another"})
    assert shown(story.live) == table


def test_late_events_of_a_channel_that_is_gone() -> None:
    """They bring nothing back."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    events = [moment.event for moment in story.said if moment.event["Event"] != "Newchannel"]
    story.hangs_up("0003*100")
    for event in events:
        story.live.apply(event, story.now)
    nothing_left(story.live)


def test_a_million_headers_of_nonsense() -> None:
    """An event as large as a link lets through takes no time to speak of."""
    huge: Told = {"Event": "Newchannel", "Uniqueid": "-" * 200_000 + "1.2", "Channel": "x" * 200_000}
    one = picture()
    one.apply(huge, 1.0)
    one.apply({**huge, "Event": "Status", "Variable": ["UAPI_TO=" + "9" * 100_000] * 10}, 1.0)
    check(one)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("a", "a"), (["a", "b"], "b"), ([], ""), ("<unknown>", ""), ("(null)", ""), ("<null>", ""), (None, ""), (5, ""),
        ([5], ""), ([["a"]], ""), ({}, ""), (b"a", ""),
    ],
)  # fmt: skip
def test_a_header_as_text(value: object, read: str) -> None:
    """The last where it repeats; empty where it says nothing, or is no text at all."""
    assert text({"X": value}, "X") == read  # type: ignore[dict-item]  # garbage
    assert text({}, "X") == ""


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("6", 6), ("0", 0), ("007", 7), ("-1", -1), ("", -1), ("x", -1), ("1.5", -1), ("\u0666", -1), ("\xb2", -1),
        ("9" * 15, int("9" * 15)), ("9" * 16, -1), (" 6", -1),
    ],
)  # fmt: skip
def test_a_header_as_a_number(value: str, read: int) -> None:
    """A whole number, or -1; and never so long a one that it costs time."""
    assert number({"X": value}, "X") == read


def test_the_variables_of_a_row() -> None:
    """By name; those not set are left out, and a value may have = in it."""
    row: Told = {"Variable": ["A=1", "B=", "C=(null)", "D=x=y", "E"]}
    assert variables(row) == {"A": "1", "D": "x=y"}
    assert variables({"Variable": "A=1"}) == {"A": "1"}
    assert variables({}) == {}
    assert variables({"Variable": [1, None, "A=1"]}) == {"A": "1"}  # type: ignore[list-item]  # garbage


def test_every_event_that_counts_is_handled() -> None:
    """The list of events is the table of handlers, with those that the pickups read, and ends of lists."""
    one = picture()
    handled = set(one._live) | set(one._resync.ways)
    assert handled <= WANTED
    assert WANTED - handled == {
        "BridgeListComplete", "DeviceStateListComplete", "OriginateResponse", "ParkedCallsComplete",
        "QueueStatusComplete",
    }  # fmt: skip
    assert LIVE < WANTED
    assert RESYNC
