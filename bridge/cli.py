"""The command ``uapi-bridge``: its words, and those of them that need no file of their own: serve, check, token."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from bridge import __version__, client, doctor, init, logs, recordings, tokens
from bridge.ami import LinkState
from bridge.app import create_app
from bridge.notify import Notifier
from bridge.settings import Settings, SettingsError, load, warnings
from bridge.uapi import Server

log = structlog.get_logger(__name__)

BAD_CONFIGURATION = 2
"""Exit status where the configuration, or the command line, is not usable."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: Its words, without the command's own name; those of the process where None.

    Returns:
        The exit status: 0, 1 where the work failed, 2 for a bad configuration.
    """
    options = _parser().parse_args(argv)
    logs.configure(options.log_level)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except SettingsError as error:
        _complain(str(error))
        return BAD_CONFIGURATION
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="uapi-bridge", description="VoipNow's UnifiedAPI PhoneCalls for an Asterisk PBX."
    )
    parser.add_argument("--version", action="version", version=f"uapi-bridge {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the configuration, such as bridge.toml; BRIDGE_CONFIG where not given",
    )
    common.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="default: info"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], help_: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, parents=[common], help=help_, description=help_)
        made.set_defaults(run=run)
        return made

    command("serve", _serve, "Serve the API.")
    recordings.add_record_arguments(
        command("record", recordings.run_record, "Write the AMI stream to a file, until interrupted.")
    )
    recordings.add_replay_arguments(
        command("replay", recordings.run_replay, "Play a recording: a JSON line for each change of a call.")
    )
    recordings.add_anonymize_arguments(
        command("anonymize", recordings.run_anonymize, "Take numbers and names out of a recording.")
    )
    command("check", _check, "Check the configuration, and say what is wrong with it.")
    token = command("token", _token, "Make a new bearer token, or an App's secret, and its hash.")
    token.add_argument("--secret", action="store_true", help="an App's secret for /oauth/token.php instead")
    doctor.add_arguments(
        command("doctor", doctor.run, "Examine the PBX: what is wrong, and which line to change.")
    )
    init.add_arguments(
        command("init", init.run, "Write a configuration and the PBX's include files, with fresh secrets.")
    )
    client.add_calls_arguments(command("calls", client.run_calls, "Show live calls, over the API."))
    client.add_pickup_arguments(command("pickup", client.run_pickup, "Pick a call up, over the API."))
    return parser


def _load(options: argparse.Namespace) -> Settings:
    return load(options.config, os.environ)


def _say(line: str) -> None:
    """Say something on standard output."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _complain(line: str) -> None:
    """Say something on standard error."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


# --- serve


def _serve(options: argparse.Namespace) -> int:
    settings = _load(options)
    for warning in warnings(settings):
        log.warning("configuration", warning=warning)
    manager = Notifier.from_environment(os.environ)
    heartbeats: list[asyncio.Task[None]] = []
    was_up = False

    def on_state(state: LinkState) -> None:
        nonlocal was_up
        if state.up and not was_up:
            sync = f"in sync with Asterisk {state.asterisk} at {settings.ami.host}:{settings.ami.port}"
            _say(sync)
            manager.status(sync)
        elif was_up and not state.up and not bridge.draining.active:
            log.warning("out of sync with the PBX", reason=state.reason)
            manager.status(state.reason)
        was_up = state.up

    def on_listening(address: str) -> None:
        _say(f"listening on {address}")
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
        return 1
    return 0


# --- check and token


def _check(options: argparse.Namespace) -> int:
    settings = _load(options)
    for warning in warnings(settings):
        _say(f"warning: {warning}")
    _say("the configuration is in order")
    return 0


def _token(options: argparse.Namespace) -> int:
    made = tokens.make()
    if options.secret:
        _say(f'secret:         {made.text}\nsecret_sha256 = "{made.sha256}"')
    else:
        _say(f'token:          {made.text}\ntokens_sha256 = ["{made.sha256}"]')
    _complain("The first line is for the client, the second for its [[apps]] entry in bridge.toml.")
    return 0
