"""A small Asterisk that only talks: what happens on it comes out as the events of a real one, and it can be asked.

Headers, their order and the order of events are those that 22.10.1 sent (16.28 sends the same); `test_story.py`
holds them against what was heard. What it keeps of a channel is what a Status of it would say, so that the answers
of a resync come from here and not from the picture under test.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bridge.calls import CDR_VARIABLES, STATUS_VARIABLES, Headers

DOWN, RING, RINGING, UP = 0, 4, 5, 6
_STATES = {DOWN: "Down", RING: "Ring", RINGING: "Ringing", UP: "Up"}

PICKUP = tuple(name for name in STATUS_VARIABLES if name.startswith("UAPI_"))
"""The variables of a pickup leg that are asked for."""

Told = dict[str, str | list[str]]
"""An event as a dict."""


@dataclass(slots=True, eq=False)
class Room:
    """A bridge."""

    id: str
    type: str = "basic"
    technology: str = "simple_bridge"
    creator: str = "<unknown>"
    members: list["Chan"] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Chan:
    """A channel, as Asterisk keeps it."""

    name: str
    uniqueid: str
    linkedid: str
    born: float
    state: int
    number: str = ""
    display: str = ""
    other_number: str = ""
    other_display: str = ""
    context: str = "internal"
    exten: str = "s"
    dnid: str = ""
    room: Room | None = None
    dialler: "Chan | None" = None
    started: float = 0.0
    answered: float = 0.0
    """``started`` and this as its CDR has them, which begins anew now and then."""
    up_since: float = 0.0
    hears_music: bool = False
    """Whether it was put on hold, which is what CHANNEL(onhold) says."""
    variables: dict[str, str] = field(default_factory=dict)
    announced: bool = False
    replaced: bool = False
    """Whether it has come into another's place by masquerade."""
    known: bool = True
    """Whether its variables are set yet: an Originate announces its channel a moment before."""

    @property
    def extension(self) -> str:
        return self.name.partition("/")[2].rpartition("-")[0] if self.name.startswith("PJSIP/") else ""

    @property
    def local(self) -> bool:
        return self.name.startswith("Local/")

    def headers(self, prefix: str = "") -> Told:
        """What every event about a channel says of it."""
        return {
            f"{prefix}Channel": self.name,
            f"{prefix}ChannelState": str(self.state),
            f"{prefix}ChannelStateDesc": _STATES[self.state],
            f"{prefix}CallerIDNum": self.number or "<unknown>",
            f"{prefix}CallerIDName": self.display or "<unknown>",
            f"{prefix}ConnectedLineNum": self.other_number or "<unknown>",
            f"{prefix}ConnectedLineName": self.other_display or "<unknown>",
            f"{prefix}Language": "en",
            f"{prefix}AccountCode": "",
            f"{prefix}Context": self.context,
            f"{prefix}Exten": self.exten,
            f"{prefix}Priority": "1",
            f"{prefix}Uniqueid": self.uniqueid,
            f"{prefix}Linkedid": self.linkedid,
        }


@dataclass(slots=True, eq=False)
class Slot:
    """A parking slot that is taken."""

    space: str
    parkee: Chan
    parker: str
    since: float


@dataclass(slots=True)
class Moment:
    """An event and when it came."""

    event: Headers
    at: float


