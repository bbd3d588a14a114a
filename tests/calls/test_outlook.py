"""What may still become of a pickup, and what is to be done about it."""

from collections.abc import Callable

import pytest

from bridge.calls import Outlook, left_behind, outlook
from bridge.grammar import CallId
from calls.pbx import UP
from calls.story import Story

FIRST = CallId.of("1795465922.0")


def look(story: Story) -> Outlook:
    """At the latest pickup of the first call."""
    return outlook(story.live, story.live.pickups_of(FIRST)[-1])


def ringing(story: Story) -> None:
    story.dials("0003*100", "0003*210")
    story.picks_ringing("0003*024", "0003*210")


def talking(story: Story) -> None:
    story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    story.picks_talking("0003*024", "0003*210")


def parked(story: Story) -> None:
    story.parks_himself("0003*100")
    story.picks_waiting("0003*024", "0003*100")


def queued(story: Story) -> None:
    story.queues("0003*100", "support", "0003*210", "0003*211")
    story.picks_ringing("0003*024", "0003*210")


def forked(story: Story) -> None:
    caller = story.comes_in("0003*100", "0003*800")
    story.forks(caller, "0003*210", "0003*211")
    story.picks_ringing("0003*024", "0003*210")


def parked_by_another(story: Story) -> None:
    story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    story.parks("0003*210")
    story.picks_waiting("0003*024", "0003*100")


def nothing(story: Story) -> None:
    del story


def target_gone(cause: int) -> Callable[[Story], None]:
    """The target's channel has ended, and nothing else is told yet."""
    return lambda story: story.hang_up(story.chan("0003*210"), cause)


def caller_leaves(story: Story) -> None:
    story.hangs_up("0003*100", 127)


def fetched(story: Story) -> None:
    story.fetches("0003*025")


def agent_answers(story: Story) -> None:
    story.answers("0003*211")


def round_is_over(story: Story) -> None:
    story.stops_ringing("0003*210")
    story.stops_ringing("0003*211")


def next_round(story: Story) -> None:
    round_is_over(story)
    story.calls_agents(story.chan("0003*100"), "0003*211")


def transferred(story: Story) -> None:
    story.transfers("0003*210", "0003*211")


def transferred_and_answered(story: Story) -> None:
    story.transfers("0003*210", "0003*211")
    story.answers("0003*211")


def target_transferred(story: Story) -> None:
    story.transfers("0003*100", "0003*211")


@pytest.mark.parametrize(
    ("begins", "happens", "found"),
    [
        (ringing, nothing, "WATCH"),
        (talking, nothing, "WATCH"),
        (parked, nothing, "WATCH"),
        (queued, nothing, "WATCH"),
        (ringing, lambda story: story.answers("0003*210"), "WATCH"),
        (ringing, target_gone(26), "TAKEN"),
        (ringing, target_gone(17), "MOVED"),
        (ringing, target_gone(127), "MOVED"),
        (ringing, caller_leaves, "LEFT"),
        (talking, caller_leaves, "LEFT"),
        (talking, transferred, "MOVED"),
        (talking, transferred_and_answered, "TAKEN"),
        (talking, target_transferred, "LEFT"),
        (talking, lambda story: story.parks("0003*210"), "MOVED"),
        (talking, lambda story: story.consults("0003*210", "0003*211"), "MOVED"),
        (parked, caller_leaves, "LEFT"),
        (parked, fetched, "TAKEN"),
        (parked_by_another, lambda story: story.comes_back(), "RING"),
        (queued, agent_answers, "TAKEN"),
        (queued, lambda story: story.stops_ringing("0003*211"), "WATCH"),
        (queued, lambda story: story.stops_ringing("0003*210"), "RING"),
        (queued, lambda story: story.declines("0003*210"), "RING"),
        (queued, round_is_over, "WATCH"),
        (queued, next_round, "RING"),
        (queued, caller_leaves, "LEFT"),
        (forked, agent_answers, "TAKEN"),
        (forked, lambda story: story.declines("0003*210"), "MOVED"),
    ],
)
def test_while_it_rings(
    begins: Callable[[Story], None], happens: Callable[[Story], None], found: str
) -> None:
    """An answer at the target is no reason to stop; that its guard can no longer hold is."""
    story = Story()
    begins(story)
    happens(story)
    assert look(story) is Outlook[found]


