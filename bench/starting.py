"""From the command to a service that has the PBX's calls, beside importing the libraries and logging in once."""

# ruff: noqa: ASYNC220, ASYNC221 (a process is started in no time, and nothing else is to run meanwhile)

import asyncio
import contextlib
import socket
import subprocess
import sys
import time

from bench.measure import Measured, in_turns
from lab import AmiLogin, Bridge, Lab

_IMPORTS = "import uvicorn, starlette, panoramisk"


def ready(rounds: int) -> Measured:
    """Both as new processes, on the same Asterisk."""
    return asyncio.run(_ready(rounds or 9))


async def _ready(rounds: int) -> Measured:
    async with Lab(phones=("0003*100",), company=False) as lab:
        login = lab.asterisk.ami

        async def ours() -> float:
            described = Bridge(login)  # its configuration, no more
            start = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "bridge", "serve", "--config", str(described.config)],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            assert process.stdout is not None
            told = ""
            while not told.startswith("in sync"):
                told = process.stdout.readline().decode()
                assert told, "the service did not start"
            took = time.perf_counter() - start
            process.kill()
            process.wait()
            process.stdout.close()
            await described.close()
            return took * 1000

        async def reference() -> float:
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", _IMPORTS], check=True)
            with contextlib.closing(log_in(login)):
                return (time.perf_counter() - start) * 1000

        return await in_turns(rounds, "ms", ours, reference)


def log_in(login: AmiLogin) -> socket.socket:
    """A manager session on a plain socket."""
    plain = socket.create_connection((login.host, login.port), 10)
    plain.sendall(
        f"Action: Login\r\nUsername: {login.username}\r\nSecret: {login.secret}\r\nEvents: off\r\n\r\n".encode()
    )
    heard = b""
    while b"Authentication accepted" not in heard or not heard.endswith(b"\r\n\r\n"):
        heard += plain.recv(4096)
    return plain
