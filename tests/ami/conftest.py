"""What every test of the link may ask for."""

from collections.abc import AsyncIterator

import pytest

from ami.fake import FakeAsterisk, listening


@pytest.fixture
async def fake(anyio_backend: str) -> AsyncIterator[FakeAsterisk]:
    """A manager interface that answers as an idle Asterisk 22 does, until told otherwise."""
    assert anyio_backend == "asyncio"
    async with listening(FakeAsterisk()) as running:
        yield running
