"""What every test of the HTTP side may ask for."""

import pytest

from uapi.world import World


@pytest.fixture
def world() -> World:
    """A PBX without calls, and the bridge on it."""
    return World()
