"""A link under test: what it handed on and what it said, and waits for facts about it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr
from structlog.testing import capture_logs

from ami.fake import FakeAsterisk
from bridge.ami import Link, LinkState, Originate, Timing
from bridge.calls import Headers
from bridge.grammar import CallerId, Endpoint, PickupId
from bridge.settings import AmiSettings

SECRET = "wholly-secret-word"
QUICK = Timing(backoff=0.01, backoff_most=0.05, refused=0.02)
"""Comes back at once, but is as patient as ever."""
IMPATIENT = Timing(answer=0.4, ping=0.1, goodbye=0.1, backoff=0.01, backoff_most=0.05, refused=0.02)

PICKUP = PickupId.parse("uapi-b817d2618fe6f1804333-1")


def originate(**changes: Any) -> Originate:
    given: dict[str, Any] = {
        "endpoint": Endpoint.parse("PJSIP/0003*024"),
        "pickup": PICKUP,
        "context": "uapi-pickup",
        "timeout_ms": 25_000,
        "caller": CallerId.parse("John Doe <42420042>"),
        "variables": {"UAPI_VIEW": "01"},
    }
    return Originate(**given | changes)


@dataclass
class Linked:
    logs: Sequence[MutableMapping[str, Any]]
    events: list[Headers] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    states: list[LinkState] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    on_event: Callable[[Headers], None] | None = None
    link: Link = field(init=False)

    def took(self, headers: Headers, at: float) -> None:
        self.events.append(headers)
        self.times.append(at)
        self.changed.set()
        if self.on_event:
            self.on_event(headers)

    def changes(self, state: LinkState) -> None:
        self.states.append(state)
        self.changed.set()

    def names(self) -> list[str | list[str]]:
        return [headers["Event"] for headers in self.events]

    def logged(self, event: str) -> list[MutableMapping[str, Any]]:
        return [line for line in self.logs if line["event"] == event]

    async def until(self, fact: Callable[[], bool], seconds: float = 10) -> None:
        async with asyncio.timeout(seconds):
            while not fact():
                self.changed.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.changed.wait(), 0.02)

    async def until_up(self, boot: int = 1) -> None:
        await self.until(lambda: self.link.state.up and self.link.state.boot >= boot)

    async def until_down(self) -> None:
        await self.until(lambda: not self.link.state.up)


@asynccontextmanager
async def linked(fake: FakeAsterisk, timing: Timing = QUICK, **settings: Any) -> AsyncIterator[Linked]:
    """Run a link to a fake PBX; afterwards nothing that it logged has the secret in it."""
    with capture_logs() as logs:
        given = {"host": "127.0.0.1", "port": fake.port, "secret": SecretStr(SECRET)} | settings
        it = Linked(logs)
        it.link = Link(
            AmiSettings.model_validate(given),
            context="uapi-pickup",
            on_event=it.took,
            on_state=it.changes,
            clock=time.time,
            timing=timing,
        )
        task = asyncio.create_task(it.link.run())
        try:
            yield it
            assert not task.done()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    assert SECRET not in repr(logs)
