"""asterisk-conf/ as it is shipped: an Asterisk that boots with it has nothing to complain of."""

import re

import pytest

from lab.asterisk import PRODUCT_CONF, Asterisk
from lab.fixtures import VERSION

pytestmark = [pytest.mark.anyio, pytest.mark.real]

_ASTERISKS_OWN = "Could not find option 'minimum_size' with type 'threadpool' in module 'stasis'"
"""22.10 lacks the documentation of an option of its own, and says so at every start."""


_TOO_YOUNG = {16: ("func_export.so",)}
"""What an old one misses, and does without: the bridge does its work there."""


async def _complaints(version: int) -> list[str]:
    """What it says at its start that is a warning, an error, or about a file that it misses."""
    async with Asterisk(version=version, conf=PRODUCT_CONF) as asterisk:
        assert "fully booted" in await asterisk.cli("core waitfullybooted")
        said = [*asterisk.log().splitlines(), *asterisk.console().splitlines()]
    assert any("modules will be loaded" in line for line in said)
    wrong = re.compile(r"WARNING|ERROR|[Uu]nable|[Cc]ould not|No [a-z]+\.conf")
    usual = (_ASTERISKS_OWN, *_TOO_YOUNG.get(version, ()))
    return [line for line in said if wrong.search(line) and not any(one in line for one in usual)]


async def test_the_boot_is_silent() -> None:
    """No warning, no error, no file that is not there."""
    assert await _complaints(VERSION) == []


@pytest.mark.asterisk16
async def test_the_boot_is_silent_on_16() -> None:
    """Nor with the other generation that the bridge was tried on."""
    assert await _complaints(16) == []
