"""Servers to be measured, each a process of its own: the service with many live calls and no PBX, and a constant.

Run as ``python -m bench.serving``; it says its port on standard output, and ends when its standard input does.
"""

import argparse
import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.stream import BANNER, FIRST_SECOND, Traffic, live, number, stream
from bridge import logs
from bridge.ami import LinkState, Originate, Refused
from bridge.ami.connection import Connection, Timing
from bridge.app import RunningPbx, create_app
from bridge.calls import Headers
from bridge.grammar import CallId, Uniqueid
from bridge.settings import Settings
from bridge.uapi import Server

TOKEN = "bench-token"
OWNER = "owner-token"
CALLS_OF_ONE_USER = 10

FREE = "0003*25000"
"""A phone that is in no call."""

_FREE = f"Event: DeviceStateChange\r\nPrivilege: call,all\r\nDevice: PJSIP/{FREE}\r\nState: NOT_INUSE\r\n\r\n".encode()
_PAUSE = 0.002


def settings(more: Sequence[str] = ()) -> Settings:
    """An organization with one user of twenty phones, one of all others, and its owner, who may see all.

    Args:
        more: Further numbers of the second one.
    """
    own = [number(phone) for phone in range(2 * CALLS_OF_ONE_USER)]
    others = [
        *(f"0003*100{digit}?" for digit in range(2, 10)),
        *(f"0003*10{digit}??" for digit in range(1, 10)),
        *(f"0003*1{digit}???" for digit in range(1, 10)),
        "0003*2????",
    ]
    users = [
        {"id": "12", "extensions": own},
        {"id": "13", "extensions": [*others, *more]},
        {"id": "3", "role": "organization", "extensions": []},
    ]
    return Settings.model_validate(
        {
            "http": {"port": 0},
            "limits": {
                "requests_per_second": 1e5,
                "burst": 1_000_000,
                "streams_per_app": 1000,
                "pickups_per_phone": 100_000,
            },
            "organizations": [{"id": "3", "name": "Default Organization"}],
            "users": [{"name": f"User {user['id']}", "organization": "3", **user} for user in users],
            "apps": [
                {"id": "bench", "user": "12", "tokens_sha256": [_sha256(TOKEN)]},
                {"id": "owner", "user": "3", "tokens_sha256": [_sha256(OWNER)]},
            ],
        }
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class _Played:
    """A link that is up, and whose events were made beforehand: those of the live calls, and more when told to."""

    def __init__(self, take: Callable[[Headers, float], None], told: Callable[[LinkState], None]) -> None:
        self._take = take
        self._told = told
        self.state = LinkState(up=True, reason="", context_loaded=True, asterisk="22.10.1", boot=1)
        self.lag = 0.0
        self.beginning = b""
        self.again = b""
        self.play = asyncio.Event()

    async def getvar(self, variable: str, channel: Uniqueid | None = None) -> str:  # noqa: ARG002 -- as the link's
        """Nothing."""
        return ""

    async def originate(self, o: Originate) -> None:
        """Refuse, at once."""
        raise Refused(f"not {o.pickup}")

    async def run(self) -> None:
        """Play the beginning at once, and the rest at each SIGUSR1."""
        connection = Connection(self._take, lambda: float(FIRST_SECOND), Timing())
        wire = connection._wire  # noqa: SLF001 -- the door that a socket has
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self.play.set)
        wire.data_received(BANNER)
        wire.data_received(self.beginning)
        self._told(self.state)
        while True:
            await self.play.wait()
            self.play.clear()
            for block in self.again.split(b"\r\n\r\n")[:-1]:
                wire.data_received(block + b"\r\n\r\n")
                await asyncio.sleep(_PAUSE)


def _serve_ours(calls: int) -> None:
    links: list[_Played] = []

    def make_link(take: Callable[[Headers, float], None], told: Callable[[LinkState], None]) -> RunningPbx:
        links.append(_Played(take, told))
        return cast("RunningPbx", links[0])

    logs.configure("error")
    configured = settings()
    bridge = create_app(configured, make_link=make_link)
    links[0].beginning = (live(calls) if calls else b"") + _FREE
    links[0].again = stream(Traffic(1, seed=1, phones=2, first=calls), filtered=True)
    Server(
        bridge.asgi,
        http=configured.http,
        limits=configured.limits,
        draining=bridge.draining,
        on_drain=lambda _: None,
        on_listening=_say_port,
    ).run()


def _say_port(address: str) -> None:
    sys.stdout.write(address.rpartition(":")[2] + "\n")
    sys.stdout.flush()


def _serve_constant(size: int) -> None:
    body = b"{" + b" " * (size - 2) + b"}"

    async def constant(_: Request) -> Response:
        return Response(body, media_type="application/json")

    class Stock(uvicorn.Server):
        """uvicorn, telling its port."""

        async def startup(self, sockets: object = None) -> None:
            """Listen, and say where."""
            await super().startup(sockets)  # type: ignore[arg-type]
            _say_port(f":{self.servers[0].sockets[0].getsockname()[1]}")

    routes = [
        Route("/uapi/phoneCalls/{user}/{extension}", constant),
        Route("/uapi/phoneCalls/{user}/{extension}/{call}", constant),
    ]
    config = uvicorn.Config(
        Starlette(routes=routes),
        port=0,
        loop="uvloop",
        access_log=False,
        log_config=None,
        timeout_keep_alive=75,
    )
    Stock(config).run()


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A server as a process of its own.

    Args:
        arguments: ``ours N`` for the service with so many live calls, ``constant N`` for a body of so many bytes.

    Yields:
        Its port, and the process.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.serving", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{arguments} did not start")
        yield int(line), process
    finally:
        process.stdin.close()
        process.stdout.close()
        process.terminate()
        process.wait()


def call_id(call: int, calls: int) -> str:
    """The PhoneCall id of one of the live calls."""
    del calls
    return CallId.of(f"{FIRST_SECOND + call // 1000}.{2 * call}")


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("ours", "constant"))
    parser.add_argument("number", type=int)
    options = parser.parse_args()

    def watch() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    (_serve_ours if options.what == "ours" else _serve_constant)(options.number)


if __name__ == "__main__":
    main()
