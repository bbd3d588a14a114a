"""The real server on a real socket: bytes in, bytes out, and the end of it."""

import asyncio
import contextlib
import json
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn
from uvicorn.server import ServerState

from bridge.grammar import CallId
from bridge.tokens import sha256_hex
from bridge.uapi.server import MOST_PIPELINED, Connection, canonical_case
from uapi.served import Served, served
from uapi.world import CONFIGURATION, EPOCH, TOKENS, World, path, pickup

CALL = CallId.of(f"{EPOCH}.7")


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    """A service for those tests that leave it as it was."""
    with served() as service:
        yield service


def _connect(address: str) -> socket.socket:
    parts = urlsplit(address)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=20)
    connection.settimeout(20)
    return connection


def _ask(address: str, request: bytes) -> tuple[list[str], bytes]:
    """Send bytes, and read one reply: its head's lines and its body."""
    with _connect(address) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(request)
        return _reply(connection)


def _reply(connection: socket.socket) -> tuple[list[str], bytes]:
    received = b""
    while b"\r\n\r\n" not in received and (data := connection.recv(65536)):
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    length = next((int(one.split(": ")[1]) for one in lines if one.startswith("Content-Length")), 0)
    while len(body) < length and (data := connection.recv(65536)):
        body += data
    return lines, body


def test_a_reply_comes_in_one_piece(running: Served) -> None:
    """A client is woken once, not for the head and then for the body; to HEAD, which has none, the head comes too."""
    ask = b" /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
    with _connect(running.address) as connection:
        for _ in range(20):
            connection.sendall(b"GET" + ask)
            assert connection.recv(65536).endswith(b'{"status":"ok"}')
        connection.sendall(b"HEAD" + ask)
        assert connection.recv(65536).endswith(b"\r\n\r\n")
        connection.sendall(b"HEAD" + ask + b"HEAD" + ask + b"GET" + ask)
        received = b""
        while not received.endswith(b'{"status":"ok"}'):
            received += connection.recv(65536)
        assert received.count(b"HTTP/1.1 200 OK\r\n") == 3


def _put(prefer: str = "") -> bytes:
    body = json.dumps(pickup()).encode()
    return (
        f"PUT {path(CALL)} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {TOKENS['john']}\r\n{prefer}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def _listen(address: str) -> urllib.request.Request:
    return urllib.request.Request(
        f"{address}{path()}/events", headers={"Authorization": f"Bearer {TOKENS['john']}"}
    )


def test_header_names_are_written_as_usual() -> None:
    """Clients of old look for Content-Type by that very name; values and the status line are left alone."""
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: a: b\r\nx-request-id: c\r\netag: d\r\nwww-authenticate: e\r\n\r\n"
    )
    assert canonical_case(head) == (
        b"HTTP/1.1 200 OK\r\nContent-Type: a: b\r\nX-Request-Id: c\r\nETag: d\r\nWWW-Authenticate: e\r\n\r\n"
    )


def test_every_reply_of_the_server_has_them(running: Served) -> None:
    """Good and bad, by a route and by the server itself."""
    token = f"Authorization: Bearer {TOKENS['john']}\r\n"
    for request in (
        f"GET {path()} HTTP/1.1\r\nHost: h\r\n{token}\r\n",
        f"GET {path()} HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /nowhere HTTP/1.0\r\n\r\n",
        "NONSENSE\r\n\r\n",
    ):
        lines, body = _ask(running.address, request.encode())
        names = [line.split(":")[0] for line in lines[1:]]
        assert "Content-Type" in names
        assert all(part[0].isupper() for name in names for part in name.split("-"))
        assert "Server" not in names
        assert json.loads(body)


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (b"GET /" + b"a" * 8192 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414, "uri_too_long"),
        (b"GET /?" + b"a" * 80_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414, "uri_too_long"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"a: b\r\n" * 10_000 + b"\r\n", 431, "headers_too_large"),
        (b"STEAL / HTTP/1.1\r\nHost: h\r\n\r\n", 501, "request_not_implemented"),
        (b"GET /\x00 HTTP/1.1\r\nHost: h\r\n\r\n", 400, "request_invalid"),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, "request_invalid"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", 400, "request_invalid"),
        (
            b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "request_invalid",
        ),
        (b"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: a\r\n b\r\n\r\n", 400, "request_invalid"),
        (b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 501, "request_not_implemented"),
    ],
)
def test_what_the_server_refuses_has_the_error_object(
    running: Served, request_: bytes, status: int, code: str
) -> None:
    """And the connection is closed: what follows cannot be understood."""
    lines, body = _ask(running.address, request_)
    assert lines[0].startswith(f"HTTP/1.1 {status} ")
    assert "Connection: close" in lines
    assert json.loads(body)["error"]["code"] == code


