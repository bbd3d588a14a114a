"""Whatever a PBX sends: nothing raises, memory is bounded, and the next resync is the truth again."""

import asyncio
import contextlib
import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.ports import until
from lab.service import OWNER, Bridge
from streams.fuzz import Outcome, alone, fuzz
from streams.pbx import BusyPbx
from streams.process import memory
from streams.traffic import company_calls

pytestmark = pytest.mark.anyio

SECONDS = float(os.environ.get("SECONDS") or (8 if os.environ.get("CI") == "true" else 5))
EXAMPLES = int(os.environ.get("EXAMPLES") or 40)
MB = 1 << 20


async def test_hostile_streams() -> None:
    """A short run of ``make fuzz-ami``: broken, lying and senseless streams do no lasting harm."""
    seen = await fuzz(0, SECONDS, seed=int(os.environ.get("SEED") or 1))
    assert not seen.faults, str(seen)
    assert seen.whole >= 1, str(seen)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 1 << 32), harm=st.randoms(use_true_random=False))
def test_the_least_harm_that_does_harm(seed: int, harm: random.Random) -> None:
    """The same, drawn by hypothesis: what is found is made as small as it can be."""
    alone(random.Random(seed), Outcome(), harm)


@pytest.mark.parametrize("line", [b"A", b"Variable: x=1\r\n"], ids=["a line", "a message"])
async def test_a_hundred_megabytes_without_an_end(line: bytes, pbx: BusyPbx, bridge: Bridge) -> None:
    """It is given up before it has cost memory, and after the reconnect all is as before."""
    before = memory(bridge.pid)
    piece = line * (MB // len(line))
    sent = 0
    with contextlib.suppress(ConnectionResetError):
        while pbx._writers and sent < 100:
            await asyncio.wait_for(pbx.tell(piece), 20)
            sent += 1
    assert sent < 100, "it has read all of it"

    async def back() -> bool:
        response = await bridge.get("@me", "@self", token=OWNER)
        return (
            response.status_code == 200
            and {call["id"] for call in response.json()["entry"]} == company_calls()
        )

    await until(back, "the calls are there again", timeout=20)
    assert memory(bridge.pid) - before < 16, "megabytes were kept"
    assert "a message without end" in bridge.log()
