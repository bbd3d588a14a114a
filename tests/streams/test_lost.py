"""Events that never came are missed for a minute at most, and cost Asterisk one Status of all to find out."""

import random
import time

import pytest

from bridge.ami import Timing
from calls.checks import check
from lab.ports import until
from streams.fuzz import Service, fresh, same, service
from streams.traffic import Traffic, company_calls

pytestmark = pytest.mark.anyio


async def _until_list(it: Service, expected: set[str]) -> None:
    async def shown() -> bool:
        return await it.list() == expected

    await until(shown, "the list shows what is true", timeout=20, every=0.01)


async def test_hangups_that_never_came_are_found_by_one_status_of_all() -> None:
    """Calls end unheard: the next look at all channels finds it, and no channel is ever looked up by itself."""
    assert Timing().resync == 60, "a minute is what is promised"
    async with service(Timing(resync=1.0)) as it:
        traffic = it.pbx.traffic = Traffic(random.Random(7), at_once=60, kinds=["ringing/the-caller-leaves"])
        await it.pbx.tell(traffic.more(60))
        await _until_list(it, set(traffic.live() | company_calls()))
        assert len(traffic.live()) > 10
        traffic.stop()
        before, began = len(it.pbx.of("Status")), time.monotonic()
        await _until_list(it, set(company_calls()))
        asked = it.pbx.of("Status")[before:]
        seconds = time.monotonic() - began
    assert len(asked) <= seconds + 2, "Asterisk was asked too often"
    assert all("Channel" not in one for one in asked), "a channel was looked up by itself"


@pytest.mark.parametrize("seed", range(5))
async def test_any_event_may_be_lost(seed: int, within: Service) -> None:
    """One event in five never comes: the next resync makes up for it."""
    rng = random.Random(f"lost {seed}")
    traffic = within.pbx.traffic = Traffic(rng, at_once=30)
    for _ in range(3):
        messages = traffic.more(30).split(b"\r\n\r\n")[:-1]
        await within.pbx.tell(b"".join(one + b"\r\n\r\n" for one in messages if rng.random() < 0.8))
        await within.resynced()
        check(within.picture)
        assert await within.list() == traffic.live() | company_calls()
        assert same(within.picture, fresh(traffic))
