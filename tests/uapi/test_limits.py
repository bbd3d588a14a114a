"""How much one client may ask for."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bridge.grammar import CallId
from bridge.settings import Limits
from bridge.uapi.errors import ApiError
from bridge.uapi.limits import Buckets, Limiter
from uapi.world import TOKENS, World, path, pickup


class Clock:
    """A clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_empties_and_fills_again() -> None:
    """At its rate, up to its size; each key has its own."""
    clock = Clock()
    buckets = Buckets(rate=0.5, size=2, clock=clock)
    assert [buckets.take("a") for _ in range(3)] == [True, True, False]
    assert buckets.take("b")
    assert buckets.refusal("a", "no").headers == {"Retry-After": "2"}
    clock.now += 2
    assert [buckets.take("a") for _ in range(2)] == [True, False]
    clock.now += 1000
    assert [buckets.take("a") for _ in range(3)] == [True, True, False]


def test_buckets_do_not_grow_without_bound() -> None:
    """The keys not used for longest are forgotten."""
    buckets = Buckets(rate=1, size=1, clock=Clock())
    for n in range(20_000):
        buckets.take(str(n))
    assert len(buckets._levels) == 10_000
    assert not buckets.take("19999")


def test_an_app_that_asks_too_often_is_told_when_to_ask_again() -> None:
    """429 with Retry-After; another app is not concerned."""
    world = World({"limits": {"requests_per_second": 0.1, "burst": 2}})
    with world.client() as john, world.client("mary") as mary:
        statuses = [john.get(path()) for _ in range(3)]
        assert [one.status_code for one in statuses] == [200, 200, 429]
        assert statuses[2].json()["error"]["code"] == "too_many_requests"
        assert statuses[2].headers["retry-after"] == "10"
        assert mary.get(path(extension="0003*024")).status_code == 200


def test_wrong_tokens_are_slowed_and_right_ones_are_not() -> None:
    """An office behind one address is not locked out by one phone with an old token."""
    world = World({"limits": {"failed_logins": 2}})
    with world.client() as client:
        wrong = [client.get(path(), headers={"Authorization": f"Bearer no{n}"}) for n in range(3)]
        right = client.get(path())
    assert [one.status_code for one in wrong] == [401, 401, 429]
    assert "retry-after" in wrong[2].headers
    assert right.status_code == 200


def _ring(world: World, n: int) -> str:
    caller = world.caller("0003*101", sequence=100 * n + 7)
    world.ring(caller, sequence=100 * n + 8)
    return CallId.of(caller)


def test_a_phone_is_not_rung_without_end() -> None:
    """So many rings a minute; repeats and conflicts ring nothing and are not counted; other phones go on."""
    world = World({"limits": {"pickups_per_phone": 2}})
    calls = [_ring(world, n) for n in range(4)]
    with world.client() as client:
        first = [client.put(path(calls[0]), json=pickup()).status_code for _ in range(10)]
        conflicts = [
            client.put(path(calls[0]), json=pickup(sendCallTo="0003*025")).status_code for _ in range(10)
        ]
        second = client.put(path(calls[1]), json=pickup()).status_code
        third = client.put(path(calls[2]), json=pickup())
        elsewhere = client.put(path(calls[3]), json=pickup(sendCallTo="0003*025")).status_code
    assert (set(first), set(conflicts), second, elsewhere) == ({202}, {409}, 202, 202)
    assert (third.status_code, third.json()["error"]["code"]) == (429, "too_many_requests")
    assert third.headers["retry-after"] == "30"


def test_the_same_pickup_again_is_no_ring() -> None:
    """Of a phone that may not be rung once more: while it rings, by many at once, and after it has answered."""
    world = World({"limits": {"pickups_per_phone": 1}})
    call, other = _ring(world, 0), _ring(world, 1)
    with world.client() as client, ThreadPoolExecutor() as threads:
        storm = [threads.submit(client.put, path(call), json=pickup()) for _ in range(20)]
        replies = [one.result(20) for one in storm]
        assert client.put(path(other), json=pickup()).status_code == 429
        world.inside(client, world.link.answer_now)
        replies.append(client.put(path(call), json=pickup(), headers={"Prefer": "wait=5"}))
    assert [one.status_code for one in replies] == [202] * 20 + [200]
    assert ["idempotent-replayed" in one.headers for one in replies].count(False) == 1
    assert len(world.link.originated) == 1


def test_an_app_may_not_wait_without_end() -> None:
    """So many requests that wait at a time; those that do not wait are not concerned."""
    limiter = Limiter(Limits(waits_per_app=1), Clock())
    with limiter.waiting("john", 5):
        with pytest.raises(ApiError) as refused, limiter.waiting("john", 5):
            pass
        assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})
        with limiter.waiting("john", 0), limiter.waiting("mary", 5):
            pass
    with limiter.waiting("john", 5):
        pass


def test_a_request_that_may_not_wait_is_told_so() -> None:
    """429 with Retry-After while as many wait as may; without a wait it is answered, and so is another app."""
    world = World({"limits": {"waits_per_app": 1}})
    call = world.ringing()

    def ask(app: str, *, wait: bool) -> Any:
        headers = {"Authorization": f"Bearer {TOKENS[app]}"} | ({"Prefer": "wait=30"} if wait else {})
        return client.put(path(call, user="@owner"), json=pickup(), headers=headers)

    with world.client(None) as client, ThreadPoolExecutor() as threads:
        waiting = [threads.submit(ask, "john", wait=True)]
        while not world.link.originated:
            time.sleep(0.001)
        refused, at_once = ask("john", wait=True), ask("john", wait=False)
        waiting.append(threads.submit(ask, "chief", wait=True))
        world.inside(client, world.link.answer_now)
        answered = [one.result(20).status_code for one in waiting]
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_requests")
    assert refused.headers["retry-after"] == "1"
    assert at_once.status_code == 202
    assert answered == [200, 200]
