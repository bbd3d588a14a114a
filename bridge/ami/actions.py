"""What the bridge may ask of Asterisk: each action built from checked parts, nothing passed through.

panoramisk writes header values as they come, so a line end in one would be a header, or an action, of its own.
That cannot be said with what is here: channels, endpoints and caller ids come as types of `bridge.grammar`, and
the few plain texts (variables and their values) have a positive grammar below. `check_headers` looks at the whole
once more at the one place that writes.
"""

import re
import secrets
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from bridge.calls import STATUS_VARIABLES
from bridge.grammar import CallerId, ChannelName, Endpoint, PickupId, Uniqueid

LONGEST_LINE = 1000
"""Bytes. Asterisk 16 and 22 refuse a line of 1,023 with an error that does not even carry the ActionID."""

PICKUP_EXTENSION = "pickup"
"""Where a pickup leg enters the dialplan context, at priority 1."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HEADER = re.compile(r"[A-Za-z]{1,32}")
_CONTEXT = re.compile(r"[A-Za-z0-9_-]{1,79}")
_NAME = r"[A-Za-z][A-Za-z0-9_]{0,63}"
_NEW_VARIABLE = re.compile(_NAME)
_WRITABLE = re.compile(rf"{_NAME}|CHANNEL\([a-z_]{{1,40}}\)")
_READABLE = re.compile(
    rf"{_NAME}|(?:CDR|CHANNEL|CHANNEL_EXISTS|DEVICE_STATE|DIALPLAN_EXISTS|PJSIP_DIAL_CONTACTS|PJSIP_ENDPOINT|SIPPEER)"
    r"\([A-Za-z0-9_./@*#+:;,=-]{1,200}\)"
)
# A `Variable: a=b` header is split at commas, and loses quotes and backslashes (seen on 16.28 and 22.10).
_UNSAFE_IN_ORIGINATE = frozenset(',"\\')


def context_name(text: str) -> str:
    """Check the name of a dialplan context.

    Raises:
        ValueError: it has other characters than letters, digits, _ and -.
    """
    if not _CONTEXT.fullmatch(text):
        raise ValueError(f"{text!r} is no name of a dialplan context: letters, digits, _ and -")
    return text


def _printable(what: str, text: str, forbidden: Collection[str] = ()) -> str:
    if not isinstance(text, str) or len(text) > 500:
        raise ValueError(f"{what} must be a text of at most 500 characters")
    if text.isascii() and text.isprintable() and not any(char in text for char in forbidden):
        return text  # as nearly all are; what follows looks at each character
    for char in text:
        if char in forbidden or (unicodedata.category(char)[0] in "CZ" and char != " "):
            raise ValueError(f"{what} must not contain {char!r}")
    return text


def _matching(pattern: re.Pattern[str], what: str, text: str) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise ValueError(f"{text!r} is no {what} that the bridge uses")
    return text


def _channel(channel: ChannelName | Uniqueid) -> str:
    if not isinstance(channel, ChannelName | Uniqueid):
        raise ValueError("a channel must be a ChannelName or a Uniqueid")  # noqa: TRY004 -- one error for all wrong values
    return channel


@dataclass(frozen=True, slots=True)
class Request:
    """One action, ready to be sent.

    Attributes:
        name: the action's name.
        headers: its headers in order; a name may repeat.
        action_id: its ActionID; empty to be given one.
        rows: whether the answer is a list of events that ends in one whose name ends in ``Complete``.
    """

    name: str
    headers: tuple[tuple[str, str], ...] = ()
    action_id: str = ""
    rows: bool = False

    @property
    def channel(self) -> str:
        """The channel it is about, for the log; empty if about none."""
        names = dict(self.headers)
        return names.get("ChannelId") or names.get("Channel", "")


@dataclass(frozen=True, slots=True)
class Originate:
    """Ring an endpoint; when it answers, it enters the bridge's dialplan context.

    Attributes:
        endpoint: whom to ring.
        pickup: the ChannelId of the channel that Asterisk makes: the lock of the call.
        context: the dialplan context.
        timeout_ms: how long to ring, 1 to 3,600,000 ms (Asterisk wraps at 2^32: 4294967297 ends at once).
        caller: what the phone shows.
        variables: channel variables of the new channel. A value must not contain ``,``, ``"`` or a backslash,
            which AMI would take as syntax; percent-encode a text that may.
        action_id: comes back in OriginateResponse, which every manager session sees: the pickup's id, and
            behind the slash a part that tells this attempt from those of other bridges.

    Raises:
        ValueError: something is not of its type or grammar.
    """

    endpoint: Endpoint
    pickup: PickupId
    context: str
    timeout_ms: int
    caller: CallerId
    variables: Mapping[str, str]
    action_id: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        """Refuse whatever is not known to be safe, and choose the ActionID."""
        for what, value, kind in (
            ("endpoint", self.endpoint, Endpoint),
            ("pickup", self.pickup, PickupId),
            ("caller", self.caller, CallerId),
        ):
            if not isinstance(value, kind):
                raise ValueError(f"{what} must be of type {kind.__name__}")  # noqa: TRY004 -- one error for all wrong values
        context_name(self.context)
        if type(self.timeout_ms) is not int or not 1 <= self.timeout_ms <= 3_600_000:
            raise ValueError("timeout_ms must be a whole number from 1 to 3600000")
        for name, text in self.variables.items():
            _matching(_NEW_VARIABLE, "channel variable", name)
            _printable(name, text, _UNSAFE_IN_ORIGINATE)
        if not self.action_id:
            object.__setattr__(self, "action_id", f"{self.pickup}/{secrets.token_hex(6)}")

    def request(self) -> Request:
        """As an AMI action. Async, so that the answer says only that it was queued."""
        headers = [
            ("Channel", self.endpoint),
            ("ChannelId", self.pickup),
            ("Context", self.context),
            ("Exten", PICKUP_EXTENSION),
            ("Priority", "1"),
            ("Timeout", str(self.timeout_ms)),
            ("CallerID", str(self.caller)),
            ("Async", "true"),
            *(("Variable", f"{name}={value}") for name, value in self.variables.items()),
        ]
        return Request("Originate", tuple(headers), self.action_id)


def hangup(channel: ChannelName | Uniqueid, cause: int) -> Request:
    """Hang a channel up, telling it a cause (Q.850: 16 normal, 26 answered elsewhere)."""
    if type(cause) is not int or not 1 <= cause <= 127:
        raise ValueError("cause must be a whole number from 1 to 127")
    return Request("Hangup", (("Channel", _channel(channel)), ("Cause", str(cause))))


def setvar(channel: Uniqueid, variable: str, value: str) -> Request:
    """Set a variable, or a ``CHANNEL(...)`` item, of a channel."""
    headers = (
        ("Channel", _channel(channel)),
        ("Variable", _matching(_WRITABLE, "variable", variable)),
        ("Value", _printable(variable, value)),
    )
    return Request("Setvar", headers)


def getvar(variable: str, channel: Uniqueid | None = None) -> Request:
    """Read a variable or function, of a channel or of none."""
    about = () if channel is None else (("Channel", _channel(channel)),)
    return Request("Getvar", (*about, ("Variable", _matching(_READABLE, "variable or function", variable))))


def context_exists(context: str) -> Request:
    """Ask whether the dialplan context with the pickup's extension is loaded: 1 or 0."""
    return getvar(f"DIALPLAN_EXISTS({context_name(context)},{PICKUP_EXTENSION},1)")


def status(*, cdr: bool, channel: Uniqueid | None = None) -> Request:
    """Ask for one channel, or for all, with the variables that the picture of calls needs.

    Args:
        cdr: whether CDRs are on; where they are off, each look-up of one logs errors on the PBX.
        channel: the one to ask for.
    """
    variables = ",".join(name for name in STATUS_VARIABLES if cdr or not name.startswith("CDR("))
    about = () if channel is None else (("Channel", _channel(channel)),)
    return Request("Status", (*about, ("Variables", variables), ("AllVariables", "false")), rows=True)


def check_headers(headers: Mapping[str, object]) -> None:
    """Make sure that what is about to be written is the headers it seems to be, and no more.

    Raises:
        ValueError: a name is no header's, a value is no text, has a control character, or is too long for AMI.
    """
    for name, values in headers.items():
        if not _HEADER.fullmatch(name):
            raise ValueError(f"{name!r} is no AMI header")
        for value in values if isinstance(values, list) else [values]:
            if not isinstance(value, str) or _CONTROL.search(value):
                raise ValueError(f"the value for {name} is not a text of one line")
            if len(name) + 2 + len(value.encode()) > LONGEST_LINE:
                raise ValueError(f"the value for {name} is longer than AMI takes")
