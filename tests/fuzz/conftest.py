"""What the property tests share: one service for all examples of a test, on a loop of its own."""

from collections.abc import Iterator

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from fuzz.inside import Inside, inside


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    """An event loop in a thread, for examples that are not async themselves."""
    with start_blocking_portal("asyncio") as running:
        yield running


@pytest.fixture
def service(portal: BlockingPortal) -> Iterator[Inside]:
    """The service, on that loop."""
    with portal.wrap_async_context_manager(inside()) as it:
        yield it
