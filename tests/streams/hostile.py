"""Harm done to a stream: what a broken, overloaded or lying PBX, and whoever can make it say things, may send."""

import random
from collections.abc import Callable, Sequence

from bridge.calls import WANTED
from fuzz.nasty import CLASSICS

UNKNOWN = (
    "VarSet",
    "RTCPSent",
    "UserEvent",
    "newchannel",
    "Event",
    "",
    "Hangup ",
    "FullyBooted",
    "\x00",
    "Ping",
    "é" * 40,
)

VALUES: tuple[bytes, ...] = (
    *(text.encode("utf-8", "replace") for text in CLASSICS),
    b"-1", b"6", b"5", b"99999999999999999999999", b"1e999", b"nan", b"6\x00", b"\xff\xfe\xc0\x80\xe2\x28\xa1", b"A" * 20_000,
    b"basic", b"holding_bridge", b"parking", b"<unknown>", b"(null)", b"resync-1/Status", b"resync", b"resync-99999999/x",
    b"UAPI_TO=0003*024", b"UAPI_MODE=waiting", b"CHANNEL(onhold)=1", b"uapi-0123456789abcdef0123-1", b"PJSIP/0003*210-00000001",
    b"Local/1@internal-00000001;1", b"Local/1@internal-00000001;2", b"1.1",
)  # fmt: skip

Harm = Callable[[list[bytes], random.Random], None]


def _where(messages: Sequence[bytes], rng: random.Random) -> int:
    return rng.randrange(len(messages))


def lose(messages: list[bytes], rng: random.Random) -> None:
    """Some in a row are missing."""
    at = _where(messages, rng)
    del messages[at : at + rng.choice((1, 1, 1, 2, 5, 40))]


def double(messages: list[bytes], rng: random.Random) -> None:
    """One comes twice, the second time perhaps much later."""
    at = _where(messages, rng)
    messages.insert(rng.randrange(at, len(messages)), messages[at])


def reorder(messages: list[bytes], rng: random.Random) -> None:
    """Some in a row come in no order."""
    at, size = _where(messages, rng), rng.choice((2, 2, 3, 10, 50))
    part = messages[at : at + size]
    rng.shuffle(part)
    messages[at : at + size] = part


def truncate(messages: list[bytes], rng: random.Random) -> None:
    """One breaks off, and what comes next is stuck to it."""
    at = _where(messages, rng)
    messages[at] = messages[at][: rng.randrange(len(messages[at]) + 1)]


def cut(messages: list[bytes], rng: random.Random) -> None:
    """One has lost some of its headers."""
    at = _where(messages, rng)
    first, *lines = messages[at].split(b"\r\n")
    messages[at] = b"\r\n".join([first, *(line for line in lines if not line or rng.random() < 0.7)])


def lie(messages: list[bytes], rng: random.Random) -> None:
    """A header has the value that it has in another event: another channel's id, another call's bridge."""
    at, other = _where(messages, rng), messages[_where(messages, rng)].split(b"\r\n")
    lines = messages[at].split(b"\r\n")
    line = rng.randrange(len(lines))
    name = lines[line].partition(b": ")[0]
    values = [one for one in other if one.startswith(name[-8:]) or b"id: " in one] or other
    lines[line] = name + b": " + rng.choice(values).partition(b": ")[2]
    messages[at] = b"\r\n".join(lines)


def wrong(messages: list[bytes], rng: random.Random) -> None:
    """A header has a value of the wrong type: no number, binary, huge, none."""
    at = _where(messages, rng)
    lines = messages[at].split(b"\r\n")
    line = rng.randrange(len(lines))
    lines[line] = lines[line].partition(b": ")[0] + b": " + rng.choice(VALUES)
    messages[at] = b"\r\n".join(lines)


def repeat(messages: list[bytes], rng: random.Random) -> None:
    """A header comes twice, with two values."""
    at = _where(messages, rng)
    lines = messages[at].split(b"\r\n")
    line = rng.randrange(len(lines))
    name = lines[line].partition(b": ")[0]
    lines.insert(rng.randrange(1, len(lines) + 1), name + b": " + rng.choice(VALUES))
    messages[at] = b"\r\n".join(lines)


def rename(messages: list[bytes], rng: random.Random) -> None:
    """An event has another's name, or one that nobody knows."""
    at = _where(messages, rng)
    name = rng.choice((*sorted(WANTED), *UNKNOWN)).encode()
    messages[at] = b"Event: " + name + b"\r\n" + messages[at].partition(b"\r\n")[2]


def noise(messages: list[bytes], rng: random.Random) -> None:
    """Something that is no event at all."""
    length = rng.choice((1, 10, 500, 70_000))
    junk = rng.choice(
        (
            rng.randbytes(length),
            b"\r\n" * length,
            b": " * length + b"\r\n\r\n",
            b"Event: Status\r\n" + b"Variable: x=1\r\n" * length + b"\r\n",
            b"Event: Newchannel\r\n" + b"".join(b"H%d: x\r\n" % n for n in range(length % 3000)) + b"\r\n",
            b"Response: Success\r\nActionID: Ping/%d\r\n\r\n" % length,
            b"Response: Error\r\nMessage: " + rng.choice(VALUES) + b"\r\n\r\n",
            b"Event: StatusComplete\r\nActionID: resync-%d/Status\r\n\r\n" % rng.randrange(5),
            b"Event: BridgeListItem\r\nActionID: resync-7/BridgeList\r\nBridgeUniqueid: x\r\n\r\n",
            b"Asterisk Call Manager/99\r\n",
        )
    )
    messages.insert(_where(messages, rng), junk)


def flood(messages: list[bytes], rng: random.Random) -> None:
    """A thousand channels, parkings or devices that nobody ever hears of again."""
    tell = rng.choice(
        (
            b"Event: Newchannel\r\nUniqueid: f.%d\r\nChannel: PJSIP/0003*210-%08x\r\nChannelState: 4\r\n\r\n",
            b"Event: ParkedCall\r\nParkeeUniqueid: f.%d\r\nParkingSpace: %d\r\n\r\n",
            b"Event: Newchannel\r\nUniqueid: uapi-0123456789abcdef0123-%d\r\nChannel: PJSIP/x-%08x\r\n\r\n",
            b"Event: DeviceStateChange\r\nDevice: SIP/%d.%d\r\nState: NOT_INUSE\r\n\r\n",
            b"Event: QueueCallerJoin\r\nUniqueid: f.%d\r\nQueue: %d\r\n\r\n",
            b"Event: BridgeEnter\r\nUniqueid: 1700000001.%d\r\nBridgeUniqueid: %d\r\nBridgeType: basic\r\n\r\n",
        )
    )
    begin = rng.randrange(1, 10**9)
    messages.insert(_where(messages, rng), b"".join(tell % (n, n) for n in range(begin, begin + 1000)))


HARMS: tuple[Harm, ...] = (
    lose, double, reorder, truncate, cut, lie, wrong, repeat, rename, lose, double, reorder, truncate, cut, lie, wrong,
    repeat, rename, lie, lie, noise, noise, flood,
)  # fmt: skip


def harmed(data: bytes, rng: random.Random) -> bytes:
    """Do a stream of whole events harm, now of one kind, now of many."""
    messages = [message + b"\r\n\r\n" for message in data.split(b"\r\n\r\n") if message]
    kinds = rng.sample(HARMS, rng.choice((1, 2, len(HARMS))))
    for _ in range(rng.choice((1, 3, 10, 30))):
        if not messages:
            break
        rng.choice(kinds)(messages, rng)
    return b"".join(messages)
