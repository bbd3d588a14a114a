"""Events that somebody else has kept become a recording: three forms of other clients, made here of our own."""

import errno
import importlib.util
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from bridge.ami import Recorder, read
from bridge.calls import Call, Change, Headers, Picture
from bridge.cli import main
from recorded.telling import COMPANY, picture

ROOT = Path(__file__).parents[1]
RECORDING = ROOT / "tests" / "recordings" / "connecting" / "a-PBX-with-a-systemname.jsonl"

Kept = Sequence[Headers]


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "convert_recording", ROOT / "tools" / "convert_recording.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def as_a_list(events: Kept) -> str:
    """As cacofonisk keeps them: a JSON list, the body that an event never has among its headers."""
    return json.dumps(
        [{"Event": "FullyBooted", "content": ""}, *({**event, "content": ""} for event in events)]
    )


def as_a_log(events: Kept) -> str:
    """As clients for JavaScript log them: a line each, all names in small letters, numbers here and there."""
    lines = [{name.lower(): value for name, value in event.items()} for event in events]
    for line in lines:
        if "channelstate" in line:
            line["channelstate"] = int(str(line["channelstate"]))  # type: ignore[assignment]  # as they do
    return "".join(json.dumps(line) + "\n\n" for line in lines)


def as_it_came(events: Kept) -> str:
    """As netcat keeps a session: the banner, what the client has sent, answers, and events."""
    text = "Asterisk Call Manager/5.0.4\r\nAction: Login\r\nUsername: x\r\n\r\nResponse: Success\r\nMessage: ok\r\n\r\n"
    for event in events:
        for name, value in event.items():
            for one in [value] if isinstance(value, str) else value:
                text += f"{name}: {one}\r\n"
        text += "\r\n"
    return text


def _played(events: Kept) -> tuple[list[Change], Picture]:
    """The changes of a call after the other, and what is left."""
    one = picture()
    one.track_changes = True
    changes = []
    for at, event in enumerate(events):
        one.apply(event, float(at))
        changes += one.take_changes()
    return changes, one


def _shape(call: Call) -> tuple[str, list[tuple[str, str, str]]]:
    return call.id, [(leg.view, leg.number, leg.status) for leg in call.legs]


@pytest.mark.parametrize("keep", [as_a_list, as_a_log, as_it_came])
def test_it_tells_the_same(
    keep: Callable[[Kept], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each change of each call as in the recording that it was made of; in the end nobody is left who was not there."""
    kept = [event for _, event in read(RECORDING)[1]]
    out = tmp_path / "out.jsonl"
    assert _tool().convert(keep(kept), out) == len(kept) + (keep is as_a_list)
    before, _ = _played(kept)
    after, left = _played([event for _, event in read(out)[1]])
    assert [(change.kind, _shape(change.call)) for change in after] == [
        (change.kind, _shape(change.call)) for change in before
    ]
    assert {leg.extension for call in left.calls() for leg in call.legs} <= COMPANY
    assert main(["replay", str(out)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(before)


def test_the_ten_lines_of_the_manual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are no more than that, and what they write is played like the recording that it was made of."""
    ((script,), (kept, out)) = (
        re.findall(r"```python\n(.*?)```", (ROOT / "docs/recordings.md").read_text(), re.DOTALL),
        (tmp_path / "events.json", tmp_path / "out.jsonl"),
    )
    assert len([line for line in script.splitlines() if line]) <= 10
    events = [event for _, event in read(RECORDING)[1]]
    kept.write_text(json.dumps(events))
    monkeypatch.setattr("sys.argv", ["script", str(kept), str(out)])
    exec(compile(script, "docs/recordings.md", "exec"), {})
    after, left = _played([event for _, event in read(out)[1]])
    assert [_shape(change.call) for change in after] == [_shape(change.call) for change in _played(events)[0]]
    assert {leg.extension for call in left.calls() for leg in call.legs} <= COMPANY


def test_times_come_from_the_channels(tmp_path: Path) -> None:
    """It begins when its first channel was made, goes on when the next one was, and never goes back."""
    out = tmp_path / "out.jsonl"
    made = ("pbx-1-1795472876.5", "click-to-call", "pbx-1-1795472879.6", "pbx-1-1795472876.5")
    _tool().convert(json.dumps([{"Event": "Newchannel", "Uniqueid": one} for one in made]), out)
    head, events = read(out)
    assert head.started == pytest.approx(1795472876.0, abs=0.01)
    assert [t for t, _ in events] == pytest.approx([0.0, 0.001, 3.0, 3.001], abs=0.01)


def test_times_come_from_the_events_that_have_one(tmp_path: Path) -> None:
    """A ring of twenty seconds stays one; an event that came out of order is not put before the one ahead of it."""
    out = tmp_path / "out.jsonl"
    stamped = [
        {"Event": "Newstate", "Uniqueid": "1795472876.5", "Timestamp": stamp}
        for stamp in ("1795472877.250000", "1795472897.500000", "1795472897.400000", "soon")
    ]
    _tool().convert(json.dumps(stamped), out)
    head, events = read(out)
    assert head.started == pytest.approx(1795472877.25, abs=0.001)
    assert [t for t, _ in events] == pytest.approx([0.0, 20.25, 20.251, 20.252], abs=0.0005)


def test_what_is_none_of_the_forms_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the file's name; a text without events makes a recording without any."""
    file, out = tmp_path / "in", tmp_path / "out.jsonl"
    monkeypatch.setattr("sys.argv", ["convert_recording.py", str(file), str(out)])
    assert _tool().main() == 1
    assert str(file) in capsys.readouterr().err
    file.write_text("[{")
    assert _tool().main() == 1
    assert str(file) in capsys.readouterr().err
    file.write_text("Nothing to see: here\n\n")
    assert _tool().main() == 0
    assert capsys.readouterr().out == "0 events\n"
    assert main(["replay", str(out)]) == 0


def _run(monkeypatch: pytest.MonkeyPatch, *words: Path) -> int:
    monkeypatch.setattr("sys.argv", ["convert_recording.py", *map(str, words)])
    status: int = _tool().main()
    return status


def test_a_recording_is_whole_and_its_owners_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbers stand in it. Where it cannot be made nothing is left, and the file that is in the way is named."""
    file, out = tmp_path / "in", tmp_path / "out.jsonl"
    file.write_text('[{"Event": "Newchannel", "Uniqueid": "1.5"}]')

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Recorder, "write", fail)
        assert _run(monkeypatch, file, out) == 1
    assert capsys.readouterr().err == f"{out}: No space left on device\n"
    assert list(tmp_path.iterdir()) == [file]
    assert _run(monkeypatch, file, tmp_path / "no" / "out.jsonl") == 1
    assert capsys.readouterr().err == f"{tmp_path}/no/out.jsonl: No such file or directory\n"
    assert _run(monkeypatch, file, out) == 0
    assert out.stat().st_mode & 0o777 == 0o600


def test_no_file_is_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Least of all the one that is read, also by another name."""
    file, link, older = tmp_path / "in", tmp_path / "link", tmp_path / "older"
    file.write_text("[]")
    link.symlink_to(file)
    older.write_text("of yesterday")
    for out in (file, link, older):
        assert _run(monkeypatch, file, out) == 1
        assert capsys.readouterr().err == f"{out}: File exists\n"
    assert (file.read_text(), older.read_text()) == ("[]", "of yesterday")
