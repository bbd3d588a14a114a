"""Whole stories: those that were heard on a real Asterisk, and some that nobody could play there on demand."""

import hashlib
from collections.abc import Callable

from calls.pbx import RING, UP
from calls.story import Story


def _talk(story: Story, *, hold: bool = False) -> None:
    story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    if hold:
        story.holds("0003*210")


def plain_called_hangs_up(story: Story) -> None:
    _talk(story)
    story.hangs_up("0003*210")


def caller_gives_up(story: Story) -> None:
    story.dials("0003*100", "0003*210")
    story.hangs_up("0003*100", 127)


def declined(story: Story) -> None:
    story.dials("0003*100", "0003*210")
    story.declines("0003*210")
    story.hangs_up("0003*100", 17)


def no_answer(story: Story) -> None:
    caller = story.comes_in("0003*100", "0003*813")
    story.forks(caller, "0003*210")
    story.stops_ringing("0003*210")
    story.hangs_up("0003*100", 0)


def fork(story: Story) -> None:
    caller = story.comes_in("0003*100", "0003*800")
    story.forks(caller, "0003*210", "0003*211")
    story.answers("0003*211")
    story.hangs_up("0003*100")


def local_n(story: Story) -> None:
    story.dials_through_local("0003*100", "0003*801", "0003*210")
    story.answers("0003*210")
    story.hangs_up("0003*100")


def local_opt(story: Story) -> None:
    story.dials_through_local("0003*100", "0003*802", "0003*210")
    story.answers("0003*210")
    story.optimises("0003*210")
    story.hangs_up("0003*210")


def hold_called(story: Story) -> None:
    _talk(story, hold=True)
    story.resumes("0003*210")
    story.hangs_up("0003*100")


def hold_local(story: Story) -> None:
    story.dials_through_local("0003*100", "0003*801", "0003*210")
    story.answers("0003*210")
    story.holds("0003*210")
    story.resumes("0003*210")
    story.holds("0003*100")
    story.hangs_up("0003*100")


def park_by_transfer(story: Story) -> None:
    _talk(story)
    story.parks("0003*210")
    story.hangs_up("0003*210")
    story.passes(4)
    story.hangs_up("0003*100")


def parked_through_local(story: Story) -> None:
    """The far end of a Local pair is parked, and with it who talks through it; then he is fetched."""
    story.dials_through_local("0003*100", "0003*801", "0003*210")
    story.answers("0003*210")
    story.parks("0003*210")
    story.hangs_up("0003*210")
    story.fetches("0003*025")
    story.hangs_up("0003*025")


def park_fetch(story: Story) -> None:
    _talk(story)
    story.parks("0003*210")
    story.hangs_up("0003*210")
    story.fetches("0003*025")
    story.hangs_up("0003*025")


def comeback(story: Story) -> None:
    _talk(story)
    story.parks("0003*210")
    parker = story.chan("0003*210")
    story.comes_back()
    story.ends(parker)
    story.answers("0003*210")
    story.hangs_up("0003*100")


def queue_answer(story: Story) -> None:
    story.queues("0003*100", "one", "0003*210")
    story.answers("0003*210")
    story.hangs_up("0003*210")


def queue_two(story: Story) -> None:
    story.queues("0003*100", "support", "0003*211", "0003*210")
    story.answers("0003*211")
    story.hangs_up("0003*100")


def queue_unanswered(story: Story) -> None:
    story.queues("0003*100", "support", "0003*211", "0003*210", dialled="0003*905", answered=False)
    story.answers("0003*210")
    story.hangs_up("0003*100")


def queue_round(story: Story) -> None:
    story.queues("0003*100", "rounds", "0003*210", dialled="0003*904")
    story.stops_ringing("0003*210")
    story.hangs_up("0003*100", 0)


def queue_nobody(story: Story) -> None:
    story.queues("0003*100", "nobody")
    story.hangs_up("0003*100", 0)


def agent_declines(story: Story) -> None:
    story.queues("0003*100", "one", "0003*210")
    story.declines("0003*210")
    story.hangs_up("0003*100", 0)


def blind(story: Story) -> None:
    _talk(story)
    story.transfers("0003*210", "0003*211")
    story.answers("0003*211")
    story.hangs_up("0003*100")


def caller_transfers(story: Story) -> None:
    _talk(story)
    story.transfers("0003*100", "0003*211")
    story.answers("0003*211")
    story.hangs_up("0003*211")


