"""schemathesis over the API's own description, right and wrong data, against the bridge on the real Asterisk."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from lab import Bridge, Lab
from lab.fixtures import NewBridge, NewProxy
from lab.service import JOHN, REPOSITORY

pytestmark = [pytest.mark.anyio, pytest.mark.real]

EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "")
"""By hand: how many of each kind for each operation. Then each run has other ones."""

_QUESTIONS = {"BridgeList", "CoreSettings", "DeviceStateList", "Getvar", "Login", "ParkedCalls", "Ping"}
_QUESTIONS |= {"QueueStatus", "Status"}


async def _schemathesis(bridge: Bridge, folder: Path, parameters: str = "") -> None:
    """Run it with all its checks and in all its phases; it must find nothing."""
    told = (REPOSITORY / "tests/uapi/schemathesis.toml").read_text()
    config = folder / "schemathesis.toml"
    config.write_text(parameters + told)
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"),
        f"--config-file={config}",
        "run",
        f"{bridge.url}/openapi.json",
        f"--header=Authorization: Bearer {JOHN}",
        "--checks=all",
        "--mode=all",
        "--phases=examples,coverage,fuzzing,stateful",
        *((f"--max-examples={EXAMPLES}",) if EXAMPLES else ("--max-examples=15", "--seed=1")),
        "--no-color",
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), 3600 if EXAMPLES else 60)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, out.decode()
    assert '"level": "error"' not in bridge.log()


async def test_schemathesis_finds_nothing_wherever_it_asks(
    lab: Lab, new_proxy: NewProxy, new_bridge: NewBridge, tmp_path: Path
) -> None:
    """Any user, extension and call: every reply is as described, and Asterisk is asked questions only."""
    proxy = await new_proxy()
    bridge = await new_bridge(proxy.login)
    await lab["100"].dial("0003*210")
    await lab["210"].wait_for_ring()
    await _schemathesis(bridge, tmp_path)
    assert {action["Action"] for action in proxy.actions} <= _QUESTIONS


async def test_schemathesis_finds_nothing_at_a_call_that_rings(
    lab: Lab, bridge: Bridge, tmp_path: Path
) -> None:
    """The same, all of it about one live call, which the description's own example really picks up."""
    await lab["100"].dial("0003*210")
    await lab["210"].wait_for_ring()
    call = (await bridge.call("0003*210"))["id"]
    parameters = (
        f'[parameters]\n"path.user" = "@me"\n"path.extension" = "0003*210"\n"path.phoneCallId" = "{call}"\n'
    )
    since = bridge.log().count("pickup rings")
    await _schemathesis(bridge, tmp_path, parameters)
    assert bridge.log().count("pickup rings") > since
