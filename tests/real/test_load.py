"""A short run of ``make soak``: SIPp's calls and the API's pickups on an Asterisk of their own."""

import os

import pytest

from lab.fixtures import VERSION
from soak.run import soak

pytestmark = [pytest.mark.anyio, pytest.mark.real]

CI = os.environ.get("CI") == "true"
MINUTES = float(os.environ.get("MINUTES") or (1 if CI else 0.2))


async def test_calls_and_pickups_leave_nothing_behind(capsys: pytest.CaptureFixture[str]) -> None:
    """Fifty calls and five pickups a second: all are served, no ghost stays, and neither task, socket nor memory is kept."""
    seen = await soak(MINUTES * 60, 50 if CI else 10, 5 if CI else 2, version=VERSION)
    with capsys.disabled():
        print(f"\n{seen}")
    assert not seen.faults, str(seen)
