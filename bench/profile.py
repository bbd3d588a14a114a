"""Where the time goes on the events path and on the PUT path, as flame graphs in docs/images.

Run by ``make profile``. A timer of the process's own CPU time interrupts it a thousand times a second, and its stack is
noted. No profiler that counts calls: these make short functions look dear.
"""

import argparse
import asyncio
import html
import json
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from bench.events import Ours
from bench.stages import shares
from bench.stream import Traffic, stream

IMAGES = Path(__file__).parents[1] / "docs/images"
_ROOT = Path(__file__).parents[1]
_EVERY = 0.001
_WIDTH, _ROW = 1200, 17

Stack = tuple[str, ...]


@contextmanager
def sampling() -> Iterator[Counter[Stack]]:
    """Note the stack at each tick of the CPU clock."""
    stacks: Counter[Stack] = Counter()

    def note(_: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            stack.append(_name(frame))
            frame = frame.f_back
        stacks[tuple(reversed(stack))] += 1

    before = signal.signal(signal.SIGPROF, note)
    signal.setitimer(signal.ITIMER_PROF, _EVERY, _EVERY)
    try:
        yield stacks
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _name(frame: FrameType) -> str:
    code = frame.f_code
    path = Path(code.co_filename)
    if path.is_relative_to(_ROOT / ".venv"):
        where = path.parts[path.parts.index("site-packages") + 1]
    elif path.is_relative_to(_ROOT):
        where = str(path.relative_to(_ROOT))
    else:
        where = path.name
    return f"{where}:{code.co_qualname}"


@dataclass(slots=True)
class Node:
    """A function below those that called it."""

    samples: int = 0
    below: dict[str, "Node"] = field(default_factory=dict)


def tree(stacks: Counter[Stack], roots: tuple[str, ...]) -> Node:
    """Put stacks together, each from the first function whose name has one of these in it; others are left out."""
    top = Node()
    for stack, count in stacks.items():
        start = next((at for at, name in enumerate(stack) if _is_one(name, roots)), None)
        if start is None:
            continue
        node = top
        node.samples += count
        for name in stack[start:]:
            node = node.below.setdefault(name, Node())
            node.samples += count
    return top


def _is_one(name: str, roots: tuple[str, ...]) -> bool:
    return any(root in name for root in roots)


def flame(top: Node, title: str) -> str:
    """Draw it: as wide as the share of the time, what is called above its caller."""
    boxes: list[str] = []
    depth = _draw(top, 0, 0.0, top.samples, boxes)
    height = (depth + 1) * _ROW + 30
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" font-family="monospace" font-size="11">',
        f'<rect width="100%" height="100%" fill="#fff"/><text x="6" y="18" font-size="14">{html.escape(title)}</text>',
        *(box.replace("{bottom}", str(height)) for box in _from_below(boxes, height)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _draw(node: Node, depth: int, left: float, whole: int, boxes: list[str]) -> int:
    deepest = depth
    for name, one in sorted(node.below.items()):
        width = one.samples / whole * _WIDTH
        if width >= 1:
            boxes.append(json.dumps([depth, left, width, name, one.samples / whole]))
            deepest = max(deepest, _draw(one, depth + 1, left, whole, boxes))
        left += width
    return deepest


def _from_below(boxes: list[str], height: int) -> Iterator[str]:
    for box in boxes:
        depth, left, width, name, share = json.loads(box)
        top = height - (depth + 1) * _ROW
        hue = 20 + sum(map(ord, name.partition(":")[0])) % 35
        shown = name.partition(":")[2] if width < 7 * len(name) else name
        text = shown[: int(width / 6.8)]
        yield (
            f'<g><title>{html.escape(name)} {share:.1%}</title><rect x="{left:.1f}" y="{top}" width="{width:.1f}"'
            f' height="{_ROW - 1}" fill="hsl({hue},85%,68%)" rx="1"/><text x="{left + 2:.1f}" y="{top + 12}">'
            f"{html.escape(text)}</text></g>"
        )


def own_time(stacks: Counter[Stack], roots: tuple[str, ...], most: int = 15) -> list[tuple[str, float]]:
    """The functions with most time of their own, as shares of what is below the roots."""
    own: Counter[str] = Counter()
    for stack, count in stacks.items():
        if any(_is_one(name, roots) for name in stack):
            own[stack[-1]] += count
    whole = own.total() or 1
    return [(name, count / whole) for name, count in own.most_common(most)]


async def events(calls: int) -> Counter[Stack]:
    """The filtered stream, read by the service."""
    data = stream(Traffic(calls), filtered=True)
    ours = Ours()
    with sampling() as stacks:
        await ours.read(data)
        ours.bridge.picture.calls()
    return stacks


async def puts(seconds: int) -> Counter[Stack]:
    """Pickups by the second on a real Asterisk, by the service in this very process."""
    from bench.load import in_this_process  # noqa: PLC0415 -- needs the lab, which the events path does not

    with sampling() as stacks:
        await in_this_process(seconds)
    return stacks


def main() -> None:
    """Draw what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("events", "put"), help="one of the two")
    parser.add_argument("--calls", type=int, default=6000, help="of the events path; default: 6000")
    parser.add_argument("--seconds", type=int, default=60, help="of the PUT path; default: 60")
    options = parser.parse_args()
    IMAGES.mkdir(parents=True, exist_ok=True)
    if options.only != "put":
        stacks = asyncio.run(events(options.calls))
        _keep(stacks, ("Connection._drain",), "profile-events.svg", "events to the picture, by CPU time")
        print("shares of stock panoramisk's time for the same stream:")
        for part, share in asyncio.run(shares()).items():
            print(f"  {share:6.2f}  {part}")
    if options.only != "events":
        stacks = asyncio.run(puts(options.seconds))
        # The Originate is a task of its own, which goes on where the client has gone.
        roots = ("bridge/uapi/layers.py:Requests", "bridge/pickup.py:Pickups._ask")
        _keep(stacks, roots, "profile-put.svg", "PUT with PickUp, by CPU time")


def _keep(stacks: Counter[Stack], roots: tuple[str, ...], name: str, title: str) -> None:
    top = tree(stacks, roots)
    (IMAGES / name).write_text(flame(top, f"{title}; {top.samples} samples"))
    print(f"{name}: {top.samples} samples; most time of their own:")
    for function, share in own_time(stacks, roots):
        print(f"  {share:6.1%}  {function}")


if __name__ == "__main__":
    main()
