"""Telling systemd how the service is: started, stopping, still alive (sd_notify(3), Type=notify).

Nothing happens where nobody asked: without ``NOTIFY_SOCKET`` in the environment every message is dropped, and
without ``WATCHDOG_USEC`` there is no heartbeat.
"""

import asyncio
import os
import socket
from collections.abc import Mapping
from typing import Self


class Notifier:
    """The way to the service manager that started this process, if one did."""

    def __init__(self, address: str = "", watchdog: float = 0) -> None:
        """Know where to tell it; ``from_environment`` does.

        Args:
            address: The manager's datagram socket: a path, or ``@name`` for an abstract one; empty: nobody listens.
            watchdog: Seconds after which the manager takes a silent service for dead; 0: it does not watch.
        """
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.heartbeat = watchdog / 2
        """Seconds between two signs of life, half of what is allowed; 0 where nobody watches."""

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Self:
        """Read what systemd said at the start. A watchdog that is meant for another process is none."""
        meant = env.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        usec = env.get("WATCHDOG_USEC", "")
        return cls(env.get("NOTIFY_SOCKET", ""), int(usec) / 1e6 if meant and usec.isdecimal() else 0)

    def ready(self, status: str = "") -> None:
        """Say that the service has started."""
        self._send("READY=1", status)

    def stopping(self) -> None:
        """Say that the service is going."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Set the line that ``systemctl status`` shows."""
        self._send("", text)

    async def run(self) -> None:
        """Give a sign of life again and again, until cancelled.

        It runs on the service's own event loop, so a loop that hangs falls silent and is restarted.
        """
        while self.heartbeat:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self.heartbeat)

    def _send(self, message: str, status: str = "") -> None:
        if not self._address:
            return
        if status:
            message = f"{message}\nSTATUS={' '.join(status.split())}".lstrip()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as way:
                way.sendto(message.encode(), socket.MSG_DONTWAIT, self._address)
        except OSError:
            # A manager that does not listen must not stop the service; it will notice the silence itself.
            return
