"""Calls on hold: shown on both views, with who holds; what a pickup ends, and what it does not."""

import pytest

from calls.checks import drawn, shown
from calls.story import Story


def talking() -> Story:
    story = Story()
    story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    return story


def held(story: Story) -> list[tuple[str, bool, bool]]:
    """Of each view: whether it is on hold, and whether its phone holds."""
    (call,) = story.live.calls()
    return [(leg.view, leg.on_hold is not None, leg.holder) for leg in call.legs]


def test_by_the_called_phone() -> None:
    """Both views are on hold since the same moment, and one says that its phone holds."""
    story = talking()
    story.holds("0003*210")
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*210 answered
          00 0003*100 0003*100>0003*210 flow=2 status=5 answered held other="Ext 210 <0003*210>"
          01 0003*210 0003*100>0003*210 flow=2 status=5 answered held holder other="Ext 100 <0003*100>"
    """)
    (call,) = story.live.calls()
    assert {leg.on_hold for leg in call.legs} == {story.now}
    story.resumes("0003*210")
    assert held(story) == [("00", False, False), ("01", False, False)]


def test_by_both() -> None:
    """Since the first of the two; and until the last of them ends it."""
    story = talking()
    story.holds("0003*210")
    first = story.now
    story.passes(5)
    story.holds("0003*100")
    (call,) = story.live.calls()
    assert [(leg.on_hold, leg.holder) for leg in call.legs] == [(first, True), (first, True)]
    story.resumes("0003*210")
    assert held(story) == [("00", True, True), ("01", True, False)]
    story.resumes("0003*100")
    assert held(story) == [("00", False, False), ("01", False, False)]


def test_through_a_local_pair() -> None:
    """Hold is told of the phone's own channel alone, and shown at the other end of the pair."""
    story = Story()
    story.dials_through_local("0003*100", "0003*801", "0003*210")
    story.answers("0003*210")
    story.holds("0003*100")
    assert held(story) == [("00", True, True), ("03", True, False)]
    assert [leg.holder for leg in story.fresh().calls()[0].legs] == [True, False]


@pytest.mark.parametrize("known", [True, False])
def test_goes_on_when_the_other_end_of_a_local_pair_is_transferred(known: bool) -> None:  # noqa: FBT001 -- a case
    """A phone has the pair on hold, and whoever comes to its other end; a resync has nothing to add.

    Nor is it over when that end is taken over, also where the pickup's order is told only then.
    """
    story = Story()
    story.dials_through_local("0003*100", "0003*801", "0003*210")
    story.answers("0003*210")
    story.holds("0003*210")
    since = story.now
    story.passes(5)
    story.transfers("0003*100", "0003*025")
    assert held(story)[0] == ("03", True, True)
    story.answers("0003*025")
    assert [holds for _, *holds in held(story)] == [[True, True], [True, False]]
    story.resyncs()
    (call,) = story.live.calls()
    assert [leg.on_hold for leg in call.legs] == [since, since]
    assert [(leg.on_hold is not None, leg.holder) for leg in story.fresh().calls()[0].legs] == [
        (True, True),
        (True, False),
    ]
    pickup = story.picks_talking("0003*024", "0003*025", known=known)
    story.takes("0003*024")
    pickup.known = True
    story.tells_order(pickup)
    (call,) = story.live.calls()
    assert {(leg.number, leg.on_hold, leg.holder) for leg in call.legs} == {
        ("0003*210", since, True), ("0003*024", since, False),
    }  # fmt: skip
    story.resumes("0003*210")
    assert [holds for _, *holds in held(story)] == [[False, False], [False, False]]


def test_a_transfer_of_the_other_end_that_was_missed() -> None:
    """Events were lost meanwhile: the next resync knows whom the pair leads to, so that a pickup of that one keeps the hold."""
    story = Story()
    story.dials_through_local("0003*100", "0003*801", "0003*210")
    story.answers("0003*210")
    story.holds("0003*210")
    told, story.on_event = story.on_event, lambda *_: None
    story.transfers("0003*100", "0003*025")
    story.answers("0003*025")
    story.on_event = told
    story.resyncs()
    assert sorted(holds for _, *holds in held(story)) == [[True, False], [True, True]]
    story.picks_talking("0003*024", "0003*025")
    story.takes("0003*024")
    assert sorted(holds for _, *holds in held(story)) == [[True, False], [True, True]]


