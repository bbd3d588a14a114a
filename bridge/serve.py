"""The command ``uapi-bridge serve``: the service, and what it says of itself to whoever has started it."""

import argparse
import asyncio
import os

import structlog

from bridge.ami import LinkState
from bridge.app import create_app
from bridge.notify import Notifier
from bridge.settings import load, warnings
from bridge.terminal import complain, say
from bridge.uapi import Server

log = structlog.get_logger(__name__)


def run(options: argparse.Namespace) -> int:
    """Serve the API until told to end.

    Returns:
        0, or 1 where the address cannot be listened on.

    Raises:
        SettingsError: the configuration is not usable.
    """
    settings = load(options.config, os.environ)
    for warning in warnings(settings):
        log.warning("configuration", warning=warning)
    manager = Notifier.from_environment(os.environ)
    heartbeats: list[asyncio.Task[None]] = []
    was_up = False

    def on_state(state: LinkState) -> None:
        nonlocal was_up
        if state.up and not was_up:
            sync = f"in sync with Asterisk {state.asterisk} at {settings.ami.host}:{settings.ami.port}"
            say(sync)
            manager.status(sync)
        elif was_up and not state.up and not bridge.draining.active:
            log.warning("out of sync with the PBX", reason=state.reason)
            manager.status(state.reason)
        was_up = state.up

    def on_listening(address: str) -> None:
        say(f"listening on {address}")
        manager.ready(bridge.link.state.reason)
        heartbeats.append(asyncio.ensure_future(manager.run()))

    def on_drain(seconds: float) -> None:
        manager.stopping()
        bridge.pickups.drain(seconds)

    bridge = create_app(settings, on_state=on_state)
    server = Server(
        bridge.asgi,
        http=settings.http,
        limits=settings.limits,
        draining=bridge.draining,
        on_drain=on_drain,
        on_listening=on_listening,
    )
    try:
        server.run()
    except SystemExit:  # the server's way to say that it could not start, which it has logged
        complain(f"http.host, http.port: {settings.http.host}:{settings.http.port} cannot be listened on")
        return 1
    return 0
