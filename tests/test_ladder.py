"""Recordings drawn as ladders: who did what when, as it stands beside some of them."""

import difflib
import json
import re
from pathlib import Path

import pytest

from bridge.ami import read
from bridge.cli import main
from bridge.ladder import WIDTH, Ladder
from recorded.telling import picture

FOLDER = Path(__file__).parent / "recordings"
RECORDINGS = sorted(FOLDER.rglob("*.jsonl"))
DRAWN = sorted(FOLDER.rglob("*.ladder"))


def _name(path: Path) -> str:
    return str(path.relative_to(FOLDER).with_suffix(""))


@pytest.mark.parametrize("path", DRAWN, ids=_name)
def test_it_is_drawn_as_beside_it(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``uapi-bridge replay FILE --ladder`` prints the ladder that a person has read."""
    assert main(["replay", "--ladder", str(path.with_suffix(".jsonl"))]) == 0
    drawn = capsys.readouterr().out
    lines = difflib.unified_diff(
        path.read_text().splitlines(), drawn.splitlines(), path.name, "the replay", n=9, lineterm=""
    )
    if difference := list(lines):
        pytest.fail("\n".join(difference), pytrace=False)


def test_some_of_each_kind_have_their_ladder() -> None:
    """A ringing, a talking, a held, a parked and a queued call, pickups, and a PBX that was joined late."""
    assert {path.parent.name for path in DRAWN} == {path.parent.name for path in RECORDINGS}
    assert len(DRAWN) >= 8


@pytest.mark.parametrize("path", RECORDINGS, ids=_name)
def test_each_call_and_everybody_in_it_is_there(path: Path) -> None:
    """In 100 columns, in order of time, everybody by his number; who is there in the end has not left."""
    one = picture()
    one.track_changes = True
    head, events = read(path)
    ladder = Ladder(head.started, head.asterisk, head.systemname)
    numbers, ids = set(), {}
    for t, event in events:
        one.apply(event, head.started + t)
        changes = one.take_changes()
        ladder.take(t, changes)
        ids.update(dict.fromkeys(change.call.id for change in changes))
        numbers |= {leg.number for change in changes for leg in change.call.legs if leg.number}
    lines = list(ladder.lines())
    assert max(map(len, lines)) <= WIDTH
    assert [line.split()[2] for line in lines if line.startswith("call ")] == list(ids)
    words = "\n".join(lines)
    assert [number for number in numbers if number not in words] == []
    open_ = len(re.findall(r"still there when the recording ends", words))
    assert open_ == len(one.calls())
    for block in words.split("\ncall ")[1:]:
        times = [float(time) for time in re.findall(r"^ *(\d+\.\d{3}) ", block, re.MULTILINE)]
        assert times == sorted(times)


def test_more_parties_than_lanes_share_the_last(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A fork of nine phones stays in 100 columns, and each of them is named where it rings."""
    file = tmp_path / "fork.jsonl"
    legs = [f"0003*{number}" for number in range(100, 110)]
    lines = []
    for place, leg in enumerate(legs):
        lines.append(
            f'{{"t": {place}, "event": {{"Event": "Newchannel", "Uniqueid": "1795472464.{place}",'
            f' "Linkedid": "1795472464.0", "Channel": "PJSIP/{leg}-{place:08x}", "CallerIDNum": "{leg}",'
            f' "ChannelState": "{5 if place else 4}", "Exten": "0003*101"}}}}\n'
        )
    file.write_text("".join(lines))
    assert main(["replay", "--ladder", str(file)]) == 0
    drawn = capsys.readouterr().out
    assert "others" in drawn
    assert all(f"{leg} rings" in drawn for leg in legs[1:])
    assert max(map(len, drawn.splitlines())) <= WIDTH


def test_only_what_can_be_printed_is_drawn(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What a caller, a dialled number and the PBX are called neither steers the terminal nor breaks the drawing."""
    evil = "\x1b]0;x\x07\ud800\u202e"
    caller, called = "1795472464.1", "1795472464.2"
    events = (
        {"Uniqueid": caller, "Channel": "PJSIP/trunk-00000001", "ChannelState": "4", "CallerIDNum": f"+49{evil}",
         "CallerIDName": "Eve", "Exten": f"0003{evil}"},
        {"Uniqueid": called, "Channel": "PJSIP/0003*210-00000002", "ChannelState": "5", "CallerIDNum": "0003*210",
         "CallerIDName": "", "ConnectedLineNum": f"42{evil}", "ConnectedLineName": f"Eve{evil} <1>", "Exten": "s"},
    )  # fmt: skip
    lines = [
        {"recording": 1, "asterisk": f"22{evil}", "systemname": f"pbx{evil}"},
        *({"t": 0, "event": {"Event": "Newchannel", "Linkedid": caller} | event} for event in events),
    ]
    file = tmp_path / "evil.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main(["replay", "--ladder", str(file)]) == 0
    drawn = capsys.readouterr().out
    assert all(line.isprintable() for line in drawn.split("\n"))
    assert "Asterisk 22]0;x, called pbx]0;x" in drawn
    assert "+49]0;x calls 0003]0;x" in drawn
    assert "0003*210 sees Eve]0;x 1 <42]0;x>" in drawn


def test_nothing_is_a_ladder_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A recording without a call says so."""
    file = tmp_path / "empty.jsonl"
    file.write_text("")
    assert main(["replay", "--ladder", str(file)]) == 0
    assert capsys.readouterr().out == "some Asterisk, 0.0 s, 0 calls\n"
