"""A bridge on a PBX made of events, served by the real server: ``python -m uapi.serving``. Prints its address."""

import json
import sys

from bridge import logs
from bridge.uapi import Server
from uapi.world import World


def main() -> None:
    """Serve until told to stop. Arguments: the configuration's changes as JSON, and what the new phone does."""
    changes = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    logs.configure("info")
    world = World({"http": {"port": 0}, **changes})
    world.ringing()
    world.park(world.caller("0003*101", sequence=207))
    if len(sys.argv) > 2:
        world.link.phone = sys.argv[2]

    def on_drain(seconds: float) -> None:
        world.bridge.pickups.drain(seconds)

    server = Server(
        world.bridge.asgi,
        http=world.settings.http,
        limits=world.settings.limits,
        draining=world.bridge.draining,
        on_drain=on_drain,
        on_listening=lambda address: print(address, flush=True),
    )
    server.run()
    print(f"logged off: {world.link.logged_off}", flush=True)


if __name__ == "__main__":
    main()
