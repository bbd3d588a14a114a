"""A short run of ``make fuzz``."""

import os

import pytest

from fuzz.run import Run

pytestmark = pytest.mark.anyio

SECONDS = float(os.environ.get("SECONDS") or (30 if os.environ.get("CI") == "true" else 5))


async def test_wrong_requests_do_no_harm() -> None:
    """No 5xx but 501, no fault in the log, the PBX is asked questions only; a right request still works afterwards."""
    outcome = await Run(seed=int(os.environ.get("SEED") or 1)).go(0, SECONDS)
    assert outcome.faults == [], str(outcome)
    assert outcome.requests > 200 * SECONDS / 10, str(outcome)
