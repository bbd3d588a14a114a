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
        self._logins = Buckets(limits.failed_logins / 60, limits.failed_logins, clock)
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

    def failed_login(self, key: str) -> None:
        """Count a wrong token or secret.

        Raises:
            ApiError: there were too many.
        """
        if not self._logins.take(key):
            raise self._too_many_logins(key)

    def before_login(self, key: str) -> None:
        """Let nobody try who failed too often.

        Raises:
            ApiError: there were too many.
        """
        if self._logins.level(key) < 1:
            raise self._too_many_logins(key)

    def _too_many_logins(self, key: str) -> ApiError:
        return self._logins.refusal(key, "Too many wrong tokens or secrets.")

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
