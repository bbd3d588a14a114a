"""How much of the time the machine let this process wait: what a limit in milliseconds has to be forgiven for.

The phones, Asterisk and the bridge are children of the tests and have their priority: when a thread that only sleeps
wakes up late, so do they.
"""

import threading
import time
from collections import deque

_STEP = 0.004
"""Seconds between two looks at the clock."""

_FORGIVEN = 0.003
"""Seconds by which a sleep may always be late."""


class Pace:
    """Looks at the clock all the time, and remembers when that was late."""

    def __init__(self) -> None:
        self._late: deque[tuple[float, float]] = deque(maxlen=20_000)
        """From when to when nothing ran."""
        threading.Thread(target=self._look, name="pace", daemon=True).start()

    def _look(self) -> None:
        before = time.monotonic()
        while True:
            time.sleep(_STEP)
            now = time.monotonic()
            if now - before > _STEP + _FORGIVEN:
                self._late.append((before + _STEP, now))
            before = now

    def stalled(self, since: float, until: float) -> float:
        """Seconds, of those between two times of the monotonic clock, in which the machine let nobody run."""
        time.sleep(3 * _STEP)  # the last look may be yet to come
        return sum(
            max(0.0, min(end, until) - max(begin, since)) for begin, end in list(self._late) if end > since
        )


_pace: Pace | None = None


def pace() -> Pace:
    """The one that watches; call it before whatever is to be timed begins."""
    global _pace  # noqa: PLW0603  # one thread is enough for all tests
    if _pace is None:
        _pace = Pace()
    return _pace
