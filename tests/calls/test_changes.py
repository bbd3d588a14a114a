"""What the picture tells of calls that come, change and go."""

from calls.story import Story
from calls.tales import TALES


def changes(story: Story) -> list[tuple[str, int]]:
    """Each change since the last time, with the number of the call's legs."""
    return [(change.kind, len(change.call.legs)) for change in story.live.take_changes()]


def test_a_call_comes_changes_and_goes() -> None:
    """Several events between two looks are one change; the last state of what ended is told with its end."""
    story = Story()
    story.live.track_changes = True
    story.dials("0003*100", "0003*210")
    assert changes(story) == [("added", 2)]
    assert changes(story) == []
    story.answers("0003*210")
    story.holds("0003*210")
    assert changes(story) == [("changed", 2)]
    story.hangs_up("0003*100")
    assert changes(story) == [("ended", 2)]


def test_what_is_over_between_two_looks() -> None:
    """A call that came and went in between is not told of."""
    story = Story()
    story.live.track_changes = True
    story.dials("0003*100", "0003*210")
    story.hangs_up("0003*100")
    assert changes(story) == []


def test_an_event_that_changes_nothing() -> None:
    """The same state again is no change."""
    story = Story()
    story.live.track_changes = True
    story.dials("0003*100", "0003*210")
    changes(story)
    story.state(story.chan("0003*210"), 5)
    story.resyncs()
    assert changes(story) == []


def test_a_merged_call_has_ended() -> None:
    """One changes, the other ends."""
    story = Story()
    story.live.track_changes = True
    story.parks_himself("0003*100")
    chan = story.comes_in("0003*025", "701")
    changes(story)
    slot = story.slots["701"]
    story.unpark(slot, "UnParkedCall", chan)
    story.leave(slot.parkee)
    room = story.room()
    story.enter(slot.parkee, room)
    story.enter(chan, room)
    assert sorted(changes(story)) == [("changed", 2), ("ended", 1)]


def test_nothing_is_kept_while_nobody_asks() -> None:
    """Without the switch no change is remembered."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.live.calls()
    assert story.live.take_changes() == []


def test_changes_add_up_to_the_picture() -> None:
    """In every tale: who listens from the beginning knows the calls at any time."""
    for tale in TALES.values():
        story = Story()
        story.live.track_changes = True
        known: dict[str, object] = {}

        def listen(story: Story = story, known: dict[str, object] = known) -> None:
            for change in story.live.take_changes():
                assert (change.call.id in known) == (change.kind != "added")
                known.pop(change.call.id, None)
                if change.kind != "ended":
                    known[change.call.id] = change.call
            assert known == {call.id: call for call in story.live.calls()}

        story.after = listen
        tale(story)
