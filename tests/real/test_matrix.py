"""Every state of a call against every end of its pickup; `make matrix` plays it as often as one likes."""

import pytest

from matrix.run import matrix

pytestmark = [pytest.mark.anyio, pytest.mark.real]


async def test_nobody_is_lost_and_no_answer_is_false() -> None:
    """In every state, however a pickup ends, everybody is where he should be, and the API said what happened."""
    tally = await matrix(rounds=1, races=5)

    assert (tally.lost, tally.false) == ([], [])
    assert tally.pickups == 196
    assert tally.apart, "in no race had Asterisk both answers"
