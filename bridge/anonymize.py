"""Taking people out of a recording: numbers, names, hosts, accounts and addresses become pseudonyms of the same form.

What makes the story stays as it is: times, states, causes, counters, slots' order, Asterisk's own words and the ids
that Asterisk made of times and counters. All else is replaced piece by piece, the same piece by the same pseudonym in
every header, so that relations stay: ``0003*210`` is ``0846*517``, its channel ``PJSIP/0846*517-0000002c``, its
pickup's variable ``UAPI_FROM=0846*517``. A header that is not known is replaced as well: nothing gets through because
nobody has thought of it.
"""

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import zip_longest

from bridge.calls import Headers
from bridge.grammar import CallId, PickupId, octets

_SAFE: dict[str, re.Pattern[str]] = {
    names: re.compile(form)
    for names, form in {
        # Asterisk's own words.
        "Event EventList Response Type Application State Result DestType DestApp IsExternal": r"[A-Za-z][A-Za-z_]{0,39}[0-9]?",
        "Privilege": r"[a-z]+(,[a-z]+)*|Call|Agent",
        "ChannelStateDesc BridgeType BridgeTechnology BridgeCreator BridgeVideoSourceMode": r"[A-Za-z_<>]{1,30}",
        "CID-CallingPres": r"\d{1,3} \([A-Za-z, ]{1,60}\)",
        "Cause-txt": r"[A-Za-z, /()-]{1,60}",
        "Language": r"[a-z]{2}(_[A-Za-z]{2})?",
        "Nativeformats Readformat Writeformat Readtrans Writetrans": r"(?:[a-z()|@>-]|\d{1,6}(?!\d)){0,120}",
        # Counters, durations, codes. None is long enough for a telephone number.
        "ChannelState Cause TechCause Priority BridgeNumChannels Position OriginalPosition Count Wait HoldTime Reason"
        " ParkingTimeout ParkingDuration Seconds TimeToHangup ListItems Items Total Callgroup Pickupgroup": r"\d{0,6}",
        "Timestamp": r"\d{10}\.\d{1,9}",
        # Of the bridge's own making.
        "ActionID": r"(?:resync-\d{1,6}(?:-[0-9a-f]{8})?/[A-Za-z]{1,40}|[A-Za-z]{1,40}/\d{1,6}(?:-[0-9a-f]{8})?)",
    }.items()
}
"""Headers whose values say nothing of anybody, where they have the form that Asterisk gives them."""

_SAFE_BY_NAME = {name: form for names, form in _SAFE.items() for name in names.split()}

_PREFIXES = (
    "Dest",
    "Target",
    "Parkee",
    "Parker",
    "Retriever",
    "Transferer",
    "Transferee",
    "TransferTarget",
    "Transfer",
    "OrigTransferer",
    "Orig",
    "SecondTransferer",
    "Second",
)
"""What stands before a header's name where an event is of several channels."""

_SAFE_VARIABLES = {
    name: re.compile(form)
    for name, form in {
        "CDR(answer,u)": r"\d{0,10}\.\d{6}",
        "CDR(start,u)": r"\d{0,10}\.\d{6}",
        "CHANNEL(onhold)": r"\d",
        "UAPI_VIEW": r"\d{2,5}",
        "UAPI_MODE": r"[a-z]+",
        "UAPI_QUEUE": r"1?",
        "UAPI_BY": r"[0-9a-f]{1,16}",
        "UAPI_ANSWERED": r"\d{0,10}\.\d{6}",
        "UAPI_SINCE": r"\d{0,10}\.\d{6}",
    }.items()
}

_KEPT = frozenset({
    # Channel technologies and what Asterisk appends to a channel's name.
    "pjsip", "sip", "local", "iax", "iax2", "dahdi", "zap", "message", "surrogate", "cbann", "cbrec", "announcer",
    "recorder", "snoop", "asyncgoto", "multicastrtp", "bridge", "masq", "zombie", "transfered", "parked", "agent",
    "console", "sccp", "skinny", "mobile", "motif", "unistim",
    # Devices, hints, and the contexts and extensions that every PBX has.
    "queue", "avail", "pause", "park", "parkedcalls", "confbridge", "meetme", "custom", "hint", "default", "internal",
    "external", "from", "to", "trunk", "inbound", "outbound", "incoming", "outgoing", "voicemail", "macro", "gosub",
    "dial", "uapi", "pickup", "gone", "unknown", "null", "anonymous", "restricted", "unavailable",
})  # fmt: skip
"""Words that name nobody, in lower case."""

