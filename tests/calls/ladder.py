"""Events as short lines: what was heard from a real Asterisk and what a story tells, in the same words.

Channels are called by their extension (a second one of the same phone `210b`), Local halves `;1` and `;2`. Lines
keep the order of each channel's own events; what Asterisk's threads tell of different channels at the same time
comes in any order.
"""

from collections.abc import Iterable
from pathlib import Path

from bridge.calls import Headers, text

HEARD = Path(__file__).parent / "heard"
"""One file for each scene, as heard from 22.10.1."""

_ABOUT = ("Uniqueid", "ParkeeUniqueid", "DestUniqueid")
_OTHERS = ("DestUniqueid", "TargetUniqueid", "RetrieverUniqueid", "SwapUniqueid")
_PLAIN = ("Cause", "Queue", "ParkingSpace", "ParkerDialString", "Response", "Reason")


class Ladder:
    """Writes events down, and remembers who is who."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def line(self, event: Headers) -> tuple[str, str]:
        """Who an event is about, and the rest of it."""
        name = text(event, "Event")
        if name == "Newchannel":
            self._meet(text(event, "Uniqueid"), text(event, "Channel"))
        who = next((text(event, header) for header in _ABOUT if text(event, header)), "")
        words = [name, *self._state(event, name)]
        if linkedid := text(event, "Linkedid"):
            words.append(f"call={self.name(linkedid)}")
        words += [
            f"{header[:-8]}={self.name(text(event, header))}" for header in _OTHERS if text(event, header)
        ]
        if text(event, "BridgeType"):
            words.append(f"in={text(event, 'BridgeType')}")
        words += [f"{header}={text(event, header)}" for header in _PLAIN if text(event, header)]
        return self.name(who), " ".join(words)

    @staticmethod
    def _state(event: Headers, name: str) -> Iterable[str]:
        if name in ("Newchannel", "Newstate"):
            yield text(event, "ChannelStateDesc")
        if name == "Newchannel":
            yield f"exten={text(event, 'Exten')}"
        if name in ("Newchannel", "NewCallerid", "NewConnectedLine"):
            yield f"me={text(event, 'CallerIDName')}<{text(event, 'CallerIDNum')}>"
            yield f"other={text(event, 'ConnectedLineName')}<{text(event, 'ConnectedLineNum')}>"

    def _meet(self, uniqueid: str, channel: str) -> None:
        device = channel.rpartition("-")[0].rpartition("/")[2]
        name = f";{channel[-1]}" if channel.startswith("Local/") else device.rpartition("*")[2]
        while name in self.names.values():
            name += "b"
        self.names[uniqueid] = name

    def name(self, uniqueid: str) -> str:
        return self.names.get(uniqueid, uniqueid)


def ladder(events: Iterable[Headers]) -> list[str]:
    """The lines of some events, the rows of questions left out."""
    writer = Ladder()
    lines = (
        writer.line(event)
        for event in events
        if text(event, "Event") not in ("DeviceStateChange", "Status", "StatusComplete")
        and not text(event, "ActionID").startswith("resync")
    )
    return [f"{who:6} {line}" for who, line in lines]


_STATES = ("Newchannel", "Newstate", "NewCallerid", "NewConnectedLine", "Hangup")


def in_order(lines: Iterable[str]) -> dict[str, list[str]]:
    """Lines sorted by what is told in one order: a channel's states, and its ways between bridges, each for itself.

    The two reach AMI on different ways, and everything else on ways of its own.
    """
    found: dict[str, list[str]] = {}
    for line in lines:
        who, _, rest = line.partition(" ")
        event = rest.split()[0]
        way = "states" if event in _STATES else "bridges" if event.startswith("Bridge") else event
        found.setdefault(f"{who} {way}", []).append(rest.strip())
    return found
