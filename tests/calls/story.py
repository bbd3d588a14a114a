"""The vocabulary of the stories: who dials whom, who answers, holds, parks, transfers, picks up.

A story is told in verbs, `story.dials("0003*100", "0003*210")`; what Asterisk 22 sends when that happens reaches
`story.live`, a picture that sees everything from the beginning. `story.fresh()` is one that is started just now.
"""

from collections.abc import Callable
from typing import Any, Literal

from bridge.calls import Headers, Picture
from bridge.endpoints import Endpoints
from bridge.grammar import CallId, Extension, PickupId
from calls.pbx import DOWN, RING, RINGING, UP, Chan, Moment, Pbx, Room

QUEUES = {
    "support": Extension("0003*900"),
    "nobody": Extension("0003*901"),
    "one": Extension("0003*902"),
}
"""Queues that have an extension."""

OUTSIDE = "+4930900100"


def picture() -> Picture:
    """A picture that knows nothing yet, and keeps lists of all calls and of those at each last digit."""
    one = Picture(Endpoints.default(), QUEUES)
    one.keep_lists(lambda extension: ("all", extension[-1]))
    return one


def short(phone: str) -> str:
    """What a phone's display name is made of: 0003*210 is Ext 210."""
    return phone.rpartition("*")[2]


class Story(Pbx):
    """A small PBX with phones, and a picture that listens.

    Args:
        system: The PBX's `systemname`.
        start: The time at which it begins, seconds since 1970.
        sequence: The number of its first channel.
    """

    def __init__(self, *, system: str = "", start: float = 1795465922.25, sequence: int = 0) -> None:
        super().__init__(system=system, start=start, sequence=sequence)
        self.live = picture()
        self.consulting: dict[str, Chan] = {}
        """Whom the one has on hold who consults a third, by that one's Uniqueid."""
        self.action_ids: dict[str, str] = {}
        """The ActionID of the Originate that made a channel."""
        self.after: Callable[[], None] = lambda: None
        """Called when an event has been taken in."""
        self.on_event = self._hear

    def _hear(self, event: Headers, at: float) -> None:
        self.live.apply(event, at)
        self.after()

    # --- pictures

    def fresh(self) -> Picture:
        """What a bridge shows that starts now."""
        return self.tell(picture())

    def tell(self, one: Picture) -> Picture:
        """Resynchronise a picture."""
        for row in self.rows():
            one.apply(row, self.now)
        return one

    def resyncs(self) -> None:
        """The bridge resynchronises."""
        self.tell(self.live)

    def replayed(self, moments: list[Moment] | None = None) -> Picture:
        """What a picture shows that hears the events so far."""
        one = picture()
        for moment in self.said if moments is None else moments:
            one.apply(moment.event, moment.at)
        return one

    # --- who

    def chan(self, phone: str) -> Chan:
        """The latest channel of a phone."""
        return [chan for chan in self.channels.values() if chan.extension == phone][-1]

    def ringing(self, phone: str) -> Chan:
        """The channel that rings at a phone."""
        return [chan for chan in self.channels.values() if chan.extension == phone and chan.state == RINGING][
            -1
        ]

    def call_of(self, phone: str) -> CallId:
        """The id of the call that a phone is in."""
        return CallId.of(self.chan(phone).linkedid)

    def partner(self, chan: Chan) -> Chan | None:
        """Who else is in a channel's conversation."""
        room = chan.room
        if room is None or room.type != "basic":
            return None
        return next((one for one in room.members if one is not chan), None)

    def half(self, chan: Chan) -> Chan | None:
        """The other half of a Local channel."""
        name = chan.name[:-1] + ("2" if chan.name.endswith("1") else "1")
        return next((one for one in self.channels.values() if one.name == name), None)

    def far_end(self, chan: Chan) -> Chan | None:
        """The party that a channel talks with, through Local pairs."""
        other = self.partner(chan)
        while other is not None and other.local:
            half = self.half(other)
            other = self.partner(half) if half else None
        return other

    # --- calling

    def comes_in(
        self, phone: str, dialled: str, *, device: str = "", uniqueid: str = "", answered: bool = False
    ) -> Chan:
        """A phone, or the trunk, has dialled: Asterisk has its channel."""
        outside = phone.startswith("+")
        return self.new(
            device or ("PJSIP/trunk" if outside else f"PJSIP/{phone}"),
            UP if answered else RING,
            uniqueid=uniqueid,
            number=phone,
            display="Outside Caller" if outside else f"Ext {short(phone)}",
            exten=dialled,
            dnid=dialled,
        )

    def rings(self, caller: Chan, phone: str, *, shown: Chan | None = None) -> Chan:
        """Dial() makes a phone's channel; it does not ring yet."""
        shown = shown or caller
        callee = self.new(
            f"PJSIP/{phone}", DOWN, linkedid=caller.linkedid, number=phone, display=f"Ext {short(phone)}"
        )
        callee.exten = caller.exten
        self.connected(callee, shown.number, shown.display)
        return callee

    def dials(self, phone: str, dialled: str, *also: str, uniqueid: str = "") -> Chan:
        """A phone dials another, and it rings; with more of them all ring at once."""
        caller = self.comes_in(phone, dialled, uniqueid=uniqueid)
        self.forks(caller, dialled, *also)
        return caller

    def forks(self, caller: Chan, *phones: str) -> list[Chan]:
        """A caller's Dial() rings phones."""
        callees = [self.rings(caller, phone) for phone in phones]
        for callee in callees:
            self.dial(caller, callee)
        if len(callees) == 1:
            self.connected(caller, callees[0].number, callees[0].display)
        for callee in callees:
            self.state(callee, RINGING)
        return callees

    def dials_through_local(self, phone: str, dialled: str, target: str) -> Chan:
        """A phone dials a number that rings another by way of Local/...: one call, two halves in it."""
        caller = self.comes_in(phone, dialled)
        one, two = self.local_pair(target, caller.linkedid)
        one.exten = dialled
        self.known_as(one, (dialled, ""), (caller.number, caller.display))
        self.known_as(two, (caller.number, caller.display), (dialled, ""))
        self.dial(caller, one)
        callee = self.rings(two, target, shown=caller)
        self.dial(two, callee)
        self.connected(two, callee.number, callee.display)
        self.state(callee, RINGING)
        self.state(one, RINGING)
        self.caller_id(one, callee.number, callee.display)
        self.connected(caller, callee.number, callee.display)
        return caller

    def known_as(self, chan: Chan, own: tuple[str, str], other: tuple[str, str]) -> None:
        """A Local half is told its own party and the other in one go."""
        (chan.number, chan.display), (chan.other_number, chan.other_display) = own, other
        self.caller_id(chan, *own)
        self.say("NewConnectedLine", chan.headers())

    def local_pair(self, target: str, linkedid: str) -> tuple[Chan, Chan]:
        self._names += 1
        name = f"Local/{target}@internal-{self._names:08x}"
        one = self.new(f"{name};1", DOWN, linkedid=linkedid, exten=target)
        two = self.new(f"{name};2", RING, linkedid=linkedid, exten=target)
        return one, two

    def clicks(self, phone: str, dialled: str, uniqueid: str = "") -> Chan:
        """A web page has a phone rung, which is to call another then."""
        caller = self.new(
            f"PJSIP/{phone}", DOWN, uniqueid=uniqueid, number=phone, display=f"Ext {short(phone)}"
        )
        self.caller_id(caller, dialled, "Web")
        self.connected(caller, dialled, "Web")
        self.dial(None, caller)
        self.state(caller, RINGING)
        return caller

    # --- answering

    def answers(self, phone: str) -> Chan:
        """Whatever rings at a phone is answered."""
        callee = self.ringing(phone)
        self.state(callee, UP)
        caller = callee.dialler
        if caller is None:
            self._responds(callee, "Success", "4")
            return callee
        self._others(caller, callee, lambda: self._taken(caller, callee))
        self.together(callee, caller)
        return callee

    def _taken(self, caller: Chan, callee: Chan) -> None:
        if self.queue_of(caller):
            self.connected(caller, callee.number, callee.display)
            self.leave_queue(caller)
        elif [one for one in self.channels.values() if one.dialler is caller and one.state == RINGING]:
            self.connected(caller, callee.number, callee.display)
        if caller.state != UP and not caller.local:
            self.state(caller, UP)

    def _others(self, caller: Chan, callee: Chan, first: Callable[[], None]) -> None:
        others = [
            one
            for one in self.channels.values()
            if one.dialler is caller and one is not callee and one.state == RINGING
        ]
        first()
        for other in others:
            self.hang_up(other, 26)

    def together(self, callee: Chan, caller: Chan) -> None:
        """Dial bridges who answered with who called, back through a Local pair."""
        room = self.room()
        if not caller.local:
            self.enter(callee, room)
            if caller.room:
                self.leave(caller)
            self.enter(caller, room)
            return
        one = self.half(caller)
        assert one
        self.state(caller, UP)
        self.enter(callee, room)
        self.state(one, UP)
        first = one.dialler
        if first is not None:
            self._taken(first, one)
        self.enter(caller, room)
        if first is not None:
            self.together(one, first)

    def optimises(self, phone: str) -> None:
        """The Local pair between a phone and the other is optimised away, now that sound flows."""
        callee = self.chan(phone)
        two = self.partner(callee)
        assert two
        one = self.half(two)
        assert one and one.room
        room = one.room
        self.leave(callee)
        self.leave(one)
        self.enter(callee, room, swap=one)
        self.leave(two)
        self.hang_up(two)
        self.hang_up(one)

    # --- ending

    def hangs_up(self, phone: str, cause: int = 16) -> None:
        """A phone hangs up, and whoever it was with goes too."""
        self.ends(self.chan(phone), cause)

    def ends(self, chan: Chan, cause: int = 16) -> None:
        """A channel's phone hangs up."""
        for callee in self._called(chan):
            self.hang_up(callee, cause)
        if queue := self.queue_of(chan):
            assert queue
            self.leave_queue(chan, abandon=True)
        slot = next((slot for slot in self.slots.values() if slot.parkee is chan), None)
        if slot:
            self.unpark(slot, "ParkedCallGiveUp")
        other = self.partner(chan)
        if chan.room:
            self.leave(chan)
        self._lets_go(other)
        self.hang_up(chan, cause)

    def _lets_go(self, other: Chan | None) -> None:
        """Who was with somebody that is gone, goes; a Local half takes its pair along."""
        while other is not None:
            self.hang_up(other)
            half = self.half(other) if other.local else None
            other = self.partner(half) if half else None
            if half is not None:
                self.hang_up(half)

    def _called(self, caller: Chan) -> list[Chan]:
        """What rings for a caller, through Local pairs, the phones first."""
        found: list[Chan] = []
        for one in list(self.channels.values()):
            if one.dialler is caller and one.state in (DOWN, RINGING):
                half = self.half(one) if one.local else None
                if half is not None:
                    found += [*self._called(half), half]
                found.append(one)
        return found

    def declines(self, phone: str) -> None:
        """A phone refuses what rings; a caller nobody else rings for falls into the voicemail."""
        callee = self.ringing(phone)
        caller = callee.dialler
        self.hang_up(callee, 17)
        if caller is not None:
            self.falls_through(caller)

    def stops_ringing(self, phone: str) -> None:
        """The ring's time is over: Dial's, or the queue's round."""
        callee = self.ringing(phone)
        caller = callee.dialler
        self.hang_up(callee, 0)
        if caller is not None:
            self.falls_through(caller)

    def falls_through(self, caller: Chan) -> None:
        """A caller for whom nothing rings any more goes to the voicemail, unless he waits in a queue."""
        if self.queue_of(caller) or self._called(caller) or caller.local:
            return
        caller.started = self.now
        if caller.state != UP:
            self.state(caller, UP)
        caller.answered = caller.started

    # --- holding, waiting

    def holds(self, phone: str) -> None:
        self.hold(self.chan(phone))

    def resumes(self, phone: str) -> None:
        self.unhold(self.chan(phone))

    def parks_himself(self, phone: str, dialled: str = "0003*807") -> Chan:
        """A caller's dialplan answers and parks him."""
        chan = self.comes_in(phone, dialled)
        self.state(chan, UP)
        self.park(chan, chan.name.rpartition("-")[0])
        self.enter(chan, self.lot())
        return chan

    def parks(self, phone: str) -> Chan:
        """A phone transfers the other party to the parking extension, and stays on to hear the slot."""
        parker = self.chan(phone)
        parkee = self.partner(parker)
        assert parkee
        self.unhold(parker)
        self.park(parkee, f"PJSIP/{phone}")
        self.leave(parkee)
        self.enter(parkee, self.lot())
        return parkee

    def fetches(self, phone: str, space: str = "701", *, leaves_first: bool = False) -> Chan:
        """A phone dials a slot. AMI may tell first that the lot's bridge was left (seen on 22.10)."""
        chan = self.comes_in(phone, space)
        self.state(chan, UP)
        slot = self.slots[space]
        if leaves_first:
            self.leave(slot.parkee)
        self.unpark(slot, "UnParkedCall", chan)
        if not leaves_first:
            self.leave(slot.parkee)
        room = self.room()
        self.enter(slot.parkee, room)
        self.enter(chan, room)
        self.connected(slot.parkee, chan.number, chan.display)
        self.connected(chan, slot.parkee.number, slot.parkee.display)
        return chan

    def comes_back(self, space: str = "701") -> Chan:
        """Nobody has fetched a parked caller: whoever parked him is rung."""
        slot = self.slots[space]
        self.unpark(slot, "ParkedCallTimeOut")
        self.leave(slot.parkee)
        return self.forks(slot.parkee, slot.parker.partition("/")[2])[0]

    def queues(self, phone: str, queue: str, *agents: str, dialled: str = "", answered: bool = True) -> Chan:
        """A caller joins a queue; the agents ring."""
        chan = self.comes_in(phone, dialled or str(QUEUES.get(queue, "0003*905")))
        if answered:
            self.state(chan, UP)
        self.join(chan, queue)
        self.calls_agents(chan, *agents)
        return chan

    def calls_agents(self, chan: Chan, *agents: str) -> None:
        """A round of the queue begins."""
        for agent in agents:
            callee = self.new(
                f"PJSIP/{agent}", DOWN, linkedid=chan.linkedid, number=agent, display=f"Ext {short(agent)}"
            )
            callee.exten = chan.exten
            self.dial(chan, callee)
            self.state(callee, RINGING)
            self.connected(callee, chan.number, chan.display)

    def confers(self, phone: str, room: Room | None = None, technology: str = "softmix") -> Room:
        """A phone dials a conference."""
        chan = self.comes_in(phone, "0003*803")
        self.state(chan, UP)
        room = room or self.room("base", technology, "ConfBridge")
        self.enter(chan, room)
        return room

    # --- transfers

    def transfers(self, phone: str, to: str) -> Chan:
        """A phone transfers the other party to another phone, blindly: that one rings."""
        chan = self.chan(phone)
        other = self.partner(chan)
        assert other
        self.unhold(chan)
        self.leave(chan)
        self.leave(other)
        self.hang_up(chan)
        return self.forks(other, to)[0]

    def transfers_early(
        self, first: Chan, second: Chan, *, app: str = "Dial", by_second: bool = False
    ) -> None:
        """A phone puts the other party of one of its calls where it is itself in another: it rings there, or he waits.

        Args:
            first: Its talk.
            second: Its other call.
            app: What that one is in.
            by_second: Whether it says so in that one.
        """
        assert first.room
        other = next(member for member in first.room.members if member is not first)
        self.unhold(first)
        bridge = self._bridge(first.room)
        if by_second:
            talk = {header.replace("Bridge", "SecondBridge", 1): value for header, value in bridge.items()}
            parties = (
                second.headers("OrigTransferer"),
                first.headers("SecondTransferer"),
                talk,
                other.headers("TransferTarget"),
            )
        else:
            talk = {header.replace("Bridge", "OrigBridge", 1): value for header, value in bridge.items()}
            parties = (
                first.headers("OrigTransferer"),
                talk,
                second.headers("SecondTransferer"),
                other.headers("Transferee"),
            )
        self.say(
            "AttendedTransfer", {"Result": "Success"}, *parties, IsExternal="No", DestType="App", DestApp=app
        )
        for called in self.channels.values():
            if called.dialler is second:
                called.dialler = other
        for line in self.waiting.values():
            line[:] = [other if waiting is second else waiting for waiting in line]
        self.leave(first)
        self.leave(other)
        self.hang_up(first)
        self.hang_up(second)

    def consults(self, phone: str, third: str) -> Chan:
        """A phone presses *2 and a number: the other party is held, the third phone rings."""
        chan = self.chan(phone)
        held = self.partner(chan)
        assert held
        self.consulting[chan.uniqueid] = held
        self.hold(chan)
        one, two = self.local_pair(third, chan.linkedid)
        self.caller_id(two, chan.number, chan.display)
        self.connected(one, chan.number, chan.display)
        aside = self.room()
        self.enter(one, aside)
        callee = self.rings(two, third, shown=chan)
        self.dial(two, callee)
        self.leave(chan)
        self.connected(two, callee.number, callee.display)
        self.enter(chan, aside)
        self.caller_id(one, callee.number, callee.display)
        self.connected(chan, callee.number, callee.display)
        self.state(callee, RINGING)
        self.state(one, RINGING)
        return callee

    def completes(self, phone: str) -> None:
        """The one who consulted hangs up: the other two are together, by way of the Local pair."""
        chan = self.chan(phone)
        one = self.partner(chan)
        assert one and one.local
        left = self.consulting[chan.uniqueid]
        held = left.room
        assert held
        left.hears_music = False
        self.leave(chan)
        self.leave(one)
        self.enter(one, held)
        two = self.half(one)
        third = self.partner(two) if two else None
        assert two and third
        self.connected(one, left.number, left.display)
        self.connected(left, third.number, third.display)
        self.hang_up(chan)
        self.connected(third, left.number, left.display)
        self.caller_id(two, left.number, left.display)

    def returns(self, phone: str, to: str) -> None:
        """The third party hangs up: the one who consulted is back with the one who was held."""
        chan, held = self.chan(phone), self.chan(to)
        one = self.partner(chan)
        assert one and held.room
        two = self.half(one)
        assert two
        third = self.partner(two)
        if third is not None:
            self.leave(third)
            self.leave(two)
        self.hang_up(two)
        self.leave(one)
        self.leave(chan)
        self.amid = True
        self.enter(chan, held.room)
        self.amid = False
        self.unhold(chan)
        self.connected(chan, held.number, held.display)
        if third is not None:
            self.hang_up(third)
        self.hang_up(one)

    def bridges(self, one: Chan, other: Chan) -> None:
        """AMI's Bridge action takes two channels out of their conversations into a new one."""
        room, lonely = self.room(), [self.partner(one), self.partner(other)]
        for chan in (one, other):
            self.leave(chan)
            self.enter(chan, room)
        self.connected(one, other.number, other.display)
        self.connected(other, one.number, one.display)
        for left in lonely:
            assert left
            self.hang_up(left)

    def merges(self, chan: Chan, into: Chan) -> None:
        """A channel is taken out of its conversation into another's, whose other end goes: REFER with Replaces."""
        left, gone, room = self.partner(chan), self.partner(into), into.room
        assert room and left and gone
        into.hears_music = False
        self.leave(chan)
        self.enter(chan, room)
        self.leave(gone)
        self.leave(left)
        self.connected(into, chan.number, chan.display)
        self.connected(chan, into.number, into.display)
        self.hang_up(gone)
        self.hang_up(left)

    # --- pickups

    def originates(
        self,
        to: str,
        target: Chan,
        source: Chan,
        *,
        mode: str,
        view: str = "01",
        n: int = 1,
        queue: bool = False,
        call: CallId | None = None,
        by: str = "1b",
        known: bool = True,
        rings: bool = True,
        **more: str,
    ) -> Chan:
        """The bridge has a phone rung to pick a call up; the phone rings, and says so."""
        id_ = PickupId.of(call or CallId.of(target.linkedid), n)
        chan = self.new(f"PJSIP/{to}", DOWN, uniqueid=id_, number=to, display=f"Ext {short(to)}")
        chan.known = known
        caller, dialled = self._ends(target.linkedid)
        chan.variables = {
            "UAPI_VIEW": view,
            "UAPI_FROM": target.extension or target.number,
            "UAPI_TO": to,
            "UAPI_SOURCE": source.uniqueid,
            "UAPI_TARGET": target.uniqueid,
            "UAPI_MODE": mode,
            "UAPI_QUEUE": "1" if queue else "",
            "UAPI_BY": by,
            "UAPI_ANSWERED": self._answered(target if mode == "talking" else source),
            "UAPI_SINCE": self._answered(source),
            "UAPI_CALLER": caller,
            "UAPI_DIALLED": dialled,
            **more,
        }
        if known:
            self.tells_order(chan)
        self.connected(chan, to, f"Ext {short(to)}")
        self.dial(None, chan)
        if rings:
            self.state(chan, RINGING)
        return chan

    def _ends(self, linkedid: str) -> tuple[str, str]:
        """Who called, and what was dialled, as the bridge would hand it on."""
        origin = self.channels.get(linkedid)
        if origin is not None:
            return origin.number, origin.dnid
        told = [
            chan.variables for chan in self.channels.values() if chan.linkedid == linkedid and chan.variables
        ]
        return (told[-1]["UAPI_CALLER"], told[-1]["UAPI_DIALLED"]) if told else ("", "")

    @staticmethod
    def _answered(chan: Chan) -> str:
        """When a view was answered, as the bridge would hand it on."""
        if chan.variables.get("UAPI_MODE") == "talking" and chan.variables["UAPI_ANSWERED"]:
            return chan.variables["UAPI_ANSWERED"]
        return f"{chan.up_since:.6f}" if chan.up_since else ""

    def tells_order(self, chan: Chan) -> None:
        """The bridge has asked what the pickup leg is for, and is told."""
        for row in self.status_alone(chan):
            self.live.apply(row, self.now)
        self.after()

    def picks_ringing(self, to: str, phone: str, **more: Any) -> Chan:
        """A phone is rung to take what rings at another."""
        target = self.ringing(phone)
        source = self.caller_of(target)
        return self.originates(to, target, source, mode="ringing", queue=bool(self.queue_of(source)), **more)

    def picks_talking(self, to: str, phone: str, **more: Any) -> Chan:
        """A phone is rung to take a talking phone's place."""
        target = self.chan(phone)
        source = self.far_end(target)
        assert source
        return self.originates(to, target, source, mode="talking", **more)

    def picks_waiting(self, to: str, phone: str, view: str = "00", **more: Any) -> Chan:
        """A phone is rung to take a waiting caller."""
        target = self.chan(phone)
        return self.originates(to, target, target, mode="waiting", view=view, **more)

    def caller_of(self, callee: Chan) -> Chan:
        """Whose call rings a channel, through Local pairs."""
        caller = callee.dialler
        while caller is not None and caller.local:
            half = self.half(caller)
            assert half
            caller = self.far_end(half) or half.dialler
        assert caller
        return caller

    def takes(self, to: str) -> Chan:
        """The rung phone answers, and its dialplan takes the call over."""
        chan = self.ringing(to)
        self.state(chan, UP)
        self._responds(chan, "Success", "4")
        chan.exten, chan.context = "pickup", "uapi-pickup"
        target = self.channels.get(chan.variables["UAPI_TARGET"])
        if target is not None and target.state == RINGING:
            self._picks_up(chan, target)
        else:
            self._bridges(chan, self.channels[chan.variables["UAPI_SOURCE"]])
        return chan

    def _responds(self, chan: Chan, response: str, reason: str) -> None:
        self.say(
            "OriginateResponse",
            ActionID=self.action_ids.get(chan.uniqueid, ""),
            Response=response,
            Channel=chan.name,
            Context="uapi-pickup",
            Exten="pickup",
            Reason=reason,
            Uniqueid=chan.uniqueid,
            CallerIDNum=chan.number,
            CallerIDName=chan.display,
        )

    def _picks_up(self, chan: Chan, target: Chan) -> None:
        """PickupChan of a ringing target."""
        caller = target.dialler
        assert caller
        self.connected(chan, caller.number, caller.display)
        self.say("Pickup", chan.headers(), target.headers("Target"))
        self.connected(caller, chan.number, chan.display)
        chan.dialler = caller
        self._others(caller, target, lambda: self._gives(caller, target))
        one = self.half(caller) if caller.local else None
        if one and one.dialler:
            self.connected(one.dialler, chan.number, chan.display)
        self.together(chan, caller)
        if one:
            self.caller_id(one, chan.number, chan.display)

    def _gives(self, caller: Chan, target: Chan) -> None:
        if caller.state != UP and not caller.local and not self.queue_of(caller):
            self.state(caller, UP)
        self.hang_up(target, 26)
        if self.queue_of(caller):
            self.leave_queue(caller)
            if caller.state != UP:
                self.state(caller, UP)

    def masquerades(
        self, to: str, phone: str, *, told: Literal["last", "after the target", "first"] = "last"
    ) -> Chan:
        """Both phones answer at once: PickupChan puts the pickup leg into the target's place in its bridge.

        Args:
            to: The phone that picks up.
            phone: The phone that rang and has answered as well.
            told: When AMI tells of the Pickup: after both others have entered the bridge, after the target alone
                has (heard in 3 of 15 such races), or before them.
        """
        chan, target = self.ringing(to), self.ringing(phone)
        caller = target.dialler
        assert caller
        self.state(chan, UP)
        self._responds(chan, "Success", "4")
        chan.exten, chan.context = "pickup", "uapi-pickup"
        self.connected(chan, caller.number, caller.display)
        self.state(target, UP)
        self.state(caller, UP)
        room = self.room()
        headers, targets = chan.headers(), target.headers("Target")
        if told == "first":
            self.amid = True
            self.say("Pickup", headers, targets)
            self.amid = False
        self.enter(target, room, instead=chan if told == "first" else None)
        if told == "after the target":
            self.replace(target, chan)
            self.say("Pickup", headers, targets)
        self.enter(caller, room)
        if told == "last":
            self.replace(target, chan)
            self.say("Pickup", headers, targets)
            self.connected(caller, chan.number, chan.display)
        self.hang_up(target, 26)
        return chan

    def _bridges(self, chan: Chan, source: Chan) -> None:
        """Bridge() takes the source from where it is."""
        slot = next((slot for slot in self.slots.values() if slot.parkee is source), None)
        if slot:
            self.unpark(slot, "ParkedCallGiveUp")
        old = self.partner(source)
        if source.room:
            self.leave(source)
        if queue := self.queue_of(source):
            if source.state != UP:
                self.state(source, UP)
            self.waiting[queue].remove(source)  # of which no event tells
        room, agents = self.room(), self._called(source)
        self.amid = bool(agents)
        self.enter(source, room)
        self.amid = False
        for agent in agents:
            self.hang_up(agent, 0)
        if old is not None:
            self.leave(old)
        self.enter(chan, room)
        self.connected(source, chan.number, chan.display)
        self.connected(chan, source.number, source.display)
        self._lets_go(old)

    def fails(self, to: str, cause: int, *, reason: str = "0", hangup_first: bool = False) -> None:
        """The rung phone does not take the call."""
        chan = self.ringing(to)
        if hangup_first:
            self.hang_up(chan, cause)
        self._responds(chan, "Failure", reason)
        if not hangup_first:
            self.hang_up(chan, cause)

    def gives_up(self, to: str) -> None:
        """The rung phone has answered, and the dialplan's guard lets it go."""
        chan = self.ringing(to)
        self.state(chan, UP)
        self._responds(chan, "Success", "4")
        self.hang_up(chan, 16)