_KEPT_IN_NAMES = frozenset({"unknown", "null", "anonymous", "restricted", "unavailable"})
"""Those of them that stay in what people are called, too: somebody may well be a Mr. Park."""

_THINGS = ("SystemName", "BridgeName")
"""Whose names are nobody's, and stand in other headers too: in ids, as a parking lot."""

_HEADER = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*")

_PIECES = re.compile(
    r"(?P<uuid>\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)"
    r"|(?P<pickup>uapi-[0-9a-f]{20}-[1-9][0-9]{0,5}(?![0-9A-Za-z])(?:/[0-9a-f]{12}(?![0-9A-Za-z]))?)"
    r"|(?P<address>(?<![0-9A-Za-z.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z.]))"
    r"|(?P<address6>(?<![0-9A-Za-z:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:\.[0-9.]+)?(?![0-9A-Za-z:]))"
    # A time and a counter: the Uniqueid of a channel, or a moment.
    r"|(?P<made>(?<![0-9])1[0-9]{9}\.[0-9]{1,9}(?![0-9A-Za-z]))"
    # The counter behind a channel's name; before Asterisk 1.8 an address in memory.
    r"|(?P<counter>(?<=[^\s/]-)(?:00[0-9a-f]{6}|(?=[0-9]*[a-f])[0-9a-f]{8})(?=(?:;[12])?(?:$|[<,&| ])))"
    # Whatever stands between two signs: a number, a word, or both in one, such as the hardware address of a phone.
    r"|(?P<token>(?:[0-9A-Za-z]|[^\x00-\x7f])+)"
)

_RUNS = re.compile(r"[0-9]+|[^0-9]+")
"""The numbers and the words of a token."""

_CONSONANTS, _VOWELS = "bcdfghjklmnprstvwxz", "aeiou"
_DOCUMENTATION = tuple(int(IPv4Address(net)) for net in ("192.0.2.0", "198.51.100.0", "203.0.113.0"))
"""Networks that belong to nobody (RFC 5737)."""


