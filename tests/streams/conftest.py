"""The service, alone or as a process, on a PBX that tells of much."""

from collections.abc import AsyncIterator

import pytest

from ami.fake import listening
from lab.service import Bridge
from streams.fuzz import Service, service
from streams.pbx import BusyPbx


@pytest.fixture
async def pbx() -> AsyncIterator[BusyPbx]:
    """A busy PBX."""
    one = BusyPbx()
    async with listening(one):
        yield one
    await one.until_alone()


@pytest.fixture
async def bridge(pbx: BusyPbx) -> AsyncIterator[Bridge]:
    """The service on it, as a process."""
    async with Bridge(pbx.login) as running:
        yield running


@pytest.fixture
async def within() -> AsyncIterator[Service]:
    """The service on a PBX of its own, within the test."""
    async with service() as running:
        yield running
