"""Requests that are wrong, as bytes: each begins as a right one, and then at least one part of it cannot be right."""

import json
import random
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from fuzz import nasty

GOOD_BODY = {
    "action": "PickUp",
    "sendCallTo": "0003*024",
    "callerId": "John Doe <42420042>",
    "waitForPickup": "20",
    "phoneCallViewId": "00",
}
_ACTIONS = ("BargeIn", "Park", "OnHold", "Transfer", "StartRecording", "pickup", "PICKUP", "PickUp ")
_PARAMETERS = (
    "count",
    "startIndex",
    "filterBy",
    "filterOp",
    "filterValue",
    "fields",
    "sortOrder",
    "accessRequestToken",
)
_HEADERS = (
    "Prefer", "If-None-Match", "X-Request-Id", "X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Origin", "Accept",
    "Cookie", "Content-Encoding", "Range", "Content-Language", "Via", "Te",
)  # fmt: skip
_ODD_HEADERS = (
    "Transfer-Encoding",
    "Content-Length",
    "Expect",
    "Upgrade",
    "Connection",
    "X\r\nX",
    " Folded",
    "Host",
)
"""That decide where a request ends; sent on a connection of their own."""
_METHODS = (
    "GET",
    "PUT",
    "POST",
    "DELETE",
    "PATCH",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "get",
    "X",
)
_PATHS = (
    "/",
    "/docs",
    "/openapi.json",
    "/healthz",
    "/readyz",
    "/docs/docs.js",
    "/metrics",
    "/oauth/token.php",
    "/oauth",
)


@dataclass
class Ask:
    """A request before it is bytes."""

    method: str
    parts: list[str]
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    raw: bool = False
    """Written as it is, line ends and all: nobody knows how many requests the server sees in it."""

    def encode(self) -> bytes:
        """As it goes over the wire."""
        path = "/".join(self.parts) if self.raw else "/".join(_quoted(part) for part in self.parts)
        query = "&".join(f"{_quoted(name)}={_quoted(text)}" for name, text in self.query)
        target = f"/{path}" + (f"?{query}" if query else "")
        lines = [f"{self.method} {target} HTTP/1.1"]
        lines += [f"{name}: {text if self.raw else _one_line(text)}" for name, text in self.headers]
        if self.body and not any(name == "Transfer-Encoding" for name, _ in self.headers):
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join(lines).encode("utf-8", "surrogatepass") + b"\r\n\r\n" + self.body


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="*@.!$'(),:;")


def _one_line(text: str) -> str:
    return "".join(char for char in text if char not in "\r\n\x00").strip() or "x"


def generate(rng: random.Random, host: str, token: str, call: str) -> Ask:
    """One wrong request.

    Args:
        rng: Where its randomness comes from.
        host: The Host header.
        token: A right token.
        call: The id of a live call that could be picked up.
    """
    headers = [("Host", host), ("Authorization", f"Bearer {token}"), ("Content-Type", "application/json")]
    kind = rng.random()
    if kind < 0.55:
        ask = _update(rng, headers, call)
    elif kind < 0.8:
        ask = _listing(rng, headers, call)
    elif kind < 0.9:
        ask = _token(rng, host)
    else:
        ask = _elsewhere(rng, headers)
    if rng.random() < 0.2:
        ask.headers.append((rng.choice(_HEADERS), nasty.text(rng)[:3000]))
    if rng.random() < 0.01:
        ask.raw = True
        ask.headers.append((rng.choice(_ODD_HEADERS), nasty.text(rng)[:3000]))
    if rng.random() < 0.03:
        ask.headers = [(name, nasty.text(rng) if name == "Host" else text) for name, text in ask.headers]
    return ask


