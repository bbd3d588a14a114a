"""The real server in a process of its own, as ``uapi.serving`` runs it."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

TESTS = Path(__file__).parents[1]


@dataclass
class Served:
    """The process, its address, and its log as it comes."""

    process: "subprocess.Popen[str]"
    address: str
    log: "queue.Queue[dict[str, Any]]" = field(default_factory=queue.Queue)

    def wait_for(self, event: str) -> dict[str, Any]:
        """The next line of the log about an event."""
        while True:
            line = self.log.get(timeout=20)
            if line["event"] == event:
                return line

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Wait for the end; the exit status, and what was printed last."""
        assert self.process.stdout is not None
        return self.process.wait(15), self.process.stdout.read()


def _drain(stream: IO[str], log: "queue.Queue[dict[str, Any]]") -> None:
    # All the time, or a full pipe would hold the service up.
    for line in stream:
        if line.startswith("{"):
            log.put(json.loads(line))


@contextmanager
def served(changes: dict[str, Any] | None = None, phone: str = "rings") -> Iterator[Served]:
    """Serve, with these changes to the configuration and a phone that does this."""
    process = subprocess.Popen(
        [sys.executable, "-m", "uapi.serving", json.dumps(changes or {}), phone],
        env={**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS.parent}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    running = Served(process, process.stdout.readline().strip())
    reader = threading.Thread(target=_drain, args=(process.stderr, running.log))
    reader.start()
    try:
        yield running
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()
        process.stderr.close()
