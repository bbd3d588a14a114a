"""The small Asterisk of these tests sends what a real one was heard to send."""

import pytest

from bridge.calls import Headers
from calls.ladder import HEARD, in_order, ladder
from calls.story import Story
from calls.tales import HEARD_TALES


def test_every_scene_that_was_heard_is_told() -> None:
    """No file of what was heard is forgotten."""
    assert {path.stem for path in HEARD.iterdir()} == set(HEARD_TALES)


@pytest.mark.parametrize("scene", HEARD_TALES)
def test_tells_what_was_heard(scene: str) -> None:
    """What each channel does comes with the same names and headers, in the same order, as from 22.10.1."""
    events: list[Headers] = []
    story = Story()
    story.on_event = lambda event, _: events.append(event)
    HEARD_TALES[scene](story)
    assert in_order(ladder(events)) == in_order((HEARD / f"{scene}.txt").read_text().splitlines())