def atxfer(story: Story) -> None:
    _talk(story)
    story.consults("0003*210", "0003*211")
    story.answers("0003*211")
    story.completes("0003*210")
    story.optimises("0003*211")
    story.hangs_up("0003*100")


def consult_aborted(story: Story) -> None:
    _talk(story)
    story.consults("0003*210", "0003*211")
    story.answers("0003*211")
    story.returns("0003*210", "0003*100")
    story.hangs_up("0003*100")


def click(story: Story) -> None:
    story.clicks("0003*100", "0003*210", "click-77")
    story.answers("0003*100")
    story.forks(story.chan("0003*100"), "0003*210")
    story.answers("0003*210")
    story.hangs_up("0003*100")


def merge(story: Story) -> None:
    _talk(story)
    story.dials("0003*101", "0003*211")
    story.answers("0003*211")
    story.bridges(story.chan("0003*100"), story.chan("0003*101"))
    story.hangs_up("0003*100")


def waiting_call(story: Story) -> None:
    _talk(story)
    story.dials("0003*101", "0003*210")
    story.hangs_up("0003*100")
    story.hangs_up("0003*101", 127)


def outside(story: Story) -> None:
    caller = story.comes_in("+4930900100", "0003*210")
    story.forks(caller, "0003*210")
    story.answers("0003*210")
    story.ends(caller)


def pick_ringing(story: Story) -> None:
    story.dials("0003*100", "0003*210")
    story.picks_ringing("0003*024", "0003*210")
    story.takes("0003*024")
    story.hangs_up("0003*024")


def pick_fork(story: Story) -> None:
    caller = story.comes_in("0003*100", "0003*800")
    story.forks(caller, "0003*210", "0003*211")
    story.picks_ringing("0003*024", "0003*210")
    story.takes("0003*024")
    story.hangs_up("0003*100")


def pick_local(story: Story) -> None:
    story.dials_through_local("0003*100", "0003*801", "0003*210")
    story.picks_ringing("0003*024", "0003*210", view="03")
    story.takes("0003*024")
    story.hangs_up("0003*100")


def pick_talking(story: Story) -> None:
    _talk(story)
    story.picks_talking("0003*024", "0003*210")
    story.takes("0003*024")
    story.picks_talking("0003*025", "0003*024", n=2)
    story.takes("0003*025")
    story.hangs_up("0003*100")


def pick_talking_caller(story: Story) -> None:
    caller = story.comes_in("0003*100", "0003*805")
    story.forks(caller, "0003*210")
    story.answers("0003*210")
    story.picks_talking("0003*024", "0003*100", view="00")
    story.takes("0003*024")
    story.hangs_up("0003*210")


def pick_talking_local(story: Story) -> None:
    story.dials_through_local("0003*100", "0003*801", "0003*210")
    story.answers("0003*210")
    story.picks_talking("0003*024", "0003*210", view="03")
    story.takes("0003*024")
    story.hangs_up("0003*100")


def pick_held_by_target(story: Story) -> None:
    _talk(story, hold=True)
    story.picks_talking("0003*024", "0003*210")
    story.takes("0003*024")
    story.hangs_up("0003*100")


def pick_parked(story: Story) -> None:
    _talk(story)
    story.parks("0003*210")
    story.picks_waiting("0003*024", "0003*100")
    story.takes("0003*024")
    story.hangs_up("0003*210")
    story.hangs_up("0003*024")


def pick_queue_ring(story: Story) -> None:
    story.queues("0003*100", "one", "0003*210")
    story.picks_ringing("0003*024", "0003*210")
    story.takes("0003*024")
    story.hangs_up("0003*024")


def pick_queue_wait(story: Story) -> None:
    story.queues("0003*100", "nobody")
    story.picks_waiting("0003*024", "0003*100")
    story.takes("0003*024")
    story.hangs_up("0003*024")


def pick_queue_wait_while_ringing(story: Story) -> None:
    story.queues("0003*100", "one", "0003*210")
    story.picks_waiting("0003*024", "0003*100")
    story.takes("0003*024")
    story.hangs_up("0003*024")


def pick_declined(story: Story) -> None:
    story.dials("0003*100", "0003*210")
    story.picks_ringing("0003*024", "0003*210")
    story.fails("0003*024", 17)
    story.hangs_up("0003*100", 127)


