"""The words that may cross a border: each type here exists only once its text has passed a positive grammar.

What reaches Asterisk is built from these types alone, so no byte of a request or of the PBX gets into an AMI
action or a dialplan argument unchecked. Grammars are UAPI's where a value comes from outside (data types page:
extension numbers, caller ids) and Asterisk's where it names a channel.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

_EXTENSION = re.compile(r"[0-9*]{1,32}")
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_CALLER_ID = re.compile(r"(?P<name>[^<>]*)<(?P<number>[^<>]*)>")
_NAME_FORBIDDEN = frozenset('"\\<>;${}')
_CALL_ID = re.compile(r"[0-9a-f]{20}")
_UNIQUEID = re.compile(r"[A-Za-z0-9_.:@-]{1,149}")
_PICKUP_ID = re.compile(r"uapi-([0-9a-f]{20})-([1-9][0-9]{0,5})")
_EPOCH_SEQUENCE = re.compile(r"(?:.*-)?([0-9]{1,12})\.([0-9]{1,12})")
_CHANNEL = re.compile(r"[A-Za-z0-9_]{1,32}/[A-Za-z0-9_.:@*#+/;=-]{1,150}")
_ENDPOINT = re.compile(r"[A-Za-z0-9_]{1,32}/[A-Za-z0-9_.@*#+-]{1,80}")


class GrammarError(ValueError):
    """A text is not what its type asks for; the message says what would be."""


class Checked(str):
    """A text that has passed the grammar of its class."""

    __slots__ = ()
    _pattern: re.Pattern[str]
    _what: str

    @classmethod
    def parse(cls, text: object) -> Self:
        """Check a text.

        Raises:
            GrammarError: it is no text of this grammar.
        """
        checked = cls.maybe(text)
        if checked is None:
            raise GrammarError(f"must be {cls._what}")
        return checked

    @classmethod
    def maybe(cls, text: object) -> Self | None:
        """Check a text that may well be something else: None then."""
        if isinstance(text, cls):
            return text
        return cls(text) if isinstance(text, str) and cls._pattern.fullmatch(text) else None


class Extension(Checked):
    """A UAPI extension number in its long form, such as ``0003*210``: digits and stars."""

    __slots__ = ()
    _pattern = _EXTENSION
    _what = "an extension number: digits and *, such as 0003*210"

    @property
    def prefix(self) -> str:
        """What stands before the first star; empty for a number without one."""
        head, star, _ = self.partition("*")
        return head if star else ""

    @property
    def short(self) -> str:
        """What stands after the first star; the whole number where there is none."""
        head, star, tail = self.partition("*")
        return tail if star else head


class Number(Checked):
    """A telephone number as a caller id may carry it."""

    __slots__ = ()
    _pattern = _NUMBER
    _what = "a telephone number: an optional +, then digits, * and #"


class CallId(Checked):
    """A PhoneCall id: 20 hex digits of the Linkedid's SHA-256."""

    __slots__ = ()
    _pattern = _CALL_ID
    _what = "a phone call id: 20 lower-case hex digits"

    @classmethod
    def of(cls, linkedid: str) -> Self:
        """The id of the call that has this Linkedid."""
        return cls(hashlib.sha256(octets(linkedid)).hexdigest()[:20])


class Uniqueid(Checked):
    """A channel's Uniqueid, safe as a dialplan argument: nothing PickupChan or Bridge would split at."""

    __slots__ = ()
    _pattern = _UNIQUEID
    _what = "a channel's Uniqueid"


class PickupId(Uniqueid):
    """The ChannelId of a pickup leg, ``uapi-<callId>-<n>``: the lock that lets one phone ring for a call."""

    __slots__ = ()
    _pattern = _PICKUP_ID
    _what = "the id of a pickup leg"

    @classmethod
    def of(cls, call: CallId, n: int) -> Self:
        """The id of a call's n-th pickup leg, n from 1."""
        return cls.parse(f"uapi-{call}-{n}")

    @property
    def call(self) -> CallId:
        """The call that it was made for."""
        return CallId(self[5:25])

    @property
    def n(self) -> int:
        """Its place among the call's pickup legs."""
        return int(self[26:])


class ChannelName(Checked):
    """A channel's name as Asterisk made it, such as ``PJSIP/0003*210-0000002c``."""

    __slots__ = ()
    _pattern = _CHANNEL
    _what = "a channel name"


class Endpoint(Checked):
    """What Dial and Originate call one phone by: technology and name, no options and no second channel."""

    __slots__ = ()
    _pattern = _ENDPOINT
    _what = "an endpoint: technology/name, such as PJSIP/0003*210"


@dataclass(frozen=True, slots=True)
class CallerId:
    """A caller id, ``John Doe <42420042>``.

    Raises:
        GrammarError: name or number is not allowed in one.
    """

    name: str
    number: Number

    def __post_init__(self) -> None:
        """Refuse what Asterisk would mangle or a dialplan would read as syntax."""
        if len(self.name) > 80:
            raise GrammarError("the name must have at most 80 characters")
        for char in self.name:
            if char in _NAME_FORBIDDEN or (unicodedata.category(char)[0] in "CZ" and char != " "):
                raise GrammarError('the name must be printable, without " \\ < > ; $ { }')

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read ``name <number>``; the name may be empty.

        Raises:
            GrammarError: it has another form.
        """
        match = _CALLER_ID.fullmatch(text.strip(" ")) if isinstance(text, str) else None
        if not match:
            raise GrammarError("must have the form John Doe <+3334444>")
        return cls(match["name"].strip(" "), Number.parse(match["number"].strip(" ")))

    def __str__(self) -> str:
        """As UAPI and Asterisk write it."""
        return f"{self.name} <{self.number}>" if self.name else f"<{self.number}>"


def printable(text: str, longest: int) -> str:
    """What may be shown of a text that comes from outside, a name or a number.

    Only what can be printed, at a length that somebody could read; and neither angle bracket, which would end the name
    or begin another number.
    """
    chars = (
        " " if unicodedata.category(char)[0] == "Z" else char
        for char in text[: 4 * longest]
        if unicodedata.category(char)[0] != "C" and char not in "<>"
    )
    return " ".join("".join(chars).split())[:longest].strip()


def octets(text: str) -> bytes:
    """A text to take a digest of, whatever is in it: a recording may hold halves of surrogate pairs."""
    return text.encode(errors="surrogatepass")


@lru_cache(maxsize=4096)  # asked several times of each channel of a call that is shown
def epoch_and_sequence(uniqueid: str) -> tuple[int, int] | None:
    """Read ``[<systemname>-]<epoch>.<sequence>`` from the right; None for an assigned id.

    Returns:
        The second the channel was made in (since 1970) and its number since Asterisk started.
    """
    match = _EPOCH_SEQUENCE.fullmatch(uniqueid)
    return (int(match[1]), int(match[2])) if match else None
