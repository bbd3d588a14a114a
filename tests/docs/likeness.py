"""Whether what a command printed is what the page shows, and how the page would show it.

Ids, dates, secrets and ports differ from run to run. An id that the page shows stands for the one that came in its
place, from there to the end of the page: so the page's next command can name it.
"""

import json
import re
from typing import Any

_DATE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"
_HEX = r"\b[0-9a-f]{10,64}\b"
_PORT = r"127\.0\.0\.1:\d+"
_MILLISECONDS = r"\b\d+ ms\b"
_SECONDS = r"\b\d+\.\d+ s\b"
_TOKEN = "YOUR-TOKEN"
_SIGNED = r"\b[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}\b"
_EVENT = r"\b[0-9a-f]{8}-\d+\b"
_VIEW = r"\b\d{6}\b"
_CLOCK = r"\b\d+:\d\d\b"
_LATER = r"(?<=Retry-After: )\d+"
_TOOK = r"(?<=\"ms\": )\d+(?:\.\d+)?"
_NAMED = (_TOKEN, _SIGNED, _EVENT, _HEX, _VIEW)
_MEASURED = (_DATE, _PORT, _MILLISECONDS, _SECONDS, _CLOCK, _LATER, _TOOK)
_NAMES = re.compile("|".join(_NAMED))
_VARYING = re.compile("|".join([_TOKEN, _SIGNED, *_MEASURED, _EVENT, _HEX, _VIEW]))

SHOWN_HEADERS = {
    name.lower(): name
    for name in (
        "Allow", "Content-Type", "ETag", "Idempotent-Replayed", "Preference-Applied", "Retry-After",
        "WWW-Authenticate",
    )
}  # fmt: skip
"""Headers of a reply that the guide shows, by their names in lower case; a content type only where it is not JSON."""


class Names:
    """Which name in the page stands for which in this run, both ways."""

    def __init__(self) -> None:
        self._actual: dict[str, str] = {}
        self._shown: dict[str, str] = {}

    def learn(self, shown: str, actual: str) -> bool:
        """Take note of a pair; false where one of the two has another partner already."""
        if self._actual.get(shown, actual) != actual or self._shown.get(actual, shown) != shown:
            return False
        self._actual[shown], self._shown[actual] = actual, shown
        return True

    def to_actual(self, text: str) -> str:
        """A command as it has to be in this run."""
        return _NAMES.sub(lambda found: self._actual.get(found[0], found[0]), text)

    def to_shown(self, text: str) -> str:
        """An output as the page would show it."""
        known = sorted(self._shown, key=len, reverse=True)
        for actual in known:
            text = text.replace(actual, self._shown[actual])
        return text


def alike(shown: str, actual: str, names: Names) -> bool:
    """Whether a text is the one shown: line by line, where ``...`` stands for anything."""
    pattern, varying = _pattern(shown)
    found = re.fullmatch(pattern, re.sub(r"[ \t]+$", "", actual, flags=re.MULTILINE), re.DOTALL)
    if found is None:
        return False
    return all(
        names.learn(one, other)
        for one, other in zip(varying, found.groups(), strict=True)
        if _NAMES.fullmatch(one)
    )


def _pattern(shown: str) -> tuple[str, list[str]]:
    """A regular expression for a text, with a group for each thing in it that varies; and those things."""
    pieces, varying, end = [], [], 0
    for found in _VARYING.finditer(shown):
        pieces += [_literal(shown[end : found.start()]), f"({_like(found[0])})"]
        varying.append(found[0])
        end = found.end()
    return "".join([*pieces, _literal(shown[end:])]), varying


def _literal(text: str) -> str:
    return ".*?".join(re.escape(part) for part in re.split(r"\.\.\.", text))


def _like(text: str) -> str:
    if text == _TOKEN:
        return r"[0-9a-z-]{10,64}"
    if re.fullmatch(_HEX, text):
        return rf"[0-9a-f]{{{len(text)}}}"
    kinds = (_SIGNED, *_MEASURED, _EVENT, _VIEW)
    return next((kind for kind in kinds if re.fullmatch(kind, text)), r"\d+(?:\.\d+)?")


def same_json(shown: Any, actual: Any, names: Names) -> bool:
    """Whether two JSON values are the same but for what varies."""
    if isinstance(shown, dict) and isinstance(actual, dict):
        return shown.keys() == actual.keys() and all(
            same_json(shown[key], actual[key], names) for key in shown
        )
    if isinstance(shown, list) and isinstance(actual, list):
        return len(shown) == len(actual) and all(
            same_json(one, other, names) for one, other in zip(shown, actual, strict=True)
        )
    if isinstance(shown, str) and isinstance(actual, str):
        return alike(shown, actual, names)
    return type(shown) is type(actual) and bool(shown == actual)


def same_reply(shown: str, actual: str, names: Names) -> bool:
    """Whether a reply of HTTP has the status, the headers and the body that are shown."""
    (head, body), (actual_head, actual_body) = _parted(shown), _parted(actual)
    if not _has_etag(head):
        actual_head = [line for line in actual_head if not _has_etag([line])]
    if not alike("\n".join(head), "\n".join(actual_head), names):
        return False
    if _is_json(actual_body):
        return _is_json(body) and same_json(json.loads(body), json.loads(actual_body), names)
    return alike(body, actual_body, names)


def reply(shown: str, actual: str) -> str:
    """A reply as the guide should show it: an ETag only where it showed one before."""
    head, body = _parted(actual)
    if not _has_etag(_parted(shown)[0]):
        head = [line for line in head if not _has_etag([line])]
    lines = "\n".join(head)
    if _is_json(body):
        body = pretty(json.loads(body))
    return f"{lines}\n\n{body}\n" if body else f"{lines}\n"


def _parted(text: str) -> tuple[list[str], str]:
    """Status line and the headers that are shown, in order; and the body."""
    head, _, body = text.replace("\r", "").partition("\n\n")
    status, *headers = head.splitlines() or [""]
    kept = []
    for header in headers:
        name, _, value = header.partition(": ")
        plain = name.lower() == "content-type" and value.startswith("application/json")
        if name.lower() in SHOWN_HEADERS and not plain:
            kept.append(f"{SHOWN_HEADERS[name.lower()]}: {value}")
    return [status.strip(), *sorted(kept)], body.strip("\n")


def _has_etag(head: list[str]) -> bool:
    return any(line.startswith("ETag: ") for line in head)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def pretty(value: Any, indent: str = "", width: int = 100) -> str:
    """JSON with whatever fits on a line on one line."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(flat) <= width or not isinstance(value, dict | list) or not value:
        return flat
    inner = f"{indent}  "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {pretty(item, inner, width)}" for key, item in value.items()]
        return "{\n" + ",\n".join(inner + part for part in parts) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + pretty(item, inner, width) for item in value) + f"\n{indent}]"
