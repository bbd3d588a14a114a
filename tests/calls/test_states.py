"""What a call shows in each state in which it can be picked up, and how it then is: the design's table, row by row."""

from calls.checks import drawn, planned, shown
from calls.pbx import UP
from calls.story import Story


def test_a_ringing_phone() -> None:
    """The called leg rings and is taken by PickupChan; the caller's own, while it waits for an answer, is not."""
    story = Story()
    caller = story.dials("0003*100", "0003*210")
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*210
          00 0003*100 0003*100>0003*210 flow=2 status=4 other="Ext 210 <0003*210>"
          01 0003*210 0003*100>0003*210 flow=2 status=3 ringing other="Ext 100 <0003*100>"
    """)
    call, callee = story.call_of("0003*100"), story.chan("0003*210")
    assert planned(story.live, call, "01") == (caller.uniqueid, callee.uniqueid, "ringing", False, "", 1)
    assert planned(story.live, call, "00") == (
        "this is the caller's own leg, and the far end still rings: pick up the ringing view",
    )


def test_a_phone_that_is_not_rung_yet() -> None:
    """A called leg that is being made has status 2, and its caller's far end does not ring."""
    story = Story()
    caller = story.comes_in("0003*100", "0003*210")
    story.rings(caller, "0003*210")
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*210
          00 0003*100 0003*100>0003*210 flow=2 status=0 other=" <0003*210>"
          01 0003*210 0003*100>0003*210 flow=2 status=2 ringing other="Ext 100 <0003*100>"
    """)


def test_one_fork_of_several() -> None:
    """Every phone that rings is a view of one call, and each can be taken."""
    story = Story()
    caller = story.comes_in("0003*100", "0003*800")
    one, two = story.forks(caller, "0003*210", "0003*211")
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*210 0003*211 0003*800
          00 0003*100 0003*100>0003*800 flow=2 status=4 other=" <0003*800>"
          01 0003*210 0003*100>0003*800 flow=2 status=3 ringing other="Ext 100 <0003*100>"
          02 0003*211 0003*100>0003*800 flow=2 status=3 ringing other="Ext 100 <0003*100>"
    """)
    call = story.call_of("0003*100")
    assert planned(story.live, call, "01") == (caller.uniqueid, one.uniqueid, "ringing", False, "", 1)
    assert planned(story.live, call, "02") == (caller.uniqueid, two.uniqueid, "ringing", False, "", 1)


def test_ringing_through_local() -> None:
    """Local halves are no views, and do not count between caller and called."""
    story = Story()
    caller = story.dials_through_local("0003*100", "0003*801", "0003*210")
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*210 0003*801
          00 0003*100 0003*100>0003*801 flow=2 status=4 other="Ext 210 <0003*210>"
          03 0003*210 0003*100>0003*801 flow=2 status=3 ringing other="Ext 100 <0003*100>"
    """)
    callee = story.chan("0003*210")
    assert planned(story.live, story.call_of("0003*100"), "03") == (
        caller.uniqueid, callee.uniqueid, "ringing", False, "", 1,
    )  # fmt: skip


def test_ringing_through_two_locals() -> None:
    """However many Local pairs are between them, the caller is found."""
    story = Story()
    caller = story.comes_in("0003*100", "0003*801")
    far = caller
    for _ in range(2):
        one, two = story.local_pair("0003*210", caller.linkedid)
        story.dial(far, one)
        far = two
    callee = story.rings(far, "0003*210", shown=caller)
    story.dial(far, callee)
    plan = planned(story.live, story.call_of("0003*100"), "05")
    assert plan == (caller.uniqueid, callee.uniqueid, "ringing", False, "", 1)


def test_a_second_call_at_a_busy_phone() -> None:
    """Call waiting: the ring is a call of its own, and the first one is as it was."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    caller = story.dials("0003*101", "0003*210")
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*210 answered
          00 0003*100 0003*100>0003*210 flow=2 status=5 answered other="Ext 210 <0003*210>"
          01 0003*210 0003*100>0003*210 flow=2 status=5 answered other="Ext 100 <0003*100>"
        listed under 0003*101 0003*210
          00 0003*101 0003*101>0003*210 flow=2 status=4 other="Ext 210 <0003*210>"
          01 0003*210 0003*101>0003*210 flow=2 status=3 ringing other="Ext 101 <0003*101>"
    """)
    plan = planned(story.live, story.call_of("0003*101"), "01")
    assert plan == (caller.uniqueid, story.ringing("0003*210").uniqueid, "ringing", False, "", 1)


def test_talking() -> None:
    """Either leg can be taken, and the other one is who hears the new phone."""
    story = Story()
    caller = story.dials("0003*100", "0003*210")
    callee = story.answers("0003*210")
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*210 answered
          00 0003*100 0003*100>0003*210 flow=2 status=5 answered other="Ext 210 <0003*210>"
          01 0003*210 0003*100>0003*210 flow=2 status=5 answered other="Ext 100 <0003*100>"
    """)
    call = story.call_of("0003*100")
    assert planned(story.live, call, "01") == (caller.uniqueid, callee.uniqueid, "talking", False, "", 1)
    assert planned(story.live, call, "00") == (callee.uniqueid, caller.uniqueid, "talking", False, "", 1)


