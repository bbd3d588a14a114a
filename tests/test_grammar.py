"""What may cross a border: the words that pass, and those that do not."""

import hashlib
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.grammar import (
    CallerId,
    CallId,
    ChannelName,
    Checked,
    Endpoint,
    Extension,
    GrammarError,
    Number,
    PickupId,
    Uniqueid,
    epoch_and_sequence,
    octets,
)

KINDS = (Extension, Number, CallId, Uniqueid, PickupId, ChannelName, Endpoint)
ID = "0123456789abcdef0123"


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (Extension, ["0003*210", "0", "*", "0003*", "*210", "9" * 32]),
        (Number, ["+4930900100", "0", "#31#", "*21*", "+1", "9" * 32, "+" + "9" * 32]),
        (CallId, [ID]),
        (Uniqueid, ["1795465922.1", "pbx-1-1795465922.1", "uapi-x", "click-77", "a_b:c@d", "x" * 149]),
        (PickupId, [f"uapi-{ID}-1", f"uapi-{ID}-999999"]),
        (
            ChannelName,
            ["PJSIP/0003*210-0000002c", "Local/0003*210@internal-00000001;1", "IAX2/a:1-2", "SIP/+49=1-a"],
        ),
        (Endpoint, ["PJSIP/0003*210", "SIP/trunk", "PJSIP/a@b.c"]),
    ],
)
def test_passes(kind: type[Checked], texts: list[str]) -> None:
    """It is the text itself, of a type that says that it was checked."""
    for text in texts:
        checked = kind.parse(text)
        assert checked == text and type(checked) is kind
        assert kind.parse(checked) is checked
        assert kind.maybe(text) == text


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (Extension, ["", "210a", "+49", "0003 210", "0003*210\n", "\u0660", "9" * 33, "0003*210;x"]),
        (Number, ["", "+", "++1", "1+", "John", "1 2", "9" * 33, "1\n", "\u0661"]),
        (CallId, ["", ID.upper(), ID[:-1], ID + "0", ID + "\n", "g" * 20]),
        (Uniqueid, ["", "a&b", "a,b", "a b", "a/b", "a)b", "${X}", "1.1\n", "\u00e9", "x" * 150, "a;b", "a|b"]),
        (PickupId, ["", f"uapi-{ID}-0", f"uapi-{ID}-01", f"uapi-{ID}-1000000", f"uapi-{ID}", f"uapi-{ID}-1x", "1.1"]),
        (ChannelName, ["", "PJSIP", "PJSIP/", "/x", "PJSIP/a b", "PJSIP/a,b", "PJSIP/a&b", "PJSIP/a\r\nX: y", "PJ/" + "x" * 151]),
        (Endpoint, ["", "PJSIP/a&PJSIP/b", "PJSIP/a/b", "PJSIP/a,1", "Local/1@x;1", "PJSIP/a\n", "PJSIP/" + "x" * 81]),
    ],
)  # fmt: skip
def test_does_not_pass(kind: type[Checked], texts: list[str]) -> None:
    """The sentence says what would."""
    for text in texts:
        with pytest.raises(GrammarError, match="must be "):
            kind.parse(text)
        assert kind.maybe(text) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("thing", [None, 5, 1.5, True, b"0", [], {}, ["0"]])
def test_what_is_no_text(kind: type[Checked], thing: object) -> None:
    """It is refused, not turned into one."""
    assert kind.maybe(thing) is None


def test_one_kind_is_not_another() -> None:
    """A checked text of one kind is checked again as another; a pickup's id is a Uniqueid."""
    assert type(Number.parse(Extension("210"))) is Number
    assert Uniqueid.maybe(ChannelName("PJSIP/x")) is None
    leg = PickupId.of(CallId(ID), 3)
    assert Uniqueid.parse(leg) is leg


@given(st.text(max_size=40))
def test_nothing_that_passes_is_syntax(text: str) -> None:
    """No line end, no quote, no separator of AMI or of a dialplan's arguments gets through in any kind."""
    for kind in KINDS:
        if kind.maybe(text) is not None:
            assert not set(text) & set("\r\n\0,\"'\\&|()[]{}<>$ \t")
            assert text.isascii()


def test_the_parts_of_an_extension() -> None:
    """The first star parts the organization from the phone."""
    parts = [
        (Extension(text).prefix, Extension(text).short)
        for text in ("0003*210", "210", "0003*2*1", "*2", "1*")
    ]
    assert parts == [("0003", "210"), ("", "210"), ("0003", "2*1"), ("", "2"), ("1", "")]


def test_the_id_of_a_call() -> None:
    """The first 20 hex digits of SHA-256 of its Linkedid."""
    assert CallId.of("1795465922.0") == hashlib.sha256(b"1795465922.0").hexdigest()[:20]
    assert CallId.maybe(CallId.of("\u00e9")) is not None


