"""SIPp as a process: a crowd of callers, or a crowd of phones that are called."""

import asyncio
import csv
import shutil
import subprocess
from pathlib import Path
from typing import Self

from lab import launch, root
from lab.ports import free_port

CALLERS, PHONES = "127.0.0.3", "127.0.0.4"
"""Addresses of their own."""

_SCENARIOS = Path(__file__).parent


class Sipp:
    """One SIPp process, from ``start`` or ``async with`` on.

    Args:
        scenario: ``caller``; ``called``, a phone that answers; ``rings``, one that does not; or one that SIPp has itself,
            such as ``uas``, a phone that answers at once.
        options: More of SIPp's options.
        address: Its address.
        port: Its port; 0 takes a free one.
        ring: Milliseconds until a called phone answers.
        talk: Milliseconds until a caller hangs up, about.
        caller: The user in a caller's From.
        numbers: What callers dial, in turns by chance.
    """

    def __init__(
        self,
        scenario: str,
        *options: str,
        address: str = PHONES,
        port: int = 0,
        ring: int = 0,
        talk: int = 2000,
        caller: str = "load",
        numbers: tuple[str, ...] = (),
    ) -> None:
        self._options = options
        self.address = address
        self.port = port or free_port(address)
        self._folder = root.new_folder(22, "sipp")
        inside = f"/lab/{self._folder.name}"
        self._played = ["-sn", scenario]
        if (own := _SCENARIOS / f"{scenario}.xml").exists():
            text = (
                own.read_text().replace("RING", str(ring)).replace("TALK", str(talk)).replace("WHO", caller)
            )
            (self._folder / "scenario.xml").write_text(text)
            self._played = ["-sf", f"{inside}/scenario.xml"]
        if numbers:
            (self._folder / "numbers.csv").write_text("\n".join(["RANDOM", *numbers, ""]))
            self._played += ["-inf", f"{inside}/numbers.csv", "-trace_err", "-error_file", f"{inside}/errors"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        with (self._folder / "screen").open("ab") as screen:
            self._process = subprocess.Popen(
                launch.command(
                    str(root.root(22)), "root", "/usr/bin/sipp", *self._options, *self._played,
                    "-i", self.address, "-mi", self.address, "-p", str(self.port), "-nostdin",
                    "-trace_stat", "-stf", f"/lab/{self._folder.name}/stat.csv", "-fd", "1",
                    "-max_socket", "10000", "-nd",
                    # Where the machine is slow for a while, it is to go on.
                    "-watchdog_minor_maxtriggers", "1000000", "-watchdog_major_maxtriggers", "1000000",
                ),
                stdin=subprocess.DEVNULL,
                stdout=screen,
                stderr=screen,
                env={"PATH": "/usr/bin:/bin", "TERM": "dumb"},
            )  # fmt: skip

    def stop(self) -> None:
        """End it now."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process is not None and self._process.poll() is not None

    async def wait(self, seconds: float | None = None) -> int:
        """Wait until all its calls are over; return its exit status, 0 where all went well.

        Args:
            seconds: How long; without end where None.

        Raises:
            TimeoutError: They are not over by then.
        """
        assert self._process is not None
        return await asyncio.wait_for(asyncio.to_thread(self._process.wait), seconds)

    def counts(self) -> dict[str, int]:
        """What it has counted: ``TotalCallCreated``, ``SuccessfulCall``, ``FailedCall``, ``CurrentCall`` ..."""
        with (self._folder / "stat.csv").open(newline="") as file:
            last = list(csv.DictReader(file, delimiter=";"))[-1]
        return {
            name.removesuffix("(C)"): int(value)
            for name, value in last.items()
            if name and value and value.isdigit() and not name.endswith("(P)")
        }

    def errors(self) -> str:
        """What went wrong for callers, as it says."""
        path = self._folder / "errors"
        return path.read_text(errors="replace") if path.exists() else ""
