"""What systemd is told: on a real datagram socket, as the service manager would hold one."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.notify import Notifier

pytestmark = pytest.mark.anyio


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The service manager's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(5)
        yield end


def _notifier(manager: socket.socket, **env: str) -> Notifier:
    return Notifier.from_environment({"NOTIFY_SOCKET": manager.getsockname(), **env})


def test_life_of_a_service(manager: socket.socket) -> None:
    """Ready, a status and the end are told in sd_notify's words."""
    notifier = _notifier(manager)
    notifier.ready("listening on\n127.0.0.1:8080")
    notifier.status("in sync")
    notifier.stopping()
    told = [manager.recv(4096).decode() for _ in range(3)]
    assert told == ["READY=1\nSTATUS=listening on 127.0.0.1:8080", "STATUS=in sync", "STOPPING=1"]


async def test_heartbeat(manager: socket.socket) -> None:
    """Signs of life come at half the time that systemd allows, for as long as the loop turns."""
    notifier = _notifier(manager, WATCHDOG_USEC="40000", WATCHDOG_PID=str(os.getpid()))
    assert notifier.heartbeat == 0.02
    beating = asyncio.create_task(notifier.run())
    heard = [await asyncio.to_thread(manager.recv, 4096) for _ in range(3)]
    beating.cancel()
    assert heard == [b"WATCHDOG=1"] * 3


async def test_watchdog_of_another_process(manager: socket.socket) -> None:
    """A watchdog that is meant for another process, or set to nothing, gets no heartbeat."""
    for env in ({"WATCHDOG_USEC": "40000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": ""}, {}):
        notifier = _notifier(manager, **env)
        assert notifier.heartbeat == 0
        await asyncio.wait_for(notifier.run(), 5)


def test_abstract_socket() -> None:
    """An address that begins with @ is an abstract socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(f"\0uapi-bridge-test-{os.getpid()}")
        end.settimeout(5)
        Notifier(f"@uapi-bridge-test-{os.getpid()}").ready()
        assert end.recv(4096) == b"READY=1"


@pytest.mark.parametrize("address", ["", "/nowhere/notify"])
def test_nobody_listens(address: str) -> None:
    """Without a service manager, or with one that is gone, nothing happens."""
    Notifier(address).ready("listening")
