"""The command ``uapi-bridge``: its words, and those of them that need no file of their own: check, token.

What a start takes is mostly imports. So a command's module is imported when the command is asked for: none waits for
the libraries of the others. And meanwhile nobody looks for garbage: all that is imported stays.
"""

# ruff: noqa: PLC0415 -- see above

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bridge import __version__
from bridge.terminal import complain, say

BAD_CONFIGURATION = 2
"""Exit status where the configuration, or the command line, is not usable."""

Run = Callable[[argparse.Namespace], int]
"""Does a command's work, and says the exit status."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: Its words, without the command's own name; those of the process where None.

    Returns:
        The exit status: 0, 1 where the work failed or a question was left without an answer, 2 for a bad
        configuration, 130 where it was interrupted.
    """
    if argv is not None:
        return _run(argv)
    gc.disable()  # a process of our own: until its work begins
    # There are none, and pydantic would look for them through all that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    return _run(sys.argv[1:])


def _run(words: Sequence[str]) -> int:
    from bridge import logs
    from bridge.settings import SettingsError

    options = _parser(words).parse_args(words)
    logs.configure(options.log_level)
    run: Run = options.run
    if not gc.isenabled():
        gc.freeze()  # all that is there so far: no later look for garbage has to go through it
        gc.enable()
    try:
        return run(options)
    except SettingsError as error:
        complain(str(error))
        return BAD_CONFIGURATION
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except EOFError:
        # Ctrl-D at a question, or nobody there to answer it: not asked to stop, but nothing can be done.
        complain("\nno answer: nothing was done")  # the question's line is still open
        return 1
    except KeyboardInterrupt:
        return 130


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """What reads a command line.

    Args:
        words: That line: of the commands, those in it get their own options.
    """
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
    for name, (prepare, help_) in _COMMANDS.items():
        made = commands.add_parser(name, parents=[common], help=help_, description=help_)
        if name in words:
            made.set_defaults(run=prepare(made))
    return parser


# --- the commands: each takes its options into its parser, and gives what does its work


def _serve(_: argparse.ArgumentParser) -> Run:
    from bridge import serve

    return serve.run


def _record(parser: argparse.ArgumentParser) -> Run:
    from bridge import recordings

    recordings.add_record_arguments(parser)
    return recordings.run_record


def _replay(parser: argparse.ArgumentParser) -> Run:
    from bridge import recordings

    recordings.add_replay_arguments(parser)
    return recordings.run_replay


def _anonymize(parser: argparse.ArgumentParser) -> Run:
    from bridge import recordings

    recordings.add_anonymize_arguments(parser)
    return recordings.run_anonymize


def _check(_: argparse.ArgumentParser) -> Run:
    return _run_check


def _token(parser: argparse.ArgumentParser) -> Run:
    parser.add_argument("--secret", action="store_true", help="an App's secret for /oauth/token.php instead")
    return _run_token


def _doctor(parser: argparse.ArgumentParser) -> Run:
    from bridge import doctor

    doctor.add_arguments(parser)
    return doctor.run


def _init(parser: argparse.ArgumentParser) -> Run:
    from bridge import init

    init.add_arguments(parser)
    return init.run


def _calls(parser: argparse.ArgumentParser) -> Run:
    from bridge import client

    client.add_calls_arguments(parser)
    return client.run_calls


def _pickup(parser: argparse.ArgumentParser) -> Run:
    from bridge import client

    client.add_pickup_arguments(parser)
    return client.run_pickup


_COMMANDS: dict[str, tuple[Callable[[argparse.ArgumentParser], Run], str]] = {
    "serve": (_serve, "Serve the API."),
    "record": (_record, "Write the AMI stream to a file, until interrupted."),
    "replay": (_replay, "Play a recording: a JSON line for each change of a call."),
    "anonymize": (_anonymize, "Take numbers and names out of a recording."),
    "check": (_check, "Check the configuration, and say what is wrong with it."),
    "token": (_token, "Make a new bearer token, or an App's secret, and its hash."),
    "doctor": (_doctor, "Examine the PBX: what is wrong, and which line to change."),
    "init": (_init, "Write a configuration and the PBX's include files, with fresh secrets."),
    "calls": (_calls, "Show live calls, over the API."),
    "pickup": (_pickup, "Pick a call up, over the API."),
}


# --- check and token


def _run_check(options: argparse.Namespace) -> int:
    from bridge.settings import load, warnings

    settings = load(options.config, os.environ)
    for warning in warnings(settings):
        say(f"warning: {warning}")
    say("the configuration is in order")
    return 0


def _run_token(options: argparse.Namespace) -> int:
    from bridge import tokens

    made = tokens.make()
    if options.secret:
        say(f'secret:         {made.text}\nsecret_sha256 = "{made.sha256}"')
    else:
        say(f'token:          {made.text}\ntokens_sha256 = ["{made.sha256}"]')
    complain("The first line is for the client, the second for its [[apps]] entry in bridge.toml.")
    return 0
