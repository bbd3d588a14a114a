"""`uapi-bridge record` beside a call, as an operator would: whole, and with pseudonyms from the start."""

import asyncio
import json
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from bridge.cli import main
from lab import Bridge, Lab, launch, until
from lab.service import REPOSITORY
from real.states import over, ring, rings, talk

pytestmark = [pytest.mark.anyio, pytest.mark.real]


async def record(bridge: Bridge, *words: str) -> asyncio.subprocess.Process:
    """Start it with the bridge's own configuration, and wait until it has the PBX's calls."""
    process = await asyncio.create_subprocess_exec(
        *launch.command(
            "/", "root", sys.executable, "-m", "bridge", "record", "--config", str(bridge.config)
        ),
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
    )
    assert process.stderr is not None
    async with asyncio.timeout(20):
        async for line in process.stderr:
            if b"recording Asterisk" in line:
                return process
    raise AssertionError("the recorder has ended")


def replayed(file: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The changes that a recording tells, without the company's own."""
    capsys.readouterr()
    assert main(["replay", str(file)]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_a_pickup_recorded_whole_and_with_pseudonyms(
    lab: Lab, bridge: Bridge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two recorders beside one call hear the same calls begin and end; in one of the two files nobody has his number or name."""
    await talk(lab, caller="101", callee="211", number="0003*211")
    whole, anonymous = tmp_path / "whole.jsonl", tmp_path / "anonymous.jsonl"
    recorders = [await record(bridge, str(whole)), await record(bridge, str(anonymous), "--anonymize")]
    await ring(lab)
    call = await bridge.seen("0003*210")
    answer = await bridge.pick_up("0003*210", call["id"], "0003*024", caller_id="John Doe <42420042>")
    assert answer.status_code == 202
    ringing = await rings(lab, "024")

    async def asked() -> bool:
        return all("UAPI_VIEW=01" in file.read_text() for file in (whole, anonymous))

    await until(asked, "both have been told what the pickup is for")
    await lab["024"].accept(ringing)
    await lab.wait_together("100", "024")
    for phone in ("024", "101"):
        await lab[phone].hangup()
    await over(lab)

    async def heard() -> bool:
        return all(file.read_text().count('"Event": "Hangup"') >= 5 for file in (whole, anonymous))

    await until(heard, "both have heard five channels hang up")
    for process in recorders:
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 20) == 0

    # It is told to each in answer to a question of its own: on a busy machine what lies between the beginning and the end
    # of a call may be told in other steps.
    told = [
        [
            (change["change"], [(view["id"], view["status"]) for view in change["call"]["phoneCallView"]])
            for change in replayed(file, capsys)
            if change["change"] != "changed"
        ]
        for file in (whole, anonymous)
    ]
    assert [kind for kind, _ in told[0]].count("ended") == 2
    assert told[0] == told[1]
    assert call["id"] in whole.read_text()
    text = anonymous.read_text()
    assert text.count('"resync-1') == whole.read_text().count('"resync-1') > 5
    for name in ("John", "Doe", "Ext", "support"):
        assert name in whole.read_text()
        assert not re.search(rf"\b{name}\b", text)
    assert re.search(r"\*210\b", whole.read_text())
    assert not re.search(r"\b0003\b|\*(210|211|100|101|024)\b|42420042", text)
