"""``make fuzz-ami``: hostile bytes against the bridge, round after round, and what must hold of it.

A round takes the traffic of a few calls, does it harm (``streams.hostile``), cuts it anywhere, and has it read, by turns
by the reader and the core alone, which is quick, and by the whole service behind its real link. Nothing may raise, the
picture must hold together, the JSON list must be there; after the next resync it shows what a bridge shows that has
just been started, and when all calls are over nothing is left. Memory may not grow from the first tenth on.
"""

import argparse
import asyncio
import contextlib
import gc
import os
import random
import sys
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import httpx2
from structlog.testing import capture_logs

from ami.fake import listening
from bridge.ami import AmiError, Link, Timing
from bridge.ami.protocol import BadStream, Decoder, Framer
from bridge.app import Bridge as App
from bridge.app import create_app
from bridge.calls import WANTED, Call, Picture
from bridge.settings import Settings
from calls.checks import check
from lab.service import OWNER, configuration
from recorded.joining import calls
from recorded.telling import picture
from streams.hostile import harmed
from streams.pbx import BusyPbx
from streams.process import memory
from streams.traffic import QUESTIONS, Traffic, company_calls
from streams.wire import BANNER, segments

GROWTH = 16.0
"""MB that the process may grow by from the first tenth to the end."""
WHOLE = 20
"""One round in so many goes through the whole service."""
EXPECTED = frozenset({"ami.lost", "ami.no_answer"})
"""What may be logged as an error: connections that are given up."""


@dataclass
class Outcome:
    """What a run has seen."""

    rounds: int = 0
    whole: int = 0
    bytes: int = 0
    given_up: int = 0
    """Streams that were so bad that the connection was given up, as it should be."""
    seconds: float = 0.0
    settled: float = 0.0
    memory: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        streams = f"{self.rounds} streams, {self.whole} of them through the whole service, {self.bytes / 1e6:.0f} MB"
        lines = [
            f"{streams} in {self.seconds:.0f} s; {self.given_up} were so bad that the connection was given up",
            f"memory {self.settled:.1f} MB after the first tenth, {self.memory:.1f} MB at the end",
            f"{self.faults.total()} faults",
            *(f"{times} times: {fault}" for fault, times in self.faults.most_common(10)),
        ]
        return "\n".join(lines)


