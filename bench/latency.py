"""A PUT until the new phone rings, beside a bare Originate: `tools/latency.py`, cut into rounds."""

import asyncio
import importlib.util
import statistics
from pathlib import Path
from typing import Any

from bench.measure import Measured

_PAIRS = 300
_ROUNDS = 6


def _tool() -> Any:
    path = Path(__file__).parents[1] / "tools/latency.py"
    spec = importlib.util.spec_from_file_location("latency", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def put(rounds: int) -> Measured:
    """Three hundred pairs in turns; ``rounds`` is their number where it is given."""
    pairs = rounds or _PAIRS
    times = asyncio.run(_tool().measure(pairs))
    measured = Measured("ms")
    size = max(1, pairs // _ROUNDS)
    for start in range(0, pairs - size + 1, size):
        for values, name in ((measured.ours, "put"), (measured.reference, "originate")):
            values.append(1000 * statistics.median(times[name][start : start + size]))
    p99 = {name: 1000 * statistics.quantiles(values, n=100)[98] for name, values in times.items()}
    measured.tails = p99["put"], p99["originate"]
    for name, values in times.items():
        p50 = 1000 * statistics.median(values)
        measured.notes[f"{name}, p50 and p99 in ms"] = [round(p50, 2), round(p99[name], 2)]
    return measured
