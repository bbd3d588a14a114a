"""The metrics: each counts what it says, and dashboard and alerts name only what there is."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from starlette.routing import Route
from starlette.testclient import TestClient

from bridge import __version__
from bridge.ami import LinkState
from bridge.calls import WANTED, Pickup, PickupStatus
from bridge.grammar import CallId, PickupId
from bridge.metrics import Metrics
from bridge.pickup import PickupRequest, PickupResult
from bridge.uapi.layers import Requests
from uapi.world import World, path, pickup

PACKAGING = Path(__file__).parents[1] / "packaging"
CALL = CallId("b817d2618fe6f1804333")
LEG = PickupId.of(CALL, 1)


class Watched:
    """Metrics of a service that is made of a clock and a few numbers."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.calls, self.listening, self.behind = 3, 2, 0.5
        self.metrics = Metrics(
            live_calls=lambda: self.calls,
            listeners=lambda: self.listening,
            lag=lambda: self.behind,
            clock=lambda: self.now,
        )

    def value(self, name: str, **labels: str) -> float:
        found = self.metrics.registry.get_sample_value(name, labels)
        assert found is not None, f"there is no {name} {labels}"
        return found

    def event(self, name: str, after: float = 0.0, **headers: str) -> None:
        self.now += after
        self.metrics.on_event({"Event": name, **headers})

    def born(self, id_: PickupId = LEG) -> None:
        self.event("Newchannel", Uniqueid=id_, ChannelState="0")

    def ended(self, status: PickupStatus, after: float = 0.0, id_: PickupId = LEG) -> None:
        self.now += after
        self.metrics.on_outcome(Pickup(id_, self.now, status=status))

    def state(self, state: str, after: float, id_: PickupId = LEG) -> None:
        self.event("Newstate", after, Uniqueid=id_, ChannelState=state)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_what_is_true_now_is_read_when_it_is_asked_for(watched: Watched) -> None:
    """Live calls, open streams and lag are those of the moment of the scrape."""
    names = ("uapi_live_calls", "uapi_event_listeners", "uapi_ami_lag_seconds")
    assert [watched.value(name) for name in names] == [3, 2, 0.5]
    watched.calls, watched.listening, watched.behind = 0, 0, 0.0
    assert [watched.value(name) for name in names] == [0, 0, 0.0]
    assert watched.value("uapi_bridge_info", version=__version__) == 1


@pytest.mark.anyio
async def test_tasks_are_those_that_run_now(watched: Watched) -> None:
    """One that nobody ends is seen; and outside of the service there is none."""
    before = watched.value("uapi_tasks")
    left = asyncio.create_task(asyncio.Event().wait())
    assert watched.value("uapi_tasks") == before + 1
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left
    assert watched.value("uapi_tasks") == before
    assert await asyncio.to_thread(watched.value, "uapi_tasks") == 0


def test_events_are_counted_by_name(watched: Watched) -> None:
    """Each event once, under its own name."""
    for name in ("Newchannel", "Hangup", "Newchannel"):
        watched.event(name)
    assert watched.value("uapi_ami_events_total", event="Newchannel") == 2
    assert watched.value("uapi_ami_events_total", event="Hangup") == 1


def test_the_link_and_its_reconnects(watched: Watched) -> None:
    """The first login is no reconnect; each one after it is, however many states it has."""
    seen = []
    for up, boot in ((False, 0), (False, 1), (True, 1), (False, 1), (False, 2), (True, 2), (True, 4)):
        watched.metrics.on_state(LinkState(up=up, context_loaded=up, boot=boot))
        seen.append((watched.value("uapi_ami_up"), watched.value("uapi_ami_reconnects_total")))
    assert seen == [(0, 0), (0, 0), (1, 0), (0, 0), (0, 1), (1, 1), (1, 3)]
    assert watched.value("uapi_ami_context_loaded") == 1


def outcomes(watched: Watched) -> dict[str, float]:
    counted = {
        status.value: watched.value("uapi_pickups_total", outcome=status.value)
        for status in PickupStatus
        if status is not PickupStatus.RINGING
    }
    return {outcome: count for outcome, count in counted.items() if count}


