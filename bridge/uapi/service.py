"""What the routes work with, and the one thing they share: whether the service is about to stop."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from bridge.directory import Directory
from bridge.grammar import CallId, Extension
from bridge.pickup import PickupRequest, PickupResult
from bridge.settings import Settings
from bridge.tokens import Tokens
from bridge.uapi.addresses import Calls
from bridge.uapi.feed import Feed
from bridge.uapi.limits import Limiter


class Pickups(Protocol):
    """Who picks calls up."""

    async def pick_up(self, request: PickupRequest) -> PickupResult:
        """Pick a call up. Whoever cancels the waiting for it does not cancel the pickup."""

    async def know(self, call: CallId) -> None:
        """Wait until it is known what the live pickups of a call are for: at most some seconds, mostly not at all."""


class LinkStatus(Protocol):
    """How it stands with the PBX."""

    @property
    def up(self) -> bool:
        """Whether what is known of the calls is true now."""

    @property
    def reason(self) -> str:
        """Why not, in a sentence."""


class Draining:
    """The end of the service: new updates are refused, those that wait are answered first."""

    def __init__(self) -> None:
        self.active = False
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.at_end: list[Callable[[], None]] = []

    def end(self) -> None:
        """Tell those who go on until nobody waits any more, on the event loop."""
        for told in self.at_end:
            told()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """An update is being worked on."""
        self._busy += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def idle(self) -> None:
        """Wait until no update is being worked on."""
        await self._idle.wait()


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that the routes need.

    Args:
        settings: The configuration.
        directory: Who owns what.
        tokens: Who is calling.
        calls: The live calls.
        feed: What happens to them.
        pickups: Who picks them up.
        pbx: How it stands with the PBX, asked anew for each request.
        is_phone: Whether the PBX knows an extension as a phone.
        phones: All that it knows as such.
        limiter: What one client may ask for.
        draining: Whether the end has begun.
    """

    settings: Settings
    directory: Directory
    tokens: Tokens
    calls: Calls
    feed: Feed
    pickups: Pickups
    pbx: Callable[[], LinkStatus]
    is_phone: Callable[[Extension], bool]
    phones: Callable[[], Iterable[Extension]]
    limiter: Limiter
    draining: Draining = field(default_factory=Draining)
