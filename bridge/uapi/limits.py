"""How much one client may ask for: token buckets by app, by rung phone and by address of failed logins."""

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bridge.grammar import Extension
from bridge.settings import Limits
from bridge.uapi.errors import ApiError

_MOST_KEYS = 10_000
"""Keys that a set of buckets remembers; the ones not used for longest are forgotten, which only fills them up."""


_APPS = 10
"""How many Apps behind one address may fail at a time, each as often as it may, before all have to wait."""

_LONGEST_ID = 128

_TOO_MANY_WRONG = "Too many wrong tokens or secrets."


class Buckets:
    """Token buckets, one a key: each holds so many at most, and fills at a rate.

    Args:
        rate: How many are added a second.
        size: How many each can hold.
        clock: Seconds, of any origin.
    """

    def __init__(self, rate: float, size: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._size = size
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def level(self, key: str) -> float:
        """How many a bucket holds now."""
        level, at = self._levels.get(key, (self._size, 0.0))
        return min(self._size, level + (self._clock() - at) * self._rate)

    def take(self, key: str) -> bool:
        """Take one out of a bucket; False where there is none."""
        level = self.level(key)
        if level < 1:
            return False
        self._levels[key] = (level - 1, self._clock())
        self._levels.move_to_end(key)
        if len(self._levels) > _MOST_KEYS:
            self._levels.popitem(last=False)
        return True

    def refusal(self, key: str, message: str) -> ApiError:
        """The 429 for a bucket that does not hold enough."""
        seconds = max(1, math.ceil((1 - self.level(key)) / self._rate))
        return ApiError("too_many_requests", message, headers={"Retry-After": str(seconds)})


class Limiter:
    """The limits of ``[limits]`` that are counted.

    Args:
        limits: The configuration.
        clock: Seconds, of any origin.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._waits_most = limits.waits_per_app
        self._apps = Buckets(limits.requests_per_second, limits.burst, clock)
        self._phones = Buckets(limits.pickups_per_phone / 60, limits.pickups_per_phone, clock)
        wrong = limits.failed_logins
        self._tokens, self._secrets = (Buckets(wrong / 60, wrong, clock) for _ in range(2))
        self._addresses = Buckets(_APPS * wrong / 60, _APPS * wrong, clock)
        self._waits: Counter[str] = Counter()
        self._streams_most = limits.streams_per_app
        self._streams: Counter[str] = Counter()

    def request(self, app: str) -> None:
        """Count a request of an app.

        Raises:
            ApiError: it is one too many.
        """
        if not self._apps.take(app):
            raise self._apps.refusal(app, "Too many requests of this App.")

    def wrong_token(self, address: str) -> None:
        """Count a wrong token from an address.

        Raises:
            ApiError: there were too many.
        """
        if not self._tokens.take(address):
            raise self._tokens.refusal(address, _TOO_MANY_WRONG)

    def before_login(self, address: str, app: str) -> None:
        """Let nobody try who failed too often: with an App's id, or with any.

        Raises:
            ApiError: there were too many.
        """
        for buckets, key in self._buckets_of(address, app):
            if buckets.level(key) < 1:
                raise buckets.refusal(key, _TOO_MANY_WRONG)

    def wrong_secret(self, address: str, app: str) -> None:
        """Count a wrong secret that came from an address with an App's id."""
        for buckets, key in self._buckets_of(address, app):
            buckets.take(key)

    def _buckets_of(self, address: str, app: str) -> tuple[tuple[Buckets, str], ...]:
        # By App, as secrets may be worse than random, and one client's mistakes are not another's; and the address by
        # itself, as ids can be made up.
        return (self._secrets, f"{address} {app[:_LONGEST_ID]}"), (self._addresses, address)

    def ring(self, phone: Extension) -> None:
        """Count a ring of a phone, which is about to begin.

        Raises:
            ApiError: it was rung too often.
        """
        if not self._phones.take(phone):
            raise self._phones.refusal(phone, f"{phone} was rung too often by pickups.")

    @contextmanager
    def waiting(self, app: str, seconds: float) -> Iterator[None]:
        """Count a request of an app that waits for an outcome; one that does not wait is not counted.

        Raises:
            ApiError: too many wait already.
        """
        if seconds <= 0:
            yield
            return
        if self._waits[app] >= self._waits_most:
            raise ApiError(
                "too_many_requests",
                "Too many requests of this App wait for an outcome.",
                headers={"Retry-After": "1"},
            )
        self._waits[app] += 1
        try:
            yield
        finally:
            self._waits[app] -= 1

    def before_listening(self, app: str) -> None:
        """Let an app listen to no more streams than it may.

        Raises:
            ApiError: it listens to as many already.
        """
        if self._streams[app] >= self._streams_most:
            raise ApiError(
                "too_many_requests",
                "Too many event streams of this App are open.",
                headers={"Retry-After": "10"},
            )

    @contextmanager
    def listening(self, app: str) -> Iterator[None]:
        """Count a stream that an app listens to."""
        self._streams[app] += 1
        try:
            yield
        finally:
            self._streams[app] -= 1
            self._streams += Counter()  # drops what is at zero
