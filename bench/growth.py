"""How the figures grow with 10, 100, 1,000 and 10,000 live calls, and what calls at a pace take of a core:
docs/images/growth.png and bench/growth.json.

Run by ``make bench-growth``. No lab is needed: the calls are made of the generated stream.
"""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

from bench import feed, http, pace
from bench.events import Ours, Stock, grown, nothing
from bench.measure import Cpu
from bench.serving import FREE, TOKEN, call_id, serving
from bench.stream import Traffic, events_of_a_call, live, number, stream
from bench.table import environment

LIVE = (10, 100, 1_000, 10_000)
PACES = (10, 50, 100, 200, 500, 1_000)
"""Calls a second."""
WHO = {"nobody listens": False, "one listens to all": True}
"""Whether there is a listener."""
IMAGE = Path(__file__).parents[1] / "docs/images/growth.png"
FIGURES = Path(__file__).with_name("growth.json")

_MORE = 300
"""Calls that begin and end beside those that are live."""


def measure(calls: int) -> dict[str, float]:
    """All figures with so many calls live."""
    one, page, users = (measured(3, calls) for measured in (http.one, http.page, http.users))
    ours, stock = asyncio.run(_events(calls))
    return {
        "event, ours": ours,
        "event, stock panoramisk": stock,
        "GET one": _median(one.ours),
        "list of 20": _median(page.ours),
        "list of one user": _median(users.ours),
        "GET a constant": _median(one.reference),
        "PUT": _put(calls),
        "a call's events to a listener": _heard(calls),
        "memory": asyncio.run(_memory(calls)),
    }


def _median(values: list[float]) -> float:
    return round(sorted(values)[len(values) // 2], 2)


def _put(calls: int) -> float:
    """Microseconds from a PUT to its answer, where the PBX refuses the Originate at once: what is ours of a pickup."""
    body = json.dumps(
        {
            "action": "PickUp",
            "sendCallTo": FREE,
            "phoneCallViewId": "01",
            "callerId": "John <42>",
        }
    )
    path = f"/uapi/phoneCalls/@me/{number(3)}/{call_id(1, calls)}"
    with serving("ours", str(calls)) as (port, _):
        http.until_live(port, calls)
        client = http.Client(port, path, TOKEN, body=body.encode(), status=503)
        return _median([client.timed() for _ in range(300)])


def _heard(calls: int) -> float:
    """Microseconds of processor time from a call's events to one who listens at its extension."""
    with serving("ours", str(calls)) as (port, process):
        http.until_live(port, calls)
        return _median([feed.took(port, process, 1) * 1000 for _ in range(7)])


async def _events(calls: int) -> tuple[float, float]:
    """Microseconds for an event of calls that come and go beside those that stay."""
    beside = live(calls)
    more = stream(Traffic(_MORE, first=calls, phones=1_000_000), filtered=True)
    events = _MORE * events_of_a_call(filtered=True)
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(3):
        ours, stock = Ours(), Stock(nothing)
        await ours.read(beside)
        for side, values in ((ours, took[0]), (stock, took[1])):
            with Cpu() as cpu:
                await side.read(more)
            values.append(cpu.seconds / events * 1e6)
    return _median(took[0]), _median(took[1])


async def _memory(calls: int) -> float:
    ours = Ours()
    return round(await grown(calls, ours.read(live(calls)), ours.bridge.picture.calls), 2)


def paced(rate: int) -> dict[str, float]:
    """What calls at a pace take of a core, and for an event; the same with somebody who listens to all of them."""
    found: dict[str, float] = {}
    for who, listener in WHO.items():
        core, event = pace.share(rate, listener=listener)
        found |= {f"% of a core, {who}": round(100 * core, 1), f"µs an event, {who}": round(event, 1)}
    return found


def draw(figures: dict[str, dict[str, float]], paces: dict[str, dict[str, float]]) -> None:
    """A plot for each kind of figure."""
    from matplotlib.figure import Figure  # noqa: PLC0415 -- the figures alone do not need it

    image = Figure(figsize=(16, 8), layout="constrained")
    plots: Any = image.subplots(2, 3).flatten()
    live_calls = [int(calls) for calls in figures]
    for plot, title, names in (
        (plots[0], "CPU for an event, µs", ("event, ours", "event, stock panoramisk")),
        (
            plots[1],
            "an answer, p50, µs",
            ("GET one", "list of 20", "list of one user", "GET a constant", "PUT"),
        ),
        (plots[2], "CPU for a call with a listener, µs", ("a call's events to a listener",)),
        (plots[3], "memory for a live call, KB", ("memory",)),
    ):
        for name in names:
            plot.plot(live_calls, [figures[str(calls)][name] for calls in live_calls], marker="o", label=name)
        _dress(plot, "live calls", title)
    for plot, title, unit in (
        (plots[4], "% of a core", "% of a core"),
        (plots[5], "CPU for an event at that pace, µs", "µs an event"),
    ):
        for who in WHO:
            values = [figure[f"{unit}, {who}"] for figure in paces.values()]
            plot.plot([int(rate) for rate in paces], values, marker="o", label=who)
        _dress(plot, "calls a second", title)
    image.savefig(IMAGE, dpi=100)


def _dress(plot: Any, along: str, title: str) -> None:
    plot.set(xscale="log", xlabel=along, title=title)
    plot.set_ylim(bottom=0)
    plot.grid(visible=True, alpha=0.3)
    plot.legend()


def main() -> None:
    """Measure, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", action="store_true", help="only draw what was measured before")
    if not parser.parse_args().draw:
        figures = {}
        for calls in LIVE:
            figures[str(calls)] = measure(calls)
            print(calls, figures[str(calls)], flush=True)
        paces = {}
        for rate in PACES:
            paces[str(rate)] = paced(rate)
            print(rate, paces[str(rate)], flush=True)
        kept = {"measured": environment(), "live calls": figures, "calls a second": paces}
        FIGURES.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    known = json.loads(FIGURES.read_text())
    draw(known["live calls"], known["calls a second"])


if __name__ == "__main__":
    main()
