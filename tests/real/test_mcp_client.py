"""mcp-voipnow, the official client of 2026, lists and picks up, with a token that it fetches by itself over TLS.

Its program is not part of this repository: ``make mcp-voipnow`` fetches its sources and builds it, or MCP_VOIPNOW names a
folder ``calls`` of them that is built already. What it sends is tested without it, too, byte for byte as its sources say.
"""

import asyncio
import hashlib
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lab import Bridge, Lab
from lab.service import REPOSITORY
from real.certificates import Authority, served

pytestmark = [pytest.mark.anyio, pytest.mark.real]

PROGRAM = Path(os.environ.get("MCP_VOIPNOW", REPOSITORY / ".mcp-voipnow/calls")) / "dist/index.js"
NODE = shutil.which("node")

APP, SECRET = "mcp.app~1", "a~secret_of-the.app"
_APP = f"""
[[apps]]
id = "{APP}"
user = "12"
secret_sha256 = "{hashlib.sha256(SECRET.encode()).hexdigest()}"
"""
_AGENT = {"User-Agent": "VoipNow Calls MCP/5.7.0"}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def bridge(lab: Lab, authority: Authority) -> AsyncIterator[Bridge]:
    """A bridge that serves everything at one HTTPS address, as this client needs it."""
    async with await served(lab, authority.issue("bridge"), authority, _APP) as running:
        yield running


async def _is_picked_up(lab: Lab) -> None:
    """The phone of sendCallTo rings showing what was asked for, answers, and has the caller."""
    ring = await lab["024"].wait_for_ring()
    assert (ring.name, ring.number) == ("John Doe", "42420042")
    await lab["024"].accept()
    await lab.wait_together("100", "024")


# ------------------------------------------------------------------ what it sends


async def test_its_requests_as_they_are_on_the_wire(lab: Lab, bridge: Bridge) -> None:
    """Token, list and pickup: headers, bodies and trailing slashes of its 5.7.0, and what it demands of the replies."""
    # URLSearchParams encodes the tilde; the misspelt path is on purpose (token/utils.ts).
    form = (
        "client_id=mcp.app%7E1&client_secret=a%7Esecret_of-the.app&grant_type=client_credentials&type=unifiedapi"
        f"&redirect_uri=https%3A%2F%2F127.0.0.1%3A{bridge.port}%2Fouath%2Ftoken.php"
    )
    headers = {"Content-Type": "application/x-www-form-urlencoded", **_AGENT}
    for path in ("/oauth/token.php", "//oauth/token.php"):
        reply = await bridge.http.post(f"{bridge.url}{path}", content=form.encode(), headers=headers)
        assert reply.status_code == 200, reply.text
    granted = reply.json()
    assert re.fullmatch(r"[A-Za-z0-9_\-.]{10,}", granted["access_token"])
    assert granted["expires_in"] == 3600

    await lab["100"].dial("0003*210")
    await lab["210"].wait_for_ring()
    await bridge.seen("0003*210")
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {granted['access_token']}",
        **_AGENT,
    }
    listed = await bridge.http.get("/uapi/phoneCalls/@me/0003*210/?count=20&startIndex=0", headers=headers)
    assert listed.status_code == 200
    call = listed.json()["entry"][0]
    body = {
        "action": "PickUp",
        "phoneCallViewId": call["phoneCallView"][1]["id"],
        "sendCallTo": "0003*024",
        "callerId": "John Doe <42420042>",
        "waitForPickup": "25",
    }
    url = f"/uapi/phoneCalls/@me/0003*210/{call['id']}/"
    picked_up = await bridge.http.put(
        url, content=json.dumps(body, separators=(",", ":")).encode(), headers=headers
    )
    assert 200 <= picked_up.status_code < 300
    assert picked_up.json()["id"] == call["id"]
    await _is_picked_up(lab)


async def test_a_wrong_secret_is_told_in_the_words_it_looks_for(bridge: Bridge) -> None:
    """Status 400 or more, and ``error`` is ``invalid_client``."""
    form = f"client_id={APP}&client_secret=wrong&grant_type=client_credentials&type=unifiedapi"
    headers = {"Content-Type": "application/x-www-form-urlencoded", **_AGENT}
    reply: httpx2.Response = await bridge.http.post(
        "/oauth/token.php", content=form.encode(), headers=headers
    )
    assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")


