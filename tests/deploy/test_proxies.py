"""The example configurations for nginx and HAProxy, run for real before two stand-ins for bridges."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Self

import httpx2
import pytest

from bridge.uapi.layers import canonical
from deploy.proxies import KINDS, Proxy
from lab.listeners import stop_listening
from lab.ports import free_port, until

pytestmark = pytest.mark.anyio

CALL = "/uapi/phoneCalls/@me/0003%2A210/b817d2618fe6f1804333"

Answer = Callable[["Request", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived at a stand-in."""

    line: str
    headers: dict[str, str]
    body: str


def _reply(status: str, body: str, *more: str) -> bytes:
    head = [
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *more,
        "",
        body,
    ]
    return "\r\n".join(head).encode()


async def well(request: Request, writer: asyncio.StreamWriter) -> None:
    """Answer as a bridge that is well."""
    writer.write(_reply("200 OK", json.dumps({"said": request.body})))


async def without_pbx(_: Request, writer: asyncio.StreamWriter) -> None:
    """Answer as a bridge that has lost its PBX."""
    writer.write(
        _reply("503 Service Unavailable", '{"error": {"code": "pbx_unavailable"}}', "Retry-After: 1")
    )


@dataclass
class StandIn:
    """A server on a port of its own that answers as it is told, and remembers what it was asked."""

    name: str
    answer: Answer = well
    port: int = field(default_factory=free_port)
    requests: list[Request] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.die()

        async def quiet() -> bool:
            return not self._writers

        await until(quiet, f"the {self.name} bridge has ended")

    async def die(self) -> None:
        """End as a process that is killed: nobody listens, and every connection breaks."""
        server, self._server = self._server, None
        if server is not None:
            await stop_listening(server)
        for writer in self._writers:
            writer.transport.abort()

    @property
    def asked(self) -> list[Request]:
        """The requests of clients; a proxy's own questions aside."""
        return [one for one in self.requests if " /readyz " not in one.line]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while self._server is not None:
                line, *headers = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
                named = {
                    name.lower(): value.strip() for name, _, value in (one.partition(":") for one in headers)
                }
                body = await reader.readexactly(int(named.get("content-length", 0)))
                request = Request(line, named, body.decode())
                self.requests.append(request)
                healthy = "/readyz" in line and self.answer is not without_pbx
                await (well if healthy else self.answer)(request, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            self._writers.discard(writer)


@dataclass(frozen=True)
class Scene:
    """A proxy, the two behind it, and a client before it."""

    kind: str
    proxy: Proxy
    first: StandIn
    second: StandIn
    client: httpx2.AsyncClient

    @property
    def both(self) -> list[Request]:
        return [*self.first.asked, *self.second.asked]

    async def put(self) -> httpx2.Response:
        return await self.client.put(CALL, content='{"action": "PickUp"}', headers={"Prefer": "wait=5"})


@pytest.fixture(params=KINDS)
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """The proxy with both bridges behind it."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(StandIn("first"))
        second = await stack.enter_async_context(StandIn("second"))
        proxy = await stack.enter_async_context(Proxy(request.param, (first.port, second.port)))
        client = httpx2.AsyncClient(base_url=proxy.url, verify=proxy.tls, timeout=10, trust_env=False)
        yield Scene(request.param, proxy, first, second, await stack.enter_async_context(client))


async def test_passed_on_whole(scene: Scene) -> None:
    """Both bridges get requests as the client sent them, and are told who asked and how."""

    async def both_asked() -> bool:
        answer = await scene.put()
        assert answer.json() == {"said": '{"action": "PickUp"}'}
        return bool(scene.first.asked and scene.second.asked)

    await until(both_asked, "both bridges are asked")
    for one in scene.both:
        assert one.line == f"PUT {CALL} HTTP/1.1"
        assert one.headers["host"] == scene.proxy.url.removeprefix("https://")
        assert one.headers["x-forwarded-for"] == "127.0.0.1"
        assert one.headers["x-forwarded-proto"] == "https"
        assert one.headers["prefer"] == "wait=5"


async def test_killed_while_a_client_waits(scene: Scene) -> None:
    """A bridge dies while a PUT waits for its outcome: the other one is asked, and the client sees nothing of it."""
    waiting, over = asyncio.Event(), asyncio.Event()

    async def wait(_: Request, __: asyncio.StreamWriter) -> None:
        waiting.set()
        await over.wait()

    scene.first.answer = scene.second.answer = wait
    asking = asyncio.create_task(scene.put())
    await asyncio.wait_for(waiting.wait(), 5)
    dies, lives = (scene.first, scene.second) if scene.first.asked else (scene.second, scene.first)
    lives.answer = well
    await dies.die()
    answer = await asking
    over.set()
    assert (answer.status_code, answer.json()) == (200, {"said": '{"action": "PickUp"}'})
    assert len(scene.both) == 2
    for _ in range(20):
        assert (await scene.put()).status_code == 200


async def test_one_without_its_pbx(scene: Scene) -> None:
    """While one bridge has lost its PBX the other one answers; when both have, their own words come through."""
    scene.first.answer = without_pbx
    for _ in range(10):
        assert (await scene.put()).status_code == 200
    scene.second.answer = without_pbx
    answer = await scene.put()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"]["code"] == "pbx_unavailable"


async def test_nobody_there(scene: Scene) -> None:
    """With no bridge left the client gets the API's own kind of error, and is told to come again."""
    await scene.first.die()
    await scene.second.die()
    answer = await scene.put()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]["code"] == "pbx_unavailable"