@given(st.text())
def test_any_linkedid_has_an_id(text: str) -> None:
    """Whatever a recording holds, halves of surrogate pairs too; and texts that can be written get the plain digest."""
    assert CallId.maybe(CallId.of(text + "\ud800")) is not None
    assert octets(text) == text.encode()


def test_the_id_of_a_pickup_leg() -> None:
    """It names its call and its place among the call's."""
    leg = PickupId.of(CallId(ID), 12)
    assert leg == f"uapi-{ID}-12"
    assert (leg.call, leg.n) == (ID, 12)
    assert type(leg.call) is CallId
    for n in (0, -1, 1_000_000):
        with pytest.raises(GrammarError):
            PickupId.of(CallId(ID), n)


@given(st.integers(1, 999_999), st.text("0123456789abcdef", min_size=20, max_size=20))
def test_pickup_ids_are_read_as_written(n: int, call: str) -> None:
    """For any call and number."""
    leg = PickupId.parse(str(PickupId.of(CallId.parse(call), n)))
    assert (leg.call, leg.n) == (call, n)


@pytest.mark.parametrize(
    ("uniqueid", "read"),
    [
        ("1795465922.1", (1795465922, 1)),
        ("pbx-1-1795465922.12", (1795465922, 12)),
        ("a.b-1795465922.12", (1795465922, 12)),
        ("195176c06ab8-1529936170.42", (1529936170, 42)),
        ("-1.2", (1, 2)),
        ("1.2.3", None),
        ("pbx1795465922.1", None),
        ("1795465922", None),
        (".1", None),
        ("1.", None),
        ("1795465922.1\n", None),
        ("x\n-1.2", None),
        ("1" * 13 + ".1", None),
        ("\u0661.1", None),
        ("uapi-0123456789abcdef0123-1", None),
        ("", None),
    ],
)
def test_epoch_and_sequence(uniqueid: str, read: tuple[int, int] | None) -> None:
    """Read from the right, as a system name may have dashes, dots and digits of its own."""
    assert epoch_and_sequence(uniqueid) == read


@pytest.mark.parametrize(
    ("text", "name", "number", "written"),
    [
        ("John Doe <42420042>", "John Doe", "42420042", "John Doe <42420042>"),
        ("  John Doe   < +3334444 > ", "John Doe", "+3334444", "John Doe <+3334444>"),
        ("<0003*024>", "", "0003*024", "<0003*024>"),
        ("J\u00fcrgen O'Neil, (x) & Co. #1 <1>", "J\u00fcrgen O'Neil, (x) & Co. #1", "1", "J\u00fcrgen O'Neil, (x) & Co. #1 <1>"),
        ("\u5f20\u4f1f \U0001f600 <1>", "\u5f20\u4f1f \U0001f600", "1", "\u5f20\u4f1f \U0001f600 <1>"),
        ("x" * 80 + " <1>", "x" * 80, "1", "x" * 80 + " <1>"),
    ],
)  # fmt: skip
def test_a_caller_id(text: str, name: str, number: str, written: str) -> None:
    """Name and number, spaces around them left out; written as UAPI and Asterisk write it."""
    caller = CallerId.parse(text)
    assert (caller.name, caller.number, str(caller)) == (name, number, written)
    assert CallerId.parse(str(caller)) == caller


@pytest.mark.parametrize(
    "text",
    [
        "", "John", "42420042", "John <>", "John <x>", "John <1", "John 1>", "a<b>c<1>", "<1>x", "John <1>\n",
        *(f"a{char}b <1>" for char in '"\\;${}'), "a\nb <1>", "a\tb <1>", "a\x00b <1>", "a\x7fb <1>", "a\u00a0b <1>",
        "a\u200bb <1>", "a\u202eb <1>", "a\u2028b <1>", "a\ue000b <1>", "a\ud800b <1>", "x" * 81 + " <1>", None, 5,
        ["John <1>"], b"John <1>",
    ],
)  # fmt: skip
def test_no_caller_id(text: Any) -> None:
    """What Asterisk would mangle, a phone could not show or a dialplan would read as syntax is refused."""
    with pytest.raises(GrammarError, match="must "):
        CallerId.parse(text)


@given(st.text(max_size=90), st.text(string.digits + "+*#x", max_size=34))
def test_any_caller_id_that_is_made_can_be_read(name: str, number: str) -> None:
    """The constructor checks as well as the parser: there is no other way to have one."""
    try:
        caller = CallerId(name, Number.parse(number))
    except GrammarError:
        return
    again = CallerId.parse(str(caller))
    assert (again.name, again.number) == (caller.name.strip(" "), caller.number)
