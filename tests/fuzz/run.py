"""Throws wrong requests at a bridge of its own, which works on a PBX made of bytes, and judges what comes of it."""

import asyncio
import contextlib
import hashlib
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ami.fake import event, listening
from bridge.uapi.errors import CODES
from fuzz import nasty
from fuzz.asks import GOOD_BODY, Ask, generate
from fuzz.pbx import EPOCH, PARKED_CALL, QUESTIONS, Pbx, channel
from lab import launch
from lab.ports import free_port

REPOSITORY = Path(__file__).parents[2]
TOKEN = "fuzz-token-that-no-log-may-show"
SECRET = "fuzz-secret-that-no-log-may-show"
AMI_SECRET = "ami-secret-that-no-log-may-show"

MOST_GROWTH = 16 << 20
"""Bytes that the bridge may grow by between the first tenth of the requests and the last one."""

_CLIENTS = 16
_HEADERS = frozenset({
    b"Allow", b"Cache-Control", b"Connection", b"Content-Length", b"Content-Security-Policy", b"Content-Type", b"Date",
    b"ETag", b"Pragma", b"Preference-Applied", b"Referrer-Policy", b"Retry-After", b"WWW-Authenticate",
    b"X-Content-Type-Options", b"X-Request-Id",
})  # fmt: skip
"""Whatever else a reply has, a client has put there."""

_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")

_CONFIGURATION = """
[http]
port = {port}
[ami]
port = {ami_port}
secret = "{ami_secret}"
[limits]
requests_per_second = 100000
burst = 1000000
failed_logins = 100000
[[organizations]]
id = "3"
name = "Default Organization"
[[users]]
id = "12"
name = "John Doe"
organization = "3"
extensions = ["0003*210", "0003*1??"]
[[users]]
id = "13"
name = "Mary Roe"
organization = "3"
extensions = ["0003*02?"]
[[apps]]
id = "demo-app"
user = "12"
secret_sha256 = "{secret}"
tokens_sha256 = ["{token}"]
"""


@dataclass
class Outcome:
    """What a run has seen."""

    requests: int = 0
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    events: int = 0
    """That the PBX sent meanwhile, as odd as the requests."""
    memory: list[int] = field(default_factory=list)
    """Bytes: after the first tenth, and at the end."""
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        statuses = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        codes = ", ".join(f"{code}: {count}" for code, count in self.codes.most_common())
        first, last = (size / (1 << 20) for size in (self.memory[0], self.memory[-1]))
        return (
            f"{self.requests} requests and {self.events} events in {self.seconds:.0f} s\n"
            f"statuses  {statuses}\ncodes     {codes}\n"
            f"AMI       {', '.join(f'{name}: {count}' for name, count in sorted(self.actions.items()))}\n"
            f"memory    {first:.1f} MiB after a tenth, {last:.1f} MiB at the end\n"
            f"faults    {len(self.faults)}" + "".join(f"\n  {fault}" for fault in self.faults[:20])
        )


@dataclass
class Target:
    """The bridge that is asked."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    @property
    def host(self) -> str:
        """As a Host header has it."""
        return f"127.0.0.1:{self.port}"

    def memory(self) -> int:
        """Bytes that it holds in memory."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * 4096

    async def ask(self, ask: Ask) -> "Reply":
        """Ask once, on a connection of its own."""
        async with _connected(self.port) as (reader, writer):
            writer.write(ask.encode())
            reply = await _read(reader, ask)
            assert reply is not None
            return reply

    async def until_ready(self) -> None:
        """Wait until it has the calls of its PBX."""
        async with asyncio.timeout(20):
            while True:
                assert self.process.poll() is None, self.log.read_text()
                with contextlib.suppress(OSError, EOFError):
                    if (await self.ask(Ask("GET", ["readyz"], [], [("Host", self.host)]))).status == 200:
                        return
                await asyncio.sleep(0.05)


@dataclass
class Reply:
    """A reply as it came."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether the connection is over with it."""
        return (b"Connection", b"close") in self.headers


