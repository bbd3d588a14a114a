"""Pytest fixtures: one lab for the whole run, reset after each test, and what a test needs of its own.

A conftest takes them over by ``from lab.fixtures import *``. All async fixtures and tests share one event loop
(anyio's pytest plugin: ``anyio_backend`` has the widest scope).
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from lab import root, summing_up
from lab.floor import Lab
from lab.proxy import AmiProxy
from lab.service import Bridge

__all__ = [
    "anyio_backend",
    "bridge",
    "lab",
    "lab16",
    "new_bridge",
    "new_lab",
    "new_proxy",
    "office",
    "office16",
    "pytest_runtest_setup",
    "unwatched",
]

VERSION = int(os.environ.get("LAB_ASTERISK", "22"))
"""Which Asterisk the fixture ``lab`` runs."""

NewLab = Callable[..., Awaitable[Lab]]
NewBridge = Callable[..., Awaitable[Bridge]]
NewProxy = Callable[..., Awaitable[AmiProxy]]


def _need(version: int) -> None:
    """Skip where the lab cannot run; with CI=true that is a failure, unless it is only an old Debian that is gone."""
    try:
        root.root(version)
    except root.LabUnavailableError as why:
        if os.environ.get("CI") == "true" and version == VERSION:
            pytest.fail(f"the lab cannot run: {why}", pytrace=False)
        pytest.skip(str(why))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip here, in one place, so that pytest folds all of it into one line."""
    if item.get_closest_marker("real"):
        _need(VERSION)
    if item.get_closest_marker("asterisk16"):
        _need(16)


async def _open(version: int) -> AsyncIterator[Lab]:
    """The lab that many tests share; a port that was taken in between is no reason for all of them to fail."""
    _need(version)
    for last in (False, False, True):
        lab = Lab(version=version)
        try:
            await lab.start()
            break
        except (TimeoutError, RuntimeError, OSError):
            if last:
                raise
    summing_up.versions.add(lab.asterisk.release)
    try:
        yield lab
    finally:
        await lab.close()


async def _lend(lab: Lab) -> AsyncIterator[Lab]:
    """Lend the lab to one test; afterwards every channel must be gone and the company untouched."""
    yield lab
    left = await lab.reset()
    await lab.assert_company_untouched()
    assert left == [], "channels outlived their phones"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
async def office(anyio_backend: str) -> AsyncIterator[Lab]:  # noqa: ARG001 (it must be there first)
    """The one lab that all tests share."""
    async for lab in _open(VERSION):
        yield lab


@pytest.fixture(scope="session")
async def office16(anyio_backend: str) -> AsyncIterator[Lab]:  # noqa: ARG001 (it must be there first)
    """The same on Asterisk 16."""
    async for lab in _open(16):
        yield lab


@pytest.fixture
async def lab(office: Lab) -> AsyncIterator[Lab]:
    """Asterisk, phones at rest, the company talking and parked."""
    async for lent in _lend(office):
        yield lent


@pytest.fixture
async def lab16(office16: Lab) -> AsyncIterator[Lab]:
    """The same on Asterisk 16."""
    async for lent in _lend(office16):
        yield lent


@pytest.fixture(scope="session")
async def bridge(office: Lab) -> AsyncIterator[Bridge]:
    """A bridge on the shared lab; a test that stops or slows it makes its own by ``new_bridge``."""
    async with Bridge(office.asterisk.ami) as bridge:
        yield bridge


@pytest.fixture
async def unwatched(bridge: Bridge) -> AsyncIterator[None]:
    """No bridge watches the shared lab but those that the test starts: Asterisk is left alone where they are killed."""
    await bridge.stop()
    yield
    await bridge.start()


@pytest.fixture
async def new_bridge(office: Lab) -> AsyncIterator[NewBridge]:
    """Starts another bridge, on the shared lab or with the login given (and Bridge's options)."""
    async with AsyncExitStack() as stack:

        async def start(ami: Any = None, **options: Any) -> Bridge:
            return await stack.enter_async_context(Bridge(ami or office.asterisk.ami, **options))

        yield start


@pytest.fixture
async def new_lab(anyio_backend: str) -> AsyncIterator[NewLab]:  # noqa: ARG001 (it must be there first)
    """Starts a lab of the test's own, to be killed, frozen or configured otherwise (Lab's options)."""
    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> Lab:
            _need(options.get("version", VERSION))
            return await stack.enter_async_context(Lab(**({"version": VERSION} | options)))

        yield start


@pytest.fixture
async def new_proxy(office: Lab) -> AsyncIterator[NewProxy]:
    """Puts a relay in front of a manager login; give its ``login`` to ``new_bridge``."""
    async with AsyncExitStack() as stack:

        async def start(ami: Any = None) -> AmiProxy:
            return await stack.enter_async_context(AmiProxy(ami or office.asterisk.ami))

        yield start
