"""Forms of messages: the same as line by line, without what nobody reads; and that truly nobody does."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.ami import READ, read
from bridge.ami.forms import REPEATED, form
from bridge.ami.protocol import Decoder
from bridge.calls import Headers, Picture
from bridge.endpoints import Endpoints
from bridge.metrics import Metrics

FOLDER = Path(__file__).parents[1] / "recordings"
RECORDINGS = sorted(FOLDER.rglob("*.jsonl"))
PLAIN = FOLDER / "ringing/answered-the-caller-hangs-up.jsonl"

LINES = [(name, f"value of {name}") for name in ("Event", "Channel", "Context", "Uniqueid")]


def message(*lines: tuple[str, str]) -> str:
    return "\r\n".join(f"{name}: {value}" for name, value in lines)


class Reduced(dict[str, str | list[str]]):
    """An event as the link hands it on, which notes what is looked up in it and was left out."""

    def __init__(self, event: Headers) -> None:
        self.whole = event
        self.missed: set[str] = set()
        lines = [
            (name, one)
            for name, value in event.items()
            for one in ([value] if isinstance(value, str) else value)
        ]
        made = form([name for name, _ in lines], READ.get(str(event["Event"])))
        super().__init__((made and made(message(*lines))) or event)

    def get(self, name: str, default: Any = None) -> Any:
        if name in self.whole and name not in self:
            self.missed.add(name)
        return super().get(name, default)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_nobody_reads_what_is_left_out(path: Path) -> None:
    """A recording makes the same calls and changes of what is handed on, and nobody looks for more."""
    pictures = [Picture(Endpoints.default()), Picture(Endpoints.default())]
    for picture in pictures:
        picture.track_changes = True
    metrics = Metrics(live_calls=int, listeners=int, lag=float)
    for at, event in read(path)[1]:
        handed = Reduced(event)
        for picture, headers in zip(pictures, (event, handed), strict=True):
            picture.apply(headers, at)
        metrics.on_event(handed)
        assert handed.missed == set(), event["Event"]
        assert pictures[0].take_changes() == pictures[1].take_changes()


def test_left_out_are_most_headers() -> None:
    """Of a plain call's events less than half of the headers is left."""
    events = [event for _, event in read(PLAIN)[1] if event["Event"] in READ]
    assert sum(len(Reduced(event)) for event in events) < sum(map(len, events)) / 2


def test_a_form_leaves_out_what_is_unread() -> None:
    """The headers of a message of that form, in order, and none that is unread; of another form nothing."""
    made = form([name for name, _ in LINES], frozenset({"Channel", "Uniqueid"}))
    assert made is not None
    assert made(message(*LINES)) == {name: value for name, value in LINES if name != "Context"}
    assert made(message(*LINES[:3])) is None
    assert made(message(*LINES[1:], LINES[0])) is None
    assert made(message(*LINES).replace("value of Channel", "a\r\nb")) is None


def test_a_row_of_variables_is_a_list() -> None:
    """The header that repeats by itself is a list, in a form too; one alone is a text."""
    row = [(REPEATED, "A=1"), (REPEATED, "B=2"), (REPEATED, "")]
    for lines in (row, row[:1]):
        text = message(*LINES, *lines, ("Last", ""))
        decode = Decoder()
        expected = dict(LINES) | {
            REPEATED: [value for _, value in lines] if len(lines) > 1 else "A=1",
            "Last": "",
        }
        assert decode.unknown(text) == expected
        made = form([*(name for name, _ in LINES), *(name for name, _ in lines), "Last"])
        assert made is not None
        assert made(text) == expected


@pytest.mark.parametrize("names", [["A", "B", "A"], [REPEATED, "A", REPEATED], ["A", "A"]])
def test_no_form_where_a_header_repeats_otherwise(names: list[str]) -> None:
    """What a caller may have added is read line by line, where the true one is told from the false."""
    assert form(names) is None


KEPT = {"Event", "ActionID", "Channel", "Uniqueid", REPEATED}
names = st.sampled_from(["Channel", REPEATED, "Context", "Uniqueid", "X"])


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(names, st.text(st.sampled_from("ab: \r\n"), max_size=3)), max_size=6), max_size=8
    )
)
def test_rows_seen_before_change_nothing(stream: list[list[tuple[str, str]]]) -> None:
    """A message reads the same whatever was read before it, but for what is left out."""
    seen, rows = (
        Decoder(),
        [message(("Event", "StatusComplete"), ("ActionID", "a"), *lines) for lines in stream],
    )
    thrifty = Decoder({"StatusComplete": frozenset(KEPT - {"Event", "ActionID"})})

    def without(headers: Headers) -> Headers:
        return {name: value for name, value in headers.items() if name in KEPT}

    for row in rows * 2:
        assert seen(row) == Decoder()(row)
        assert without(thrifty(row)) == without(Decoder()(row))
