"""``make fuzz``: 100,000 wrong requests; REQUESTS, SECONDS and SEED say otherwise."""

import argparse
import asyncio
import random
import sys

from fuzz.run import Run


def main() -> int:
    """Run, and tell what was seen; the exit status is 1 where anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000, help="how many; 0 for no limit")
    parser.add_argument("--seconds", type=float, default=0, help="how long; 0 for no limit")
    parser.add_argument(
        "--seed", type=int, default=None, help="of what is random; another each time where not given"
    )
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    print(f"seed {seed}")
    outcome = asyncio.run(Run(seed).go(options.requests, options.seconds))
    print(outcome)
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
