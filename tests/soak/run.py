"""``make soak``: half an hour of calls on a real Asterisk, and of pickups by the API, and what is left of them.

SIPp dials a hundred phones a second, each of which rings for a second and talks for two. Ten times a second it dials a
phone that nobody answers, and the API has another phone pick that call up. In the end every caller must have had the
whole of his call, every pickup must have been connected unless the PBX refused it, and nothing may be left: no channel
in Asterisk, no call in the bridge's list, no more tasks, sockets and memory than after the first minutes.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx2

from bridge.grammar import CallId
from lab.asterisk import Asterisk
from lab.ports import until
from lab.service import JOHN, OWNER, Bridge
from soak.sipp import CALLERS, Sipp
from streams.process import Metrics, cpu, files, memory

ANSWERING = tuple(f"0003*{number}" for number in range(120, 150))
"""Phones that are answered after a second."""
RINGING = tuple(f"0003*{number}" for number in range(150, 170))
"""Phones that nobody answers."""
TAKING = tuple(f"0003*{number}" for number in range(170, 200))
"""Phones that pick up."""
RINGS = 15
"""Seconds that a phone is rung by a pickup; each answers after a fifth of one."""
LONGEST = 40
"""Seconds that no call lasts; one that is listed longer is a ghost."""
KEPT_ALIVE = 22
"""Connections that our own client may keep for its next requests."""
MORE_TASKS = 2
"""For those connections."""
GROWTH = 1.05
SPARE = 8.0
"""MB that it may grow by besides: the most calls at a time may come late."""


@dataclass
class Soaked:
    """What was seen."""

    seconds: float = 0.0
    calls: int = 0
    failed_calls: int = 0
    why_failed: str = ""
    pickups: Counter[str] = field(default_factory=Counter)
    """By outcome: ``connected``, or the status and the message."""
    refused: int = 0
    """Of those, the ones that the PBX refused."""
    most_live: int = 0
    worst_lag: float = 0.0
    worst_list: float = 0.0
    """Seconds for the slowest list of all calls."""
    bridge_cpu: float = 0.0
    asterisk_cpu: float = 0.0
    events: float = 0.0
    settled: tuple[float, int, int] = (0.0, 0, 0)
    """Memory in MB, open files and tasks before the calls, but memory after the first of them."""
    left: tuple[float, int, int] = (0.0, 0, 0)
    """The same in the end."""
    asterisk_memory: tuple[float, float] = (0.0, 0.0)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        outcomes = ", ".join(f"{times} {outcome}" for outcome, times in self.pickups.most_common())
        (before, files_, tasks), (after, files_left, tasks_left) = self.settled, self.left
        ours, asterisks = self.bridge_cpu / self.seconds, self.asterisk_cpu / self.seconds
        lines = [
            f"{self.calls} calls in {self.seconds:.0f} s, {self.calls / self.seconds:.1f} a second",
            f"{self.failed_calls} of them failed {self.why_failed}",
            f"{self.pickups.total()} pickups: {outcomes}",
            f"at most {self.most_live} calls live; slowest list of all {self.worst_list * 1000:.0f} ms",
            f"reading of AMI behind by {self.worst_lag * 1000:.0f} ms at worst",
            f"processor: bridge {ours:.1%} of a core ({self.events / self.seconds:.0f} events/s), Asterisk {asterisks:.1%}",
            f"bridge: memory {before:.1f} MB, {after:.1f} MB in the end; files {files_}, {files_left}; tasks {tasks}, {tasks_left}",
            f"Asterisk: memory {self.asterisk_memory[0]:.0f} MB, {self.asterisk_memory[1]:.0f} MB in the end",
        ]
        return "\n".join([*lines, *self.faults])


def conf_of_phone(extension: str, sipp: Sipp) -> str:
    """The endpoint of a phone that is one of SIPp's."""
    return f"""
[{extension}]
type = endpoint
context = internal
disallow = all
allow = ulaw
direct_media = no
send_connected_line = no
aors = {extension}
callerid = "Ext {extension[5:]}" <{extension}>
[{extension}]
type = aor
max_contacts = 1
contact = sip:{extension}@{sipp.address}:{sipp.port}
"""


