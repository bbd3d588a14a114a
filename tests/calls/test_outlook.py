"""What may still become of a pickup, and what is to be done about it."""

from collections.abc import Callable

import pytest

from bridge.calls import Order, Outlook, Pickup, PickupStatus, another_ring, left_behind, outlook
from bridge.grammar import CallId, PickupId
from calls.pbx import UP, Chan
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


def answered_then_parked(story: Story) -> None:
    """The target's phone stays, to be told the slot."""
    story.answers("0003*210")
    story.parks("0003*210")


def confers(story: Story) -> None:
    """Who waited was put into a conference, in which somebody is."""
    caller = story.chan("0003*100")
    story.unpark(story.slots["701"], "ParkedCallGiveUp")
    story.leave(caller)
    story.enter(caller, story.confers("0003*101"))


@pytest.mark.parametrize(
    ("begins", "happens", "found"),
    [
        (ringing, nothing, "WATCH"),
        (talking, nothing, "WATCH"),
        (parked, nothing, "WATCH"),
        (queued, nothing, "WATCH"),
        (ringing, lambda story: story.answers("0003*210"), "WATCH"),
        (ringing, target_gone(26), "ANSWERED"),
        (ringing, answered_then_parked, "MOVED"),
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
        (parked, confers, "MOVED"),
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


def order_of(pickup: Pickup) -> Order:
    assert pickup.order
    return pickup.order


def _parked_behind_a_pair(story: Story) -> Chan:
    """210, who was called by way of a Local pair that stays, parks its far end and hangs up; that half."""
    story.dials_through_local("0003*100", "0003*801", "0003*210")
    story.answers("0003*210")
    half = story.parks("0003*210")
    story.hangs_up("0003*210")
    return half


def test_the_far_end_of_a_pair_that_carries_the_talk_is_not_left_behind() -> None:
    """His time in the slot was over, and the ring of who parked him is what the new phone took."""
    story = Story()
    half = _parked_behind_a_pair(story)
    leg = story.originates("0003*024", half, story.chan("0003*100"), mode="waiting", view="00")
    pickup = story.live.pickups[PickupId(leg.uniqueid)]
    rings = story.comes_back()
    assert another_ring(story.live, pickup, order_of(pickup)) == rings.uniqueid
    story.state(leg, UP)
    story.say("Pickup", leg.headers(), rings.headers("Target"))
    story.hang_up(rings, 26)
    room = story.room()
    story.enter(leg, room)
    story.enter(half, room)
    assert (pickup.status, outlook(story.live, pickup)) == (PickupStatus.CONNECTED, Outlook.DROP)
    assert left_behind(story.live, pickup, order_of(pickup)) == []


def test_a_place_that_carries_nothing_any_more() -> None:
    """Who waited by it was taken out of it: it would wait on for nobody."""
    story = Story()
    half = _parked_behind_a_pair(story)
    caller = story.chan("0003*100")
    leg = story.originates("0003*024", half, caller, mode="waiting", view="00")
    pickup = story.live.pickups[PickupId(leg.uniqueid)]
    story.state(leg, UP)
    room = story.room()
    story.leave(caller)
    story.enter(caller, room)
    story.enter(leg, room)
    assert left_behind(story.live, pickup, order_of(pickup)) == [half.uniqueid]


def test_another_ring_while_the_new_phone_waits_for_who_has_answered() -> None:
    """Its dialplan waits while an agent is asked whether he wants the caller; he does not, and another one rings."""
    story = Story()
    story.queues("0003*100", "support", "0003*210", "0003*211")
    asked = story.ringing("0003*210")
    leg = story.picks_waiting("0003*024", "0003*100", UAPI_RING=asked.uniqueid)
    pickup = story.live.pickups[PickupId(leg.uniqueid)]
    story.state(asked, UP)
    story.state(leg, UP)
    assert outlook(story.live, pickup) is Outlook.WATCH
    story.hang_up(asked, 16)
    assert outlook(story.live, pickup) is Outlook.RING


def test_a_place_that_is_gone() -> None:
    """The far end of his pair has left the slot and ended: he goes on elsewhere, and there is nothing to take."""
    story = Story()
    half = _parked_behind_a_pair(story)
    leg = story.originates("0003*024", half, story.chan("0003*100"), mode="waiting", view="00")
    pickup = story.live.pickups[PickupId(leg.uniqueid)]
    assert outlook(story.live, pickup) is Outlook.WATCH
    near = story.half(half)
    assert near
    story.unpark(story.slots["701"], "ParkedCallTimeOut")
    story.leave(half)
    story.hang_up(half)
    story.leave(near)
    story.leave(story.chan("0003*100"))
    story.hang_up(near)
    assert outlook(story.live, pickup) is Outlook.MOVED


def test_an_agents_ring_that_somebody_else_picks_up() -> None:
    """By a feature code, while the queue still counts its caller among those who wait: he is taken."""
    story = Story()
    story.queues("0003*100", "support", "0003*210")
    leg = story.picks_ringing("0003*024", "0003*210")
    pickup = story.live.pickups[PickupId(leg.uniqueid)]
    target = story.chan("0003*210")
    other = story.comes_in("0003*025", "*8")
    story.say("Pickup", other.headers(), target.headers("Target"))
    story.hang_up(target, 26)
    assert outlook(story.live, pickup) is Outlook.TAKEN


@pytest.mark.parametrize(("after", "status"), [(0.1, "unreachable"), (25, "noAnswer")])
def test_a_phone_that_never_said_that_it_rings(after: float, status: str) -> None:
    """At once it could not be reached, as one that is not to be disturbed; at the end of its time nobody answered."""
    story = Story()
    story.dials("0003*100", "0003*210")
    target = story.ringing("0003*210")
    leg = story.originates("0003*024", target, story.chan("0003*100"), mode="ringing", rings=False)
    story.passes(after)
    story.hang_up(leg, 19)
    assert story.live.pickups[PickupId(leg.uniqueid)].status == status
