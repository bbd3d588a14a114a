"""Pickups by the second beside calls by the second: whether any fails, and what the service takes of the processor."""

import asyncio
import json
import os
import time
from pathlib import Path

from bench import sipp
from bench.measure import Measured
from lab import Bridge, Lab
from lab.service import JOHN

_RINGS, _NEW, _TALKER = "0003*150", "0003*160", "0003*170"

CALLS_A_SECOND = 50
PICKUPS_A_SECOND = 20
SECONDS = 60


def load(rounds: int) -> Measured:
    """One long round; ``rounds`` is its length in seconds where it is given."""
    return asyncio.run(_load(rounds or SECONDS))


async def _load(seconds: int) -> Measured:
    sipp.allow_many_files()
    ports = {extension: sipp.free_phone_port() for extension in (_RINGS, _NEW, _TALKER)}
    text = "".join(sipp.phone(extension, port) for extension, port in (ports | {sipp.CALLER: 9}).items())
    lab = Lab(phones=(), company=False, options=sipp.FILES, files={"pjsip.conf": text})
    async with (
        lab,
        Bridge(lab.asterisk.ami) as bridge,
        sipp.Sipp("rings", port=ports[_RINGS]),
        sipp.Sipp("uas", port=ports[_NEW]),
        sipp.Sipp("uas", port=ports[_TALKER]),
    ):
        await lab.ami.close()  # who would only be told of all these calls
        picker = _Picker(bridge)
        picking = asyncio.create_task(picker.run())
        await picker.listening.wait()
        sip_port = lab.asterisk.sip_port
        before = _cpu(bridge.pid), _cpu(lab.asterisk.pid)
        calls = CALLS_A_SECOND * seconds
        async with (
            sipp.callers(sip_port, _TALKER, rate=CALLS_A_SECOND, calls=calls, talk=2) as plain,
            sipp.callers(
                sip_port, _RINGS, rate=PICKUPS_A_SECOND, calls=PICKUPS_A_SECOND * seconds, talk=5
            ) as picked,
        ):
            statuses = await asyncio.gather(plain.wait(), picked.wait())
            errors = (plain.errors() + picked.errors())[-1000:]
        after = _cpu(bridge.pid), _cpu(lab.asterisk.pid)
        picking.cancel()
        await asyncio.gather(*picker.tasks)
    measured = Measured("CPU s", [after[0] - before[0]], [after[1] - before[1]])
    wrong = [answer for answer in picker.answers if answer != "200"]
    picked_up = len(picker.answers) - len(wrong)
    measured.notes = {
        "pickups": len(picker.answers),
        "failed pickups": len(wrong),
        "calls": calls,
        "SIPp's exit statuses": statuses,
        "pickup until both are bridged, p50 ms": round(sorted(picker.times)[len(picker.times) // 2] * 1000),
    }
    if wrong or any(statuses) or picked_up != PICKUPS_A_SECOND * seconds:
        measured.failed = (
            f"{len(wrong)} of {len(picker.answers)} pickups failed {sorted(set(wrong))[:3]};"
            f" SIPp ended with {statuses} {errors}"
        )
    return measured


class _Picker:
    """Has each call that rings at one phone sent to another, as an app would that listens to events."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._seen: set[str] = set()
        self.answers: list[str] = []
        self.times: list[float] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.listening = asyncio.Event()

    async def run(self) -> None:
        """Listen until cancelled."""
        address = f"/uapi/phoneCalls/@me/{_RINGS}/events"
        headers = {"Authorization": f"Bearer {JOHN}"}
        async with self._bridge.http.stream("GET", address, headers=headers) as stream:
            async for line in stream.aiter_lines():
                self.listening.set()
                if line.startswith("data: "):
                    self._take(json.loads(line[6:]))

    def _take(self, call: dict[str, object]) -> None:
        id_, views = call.get("id"), call.get("phoneCallView")
        if not isinstance(id_, str) or not isinstance(views, list) or id_ in self._seen:
            return
        for view in views:
            if view.get("extension") == _RINGS and view["status"] == "3":
                self._seen.add(id_)
                self.tasks.add(asyncio.create_task(self._pick_up(id_, view["id"])))

    async def _pick_up(self, call: str, view: str) -> None:
        start = time.monotonic()
        answer = await self._bridge.pick_up(_RINGS, call, _NEW, view=view, wait=20)
        self.times.append(time.monotonic() - start)
        self.answers.append(
            str(answer.status_code) if answer.status_code == 200 else f"{answer.status_code} {answer.text}"
        )


def _cpu(pid: int) -> float:
    """Seconds of processor time that a process has had, with those of its threads that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