def pick_no_answer(story: Story) -> None:
    story.dials("0003*100", "0003*210")
    story.picks_ringing("0003*024", "0003*210")
    story.fails("0003*024", 19, reason="3")
    story.hangs_up("0003*100", 127)


def pick_target_answers_first(story: Story) -> None:
    story.dials("0003*100", "0003*210")
    story.picks_ringing("0003*024", "0003*210")
    story.answers("0003*210")
    story.takes("0003*024")
    story.hangs_up("0003*100")


def masquerade(story: Story) -> None:
    story.dials("0003*100", "0003*210")
    story.picks_ringing("0003*024", "0003*210")
    story.masquerades("0003*024", "0003*210")


def masquerade_told_early(story: Story) -> None:
    story.dials("0003*100", "0003*210")
    story.picks_ringing("0003*024", "0003*210")
    story.masquerades("0003*024", "0003*210", told="after the target")


HEARD_TALES: dict[str, Callable[[Story], None]] = {
    tale.__name__: tale
    for tale in (
        agent_declines, atxfer, blind, caller_gives_up, caller_transfers, click, comeback, consult_aborted,
        declined, fork, hold_called, hold_local, local_n, local_opt, masquerade, masquerade_told_early, merge,
        no_answer, outside, park_by_transfer, park_fetch, pick_declined, pick_fork, pick_held_by_target,
        pick_local, pick_no_answer, pick_parked, pick_queue_ring, pick_queue_wait,
        pick_queue_wait_while_ringing, pick_ringing, pick_talking, pick_talking_caller, pick_talking_local,
        pick_target_answers_first, plain_called_hangs_up, queue_answer, queue_nobody, queue_round, queue_two,
        queue_unanswered, waiting_call,
    )
}  # fmt: skip
"""What was done on the real Asterisk, told again."""


def conference(story: Story) -> None:
    room = story.confers("0003*100")
    story.confers("0003*101", room)
    story.hangs_up("0003*100")
    story.hangs_up("0003*101")


def three_strangers_in_one_lot(story: Story) -> None:
    for phone in ("0003*100", "0003*101", "0003*102"):
        story.parks_himself(phone)
    story.picks_waiting("0003*024", "0003*101")
    story.takes("0003*024")
    for phone in ("0003*102", "0003*101", "0003*100"):
        story.hangs_up(phone)


def parked_told_before_born(story: Story) -> None:
    """Heard once: parking reaches AMI on a way of its own, and may be faster than the channel's first event."""
    chan = story.make("PJSIP/0003*100-0000001b", RING, number="0003*100", exten="0003*807", dnid="0003*807")
    story.park(chan, "PJSIP/0003*100")
    story.announce(chan)
    story.state(chan, UP)
    story.enter(chan, story.lot())
    story.hangs_up("0003*100")


def hold_by_the_source_survives_a_pickup(story: Story) -> None:
    _talk(story)
    story.holds("0003*100")
    story.picks_talking("0003*024", "0003*210")
    story.takes("0003*024")
    story.resumes("0003*100")
    story.hangs_up("0003*100")


def hold_by_both(story: Story) -> None:
    _talk(story, hold=True)
    story.holds("0003*100")
    story.resumes("0003*210")
    story.resumes("0003*100")
    story.hangs_up("0003*100")


def chain_of_pickups(story: Story) -> None:
    """Ringing, talking, parked, and parked again: four phones after one another."""
    story.dials("0003*100", "0003*210")
    story.picks_ringing("0003*024", "0003*210")
    story.takes("0003*024")
    story.picks_talking("0003*025", "0003*024", n=2)
    story.takes("0003*025")
    story.parks("0003*025")
    story.picks_waiting("0003*211", "0003*100", n=3)
    story.takes("0003*211")
    story.hangs_up("0003*025")
    story.picks_talking("0003*102", "0003*100", view="00", n=4)
    story.takes("0003*102")
    story.hangs_up("0003*102")


def taken_again_after_parking(story: Story) -> None:
    story.parks_himself("0003*100")
    story.picks_waiting("0003*024", "0003*100")
    story.takes("0003*024")
    story.parks("0003*024")
    story.hangs_up("0003*024")
    story.picks_waiting("0003*025", "0003*100")
    story.takes("0003*025")
    story.hangs_up("0003*100")


def queue_round_over_then_taken(story: Story) -> None:
    story.queues("0003*100", "one", "0003*210")
    story.picks_ringing("0003*024", "0003*210")
    story.stops_ringing("0003*210")
    story.takes("0003*024")
    story.hangs_up("0003*024")