def conf_of_callers() -> str:
    """The endpoint of whoever calls from the callers' address."""
    return f"""
[load]
type = endpoint
context = internal
disallow = all
allow = ulaw
direct_media = no
send_connected_line = no
[load-identify]
type = identify
endpoint = load
match = {CALLERS}
"""


class Soak:
    """One run.

    Args:
        asterisk: The PBX.
        bridge: The service on it.
        seen: What is seen goes there.
    """

    def __init__(self, asterisk: Asterisk, bridge: Bridge, seen: Soaked) -> None:
        self._asterisk = asterisk
        self._bridge = bridge
        self._seen = seen
        self._known: deque[str] = deque(maxlen=1000)
        self._turn = 0
        self._waiting: set[asyncio.Task[None]] = set()

    async def metrics(self) -> Metrics:
        """What the service says of itself."""
        return Metrics((await self._bridge.http.get("/metrics")).text)

    async def standing(self) -> tuple[float, int, int]:
        """Memory, open files and tasks of the service."""
        tasks = int((await self.metrics()).total("uapi_tasks"))
        return memory(self._bridge.pid), files(self._bridge.pid), tasks

    async def standing_in_the_end(self, tasks: int) -> tuple[float, int, int]:
        """The same once the tasks that wait for the rest of a pickup have ended by themselves, within seconds."""
        for _ in range(50):
            if (left := await self.standing())[2] <= tasks + MORE_TASKS:
                break
            await asyncio.sleep(0.2)
        return left

    async def picks_up(self) -> None:
        """Pick up whatever rings at the phones that nobody answers, until cancelled."""
        while True:
            for extension in RINGING:
                began = time.monotonic()
                for call in await self._bridge.calls(extension):
                    ringing = [
                        view["id"]
                        for view in call["phoneCallView"]
                        if view["extension"] == extension and view["status"] == "3" and "pickUp" not in view
                    ]
                    if ringing and call["id"] not in self._known:
                        self._known.append(call["id"])
                        task = asyncio.create_task(self._pick_up(extension, call["id"], ringing[0]))
                        self._waiting.add(task)
                        task.add_done_callback(self._over)
                await asyncio.sleep(max(0.0, 1 / len(RINGING) - (time.monotonic() - began)))

    async def _pick_up(self, extension: str, call: str, view: str) -> None:
        to = TAKING[self._turn % len(TAKING)]
        self._turn += 1
        began = time.monotonic()
        try:
            response = await self._bridge.pick_up(
                extension, call, to, view=view, token=JOHN, wait=RINGS + 5, ring=RINGS
            )
        except httpx2.HTTPError as error:
            self._seen.pickups[f"no reply ({error!r})"] += 1
            return
        if response.status_code == 200:
            views = {one["extension"]: one for one in response.json()["phoneCallView"]}
            taken = views.get(to, {}).get("pickUp", {}).get("status")
            self._seen.pickups[
                "connected" if taken == "connected" else f"200 without it: {response.text}"
            ] += 1
        elif response.status_code == 204 and time.monotonic() - began >= RINGS:
            self._seen.pickups["not answered in time"] += 1
            self._seen.refused += 1
        elif response.status_code == 204:
            self._seen.pickups[f"204 after {time.monotonic() - began:.1f} s"] += 1
        elif response.status_code == 202:
            self._seen.pickups[f"no outcome within {RINGS + 5} s"] += 1
        else:
            told = response.json()["error"]
            self._seen.pickups[f"{response.status_code} {told['code']}: {told['message']}"] += 1
            if told["code"] == "pc_sendcallto_unavailable":
                self._seen.refused += 1

    def _over(self, task: "asyncio.Task[None]") -> None:
        self._waiting.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._seen.faults.append(repr(error))

    async def answered(self) -> None:
        """Wait until every pickup has its answer."""
        if self._waiting:
            await asyncio.wait(self._waiting, timeout=30)

    async def watches(self, say: Callable[[str], None]) -> None:
        """Look at the list and the metrics now and then, until cancelled."""
        began, said = time.monotonic(), 0.0
        while True:
            asked = time.monotonic()
            calls = await self._listed()
            self._seen.worst_list = max(self._seen.worst_list, time.monotonic() - asked)
            await self._no_ghosts([call for call in calls if _age(call) > LONGEST])
            metrics = await self.metrics()
            self._seen.most_live = max(self._seen.most_live, len(calls))
            self._seen.worst_lag = max(self._seen.worst_lag, metrics.total("uapi_ami_lag_seconds"))
            if asked - began > said + 60:
                said = asked - began
                say(
                    f"{said:.0f} s: {len(calls)} calls live, {self._seen.pickups['connected']} of"
                    f" {self._seen.pickups.total()} pickups connected, {memory(self._bridge.pid):.1f} MB"
                )
            await asyncio.sleep(1)

    async def _listed(self) -> list[dict[str, Any]]:
        """All calls that the bridge lists."""
        params = {"count": "5000", "fields": "id,published"}
        calls: list[dict[str, Any]] = (
            await self._bridge.get("@me", "@self", token=OWNER, params=params)
        ).json()["entry"]
        return calls

    async def _no_ghosts(self, old: list[dict[str, Any]]) -> None:
        """See whether Asterisk has the callers of calls that should long be over; if not, the list has to know it soon."""
        if not old or len(self._seen.faults) >= 10:
            return
        there = {CallId.of(row.uniqueid) for row in await self._asterisk.channels()}
        gone = {call["id"] for call in old} - there
        if gone:
            await asyncio.sleep(5)
            if ghosts := [call for call in await self._listed() if call["id"] in gone]:
                self._seen.faults.append(f"ghosts: {json.dumps(ghosts[:3])}")

    async def nothing_left(self) -> None:
        """Wait until all calls are over, by Asterisk's word and by the bridge's."""

        async def nobody() -> bool:
            return not await self._asterisk.channels()

        async def nothing() -> bool:
            response = await self._bridge.get("@me", "@self", token=OWNER)
            return bool(response.json()["totalResults"] == 0)

        try:
            await until(nobody, "Asterisk has no channel", timeout=60, every=0.5)
            await until(nothing, "the list is empty", timeout=20, every=0.1)
        except TimeoutError as left:
            self._seen.faults.append(str(left))
            self._seen.faults += [str(row) for row in await self._asterisk.channels()][:5]


