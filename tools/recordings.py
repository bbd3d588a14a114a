"""Make the recordings that the tests replay anew: real calls on the lab's Asterisk, written by ``uapi-bridge record``.

Each scenario of tests/recorded/scenarios.py is a recording, ``tests/recordings/<its name>.jsonl``; beside it stands
its story, ``<its name>.story``, which a person has read and tests/test_recordings.py compares with what the replay
says. What is recorded anew must tell the same story; where it does not, the difference is printed. ``--stories`` writes
the stories of those that have none yet, to be read before they are believed. Run by ``make recordings``, or as
``PYTHONPATH=tests:. python tools/recordings.py [NAME ...]``: some seven minutes for each version of Asterisk; those that
chan_sip's phones have played too are played by them again. With ``--sip`` others are, on 16.
"""

import argparse
import asyncio
import difflib
import os
import signal
import sys
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path

from lab import AmiProxy, Bridge, Lab, LabUnavailableError, PhoneError, launch
from lab.service import REPOSITORY
from recorded.scenarios import Scenario, Stage, scenario
from recorded.telling import story_of, told

FOLDER = REPOSITORY / "tests" / "recordings"


class Recorder:
    """``uapi-bridge record`` as a process."""

    def __init__(self, config: Path, path: Path) -> None:
        self._config = config
        self._path = path
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it has the PBX's calls."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        words = ("record", "--log-level", "error", "--config", str(self._config), str(self._path))
        self._process = await asyncio.create_subprocess_exec(
            *launch.command("/", "root", sys.executable, "-m", "bridge", *words),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            cwd=REPOSITORY,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        assert self._process.stderr is not None
        async with asyncio.timeout(15):
            async for line in self._process.stderr:
                if b"recording Asterisk" in line:
                    return
        raise RuntimeError("the recorder has ended")

    async def stop(self) -> None:
        """Interrupt it."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        status = await asyncio.wait_for(self._process.wait(), 10)
        assert status == 0, f"the recorder ended with {status}"


async def make(
    scenarios: Iterable[Scenario], version: int, folder: Path, driver: str = "PJSIP"
) -> list[Path]:
    """Play scenarios and record each; those on the usual lab share one.

    Args:
        scenarios: What to play.
        version: Asterisk's major version.
        folder: Where the recordings go.
        driver: What the phones are: chan_pjsip's, or with "SIP" chan_sip's.

    Returns:
        The recordings' paths.
    """
    by_lab: dict[str, list[Scenario]] = {}
    for one in scenarios:
        by_lab.setdefault(repr(one.lab), []).append(one)
    made = []
    for group in by_lab.values():
        async with AsyncExitStack() as stack:
            lab = await stack.enter_async_context(Lab(version=version, driver=driver, **group[0].lab))
            proxy = await stack.enter_async_context(AmiProxy(lab.asterisk.ami))
            channel = {"BRIDGE_PBX__CHANNEL": f"{driver}/{{extension}}"}
            bridge = await stack.enter_async_context(Bridge(lab.asterisk.ami, environment=channel))
            described = Bridge(proxy.login)  # its configuration is the recorder's; it never runs
            stack.push_async_callback(described.close)
            for one in group:
                path = one.path(folder, version, driver)
                print(f"Asterisk {version}, {driver}: {one.name}", flush=True)
                fresh = path.with_suffix(".new")
                fresh.unlink(missing_ok=True)  # of a run that was interrupted
                recorder = Recorder(described.config, fresh)
                try:
                    await _record(one, Stage(lab, bridge, proxy, recorder.start), recorder)
                except (AssertionError, PhoneError, TimeoutError) as failure:
                    print(f"  did not work: {failure}", flush=True)
                    fresh.unlink(missing_ok=True)
                else:
                    made.append(fresh.rename(path))
    return made


async def _record(one: Scenario, stage: Stage, recorder: Recorder) -> None:
    try:
        if not one.late:
            await recorder.start()
        await stage.pause()
        await one.play(stage)
    finally:
        await stage.lab.reset()
        await stage.pause()
        await recorder.stop()


def compare(path: Path, *, write: bool) -> bool:
    """Compare a recording with its story, and print what is different.

    Args:
        path: The recording.
        write: Whether a story that does not exist is written.

    Returns:
        Whether it tells the story.
    """
    story, now = story_of(path), told(path)
    if write and not story.exists():
        story.write_text(now)
    expected = story.read_text() if story.exists() else ""
    lines = difflib.unified_diff(expected.splitlines(), now.splitlines(), str(story), str(path), lineterm="")
    difference = "\n".join(lines)
    if difference:
        print(difference)
    return not difference


def main() -> int:
    """Make recordings anew."""
    parser = argparse.ArgumentParser(description="Make the recordings of real calls anew.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="parts of the names; all where none is given"
    )
    parser.add_argument(
        "--asterisk", type=int, action="append", choices=(22, 16), help="which version; default: both"
    )
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="where they go; default: tests/recordings"
    )
    parser.add_argument("--sip", action="store_true", help="chan_sip's phones on Asterisk 16 instead")
    parser.add_argument("--stories", action="store_true", help="write the stories of those that have none")
    options = parser.parse_args()
    wanted = [
        one
        for name, one in scenario.scenarios.items()
        if not options.names or any(part in name for part in options.names)
    ]
    made: list[Path] = []
    lost = 0
    rounds = [(version, "PJSIP", wanted) for version in options.asterisk or (22, 16)]
    if options.sip:
        rounds = [(16, "SIP", wanted)]
    elif 16 in (options.asterisk or (16,)):
        rounds.append((16, "SIP", [one for one in wanted if one.path(FOLDER, 16, "SIP").exists()]))
    for version, driver, scenarios in rounds:
        try:
            fresh = asyncio.run(make(scenarios, version, options.folder, driver))
        except LabUnavailableError as why:
            print(f"Asterisk {version} is left out: {why}", flush=True)
            continue
        made += fresh
        lost += len(scenarios) - len(fresh)
    different = [path for path in made if not compare(path, write=options.stories)]
    print(f"{len(made)} recordings made, {len(different)} of them tell another story, {lost} did not work")
    return 1 if different or lost or not made else 0


if __name__ == "__main__":
    sys.exit(main())