# ------------------------------------------------------------------ the program itself


class _Program:
    """The client as a process; spoken to in JSON-RPC, a line a message."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout
        self._number = 0

    async def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Send a request, and return its result."""
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        async with asyncio.timeout(30):
            while line := await self._out.readline():
                message: dict[str, Any] = json.loads(line)
                if message.get("id") == self._number:
                    result: dict[str, Any] = message["result"]
                    return result
        raise EOFError("mcp-voipnow has ended")

    def _send(self, message: dict[str, Any]) -> None:
        self._in.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def begin(self) -> None:
        """Shake hands."""
        who = {"name": "test", "version": "1"}
        await self.ask("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": who})
        self._send({"method": "notifications/initialized"})

    async def call(self, tool: str, **arguments: str) -> Any:
        """Use a tool, and return what it says, which is JSON where all went well."""
        result = await self.ask("tools/call", {"name": tool, "arguments": arguments})
        text = result["content"][0]["text"]
        try:
            return json.loads(text)
        except ValueError:
            return text


@asynccontextmanager
async def _program(
    bridge: Bridge, folder: Path, insecure: str, authority: Authority
) -> AsyncIterator[_Program]:
    config = {
        "appId": APP,
        "appSecret": SECRET,
        "voipnowHost": bridge.url,
        "voipnowTokenFile": str(folder / ".access_token"),
        "logLevel": "debug",
    }
    (folder / "config.json").write_text(json.dumps(config | ({"insecure": insecure} if insecure else {})))
    trust = {} if insecure else {"NODE_EXTRA_CA_CERTS": str(authority.cert)}
    assert NODE is not None
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            NODE, str(PROGRAM), "--config", "config.json",
            cwd=folder, env={"PATH": os.environ["PATH"], **trust}, limit=1 << 20,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
        )  # fmt: skip
    try:
        program = _Program(process)
        try:
            await program.begin()
        except (EOFError, TimeoutError) as error:
            raise AssertionError((folder / "log").read_text()) from error
        yield program
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.skipif(
    NODE is None or not PROGRAM.exists(),
    reason="mcp-voipnow is not here: make mcp-voipnow (git, node and npm), or MCP_VOIPNOW=its folder calls, built",
)
@pytest.mark.parametrize("insecure", ["", "true"], ids=["trusted", "insecure"])
async def test_mcp_voipnow_lists_and_picks_up(
    lab: Lab, bridge: Bridge, authority: Authority, tmp_path: Path, insecure: str
) -> None:
    """Unchanged, with its base URL set and nothing else: it fetches a token, finds the call, and has it picked up."""
    folder = tmp_path / "client"
    folder.mkdir()
    await lab["100"].dial("0003*210")
    await lab["210"].wait_for_ring()
    async with _program(bridge, folder, insecure, authority) as program:
        token = (folder / ".access_token").read_text().split(":")[2]
        assert token.count(".") == 2, "a token of ours, signed"
        listed = await program.call("phone-calls-list", extension="0003*210")
        assert listed["totalResults"] == 1, listed
        call = listed["entry"][0]
        view = next(one["id"] for one in call["phoneCallView"] if one["extension"] == "0003*210")
        picked_up = await program.call(
            "phone-calls-update-pickup-bargein", action="PickUp", extension="0003*210", phoneCallId=call["id"],
            phoneCallViewId=view, sendCallTo="0003*024", callerId="John Doe <42420042>",
        )  # fmt: skip
        assert picked_up["id"] == call["id"], picked_up
        await _is_picked_up(lab)
        barge_in = await program.call(
            "phone-calls-update-pickup-bargein", action="BargeIn", extension="0003*210", phoneCallId=call["id"],
            phoneCallViewId=view, sendCallTo="0003*025",
        )  # fmt: skip
        assert "request_not_implemented" in barge_in
        assert token not in bridge.log()
