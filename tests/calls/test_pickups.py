"""What the picture makes of pickup legs: whose they are, what becomes of them, and what their view tells of it."""

import pytest

from bridge.calls import LIVE, PickupStatus
from bridge.calls.orders import read_order
from bridge.calls.takeovers import FORGETTING
from bridge.grammar import CallId, PickupId
from calls.checks import check, differences, drawn, nothing_left, shown
from calls.pbx import DOWN, UP
from calls.story import Story

FIRST = CallId.of("1795465922.0")


def ringing() -> Story:
    """024 rings to take what rings at 210."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.picks_ringing("0003*024", "0003*210")
    return story


def status(story: Story) -> PickupStatus:
    """How far the latest pickup of the first call has come."""
    return story.live.pickups_of(FIRST)[-1].status


def note(story: Story, view: str = "01") -> str:
    """What a view of the first call tells of its pickup."""
    call = story.live.call(FIRST)
    leg = call.leg(view) if call else None
    return (
        f"{leg.pickup.taken_from}>{leg.pickup.send_call_to}:{leg.pickup.status}" if leg and leg.pickup else ""
    )


def test_while_it_rings() -> None:
    """The view that is to be taken over tells who rings; the ringing phone is no leg, and finds nothing."""
    assert shown(ringing().live) == drawn("""
        listed under 0003*100 0003*210
          00 0003*100 0003*100>0003*210 flow=2 status=4 other="Ext 210 <0003*210>"
          01 0003*210 0003*100>0003*210 flow=2 status=3 ringing pickup=0003*210>0003*024:ringing other="Ext 100 <0003*100>"
    """)


def test_a_ringing_call_taken() -> None:
    """The view goes on: the same id, source and destination, another extension, and where it was taken from."""
    story = ringing()
    story.takes("0003*024")
    assert shown(story.live) == drawn("""
        listed under 0003*024 0003*100 0003*210 answered
          00 0003*100 0003*100>0003*210 flow=2 status=5 answered other="Ext 024 <0003*024>"
          01 0003*024 0003*100>0003*210 flow=2 status=5 answered pickup=0003*210>0003*024:connected other="Ext 100 <0003*100>"
    """)
    assert status(story) is PickupStatus.CONNECTED


def test_a_talk_taken_keeps_its_time() -> None:
    """The new phone's view was answered when the one it takes over was; its call, when it first was."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    (before,) = story.live.calls()
    story.passes(100)
    story.picks_talking("0003*024", "0003*210")
    story.passes(5)
    story.takes("0003*024")
    (after,) = story.live.calls()
    assert after.answered == pytest.approx(before.answered, abs=0.002)
    times = [leg.answered for leg in before.legs]
    assert [leg.answered for leg in after.legs] == pytest.approx(times, abs=0.002)
    assert [leg.answered for leg in story.fresh().calls()[0].legs] == pytest.approx(times, abs=0.002)


def test_a_fork_taken() -> None:
    """The other phones stop, and their views are gone."""
    story = Story()
    caller = story.comes_in("0003*100", "0003*800")
    story.forks(caller, "0003*210", "0003*211")
    story.picks_ringing("0003*024", "0003*211", view="02")
    story.takes("0003*024")
    assert shown(story.live) == drawn("""
        listed under 0003*024 0003*100 0003*211 0003*800 answered
          00 0003*100 0003*100>0003*800 flow=2 status=5 answered other="Ext 024 <0003*024>"
          02 0003*024 0003*100>0003*800 flow=2 status=5 answered pickup=0003*211>0003*024:connected other="Ext 100 <0003*100>"
    """)


def test_taken_again() -> None:
    """A third phone continues the same view; who it was taken from is the second."""
    story = ringing()
    story.takes("0003*024")
    story.picks_talking("0003*025", "0003*024", n=2)
    story.takes("0003*025")
    assert shown(story.live) == drawn("""
        listed under 0003*024 0003*025 0003*100 0003*210 answered
          00 0003*100 0003*100>0003*210 flow=2 status=5 answered other="Ext 025 <0003*025>"
          01 0003*025 0003*100>0003*210 flow=2 status=5 answered pickup=0003*024>0003*025:connected other="Ext 100 <0003*100>"
    """)


