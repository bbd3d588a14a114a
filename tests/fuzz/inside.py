"""The whole service within a test: real HTTP routes, real AMI link, and a PBX made of bytes at its other end."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from structlog.testing import capture_logs
from structlog.typing import EventDict

from ami.fake import event, listening
from bridge.app import Bridge, create_app
from bridge.settings import Settings
from bridge.tokens import sha256_hex
from fuzz.pbx import PARKED_CALL, Pbx

TOKEN = "token-of-john"

_CONFIGURATION = {
    "organizations": [{"id": "3", "name": "Default Organization"}, {"id": "4", "name": "Other Organization"}],
    "users": [
        {"id": "12", "name": "John", "organization": "3", "extensions": ["0003*210", "0003*1??", "0003*900"]},
        {"id": "13", "name": "Mary", "organization": "3", "extensions": ["0003*02?"]},
        {"id": "21", "name": "Other", "organization": "4", "extensions": ["0004*210"]},
    ],
    "queues": [{"name": "support", "extension": "0003*900"}],
    "apps": [{"id": "app", "user": "12", "tokens_sha256": [sha256_hex(TOKEN)]}],
    "limits": {"requests_per_second": 100_000, "burst": 1_000_000, "pickups_per_phone": 100_000},
}


@dataclass
class Inside:
    """The service, its PBX and its client."""

    pbx: Pbx
    bridge: Bridge
    http: httpx2.AsyncClient
    logs: Sequence[EventDict]

    async def said(self, *data: bytes) -> None:
        """Let the PBX say something, and wait until the bridge has taken it in."""
        self.pbx.say(b"".join(data))
        await self.bridge.link.getvar("UAPI_MARK")  # answered behind all of it, and handed on in order

    async def get(self, path: str = "@me/@self") -> httpx2.Response:
        """GET a list, or a call."""
        return await self.http.get(f"/uapi/phoneCalls/{path}")

    async def entries(self, path: str = "@me/@self") -> dict[str, dict[str, Any]]:
        """The calls of a list, by id."""
        response = await self.get(path)
        assert response.status_code == 200, response.text
        return {call["id"]: call for call in response.json()["entry"]}

    async def put(self, body: Any, call: str = PARKED_CALL, extension: str = "0003*210") -> httpx2.Response:
        """PUT an action; text goes as it is."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.put(f"/uapi/phoneCalls/@me/{extension}/{call}", content=content)

    async def nothing_rings(self) -> None:
        """Let the phones that ring decline, and forget all that was heard."""
        self.pbx.end_pickups()
        await self.said()
        self.pbx.forget()

    def faults(self) -> list[EventDict]:
        """What was logged of things that went wrong."""
        return [line for line in self.logs if line["log_level"] in ("error", "critical", "exception")]


@asynccontextmanager
async def inside(pbx: Pbx | None = None) -> AsyncIterator[Inside]:
    """Bring it up."""
    pbx = pbx or Pbx()
    async with listening(pbx):
        up = asyncio.Event()
        settings = Settings.model_validate({**_CONFIGURATION, "ami": {"host": "127.0.0.1", "port": pbx.port}})
        with capture_logs() as logs:
            bridge = create_app(settings, on_state=lambda state: up.set() if state.up else None)
            running = asyncio.create_task(bridge.link.run())
            transport = httpx2.ASGITransport(bridge.asgi, raise_app_exceptions=True)
            headers = {"Authorization": f"Bearer {TOKEN}"}
            try:
                await asyncio.wait_for(up.wait(), 10)
                async with httpx2.AsyncClient(
                    transport=transport, base_url="http://h", headers=headers
                ) as http:
                    yield Inside(pbx, bridge, http, logs)
            finally:
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running
        await pbx.until_alone()


__all__ = ["TOKEN", "Inside", "event", "inside"]
