"""Bytes to messages: whatever comes, in whatever pieces."""

import asyncio
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ami.fake import BANNER, event
from ami.fake import message as packet
from bridge.ami.connection import Connection, Timing
from bridge.ami.protocol import LONGEST_MESSAGE, BadStream, Decoder, Framer
from bridge.calls import Headers

WANTED = frozenset({"Hangup", "Newchannel", "Status"})
STREAM = (
    BANNER
    + packet(("Response", "Success"), ("ActionID", "L"))
    + b"\r\n"
    + packet(("Event", "Hangup"), ("Uniqueid", "1.1"), ("CallerIDName", "Jörg ✆"))
    + packet(("Event", "VarSet"), ("Variable", "a"), ("Value", "b"))
    + packet(("Event", "HangupRequest"), ("Uniqueid", "1.1"))
    + packet(("CallerIDName", "Jörg"), ("Uniqueid", "1.1"))
    + packet(("Event", "Status"), ("Variable", "a: b"))
)
COUNTING = [
    "Response: Success\r\nActionID: L",
    "\r\nEvent: Hangup\r\nUniqueid: 1.1\r\nCallerIDName: Jörg ✆",
    "CallerIDName: Jörg\r\nUniqueid: 1.1",
    "Event: Status\r\nVariable: a: b",
]

pieces = st.sampled_from(
    [b"Event: ", b"Hangup", b"VarSet", b"Response: ", b"\r\n", b"\r\n\r\n", b"\r", b"\n", b": ", b"ActionID: resync",
     b"\x00", b"\xff", "ö".encode()[:1], BANNER, b"Complete", b"Timestamp: 1e400"],
) | st.binary(max_size=20)  # fmt: skip
streams = st.lists(pieces, max_size=60).map(b"".join)


def places(data: bytes, cuts: list[int]) -> list[int]:
    return [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]


def fed(framer: Framer, data: bytes, cuts: list[int]) -> list[str]:
    whole: list[str] = []
    for start, end in pairwise(places(data, cuts)):
        whole += framer.feed(data[start:end])
    return whole


def test_keeps_what_counts() -> None:
    """Responses, wanted events and what may be the rest of one are kept; an empty line too many does no harm."""
    framer = Framer(WANTED)
    assert framer.feed(STREAM) == COUNTING
    assert framer.version == "11.0.0"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64])
def test_pieces_make_the_same_stream(size: int) -> None:
    """However the stream is cut, the messages are the same."""
    framer = Framer(WANTED)
    assert fed(framer, STREAM, list(range(0, len(STREAM), size))) == COUNTING


@settings(deadline=None)
@given(streams, st.lists(st.integers(min_value=0), max_size=20))
@example(b"\r\n\r\n\r\n\r\nEvent: Hangup\r\n\r\n", [3])
def test_any_bytes_in_any_pieces(data: bytes, cuts: list[int]) -> None:
    """Any bytes behind a banner frame and decode without an error, the same however they are cut."""
    data = BANNER + data
    whole = fed(Framer(WANTED), data, [])
    assert fed(Framer(WANTED), data, cuts) == whole
    decode = Decoder()
    for message in whole:
        headers = decode(message)
        assert all(isinstance(value, str) or len(value) > 1 for value in headers.values())


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_first_line_is_a_banner_or_nothing(data: bytes) -> None:
    """What does not begin as an Asterisk does is refused, and nothing of it is a message."""
    framer = Framer(WANTED)
    try:
        assert framer.feed(data) == []
    except BadStream:
        assert not data.startswith(BANNER)


