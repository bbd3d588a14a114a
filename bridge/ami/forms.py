"""Messages of a form seen before: the headers, in their order, that Asterisk sends with each event of a name.

One match of a regular expression makes a dict of such a message, instead of a cut at each line and each colon. What
nobody here reads is matched like the rest, and then left out: making the dict is half of what an event costs.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

Form = Callable[[str], dict[str, str | list[str]] | None]
"""Makes headers of a message; None where it is of another form."""

REPEATED = "Variable"
"""The one header that repeats by itself: each channel's row of a Status has all that were asked for."""

_KEPT, _LEFT_OUT = ": ([^\r]*+)", ": [^\r]*+"
"""A value. It ends at the line's end, so that nothing has to be tried again: hence the possessive quantifier."""

_ALWAYS = frozenset({"Event", "ActionID", "Timestamp"})
_CHANNEL = ("Channel", "ChannelState", "Uniqueid")
_PARTIES = ("CallerIDNum", "CallerIDName", "ConnectedLineNum", "ConnectedLineName")

READ: Mapping[str, frozenset[str]] = {
    "Newchannel": frozenset({*_CHANNEL, *_PARTIES, "Exten", "Linkedid"}),
    "Newstate": frozenset({*_CHANNEL, "Exten"}),
    "NewCallerid": frozenset({*_CHANNEL, "CallerIDNum", "CallerIDName"}),
    "NewConnectedLine": frozenset({*_CHANNEL, "ConnectedLineNum", "ConnectedLineName"}),
    "DialBegin": frozenset({*_CHANNEL, *(f"Dest{name}" for name in _CHANNEL)}),
    "BridgeEnter": frozenset({*_CHANNEL, "Linkedid", "BridgeUniqueid", "BridgeType", "BridgeTechnology"}),
    "BridgeLeave": frozenset({*_CHANNEL, "BridgeUniqueid"}),
    "Hangup": frozenset({*_CHANNEL, "Cause"}),
    "Status": frozenset({
        *_CHANNEL, *_PARTIES, "Exten", "Linkedid", "DNID", "BridgeID", "BridgeId", "Seconds", REPEATED,
    }),
}  # fmt: skip
"""What the service reads of the events that come in numbers; of all others it is given the whole.

A test finds what is read and not here. Whoever wants events whole, such as a recorder, takes `EVERYTHING`.
"""

EVERYTHING: Mapping[str, frozenset[str]] = MappingProxyType({})
"""No event of which anything is left out."""


def form(names: list[str], read: frozenset[str] | None = None) -> Form | None:
    """The form of messages with these headers.

    Args:
        names: Of the headers, in order.
        read: Those that are wanted; all where None.

    Returns:
        The form; None where a header repeats that does not do so by itself, or not in one row.
    """
    wanted = frozenset(names) if read is None else read | _ALWAYS
    if "ActionID" in names:
        wanted |= {"Privilege"}  # which tells an event from the answer to a question
    kept = [name for name in names if name in wanted]
    first, many = _row(names)
    singles = [name for name in names if name != REPEATED]
    if len(set(singles)) != len(singles) or names[first : first + many] != [REPEATED] * many:
        return None
    lines = (re.escape(name) + (_KEPT if name in wanted else _LEFT_OUT) for name in names)
    match = re.compile("\r\n".join(lines)).fullmatch
    # There are as many groups as names: `zip` runs for each event, and asked to count it takes half as long again.
    if many < 2 or REPEATED not in wanted:

        def plain(message: str) -> dict[str, str | list[str]] | None:
            found = match(message)
            return dict(zip(kept, found.groups())) if found else None  # noqa: B905 -- see above

        return plain
    start = kept.index(REPEATED)
    rows = slice(start, start + many)

    def with_row(message: str) -> dict[str, str | list[str]] | None:
        found = match(message)
        if not found:
            return None
        values = found.groups()
        headers: dict[str, str | list[str]] = dict(zip(kept, values, strict=True))
        headers[REPEATED] = list(values[rows])
        return headers

    return with_row


def _row(names: list[str]) -> tuple[int, int]:
    """Where the header that repeats begins, and how many of it there are."""
    return (names.index(REPEATED), names.count(REPEATED)) if REPEATED in names else (0, 0)