@asynccontextmanager
async def target(pbx: Pbx, folder: Path) -> AsyncIterator[Target]:
    """Start a bridge on a PBX."""
    port = free_port()
    config = folder / "bridge.toml"
    digests = {
        name: hashlib.sha256(text.encode()).hexdigest()
        for name, text in (("token", TOKEN), ("secret", SECRET))
    }
    config.write_text(_CONFIGURATION.format(port=port, ami_port=pbx.port, ami_secret=AMI_SECRET, **digests))
    log = folder / "log"
    command = launch.command("/", "root", sys.executable, "-m", "bridge", "serve", "--config", str(config))
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: ASYNC220 (it is started in no time)
            command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        it = Target(process, port, log)
        await it.until_ready()
        yield it
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def _connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def _read(reader: asyncio.StreamReader, ask: Ask) -> Reply | None:
    """The next reply; None where the connection ended before one.

    Raises:
        TimeoutError: none came.
    """
    async with asyncio.timeout(20):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as end:
            if end.partial:
                raise
            return None
        except ConnectionError:
            return None
        status = _STATUS.match(head)
        assert status is not None, head
        lines = head[:-4].split(b"\r\n")[1:]
        headers = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
        length = int(dict(headers).get(b"Content-Length", b"0"))
        bodiless = ask.method == "HEAD" or status[1] in (b"204", b"304")
        return Reply(int(status[1]), headers, b"" if bodiless else await reader.readexactly(length))


