"""Calls in the order in which they are listed, kept as they come and go, so that no list has to be sorted."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import overload

from bridge.calls.model import Call


def place(call: Call) -> tuple[float, str]:
    """What the order is by: when a call was placed, then its id."""
    return call.published, call.id


class InOrder(Sequence[Call]):
    """Calls by `place`."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: list[Call] = []

    def replace(self, before: Call | None, after: Call | None) -> None:
        """Put a call in the place of what it was; None where it comes or goes."""
        calls = self._calls
        if before is not None:
            at = bisect_left(calls, place(before), key=place)
            if after is not None and place(after) == place(before):
                calls[at] = after
                return
            del calls[at]
        if after is not None:
            where = place(after)
            # Whoever calls now comes last, as a rule.
            if not calls or place(calls[-1]) < where:
                calls.append(after)
            else:
                calls.insert(bisect_left(calls, where, key=place), after)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        """One after the other."""
        return iter(self._calls)

    @overload
    def __getitem__(self, at: int) -> Call: ...
    @overload
    def __getitem__(self, at: slice) -> list[Call]: ...
    def __getitem__(self, at: int | slice) -> Call | list[Call]:
        """One of them, or some."""
        return self._calls[at]