class Pbx:
    """Channels, bridges, queues and slots, and the events that tell of them."""

    def __init__(self, *, system: str = "", start: float = 1795465922.25, sequence: int = 0) -> None:
        self.now = start
        self.system = f"{system}-" if system else ""
        self.sequence = sequence
        self.channels: dict[str, Chan] = {}
        self.rooms: list[Room] = []
        self.slots: dict[str, Slot] = {}
        self.waiting: dict[str, list[Chan]] = {}
        self.said: list[Moment] = []
        self.on_event: Callable[[Headers, float], None] = lambda _, __: None
        self._ages: dict[str, int] = {}
        self._names = 0
        self._resyncs = 0
        self._lot: Room | None = None
        self.amid = False
        """Whether the story is amid something that AMI tells in two events of the same moment."""

    # --- saying

    def say(self, name: str, *parts: Told, kind: str = "call", **more: str) -> None:
        """Send an event; a millisecond goes by."""
        event: Told = {"Event": name, "Privilege": f"{kind},all"}
        for part in parts:
            event.update(part)
        event.update(more)
        self.now += 0.001
        self.said.append(Moment(event, self.now))
        self.on_event(event, self.now)

    def passes(self, seconds: float) -> None:
        """Let time go by."""
        self.now += seconds

    # --- channels

    def uniqueid(self) -> str:
        """The next id that Asterisk gives."""
        self.sequence += 1
        return f"{self.system}{int(self.now)}.{self.sequence - 1}"

    def new(self, device: str, state: int, *, linkedid: str = "", uniqueid: str = "", **more: str) -> Chan:
        """Make a channel and announce it."""
        self._names += 1
        name = device if device.startswith("Local/") else f"{device}-{self._names:08x}"
        return self.announce(self.make(name, state, linkedid=linkedid, uniqueid=uniqueid, **more))

    def make(self, name: str, state: int, *, linkedid: str = "", uniqueid: str = "", **more: str) -> Chan:
        """Make a channel and say nothing of it yet."""
        own = uniqueid or self.uniqueid()
        chan = Chan(name, own, linkedid or own, self.now, state, started=self.now, **more)  # type: ignore[arg-type]  # texts
        self.channels[own] = chan
        self._ages.setdefault(own, len(self._ages))
        if state == UP:
            chan.answered = chan.up_since = self.now
        return chan

    def announce(self, chan: Chan) -> Chan:
        chan.announced = True
        self.say("Newchannel", chan.headers())
        return chan

    def state(self, chan: Chan, state: int) -> None:
        chan.state = state
        if state == UP and not chan.up_since:
            chan.answered = chan.up_since = self.now
        self.say("Newstate", chan.headers())

    def caller_id(self, chan: Chan, number: str, display: str = "") -> None:
        chan.number, chan.display = number, display
        self.say("NewCallerid", chan.headers(), {"CID-CallingPres": "0 (Presentation Allowed, Not Screened)"})

    def connected(self, chan: Chan, number: str, display: str = "") -> None:
        """Tell a channel who is at the other end; nothing is said where it knows."""
        if (chan.other_number, chan.other_display) == (number, display):
            return
        chan.other_number, chan.other_display = number, display
        self.say("NewConnectedLine", chan.headers())

    def dial(self, caller: Chan | None, callee: Chan) -> None:
        callee.dialler = caller
        by = caller.headers() if caller else {}
        self.say("DialBegin", by, callee.headers("Dest"), DialString=callee.name.rpartition("-")[0])

    def hang_up(self, chan: Chan, cause: int = 16) -> None:
        """End a channel, out of its bridge first."""
        if chan.room:
            self.leave(chan)
        del self.channels[chan.uniqueid]
        for line in self.waiting.values():
            if chan in line:
                line.remove(chan)
        for space in [space for space, slot in self.slots.items() if slot.parkee is chan]:
            del self.slots[space]
        self.say("Hangup", chan.headers(), {"Cause": str(cause), "Cause-txt": "Normal Clearing"})

    # --- bridges

    def room(
        self, type_: str = "basic", technology: str = "simple_bridge", creator: str = "<unknown>"
    ) -> Room:
        """Make a bridge; what AMI says of that is not asked for."""
        digest = hashlib.md5(str(len(self.said) * 1000 + len(self.rooms)).encode()).hexdigest()
        id_ = "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:]))
        room = Room(id_, type_, technology, creator)
        self.rooms.append(room)
        return room

    def lot(self) -> Room:
        """The one bridge of everybody who is parked."""
        if self._lot is None:
            self._lot = self.room("parking", "holding_bridge", "Parking")
        return self._lot

    def _bridge(self, room: Room) -> Told:
        return {
            "BridgeUniqueid": room.id,
            "BridgeType": room.type,
            "BridgeTechnology": room.technology,
            "BridgeCreator": room.creator,
            "BridgeName": "<unknown>",
            "BridgeNumChannels": str(len(room.members)),
            "BridgeVideoSourceMode": "none",
        }

    def enter(self, chan: Chan, room: Room, *, swap: Chan | None = None, instead: Chan | None = None) -> None:
        """Put a channel into a bridge: those in a conversation all take the oldest Linkedid, which only it tells.

        Args:
            chan: Who enters.
            room: The bridge.
            swap: Who leaves it for that.
            instead: Who is in that one's place by masquerade before AMI tells of it.
        """
        assert chan.room is None, f"{chan.name} is in a bridge"
        if room.type == "basic":
            if not chan.dnid:
                chan.exten = ""
            oldest = min((one.linkedid for one in (*room.members, chan)), key=lambda id_: self._ages[id_])
            for one in (*room.members, chan):
                one.linkedid = oldest
        if swap:
            for one in (*room.members, chan):
                one.started = one.answered = self.now
        room.members.append(chan)
        chan.room = room
        if instead:
            self.replace(chan, instead)
        self.say(
            "BridgeEnter",
            self._bridge(room),
            chan.headers(),
            {"SwapUniqueid": swap.uniqueid} if swap else {},
        )

    def leave(self, chan: Chan) -> None:
        room = chan.room
        assert room, f"{chan.name} is in no bridge"
        room.members.remove(chan)
        chan.room, chan.hears_music = None, False
        self._forget(room)
        chan.started = chan.answered = self.now  # its CDR begins anew
        self.say("BridgeLeave", self._bridge(room), chan.headers())

    def replace(self, target: Chan, successor: Chan) -> None:
        """Put a channel in another's place by masquerade: nothing is announced, and no Linkedid changes."""
        room = target.room
        assert room
        room.members[room.members.index(target)] = successor
        target.room, successor.room, successor.replaced = None, room, True

    @property
    def settled(self) -> bool:
        """Whether AMI has had the time to tell what has come about, and Asterisk still knows it.

        Whose call a leg is in that came by masquerade is known as long as it is with somebody.
        """
        return not self.amid and all(
            chan.announced and (not chan.replaced or self._accompanied(chan))
            for chan in self.channels.values()
        )

    @staticmethod
    def _accompanied(chan: Chan) -> bool:
        return chan.room is not None and chan.room.type == "basic" and len(chan.room.members) > 1

    def _forget(self, room: Room) -> None:
        if not room.members and room is not self._lot:
            self.rooms.remove(room)

    def hold(self, chan: Chan) -> None:
        """A phone puts the other end on hold."""
        self._music(chan, on=True)
        self.say("Hold", chan.headers(), MusicClass="default")

    def unhold(self, chan: Chan) -> None:
        self._music(chan, on=False)
        self.say("Unhold", chan.headers())

    def _music(self, chan: Chan, *, on: bool) -> None:
        for other in chan.room.members if chan.room else ():
            if other is not chan:
                other.hears_music = on

    # --- waiting places

    def _slot(self, slot: Slot) -> Told:
        duration = int(self.now - slot.since)
        return {
            **slot.parkee.headers("Parkee"),
            "ParkerDialString": slot.parker,
            "Parkinglot": "default",
            "ParkingSpace": slot.space,
            "ParkingTimeout": str(max(0, 300 - duration)),
            "ParkingDuration": str(duration),
        }

    def park(self, chan: Chan, parker: str, space: str = "") -> Slot:
        """Give a channel a slot; its way into the lot's bridge is told separately."""
        space = space or next(str(n) for n in range(701, 721) if str(n) not in self.slots)
        slot = self.slots[space] = Slot(space, chan, parker, self.now)
        self.say("ParkedCall", self._slot(slot))
        return slot

    def tells_swap(self, slot: Slot) -> None:
        """Say that a channel has taken another's place in a slot."""
        self.say("ParkedCallSwap", self._slot(slot))

    def unpark(self, slot: Slot, event: str, retriever: Chan | None = None) -> None:
        """Free a slot: UnParkedCall, ParkedCallGiveUp or ParkedCallTimeOut."""
        del self.slots[slot.space]
        self.say(event, self._slot(slot), retriever.headers("Retriever") if retriever else {})

    def join(self, chan: Chan, queue: str) -> None:
        line = self.waiting.setdefault(queue, [])
        line.append(chan)
        at = str(len(line))
        self.say("QueueCallerJoin", chan.headers(), kind="agent", Queue=queue, Position=at, Count=at)

    def queue_of(self, chan: Chan) -> str:
        return next((name for name, line in self.waiting.items() if chan in line), "")

    def leave_queue(self, chan: Chan, *, abandon: bool = False) -> None:
        queue = self.queue_of(chan)
        self.waiting[queue].remove(chan)
        if abandon:
            self.say(
                "QueueCallerAbandon", chan.headers(), kind="agent", Queue=queue, Position="1", HoldTime="1"
            )
        self.say("QueueCallerLeave", chan.headers(), kind="agent", Queue=queue, Position="1", Count="0")

    # --- answering

    def rows(self) -> list[Told]:
        """What the questions of a resync are answered with, in their order."""
        self._resyncs += 1
        return list(self._rows(f"resync-{self._resyncs}"))

    def _rows(self, prefix: str) -> Iterator[Told]:
        for room in self.rooms:
            yield {"Event": "BridgeListItem", "ActionID": f"{prefix}/BridgeList", **self._bridge(room)}
        yield self._end("BridgeListComplete", f"{prefix}/BridgeList", len(self.rooms))
        for slot in self.slots.values():
            yield {"Event": "ParkedCall", **self._slot(slot), "ActionID": f"{prefix}/ParkedCalls"}
        yield self._end("ParkedCallsComplete", f"{prefix}/ParkedCalls", len(self.slots))
        for queue, line in self.waiting.items():
            for position, chan in enumerate(line, 1):
                yield {
                    "Event": "QueueEntry",
                    "Queue": queue,
                    "Position": str(position),
                    "Channel": chan.name,
                    "Uniqueid": chan.uniqueid,
                    "CallerIDNum": chan.number,
                    "CallerIDName": chan.display,
                    "ConnectedLineNum": "unknown",
                    "ConnectedLineName": "unknown",
                    "Wait": "0",
                    "Priority": "0",
                    "ActionID": f"{prefix}/QueueStatus",
                }
        yield self._end("QueueStatusComplete", f"{prefix}/QueueStatus", 0)
        yield self._end("DeviceStateListComplete", f"{prefix}/DeviceStateList", 0)
        for chan in reversed(self.channels.values()):
            yield self.status(chan, f"{prefix}/Status")
        yield self._end("StatusComplete", f"{prefix}/Status", len(self.channels))

    @staticmethod
    def _end(event: str, action_id: str, items: int) -> Told:
        return {"Event": event, "ActionID": action_id, "EventList": "Complete", "ListItems": str(items)}

    def status(self, chan: Chan, action_id: str) -> Told:
        """A row of Status."""
        told = {
            CDR_VARIABLES[0]: f"{chan.answered:.6f}",
            CDR_VARIABLES[1]: f"{chan.started:.6f}",
            "CHANNEL(onhold)": str(int(chan.hears_music)),
        }
        known = chan.variables if chan.known else {}
        for name in PICKUP:
            told[name] = known.get(name, "(null)")
        return {
            "Event": "Status",
            **chan.headers(),
            "Privilege": "Call",
            "Type": chan.name.partition("/")[0],
            "DNID": chan.dnid,
            "TimeToHangup": "0",
            "BridgeID": chan.room.id if chan.room else "",
            "Application": "AppDial",
            "Seconds": str(int(self.now - chan.born)),
            "Variable": [f"{name}={value}" for name, value in told.items()],
            "ActionID": action_id,
        }

    def status_alone(self, chan: Chan, action_id: str = "Status/7") -> list[Told]:
        """What a Status of this one channel is answered with."""
        return [self.status(chan, action_id), self._end("StatusComplete", action_id, 1)]
