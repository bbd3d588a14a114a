"""A connection to a PBX with many calls, until the API answers, beside reading the same answers by a plain socket."""

import asyncio
import contextlib
import re
import time

import httpx2
from pydantic import SecretStr

from bench import sipp
from bench.events import quiet
from bench.measure import Measured, in_turns
from bench.serving import OWNER, settings
from bench.starting import log_in
from bridge.app import create_app
from bridge.calls import STATUS_VARIABLES
from bridge.settings import AmiSettings
from lab import AmiLogin, Lab, free_port, until

LIVE = 2000
_TALKER = "0003*170"

_OPTIONS = sipp.PORTS | {("modules.conf", "modules", "noload"): "res_timing_timerfd.so"}
"""Without its timer a channel has four open files, not five: 4,000 channels may be more than a container allows."""

_QUESTIONS = (
    "Action: CoreSettings",
    "Action: BridgeList",
    "Action: ParkedCalls",
    "Action: QueueStatus\r\nMember: -",
    "Action: DeviceStateList",
    f"Action: Status\r\nVariables: {','.join(STATUS_VARIABLES)}\r\nAllVariables: false",
    "Action: Getvar\r\nVariable: DIALPLAN_EXISTS(uapi-pickup,pickup,1)",
)
_LISTS = range(1, 6)


def resync(rounds: int, calls: int = LIVE) -> Measured:
    """With so many calls of two phones, each answered."""
    return asyncio.run(_resync(rounds or 7, calls))


async def _resync(rounds: int, calls: int) -> Measured:
    sipp.allow_many_files()
    port = free_port(sipp.PHONES)
    lab = Lab(
        phones=(),
        company=False,
        options=_OPTIONS,
        files={"pjsip.conf": sipp.phone(_TALKER, port) + sipp.phone(sipp.CALLER, 9)},
    )
    async with lab, sipp.Sipp("uas", port=port):
        sip_port, login = lab.asterisk.sip_port, lab.asterisk.ami
        await lab.ami.close()  # who would only be told of all these calls
        async with sipp.callers(sip_port, _TALKER, rate=100, calls=calls, talk=3600) as callers:

            async def live() -> bool:
                assert not callers.ended, callers.errors()[-500:]
                with contextlib.suppress(OSError):  # busy
                    said = await lab.asterisk.cli("core show channels count")
                    channels, processed = (
                        int(number)
                        for what in ("active channel", "calls? processed")
                        for number in re.findall(rf"(\d+) {what}", said)
                    )
                    return processed >= calls and channels == 2 * calls
                return False

            await until(live, f"{calls} calls are live", timeout=120 + calls / 20, every=0.5)
            found: list[int] = []

            async def ours() -> float:
                took, total = await _connect_to_200(login)
                found.append(total)
                return took * 1000

            async def reference() -> float:
                return await asyncio.to_thread(_read_answers, login) * 1000

            measured = await in_turns(rounds, "ms", ours, reference)
    assert set(found) == {calls}, f"not {calls} calls were found, but {found}"
    return measured


async def _connect_to_200(login: AmiLogin) -> tuple[float, int]:
    """Seconds from the connection to the PBX until the list of all calls is answered, and how many it has."""
    quiet()
    configured = settings(more=[_TALKER, sipp.CALLER]).model_copy(
        update={
            "ami": AmiSettings(
                host=login.host,
                port=login.port,
                username=login.username,
                secret=SecretStr(login.secret),
            )
        }
    )
    up = asyncio.Event()
    bridge = create_app(configured, on_state=lambda state: up.set() if state.up else None)
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(bridge.asgi), base_url="http://bench")
    start = time.perf_counter()
    running = asyncio.create_task(bridge.link.run())
    await up.wait()
    answer = await client.get(
        "/uapi/phoneCalls/@me/@self?count=20", headers={"Authorization": f"Bearer {OWNER}"}
    )
    took = time.perf_counter() - start
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await client.aclose()
    assert answer.status_code == 200, answer.text
    return took, int(answer.json()["totalResults"])


def _read_answers(login: AmiLogin) -> float:
    """Seconds for a plain socket to log in, ask the same and read all of it."""
    start = time.perf_counter()
    with contextlib.closing(log_in(login)) as plain:
        for place, question in enumerate(_QUESTIONS):
            plain.sendall(f"{question}\r\nActionID: {place}\r\n\r\n".encode())
            end = b"EventList: Complete" if place in _LISTS else f"ActionID: {place}\r\n".encode()
            tail = b""
            while end not in tail or not tail.endswith(b"\r\n\r\n"):
                tail = tail[-400:] + plain.recv(1 << 18)
        return time.perf_counter() - start
