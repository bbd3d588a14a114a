"""Events as bytes of the manager interface, cut into segments as TCP pleases, and back again."""

import random
from collections.abc import Iterable, Iterator

from bridge.ami.protocol import Decoder, Framer
from bridge.calls import WANTED, Headers

BANNER = b"Asterisk Call Manager/11.0.0\r\n"


def on_the_wire(event: Headers) -> bytes:
    """An event as Asterisk sends it: its name first, a header that repeats once for each value."""
    lines = [f"Event: {event['Event']}"]
    for name, value in event.items():
        if name != "Event":
            lines += [f"{name}: {each}" for each in ([value] if isinstance(value, str) else value)]
    return "\r\n".join([*lines, "", ""]).encode()


def segments(data: bytes, rng: random.Random, longest: int = 4000) -> Iterator[bytes]:
    """Cut bytes anywhere: into single ones, into whole events, in the middle of a line end."""
    at = 0
    while at < len(data):
        end = at + rng.choice((1, 2, 3, rng.randint(1, 60), rng.randint(1, longest)))
        yield data[at:end]
        at = end


def heard(parts: Iterable[bytes]) -> Iterator[Headers]:
    """What comes out of the bridge's reader when these segments go in."""
    framer, decode = Framer(WANTED), Decoder()
    framer.feed(BANNER)
    return (decode(message) for part in parts for message in framer.feed(part))