async def test_both_killed_while_a_client_waits(scene: Scene) -> None:
    """With nginx the client is told; HAProxy closes a connection that has had answers before without a word, as HTTP lets it."""
    waiting, over = asyncio.Event(), asyncio.Event()

    async def wait(_: Request, __: asyncio.StreamWriter) -> None:
        waiting.set()
        await over.wait()

    for _ in range(4):  # now it has a kept connection to each of them, too
        assert (await scene.put()).status_code == 200
    scene.first.answer = scene.second.answer = wait
    asking = asyncio.create_task(scene.put())
    await asyncio.wait_for(waiting.wait(), 5)
    await asyncio.gather(scene.first.die(), scene.second.die())
    over.set()
    if scene.kind == "haproxy":
        with pytest.raises(httpx2.RemoteProtocolError):
            await asking
        answer = await scene.put()
    else:
        answer = await asking
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"]["code"] == "pbx_unavailable"


async def test_back_again(scene: Scene) -> None:
    """A bridge that was gone is asked again within seconds."""
    await scene.first.die()
    assert (await scene.put()).status_code == 200
    before = len(scene.first.asked)
    async with scene.first:

        async def asked() -> bool:
            assert (await scene.put()).status_code == 200
            return len(scene.first.asked) > before

        await until(asked, "the first bridge is asked again", timeout=8, every=0.1)


async def test_post_is_sent_once(scene: Scene) -> None:
    """A POST that a bridge had before it died is not sent to the other."""

    async def drop(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    scene.first.answer = scene.second.answer = drop
    answer = await scene.client.post("/oauth/token.php", content="grant_type=client_credentials")
    assert answer.status_code in {502, 503}
    assert answer.json()["error"]["code"] == "pbx_unavailable"
    assert len(scene.both) == 1


async def test_a_login_finds_the_one_that_is_left(scene: Scene) -> None:
    """A POST that could not even be handed to a bridge goes to the other, however short ago the first one died."""
    assert (await scene.put()).status_code == 200
    await scene.first.die()
    for _ in range(8):
        answer = await scene.client.post("/oauth/token.php", content="grant_type=client_credentials")
        assert answer.status_code == 200


async def test_events_come_at_once(scene: Scene) -> None:
    """A stream of events is handed on piece by piece."""
    more = asyncio.Event()

    async def stream(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: 1\n\n"
        )
        await writer.drain()
        await more.wait()
        writer.write(b"data: 2\n\n")
        await writer.drain()
        writer.close()

    scene.first.answer = scene.second.answer = stream
    async with scene.client.stream("GET", "/uapi/phoneCalls/@me/0003*210/events") as answer:
        lines = answer.aiter_lines()
        assert await asyncio.wait_for(anext(lines), 5) == "data: 1"
        more.set()
        assert [line async for line in lines if line] == ["data: 2"]


@pytest.mark.parametrize(
    "path", ["/metrics", "//metrics", "/metrics/", "/%6detrics", "///%6Detric%73//", "/metrics?a=b"]
)
async def test_measurements_stay_inside(scene: Scene, path: str) -> None:
    """Nobody outside reads a bridge's measurements, in whichever way to write their path that a bridge takes."""
    assert canonical(path.partition("?")[0].encode()) == "/metrics"
    answer = await scene.client.get(f"{str(scene.client.base_url).rstrip('/')}{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert scene.both == []