def test_pickups_are_counted_by_outcome(watched: Watched) -> None:
    """Each once, when its outcome comes; a new try with the same id counts again."""
    for status in (PickupStatus.BUSY, PickupStatus.NO_ANSWER, PickupStatus.NO_ANSWER, PickupStatus.CONNECTED):
        watched.born()
        watched.ended(status)
        watched.event("Hangup", Uniqueid=LEG)
    assert outcomes(watched) == {"busy": 1, "noAnswer": 2, "connected": 1}
    assert watched.metrics._legs == {}


def test_a_pickup_from_before_the_start_is_not_counted_as_new(watched: Watched) -> None:
    """Connected before this bridge, or this login, was there: no news. One that has failed since then is."""
    watched.ended(PickupStatus.CONNECTED)
    assert outcomes(watched) == {}
    watched.ended(PickupStatus.CANCELLED)
    assert outcomes(watched) == {"cancelled": 1}


class Asked:
    """Pickups that end as the test says."""

    def __init__(self, watched: Watched, error: Exception | None = None) -> None:
        self.watched, self.error = watched, error

    async def pick_up(self, request: PickupRequest) -> PickupResult:
        self.watched.now += 0.010
        if self.error:
            raise self.error
        self.watched.born(PickupId.of(request.call, 1))
        return PickupResult(PickupStatus.RINGING, None, replayed=False)

    async def know(self, call: CallId) -> None:
        assert call == CALL


REQUEST = PickupRequest(CALL, "01", "0003*024")  # type: ignore[arg-type]  # an extension all the same


@pytest.mark.anyio
async def test_from_put_to_ringing_and_from_answer_to_bridged(watched: Watched) -> None:
    """The PUT is answered before the phone rings; the time goes on until it does, and begins anew at the answer."""
    await watched.metrics.timing(Asked(watched)).pick_up(REQUEST)
    watched.state("5", 0.040)
    watched.state("5", 0.040)
    watched.state("6", 7.0)
    watched.ended(PickupStatus.CONNECTED, 0.002)
    assert watched.value("uapi_pickup_put_to_ringing_seconds_count") == 1
    assert watched.value("uapi_pickup_put_to_ringing_seconds_sum") == pytest.approx(0.050)
    assert watched.value("uapi_pickup_answer_to_bridged_seconds_count") == 1
    assert watched.value("uapi_pickup_answer_to_bridged_seconds_sum") == pytest.approx(0.002)


def test_only_the_connected_are_timed_from_their_answer(watched: Watched) -> None:
    """Somebody else was quicker: the answer led nowhere."""
    watched.born()
    watched.state("6", 1.0)
    watched.ended(PickupStatus.CONFLICT, 0.3)
    assert watched.value("uapi_pickup_answer_to_bridged_seconds_count") == 0


@pytest.mark.anyio
async def test_a_phone_that_answers_at_once_has_rung(watched: Watched) -> None:
    """No Ringing before Up: the answer ends the time from the PUT, too."""
    await watched.metrics.timing(Asked(watched)).pick_up(REQUEST)
    watched.state("6", 0.020)
    assert watched.value("uapi_pickup_put_to_ringing_seconds_sum") == pytest.approx(0.030)


@pytest.mark.anyio
async def test_a_put_that_fails_leaves_no_time_running(watched: Watched) -> None:
    """A leg that another bridge makes of the same call later is not timed from here."""
    with pytest.raises(ValueError, match="no"):
        await watched.metrics.timing(Asked(watched, ValueError("no"))).pick_up(REQUEST)
    watched.born()
    watched.state("5", 60.0)
    assert watched.value("uapi_pickup_put_to_ringing_seconds_count") == 0


def test_of_two_puts_the_first_counts(watched: Watched) -> None:
    """A repeat while the first is under way begins no new time, and its end does not end it."""
    with watched.metrics.asking(CALL):
        watched.now += 0.1
        with watched.metrics.asking(CALL):
            watched.now += 0.1
        watched.born()
    watched.state("5", 0.1)
    assert watched.value("uapi_pickup_put_to_ringing_seconds_sum") == pytest.approx(0.3)


# --- on the service


@pytest.fixture
def served(world: World, watched: Watched) -> Iterator[TestClient]:
    """The real API, watched, with /metrics."""
    world.bridge.asgi.routes.append(Route("/metrics", watched.metrics.respond))
    requests = world.bridge.asgi.middleware_stack
    assert isinstance(requests, Requests)
    requests._on_answer = watched.metrics.on_answer
    with world.client() as client:
        yield client


