"""What the routes work with, and the one thing they share: whether the service is about to stop."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from bridge.calls import Call
from bridge.directory import Directory
from bridge.grammar import CallId, Extension
from bridge.pickup import PickupRequest, PickupResult
from bridge.settings import Settings
from bridge.tokens import Tokens
from bridge.uapi.limits import Limiter


class Calls(Protocol):
    """The live calls, as far as the API reads them."""

    def call(self, id_: CallId) -> Call | None:
        """The live call with this id."""

    def calls_of(self, extension: Extension) -> list[Call]:
        """The live calls listed under an extension."""

    def calls(self) -> list[Call]:
        """All live calls."""

    def extensions(self) -> Iterable[Extension]:
        """The extensions that have a live call."""


class Pickups(Protocol):
    """Who picks calls up."""

    async def pick_up(self, request: PickupRequest) -> PickupResult:
        """Pick a call up. Whoever cancels the waiting for it does not cancel the pickup."""


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
        pickups: Who picks them up.
        pbx: How it stands with the PBX, asked anew for each request.
        is_phone: Whether the PBX knows an extension as a phone.
        limiter: What one client may ask for.
        draining: Whether the end has begun.
    """

    settings: Settings
    directory: Directory
    tokens: Tokens
    calls: Calls
    pickups: Pickups
    pbx: Callable[[], LinkStatus]
    is_phone: Callable[[Extension], bool]
    limiter: Limiter
    draining: Draining = field(default_factory=Draining)
