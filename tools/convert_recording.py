"""Make a recording of AMI events that somebody else has kept, so that ``uapi-bridge replay`` plays it.

Read are a JSON list of events (cacofonisk's fixtures), JSON Lines of events (logs of other clients, header names in
small letters too), and AMI's own text (panoramisk's fixtures, or what netcat has kept). When an event came stands in its
Timestamp, where Asterisk was told to write one; else the time in the Uniqueid of the youngest channel is taken, and a
millisecond is put between two events.

    python tools/convert_recording.py events.json recording.jsonl
    uapi-bridge replay recording.jsonl --ladder
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bridge.ami import Recorder, RecordingError
from bridge.calls import Headers
from bridge.files import whole

_STAMP = re.compile(r"\d{9,11}\.\d+")
_MADE = re.compile(r"(?:.*-)?(\d{9,11})\.\d+")

_HEADERS = (
    "Event", "Channel", "ChannelState", "ChannelStateDesc", "CallerIDNum", "CallerIDName", "ConnectedLineNum",
    "ConnectedLineName", "Exten", "Uniqueid", "Linkedid", "Context", "Priority", "AccountCode", "Cause", "Newname",
    "DestChannel", "DestUniqueid", "DestLinkedid", "BridgeUniqueid", "BridgeType", "BridgeTechnology", "SwapUniqueid",
    "TargetChannel", "TargetUniqueid", "Queue", "Device", "State", "ParkeeChannel", "ParkeeUniqueid",
    "ParkeeLinkedid", "ParkingSpace", "ParkingDuration", "ParkerDialString", "RetrieverUniqueid", "ActionID",
    "Response", "Reason", "Timestamp", "SystemName", "Seconds", "DNID", "BridgeID", "Variable",
)  # fmt: skip
"""As Asterisk writes them."""
_SPELLED = {name.lower(): name for name in _HEADERS}


def events(text: str) -> Iterator[Headers]:
    """The events in a text of one of the three forms; whatever else is in it is passed over."""
    if text.lstrip().startswith("["):
        kept = json.loads(text)
    elif text.lstrip().startswith("{"):
        kept = [json.loads(line) for line in text.splitlines() if line.strip()]
    else:
        kept = [_block(block) for block in re.split(r"\r?\n[ \t]*\r?\n", text)]
    for one in kept:
        if isinstance(one, dict):
            event = dict(_headers(one))
            if isinstance(event.get("Event"), str):
                yield event


def _block(block: str) -> dict[str, Any]:
    """One message of AMI's text; a header that repeats becomes a list."""
    message: dict[str, Any] = {}
    for line in block.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            message.setdefault(name.strip(), []).append(value.strip())
    return {name: values if len(values) > 1 else values[0] for name, values in message.items()}


def _headers(message: dict[str, Any]) -> Iterator[tuple[str, str | list[str]]]:
    for name, value in message.items():
        if isinstance(value, list) and value:
            yield _SPELLED.get(name.lower(), name), [str(one) for one in value]
        elif isinstance(value, str | int | float):
            yield _SPELLED.get(name.lower(), name), str(value)


def convert(text: str, out: Path) -> int:
    """Write a recording.

    Returns:
        How many events it has.

    Raises:
        FileExistsError: there is a file already.
        OSError: it cannot be written.
    """
    kept = list(events(text))
    times = list(_times(kept))
    with whole(out, new=True) as file:
        recorder = Recorder(file, times[0] if times else 0.0)
        for at, event in zip(times, kept, strict=True):
            recorder.write(event, at)
        recorder.close()
    return len(kept)


def _times(kept: list[Headers]) -> Iterator[float]:
    """When each event came, as far as that can be told: never earlier than the one before."""
    now = next((at for event in kept if (at := _at(event))), 0.0) - 0.001
    for event in kept:
        now = max(now + 0.001, _at(event))
        yield now


def _at(event: Headers) -> float:
    if _STAMP.fullmatch(stamp := str(event.get("Timestamp", ""))):
        return float(stamp)
    made = _MADE.fullmatch(str(event.get("Uniqueid", "")))
    return float(made[1]) if made else 0.0


def main() -> int:
    """Convert a file."""
    parser = argparse.ArgumentParser(description="Make a recording of somebody else's AMI events.")
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("out", type=Path, metavar="OUT", help="where to write it; must not be there yet")
    options = parser.parse_args()
    try:
        count = convert(options.file.read_text(encoding="utf-8", errors="replace"), options.out)
    except OSError as error:
        print(f"{error.filename or options.out}: {error.strerror}", file=sys.stderr)
        return 1
    except (ValueError, RecordingError) as error:
        print(f"{options.file}: {error}", file=sys.stderr)
        return 1
    print(f"{count} events")
    return 0


if __name__ == "__main__":
    sys.exit(main())