def _update(rng: random.Random, headers: list[tuple[str, str]], call: str) -> Ask:
    """A PickUp with one part that cannot be right, and perhaps more that are odd."""
    body: dict[str, Any] = dict(GOOD_BODY)
    parts = ["uapi", "phoneCalls", "@me", "0003*210", call]
    ask = Ask("PUT", parts, [], headers)
    _embellish(rng, body)
    place = rng.randrange(12)
    if place < 5:
        name = rng.choice(("sendCallTo", "callerId", "waitForPickup", "phoneCallViewId"))
        body[name] = nasty.wrong(rng) if rng.random() < 0.7 else nasty.neither(rng)
    elif place == 5:
        body["action"] = rng.choice((nasty.wrong(rng), nasty.neither(rng), rng.choice(_ACTIONS)))
    elif place == 6:
        del body[rng.choice(("action", "sendCallTo", "phoneCallViewId"))]
    elif place < 10:
        parts[rng.choice((2, 3, 4))] = nasty.wrong(rng)
    elif place == 10:
        ask.headers = [header for header in headers if header[0] != "Authorization"]
        if rng.random() < 0.7:
            ask.headers.append(("Authorization", "Bearer " + _one_line(nasty.wrong(rng))))
    ask.body = json.dumps(body, ensure_ascii=rng.random() < 0.7).encode("utf-8", "surrogatepass")
    if place == 11:
        _spoil(rng, ask)
    return ask


def _embellish(rng: random.Random, body: dict[str, Any]) -> None:
    """Add what nobody asks for, and odd values where there need be none."""
    if rng.random() < 0.3:
        body[nasty.text(rng)] = nasty.value(rng)
    for name in ("callerId", "waitForPickup"):
        if rng.random() < 0.1:
            body[name] = nasty.value(rng)


def _spoil(rng: random.Random, ask: Ask) -> None:
    """Make the body one that cannot be read, or not whole."""
    kind = rng.randrange(7)
    if kind == 0:
        ask.body = ask.body[: rng.randrange(1, len(ask.body) - 1)]
    elif kind == 1:
        ask.body = b"\xff" + nasty.octets(rng, 200)
    elif kind == 2:
        ask.body = json.dumps(rng.choice(([GOOD_BODY], "PickUp", 1, None, [[[]]]))).encode()
    elif kind == 3:
        ask.body = b"[" * rng.randint(1, 30000)
    elif kind == 4:
        ask.body = b'{"action":"PickUp","sendCallTo":' + b"9" * rng.randint(40, 20000) + b"}"
    elif kind == 5:
        ask.body += b"A" * 65536
    else:
        ask.headers = [header for header in ask.headers if header[0] != "Content-Type"]
        ask.headers.append(("Content-Type", "multipart/form-data; boundary=x"))


def _listing(rng: random.Random, headers: list[tuple[str, str]], call: str) -> Ask:
    """A list or a call, asked for with any parameters."""
    parts = ["uapi", "phoneCalls", "@me", "0003*210"] + ([call] if rng.random() < 0.5 else [])
    for place in range(1, len(parts)):
        if rng.random() < 0.2:
            parts[place] = nasty.text(rng)
    if rng.random() < 0.1:
        parts += [nasty.text(rng) for _ in range(rng.randint(1, 40))]
    query = [
        (rng.choice((rng.choice(_PARAMETERS), nasty.text(rng)[:50])), nasty.text(rng)[:2000])
        for _ in range(rng.randint(0, 4))
    ]
    method = "GET" if rng.random() < 0.8 else rng.choice(_METHODS)
    return Ask(method if method != "PUT" else "GET", parts, query, headers, raw=rng.random() < 0.1)


def _token(rng: random.Random, host: str) -> Ask:
    """A token asked for with a secret that is none."""
    members = {"grant_type": "client_credentials", "client_id": "demo-app", "client_secret": nasty.wrong(rng)}
    if rng.random() < 0.3:
        members[rng.choice(list(members))] = nasty.wrong(rng)
    form = "&".join(f"{_quoted(name)}={_quoted(text)}" for name, text in members.items())
    spoilt = nasty.octets(rng, 300)
    body = rng.choice(
        (form.encode(), json.dumps(members).encode(), spoilt, json.dumps(nasty.value(rng)).encode())
    )
    headers = [
        ("Host", host),
        ("Content-Type", rng.choice(("application/x-www-form-urlencoded", nasty.text(rng)[:99]))),
    ]
    if rng.random() < 0.3:
        headers.append(("Authorization", "Basic " + _one_line(nasty.text(rng)[:999])))
    return Ask("POST", ["oauth", "token.php"], [], headers, body)


def _elsewhere(rng: random.Random, headers: list[tuple[str, str]]) -> Ask:
    """Any other address by any method."""
    path = rng.choice(_PATHS) if rng.random() < 0.5 else "/" + nasty.text(rng)
    return Ask(rng.choice(_METHODS), path[1:].split("/"), [], headers, raw=rng.random() < 0.3)
