"""How fast the machine is for those who share it: what a limit in milliseconds means when it is busy.

The phones, Asterisk and the bridge are children of the tests and have their priority. Where ten processes want to run
on two processors, each takes five times as long as by itself; and where a thread that only sleeps wakes up late, so do
they.
"""

import os
import threading
import time
from collections import deque
from pathlib import Path

_STEP = 0.004
"""Seconds between two looks at the clock."""

_LONGEST = 0.008
"""Seconds between two looks of which none was lost: whatever goes beyond was a time in which nothing ran."""

_LOAD = Path("/proc/loadavg")
_PROCESSORS = len(os.sched_getaffinity(0))


class Pace:
    """Looks all the time at the clock, and at how many want to run."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, float, float]] = deque(maxlen=50_000)
        """From when to when, and what share of the time a process got in between."""
        threading.Thread(target=self._look, name="pace", daemon=True).start()

    def _look(self) -> None:
        before = time.monotonic()
        while True:
            time.sleep(_STEP)
            now = time.monotonic()
            running = int(_LOAD.read_text().split()[3].partition("/")[0])
            share = min(1.0, _PROCESSORS / max(1, running)) * min(1.0, _LONGEST / (now - before))
            self._looks.append((before, now, share))
            before = now

    def worth(self, since: float, until: float) -> float:
        """How long a process would have taken by itself for what took from one time to another.

        Args:
            since: Seconds of the monotonic clock.
            until: The same.
        """
        time.sleep(4 * _STEP)  # the last look may be yet to come
        spent = [
            (min(end, until) - max(begin, since), share)
            for begin, end, share in list(self._looks)
            if end > since and begin < until
        ]
        seen = sum(seconds for seconds, _ in spent)
        return until - since - seen + sum(seconds * share for seconds, share in spent)


_pace: Pace | None = None


def pace() -> Pace:
    """The one that watches; call it before whatever is to be timed begins."""
    global _pace  # noqa: PLW0603  # one thread is enough for all tests
    if _pace is None:
        _pace = Pace()
    return _pace
