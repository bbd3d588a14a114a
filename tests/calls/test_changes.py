"""What the picture tells of calls that come, change and go."""

from bridge.grammar import Extension
from calls.checks import nothing_left
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


def test_changes_of_one_extension() -> None:
    """In every tale: whoever listens to one extension alone knows its calls at any time, and others' are left alone."""
    left_alone = 0
    for tale in TALES.values():
        for number in ("0003*100", "0003*210", "0003*211", "0003*024", "0003*900"):
            extension = Extension.parse(number)
            story = Story()
            story.live.track_changes = True
            known: dict[str, object] = {}

            def listen(
                story: Story = story, known: dict[str, object] = known, extension: Extension = extension
            ) -> None:
                nonlocal left_alone
                for change in story.live.take_changes({extension}):
                    known.pop(change.call.id, None)
                    if change.kind != "ended" and extension in change.call.listed:
                        known[change.call.id] = change.call
                left_alone += len(story.live._roll.unheard)
                fresh = story.live._roll.by_extension.get(extension, [])
                assert known == {record.id: record.built for record in fresh}

            story.after = listen
            tale(story)
            assert known == {call.id: call for call in story.live.calls_of(extension)}
    assert left_alone


def test_a_call_that_nobody_heard_of_is_there_when_it_is_asked_for() -> None:
    """By its id, and in lists; and its end leaves nothing behind."""
    story = Story()
    story.live.track_changes = True
    story.dials("0003*100", "0003*210")
    assert story.live.take_changes({Extension.parse("0003*024")}) == []
    (record,) = story.live._roll.unheard
    assert record.built is None
    call = story.live.call(record.id)
    assert call is not None
    assert len(call.legs) == 2
    story.answers("0003*210")
    story.live.take_changes({Extension.parse("0003*024")})
    (call,) = story.live.calls_of(Extension.parse("0003*210"))
    assert [leg.status for leg in call.legs] == ["5", "5"]
    story.hangs_up("0003*100")
    story.live.take_changes({Extension.parse("0003*024")})
    nothing_left(story.live)
