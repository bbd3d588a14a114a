"""Record one plain call on the lab's Asterisk, as its manager interface sends it: the model of `bench.stream`.

Run as ``PYTHONPATH=tests:. python -m bench.record``. Two sessions listen, one that may see everything and one with
the bridge's own rights and filter; what they read between the call's first byte and its last is kept as it came, in
``bench/recordings/``. The two phones have busy lamps and are in no queue: each queue with a member of the call would add two
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lab import AmiLogin, Lab, until

FOLDER = Path(__file__).with_name("recordings")
UNFILTERED = FOLDER / "unfiltered.ami"
FILTERED = FOLDER / "filtered.ami"

_CALLER, _CALLED = "0003*100", "0003*101"


@asynccontextmanager
async def listening(login: AmiLogin) -> AsyncIterator[bytearray]:
    """What a session reads after its login, growing as it comes."""
    reader, writer = await asyncio.open_connection(login.host, login.port)
    heard = bytearray()

    async def read() -> None:
        while data := await reader.read(1 << 16):
            heard.extend(data)

    writer.write(
        f"Action: Login\r\nUsername: {login.username}\r\nSecret: {login.secret}\r\nActionID: login\r\n\r\n".encode()
    )
    reading = asyncio.create_task(read())

    async def logged_in() -> bool:
        return b"Authentication accepted" in heard

    try:
        await until(logged_in, "the session is logged in")
        yield heard
    finally:
        reading.cancel()
        writer.close()


async def record() -> tuple[bytes, bytes]:
    """Have one phone call another, which answers, and the caller hang up.

    Returns:
        What the session that sees everything was sent, and what the bridge's own was.
    """
    async with (
        Lab(phones=(_CALLER, _CALLED), company=False) as lab,
        listening(lab.asterisk.witness) as everything,
        listening(lab.asterisk.ami) as ours,
    ):
        caller, called = lab[_CALLER], lab[_CALLED]
        for _ in range(2):  # the first warms Asterisk up: what it loads and learns is told of once
            await _quiet(everything)
            everything.clear()
            ours.clear()
            await caller.dial(_CALLED)
            await called.wait_for_ring()
            await _quiet(everything)
            await called.accept()
            await caller.wait_established()
            await _quiet(everything)
            await caller.hangup()
            await called.wait_closed()
        await _quiet(everything)
        return bytes(everything), bytes(ours)


async def _quiet(heard: bytearray) -> None:
    """Wait until nothing has come for half a second."""
    size = -1
    while size != len(heard):
        size = len(heard)
        await asyncio.sleep(0.5)


def main() -> None:
    """Record and write."""
    for path, heard in zip((UNFILTERED, FILTERED), asyncio.run(record()), strict=True):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(heard)
        events = sum(block.startswith(b"Event: ") for block in heard.split(b"\r\n\r\n"))
        print(f"{path.name}: {events} events, {len(heard)} bytes")


if __name__ == "__main__":
    main()
