"""Queued calls: found under the queue's extension while the caller waits, whether or not an agent rings."""

from calls.checks import drawn, planned, shown
from calls.story import Story


def test_waits_while_agents_ring() -> None:
    """Waiting caller and each ringing agent can be taken; the ring is known to be a queue's."""
    story = Story()
    caller = story.queues("0003*100", "support", "0003*210", "0003*211")
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*210 0003*211 0003*900 answered
          00 0003*100 0003*100>0003*900 flow=2 status=5 answered waiting other=" <0003*900>"
          01 0003*210 0003*100>0003*900 flow=2 status=3 ringing other="Ext 100 <0003*100>"
          02 0003*211 0003*100>0003*900 flow=2 status=3 ringing other="Ext 100 <0003*100>"
    """)
    call, agent = story.call_of("0003*100"), story.chan("0003*210")
    assert planned(story.live, call, "01") == (caller.uniqueid, agent.uniqueid, "ringing", True, "", 1)
    waiting = (caller.uniqueid, caller.uniqueid, "waiting", False, agent.uniqueid, 1)
    assert planned(story.live, call, "00") == waiting


def test_waits_when_nobody_rings() -> None:
    """The round is over: the caller waits on, and is the only view."""
    story = Story()
    story.queues("0003*100", "support", "0003*210")
    story.stops_ringing("0003*210")
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*900 answered
          00 0003*100 0003*100>0003*900 flow=2 status=5 answered waiting other=" <0003*900>"
    """)


def test_an_outside_caller_waits() -> None:
    """Nobody's extension is in the call, and it is found under that of the queue."""
    story = Story()
    caller = story.comes_in("+4930900100", "030555")
    story.join(caller, "support")
    assert shown(story.live) == drawn("""
        listed under 0003*900 030555
          00 +4930900100 +4930900100>030555 flow=8 status=0 waiting other=" <030555>"
    """)


def test_an_agent_answers() -> None:
    """The caller waits no more, and the other agents are gone."""
    story = Story()
    story.queues("0003*100", "support", "0003*210", "0003*211")
    story.answers("0003*211")
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*211 0003*900 answered
          00 0003*100 0003*100>0003*900 flow=2 status=5 answered other="Ext 211 <0003*211>"
          02 0003*211 0003*100>0003*900 flow=2 status=5 answered other="Ext 100 <0003*100>"
    """)


def test_taken_out_of_the_queue() -> None:
    """Bridge() takes a caller away without a word from the queue: the conversation is the sign."""
    story = Story()
    story.queues("0003*100", "support")
    story.picks_waiting("0003*024", "0003*100")
    story.takes("0003*024")
    assert "QueueCallerLeave" not in {moment.event["Event"] for moment in story.said}
    assert shown(story.live) == drawn("""
        listed under 0003*024 0003*100 0003*900 answered
          00 0003*100 0003*100>0003*900 flow=2 status=5 answered pickup=0003*100>0003*024:connected other="Ext 024 <0003*024>"
          464388 0003*024 0003*100>0003*900 flow=2 status=5 answered pickup=0003*100>0003*024:connected other="Ext 100 <0003*100>"
    """)


def test_taken_out_of_the_queue_amid_a_resync() -> None:
    """A row that says he waits does not outlive the event that says he talks."""
    story = Story()
    story.queues("0003*100", "support")
    story.picks_waiting("0003*024", "0003*100")
    rows = story.rows()
    queued = next(n for n, row in enumerate(rows) if row["Event"] == "QueueStatusComplete")
    for row in rows[:queued]:
        story.live.apply(row, story.now)
    story.takes("0003*024")
    for row in story.rows()[queued:]:
        story.live.apply({**row, "ActionID": "resync-1/Status"}, story.now)
    (call,) = story.live.calls()
    assert [leg.waiting for leg in call.legs] == [False, False]


def test_a_queue_without_an_extension() -> None:
    """Its callers are found under what they dialled, and wait all the same."""
    story = Story()
    story.queues("0003*100", "unlisted", dialled="0003*904")
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*904 answered
          00 0003*100 0003*100>0003*904 flow=2 status=5 answered waiting other=" <0003*904>"
    """)