def test_talking_through_local() -> None:
    """The two are together through the Local pair, and after it was optimised away the same."""
    story = Story()
    caller = story.dials_through_local("0003*100", "0003*801", "0003*210")
    callee = story.answers("0003*210")
    call, table = story.call_of("0003*100"), shown(story.live)
    assert table == drawn("""
        listed under 0003*100 0003*210 0003*801 answered
          00 0003*100 0003*100>0003*801 flow=2 status=5 answered other="Ext 210 <0003*210>"
          03 0003*210 0003*100>0003*801 flow=2 status=5 answered other="Ext 100 <0003*100>"
    """)
    ways = [planned(story.live, call, view) for view in ("00", "03")]
    assert ways == [
        (callee.uniqueid, caller.uniqueid, "talking", False, "", 1),
        (caller.uniqueid, callee.uniqueid, "talking", False, "", 1),
    ]
    story.optimises("0003*210")
    assert shown(story.live) == table
    assert [planned(story.live, call, view) for view in ("00", "03")] == ways


def test_an_outside_caller() -> None:
    """An outside party is shown by number, and the call is one that comes in."""
    story = Story()
    caller = story.comes_in("+4930900100", "0003*210")
    story.forks(caller, "0003*210")
    story.answers("0003*210")
    assert shown(story.live) == drawn("""
        listed under 0003*210 answered
          00 +4930900100 +4930900100>0003*210 flow=8 status=5 answered other="Ext 210 <0003*210>"
          01 0003*210 +4930900100>0003*210 flow=8 status=5 answered other="Outside Caller <+4930900100>"
    """)


def test_a_call_to_the_outside() -> None:
    """A call to an outside number goes out, and that number is the view's."""
    story = Story()
    caller = story.comes_in("0003*100", "+4930900100")
    callee = story.new("PJSIP/trunk", 0, linkedid=caller.linkedid, number="+4930900100")
    story.dial(caller, callee)
    story.state(callee, 5)
    assert shown(story.live) == drawn("""
        listed under 0003*100
          00 0003*100 0003*100>+4930900100 flow=4 status=4 other=" <+4930900100>"
          01 +4930900100 0003*100>+4930900100 flow=4 status=3 ringing other="Ext 100 <0003*100>"
    """)


def test_a_call_to_the_outside_goes_out_whoever_has_it() -> None:
    """Who takes the caller's view over goes on with it; where he is gone, nobody knows any more who had called whom."""
    story = Story()
    caller = story.comes_in("0003*100", "+4930900100")
    callee = story.new("PJSIP/trunk", 0, linkedid=caller.linkedid, number="+4930900100")
    story.dial(caller, callee)
    story.state(callee, UP)
    story.state(caller, UP)
    story.together(callee, caller)
    story.picks_talking("0003*024", "0003*100", view="00")
    story.takes("0003*024")
    (call,) = story.live.calls()
    assert [(leg.view, leg.number, leg.flow) for leg in call.legs] == [
        ("00", "0003*024", "4"),
        ("01", "+4930900100", "4"),
    ]
    story.parks("0003*024")
    story.hangs_up("0003*024")
    (call,) = story.live.calls()
    assert [(leg.number, leg.flow) for leg in call.legs] == [("+4930900100", None)]


def test_a_short_number_dialled() -> None:
    """A short number of a phone in the call is shown in the long form, and found under both."""
    story = Story()
    caller = story.comes_in("0003*100", "210")
    story.forks(caller, "0003*210")
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*210 210
          00 0003*100 0003*100>0003*210 flow=2 status=4 other="Ext 210 <0003*210>"
          01 0003*210 0003*100>0003*210 flow=2 status=3 ringing other="Ext 100 <0003*100>"
    """)


def test_what_has_no_far_end() -> None:
    """A phone rung by a web page is one leg, then two; the ring of its far end can be taken."""
    story = Story()
    caller = story.clicks("0003*100", "0003*210", "web-1")
    call = story.call_of("0003*100")
    assert shown(story.live) == drawn("""
        listed under 0003*100
          00 0003*100 0003*100>- flow=2 status=3 ringing other="Web <0003*210>"
    """)
    assert planned(story.live, call, "00") == ("nobody is known to call this phone",)
    story.answers("0003*100")
    assert planned(story.live, call, "00") == (
        "this leg is with nobody: an announcement, a voicemail, or a call that is not yet set up",
    )
    (callee,) = story.forks(caller, "0003*210")
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*210 answered
          00 0003*100 0003*100>0003*210 flow=2 status=5 answered other="Ext 210 <0003*210>"
          733959 0003*210 0003*100>0003*210 flow=2 status=3 ringing other="Web <0003*210>"
    """)
    assert planned(story.live, call, "733959") == ("web-1", callee.uniqueid, "ringing", False, "", 1)


def test_a_second_pickup_of_a_view() -> None:
    """The view that was taken over tells of the pickup that rings now, of its failure, and at last of its success."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.picks_ringing("0003*024", "0003*210")
    story.takes("0003*024")
    call = story.call_of("0003*100")

    def told() -> tuple[str, str, str]:
        note = next(one for one in story.live.calls() if one.id == call).legs[1].pickup
        assert note
        return note.taken_from, note.send_call_to, note.status

    assert told() == ("0003*210", "0003*024", "connected")
    story.picks_talking("0003*025", "0003*024", n=2)
    assert told() == ("0003*024", "0003*025", "ringing")
    story.hang_up(story.ringing("0003*025"), 17)
    assert told() == ("0003*024", "0003*025", "busy")
    story.picks_talking("0003*025", "0003*024", n=2)
    story.takes("0003*025")
    assert told() == ("0003*024", "0003*025", "connected")
