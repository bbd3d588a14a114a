"""What the service tells Prometheus: the table of metrics, and the few places where something is counted.

The service calls the hooks; nothing here changes what it does. Times are our own clock's, taken as events are worked
off, so that they say what a caller of the API would have noticed.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    Metric,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from bridge import __version__
from bridge.ami import LinkState
from bridge.calls import Headers, Pickup, PickupStatus, text
from bridge.grammar import CallId, PickupId
from bridge.pickup import PickupRequest, PickupResult

RINGS_WITHIN = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
BRIDGED_WITHIN = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

_RINGING, _UP = "5", "6"
"""Asterisk's channel states."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class PicksUp(Protocol):
    """Who picks calls up."""

    async def pick_up(self, request: PickupRequest) -> PickupResult:
        """Pick a call up."""

    async def know(self, call: CallId) -> None:
        """Wait until it is known what the live pickups of a call are for."""


@dataclass(slots=True)
class _Leg:
    """A pickup leg: when its PUT came, until it has rung; when its phone answered."""

    asked: float | None
    answered: float | None = None


class Metrics:
    """All metrics, in a registry of their own.

    Args:
        live_calls: How many calls there are now.
        listeners: How many streams of events are open now.
        lag: Seconds that the AMI's reader is behind.
        clock: Seconds, for durations.
    """

    def __init__(
        self,
        *,
        live_calls: Callable[[], int],
        listeners: Callable[[], int],
        lag: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # When each series began is of no use here, and would be a second series for each.
        disable_created_metrics()  # type: ignore[no-untyped-call] # so it is
        self._clock = clock
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Info("uapi_bridge", "The bridge.", registry=registry).info({"version": __version__})
        self._events: defaultdict[str, int] = defaultdict(int)
        registry.register(_Events(self._events))
        Gauge(
            "uapi_ami_lag_seconds", "How far the reader of AMI events is behind.", registry=registry
        ).set_function(lag)
        self._up = Gauge("uapi_ami_up", "1 while the AMI link is up and in sync.", registry=registry)
        self._context = Gauge(
            "uapi_ami_context_loaded", "1 while the PBX has the bridge's dialplan context.", registry=registry
        )
        self._reconnects = Counter("uapi_ami_reconnects", "AMI logins after the first.", registry=registry)
        self._boot = 1
        Gauge("uapi_live_calls", "Calls in the picture.", registry=registry).set_function(live_calls)
        Gauge("uapi_event_listeners", "Streams of events that are open.", registry=registry).set_function(
            listeners
        )
        Gauge("uapi_tasks", "Tasks of the event loop that are not over.", registry=registry).set_function(
            _tasks
        )
        self._pickups = Counter(
            "uapi_pickups",
            "Pickups of this PBX by outcome, those of other bridges included.",
            ["outcome"],
            registry=registry,
        )
        for status in PickupStatus:
            if status is not PickupStatus.RINGING:
                self._pickups.labels(status.value)
        self._put_to_ringing = Histogram(
            "uapi_pickup_put_to_ringing_seconds",
            "From a PUT of this bridge until the new phone rings.",
            registry=registry,
            buckets=RINGS_WITHIN,
        )
        self._answer_to_bridged = Histogram(
            "uapi_pickup_answer_to_bridged_seconds",
            "From the new phone's answer until it is connected.",
            registry=registry,
            buckets=BRIDGED_WITHIN,
        )
        self._requests = Counter(
            "uapi_http_requests",
            "HTTP requests by method, route and status.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._counted: dict[tuple[str, str, int], Counter] = {}
        """The series of the requests, by their labels: looking one up there costs more than counting."""
        self._asked: dict[CallId, float] = {}
        self._legs: dict[PickupId, _Leg] = {}
        """Of pickups that were born while we watched, and whose outcome is open."""

    # --- the hooks

    def on_event(self, event: Headers) -> None:
        """Count an AMI event."""
        name = text(event, "Event")
        self._events[name] += 1
        if name in ("Newchannel", "Newstate") and (id_ := PickupId.maybe(text(event, "Uniqueid"))):
            self._on_leg(id_, text(event, "ChannelState"))

    def on_state(self, state: LinkState) -> None:
        """Note a change of the link."""
        self._up.set(state.up)
        self._context.set(state.context_loaded)
        if state.boot > self._boot:
            self._reconnects.inc(state.boot - self._boot)
            self._boot = state.boot

    def on_outcome(self, pickup: Pickup) -> None:
        """Count what became of a pickup. One that was connected before we watched is no news."""
        leg = self._legs.pop(pickup.id, None)
        if leg is None and pickup.status is PickupStatus.CONNECTED:
            return
        self._pickups.labels(pickup.status.value).inc()
        if leg and leg.answered is not None and pickup.status is PickupStatus.CONNECTED:
            self._answer_to_bridged.observe(self._clock() - leg.answered)

    def on_answer(self, scope: Scope, status: int) -> None:
        """Count an answer of the API."""
        route = getattr(scope.get("endpoint"), "path", None) or "none"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        series = self._counted.get((method, route, status))
        if series is None:
            series = self._requests.labels(method, route, str(status))
            self._counted[method, route, status] = series
        series.inc()

    def timing(self, pickups: PicksUp) -> "TimedPickups":
        """The same pickups, each of whose requests is timed."""
        return TimedPickups(pickups, self)

    def render(self) -> bytes:
        """All metrics as Prometheus reads them."""
        return generate_latest(self.registry)

    async def respond(self, _: Request) -> Response:
        """The reply to ``GET /metrics``."""
        return Response(self.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    # --- inside

    @contextmanager
    def asking(self, call: CallId) -> Iterator[None]:
        """Note since when a call is asked for, until its new phone's channel is born or the request is over."""
        if call in self._asked:
            yield
            return
        self._asked[call] = self._clock()
        try:
            yield
        finally:
            self._asked.pop(call, None)

    def _on_leg(self, id_: PickupId, state: str) -> None:
        leg = self._legs.get(id_)
        if leg is None:
            leg = self._legs[id_] = _Leg(self._asked.pop(id_.call, None))
        if state in (_RINGING, _UP) and leg.asked is not None:
            self._put_to_ringing.observe(self._clock() - leg.asked)
            leg.asked = None
        if state == _UP:
            leg.answered = self._clock()


class _Events(Collector):
    """The count of AMI events; theirs are the only numbers that are counted more often than they are read.

    Args:
        counts: By name.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """As they are now."""
        family = CounterMetricFamily("uapi_ami_events", "AMI events worked off, by name.", labels=["event"])
        for name, count in self._counts.items():
            family.add_metric([name], count)
        yield family


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0  # nobody runs here


class TimedPickups:
    """Pickups whose requests are timed; make it by `Metrics.timing`."""

    def __init__(self, pickups: PicksUp, metrics: Metrics) -> None:
        self._pickups = pickups
        self._metrics = metrics

    async def pick_up(self, request: PickupRequest) -> PickupResult:
        """Pick a call up."""
        with self._metrics.asking(request.call):
            return await self._pickups.pick_up(request)

    async def know(self, call: CallId) -> None:
        """Wait until it is known what the live pickups of a call are for."""
        await self._pickups.know(call)
