"""What a row of the table is, and how its rounds are taken: both sides in turns, so that a busy machine hits both."""

import gc
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Self

Side = Callable[[], Awaitable[float]]
"""Does its work once and says what it took, in the row's unit."""


@dataclass(slots=True)
class Measured:
    """What the rounds of one row said.

    Attributes:
        unit: of ours and the reference; the table writes it behind the number.
        ours: a value of each round.
        reference: the same; where there is one.
        tails: p99 of ours and of the reference, where the table shows them.
        notes: further figures, by name, for results.json and the note.
        failed: what went wrong, if a figure alone is not enough.
    """

    unit: str
    ours: list[float] = field(default_factory=list)
    reference: list[float] = field(default_factory=list)
    tails: tuple[float, float] | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    failed: str = ""

    @property
    def ratios(self) -> list[float]:
        """Ours to the reference, round by round."""
        return [one / other for one, other in zip(self.ours, self.reference, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.ratios)

    def as_json(self) -> dict[str, Any]:
        """Everything, rounds included."""
        ratios = self.ratios
        return asdict(self) | {
            "ratio": round(statistics.median(ratios), 4),
            "spread": [round(min(ratios), 4), round(max(ratios), 4)],
        }


async def in_turns(rounds: int, unit: str, ours: Side, reference: Side, *, warm: int = 1) -> Measured:
    """Let both sides work in turns; who begins changes from round to round.

    Args:
        rounds: That count.
        unit: What the sides return.
        ours: One side.
        reference: The other.
        warm: Rounds before those that count.
    """
    measured = Measured(unit)
    for n in range(-warm, rounds):
        took: dict[bool, float] = {}
        for mine in (True, False) if n % 2 else (False, True):
            gc.collect()
            took[mine] = await (ours if mine else reference)()
        if n >= 0:
            measured.ours.append(took[True])
            measured.reference.append(took[False])
    return measured


class Cpu:
    """Processor time of this process, in seconds, while it is entered."""

    seconds = 0.0

    def __enter__(self) -> Self:
        self._start = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.process_time() - self._start
