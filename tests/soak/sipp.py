"""SIPp as a process: a crowd of callers, or a crowd of phones that are called."""

import asyncio
import csv
import signal
import subprocess
from pathlib import Path

from lab import launch, root
from lab.ports import free_sip_port

SCENARIOS = Path(__file__).parent


class Sipp:
    """One SIPp process with an address of its own.

    Args:
        scenario: ``caller`` or ``called``.
        address: Its address.
        options: More of SIPp's options.
        ring: Milliseconds until a called phone answers.
        talk: Milliseconds until a caller hangs up, about.
        numbers: What callers dial, in turns by chance.
    """

    def __init__(
        self,
        scenario: str,
        address: str,
        *options: str,
        ring: int = 0,
        talk: int = 2000,
        numbers: tuple[str, ...] = (),
    ) -> None:
        self._name = scenario
        self._options = options
        self.address = address
        self.port = free_sip_port(address)
        self._folder = root.new_folder(22, "sipp")
        text = (SCENARIOS / f"{scenario}.xml").read_text()
        text = text.replace("RING", str(ring)).replace("TALK", str(talk))
        (self._folder / "scenario.xml").write_text(text)
        (self._folder / "numbers.csv").write_text("\n".join(["RANDOM", *numbers, ""]))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        inside = f"/lab/{self._folder.name}"
        calls = self._name == "caller"
        own = (
            ("-inf", f"{inside}/numbers.csv", "-trace_err", "-error_file", f"{inside}/errors")
            if calls
            else ()
        )
        with (self._folder / "screen").open("ab") as screen:
            self._process = subprocess.Popen(
                launch.command(
                    str(root.root(22)), "root", "/usr/bin/sipp", *self._options, "-sf", f"{inside}/scenario.xml",
                    *own, "-i", self.address, "-mi", self.address, "-p", str(self.port), "-nostdin",
                    "-trace_stat", "-stf", f"{inside}/stat.csv", "-fd", "1", "-max_socket", "10000", "-nd",
                    # Where the machine is slow for a while, it is to go on.
                    "-watchdog_minor_maxtriggers", "1000000", "-watchdog_major_maxtriggers", "1000000",
                ),
                stdin=subprocess.DEVNULL,
                stdout=screen,
                stderr=screen,
                env={"PATH": "/usr/bin:/bin", "TERM": "dumb"},
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    async def finished(self, seconds: float) -> int:
        """Wait until all its calls are over; return its exit status, 0 where all went well.

        Raises:
            TimeoutError: They are not over by then.
        """
        process = self._process
        assert process is not None
        return await asyncio.wait_for(asyncio.to_thread(process.wait), seconds)

    def stop(self) -> None:
        """End it now."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

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
        """What went wrong, as it says."""
        path = self._folder / "errors"
        return path.read_text(errors="replace") if path.exists() else ""

    def screen(self) -> str:
        """What it has printed."""
        return (self._folder / "screen").read_text(errors="replace")