@settings(deadline=None)
@given(streams, streams, st.lists(st.integers(min_value=0), max_size=6))
def test_connection_survives_any_bytes(first: bytes, second: bytes, cuts: list[int]) -> None:
    """Whatever a peer sends ends in events or in a lost connection, never in an exception, and the wait is over."""

    async def meet() -> None:
        loop = asyncio.get_running_loop()
        trouble: list[object] = []
        loop.set_exception_handler(lambda _, context: trouble.append(context))
        events: list[Headers] = []
        connection = Connection(lambda headers, _: events.append(headers), lambda: 0.0, Timing())
        wire = connection._wire
        wire.connection_made(_Nowhere())
        for data in (BANNER, first, b"\r\n\r\n", second, event("Hangup"), b"\r\n\r\n"):
            for start, end in pairwise(places(data, cuts)):
                wire.data_received(data[start:end])
        wire.connection_lost(None)
        async with asyncio.timeout(5):
            await connection.gone
        assert trouble == []

    asyncio.run(meet())


class _Nowhere(asyncio.Transport):
    def abort(self) -> None:
        pass


def fill(framer: Framer, size: int) -> int:
    """Feed so many bytes without a line end, and say how many were taken."""
    chunk = b"x" * 65536
    for taken in range(0, size, len(chunk)):
        try:
            framer.feed(chunk)
        except BadStream:
            return taken
    return size


def test_line_without_end_does_not_grow() -> None:
    """A hundred megabytes without a line end are refused at the first, whatever their pieces."""
    framer = Framer(WANTED)
    framer.feed(BANNER)
    tracemalloc.start()
    try:
        taken = fill(framer, 100 << 20)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken <= LONGEST_MESSAGE
    assert most < 4 * LONGEST_MESSAGE


def test_message_byte_by_byte_is_searched_once() -> None:
    """A long message in single bytes takes time in proportion to its length, not to its square."""
    framer = Framer(WANTED)
    framer.feed(BANNER)
    long = b"Event: Hangup\r\nX: " + b"y" * 300_000
    for place in range(len(long)):
        framer.feed(long[place : place + 1])
    assert framer.feed(b"\r\n\r\n") == [long.decode()]


@pytest.mark.parametrize(
    ("message", "headers"),
    [
        ("Event: Hangup", {"Event": "Hangup"}),
        ("Event: Hangup\r\nA: ", {"Event": "Hangup", "A": ""}),
        ("Event: Hangup\r\nA:", {"Event": "Hangup", "A": ""}),
        ("Event: Hangup\r\nno header\r\nA: b: c", {"Event": "Hangup", "A": "b: c"}),
        ("Event: Hangup\r\nA: 1\r\nA: 2\r\nA: 3", {"Event": "Hangup", "A": ["1", "2", "3"]}),
        ("Event: Hangup\r\nA: 1\nB: 2", {"Event": "Hangup", "A": "1\nB: 2"}),
        ("Event: Hangup\r\nA: 1\rB: 2", {"Event": "Hangup", "A": "1\rB: 2"}),
        ("\r\nEvent: Hangup\r\nA: 1", {"Event": "Hangup", "A": "1"}),
    ],
)
def test_headers(message: str, headers: Headers) -> None:
    """A message as a plain dict, the first time and again; what is no header is left out."""
    decode = Decoder()
    assert (decode(message), decode(message)) == (headers, headers)


line = st.text(st.sampled_from("AB: \r\nö"), max_size=6)
messages = st.lists(line | st.sampled_from(["A: 1", "B: 2", "A: x: y", "A:", "C: "]), max_size=5).map(
    lambda lines: "\r\n".join(["Event: Hangup", *lines])
)


@settings(deadline=None)
@given(st.lists(messages, max_size=12))
def test_forms_seen_before_change_nothing(stream: list[str]) -> None:
    """A message reads the same whatever was read before it."""
    decode = Decoder()
    assert [decode(message) for message in stream] == [Decoder()(message) for message in stream]


def test_forms_are_not_learnt_without_bound() -> None:
    """A stream of ever new headers does not make the decoder grow."""
    decode = Decoder()
    for n in range(2000):
        decode(f"Event: E{n}\r\nA{n}: 1")
        decode(f"Event: Hangup\r\nA{n}: 1")
    assert sum(map(len, decode._forms.values())) <= 200