def test_the_callers_own_leg_taken() -> None:
    """The new phone is 00 then, and still tells who called whom."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    story.picks_talking("0003*024", "0003*100", view="00")
    story.takes("0003*024")
    assert shown(story.live) == drawn("""
        listed under 0003*024 0003*100 0003*210 answered
          00 0003*024 0003*100>0003*210 flow=2 status=5 answered pickup=0003*100>0003*024:connected other="Ext 210 <0003*210>"
          01 0003*210 0003*100>0003*210 flow=2 status=5 answered other="Ext 024 <0003*024>"
    """)


def test_the_end_of_a_waiting_party_is_a_view_of_its_own() -> None:
    """The waiting party keeps 00, and tells that it was picked up as long as the call lives."""
    story = Story()
    story.parks_himself("0003*100")
    story.picks_waiting("0003*024", "0003*100")
    assert note(story, "00") == "0003*100>0003*024:ringing"
    story.takes("0003*024")
    assert [leg.view for leg in story.live.calls()[0].legs] == ["00", "464388"]
    assert note(story, "00") == note(story, "464388") == "0003*100>0003*024:connected"
    story.parks("0003*024")
    story.hangs_up("0003*024")
    assert shown(story.live) == drawn("""
        listed under 0003*024 0003*100 0003*807 answered
          00 0003*100 0003*100>0003*807 flow=2 status=5 answered waiting parked=701 by=0003*024 pickup=0003*100>0003*024:connected other="Ext 024 <0003*024>"
    """)


def test_found_under_whom_it_was_taken_from_while_the_taker_lives() -> None:
    """When the new phone has gone, the call is not listed any more under the phone it was taken from."""
    story = Story()
    caller = story.comes_in("0003*100", "0003*800")
    story.forks(caller, "0003*210", "0003*211")
    story.picks_ringing("0003*024", "0003*210")
    story.takes("0003*024")
    assert "0003*210" in story.live.calls()[0].listed
    story.parks("0003*024")
    story.hangs_up("0003*024")
    assert sorted(story.live.calls()[0].listed) == ["0003*024", "0003*100", "0003*800"]


@pytest.mark.parametrize(
    ("cause", "outcome"),
    [
        (17, "busy"), (21, "rejected"), (19, "noAnswer"), (26, "conflict"), (3, "unreachable"), (127, "unreachable"),
        (0, "noAnswer"), (16, "noAnswer"),
    ],
)  # fmt: skip
def test_how_a_ring_fails(cause: int, outcome: str) -> None:
    """The Hangup's cause tells; the API's reader is told for as long as the call lives.

    0 is what 16.28 says when the ringing's time is over; nobody but we hangs up with 16, and then the call has changed.
    """
    story = ringing()
    story.fails("0003*024", cause)
    assert note(story) == f"0003*210>0003*024:{outcome}"
    story.passes(100)
    story.resyncs()
    assert note(story) == f"0003*210>0003*024:{outcome}"
    assert note(story, "00") == ""


def test_a_ring_that_is_stopped_when_the_caller_leaves() -> None:
    """There is no call any more to tell of it; the outcome is that it was cancelled."""
    story = ringing()
    story.hangs_up("0003*100", 127)
    story.fails("0003*024", 16)
    assert status(story) is PickupStatus.CANCELLED
    assert story.live.calls() == []


def test_a_ring_that_is_stopped_when_the_call_goes_elsewhere() -> None:
    """Declined at 210, so that the caller is in the voicemail; or answered by another fork."""
    story = ringing()
    story.declines("0003*210")
    story.fails("0003*024", 16)
    assert status(story) is PickupStatus.CONFLICT
    story = Story()
    caller = story.comes_in("0003*100", "0003*800")
    story.forks(caller, "0003*210", "0003*211")
    story.picks_ringing("0003*024", "0003*210")
    story.answers("0003*211")
    story.fails("0003*024", 0)
    assert status(story) is PickupStatus.CONFLICT


def test_a_queues_round_is_over_and_nobody_answers() -> None:
    """The caller waits on as before, so that it was only not answered."""
    story = Story()
    story.queues("0003*100", "one", "0003*210")
    story.picks_ringing("0003*024", "0003*210")
    story.stops_ringing("0003*210")
    story.fails("0003*024", 0, reason="3")
    assert status(story) is PickupStatus.NO_ANSWER


def test_let_go_by_the_guard() -> None:
    """A leg that answered, and that the dialplan let go: somebody else has the caller, or he has left."""
    story = Story()
    story.parks_himself("0003*100")
    story.picks_waiting("0003*024", "0003*100")
    story.fetches("0003*025")
    story.gives_up("0003*024")
    assert status(story) is PickupStatus.CONFLICT
    assert note(story, "00") == "0003*100>0003*024:conflict"
    story = Story()
    story.parks_himself("0003*100")
    story.picks_waiting("0003*024", "0003*100")
    story.state(story.ringing("0003*024"), UP)
    story.hangs_up("0003*100")
    story.hang_up(story.chan("0003*024"))
    assert status(story) is PickupStatus.CANCELLED


def test_a_new_try_after_a_failure() -> None:
    """What is told is of the ring under way; then that one's end; and when one is connected, of no failure any more."""
    story = ringing()
    story.fails("0003*024", 17)
    story.picks_ringing("0003*025", "0003*210")
    assert note(story) == "0003*210>0003*025:ringing"
    story.fails("0003*025", 19)
    assert note(story) == "0003*210>0003*025:noAnswer"
    story.picks_ringing("0003*024", "0003*210")
    story.takes("0003*024")
    assert note(story) == "0003*210>0003*024:connected"
    assert [pickup.status for pickup in story.live.pickups_of(FIRST)] == [PickupStatus.CONNECTED]


