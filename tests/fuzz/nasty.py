"""Texts and values that have broken somebody's software before, and random ones of their kind."""

import random
import string
from typing import Any

CLASSICS = (
    "", " ", "\t", "\x00", "\r\n", "\r\n\r\n", "\n", "\x1b[2J", "\x7f", "\ufeff", "\u202e", "\u2028", "\ud800", "\U000e0041",
    "null", "None", "NaN", "-1", "0", "1e309", "9" * 400, "٠٠٠٣*٢١٠", "0003*\uff12\uff11\uff10", "true", "[]", "{}", "..", "../../etc/passwd",
    "%", "%zz", "%00", "%0d%0a", "%2f..%2f", "%ff", "%c0%af", "%25", "%u0000", "*", "**", "0003**210", "@self", "@me",
    "@owner", "@@", "${EXTEN}", "${SHELL(id)}", "${FILE(/etc/passwd)}", "$[1+1]", "`id`", "$(id)", "; rm -rf /", "' OR 1=1 --",
    "<script>alert(1)</script>", "&amp;", "\\", '"', "'", "|", "&", ",", ";", "<>", "<<>>", "a<1>b<2>", "John Doe <",
    "0003*024&PJSIP/0003*210", "0003*024,0003*210", "Local/0003*024@internal", "Local/s@default/n", "PJSIP/0003*024",
    "0003*024/n", "0003*024@trunk", "0003*024\r\nAction: Originate", "0003*024\r\n\r\nAction: Command\r\nCommand: core stop now",
    "x\r\nVariable: UAPI_MODE=talking", "Application: System", "System", "AGI", "a\r\nX-Evil: 1", "a\r\nContent-Length: 0\r\n\r\nGET /docs",
    "{{7*7}}", "%s%n%x", "{0.__class__}", "__proto__", "🙂" * 60, "ﷺ" * 30, "A" * 81, "A" * 5000, "é" * 3000,
)  # fmt: skip

UNSENDABLE = '"\\;${}\r\n\x00\t\u2028\u200b'
"""Characters that no field of an action takes, wherever they stand."""

_POOLS = (
    string.printable,
    string.digits + "*#+",
    "".join(map(chr, range(32))),
    "${}[]()&,|;\"'\\<>%",
    "äöüßéà€漢字مرحبا\u200f\u200d\u0301\ufffe🙂",
    "\r\n: ",
)


def text(rng: random.Random) -> str:
    """Any text, mostly a bad one."""
    kind = rng.random()
    if kind < 0.5:
        return rng.choice(CLASSICS)
    if kind < 0.6:
        return rng.choice(CLASSICS) + rng.choice(CLASSICS)
    if kind < 0.95:
        pool = rng.choice(_POOLS)
        return "".join(rng.choice(pool) for _ in range(rng.randint(0, 40)))
    return rng.choice("aé*0\r💣") * rng.randint(300, 6000)


def wrong(rng: random.Random) -> str:
    """A text that is certainly none of a grammar of ours: it has a character in it that none of them knows."""
    start, end = text(rng), text(rng)
    return start + rng.choice(UNSENDABLE) + end


def value(rng: random.Random, depth: int = 0) -> Any:
    """Any JSON value."""
    kind = rng.randrange(9 if depth < 3 else 6)
    if kind < 2:
        return text(rng)
    if kind == 2:
        return rng.choice((0, -1, 2**31, 2**63, 10**40, -(10**300), 1e308, 5e-324, -0.0, 3600.0000001))
    if kind == 3:
        return rng.choice((True, False))
    if kind == 4:
        return None
    if kind == 5:
        return rng.random() * 10 ** rng.randint(-9, 9)
    if kind < 8:
        return [value(rng, depth + 1) for _ in range(rng.randint(0, 4))]
    return {text(rng): value(rng, depth + 1) for _ in range(rng.randint(0, 4))}


def neither(rng: random.Random) -> Any:
    """A JSON value that is neither text nor number, nor null, which stands for absent."""
    return rng.choice((True, False, [], {}, ["0003*024"], {"a": 1}, [None], [[]], -1, -5.5, -(10**30)))


def octets(rng: random.Random, size: int) -> bytes:
    """Random bytes."""
    return rng.randbytes(rng.randint(0, size))
