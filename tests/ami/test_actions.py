"""What can be asked of Asterisk, and what cannot even be said."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ami.linked import PICKUP, originate
from bridge.ami.actions import check_headers, getvar, hangup, setvar, status
from bridge.calls import STATUS_VARIABLES
from bridge.grammar import CallerId, ChannelName, Number, Uniqueid


def test_originate_is_what_asterisk_is_asked() -> None:
    """Every header of an Originate, in order; variables one to a header, empty ones too."""
    order = originate(
        variables={"UAPI_VIEW": "01", "UAPI_QUEUE": "", "UAPI_LEG": "Local/1@x-0001;2"}, action_id="x"
    )
    request = order.request()
    assert (request.name, request.action_id, request.rows, request.channel) == (
        "Originate",
        "x",
        False,
        PICKUP,
    )
    assert request.headers == (
        ("Channel", "PJSIP/0003*024"),
        ("ChannelId", PICKUP),
        ("Context", "uapi-pickup"),
        ("Exten", "pickup"),
        ("Priority", "1"),
        ("Timeout", "25000"),
        ("CallerID", "John Doe <42420042>"),
        ("Async", "true"),
        ("Variable", "UAPI_VIEW=01"),
        ("Variable", "UAPI_QUEUE="),
        ("Variable", "UAPI_LEG=Local/1@x-0001;2"),
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "PJSIP/0003*024"},
        {"endpoint": "PJSIP/x\r\nAction: Hangup"},
        {"pickup": "uapi-b817d2618fe6f1804333-1"},
        {"pickup": Uniqueid.parse("1.1")},
        {"caller": "John Doe <1>"},
        {"context": "uapi-pickup,s"},
        {"context": ""},
        {"context": "a\n"},
        {"timeout_ms": 0},
        {"timeout_ms": 3_600_001},
        {"timeout_ms": 4294967297},
        {"timeout_ms": 2.5},
        {"timeout_ms": True},
        {"variables": {"A,B": "1"}},
        {"variables": {"A=B": "1"}},
        {"variables": {"__A\n": "1"}},
        {"variables": {"A": "1\r\nAction: Originate"}},
        {"variables": {"A": "1,B=2"}},
        {"variables": {"A": 'say "hi"'}},
        {"variables": {"A": "back\\slash"}},
        {"variables": {"A": "x\x00"}},
        {"variables": {"A": "x\u2028"}},
        {"variables": {"A": "\ud800"}},
        {"variables": {"A": 1}},
        {"variables": {"A": "x" * 501}},
    ],
)
def test_originate_takes_nothing_unchecked(wrong: dict[str, Any]) -> None:
    """A plain text where a checked type belongs, a number out of bounds, or AMI syntax in a variable is refused."""
    with pytest.raises(ValueError, match=r"must|is no"):
        originate(**wrong)


@pytest.mark.parametrize("channel", ["/.*/", "PJSIP/0003*024-0000002c", "1.1", None])
def test_channels_are_checked_types(channel: Any) -> None:
    """No plain text names a channel: one that begins with a slash would hang up all that match it."""
    with pytest.raises(ValueError, match="a channel must be"):
        hangup(channel, 16)
    with pytest.raises(ValueError, match="a channel must be"):
        setvar(channel, "UAPI_VIEW", "01")
    if channel is not None:
        with pytest.raises(ValueError, match="a channel must be"):
            getvar("BRIDGEPEER", channel)
        with pytest.raises(ValueError, match="a channel must be"):
            status(cdr=True, channel=channel)


@pytest.mark.parametrize("cause", [0, 128, -1, "16", True, 1.5])
def test_causes_are_causes(cause: Any) -> None:
    """A hangup cause is a whole number from 1 to 127."""
    with pytest.raises(ValueError, match="cause"):
        hangup(ChannelName.parse("PJSIP/0003*024-0000002c"), cause)


@pytest.mark.parametrize(
    "variable", ["SHELL(id)", "FILE(/etc/passwd)", "A B", "CHANNEL(a),x", "EVAL(x)", "A\r\nB: c", ""]
)
def test_only_known_functions_are_read_and_written(variable: str) -> None:
    """Functions that run or read things on the PBX are not in the grammar, nor is what is no name at all."""
    with pytest.raises(ValueError, match="is no variable"):
        getvar(variable)
    with pytest.raises(ValueError, match="is no variable"):
        setvar(PICKUP, variable, "x")


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "\x00", "x" * 501])
def test_values_are_one_line(value: str) -> None:
    """A value with a line end, or beyond all measure, is refused."""
    with pytest.raises(ValueError, match="UAPI_VIEW must"):
        setvar(PICKUP, "UAPI_VIEW", value)


def test_questions_about_one_channel() -> None:
    """Requests name the channel they are about."""
    peer = getvar("BRIDGEPEER", Uniqueid.parse("1795456696.24"))
    assert peer.headers == (("Channel", "1795456696.24"), ("Variable", "BRIDGEPEER"))
    goto = setvar(PICKUP, "CHANNEL(after_bridge_goto)", "uapi-pickup,gone,1")
    assert goto.headers == (
        ("Channel", PICKUP),
        ("Variable", "CHANNEL(after_bridge_goto)"),
        ("Value", "uapi-pickup,gone,1"),
    )
    born = status(cdr=True, channel=PICKUP)
    assert born.headers == (
        ("Channel", PICKUP),
        ("Variables", ",".join(STATUS_VARIABLES)),
        ("AllVariables", "false"),
    )
    assert born.rows
    for own in ("PJSIP_ENDPOINT(0003*024,callerid)", "SIPPEER(0003*024,callerid_name)"):
        assert getvar(own).channel == ""


def test_what_is_usual_fits_ami() -> None:
    """No usual action has a line that AMI would find too long."""
    for request in (
        status(cdr=True),
        originate(caller=CallerId("宇" * 80, Number.parse("1" * 32))).request(),
    ):
        check_headers({name: [value] for name, value in request.headers})


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.text() | st.lists(st.text()) | st.integers() | st.none()))
def test_whatever_is_given_one_header_stays_one_line(headers: dict[str, object]) -> None:
    """What the last check lets through has as many lines as it has values."""
    try:
        check_headers(headers)
    except ValueError:
        return
    values = [
        (name, part)
        for name, value in headers.items()
        for part in (value if isinstance(value, list) else [value])
    ]
    assert len("\r\n".join(f"{name}: {part}" for name, part in values).splitlines()) <= len(values)


@settings(deadline=None)
@given(st.text())
def test_variables_of_an_originate_mean_themselves(text: str) -> None:
    """A value that is let through has nothing in it that AMI splits at or takes away."""
    try:
        order = originate(variables={"A": text})
    except ValueError:
        return
    assert order.request().headers[-1] == ("Variable", f"A={text}")
    assert not set(text) & set(',"\\\r\n\x00')
