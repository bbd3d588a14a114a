"""How long to wait before the next try: longer each time, never quite the same."""

import random


class Backoff:
    """Doubles from the first wait to the longest; each is drawn from its upper half, so that two bridges part ways.

    Args:
        first: seconds.
        most: seconds.
    """

    def __init__(self, first: float, most: float) -> None:
        self._first = self._next = first
        self._most = most

    def wait(self) -> float:
        """Seconds to wait now."""
        now, self._next = self._next, min(self._next * 2, self._most)
        return now * random.uniform(0.5, 1)  # noqa: S311 -- jitter is no secret

    def reset(self) -> None:
        """Begin with the first again."""
        self._next = self._first