class Anonymizer:
    """Gives pseudonyms, and remembers whose they are.

    Args:
        key: The same key gives the same pseudonyms again, as far as they are free; a new one each time where empty.
            Whoever knows it can find a short number by trying all.
    """

    def __init__(self, key: str = "") -> None:
        self._key = octets(key) if key else secrets.token_bytes(16)
        self._given: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()
        self._met: set[str] = set()
        self._calls: dict[str, str] = {}
        self._views: dict[str, str] = {}

    # --- the door

    def meet(self, event: Headers) -> None:
        """Take note of what is in an event, so that none of it is given as a pseudonym to anybody else.

        Where all events are met before the first is rewritten, nothing of them is left in what comes out.
        """
        for name, value in event.items():
            for one in _values(value):
                self._met |= {piece.casefold() for piece in _secrets(one)}
                if name.endswith(("Linkedid", "Uniqueid")):
                    self._meet_id(one)

    def event(self, event: Headers) -> dict[str, str | list[str]]:
        """An event with pseudonyms in the place of everybody and everything of theirs."""
        for name, value in event.items():
            if name.endswith(("Linkedid", "Uniqueid")):
                for one in _values(value):
                    self._meet_id(one)
        return {
            name if _HEADER.fullmatch(name) else self.text(name): self._header(name, value)
            for name, value in event.items()
        }

    def text(self, text: str) -> str:
        """A text in which every piece that could tell of somebody is replaced; the same each time."""
        return _PIECES.sub(self._piece, text)

    def name(self, text: str) -> str:
        """As `text`, of what people are called: initials too, and words that mean something else elsewhere."""
        return _PIECES.sub(lambda match: self._piece(match, named=True), text)

    def call(self, call: str) -> str:
        """The id that a call has after the ids of its channels were replaced."""
        return self._calls.get(call) or CallId(self._digest("call", call).hex()[:20])

    def view(self, view: str) -> str:
        """The id of a view: a short one is a distance of counters, a long one a digest of the leg's Uniqueid."""
        return self._views.get(view, view) if len(view) == 6 else view

    # --- headers

    def _header(self, name: str, value: str | list[str]) -> str | list[str]:
        rewrite = self._rewriter(name)
        return rewrite(value) if isinstance(value, str) else [rewrite(one) for one in value]

    def _rewriter(self, name: str) -> Callable[[str], str]:
        if name == "Variable":
            return self._variable
        prefix = next((one for one in _PREFIXES if name.startswith(one) and name != one), "")
        form = _SAFE_BY_NAME.get(name) or _SAFE_BY_NAME.get(name.removeprefix(prefix))
        replace = self.name if name.endswith("Name") and not name.endswith(_THINGS) else self.text
        return lambda value: value if form and form.fullmatch(value) else replace(value)

    def _variable(self, told: str) -> str:
        name, equals, value = told.partition("=")
        if name not in _SAFE_VARIABLES and not name.startswith("UAPI_"):
            return self.text(told)
        form = _SAFE_VARIABLES.get(name)
        if name == "UAPI_VIEW":
            value = self.view(value)
        elif not (form and form.fullmatch(value)):
            value = self.text(value)
        return f"{name}{equals}{value}"

    # --- pieces

    def _piece(self, match: re.Match[str], *, named: bool = False) -> str:
        piece = match[0]
        match match.lastgroup:
            case "uuid" | "made":
                return piece
            case "pickup":
                id_, slash, attempt = piece.partition("/")
                return f"{PickupId.of(CallId(self.call(id_[5:25])), PickupId(id_).n)}{slash}{attempt}"
            case "address" | "address6":
                return self._address(piece)
            case "counter" if _in_a_channel(match):
                return piece if piece.startswith("00") else f"f{self._digest('counter', piece).hex()[:7]}"
        return self._token(piece, named=named)

    def _address(self, piece: str) -> str:
        try:
            address = ip_address(piece)
        except ValueError:
            return self._no_address(piece)
        if address.is_loopback or address.is_unspecified:
            return piece
        if isinstance(address, IPv6Address):
            return self._give("address", piece, lambda d: f"2001:db8::{d.hex()[:4]}:{d.hex()[4:8]}")
        return self._give(
            "address", piece, lambda d: str(IPv4Address(_DOCUMENTATION[d[0] % 3] + 1 + d[1] % 254))
        )

    def _no_address(self, piece: str) -> str:
        """What only looks like one, such as a phone's hardware address: other hexadecimal digits."""
        if not any(map(str.isalnum, piece)):
            return piece

        def wish(digest: bytes) -> str:
            return "".join(
                _drawn(char, digest[place % len(digest)], "abcdef") if char.isalnum() else char
                for place, char in enumerate(piece)
            )

        return _cased(self._give("address", piece.casefold(), wish), piece)

    def _token(self, token: str, *, named: bool) -> str:
        kept = _KEPT_IN_NAMES if named else _KEPT
        alone = len(token) == 1 and token.isascii() and (token.isdigit() or not named)
        if alone or token.lower() in kept:
            return token
        runs = _RUNS.findall(token)
        if len(runs) == 1:
            return self._run(token)
        parts = [run if len(run) == 1 or run.lower() in kept else self._run(run) for run in runs]
        return self._mixed(parts, token) if any(len(run) == 1 for run in runs) else "".join(parts)

    def _mixed(self, parts: list[str], token: str) -> str:
        """A token with single letters or digits in it: they are drawn for this one, so that no two become the same."""

        def wish(digest: bytes) -> str:
            drawn = (
                part if len(part) > 1 else _drawn(part, digest[place % len(digest)], _CONSONANTS + _VOWELS)
                for place, part in enumerate(parts)
            )
            return "".join(drawn).lower()

        return _cased(self._give("token", "".join(parts).casefold(), wish), token)

    def _run(self, run: str) -> str:
        return self._number(run) if run[0] in string.digits else self._word(run)

    def _number(self, digits: str) -> str:
        """As many digits; one that begins with 0 has one that does."""

        def wish(digest: bytes) -> str:
            drawn = f"{int.from_bytes(digest):0{len(digits)}d}"[-len(digits) :]
            first = "0" if digits[0] == "0" else str(1 + digest[0] % 9)
            return first + drawn[1:]

        return self._give("number", digits, wish)

    def _word(self, word: str) -> str:
        """As many letters, small and capital ones in the same places."""

        def wish(digest: bytes) -> str:
            sounds = (
                (_VOWELS if place % 2 else _CONSONANTS)[
                    digest[place % len(digest)] % (5 if place % 2 else len(_CONSONANTS))
                ]
                for place in range(len(word))
            )
            return "".join(sounds)

        pseudonym = self._give("word", word.casefold(), wish)
        if word.isupper() and len(word) > 1:
            return pseudonym.upper()
        return pseudonym.capitalize() if word[0].isupper() else pseudonym

    def _give(self, kind: str, original: str, wish: Callable[[bytes], str]) -> str:
        """A pseudonym that nobody else has, and that is nobody's own as far as they have been met."""
        known = self._given.get((kind, original))
        if known is not None:
            return known
        pseudonym = next(self._free(kind, original, wish))
        self._given[kind, original] = pseudonym
        self._taken.add(pseudonym)
        return pseudonym

    def _free(self, kind: str, original: str, wish: Callable[[bytes], str]) -> Iterator[str]:
        others = []
        for attempt in range(400):
            one = wish(self._digest(f"{kind} {attempt}", original))
            if one not in self._taken and one != original and one not in _KEPT:
                if one not in self._met:
                    yield one
                others.append(one)
        # So few are possible that all of them belong to somebody: then one that is somebody else's.
        yield from others
        for attempt in range(400):
            digest = self._digest(f"{kind} long {attempt}", original)
            longer = wish(digest) + "".join(str(byte % 10) for byte in digest[:2])
            if longer not in self._taken:
                yield longer
        yield original

    def _digest(self, what: str, original: str) -> bytes:
        return hmac.digest(self._key, octets(f"{what}:{original}"), hashlib.sha256)

    # --- ids

    def _meet_id(self, uniqueid: str) -> None:
        """A call's id, and some views', are digests of a channel's id: theirs change with it."""
        call = CallId.of(uniqueid)
        if call in self._calls or PickupId.maybe(uniqueid):
            return
        pseudonym = self.text(uniqueid)
        self._calls[call] = CallId.of(pseudonym)
        self._views[_view(uniqueid)] = _view(pseudonym)