def test_over_when_a_held_local_pair_is_optimised_away() -> None:
    """Asterisk forgets who holds with the pair, so nobody who asks it later could tell."""
    story = Story()
    story.dials_through_local("0003*100", "0003*802", "0003*210")
    story.answers("0003*210")
    story.holds("0003*210")
    story.optimises("0003*210")
    assert held(story) == [("00", False, False), ("03", False, False)]
    assert [leg.on_hold for leg in story.fresh().calls()[0].legs] == [None, None]


def test_over_when_the_holder_is_taken_over() -> None:
    """The new phone does not hold, on either view; no Unhold ever comes."""
    story = talking()
    story.holds("0003*210")
    story.picks_talking("0003*024", "0003*210")
    story.takes("0003*024")
    assert held(story) == [("00", False, False), ("01", False, False)]


def test_goes_on_when_the_source_holds() -> None:
    """A hold by the phone at the other end is not over before that phone resumes, whoever is on hold by then."""
    story = talking()
    story.holds("0003*100")
    since = story.now
    story.picks_talking("0003*024", "0003*210")
    story.takes("0003*024")
    assert held(story) == [("00", True, True), ("01", True, False)]
    story.resyncs()
    story.picks_talking("0003*025", "0003*024", n=2)
    story.takes("0003*025")
    story.resyncs()
    (call,) = story.live.calls()
    assert [leg.on_hold for leg in call.legs] == [since, since]
    story.resumes("0003*100")
    assert held(story) == [("00", False, False), ("01", False, False)]


def test_ends_for_the_one_side_when_both_held() -> None:
    """Taken over from a phone that held, by a source that holds: only the source's is left."""
    story = talking()
    story.holds("0003*100")
    story.holds("0003*210")
    story.picks_talking("0003*024", "0003*210")
    story.takes("0003*024")
    assert held(story) == [("00", True, True), ("01", True, False)]


def test_not_between_those_who_consult() -> None:
    """Who asks a third has put the second on hold, not the third; nor when the second gives up."""
    story = talking()
    story.consults("0003*210", "0003*211")
    story.answers("0003*211")
    assert held(story) == [("00", False, False), ("01", False, False), ("04", False, False)]
    story.hangs_up("0003*100")
    assert held(story) == [("01", False, False), ("04", False, False)]


def test_dated_by_a_resync() -> None:
    """A bridge that starts during a hold says who holds, since it knows of it."""
    story = talking()
    story.holds("0003*210")
    story.passes(30)
    (call,) = story.fresh().calls()
    assert [(leg.on_hold, leg.holder) for leg in call.legs] == [(story.now, False), (story.now, True)]


def test_an_unhold_that_was_lost() -> None:
    """The next resync ends what Asterisk says is over, and begins what it says has begun."""
    story = talking()
    story.holds("0003*210")
    story.on_event = lambda *_: None
    story.resumes("0003*210")
    story.resyncs()
    assert held(story) == [("00", False, False), ("01", False, False)]
    story.holds("0003*210")
    story.resyncs()
    assert held(story) == [("00", True, False), ("01", True, True)]


def test_an_unhold_without_a_hold() -> None:
    """A phone that transfers says so first, and nothing was held."""
    story = talking()
    story.unhold(story.chan("0003*210"))
    assert held(story) == [("00", False, False), ("01", False, False)]


def test_an_event_is_newer_than_the_row_before_it() -> None:
    """A list that is under way had told of the hold, or of none, before it ended, or began: its end changes nothing."""
    story = talking()
    held_one = story.live.board.channels[story.chan("0003*100").uniqueid]
    story.holds("0003*210")
    assert held_one.put_on_hold
    story.resumes("0003*210")
    assert not held_one.put_on_hold
