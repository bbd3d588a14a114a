"""The service put together in one function: settings, picture, directory, AMI link, pickups and the HTTP side."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import structlog
from starlette.routing import Router

from bridge.ami import READ, Link, LinkState
from bridge.calls import Headers, Picture
from bridge.directory import Directory
from bridge.endpoints import Endpoints
from bridge.grammar import Extension
from bridge.metrics import Metrics
from bridge.pickup import Pbx, Pickups
from bridge.settings import Settings
from bridge.tokens import Tokens
from bridge.uapi import Draining, Feed, Limiter, Service, create_api

log = structlog.get_logger(__name__)


class RunningPbx(Pbx, Protocol):
    """A link to the PBX that lives as long as the service."""

    @property
    def lag(self) -> float:
        """Seconds that the reader of events is behind."""

    async def run(self) -> None:
        """Keep the link up until cancelled."""


MakeLink = Callable[[Callable[[Headers, float], None], Callable[[LinkState], None]], RunningPbx]
"""Makes the link from what takes its events and what is told of its state."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """The service, put together.

    Args:
        asgi: What answers HTTP; its lifespan keeps the link to the PBX.
        link: That link.
        picture: The live calls.
        pickups: Who picks them up.
        draining: Whether the end has begun.
        feed: Who is told of what happens to calls.
    """

    asgi: Router
    link: RunningPbx
    picture: Picture
    pickups: Pickups
    draining: Draining
    feed: Feed


def create_app(
    settings: Settings,
    *,
    picture: Picture | None = None,
    make_link: MakeLink | None = None,
    on_state: Callable[[LinkState], None] = lambda _: None,
) -> Bridge:
    """Put the service together.

    Args:
        settings: The configuration.
        picture: The live calls, such as replayed ones; an empty picture where None.
        make_link: Makes another link than the AMI's, such as a scripted one.
        on_state: Told each change of the link's state.
    """
    directory = Directory(settings)
    endpoints = settings.endpoints()
    if picture is None:
        picture = create_picture(settings, endpoints)
    picture.keep_lists(directory.scopes_of)

    def take_event(event: Headers, at: float) -> None:
        pickups.on_event(event, at)
        metrics.on_event(event)
        feed.stir()

    def take_state(state: LinkState) -> None:
        pickups.on_state(state)
        metrics.on_state(state)
        feed.link(up=state.up, reason=state.reason)
        on_state(state)

    if make_link is None:
        link: RunningPbx = Link(
            settings.ami,
            context=settings.pbx.context,
            on_event=take_event,
            on_state=take_state,
            read=READ,
        )
    else:
        link = make_link(take_event, take_state)
    pickups = Pickups(picture, link, endpoints, settings.pbx.context)
    metrics = Metrics(
        live_calls=lambda: len(picture.calls()), listeners=lambda: feed.listeners, lag=lambda: link.lag
    )
    pickups.on_outcome = metrics.on_outcome
    draining = Draining()
    feed = Feed(picture, directory)
    draining.at_end.append(feed.close)
    devices = picture.devices

    def is_phone(extension: Extension) -> bool:
        endpoint = endpoints.endpoint(extension)
        # Others than chan_pjsip list a phone only once its state has changed: whether it exists is asked at its pickup.
        return endpoint is not None and (endpoint in devices or not endpoint.startswith("PJSIP/"))

    def phones() -> Iterator[Extension]:
        return (phone for device in devices if (phone := endpoints.of_device(device)) and is_phone(phone))

    @contextlib.asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        running = asyncio.create_task(link.run())
        try:
            yield
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    service = Service(
        settings=settings,
        directory=directory,
        tokens=Tokens(settings, directory),
        calls=picture,
        feed=feed,
        pickups=metrics.timing(pickups),
        pbx=lambda: link.state,
        is_phone=is_phone,
        phones=phones,
        limiter=Limiter(settings.limits),
        draining=draining,
    )
    pages = {"/metrics": metrics.respond}
    api = create_api(service, on_answer=metrics.on_answer, lifespan=lifespan, pages=pages)
    return Bridge(api, link, picture, pickups, draining, feed)


def create_picture(settings: Settings, endpoints: Endpoints) -> Picture:
    """An empty picture of the PBX that a configuration describes."""
    return Picture(endpoints, {queue.name: queue.extension for queue in settings.queues})