def _values(value: str | list[str]) -> Iterable[str]:
    return (value,) if isinstance(value, str) else value


def _secrets(text: str) -> Iterator[str]:
    """The pieces of a text that get a pseudonym, as wholes and in their parts."""
    for match in _PIECES.finditer(text):
        if match.lastgroup in ("address", "address6"):
            yield match[0]
        elif match.lastgroup == "token" or (match.lastgroup == "counter" and not _in_a_channel(match)):
            yield match[0]
            yield from (run for run in _RUNS.findall(match[0]) if len(run) > 1)


def _in_a_channel(counter: re.Match[str]) -> bool:
    """Whether it stands behind a channel's name: behind anything else it may be somebody's number."""
    return "/" in re.split(r"[\s,<&|]", counter.string[: counter.start()])[-1]


def _drawn(char: str, by: int, letters: str) -> str:
    """A digit for a digit, one of these letters for a letter."""
    pool = string.digits if char in string.digits else letters
    return pool[by % len(pool)]


def _cased(pseudonym: str, original: str) -> str:
    """With capital letters where the original has them."""
    return "".join(
        char.upper() if like.isupper() else char
        for char, like in zip_longest(pseudonym, original, fillvalue="")
    )


def _view(uniqueid: str) -> str:
    return f"{int(hashlib.sha256(octets(uniqueid)).hexdigest(), 16) % 1_000_000:06d}"
