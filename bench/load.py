"""Pickups by the second beside calls by the second: whether any fails, and what the service takes of the processor."""

import asyncio
import contextlib
import json
import os
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bench import sipp
from bench.measure import Measured
from bridge import logs
from bridge.app import create_app
from bridge.settings import load as load_settings
from bridge.uapi import Server
from lab import Bridge, Lab, free_port, until
from lab.service import JOHN

_RINGS, _NEW, _TALKER = "0003*150", "0003*160", "0003*170"

CALLS_A_SECOND = 50
PICKUPS_A_SECOND = 20
SECONDS = 60
_ROUNDS = 3


def load(rounds: int) -> Measured:
    """Rounds of a minute, each on an Asterisk and with a service of its own."""
    measured = Measured("CPU s")
    for _ in range(rounds or _ROUNDS):
        asyncio.run(_load(measured, SECONDS))
    return measured


async def _load(measured: Measured, seconds: int) -> None:
    async with _office() as (lab, ports), Bridge(lab.asterisk.ami) as bridge, _phones(ports):
        before = _cpu(bridge.pid), _cpu(lab.asterisk.pid)
        picker, statuses, errors = await _calls(lab, bridge, seconds)
        after = _cpu(bridge.pid), _cpu(lab.asterisk.pid)
    measured.ours.append(after[0] - before[0])
    measured.reference.append(after[1] - before[1])
    wrong = [answer for answer in picker.answers if answer != "200"]
    picked_up = len(picker.answers) - len(wrong)
    notes = {
        "pickups": len(picker.answers),
        "failed pickups": len(wrong),
        "calls": CALLS_A_SECOND * seconds,
        "SIPp's exit statuses": statuses,
        "pickup until both are bridged, p50 ms": round(statistics.median(picker.times) * 1000),
    }
    measured.notes[f"round {len(measured.ours)}"] = notes
    if wrong or any(statuses) or picked_up != PICKUPS_A_SECOND * seconds:
        measured.failed = (
            f"{len(wrong)} of {len(picker.answers)} pickups failed ({dict(Counter(one[:3] for one in wrong))});"
            f" SIPp ended with {statuses} {errors}"
        )


async def in_this_process(seconds: int) -> None:
    """The same with the service in this very process, to look at it from within."""
    with Path(os.devnull).open("w") as nowhere:  # noqa: ASYNC230 -- once, before anything runs
        logs.configure("info", nowhere)
        await _in_this_process(seconds)


async def _in_this_process(seconds: int) -> None:
    async with _office() as (lab, ports), _phones(ports):
        described = Bridge(lab.asterisk.ami)
        settings = load_settings(described.config, {})
        inside = create_app(settings)
        server = Server(
            inside.asgi,
            http=settings.http,
            limits=settings.limits,
            draining=inside.draining,
            on_drain=lambda _: None,
            on_listening=lambda _: None,
        )
        serving = asyncio.create_task(server.serve())

        async def up() -> bool:
            return server.started and inside.link.state.up

        await until(up, "the service is up")
        await _calls(lab, described, seconds)
        server.should_exit = True
        await serving
        await described.close()


@asynccontextmanager
async def _office() -> AsyncIterator[tuple[Lab, dict[str, int]]]:
    """Asterisk, and the ports of the phones that SIPp plays."""
    sipp.allow_many_files()
    ports = {extension: free_port(sipp.PHONES) for extension in (_RINGS, _NEW, _TALKER)}
    text = "".join(sipp.phone(extension, port) for extension, port in (ports | {sipp.CALLER: 9}).items())
    async with Lab(phones=(), company=False, options=sipp.PORTS, files={"pjsip.conf": text}) as lab:
        await lab.ami.close()  # who would only be told of all these calls
        yield lab, ports


@asynccontextmanager
async def _phones(ports: Mapping[str, int]) -> AsyncIterator[None]:
    async with (
        sipp.Sipp("rings", port=ports[_RINGS]),
        sipp.Sipp("uas", port=ports[_NEW]),
        sipp.Sipp("uas", port=ports[_TALKER]),
    ):
        yield


async def _calls(lab: Lab, bridge: Bridge, seconds: int) -> tuple["_Picker", list[int], str]:
    """Let both kinds of calls come for so many seconds.

    Returns:
        Who picked up, and how the two callers ended, in a number and in words.
    """
    picker = _Picker(bridge)
    picking = asyncio.create_task(picker.run())
    await picker.listening.wait()
    sip_port = lab.asterisk.sip_port
    calls, pickups = CALLS_A_SECOND * seconds, PICKUPS_A_SECOND * seconds
    async with (
        sipp.callers(sip_port, _TALKER, rate=CALLS_A_SECOND, calls=calls, talk=2) as plain,
        sipp.callers(sip_port, _RINGS, rate=PICKUPS_A_SECOND, calls=pickups, talk=5) as picked,
    ):
        statuses = await asyncio.gather(plain.wait(), picked.wait())
        errors = (plain.errors() + picked.errors())[-300:] if any(statuses) else ""
    await asyncio.gather(*picker.tasks)
    picking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await picking
    return picker, list(statuses), errors


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
