"""Measure, print the table, write it and bench/results.json; exit status 1 over a limit.

``python -m bench [--only PART-OF-A-KEY] [--rounds N]``; needs the lab (root). Each row is measured in a process of
its own, so that none leaves another a fuller heap.
"""

import argparse
import json
import subprocess
import sys
import time
from typing import Any

from bench import rows, table


def main() -> int:
    """Measure what is chosen."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", default="", help="only the rows whose name has this in it")
    parser.add_argument("--rounds", type=int, default=0, help="instead of each row's own number")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    parser.add_argument("--dry", action="store_true", help="write neither results.json nor the pages")
    options = parser.parse_args()
    if options.row:
        row = next(row for row in rows.ROWS if row.key == options.row)
        print(json.dumps(row.run(options.rounds).as_json()))
        return 0
    return _measure(rows.chosen(options.only), options.rounds, dry=options.dry)


def _measure(chosen: tuple[rows.Row, ...], rounds: int, *, dry: bool) -> int:
    bad = False
    everything: dict[str, dict[str, Any]] = {}
    for row in chosen:
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "bench", "--row", row.key, "--rounds", str(rounds)],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            bad = True
            print(f"{row.key}: could not be measured", file=sys.stderr)
            continue
        what = f"{row.what} (shortened run: ROUNDS={rounds})" if rounds else row.what
        about = {"what": what, "reference_name": row.reference, "limit": row.limit}
        result = json.loads(done.stdout.splitlines()[-1]) | about
        bad |= table.over(result)
        _tell(row, result, time.monotonic() - start)
        if not dry:  # at once: a run that is broken off leaves what it has measured
            everything = table.keep({row.key: result}, _asterisk())
            table.into_pages(table.markdown(everything))
    if everything:
        print()
        print(table.markdown({row.key: everything[row.key] for row in chosen if row.key in everything}))
    return int(bad)


def _tell(row: rows.Row, result: dict[str, Any], seconds: float) -> None:
    low, high = result["spread"]
    verdict = "OVER" if table.over(result) else "ok"
    print(
        f"{row.key:18} {result['ratio']:6.3f} ({low:.3f} to {high:.3f}), limit {row.limit:g}: {verdict}"
        f"   [{seconds:.0f} s] {result['failed']}",
        flush=True,
    )


def _asterisk() -> str:
    """The lab's Asterisk, by its package's version."""
    from lab import root  # noqa: PLC0415 -- what needs no lab must not need it

    said = root.versions()
    return said.partition("asterisk 1:")[2].partition("~")[0].partition("+")[0] or said


if __name__ == "__main__":
    sys.exit(main())
