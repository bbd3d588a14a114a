"""``make resync-cost``: what the look at all channels costs that the bridge takes once a minute, for lost events.

SIPp holds the calls on the lab's Asterisk; a link of our own resynchronises again and again, which a bridge does at
most once a minute. Told is the time from the first question to the last answer worked off, and what each side's
processor had to do for it.
"""

import argparse
import asyncio
import contextlib
import statistics
import sys
import time

from bridge import logs
from bridge.ami import Link
from bridge.calls import Headers
from bridge.settings import AmiSettings
from lab.asterisk import Asterisk
from lab.ports import until
from recorded.telling import picture
from soak.run import conf_of_callers, conf_of_phone
from soak.sipp import CALLERS, Sipp
from streams.process import cpu

EXTENSIONS = tuple(f"0003*{number}" for number in range(120, 150))
HOLD = 600_000
RATE = 40


async def measure(channels: int, rounds: int) -> None:
    """Bring calls up, resynchronise, print."""
    phones = Sipp("called", ring=200)
    conf = conf_of_callers() + "".join(conf_of_phone(one, phones) for one in EXTENSIONS)
    async with Asterisk(files={"pjsip.conf": conf}) as asterisk:
        crowd = Sipp(
            "caller", "-r", str(RATE), "-m", str(channels // 2), "-l", "5000",
            f"127.0.0.1:{asterisk.sip_port}", address=CALLERS, talk=HOLD, numbers=EXTENSIONS,
        )  # fmt: skip
        async with phones, crowd:

            async def there() -> bool:
                rows = await asterisk.channels()
                return len(rows) >= channels // 2 * 2 and all(row.bridge for row in rows)

            await until(there, f"{channels} channels talk", timeout=60 + channels / RATE, every=1)
            await _resyncs(asterisk, rounds)


async def _resyncs(asterisk: Asterisk, rounds: int) -> None:
    one = picture()

    def take(event: Headers, at: float) -> None:
        one.apply(event, at)

    login = asterisk.ami
    settings = AmiSettings.model_validate(
        {"host": login.host, "port": login.port, "username": login.username, "secret": login.secret}
    )
    up = asyncio.Event()
    link = Link(
        settings,
        context="uapi-pickup",
        on_event=take,
        on_state=lambda state: up.set() if state.up else None,
    )
    running = asyncio.create_task(link.run())
    try:
        await asyncio.wait_for(up.wait(), 20)
        took, ours, theirs = [], time.process_time(), cpu(asterisk.pid)
        for _ in range(rounds):
            began = time.monotonic()
            await link.resync()
            took.append(time.monotonic() - began)
        ours, theirs = (time.process_time() - ours) / rounds, (cpu(asterisk.pid) - theirs) / rounds
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    print(f"{len(one.board.channels)} channels in {len(one.calls())} calls, {rounds} resyncs")
    print(f"each takes {statistics.median(took) * 1000:.0f} ms, the slowest {max(took) * 1000:.0f} ms")
    print(f"processor time: bridge {ours * 1000:.1f} ms, Asterisk {theirs * 1000:.1f} ms")
    print(f"once a minute that is {ours / 60:.3%} and {theirs / 60:.3%} of a core")


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m soak.resync")
    parser.add_argument("--channels", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    logs.configure("error")
    asyncio.run(measure(options.channels, options.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