def _age(call: dict[str, Any]) -> float:
    return time.time() - datetime.fromisoformat(call["published"]).timestamp()


async def soak(
    seconds: float,
    calls: float,
    pickups: float,
    *,
    version: int = 22,
    say: Callable[[str], None] = lambda _: None,
) -> Soaked:
    """Run.

    Args:
        seconds: How long calls begin.
        calls: How many a second.
        pickups: How many a second.
        version: Asterisk's.
        say: Told how it goes, now and then.
    """
    seen = Soaked()
    async with AsyncExitStack() as stack:
        phones = {group: Sipp("called", ring=ring) for group, ring in _RINGS.items()}
        conf = conf_of_callers() + "".join(
            conf_of_phone(one, sipp) for group, sipp in phones.items() for one in group
        )
        asterisk = await stack.enter_async_context(Asterisk(version=version, files={"pjsip.conf": conf}))
        for sipp in phones.values():
            await stack.enter_async_context(sipp)
        bridge = await stack.enter_async_context(Bridge(asterisk.ami))
        run = Soak(asterisk, bridge, seen)
        _, files_before, tasks_before = await run.standing()
        began, cpus = time.monotonic(), (cpu(bridge.pid), cpu(asterisk.pid))
        crowds = [
            Sipp(
                "caller", "-r", f"{rate * 10:.0f}", "-rp", "10000", "-m", f"{rate * seconds:.0f}", "-l", "3000",
                f"127.0.0.1:{asterisk.sip_port}", address=CALLERS, numbers=numbers,
            )
            for rate, numbers in ((calls, ANSWERING), (pickups, RINGING))
        ]  # fmt: skip
        for crowd in crowds:
            await stack.enter_async_context(crowd)
        work = [asyncio.create_task(run.picks_up()), asyncio.create_task(run.watches(say))]
        try:
            await asyncio.sleep(seconds / 4)
            seen.settled = (memory(bridge.pid), files_before, tasks_before)
            asterisk_memory = memory(asterisk.pid)
            statuses = [await crowd.wait(seconds + 120) for crowd in crowds]
            await run.answered()
        finally:
            for task in work:
                task.cancel()
            gone = await asyncio.gather(*work, return_exceptions=True)
        seen.faults += [f"{end!r}" for end in gone if not isinstance(end, asyncio.CancelledError)]
        seen.seconds = time.monotonic() - began
        seen.bridge_cpu, seen.asterisk_cpu = cpu(bridge.pid) - cpus[0], cpu(asterisk.pid) - cpus[1]
        seen.events = (await run.metrics()).total("uapi_ami_events_total")
        await run.nothing_left()
        seen.left = await run.standing_in_the_end(tasks_before)
        seen.asterisk_memory = asterisk_memory, memory(asterisk.pid)
        for crowd, status in zip(crowds, statuses, strict=True):
            counts = crowd.counts()
            seen.calls += counts["TotalCallCreated"]
            seen.failed_calls += counts["FailedCall"]
            if status or counts["FailedCall"]:
                seen.why_failed += str(
                    {name: n for name, n in counts.items() if name.startswith("Failed") and n}
                )
                seen.why_failed += crowd.errors()[-600:]
        _judge(seen, bridge, await run.metrics(), seconds * pickups)
    return seen


