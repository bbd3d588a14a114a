"""What every test may ask for."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """The service runs on asyncio, so its tests do."""
    return "asyncio"
