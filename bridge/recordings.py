"""The commands around recordings: ``record`` the AMI stream, ``replay`` it, ``anonymize`` it for others to see."""

import argparse
import asyncio
import contextlib
import errno
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from bridge.ami import AmiError, Link, LinkState, Recorder, RecordingError, read
from bridge.anonymize import Anonymizer
from bridge.app import create_picture
from bridge.calls import Change, Headers, Pickup, Picture
from bridge.directory import Directory
from bridge.endpoints import Endpoints
from bridge.files import fresh, whole
from bridge.grammar import Extension, PickupId
from bridge.ladder import Ladder
from bridge.pickup import ORDER_AFTER
from bridge.settings import Settings, load
from bridge.terminal import complain, say
from bridge.uapi import phone_call

_KEY_HELP = "any words: the same give the same pseudonyms again; keep them to yourself"


def add_record_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``record``."""
    parser.add_argument("file", type=Path, metavar="FILE", help="where to write it; must not be there yet")
    parser.add_argument(
        "--anonymize", action="store_true", help="write pseudonyms for numbers, names, hosts and addresses"
    )
    parser.add_argument("--key", metavar="WORDS", help=f"implies --anonymize; {_KEY_HELP}")


def add_replay_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``replay``."""
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--ladder", action="store_true", help="draw who did what when, a ladder for each call, in 100 columns"
    )


def add_anonymize_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``anonymize``."""
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("out", type=Path, metavar="OUT", help="where to write it; must not be there yet")
    parser.add_argument("--key", default="", metavar="WORDS", help=_KEY_HELP)


def run_record(options: argparse.Namespace) -> int:
    """Record until interrupted.

    Returns:
        0, or 1 where the file cannot be written, or is there already.

    Raises:
        SettingsError: the configuration is not usable.
    """
    settings = load(options.config, os.environ)
    # Who gives a key, even an empty one, wants nobody's number in the file.
    anonymous = options.anonymize or options.key is not None
    pseudonyms = Anonymizer(options.key or "") if anonymous else None
    return _with_files(options.file, lambda: _record(settings, options.file, pseudonyms))


def run_replay(options: argparse.Namespace) -> int:
    """Play a recording: a JSON line for each change of a call, or a ladder.

    Returns:
        0, or 1 where it is no recording.

    Raises:
        SettingsError: a configuration is given and not usable.
    """
    settings = None
    if options.config or os.environ.get("BRIDGE_CONFIG"):
        settings = load(options.config, os.environ)
    play = _draw if options.ladder else _tell
    return _with_files(options.file, lambda: play(options.file, settings))


def run_anonymize(options: argparse.Namespace) -> int:
    """Write a recording anew with pseudonyms.

    Returns:
        0, or 1 where it is no recording, or cannot be written.
    """
    return _with_files(options.file, lambda: _anonymize(options.file, options.out, options.key))


def _with_files(file: Path, work: Callable[[], None]) -> int:
    """Do some work, and say which file was the trouble."""
    try:
        work()
    except BrokenPipeError:
        raise
    except OSError as error:
        complain(f"{error.filename or file}: {error.strerror}")
        return 1
    except RecordingError as error:
        complain(f"{file}: {error}")
        return 1
    return 0


@contextlib.contextmanager
def _new(path: Path) -> Iterator[None]:
    """While a file is made: it must not be there yet."""
    try:
        yield
    except FileExistsError:
        raise _there(path, "is there already; give another name, or delete it first") from None


def _there(path: Path, what: str) -> FileExistsError:
    return FileExistsError(errno.EEXIST, what, str(path))


# --- record


def _record(settings: Settings, file: Path, pseudonyms: Anonymizer | None) -> None:
    with _new(file):
        out = fresh(file)
    with out:
        asyncio.run(_recording(settings, Recorder(out, time.time(), pseudonyms)))


async def _recording(settings: Settings, recorder: Recorder) -> None:
    was_up = False

    def on_state(state: LinkState) -> None:
        nonlocal was_up
        if state.up:
            recorder.identify(state.asterisk, state.systemname)
        if state.up and not was_up:
            complain(f"recording Asterisk {state.asterisk}; interrupt to end")
        was_up = state.up

    picture = Picture(Endpoints.default())
    asking: dict[PickupId, asyncio.Task[None]] = {}

    def on_event(event: Headers, at: float) -> None:
        recorder.write(event, at)
        for pickup in picture.apply(event, at):
            if pickup.id not in picture.board.channels:
                asking.pop(pickup.id, None)
            elif pickup.id not in asking:
                asking[pickup.id] = asyncio.create_task(_ask_order(link, pickup))

    link = Link(settings.ami, context=settings.pbx.context, on_event=on_event, on_state=on_state)
    running = asyncio.create_task(link.run())
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running
    recorder.close()


async def _ask_order(link: Link, pickup: Pickup) -> None:
    """Ask what a new pickup leg is for, as the bridge itself does: no event tells it, and the replay needs it."""
    for pause in ORDER_AFTER:
        await asyncio.sleep(pause)
        if pickup.order:
            return
        with contextlib.suppress(AmiError):
            await link.status(pickup.id)


# --- replay


def _picture(settings: Settings | None) -> Picture:
    picture = create_picture(settings, settings.endpoints()) if settings else Picture(Endpoints.default())
    picture.track_changes = True
    return picture


def _tell(file: Path, settings: Settings | None) -> None:
    directory = Directory(settings) if settings else None
    picture = _picture(settings)
    head, events = read(file)
    for t, event in events:
        picture.apply(event, head.started + t)
        for change in picture.take_changes():
            say(_change(t, change, directory))


def _draw(file: Path, settings: Settings | None) -> None:
    picture = _picture(settings)
    head, events = read(file)
    ladder = Ladder(head.started, head.asterisk, head.systemname)
    for t, event in events:
        picture.apply(event, head.started + t)
        ladder.take(t, picture.take_changes())
    for line in ladder.lines():
        say(line)


def _change(t: float, change: Change, directory: Directory | None) -> str:
    """A change as ``replay`` prints it. A call belongs to the first of its extensions that has an owner."""
    extensions: list[Extension] = [leg.extension for leg in change.call.legs if leg.extension]
    extensions += sorted(change.call.listed)
    organization = None
    shown = extensions[0] if extensions else None
    if directory:
        owned = next((one for one in extensions if directory.owner_of(one)), None)
        shown = owned or shown
        organization = directory.organization_of(owned) if owned else None
    call = phone_call(change.call, shown, organization, None)
    return json.dumps({"t": t, "change": change.kind, "call": json.loads(call.to_json())}, ensure_ascii=False)


# --- anonymize


def _anonymize(file: Path, out: Path, key: str) -> None:
    if out.exists() and out.samefile(file):
        raise _there(out, "is the recording itself; give another name")
    with _new(out), whole(out, new=True) as written:
        _rewrite(file, written, key)


def _rewrite(file: Path, out: TextIO, key: str) -> None:
    """Twice through the file: whoever is in it is met before the first pseudonym is given."""
    anonymizer = Anonymizer(key)
    head, events = read(file)
    anonymizer.meet({"SystemName": head.systemname})
    for _, event in events:
        anonymizer.meet(event)
    recorder = Recorder(out, head.started, anonymizer)
    recorder.identify(head.asterisk, head.systemname)
    for t, event in read(file)[1]:
        recorder.write(event, head.started + t)