class Run:
    """One run.

    Args:
        seed: Of everything that is random in it.
    """

    def __init__(self, seed: int) -> None:
        self.outcome = Outcome()
        self._seed = seed
        self._number = 0

    async def go(self, requests: int, seconds: float) -> Outcome:
        """Ask until one of both is over, 0 being no limit, then look back.

        Args:
            requests: How many.
            seconds: How long.
        """
        outcome = self.outcome
        pbx = Pbx()
        async with listening(pbx):
            with tempfile.TemporaryDirectory(prefix="uapi-fuzz-") as folder:
                async with target(pbx, Path(folder)) as bridge:
                    events = asyncio.create_task(self._events(pbx))
                    started = time.monotonic()
                    end = started + seconds if seconds else float("inf")

                    def wanted() -> bool:
                        return time.monotonic() < end and (not requests or self._number < requests)

                    measured = asyncio.create_task(self._measure(bridge, requests, started, end))
                    await asyncio.gather(*(self._client(bridge, wanted) for _ in range(_CLIENTS)))
                    outcome.seconds = time.monotonic() - started
                    events.cancel()
                    measured.cancel()
                    outcome.memory.append(bridge.memory())
                    await self._look_back(pbx, bridge)
            await pbx.until_alone()
        return outcome

    async def _measure(self, bridge: Target, requests: int, started: float, end: float) -> None:
        """Measure the memory once a tenth is done."""
        while self._number < requests / 10 or (  # noqa: ASYNC110 (there is no event of it)
            not requests and time.monotonic() < started + (end - started) / 10
        ):
            await asyncio.sleep(0.05)
        self.outcome.memory.append(bridge.memory())

    # --- requests

    async def _client(self, bridge: Target, wanted: Any) -> None:
        """One client, which keeps its connection for as long as the server does."""
        while wanted():
            async with _connected(bridge.port) as (reader, writer):
                fresh = True
                while wanted():
                    self._number += 1
                    ask = generate(
                        random.Random(f"{self._seed}/{self._number}"), bridge.host, TOKEN, PARKED_CALL
                    )
                    if ask.raw:
                        await self._raw(bridge, ask)
                        continue
                    reply = await self._one(reader, writer, ask)
                    if reply is None and not fresh:
                        reply = await self._again(bridge, ask)  # it was closed for its age
                    if reply is None:
                        self._fault(ask, "no reply")
                        break
                    self._judge(ask, reply)
                    fresh = False
                    if reply.closes:
                        break

    async def _one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ask: Ask
    ) -> Reply | None:
        try:
            writer.write(ask.encode())
            return await _read(reader, ask)
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            self._fault(ask, repr(error))
            return None

    async def _again(self, bridge: Target, ask: Ask) -> Reply | None:
        async with _connected(bridge.port) as (reader, writer):
            return await self._one(reader, writer, ask)

    async def _raw(self, bridge: Target, ask: Ask) -> None:
        """Bytes that may be several requests, or half of one."""
        async with _connected(bridge.port) as (reader, writer):
            writer.write(ask.encode())
            with contextlib.suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(0.25):
                    said = await reader.read(1 << 20)
                    for status in _STATUS.findall(said):
                        self._count(ask, int(status))
        self.outcome.requests += 1

    def _count(self, ask: Ask, status: int) -> None:
        self.outcome.statuses[status] += 1
        if status >= 500 and status != 501:
            self._fault(ask, f"status {status}")

    def _judge(self, ask: Ask, reply: Reply) -> None:
        self.outcome.requests += 1
        self._count(ask, reply.status)
        if ask.method == "PUT" and reply.status < 400:
            self._fault(ask, f"status {reply.status}")
        for name, _ in reply.headers:
            if name not in _HEADERS:
                self._fault(ask, f"header {name!r}")
        if not reply.body:
            return
        if (b"Content-Type", b"application/json") not in reply.headers:
            if reply.status >= 400:
                self._fault(ask, "an error that is no JSON")
            return
        try:
            body = json.loads(reply.body)
        except ValueError:
            self._fault(ask, "no JSON")
            return
        if reply.status >= 400:
            self._judge_error(ask, reply.status, body)

    def _judge_error(self, ask: Ask, status: int, body: Any) -> None:
        if ask.parts[0] == "oauth" and isinstance(body.get("error"), str):
            self.outcome.codes[body["error"]] += 1
            return
        error = body.get("error")
        code = str(error.get("code")) if isinstance(error, dict) else ""
        if code not in CODES or CODES[code][0] != status or not isinstance(error.get("message"), str):
            self._fault(ask, f"no error object: {body}")
        else:
            self.outcome.codes[code] += 1

    def _fault(self, ask: Ask, what: str) -> None:
        self.outcome.faults.append(f"{what}: {ask.encode()[:600]!r}")

    # --- what the PBX says meanwhile

    async def _events(self, pbx: Pbx) -> None:
        """Calls come and go whose every word is as odd as the requests are."""
        rng = random.Random(f"{self._seed}/events")

        def odd() -> str:
            return nasty.text(rng).encode("utf-8", "replace").decode().replace("\r", "").replace("\n", "")

        number = 1000
        while True:
            number += 1
            uniqueid = f"{EPOCH}.{number}" if rng.random() < 0.9 else odd()
            if uniqueid in pbx.channels or PARKED_CALL[:8] in uniqueid:
                continue
            words = {
                "CallerIDNum": odd(),
                "CallerIDName": odd(),
                "Exten": odd(),
                "Linkedid": odd() or uniqueid,
            }
            name = "PJSIP/0003*100" if rng.random() < 0.7 else odd()
            pbx.say(event("Newchannel", **channel(uniqueid, f"{name}-{number:08x}", 4, **words)))
            pbx.say(
                event("NewConnectedLine", Uniqueid=uniqueid, ConnectedLineNum=odd(), ConnectedLineName=odd())
            )
            pbx.say(event("QueueCallerJoin", Uniqueid=uniqueid, Queue=odd()))
            pbx.say(event(odd(), Uniqueid=uniqueid))
            pbx.say(event("Hangup", Uniqueid=uniqueid, Cause=odd()))
            self.outcome.events += 5
            await asyncio.sleep(0.005)

    # --- afterwards

    async def _look_back(self, pbx: Pbx, bridge: Target) -> None:
        """Nothing was asked of the PBX but questions, nothing went wrong inside, and a right request still works."""
        outcome = self.outcome
        outcome.actions.update(heard["Action"][0] for heard in pbx.heard)
        for name in outcome.actions.keys() - QUESTIONS:
            outcome.faults.append(f"the PBX was sent {name}")
        first, last = outcome.memory[0], outcome.memory[-1]
        if last - first > MOST_GROWTH:
            outcome.faults.append(f"memory has grown from {first} to {last} bytes")
        headers = [("Host", bridge.host), ("Authorization", f"Bearer {TOKEN}")]
        right = Ask(
            "PUT",
            ["uapi", "phoneCalls", "@me", "0003*210", PARKED_CALL],
            [],
            headers,
            json.dumps(GOOD_BODY).encode(),
        )
        reply = await bridge.ask(right)
        if reply.status != 202 or len(pbx.originates()) != 1:
            outcome.faults.append(f"a right request got {reply.status} {reply.body!r}, {pbx.originates()}")
        self._read_log(bridge.log)

    def _read_log(self, log: Path) -> None:
        with log.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if any(secret in line for secret in (TOKEN, SECRET, AMI_SECRET)):
                    self.outcome.faults.append(f"a secret in the log: {line[:300]}")
                if not line.startswith("{"):
                    if not line.startswith(("listening on ", "in sync with ")):
                        self.outcome.faults.append(f"log: {line[:300]}")
                elif json.loads(line)["level"] not in ("info", "warning"):
                    self.outcome.faults.append(f"log: {line[:600]}")
