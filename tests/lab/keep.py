"""A demo that was left up can be found, and told what its phones shall do."""

import asyncio
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from lab import root
from lab.phone import PhoneError

Hand = Callable[[str, str, str], Awaitable[str]]
"""Extension, what to do, number to what the phone shows then."""


def running() -> int:
    """Return the process id of the demo that is up; 0 without one."""
    state = _state()
    return int(state["pid"]) if state and Path("/proc", str(state["pid"])).exists() else 0


def ask(question: dict[str, str], timeout: float = 15) -> tuple[bool, str]:
    """Ask the demo that is up.

    Returns:
        Whether it was done, and a text for the person who asked.
    """
    state = _state()
    assert state is not None
    with socket.create_connection(("127.0.0.1", state["port"]), timeout) as link:
        link.sendall(json.dumps(question | {"key": state["key"]}).encode() + b"\n")
        reply = json.loads(link.makefile().readline())
    return reply["done"], reply["text"]


async def serve(hand: Hand) -> None:
    """Let phones be told what to do until somebody says "down", or SIGTERM or SIGINT comes."""
    over = asyncio.Event()
    key = secrets.token_hex()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = json.loads(await reader.readline())
        reply: dict[str, Any] = {"done": False, "text": "wrong key"}
        if question.get("key") == key:
            if question["do"] == "down":
                over.set()
                reply = {"done": True, "text": ""}
            else:
                reply = await _done(hand, question)
        writer.write(json.dumps(reply).encode() + b"\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    path = _path()
    path.touch(mode=0o600)
    path.write_text(json.dumps({"pid": os.getpid(), "port": server.sockets[0].getsockname()[1], "key": key}))
    _be_quiet()
    try:
        await over.wait()
    finally:
        path.unlink(missing_ok=True)
        server.close()


async def _done(hand: Hand, question: dict[str, str]) -> dict[str, Any]:
    try:
        return {"done": True, "text": await hand(question["extension"], question["do"], question["to"])}
    except (PhoneError, TimeoutError) as trouble:
        return {"done": False, "text": str(trouble)}


def _be_quiet() -> None:
    """Let go of the terminal, or of whoever reads the output and waits for its end."""
    sys.stdout.flush()
    with Path(os.devnull).open("r+b") as nothing:
        for stream in (0, 1, 2):
            os.dup2(nothing.fileno(), stream)


def _path() -> Path:
    return root.home() / "demo.json"


def _state() -> dict[str, Any] | None:
    try:
        state: dict[str, Any] = json.loads(_path().read_text())
    except (OSError, ValueError):
        return None
    return state