def unanswered_queue_taken(story: Story) -> None:
    story.queues("0003*100", "nobody", answered=False)
    story.picks_waiting("0003*024", "0003*100")
    story.takes("0003*024")
    story.hangs_up("0003*024")


def two_calls_merge(story: Story) -> None:
    """A phone's own attended transfer: REFER with Replaces. A pickup leg is in the call that ends."""
    _talk(story)
    story.dials("0003*101", "0003*211")
    story.picks_ringing("0003*024", "0003*211")
    story.takes("0003*024")
    story.merges(story.chan("0003*024"), story.chan("0003*100"))
    story.hangs_up("0003*100")


def merged_into_the_younger_first(story: Story) -> None:
    """The older call's channel goes to the younger's: those who are there take its Linkedid in silence."""
    _talk(story)
    story.dials("0003*101", "0003*211")
    story.answers("0003*211")
    story.merges(story.chan("0003*210"), story.chan("0003*101"))
    story.hangs_up("0003*210")


def masquerade_told_first(story: Story) -> None:
    story.dials("0003*100", "0003*210")
    story.picks_ringing("0003*024", "0003*210")
    story.masquerades("0003*024", "0003*210", told="first")
    story.hangs_up("0003*100")


def taken_after_a_masquerade(story: Story) -> None:
    story.dials("0003*100", "0003*210")
    story.picks_ringing("0003*024", "0003*210")
    story.masquerades("0003*024", "0003*210")
    story.picks_talking("0003*025", "0003*024", n=2)
    story.takes("0003*025")
    story.hangs_up("0003*025")


def order_told_late(story: Story) -> None:
    """The pickup leg's variables are not there yet when it is asked for them."""
    story.dials("0003*100", "0003*210")
    leg = story.picks_ringing("0003*024", "0003*210", known=False)
    story.tells_order(leg)
    leg.known = True
    story.tells_order(leg)
    story.takes("0003*024")
    story.hangs_up("0003*100")


def click_to_call_taken(story: Story) -> None:
    caller = story.clicks("0003*100", "0003*210", "click-77")
    story.answers("0003*100")
    story.forks(caller, "0003*210")
    story.picks_ringing("0003*024", "0003*210", view=view_of("click-77", "0003*210", story))
    story.takes("0003*024")
    story.hangs_up("0003*100")


def parked_by_a_pickup_leg(story: Story) -> None:
    story.dials("0003*100", "0003*210")
    story.picks_ringing("0003*024", "0003*210")
    story.takes("0003*024")
    story.parks("0003*024")
    story.hangs_up("0003*024")
    story.hangs_up("0003*100")


def pickup_let_go_by_the_guard(story: Story) -> None:
    story.parks_himself("0003*100")
    story.picks_waiting("0003*024", "0003*100")
    story.fetches("0003*025")
    story.gives_up("0003*024")
    story.hangs_up("0003*025")


def consultation_third_taken(story: Story) -> None:
    _talk(story)
    story.consults("0003*210", "0003*211")
    story.picks_ringing("0003*024", "0003*211", view="06")
    story.takes("0003*024")
    story.completes("0003*210")
    story.optimises("0003*024")
    story.hangs_up("0003*100")


def held_party_leaves_the_consultation(story: Story) -> None:
    _talk(story)
    story.consults("0003*210", "0003*211")
    story.answers("0003*211")
    story.hangs_up("0003*100")
    story.hangs_up("0003*211")


def view_of(linkedid: str, phone: str, story: Story) -> str:
    """The view id of a phone that is not the Linkedid's own, where neither can be counted."""
    del linkedid
    digest = hashlib.sha256(story.ringing(phone).uniqueid.encode()).hexdigest()
    return f"{int(digest, 16) % 1_000_000:06d}"


TALES = HEARD_TALES | {
    tale.__name__: tale
    for tale in (
        chain_of_pickups, click_to_call_taken, conference, consultation_third_taken, held_party_leaves_the_consultation, hold_by_both,
        hold_by_the_source_survives_a_pickup, masquerade_told_first, merged_into_the_younger_first,
        order_told_late, parked_through_local, parked_by_a_pickup_leg, parked_told_before_born, pickup_let_go_by_the_guard,
        queue_round_over_then_taken, taken_after_a_masquerade, taken_again_after_parking,
        three_strangers_in_one_lot, two_calls_merge, unanswered_queue_taken,
    )
}  # fmt: skip