OFFERS = {
    "HTTP/2, as Java's client does": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n",
    "a web socket": b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
}


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_an_offer_of_another_protocol_is_passed_over(running: Served, offer: bytes) -> None:
    """The request is answered as it is, body and all, in one piece or many; and so is the next on its connection."""
    head, _, body = _put(offer.decode()).partition(b"\r\n\r\n")
    token = f"Authorization: Bearer {TOKENS['john']}\r\n".encode()
    chunked = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", head)
    requests = [
        ((b"GET " + path().encode() + b" HTTP/1.1\r\nHost: h\r\n" + token + offer + b"\r\n",), 200),
        ((head + b"\r\n\r\n" + body,), 202),
        ((head + b"\r\n\r\n", body[:9], body[9:]), 202),
        ((head[:90], head[90:] + b"\r\n\r\n" + body), 202),
        ((chunked + b"\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body),), 202),
        ((b"GET " + path().encode() + b" HTTP/1.1\r\nHost: h\r\n" + token + b"\r\n",), 200),
    ]
    with _connect(running.address) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for pieces, status in requests:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.01)  # so that they come one by one
            lines, content = _reply(connection)
            assert lines[0].startswith(f"HTTP/1.1 {status} "), (pieces, content)


def test_an_address_may_be_whole() -> None:
    """4PSA's Python example asks for a token by a URL in the request line (RFC 9112, 3.2.2)."""
    secret = {"id": "old", "user": "12", "secret_sha256": sha256_hex("s")}
    body = b"&grant_type=client_credentials&redirect_uri=https://x/y&client_id=old&client_secret=s"
    with served({"apps": [*CONFIGURATION["apps"], secret]}) as service:
        asked = (
            b"POST https://h:443//oauth/token.php HTTP/1.1\r\nHost: h:443\r\nContent-Length: %d\r\n\r\n"
            % len(body)
        )
        lines, answer = _ask(service.address, asked + body)
        assert lines[0] == "HTTP/1.1 200 OK"
        token = f"Authorization: Bearer {json.loads(answer)['access_token']}\r\n"
        lines, answer = _ask(
            service.address, f"GET http://h{path()} HTTP/1.1\r\nHost: h\r\n{token}\r\n".encode()
        )
    assert lines[0] == "HTTP/1.1 200 OK"
    assert json.loads(answer)["entry"][0]["link"]["self"].startswith("http://h/uapi/")


PART_OF_A_HEAD = b"GET /healthz HTTP/1.1\r\nHost: h\r\n"
PART_OF_A_BODY = b"GET /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 9999\r\n\r\nabc"
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"


@asynccontextmanager
async def _listening(world: World, **limits: float) -> AsyncIterator[tuple[tuple[str, int], ServerState]]:
    """A server with other limits: its address, and the connections that it has."""
    config = uvicorn.Config(world.bridge.asgi, log_config=None, ws="none", lifespan="off")
    config.load()
    kind = type("Hurried", (Connection,), limits)
    state = ServerState()
    listener = await asyncio.get_running_loop().create_server(
        lambda: kind(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    listener.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # as a slow network has
    try:
        yield listener.sockets[0].getsockname(), state
    finally:
        listener.close()
        await asyncio.sleep(0.01)  # for the transports to be closed


@asynccontextmanager
async def _hurried(
    world: World, seconds: float
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server that waits so long for a request."""
    async with _listening(world, arrives_within=seconds) as (address, _):
        reader, writer = await asyncio.open_connection(*address)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def _rest(reader: asyncio.StreamReader) -> bytes:
    """Until the connection is closed; the kernel says "reset" instead if something sent was never read."""
    received = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while data := await reader.read(65536):
            received += data
    return bytes(received)


def _statuses(received: bytes) -> list[int]:
    return [int(one) for one in re.findall(rb"HTTP/1.1 (\d+) ", received)]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (b"", []),
        (PART_OF_A_HEAD, [408]),
        (PART_OF_A_BODY, [200]),
        (WHOLE + PART_OF_A_HEAD, [200, 408]),
        (WHOLE + PART_OF_A_BODY, [200, 200]),
    ],
    ids=["nothing", "half a head", "half a body", "half a second head", "half a second body"],
)
async def test_a_connection_is_not_kept_for_a_request_that_does_not_come(
    world: World, sent: bytes, statuses: list[int]
) -> None:
    """Whatever of it has come, and however slowly more does: the connection is closed."""
    async with _hurried(world, 0.3) as (reader, writer), asyncio.timeout(20):
        writer.write(sent)

        async def drip() -> None:
            while True:
                await asyncio.sleep(0.1)
                writer.write(b"a" if sent else b"")

        dripping = asyncio.ensure_future(drip())
        try:
            received = await _rest(reader)
        finally:
            dripping.cancel()
    assert _statuses(received) == statuses
    assert (b'"request_timeout"' in received) == (408 in statuses)


@pytest.mark.anyio
async def test_line_ends_are_no_request(world: World) -> None:
    """They may stand before one (RFC 9112, 2.2), but keep no connection: neither the first nor the next."""
    async with _hurried(world, 0.3) as (reader, writer), asyncio.timeout(20):
        writer.write(b"\r\n" + WHOLE)
        received = await reader.readuntil(b"}")

        async def drip() -> None:
            while True:
                writer.write(b"\r\n")
                await asyncio.sleep(0.1)

        dripping = asyncio.ensure_future(drip())
        try:
            received += await _rest(reader)
        finally:
            dripping.cancel()
    assert _statuses(received) == [200]


@pytest.mark.anyio
async def test_a_connection_is_kept_while_a_request_is_answered(world: World) -> None:
    """Half a second request is on it, and the first still waits for its outcome: it is answered."""
    world.ringing()
    async with _hurried(world, 0.2) as (reader, writer), asyncio.timeout(20):
        writer.write(_put("Prefer: wait=1\r\n") + PART_OF_A_HEAD)
        received = await _rest(reader)
    assert _statuses(received) == [202, 408]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("behind", "statuses"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", [202, 414]),
        (WHOLE + b"NONSENSE\r\n\r\n" + WHOLE, [202, 200, 400]),
        (b"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", [202, 400]),
    ],
    ids=["too long an address", "no HTTP", "no body"],
)
async def test_what_cannot_be_read_is_answered_in_its_turn(
    world: World, behind: bytes, statuses: list[int]
) -> None:
    """A request before it still waits for its outcome, and gets it (RFC 9112, 9.3.2)."""
    world.ringing()
    async with _hurried(world, 5) as (reader, writer), asyncio.timeout(20):
        writer.write(_put("Prefer: wait=1\r\n") + behind)
        received = await _rest(reader)
    assert _statuses(received) == statuses
    assert len(world.link.originated) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("offer", [b"", *OFFERS.values()], ids=["no offer", *OFFERS])
async def test_few_requests_may_wait_on_a_connection(world: World, offer: bytes) -> None:
    """Those that may are answered; each of the others would take memory for as long as its client likes."""
    async with _hurried(world, 5) as (reader, writer), asyncio.timeout(20):
        writer.write((WHOLE[:-2] + offer + b"\r\n") * 2000)
        received = await _rest(reader)
    assert _statuses(received) == [200] * (MOST_PIPELINED + 1) + [429]
    assert b"\r\nRetry-After: 1\r\n" in received
    assert b'"too_many_requests"' in received


def _waits_to_write(state: ServerState) -> bool:
    return any(isinstance(one, Connection) and one.flow.write_paused for one in state.connections)


LONG = b"GET /openapi.json HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.mark.anyio
async def test_a_client_that_takes_nothing_is_given_up(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """What waits for it is let go of, however much it has asked for; and that is no fault of ours."""
    async with _listening(world, takes_within=0.2) as (address, state), asyncio.timeout(20):
        with socket.create_connection(address) as client:
            client.sendall(LONG * MOST_PIPELINED)
            while not _waits_to_write(state):  # noqa: ASYNC110 -- nobody tells
                await asyncio.sleep(0.01)
            while state.connections or state.tasks:  # noqa: ASYNC110 -- nobody tells
                await asyncio.sleep(0.01)
    assert state.total_requests < MOST_PIPELINED
    assert "internal error" not in capsys.readouterr().out


@pytest.mark.anyio
async def test_a_client_that_takes_slowly_gets_all(world: World) -> None:
    """It takes several times as long as one that takes nothing is waited for."""
    async with _listening(world, takes_within=0.2) as (address, state), asyncio.timeout(20):
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(address)
            client.settimeout(0)
            client.sendall(LONG * 7 + LONG[:-2] + b"Connection: close\r\n\r\n")
            loop = asyncio.get_running_loop()
            received, paused = bytearray(), [0.0]
            while data := await loop.sock_recv(client, 4096):
                received += data
                if _waits_to_write(state):
                    paused.append(loop.time())
                    await asyncio.sleep(0.02)
    assert paused[-1] - paused[1] > 0.6
    assert _statuses(bytes(received)) == [200] * 8
    assert received.endswith(b"}")


def test_fields_behind_a_body_are_no_headers(running: Served) -> None:
    """A proxy that writes or takes away headers does not look at them (RFC 9110, 6.5.1): neither a token nor an address."""
    token = f"Authorization: Bearer {TOKENS['john']}\r\n".encode()
    ask = (
        b"GET " + path().encode() + b" HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n%b\r\n0\r\n%b\r\n"
    )
    assert _ask(running.address, ask % (token, b""))[0][0] == "HTTP/1.1 200 OK"
    assert _ask(running.address, ask % (b"", token))[0][0] == "HTTP/1.1 401 Unauthorized"


@pytest.mark.parametrize(
    ("version", "hosts", "status"),
    [(1, 1, 200), (1, 0, 400), (1, 2, 400), (0, 0, 200), (0, 1, 200)],
    ids=["one", "none", "two", "none in HTTP/1.0", "one in HTTP/1.0"],
)
def test_a_request_has_one_host(running: Served, version: int, hosts: int, status: int) -> None:
    """As RFC 9112, 3.2 has it; HTTP/1.0 did not know it."""
    request = b"GET /healthz HTTP/1.%d\r\n%b\r\n" % (version, b"Host: h\r\n" * hosts)
    assert _ask(running.address, request)[0][0].startswith(f"HTTP/1.1 {status} ")


def test_sigterm_ends_an_idle_service_at_once() -> None:
    """With status 0, after the link has logged off."""
    with served() as service, _connect(service.address) as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        _reply(idle)
        started = time.monotonic()
        service.signal(signal.SIGTERM)
        assert service.end() == (0, "logged off: True\n")
    assert time.monotonic() - started < 3


def test_sigterm_refuses_the_new_and_answers_the_waiting() -> None:
    """503 for a new PUT; 202 for one whose phone still rings at the deadline; status 0 within 10 s.

    Until then whoever listens goes on hearing: he would come back at once, to a 503.
    """
    with (
        served() as service,
        _connect(service.address) as waiting,
        urllib.request.urlopen(_listen(service.address), timeout=20) as stream,
    ):
        waiting.sendall(_put("Prefer: wait=50\r\n"))
        service.wait_for("pickup rings")
        with _connect(service.address) as other:
            started = time.monotonic()
            service.signal(signal.SIGTERM)
            refused: list[str] = []
            while not refused or not refused[0].startswith("HTTP/1.1 503"):
                with contextlib.suppress(OSError):
                    other.sendall(_put())
                    refused, body = _reply(other)
            assert json.loads(body)["error"]["code"] == "pbx_unavailable"
            assert any(line.startswith("Retry-After: ") for line in refused)
        fresh, _ = _ask(service.address, _put())
        assert fresh[0].startswith("HTTP/1.1 503")
        heard = threading.Thread(target=stream.read)
        heard.start()
        heard.join(0.3)
        assert heard.is_alive()
        lines, _ = _reply(waiting)
        assert lines[0].startswith("HTTP/1.1 202")
        assert "Preference-Applied: wait=50" in lines
        heard.join(10)
        assert not heard.is_alive()
        assert service.end() == (0, "logged off: True\n")
    assert time.monotonic() - started < 10


def test_sigterm_lets_the_waiting_have_their_outcome() -> None:
    """If it comes before the deadline."""
    with served(phone="answers later") as service, _connect(service.address) as waiting:
        waiting.sendall(_put("Prefer: wait=50\r\n"))
        service.wait_for("pickup rings")
        service.signal(signal.SIGTERM)
        lines, body = _reply(waiting)
        assert service.end()[0] == 0
    assert lines[0].startswith("HTTP/1.1 200")
    assert json.loads(body)["phoneCallView"][1]["pickUp"]["status"] == "connected"


def test_a_second_signal_ends_it_now() -> None:
    """Whoever waits is left."""
    with served() as service, _connect(service.address) as waiting:
        waiting.sendall(_put("Prefer: wait=50\r\n"))
        service.wait_for("pickup rings")
        started = time.monotonic()
        service.signal(signal.SIGINT)
        while not _ask(service.address, b"GET /readyz HTTP/1.0\r\n\r\n")[0][0].startswith("HTTP/1.1 503"):
            pass
        service.signal(signal.SIGINT)
        service.end()
    assert time.monotonic() - started < 4


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
            "-out", certificate, "-keyout", key,
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return certificate, key


def _peer(address: str) -> bytes:
    """The certificate that a new connection is shown."""
    parts = urlsplit(address)
    assert (parts.scheme, parts.hostname) == ("https", "127.0.0.1")
    return ssl.get_server_certificate(("127.0.0.1", parts.port or 0)).encode()


def test_certificates_are_read_again_at_sighup(tmp_path: Path) -> None:
    """For new connections; a pair that cannot be used changes nothing."""
    certificate, key = _certificate(tmp_path, "old")
    new_certificate, new_key = _certificate(tmp_path, "new")
    http = {"port": 0, "tls_cert": str(certificate), "tls_key": str(key)}
    with served({"http": http}) as service:
        old = _peer(service.address)
        assert old.split() == certificate.read_bytes().split()
        certificate.write_bytes(b"broken")
        service.signal(signal.SIGHUP)
        service.wait_for("certificate not reloaded")
        assert _peer(service.address) == old
        new_certificate.replace(certificate)
        new_key.replace(key)
        service.signal(signal.SIGHUP)
        service.wait_for("certificate reloaded")
        assert _peer(service.address).split() == certificate.read_bytes().split()
        service.signal(signal.SIGTERM)
        assert service.end()[0] == 0


def test_sighup_without_tls_does_no_harm() -> None:
    """There is nothing to read again."""
    with served() as service:
        service.signal(signal.SIGHUP)
        service.wait_for("nothing to reload: the API is served without TLS")
        lines, _ = _ask(service.address, b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
