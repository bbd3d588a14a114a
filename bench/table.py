"""The results as a table for people and as JSON for whoever wants to compute with them."""

import json
import platform
import re
import statistics
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.rows import ROWS, cores

RESULTS = Path(__file__).with_name("results.json")
PAGES = tuple(Path(__file__).parents[1] / name for name in ("README.md", "docs/performance.md"))
"""Where the table stands."""

BEGIN, END = "<!-- make bench writes this -->", "<!-- make bench -->"

_PACKAGES = ("panoramisk", "cacofonisk", "starlette", "uvicorn", "uvloop", "pydantic")


def environment() -> dict[str, Any]:
    """What the figures are of."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": cores(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
    }


def keep(results: Mapping[str, dict[str, Any]], asterisk: str) -> dict[str, dict[str, Any]]:
    """Add results to those of earlier runs, and write the file.

    Returns:
        All of them, in the order of the table.
    """
    known = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else {}
    about = environment() | {"asterisk": asterisk}
    rows = known | {key: about_row | {"measured": about} for key, about_row in results.items()}
    rows = {row.key: rows[row.key] for row in ROWS if row.key in rows}
    RESULTS.write_text(json.dumps({"rows": rows}, indent=1, ensure_ascii=False) + "\n")
    return rows


def over(row: Mapping[str, Any]) -> bool:
    """Whether a row does not keep its limit."""
    return bool(row["failed"]) or row["ratio"] > row["limit"]


def markdown(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The table, with what it was measured on below it."""
    lines = ["| what | ours | reference | ratio (rounds) | limit |", "| --- | --- | --- | --- | --- |"]
    for row in rows.values():
        low, high = row["spread"]
        verdict = "**no**" if over(row) else "yes"
        lines.append(
            f"| {row['what']} | {_value(row, 'ours', 0)}"
            f" | {row['reference_name']}: {_value(row, 'reference', 1)}"
            f" | {row['ratio']:.2f} ({low:.2f} to {high:.2f}) | {row['limit']:g}: {verdict} |"
        )
    return "\n".join((*lines, "", _measured_on(rows)))


def _measured_on(rows: Mapping[str, Mapping[str, Any]]) -> str:
    latest = max(rows.values(), key=lambda row: str(row["measured"]["date"]))["measured"]
    days = sorted({str(row["measured"]["date"])[:10] for row in rows.values()})
    packages = ", ".join(f"{name} {latest[name]}" for name in _PACKAGES)
    return (
        f"{' to '.join(dict.fromkeys((days[0], days[-1])))}, {latest['cores']} cores ({latest['machine']}), Asterisk"
        f" {latest['asterisk']}, Python {latest['python']}, {packages}. Each side's median; the ratio is the median of"
        " those of the rounds, in which both sides take turns, and in brackets are the lowest and the highest of them."
    )


def _value(row: Mapping[str, Any], side: str, place: int) -> str:
    middle = statistics.median(row[side])
    tail = f", p99 {_figure(row['tails'][place])}" if row.get("tails") else ""
    return f"{_figure(middle)}{tail} {row['unit']}"


def _figure(value: float) -> str:
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def into_pages(table: str, pages: Iterable[Path] = PAGES) -> None:
    """Write the table between the two markers of each page that has them."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    for page in pages:
        text = page.read_text()
        page.write_text(pattern.sub(lambda _: f"{BEGIN}\n\n{table}\n\n{END}", text))