def test_the_caller_leaves_step_by_step() -> None:
    """The target's Hangup comes first, and only the caller's own tells that he has left, not gone elsewhere."""
    story = Story()
    ringing(story)
    story.hang_up(story.chan("0003*210"), 127)
    assert look(story) is Outlook.MOVED
    story.hang_up(story.chan("0003*100"), 127)
    assert look(story) is Outlook.LEFT


def test_once_it_is_up_it_is_not_stopped() -> None:
    """The dialplan's guard decides then: the target's Hangup may come before the BridgeEnter that proves it.

    Where the caller is gone as well, there is nobody that it could be bridged with.
    """
    for cause in (26, 17):
        story = Story()
        ringing(story)
        story.state(story.ringing("0003*024"), UP)
        story.hang_up(story.chan("0003*210"), cause)
        assert look(story) is Outlook.WATCH
        story.hang_up(story.chan("0003*100"))
        assert look(story) is Outlook.ALONE


def test_the_old_leg_is_told_where_to_go() -> None:
    """When the new phone has answered and the two still talk; once, and not a ring that has not been answered."""
    story = Story()
    talking(story)
    story.state(story.ringing("0003*024"), UP)
    assert look(story) is Outlook.RELEASE
    story.live.pickups_of(FIRST)[-1].released = True
    assert look(story) is Outlook.WATCH
    story = Story()
    ringing(story)
    story.state(story.ringing("0003*024"), UP)
    assert look(story) is Outlook.WATCH
    story.answers("0003*210")
    assert look(story) is Outlook.RELEASE


def test_a_target_that_talks_with_somebody_else_is_left_alone() -> None:
    """What becomes of it there is not ours: the guard will let the new phone go."""
    story = Story()
    talking(story)
    story.transfers("0003*100", "0003*211")
    story.answers("0003*211")
    story.state(story.ringing("0003*024"), UP)
    assert look(story) is Outlook.ALONE
    story = Story()
    parked(story)
    story.state(story.ringing("0003*024"), UP)
    assert look(story) is Outlook.WATCH


def test_who_is_left_behind() -> None:
    """Connected, it is time to look for whoever it has left alone: once, and never a leg that belongs to the call."""
    story = Story()
    talking(story)
    target = story.chan("0003*210")
    leg = story.ringing("0003*024")
    story.state(leg, UP)
    source, room = story.chan("0003*100"), story.room()
    story.leave(source)
    story.enter(source, room)
    story.enter(leg, room)
    pickup = story.live.pickups_of(FIRST)[-1]
    assert look(story) is Outlook.DROP
    assert pickup.order and left_behind(story.live, pickup, pickup.order) == [target.uniqueid]
    story.leave(target)
    story.hang_up(target)
    assert left_behind(story.live, pickup, pickup.order) == []
    pickup.dropped = True
    assert look(story) is Outlook.WATCH


def test_an_agent_who_answered_in_the_same_moment() -> None:
    """He was not bridged yet when the caller was taken, and is alone for good: he is left behind."""
    story = Story()
    queued(story)
    story.state(story.ringing("0003*211"), UP)
    alone = story.chan("0003*211")
    leg = story.takes("0003*024")
    story.channels[alone.uniqueid] = alone  # his ring was over: nothing has ended him
    pickup = story.live.pickups_of(FIRST)[-1]
    assert pickup.order and pickup.id == leg.uniqueid
    assert left_behind(story.live, pickup, pickup.order) == [alone.uniqueid]


def test_one_whom_the_source_called_long_ago_is_not() -> None:
    """A party that waits somewhere, or answered well before, has been left by nobody just now."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    story.parks("0003*210")
    story.passes(10)
    story.picks_waiting("0003*024", "0003*100")
    story.takes("0003*024")
    pickup = story.live.pickups_of(FIRST)[-1]
    assert pickup.order and left_behind(story.live, pickup, pickup.order) == []


def test_nothing_is_done_about_what_nobody_knows() -> None:
    """A leg without an order, one that has failed, one that is gone: none of them is touched."""
    story = Story()
    story.dials("0003*100", "0003*210")
    leg = story.picks_ringing("0003*024", "0003*210", known=False)
    story.hangs_up("0003*100")
    assert look(story) is Outlook.WATCH
    pickup = story.live.pickups_of(FIRST)[-1]
    leg.known = True
    story.tells_order(leg)
    assert look(story) is Outlook.LEFT
    story.fails("0003*024", 17)
    assert look(story) is Outlook.WATCH
    assert pickup.order and left_behind(story.live, pickup, pickup.order) == []
