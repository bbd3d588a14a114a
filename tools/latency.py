"""How long from the PUT until the new phone rings, beside a bare AMI Originate on an open connection.

Both are done in turns on one real Asterisk and one real phone, for a call that rings at 0003*210 all the while, and
timed on the same clock until the phone says that it rings. Run by ``make latency``, or as
``PYTHONPATH=tests:. python tools/latency.py --rounds 200``.
"""

import argparse
import asyncio
import statistics
import sys
import time

from lab import Bridge, Lab, LabUnavailableError, until

_LONG = "[internal]\nexten => 0003*999,1,Dial(PJSIP/0003*210,600)\n"
_PHONES = ("0003*100", "0003*024", "0003*210")
_ORIGINATE = {
    "Action": "Originate",
    "Channel": "PJSIP/0003*024",
    "CallerID": "John Doe <42420042>",
    "Timeout": "20000",
    "Async": "true",
    "Application": "Wait",
    "Data": "1",
}


async def measure(rounds: int) -> dict[str, list[float]]:
    """Measure in turns.

    Args:
        rounds: How many of each.

    Returns:
        Seconds: of a PUT until the phone rings (``put``), of a PUT until its 202 (``accepted``), and of a bare
        Originate until the phone rings (``originate``).
    """
    times: dict[str, list[float]] = {"put": [], "accepted": [], "originate": []}
    async with Lab(phones=_PHONES, extensions=_LONG) as lab, Bridge(lab.asterisk.ami) as bridge:
        await lab["100"].dial("0003*999")
        await lab["210"].wait_for_ring()
        call = await bridge.call("0003*210")
        view = next(one["id"] for one in call["phoneCallView"] if one["extension"] == "0003*210")

        async def put() -> float:
            start = time.monotonic()
            answer = await bridge.pick_up(
                "0003*210", call["id"], "0003*024", view=view, caller_id="John Doe <42420042>"
            )
            assert answer.status_code == 202, answer.text
            times["accepted"].append(time.monotonic() - start)
            return start

        async def originate() -> float:
            start = time.monotonic()
            await lab.ami.action(_ORIGINATE)
            return start

        async def alone() -> bool:
            return len(await lab.strangers()) == 2

        for name, ring in (("put", put), ("originate", originate)) * (
            rounds + 1
        ):  # the first of each warms up
            began = asyncio.create_task(ring())
            rung = await lab["024"].wait_for_ring()
            start = await began
            times[name].append(rung.since - start)
            await lab["024"].decline(rung)
            await until(alone, "the new phone's channel is gone", every=0.005)
            lab.ami.events.clear()
    return {name: values[1:] for name, values in times.items()}


def report(times: dict[str, list[float]]) -> str:
    """The figures, as a table."""
    lines = [f"{'milliseconds':<28}{'median':>9}{'p99':>9}{'most':>9}"]
    for name, what in (
        ("put", "PUT until the phone rings"),
        ("originate", "Originate until it rings"),
        ("accepted", "PUT until 202"),
    ):
        values = sorted(1000 * value for value in times[name])
        figures = statistics.median(values), values[min(len(values) - 1, int(0.99 * len(values)))], values[-1]
        lines.append(f"{what:<28}" + "".join(f"{value:9.2f}" for value in figures))
    ratio = statistics.median(times["put"]) / statistics.median(times["originate"])
    lines.append(f"{len(times['put'])} rounds in turns; ratio of the medians {ratio:.2f}")
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="PUT-to-ringing beside a bare AMI Originate.")
    parser.add_argument("--rounds", type=int, default=100, help="how many of each; default: 100")
    rounds: int = parser.parse_args().rounds
    try:
        print(report(asyncio.run(measure(rounds))))
    except LabUnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
