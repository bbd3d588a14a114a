"""The rows of the table: what is measured, beside what, and the limit that its ratio must keep."""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from bench.measure import Measured


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        key: its name on the command line.
        what: what we do.
        reference: what it is compared with, in the same run.
        limit: of ours to the reference.
        measure: the function that does it, as ``module.function`` in this package; it takes the number of rounds,
            0 for its own.
    """

    key: str
    what: str
    reference: str
    limit: float
    measure: str

    def run(self, rounds: int) -> Measured:
        """Measure."""
        module, _, function = self.measure.partition(".")
        measure = getattr(importlib.import_module(f"bench.{module}"), function)
        return cast("Callable[[int], Measured]", measure)(rounds)


ROWS = (
    Row(
        "put",
        "PUT sent to second phone ringing, p50 of 300 pairs on open connections",
        "a bare AMI Originate from a plain socket to the same phone",
        1.2,
        "latency.put",
    ),
    Row(
        "answer-ringing",
        "new phone answers to both bridged, a ringing call",
        "Asterisk's own Pickup() by the same phone",
        1.1,
        "pickups.answer",
    ),
    Row(
        "answer-talking",
        "new phone answers to both bridged, an answered call",
        "dialplan Bridge() by the same phone",
        1.1,
        "pickups.answer_talking",
    ),
    Row(
        "hangup",
        "caller hangs up to second phone silent",
        "the same Hangup sent by a plain socket on the event",
        1.5,
        "pickups.hangup",
    ),
    Row(
        "events-unfiltered",
        "events to an up-to-date picture, CPU, unfiltered stream",
        "stock panoramisk with an empty catch-all callback",
        0.5,
        "events.unfiltered",
    ),
    Row(
        "events-filtered",
        "events to an up-to-date picture, CPU, filtered stream",
        "stock panoramisk with an empty catch-all callback",
        0.5,
        "events.filtered",
    ),
    Row(
        "events-cacofonisk",
        "events of a call to an up-to-date picture, CPU, filtered stream",
        "cacofonisk's tracker from PyPI, on panoramisk as its runner has it, with the events that it asks for",
        0.25,
        "events.cacofonisk",
    ),
    Row(
        "get",
        "GET one PhoneCall with 10,000 calls live, p50",
        "a Starlette application that answers a constant of the same size",
        2.0,
        "http.one",
    ),
    Row(
        "list",
        "list of 20 of 10,000 live calls, p50",
        "a Starlette application that answers a constant of the same size",
        2.0,
        "http.page",
    ),
    Row(
        "list-user",
        "list of one user's 10 calls with 10,000 calls live, p50",
        "the same with 100 calls live",
        1.2,
        "http.users",
    ),
    Row(
        "memory",
        "memory of a live call, of 1,000",
        "cacofonisk's tracker, the same calls with all their events",
        1.5,
        "events.memory",
    ),
    Row(
        "resync",
        "resync with 2,000 live calls, connect to 200",
        "a plain socket that reads the replies of the same actions",
        2.0,
        "resync.resync",
    ),
    Row(
        "load",
        "20 pickups a second beside 50 SIPp calls a second for 60 s, CPU; none may fail",
        "Asterisk's CPU meanwhile",
        0.25,
        "load.load",
    ),
    Row(
        "start",
        "start to ready",
        "python importing uvicorn, starlette and panoramisk, plus one AMI login",
        2.0,
        "starting.ready",
    ),
    Row(
        "listeners",
        "events of a call to 200 SSE listeners, CPU",
        "one listener's time x 200",
        0.5,
        "feed.listeners",
    ),
)


def chosen(only: str) -> tuple[Row, ...]:
    """The rows whose key has this in it; all for an empty text.

    Raises:
        ValueError: there is none.
    """
    rows = tuple(row for row in ROWS if only in row.key)
    if not rows:
        raise ValueError(f"no row has {only!r} in its name: {', '.join(row.key for row in ROWS)}")
    return rows


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))
