"""A shell that goes on from one block of a page to the next, as the reader's does."""

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lab import launch

PATIENCE = 60.0
"""Seconds for a command, and for what happens around it; only a machine that is very busy comes near."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command came to."""

    out: str
    status: int


class Shell:
    """A bash whose variables live on; standard error goes where standard output goes."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._process: asyncio.subprocess.Process | None = None
        self._count = 0
        self._heard: list[str] = []
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *launch.command("/", "root", "/usr/bin/bash", "--noprofile", "--norc"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self._folder,
            env=os.environ | self._environment,
            start_new_session=True,
            limit=2**20,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._process
        assert process is not None
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    async def run(self, command: str, until: str = "") -> Said:
        """Run a command to its end.

        Args:
            command: What to run.
            until: A word; when it is printed, Ctrl-C is pressed.

        Raises:
            TimeoutError: It takes too long.
        """
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        self._count += 1
        mark = f"--- end of {self._count}:"
        # Not from our own input: a command that reads its standard input would eat the next ones.
        script = self._folder / f".block-{self._count}"
        script.write_text(f"{command}\n")
        process.stdin.write(f". ./{script.name} </dev/null\nprintf '\\n%s%s\\n' '{mark}' $?\n".encode())
        await process.stdin.drain()
        self._heard = []
        try:
            async with asyncio.timeout(PATIENCE):
                while line := (await process.stdout.readline()).decode(errors="replace"):
                    if line.startswith(mark):
                        break
                    self._heard.append(line)
                    self._news.set()
                    if until and until in line:
                        self._interrupt()
        except TimeoutError:
            raise TimeoutError(f"{command}\nis not over after {PATIENCE} s:\n{self.heard}") from None
        finally:
            script.unlink()
        if not line:
            raise RuntimeError(f"the shell has ended:\n{self.heard}")
        return Said(self.heard.removesuffix("\n"), int(line.removeprefix(mark)))

    @property
    def heard(self) -> str:
        """What the command that runs has printed."""
        return "".join(self._heard)

    async def hears(self, word: str) -> None:
        """Wait until the command that runs has printed a word."""
        while word not in self.heard:
            self._news.clear()
            await self._news.wait()

    def _interrupt(self) -> None:
        process = self._process
        assert process is not None
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGINT)
