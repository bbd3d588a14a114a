"""``make soak-calls``: a million calls through the whole service, from bytes to the JSON list, and no memory kept of them.

The service is a process of its own, and so is the PBX, which is made of bytes: recorded calls of all kinds, fifty
recordings at a time, as fast as the service can take them. Each 10,000 calls the list is read while calls are live,
and must show exactly those. Memory is read each time that no call is left, and must be within 5 % of what it was after
the first 50,000 (or the first quarter, of fewer than 200,000) in the end.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ami.fake import listening
from lab.service import OWNER, Bridge
from streams.pbx import BusyPbx
from streams.process import Metrics, cpu, memory
from streams.traffic import Traffic, company_calls

BURST = 250
"""Calls that are sent before it is waited for that they were worked off."""
LIST_EACH = 10_000
SETTLED_AFTER = 50_000
GROWTH = 1.05


@dataclass
class Soaked:
    """What was seen.

    Attributes:
        calls: how many.
        seconds: how long it took.
        cpu: the service's processor time, seconds.
        settled: MB after the first calls.
        memory: MB in the end.
        lists: how many were read.
        tasks: of the service's event loop, before the calls and after.
        faults: what was wrong.
    """

    calls: int = 0
    events: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    settled: float = 0.0
    memory: float = 0.0
    lists: int = 0
    tasks: tuple[int, int] = (0, 0)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        growth = (self.memory / self.settled - 1) * 100
        each, share = self.cpu / self.calls * 1e6, self.cpu / self.events * 1e6
        lines = [
            f"{self.calls} calls in {self.seconds:.0f} s, {self.calls / self.seconds:.0f} a second; {self.events} events",
            f"{self.lists} lists read, each with the calls that lived just then, and no others",
            f"processor time of the service {self.cpu:.0f} s: {each:.0f} us a call, {share:.1f} us an event",
            f"its memory {self.settled:.1f} MB after the first, {self.memory:.1f} MB in the end: {growth:+.1f} %",
            f"its tasks {self.tasks[0]} before, {self.tasks[1]} in the end",
        ]
        return "\n".join([*lines, *self.faults])


async def soak(calls: int, seed: int, say: Callable[[str], None] = lambda _: None) -> Soaked:
    """Send so many calls through a service of our own.

    Args:
        calls: How many, at least.
        seed: Of what is random.
        say: Told how it goes, now and then.
    """
    seen = Soaked()
    settled_after = min(SETTLED_AFTER, calls // 4)
    list_each = min(LIST_EACH, settled_after)
    pbx = BusyPbx(traffic=Traffic(random.Random(seed)))
    traffic, started = pbx.traffic, time.monotonic()
    async with listening(pbx), Bridge(pbx.login) as bridge:
        tasks = await _tasks(bridge)
        while traffic.begun < calls:
            until = min(traffic.begun + list_each, calls)
            while traffic.begun < until:
                await pbx.tell(traffic.more(min(BURST, until - traffic.begun)))
                await _worked_off(bridge, pbx)
            await _list(bridge, traffic, seen)
            await pbx.tell(traffic.rest())
            await _worked_off(bridge, pbx)
            await _list(bridge, traffic, seen)
            seen.memory = memory(bridge.pid)
            if not seen.settled and traffic.begun >= settled_after:
                seen.settled = seen.memory
            if traffic.begun // 50_000 > seen.calls // 50_000:
                say(f"{traffic.begun} calls, {time.monotonic() - started:.0f} s, {seen.memory:.1f} MB")
            seen.calls = traffic.begun
        seen.seconds, seen.cpu, seen.events = time.monotonic() - started, cpu(bridge.pid), pbx.told
        seen.tasks = (
            tasks,
            await _tasks_in_the_end(bridge, tasks + 1),
        )  # one for a connection of our own client
        if seen.tasks[1] > tasks + 1:
            seen.faults.append("tasks are left")
        if pbx.sessions != 1:
            seen.faults.append(f"the link was lost {pbx.sessions - 1} times")
        if seen.memory > seen.settled * GROWTH:
            seen.faults.append("memory has grown")
        seen.faults += [
            line for line in bridge.log().splitlines() if '"level": "error"' in line or "Traceback" in line
        ][:10]
    await pbx.until_alone()
    return seen


async def _tasks(bridge: Bridge) -> int:
    return int(Metrics((await bridge.http.get("/metrics")).text).total("uapi_tasks"))


async def _tasks_in_the_end(bridge: Bridge, expected: int) -> int:
    """Let those that wait for the rest of a pickup end by themselves, within seconds."""
    for _ in range(100):
        if (left := await _tasks(bridge)) <= expected:
            break
        await asyncio.sleep(0.1)
    return left


async def _worked_off(bridge: Bridge, pbx: BusyPbx) -> None:
    """Wait until the service has counted every event that was said."""
    async with asyncio.timeout(60):
        while True:
            page = Metrics((await bridge.http.get("/metrics")).text)
            if page.total("uapi_ami_events_total") >= pbx.told:
                return
            await asyncio.sleep(0.01)


async def _list(bridge: Bridge, traffic: Traffic, seen: Soaked) -> None:
    response = await bridge.get("@me", "@self", token=OWNER, params={"count": "5000"})
    shown = {call["id"] for call in response.json()["entry"]}
    expected = traffic.live() | company_calls()
    seen.lists += 1
    if shown != expected:
        seen.faults.append(
            f"after {traffic.begun} calls: {shown - expected} are no calls, {expected - shown} are not shown"
        )


def main() -> int:
    """Run, and tell what was seen; the exit status is 1 where anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m streams.soak", description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    seen = asyncio.run(soak(options.calls, options.seed, lambda line: print(line, flush=True)))
    print(seen)
    return 1 if seen.faults else 0


if __name__ == "__main__":
    sys.exit(main())
