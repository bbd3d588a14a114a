"""The commands `calls` and `pickup` against a real bridge, a real Asterisk and real softphones."""

import argparse
import asyncio
from collections.abc import Callable

import pytest

from bridge.client import Exit, add_calls_arguments, add_pickup_arguments, run_calls, run_pickup
from lab import Bridge, Lab
from lab.service import OWNER

pytestmark = [pytest.mark.anyio, pytest.mark.real]


@pytest.fixture(autouse=True)
def access(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of somebody who uses the commands."""
    monkeypatch.setenv("BRIDGE_URL", bridge.url)
    monkeypatch.setenv("BRIDGE_TOKEN", OWNER)


async def command(
    add: Callable[[argparse.ArgumentParser], None], run: Callable[[argparse.Namespace], int], *words: str
) -> int:
    parser = argparse.ArgumentParser()
    add(parser)
    return await asyncio.to_thread(run, parser.parse_args(words))


async def pickup(*words: str) -> int:
    return await command(add_pickup_arguments, run_pickup, *words)


async def test_a_ringing_call_is_picked_up_from_a_terminal(
    lab: Lab, bridge: Bridge, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one that rings is found; the phone shows the caller id; connected is exit status 0."""
    await lab["100"].dial("0003*210")
    ring = await lab["210"].wait_for_ring()
    call = await bridge.seen("0003*210")
    lab["024"].on_ring("accept", after=0.1)
    words = ("0003*210", "--to", "0003*024", "--caller-id", "John Doe <42420042>")
    assert await pickup(*words) == Exit.DONE
    await lab.wait_together("100", "024")
    shown = await lab["024"].wait_for_ring()
    assert (shown.name, shown.number) == ("John Doe", "42420042")
    assert (await lab["210"].wait_closed(ring)).elsewhere
    assert f"0003*024 has the call {call['id']}." in capsys.readouterr().out

    assert await command(add_calls_arguments, run_calls) == Exit.DONE
    out = capsys.readouterr().out
    assert "0003*210 by 0003*024: connected" in out
    assert "parked 701" in out


async def test_each_way_to_fail_has_its_exit_status(lab: Lab, bridge: Bridge) -> None:
    """Declined, not answered, given up by the caller; and nothing that rings."""
    assert await pickup("0003*210", "--to", "0003*024") == Exit.NOTHING
    caller = await lab["100"].dial("0003*210")
    await lab["210"].wait_for_ring()
    await bridge.seen("0003*210")
    lab["024"].on_ring("decline")
    assert await pickup("0003*210", "--to", "0003*024") == Exit.UNAVAILABLE
    assert await pickup("0003*210", "--to", "0003*025", "--wait", "0.5") == Exit.NO_ANSWER
    waiting = asyncio.create_task(pickup("0003*210", "--to", "0003*101"))
    await lab["101"].wait_for_ring()
    await lab["100"].hangup(caller)
    assert await waiting == Exit.GONE
