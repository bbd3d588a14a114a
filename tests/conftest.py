"""What every test may ask for, and what none may leave behind."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from lab.summing_up import *  # noqa: F403 (pytest finds hooks by their names here)


@pytest.fixture
def anyio_backend() -> str:
    """The service runs on asyncio, so its tests do."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """Logging that a test set up ends with it: its output may be closed by then."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
