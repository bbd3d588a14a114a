"""Recordings of real calls tell their stories, also in single bytes, and to a bridge that joins in the middle.

They were made by ``uapi-bridge record`` on the lab (``make recordings``); whatever is put beside them with a story is
checked in the same three ways.
"""

import difflib
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.ami import Head, read
from bridge.ami.protocol import Decoder, Framer
from bridge.calls import RESYNC, WANTED, Headers, text
from bridge.cli import main
from recorded.joining import calls, rows
from recorded.scenarios import scenario
from recorded.telling import COMPANY, picture, story_of, tell, told
from streams.wire import BANNER, on_the_wire

FOLDER = Path(__file__).parent / "recordings"
RECORDINGS = sorted(FOLDER.rglob("*.jsonl"))
JOINS = 12
"""Points of each recording, drawn by chance but always the same, at which a bridge joins."""


def _name(path: Path) -> str:
    return str(path.relative_to(FOLDER).with_suffix(""))


every_recording = pytest.mark.parametrize("path", RECORDINGS, ids=_name)


def _events(path: Path) -> tuple[Head, list[tuple[float, Headers]]]:
    head, events = read(path)
    return head, [(head.started + t, event) for t, event in events]


@every_recording
def test_it_tells_its_story(path: Path) -> None:
    """Each change in its order is what a person would say happened."""
    story = story_of(path)
    difference = difflib.unified_diff(
        story.read_text().splitlines(), told(path).splitlines(), story.name, "the replay", n=9, lineterm=""
    )
    if lines := list(difference):
        pytest.fail("\n".join(lines), pytrace=False)


@every_recording
def test_it_survives_in_single_bytes(path: Path) -> None:
    """On the wire, byte after byte, the same events come out as were recorded."""
    _, events = _events(path)
    framer, decode = Framer(WANTED), Decoder()
    heard = [
        decode(message)
        for byte in (BANNER, *(on_the_wire(event) for _, event in events))
        for at in range(len(byte))
        for message in framer.feed(byte[at : at + 1])
    ]
    assert heard == [event for _, event in events]


@every_recording
def test_a_bridge_that_joins_in_the_middle_shows_the_same(path: Path) -> None:
    """Whenever it is started, it shows from then on what one shows that was always there."""
    _, events = _events(path)
    points = list(_joinable(events))
    chosen = random.Random(path.name).sample(points, min(JOINS, len(points)))
    for point in sorted(chosen):
        always, joined = picture(), picture()
        for at, event in events[: point + 1]:
            always.apply(event, at)
        now = events[point][0]
        for row in rows(always, now):
            joined.apply(row, now)
        assert calls(joined) == calls(always), f"joined after event {point + 1}"
        for position, (at, event) in enumerate(events[point + 1 :], point + 2):
            always.apply(event, at)
            joined.apply(event, at)
            assert calls(joined) == calls(always), f"joined after event {point + 1}, at event {position}"


@every_recording
def test_nothing_is_left_of_it(path: Path) -> None:
    """In the end the company is there, and nobody else: no call, no channel, no bridge."""
    one = picture()
    for at, event in _events(path)[1]:
        one.apply(event, at)
    assert {leg.extension for call in one.calls() for leg in call.legs} <= COMPANY
    board = one.board
    assert {channel.extension for channel in board.channels.values()} <= COMPANY
    assert all(bridge.members for bridge in board.bridges.values())


def test_each_scenario_has_its_recording_and_its_story() -> None:
    """Nothing is recorded that no scenario repeats, and none is without its recording on either Asterisk.

    chan_sip's phones have played some of them.
    """
    kinds = ((22, "PJSIP"), (16, "PJSIP"), (16, "SIP"))
    scenarios, old, sip = ({one.path(FOLDER, *kind) for one in scenario.scenarios.values()} for kind in kinds)
    assert {path for path in RECORDINGS if not path.stem.endswith("-sip")} == scenarios | old
    assert len(sip & set(RECORDINGS)) == 10
    assert {story_of(path) for path in RECORDINGS} == set(FOLDER.rglob("*.story"))
    assert len(scenarios) >= 40


def test_the_command_tells_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """``uapi-bridge replay`` prints a line for each change, in the form of the API."""
    path = FOLDER / "pickup" / "ringing.jsonl"
    assert main(["replay", str(path)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    one = picture()
    one.track_changes = True
    changes = []
    for at, event in _events(path)[1]:
        one.apply(event, at)
        changes += one.take_changes()
    assert [(line["change"], line["call"]["id"]) for line in lines] == [
        (change.kind, change.call.id) for change in changes
    ]
    assert lines[-1]["call"]["phoneCallView"]


def test_a_story_with_a_stranger_in_it_is_none() -> None:
    """The teller refuses a recording in which the company is drawn into a call."""
    path = FOLDER / "ringing" / "answered-the-caller-hangs-up.jsonl"
    events = json.loads(json.dumps(_events(path)[1]).replace("0003*210", "0003*311"))
    with pytest.raises(AssertionError, match="the company is among"):
        tell(events)


# ------------------------------------------------------------------


def _joinable(events: list[tuple[float, Headers]]) -> Iterator[int]:
    """The events after which a bridge may join: those of the live stream, not the rows of the recorder's own resync."""
    synchronised = False
    for position, (_, event) in enumerate(events):
        if text(event, "ActionID").startswith(RESYNC):
            synchronised = text(event, "Event") == "StatusComplete"
        if synchronised:
            yield position
