"""Every state of a call against every end of its pickup, on the real Asterisk: `make matrix ROUNDS=20`.

Ends with a table and a line `N pickups, L lost, F false answers`; exit status 1 unless L and F are 0.
"""

import asyncio
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from lab import Bridge, Lab
from lab.floor import PHONES
from matrix.ends import ENDS, UNREGISTERED, End, Play, fits, same_moment
from matrix.states import STATES, Scene, State

SWITCHED_ON = tuple(phone for phone in PHONES if phone != UNREGISTERED)


@dataclass(slots=True)
class Tally:
    """What came out."""

    pickups: int = 0
    lost: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    cells: Counter[tuple[str, str]] = field(default_factory=Counter)
    bad: Counter[tuple[str, str]] = field(default_factory=Counter)
    apart: list[float] = field(default_factory=list)
    """Seconds between the two answers of each race in which Asterisk had both."""

    def races(self) -> str:
        """How close the races were."""
        close = sum(seconds <= 0.001 for seconds in self.apart)
        return f"{len(self.apart)} races in which Asterisk had both answers, {close} of them within a millisecond"

    def __str__(self) -> str:
        return f"{self.pickups} pickups, {len(self.lost)} lost, {len(self.false)} false answers"


async def matrix(rounds: int, races: int, *, only: str = "") -> Tally:
    """Play the whole matrix.

    Args:
        rounds: How often each cell is played.
        races: How often, in each round, those where two phones answer in the same moment.
        only: Part of a state's or an end's name; the others are left out.
    """
    tally = Tally()
    seen: dict[State, Scene] = {}
    async with Lab(phones=SWITCHED_ON) as lab, Bridge(lab.asterisk.ami) as bridge:
        for _ in range(rounds):
            for state in STATES:
                for end in ENDS:
                    if only not in state.__name__ and only not in end.__name__:
                        continue
                    for _ in range(races if end is same_moment else 1):
                        if state in seen and not fits(end, seen[state]):
                            break
                        seen[state] = await _cell(lab, bridge, state, end, tally)
        try:
            await lab.assert_company_untouched()
        except AssertionError as touched:
            tally.lost.append(str(touched))
    return tally


async def _cell(lab: Lab, bridge: Bridge, state: State, end: End, tally: Tally) -> Scene:
    scene = await state(lab, bridge)
    try:
        if not fits(end, scene):
            return scene
        play = Play(lab, bridge, scene)
        try:
            await end(play)
        except (AssertionError, TimeoutError) as wrong:
            play.verdict.lost.append(str(wrong))
        cell = (scene.state, end.__name__)
        tally.pickups += 1
        tally.cells[cell] += 1
        tally.apart += [play.apart] if play.apart is not None else []
        for complaint in play.verdict.lost:
            tally.lost.append(f"{cell}: {complaint}")
        for complaint in play.verdict.false:
            tally.false.append(f"{cell}: {complaint}")
        tally.bad[cell] += bool(play.verdict.lost or play.verdict.false)
        return scene
    finally:
        left = await lab.reset()
        if left:
            tally.lost.append(f"{end.__name__}: channels outlived their phones: {left}")


def table(tally: Tally) -> Table:
    """The matrix, good of all in each cell."""
    ends = [end.__name__ for end in ENDS]
    shown = Table(title="states against ends: good of all")
    shown.add_column("state")
    for end in ends:
        shown.add_column(end.replace("_", " "), justify="center")
    for state in dict.fromkeys(state for state, _ in tally.cells):
        cells = []
        for end in ends:
            played, bad = tally.cells[state, end], tally.bad[state, end]
            colour = "red" if bad else "green"
            cells.append(f"[{colour}]{played - bad}/{played}[/]" if played else "·")
        shown.add_row(state, *cells)
    return shown


def main() -> int:
    """Play as often as the environment says, and print what came out."""
    started = time.monotonic()
    rounds = int(os.environ.get("ROUNDS", "1"))
    tally = asyncio.run(matrix(rounds, int(os.environ.get("RACES", "20")), only=os.environ.get("ONLY", "")))
    console = Console(width=180)
    for complaint in (*tally.lost, *tally.false):
        console.print(complaint, markup=False)
    console.print(table(tally))
    console.print(f"{rounds} rounds in {time.monotonic() - started:.0f} s; {tally.races()}")
    print(tally)
    return 1 if tally.lost or tally.false else 0


if __name__ == "__main__":
    sys.exit(main())