_RINGS = {ANSWERING: 1000, RINGING: 30_000, TAKING: 200}
"""Milliseconds until each kind of phone is answered."""


def _judge(seen: Soaked, bridge: Bridge, metrics: Metrics, pickups: float) -> None:
    if seen.failed_calls:
        seen.faults.append("callers were not served")
    failed = seen.pickups.total() - seen.pickups["connected"] - seen.refused
    if failed:
        seen.faults.append(f"{failed} pickups failed that the PBX has not refused")
    if seen.pickups["connected"] < 0.95 * pickups:
        seen.faults.append("too few pickups")
    (before, files_before, tasks_before), (after, files_after, tasks_after) = seen.settled, seen.left
    if after > before * GROWTH + SPARE:
        seen.faults.append("memory has grown")
    if files_after > files_before + KEPT_ALIVE or tasks_after > tasks_before + MORE_TASKS:
        seen.faults.append("sockets or tasks are left")
    if metrics.total("uapi_ami_reconnects_total"):
        seen.faults.append("the link to the PBX was lost")
    errors = [line for line in bridge.log().splitlines() if "Traceback" in line or '"level": "error"' in line]
    seen.faults += errors[:10]


def main() -> int:
    """Run, and tell what was seen; the exit status is 1 where anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m soak.run")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--calls", type=float, default=100, help="a second")
    parser.add_argument("--pickups", type=float, default=10, help="a second")
    parser.add_argument("--asterisk", type=int, default=22)
    options = parser.parse_args()
    seen = asyncio.run(
        soak(
            options.minutes * 60,
            options.calls,
            options.pickups,
            version=options.asterisk,
            say=lambda line: print(line, flush=True),
        )
    )
    print(seen)
    return 1 if seen.faults else 0


if __name__ == "__main__":
    sys.exit(main())