@pytest.fixture
def world() -> World:
    return World()


def test_requests_are_counted_by_route_and_status(world: World, watched: Watched, served: TestClient) -> None:
    """By the route, never by the path: extensions and call ids are no labels; neither are made-up methods."""
    call = world.ringing()
    served.get(path())
    served.get(path(extension="0003*100"))
    served.put(path(call), json=pickup())
    served.get(path(), headers={"Authorization": "Bearer wrong"})
    served.get("/nowhere")
    served.request("BREW", "/healthz")
    listing, one = "/uapi/phoneCalls/{user}/{extension}", "/uapi/phoneCalls/{user}/{extension}/{phoneCallId}"
    for method, route, status, count in (
        ("GET", listing, "200", 2),
        ("PUT", one, "202", 1),
        ("GET", listing, "401", 1),
        ("GET", "none", "404", 1),
        ("other", "/healthz", "405", 1),
    ):
        assert watched.value("uapi_http_requests_total", method=method, route=route, status=status) == count
    assert call not in watched.metrics.render().decode()


def test_metrics_are_served_as_prometheus_reads_them(watched: Watched, served: TestClient) -> None:
    """The content type names the format; every line of it can be read; no series tells when another began."""
    watched.event("Newchannel")
    answer = served.get("/metrics")
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        200,
        "text/plain; version=1.0.0; charset=utf-8",
    )
    names = {
        sample.name for family in text_string_to_metric_families(answer.text) for sample in family.samples
    }
    assert {"uapi_ami_events_total", "uapi_ami_up", "process_resident_memory_bytes"} <= names
    assert not any(name.endswith("_created") for name in names)


# --- dashboard and alerts

PROMQL = frozenset(
    [
        "absent",
        "and",
        "by",
        "count",
        "histogram_quantile",
        "increase",
        "instance",
        "label_values",
        "le",
        "max",
        "min",
        "on",
        "or",
        "rate",
        "sum",
    ]
)


def exported() -> dict[str, set[str]]:
    """Every sample's name with its labels, of metrics where everything has happened once."""
    it = Watched()
    for name in WANTED:
        it.event(name)
    it.metrics.on_answer({"method": "GET"}, 200)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(it.metrics.render().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def alerts() -> list[dict[str, Any]]:
    read = yaml.safe_load((PACKAGING / "alerts.yml").read_text())
    return [rule for group in read["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((PACKAGING / "grafana-dashboard.json").read_text())
    return read


def expressions() -> list[str]:
    board = dashboard()
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    variables = [one["query"]["query"] for one in board["templating"]["list"] if one["type"] == "query"]
    return [*queries, *variables, *(rule["expr"] for rule in alerts())]


@pytest.mark.parametrize("expression", expressions())
def test_dashboard_and_alerts_name_only_what_there_is(expression: str) -> None:
    """Metrics, their labels, and the outcomes that are asked for."""
    known = exported()
    labels = set().union(*known.values())
    for name, matchers in re.findall(r"(\w+)\{([^}]*)\}", expression):
        for label, value in re.findall(r"(\w+)=~?\"([^\"]*)\"", matchers):
            assert label == "instance" or label in known[name]
            if label == "outcome":
                assert set(value.split("|")) <= {status.value for status in PickupStatus}
    plain = re.sub(r"\[[^\]]*\]|\{[^}]*\}|\"[^\"]*\"", "", expression)
    words = set(re.findall(r"[A-Za-z_]\w*", plain))
    assert words <= set(known) | PROMQL | labels
    assert words & set(known)


def test_every_metric_of_ours_is_on_the_dashboard() -> None:
    """What is worth counting is worth showing."""
    shown = " ".join(target["expr"] for panel in dashboard()["panels"] for target in panel["targets"])
    ours = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exported() if name.startswith("uapi_")}
    assert {name for name in ours if name not in shown} == set()


def test_alerts_say_how_bad_it_is_and_what_to_do() -> None:
    """Each has a severity, a summary and a description; no two have one name."""
    rules = alerts()
    assert len({rule["alert"] for rule in rules}) == len(rules) > 5
    for rule in rules:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_panels_do_not_lie_on_each_other() -> None:
    """Every panel has an id and a place of its own in Grafana's 24 columns."""
    board = dashboard()
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    taken: set[tuple[int, int]] = set()
    for at in (panel["gridPos"] for panel in board["panels"]):
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