def test_a_failed_try_after_a_connected_one() -> None:
    """The waiting party's view tells of the latest: of the second phone's failure, not of the first's success."""
    story = Story()
    story.parks_himself("0003*100")
    story.picks_waiting("0003*024", "0003*100")
    story.takes("0003*024")
    story.picks_talking("0003*025", "0003*100", view="00", n=2)
    assert note(story, "00") == "0003*100>0003*025:ringing"
    assert differences(story.live, story.fresh()) == []
    story.fails("0003*025", 17)
    assert note(story, "00") == "0003*100>0003*025:busy"


@pytest.mark.parametrize("late", ["while it rings", "when it is connected"])
def test_an_order_told_late(late: str) -> None:
    """Asterisk tells of the channel before it sets its variables (seen in one of ten): until then it is anybody's."""
    story = Story()
    story.dials("0003*100", "0003*210")
    leg = story.picks_ringing("0003*024", "0003*210", known=False)
    story.tells_order(leg)
    assert note(story) == ""
    leg.known = True
    if late == "while it rings":
        story.tells_order(leg)
        assert note(story) == "0003*210>0003*024:ringing"
        story.takes("0003*024")
    else:
        story.takes("0003*024")
        assert [leg.view for leg in story.live.calls()[0].legs] == ["00", "464388"]
        story.tells_order(leg)
    assert note(story) == "0003*210>0003*024:connected"
    check(story.live)


def test_a_failure_is_forgotten_when_the_order_of_a_connected_one_comes_late() -> None:
    """A note of an earlier try does not outlive the success that was first seen without its order."""
    story = Story()
    story.parks_himself("0003*100")
    story.picks_waiting("0003*024", "0003*100")
    story.fails("0003*024", 17)
    leg = story.picks_waiting("0003*025", "0003*100", known=False)
    story.takes("0003*025")
    leg.known = True
    story.tells_order(leg)
    assert note(story, "00") == "0003*100>0003*025:connected"


def test_the_same_id_again_though_its_end_was_lost() -> None:
    """Of all ids only a pickup leg's comes again: the new channel is taken, and the old one has ended."""
    story = ringing()
    lost = story.ringing("0003*024")
    del story.channels[lost.uniqueid]
    again = story.picks_ringing("0003*025", "0003*210")
    assert again.uniqueid == lost.uniqueid
    assert story.live.board.channels[again.uniqueid].name == again.name
    assert note(story) == "0003*210>0003*025:ringing"
    check(story.live)


def test_a_hangup_that_a_resync_has_overtaken() -> None:
    """The row is missing already, and only the event behind it tells why: the outcome waits for that."""
    story = ringing()
    leg = story.ringing("0003*024")
    del story.channels[leg.uniqueid]
    story.resyncs()
    assert note(story) == "" and status(story) is PickupStatus.RINGING
    story.say("Hangup", leg.headers(), Cause="17")
    assert note(story) == "0003*210>0003*024:busy"


def test_a_hangup_that_never_comes() -> None:
    """The resync after that one gives up waiting for it; and so does a new try."""
    story = ringing()
    del story.channels[story.ringing("0003*024").uniqueid]
    story.resyncs()
    story.resyncs()
    assert note(story) == "0003*210>0003*024:noAnswer"
    story = ringing()
    del story.channels[story.ringing("0003*024").uniqueid]
    story.resyncs()
    story.picks_ringing("0003*025", "0003*210")
    story.resyncs()
    story.fails("0003*025", 17)
    assert note(story) == "0003*210>0003*025:busy"
    story.hangs_up("0003*100")
    nothing_left(story.live)


