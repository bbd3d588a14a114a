"""Recordings are written line by line and read back as they were."""

import io
import re
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.ami import Head, Recorder, RecordingError, read
from bridge.anonymize import Anonymizer
from bridge.calls import text

STARTED = datetime(2026, 11, 23, 20, 0, 0, tzinfo=UTC).timestamp()


def test_written_as_the_page_says() -> None:
    """The first line tells what it is, the others an event each, with seconds since the start."""
    out = io.StringIO()
    recorder = Recorder(out, STARTED)
    recorder.write({"Event": "Hangup", "Uniqueid": "1.1"}, STARTED + 0.25)
    assert out.getvalue() == ""
    recorder.identify("22.10.1", "pbx-1")
    recorder.write({"Event": "Status", "Variable": ["a=1", "b=ö"]}, STARTED + 1.5)
    recorder.identify("16.28.0", "")
    recorder.close()
    assert out.getvalue().splitlines() == [
        '{"recording": 1, "started": "2026-11-23T20:00:00+00:00", "asterisk": "22.10.1", "systemname": "pbx-1"}',
        '{"t": 0.25, "event": {"Event": "Hangup", "Uniqueid": "1.1"}}',
        '{"t": 1.5, "event": {"Event": "Status", "Variable": ["a=1", "b=ö"]}}',
    ]


def test_recording_of_a_pbx_that_never_came_up_is_whole() -> None:
    """Closing writes what was held back, with a first line that does not know the PBX."""
    out = io.StringIO()
    recorder = Recorder(out, STARTED)
    recorder.write({"Event": "Hangup"}, STARTED)
    recorder.close()
    first, second = out.getvalue().splitlines()
    assert '"asterisk": ""' in first
    assert second == '{"t": 0.0, "event": {"Event": "Hangup"}}'


def test_with_pseudonyms_nobody_is_written(tmp_path: Path) -> None:
    """Whoever is there in the first questions' answers is met before anybody gets a pseudonym, the PBX's name too."""
    path = tmp_path / "r.jsonl"
    with path.open("w") as out:
        recorder = Recorder(out, STARTED, Anonymizer("k"))
        for extension in range(10, 90):
            recorder.write({"Event": "DeviceStateChange", "Device": f"PJSIP/{extension}"}, STARTED)
        recorder.identify("22.10.1", "acme")
        recorder.write({"Event": "Newchannel", "CallerIDNum": "42", "CallerIDName": "Jane Roe"}, STARTED + 1)
    written = path.read_text()
    assert not re.search("acme|Jane|Roe", written)
    head, events = read(path)
    assert head.asterisk == "22.10.1"
    *devices, call = [event for _, event in events]
    # Eighty of a hundred are taken: the first twenty get what is nobody's, the others what is somebody else's.
    assert call["CallerIDNum"] == text(devices[32], "Device").removeprefix("PJSIP/") != "42"
    assert all(int(text(device, "Device")[6:]) not in range(10, 90) for device in devices[:10])


values = st.text() | st.lists(st.text(), min_size=1, max_size=4)
events = st.lists(
    st.tuples(
        st.floats(0, 1e6),
        st.dictionaries(st.text(), values).map(lambda headers: headers | {"Event": "Hangup"}),
    )
)


@settings(deadline=None)
@given(events)
def test_read_back_as_written(stream: list[tuple[float, dict[str, str | list[str]]]]) -> None:
    """Whatever the headers hold, reading gives what was written."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "recording.jsonl"
        with path.open("w", encoding="utf-8") as out:
            recorder = Recorder(out, 0.0)
            recorder.identify("22.10.1", "")
            for t, headers in stream:
                recorder.write(headers, t)
        head, back = read(path)
        assert head == Head(0.0, "22.10.1", "")
        assert list(back) == [(round(t, 6), headers) for t, headers in stream]


def test_first_line_may_be_absent(tmp_path: Path) -> None:
    """A recording that was cut, or came from elsewhere, begins with an event; empty lines do not count."""
    path = tmp_path / "cut.jsonl"
    path.write_text('\n{"t": 3, "event": {"Event": "Hangup"}}\n\n{"t": 4.5, "event": {"Event": "Hangup"}}\n')
    head, back = read(path)
    assert head == Head()
    assert [t for t, _ in back] == [3.0, 4.5]


def test_nothing_is_a_recording_too(tmp_path: Path) -> None:
    """An empty file has no events."""
    path = tmp_path / "empty.jsonl"
    path.write_text("")
    head, back = read(path)
    assert (head, list(back)) == (Head(), [])


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "t must be"),
        ('{"t": true, "event": {"Event": "x"}}', "t must be"),
        ('{"t": NaN, "event": {"Event": "x"}}', "t must be"),
        ('{"t": "1", "event": {"Event": "x"}}', "t must be"),
        ('{"t": 1}', "event must be"),
        ('{"t": 1, "event": []}', "event must be"),
        ('{"t": 1, "event": {}}', "event must be"),
        ('{"t": 1, "event": {"Event": ["x"]}}', "event must be"),
        ('{"t": 1, "event": {"Event": "x", "A": 1}}', "the header 'A'"),
        ('{"t": 1, "event": {"Event": "x", "A": []}}', "the header 'A'"),
        ('{"t": 1, "event": {"Event": "x", "A": ["b", 1]}}', "the header 'A'"),
        ("\xff\xfe", "not JSON"),
    ],
)
def test_bad_lines_are_named_by_number(tmp_path: Path, line: str, what: str) -> None:
    """Whatever is wrong with a line is said with its number, after the lines before it were read."""
    path = tmp_path / "bad.jsonl"
    path.write_bytes(
        b'{"recording": 1}\n{"t": 0, "event": {"Event": "Hangup"}}\n\n' + line.encode("latin-1") + b"\n"
    )
    _, back = read(path)
    assert next(back) == (0.0, {"Event": "Hangup"})
    with pytest.raises(RecordingError, match=rf"^line 4: {what}") as error:
        next(back)
    assert error.value.line == 4


@pytest.mark.parametrize(
    ("first", "what"),
    [
        ('{"recording": 2}', "line 1: a recording of form 2"),
        ('{"recording": 1, "started": "soon"}', "line 1: started"),
    ],
)
def test_bad_first_line_is_said_at_once(tmp_path: Path, first: str, what: str) -> None:
    """A form that is not known, or a date that is none, is found before any event is read."""
    path = tmp_path / "bad.jsonl"
    path.write_text(first + "\n")
    with pytest.raises(RecordingError, match=what):
        read(path)
