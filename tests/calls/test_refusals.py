"""What cannot be picked up: nothing is sent to Asterisk then, and the sentence says why."""

import pytest

from bridge.calls import NotPickable, plan
from bridge.grammar import Extension
from calls.checks import planned
from calls.pbx import UP
from calls.story import Story

ALONE = ("this leg is with nobody: an announcement, a voicemail, or a call that is not yet set up",)
CONFERENCE = ("this leg is in a conference or another bridge of many",)
CONSULTS = ("an attended transfer is under way in this call",)


def refusals(story: Story, phone: str) -> dict[str, tuple[object, ...]]:
    """What is said of each view of the call that a phone is in."""
    call = story.live.call(story.call_of(phone))
    assert call
    return {leg.view: planned(story.live, call.id, leg.view) for leg in call.legs}


@pytest.mark.parametrize("people", [1, 2, 3])
def test_a_conference(people: int) -> None:
    """Whoever is in a ConfBridge, alone, with one other or with more, is not taken out of it."""
    story = Story()
    room = story.confers("0003*100")
    for phone in ("0003*101", "0003*102")[: people - 1]:
        story.confers(phone, room)
    assert refusals(story, "0003*100") == {"00": CONFERENCE}


@pytest.mark.parametrize(
    ("type_", "technology"), [("stasis", "simple_bridge"), ("base", "native_rtp"), ("", "")]
)
def test_another_kind_of_bridge(type_: str, technology: str) -> None:
    """Two in a bridge that is no Dial's, of a Stasis application for instance, have nothing to do with each other."""
    story = Story()
    room = story.confers("0003*100", story.room(type_, technology))
    story.confers("0003*101", room)
    assert refusals(story, "0003*100") == {"00": CONFERENCE}
    assert refusals(story, "0003*101") == {"00": CONFERENCE}


def test_a_voicemail() -> None:
    """A caller who has fallen into the voicemail is with nobody."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.declines("0003*210")
    assert refusals(story, "0003*100") == {"00": ALONE}


def test_a_menu() -> None:
    """Nor is one who listens to a menu."""
    story = Story()
    chan = story.comes_in("0003*100", "0003*804")
    story.state(chan, UP)
    assert refusals(story, "0003*100") == {"00": ALONE}


def test_a_pickup_that_rings() -> None:
    """A pickup leg is no view while it rings, and the leg that it would take can still be asked for."""
    story = Story()
    story.dials("0003*100", "0003*210")
    leg = story.picks_ringing("0003*024", "0003*210")
    call = story.live.call(story.call_of("0003*100"))
    assert call and [one.uniqueid for one in call.legs] == ["1795465922.0", "1795465922.1"]
    assert leg.uniqueid not in {one.uniqueid for call in story.live.calls() for one in call.legs}
    assert planned(story.live, call.id, "01")[-1] == 2


@pytest.mark.parametrize(("to", "who"), [("0003*210", "view"), ("0003*100", "other party")])
def test_sent_to_one_of_the_two(to: str, who: str) -> None:
    """Neither the phone that is taken over nor the one at the other end can be where the call is sent."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    sentence = f"{to} is in this call already: it is the {who}"
    assert planned(story.live, story.call_of("0003*100"), "01", to) == (sentence,)


def test_a_waiting_caller_sent_to_himself() -> None:
    """A parked phone cannot fetch itself."""
    story = Story()
    story.parks_himself("0003*100")
    sentence = "0003*100 is in this call already: it is the view"
    assert planned(story.live, story.call_of("0003*100"), "00", "0003*100") == (sentence,)


def test_the_transferer_in_a_consultation() -> None:
    """While 210 asks 211 and holds 100, none of the three is taken; only the ring at 211 may be."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    third = story.consults("0003*210", "0003*211")
    transferer = story.chan("0003*210")
    taken = (transferer.uniqueid, third.uniqueid, "ringing", False, "", 1)
    assert refusals(story, "0003*100") == {"00": ALONE, "01": ALONE, "04": taken}
    story.answers("0003*211")
    assert refusals(story, "0003*100") == {"00": ALONE, "01": CONSULTS, "04": CONSULTS}


def test_after_the_consultation() -> None:
    """Once it is over, either way, the two who are left can be taken; the Local pair may stay between them."""
    for complete in (True, False):
        story = Story()
        story.dials("0003*100", "0003*210")
        story.answers("0003*210")
        story.consults("0003*210", "0003*211")
        story.answers("0003*211")
        if complete:
            story.completes("0003*210")
        else:
            story.returns("0003*210", "0003*100")
        assert [way[2:3] for way in refusals(story, "0003*100").values()] == [("talking",), ("talking",)]


def test_the_leg_left_over_from_a_park() -> None:
    """Who has parked the other hears the slot's number, with nobody; and is no reason not to take a later talk."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    story.parks("0003*210")
    waiting = (story.chan("0003*100").uniqueid,) * 2
    assert refusals(story, "0003*100") == {"00": (*waiting, "waiting", False, "", 1), "01": ALONE}
    fetcher = story.fetches("0003*025")
    assert refusals(story, "0003*100")["02"] == (waiting[0], fetcher.uniqueid, "talking", False, "", 1)