def test_a_targets_cause_that_a_resync_has_overtaken() -> None:
    """Why the target went is told behind the row that misses it, and counts."""
    story = ringing()
    target = story.chan("0003*210")
    del story.channels[target.uniqueid]
    story.resyncs()
    story.say("Hangup", target.headers(), Cause="26")
    assert story.live.pickups_of(FIRST)[0].cause == 26


def test_a_leg_of_our_form_that_is_not_ours() -> None:
    """Whoever gives a channel such an id: it is no pickup that we know of, and a leg once it talks."""
    story = Story()
    caller = story.comes_in("0003*100", "0003*210")
    leg = story.new("PJSIP/0003*210", DOWN, uniqueid=PickupId.of(FIRST, 7), linkedid=caller.linkedid)
    story.dial(caller, leg)
    story.state(leg, 5)
    assert [one.number for one in story.live.calls()[0].legs] == ["0003*100"]
    story.answers("0003*210")
    assert [one.number for one in story.live.calls()[0].legs] == ["0003*100", "0003*210"]


WHOLE = {
    "UAPI_TO": "0003*024", "UAPI_MODE": "ringing", "UAPI_SOURCE": "1.1", "UAPI_TARGET": "1.2", "UAPI_VIEW": "01",
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"UAPI_TO": ""}, {"UAPI_TO": "no phone"}, {"UAPI_MODE": ""}, {"UAPI_MODE": "Ringing"}, {"UAPI_SOURCE": ""},
        {"UAPI_SOURCE": "a&b"}, {"UAPI_TARGET": ""}, {"UAPI_TARGET": "1.2,x"}, {"UAPI_VIEW": ""},
    ],
)  # fmt: skip
def test_variables_that_make_no_order(change: dict[str, str]) -> None:
    """An order is whole, or none."""
    assert read_order(WHOLE) is not None
    assert read_order({**WHOLE, **change}) is None


@pytest.mark.parametrize(
    ("told", "read"),
    [
        ("", None),
        ("x", None),
        ("-1", None),
        ("0", None),
        ("nan", None),
        ("inf", None),
        ("1e99", None),
        ("12.5", 12.5),
    ],
)
def test_the_time_in_an_order(told: str, read: float | None) -> None:
    """Only a time is read as one."""
    order = read_order({**WHOLE, "UAPI_ANSWERED": told})
    assert order and order.answered == read


def test_memory_of_pickups_is_bounded() -> None:
    """The oldest that are over are forgotten, half at a time; never the ones that just ended."""
    story = Story()
    story.dials("0003*100", "0003*210")
    for _ in range(FORGETTING + 10):
        story.picks_ringing("0003*024", "0003*210")
        story.fails("0003*024", 17)
    assert len(story.live.pickups) == 1
    for number in range(FORGETTING + 10):
        id_ = PickupId.of(CallId.of(str(number)), 1)
        story.hang_up(story.new("PJSIP/0003*024", DOWN, uniqueid=id_))
        assert list(story.live.pickups)[-1] == id_
        assert len(story.live.pickups) <= FORGETTING + 1
    assert len(story.live._takeovers._of_call) == len(story.live.pickups)
    assert note(story) == "0003*210>0003*024:busy"


def test_what_it_concerns_is_said() -> None:
    """Each event that touches a pickup's leg, source or target names the pickup; others name none."""
    story = ringing()
    story.dials("0003*101", "0003*211")
    named = {}
    for uniqueid in ("1795465922.0", "1795465922.1", f"uapi-{FIRST}-1", "1795465922.2", "1795465922.3"):
        event = {"Event": "NewConnectedLine", "Uniqueid": uniqueid}
        named[uniqueid] = [pickup.id for pickup in story.live.apply(event, story.now)]
    ours = [f"uapi-{FIRST}-1"]
    assert named == {
        "1795465922.0": ours, "1795465922.1": ours, f"uapi-{FIRST}-1": ours, "1795465922.2": [], "1795465922.3": [],
    }  # fmt: skip


def test_nothing_is_made_of_a_pickup_amid_a_resync() -> None:
    """Its caller's row may come behind its own: pickups are named again when the rows are complete."""
    story = ringing()
    rows = story.rows()
    named = [list(story.live.apply(row, story.now)) for row in rows]
    assert not any(named[:-1]) and [pickup.id for pickup in named[-1]] == [f"uapi-{FIRST}-1"]


def test_the_event_of_a_pickup_counts() -> None:
    """AMI's Pickup is among the events that are asked for."""
    assert "Pickup" in LIVE