class Reader:
    """The bridge's reader and its core, without a link: what it was told last is its picture."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.picture = picture()
        self.picture.track_changes = True
        self.given_up = 0
        self._connect()

    def _connect(self) -> None:
        self._framer, self._decode = Framer(WANTED), Decoder()
        self._framer.feed(BANNER)

    def read(self, data: bytes) -> None:
        """Read a stream to its end; a connection whose stream is too bad is given up, and the next begins."""
        for part in segments(data, self._rng, 60_000):
            try:
                messages = self._framer.feed(part)
            except BadStream:
                self.given_up += 1
                break
            for message in messages:
                self.picture.apply(self._decode(message), 1.7e9)
            self.picture.take_changes()
        self._connect()


_resyncs = count(100)


def truth(traffic: Traffic) -> bytes:
    """What a resync is answered."""
    number = next(_resyncs)
    return b"".join(traffic.answer(question, f"resync-{number}/{question}") for question in QUESTIONS)


def fresh(traffic: Traffic) -> Picture:
    """What a bridge shows that has just been started."""
    reader = Reader(random.Random(0))
    reader.read(truth(traffic))
    return reader.picture


def same(now: Picture, expected: Picture) -> bool:
    """Whether two pictures show the same calls, but for what only one who was there can know."""
    return _told(now) == _told(expected)


def _told(one: Picture) -> dict[str, Call]:
    # When a talk was answered, Asterisk does not say of one that was re-bridged since.
    return {
        id_: replace(call, answered=None, legs=tuple(replace(leg, answered=None) for leg in call.legs))
        for id_, call in calls(one).items()
    }


def alone(rng: random.Random, seen: Outcome, harm: random.Random | None = None) -> None:
    """One round with the reader and the core.

    Args:
        rng: What is drawn from.
        seen: Where it is counted.
        harm: What the harm is drawn from, where that is something else.
    """
    traffic = Traffic(rng, at_once=rng.choice((1, 3, 10)))
    reader = Reader(rng)
    reader.read(truth(traffic))
    data = harmed(traffic.more(rng.choice((1, 3, 8))), harm or rng)
    seen.bytes += len(data)
    reader.read(data)
    check(reader.picture)
    reader.read(truth(traffic))
    check(reader.picture)
    assert same(reader.picture, fresh(traffic)), "after the resync it is not what a fresh one shows"
    traffic.stop()
    reader.read(truth(traffic))
    assert {call.id for call in reader.picture.calls()} == company_calls(), "a call is left over"
    assert reader.picture.devices.keys() == fresh(traffic).devices.keys(), "a device is left over"
    seen.given_up += reader.given_up


class Service:
    """The whole service in this process, behind a link to a PBX that is made of bytes."""

    def __init__(self, pbx: BusyPbx, bridge: App, http: httpx2.AsyncClient, logs: list[Any]) -> None:
        self.pbx = pbx
        self._app = bridge
        self._http = http
        self._logs = logs

    @property
    def picture(self) -> Picture:
        """What it knows of the calls."""
        return self._app.picture

    async def round(self, rng: random.Random, seen: Outcome) -> None:
        """One round."""
        pbx = self.pbx
        traffic = pbx.traffic = Traffic(rng, at_once=rng.choice((1, 3, 10)))
        await self.resynced()
        data = harmed(traffic.more(rng.choice((1, 3, 8))), rng)
        seen.bytes += len(data)
        sessions = pbx.sessions
        for part in segments(data, rng, 60_000):
            pbx.say(part)
            await asyncio.sleep(0)
        await self.list()
        if not data.endswith(b"\r\n\r\n"):
            pbx.hang_up()
        await self.resynced()
        seen.given_up += pbx.sessions > sessions
        check(self.picture)
        assert await self.list() == traffic.live() | company_calls(), "the list is not what is true"
        assert same(self.picture, fresh(traffic)), "after the resync it is not what a fresh one shows"
        traffic.stop()
        await self.resynced()
        assert await self.list() == company_calls(), "a call is left over"
        faults = [
            line for line in self._logs if line["log_level"] == "error" and line["event"] not in EXPECTED
        ]
        self._logs.clear()
        assert not faults, f"logged: {faults[0]}"

    async def resynced(self) -> None:
        """Wait for a resync that is begun from now on; a connection that was given up comes back by itself."""
        async with asyncio.timeout(30):
            while True:
                try:
                    await self._link.resync()
                except AmiError:
                    await asyncio.sleep(0.01)
                else:
                    return

    @property
    def _link(self) -> Link:
        assert isinstance(self._app.link, Link)
        return self._app.link

    async def list(self) -> set[str]:
        """The ids in the JSON list of all calls; none where the list says that there is no PBX just now."""
        response = await self._http.get("/uapi/phoneCalls/@me/@self", params={"count": "5000"})
        if response.status_code == 503:
            return set()
        assert response.status_code == 200, response.text
        return {call["id"] for call in response.json()["entry"]}


@asynccontextmanager
async def service(
    timing: Timing = Timing(backoff=0.01, backoff_most=0.05, refused=0.02),  # noqa: B008 (it is frozen)
) -> AsyncIterator[Service]:
    """Bring it up."""
    pbx = BusyPbx()
    async with listening(pbx):
        settings = Settings.model_validate(tomllib.loads(configuration(pbx.login)))
        with capture_logs() as logs:
            app = create_app(
                settings,
                make_link=lambda take, told: Link(
                    settings.ami, context="uapi-pickup", on_event=take, on_state=told, timing=timing
                ),
            )
            running = asyncio.create_task(app.link.run())
            try:
                async with httpx2.AsyncClient(
                    transport=httpx2.ASGITransport(app.asgi),
                    base_url="http://h",
                    headers={"Authorization": f"Bearer {OWNER}"},
                ) as http:
                    yield Service(pbx, app, http, logs)
            finally:
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running
    await pbx.until_alone()


async def fuzz(
    rounds: int, seconds: float, seed: int, say: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Go on for so many rounds, or so many seconds.

    Args:
        rounds: How many; 0 for no limit.
        seconds: How long; 0 for no limit.
        seed: What is drawn from; each round has a seed of its own, made of it and its number.
        say: Told of each fault as it is found.
    """
    seen, started = Outcome(), time.monotonic()
    async with service() as whole:
        while True:
            seen.seconds = time.monotonic() - started
            done = max(seen.rounds / rounds if rounds else 0.0, seen.seconds / seconds if seconds else 0.0)
            if not seen.settled and done >= 0.1:
                seen.settled = _memory()
            if done >= 1:
                break
            rng = random.Random(f"{seed} {seen.rounds}")
            seen.rounds += 1
            try:
                if seen.rounds % WHOLE == 1:
                    seen.whole += 1
                    await whole.round(rng, seen)
                else:
                    alone(rng, seen)
            except Exception as error:  # noqa: BLE001 (each is a fault, and the next round begins anew)
                where = traceback.extract_tb(error.__traceback__)[-1]
                fault = f"{type(error).__name__}: {str(error)[:300]} ({where.name}, line {where.lineno})"
                seen.faults[fault] += 1
                if seen.faults[fault] == 1:
                    say(f"round {seen.rounds} of seed {seed}: {fault}")
    seen.memory = _memory()
    if seen.memory > seen.settled + GROWTH:
        seen.faults["memory has grown"] += 1
    return seen


def _memory() -> float:
    gc.collect()
    return memory(os.getpid())


def main() -> int:
    """Run, and tell what was seen; the exit status is 1 where anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m streams.fuzz")
    parser.add_argument("--rounds", type=int, default=0, help="how many; 0 for no limit")
    parser.add_argument("--seconds", type=float, default=600, help="how long; 0 for no limit")
    parser.add_argument("--seed", type=int, default=None, help="another each time where not given")
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    seen = asyncio.run(fuzz(options.rounds, options.seconds, seed, lambda line: print(line, flush=True)))
    print(seen)
    return 1 if seen.faults else 0


if __name__ == "__main__":
    sys.exit(main())