def test_a_call_that_is_just_ending() -> None:
    """A leg that has gone since its view was read is refused."""
    story = Story()
    story.dials("0003*100", "0003*210")
    call = story.live.call(story.call_of("0003*100"))
    assert call
    story.hangs_up("0003*100")
    with pytest.raises(NotPickable, match="just ending"):
        plan(story.live, call, call.legs[1], Extension("0003*024"))


def test_a_phone_whose_caller_has_gone_first() -> None:
    """A busy Asterisk tells late that a phone rings no more: its call is over, and nobody is to be taken over."""
    story = Story()
    caller = story.dials("0003*100", "0003*210")
    story.hang_up(caller)
    assert refusals(story, "0003*210") == {"01": ("whoever called this phone has just hung up",)}


def test_a_leg_beside_nobody_of_a_call() -> None:
    """A leg that is with one of Asterisk's own helpers, a recorder for instance, is with no party."""
    story = Story()
    chan = story.comes_in("0003*100", "0003*811")
    story.state(chan, UP)
    room = story.room()
    story.enter(chan, room)
    story.enter(story.new("Recorder/ARI", UP, linkedid=chan.linkedid), room)
    assert refusals(story, "0003*100") == {"00": ("the call is just being picked up",)}


def test_names_that_cannot_be_passed_on() -> None:
    """A channel whose id would be syntax in the dialplan is not named to Asterisk."""
    story = Story()
    caller = story.comes_in("0003*100", "0003*210", uniqueid="a&b,c")
    story.forks(caller, "0003*210")
    (unsafe,) = [way for view, way in refusals(story, "0003*210").items() if view != "00"]
    assert unsafe == ("its channels have names that cannot be passed on safely",)


def test_a_leg_that_neither_rings_nor_talks() -> None:
    """A leg in a state that Asterisk hardly ever shows is refused rather than guessed about."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.live.apply({"Event": "Newstate", "Uniqueid": "1795465922.1", "ChannelState": "7"}, story.now)
    assert planned(story.live, story.call_of("0003*100"), "01") == (
        "this leg neither rings, nor talks, nor waits",
    )


@pytest.mark.parametrize("through_a_pair", [False, True])
def test_who_asks_a_queue_for_the_other_one(*, through_a_pair: bool) -> None:
    """210 consults by *2 and the queue's number: the far end of its pair waits there, and nobody is taken out of that."""
    story = Story()
    if through_a_pair:
        story.dials_through_local("0003*100", "0003*801", "0003*210")
    else:
        story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    chan = story.chan("0003*210")
    story.hold(chan)
    near, far = story.local_pair("0003*900", chan.linkedid)
    aside = story.room()
    story.enter(near, aside)
    story.leave(chan)
    story.state(far, UP)
    story.join(far, "support")
    story.state(near, UP)
    story.enter(chan, aside)
    (call,) = story.live.calls()
    assert not any(leg.waiting for leg in call.legs)
    for leg in call.legs:
        assert len(planned(story.live, call.id, leg.view)) == 1, "a sentence that says why not"


def test_who_goes_on_after_he_has_sent_the_other_into_a_queue() -> None:
    """210 had called 100 by Dial's option g: it is no agent who has answered, and 100 can be taken."""
    story = Story()
    story.dials("0003*210", "0003*100")
    story.answers("0003*100")
    caller = story.chan("0003*210")
    other = story.partner(caller)
    assert other
    story.leave(caller)
    story.leave(other)
    story.join(other, "support")
    assert planned(story.live, story.call_of("0003*100"), "01")[2:3] == ("waiting",)
