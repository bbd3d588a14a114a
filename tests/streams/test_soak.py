"""A short run of ``make soak-calls``."""

import os

import pytest

from streams.soak import soak

pytestmark = pytest.mark.anyio

CALLS = int(os.environ.get("CALLS") or (20_000 if os.environ.get("CI") == "true" else 4_000))


async def test_calls_by_the_thousand_leave_nothing_behind() -> None:
    """Each list on the way shows the calls that live just then, and memory stays what it was after the first quarter."""
    seen = await soak(CALLS, seed=1)
    assert not seen.faults, str(seen)
    assert seen.lists >= 8, str(seen)
