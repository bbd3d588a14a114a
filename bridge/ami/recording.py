"""Recordings: what the AMI said, as JSON Lines that people can read, cut and send.

A first line ``{"recording": 1, "started": ISO date, "asterisk": "22.10.1", "systemname": ""}``, which may be absent,
then one line an event: ``{"t": seconds since started, "event": {header: value, or a list where it repeats}}``.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TextIO

from bridge.calls import Headers

FORMAT = 1


class RecordingError(ValueError):
    """A line is not what a recording has; the message begins with its number.

    Attributes:
        line: counted from 1.
    """

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Head:
    """What a recording is of.

    Attributes:
        started: epoch seconds that its times count from; 0 where it does not say.
        asterisk: the version.
        systemname: Asterisk's `systemname`.
    """

    started: float = 0.0
    asterisk: str = ""
    systemname: str = ""


class Pseudonyms(Protocol):
    """Who takes people out of what is written."""

    def meet(self, event: Headers) -> None:
        """Take note of who is in an event, before anybody gets a pseudonym."""

    def event(self, event: Headers) -> Headers:
        """The event with pseudonyms."""

    def text(self, text: str) -> str:
        """A text with pseudonyms."""


class Recorder:
    """Writes events as they come. Until `identify` tells what PBX it is, they are held back.

    Args:
        out: where to; lines are written whole.
        started: epoch seconds; the times of events count from it.
        pseudonyms: who takes people out of them; they stay as they are where None.
    """

    def __init__(self, out: TextIO, started: float, pseudonyms: Pseudonyms | None = None) -> None:
        self._out = out
        self._started = started
        self._pseudonyms = pseudonyms
        self._held: list[tuple[Headers, float]] | None = []

    def identify(self, asterisk: str, systemname: str) -> None:
        """Write the first line; only the first time counts."""
        if self._held is None:
            return
        started = datetime.fromtimestamp(self._started, UTC).isoformat()
        if self._pseudonyms:
            systemname = self._pseudonyms.text(systemname)
        self._line({"recording": FORMAT, "started": started, "asterisk": asterisk, "systemname": systemname})
        held, self._held = self._held, None
        if self._pseudonyms:
            for headers, _ in held:
                self._pseudonyms.meet(headers)
        for headers, at in held:
            self._event(headers, at)
        self._out.flush()

    def write(self, headers: Headers, at: float) -> None:
        """Add an event.

        Args:
            headers: the event.
            at: its time, epoch seconds.
        """
        if self._held is None:
            self._event(headers, at)
            self._out.flush()
        else:
            self._held.append((dict(headers), at))

    def close(self) -> None:
        """Write what was held back. The file stays its owner's."""
        self.identify("", "")

    def _event(self, headers: Headers, at: float) -> None:
        told = self._pseudonyms.event(headers) if self._pseudonyms else headers
        self._line({"t": round(at - self._started, 6), "event": dict(told)})

    def _line(self, value: dict[str, Any]) -> None:
        self._out.write(_json(value))


def read(path: Path) -> tuple[Head, Iterator[tuple[float, dict[str, str | list[str]]]]]:
    """Read a recording.

    Returns:
        What it is of, and its events: seconds since the start, and headers. They are read as they are asked for.

    Raises:
        OSError: it cannot be opened.
        RecordingError: a line is not what it should be; from the iterator, where the line is an event's.
    """
    lines = _lines(path)
    first = next(lines, None)
    if first is not None and "recording" in first[1]:
        return _head(*first), (_event(*line) for line in lines)
    return Head(), (_event(*line) for line in _chain(first, lines))


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": ")) + "\n"


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError as error:
                raise RecordingError(number, f"not JSON ({error})") from None
            except RecursionError:
                raise RecordingError(number, "not JSON (nested too deep)") from None
            if not isinstance(value, dict):
                raise RecordingError(number, "not a JSON object")
            yield number, value


def _chain(
    first: tuple[int, dict[str, Any]] | None, rest: Iterator[tuple[int, dict[str, Any]]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    if first is not None:
        yield first
    yield from rest


def _head(number: int, value: dict[str, Any]) -> Head:
    if value["recording"] != FORMAT:
        raise RecordingError(
            number, f"a recording of form {value['recording']!r}; this bridge reads form {FORMAT}"
        )
    try:
        started = datetime.fromisoformat(value["started"]).timestamp() if value.get("started") else 0.0
    except (TypeError, ValueError):
        raise RecordingError(number, f"started is no ISO date: {value['started']!r}") from None
    return Head(started, str(value.get("asterisk", "")), str(value.get("systemname", "")))


def _event(number: int, value: dict[str, Any]) -> tuple[float, dict[str, str | list[str]]]:
    t, event = value.get("t"), value.get("event")
    if isinstance(t, bool) or not isinstance(t, int | float) or not math.isfinite(t):
        raise RecordingError(number, "t must be a number of seconds")
    if not isinstance(event, dict) or not isinstance(event.get("Event"), str):
        raise RecordingError(number, "event must be an object of headers, Event among them")
    for name, header in event.items():
        if not isinstance(header, str) and not (
            isinstance(header, list) and header and all(isinstance(part, str) for part in header)
        ):
            raise RecordingError(number, f"the header {name!r} must be a text or a list of texts")
    return float(t), event
