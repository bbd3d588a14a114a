"""A day at random: phones call, hold, park, queue, transfer and pick up in any order, and the picture stays true."""

from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from calls.checks import check, differences, nothing_left, planned
from calls.pbx import RING, RINGING, Chan, Room
from calls.story import Story

PHONES = tuple(f"0003*{number}" for number in (100, 101, 102, 210, 211, 212, 213, 214, 215, 216))
TAKERS = ("0003*024", "0003*025", "0003*026")
PICK = st.integers(0, 1000)


class Day(RuleBasedStateMachine):
    """One PBX, and whatever its people do. Each phone is in one call at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.story = Story()
        self.conference: Room | None = None

    # --- who is where

    def free(self, phones: tuple[str, ...] = PHONES) -> list[str]:
        busy = {chan.extension for chan in self.story.channels.values()}
        return [phone for phone in phones if phone not in busy]

    def those(self, which: Callable[[Chan], bool]) -> list[Chan]:
        return [chan for chan in self.story.channels.values() if chan.extension and which(chan)]

    def ringing(self) -> list[Chan]:
        return self.those(lambda chan: chan.state == RINGING and chan.dialler is not None)

    def talking(self) -> list[Chan]:
        """Those who talk directly, with nobody between."""
        return self.those(self._talks)

    def _talks(self, chan: Chan) -> bool:
        other = self.story.partner(chan)
        return other is not None and not other.local

    def through_local(self) -> list[Chan]:
        """Those who talk by way of a Local pair."""
        return self.those(
            lambda chan: (
                (other := self.story.partner(chan)) is not None
                and other.local
                and self.story.far_end(chan) is not None
            )
        )

    def parked(self) -> list[Chan]:
        return [slot.parkee for slot in self.story.slots.values() if slot.parkee.room is self.story.lot()]

    def queued(self) -> list[Chan]:
        return [chan for line in self.story.waiting.values() for chan in line]

    def takers(self) -> list[Chan]:
        return self.those(lambda chan: chan.state == RINGING and chan.uniqueid.startswith("uapi-"))

    # --- what people do

    @precondition(lambda self: len(self.free()) > 2)
    @rule(pick=PICK, kind=st.sampled_from(["plain", "plain", "fork", "local", "click"]))
    def dials(self, pick: int, kind: str) -> None:
        free = self.free()
        caller = free.pop(pick % len(free))
        callee, other = free[0], free[1]
        match kind:
            case "plain":
                self.story.dials(caller, callee)
            case "fork":
                self.story.dials(caller, callee, other)
            case "local":
                self.story.dials_through_local(caller, "0003*801", callee)
            case "click":
                self.story.clicks(caller, callee, f"click-{len(self.story.said)}")

    @precondition(lambda self: self.ringing())
    @rule(pick=PICK, kind=st.sampled_from(["answers", "answers", "declines", "times out"]))
    def ring_ends(self, pick: int, kind: str) -> None:
        ringing = self.ringing()
        phone = ringing[pick % len(ringing)].extension
        match kind:
            case "answers":
                self.story.answers(phone)
            case "declines":
                self.story.declines(phone)
            case "times out":
                self.story.stops_ringing(phone)

    @precondition(lambda self: self.those(lambda chan: chan.state == RINGING and chan.dialler is None))
    @rule()
    def click_is_answered(self) -> None:
        for chan in self.those(lambda chan: chan.state == RINGING and chan.dialler is None):
            if not chan.uniqueid.startswith("uapi-"):
                self.story.answers(chan.extension)
                if self.free():
                    self.story.forks(chan, self.free()[0])
                return

    @precondition(lambda self: self.talking())
    @rule(pick=PICK, what=st.sampled_from(["holds", "resumes"]))
    def holds(self, pick: int, what: str) -> None:
        talking = self.talking()
        chan = talking[pick % len(talking)]
        if what == "holds":
            self.story.hold(chan)
        else:
            self.story.unhold(chan)

    @precondition(lambda self: bool(self.talking()))
    @rule(pick=PICK, leaves=st.booleans())
    def parks(self, pick: int, leaves: bool) -> None:  # noqa: FBT001  # hypothesis names it
        talking = self.talking()
        parker = talking[pick % len(talking)]
        self.story.parks(parker.extension)
        if leaves:
            self.story.ends(parker)

    @precondition(lambda self: self.parked() and self.free())
    @rule(pick=PICK, back=st.booleans())
    def parking_ends(self, pick: int, back: bool) -> None:  # noqa: FBT001  # hypothesis names it
        parked = self.parked()
        parkee = parked[pick % len(parked)]
        slot = next(slot for slot in self.story.slots.values() if slot.parkee is parkee)
        if back and slot.parker.partition("/")[2] in self.free((*PHONES, *TAKERS)):
            self.story.comes_back(slot.space)
        else:
            self.story.fetches(self.free()[0], slot.space)

    @precondition(lambda self: self.free())
    @rule(agents=st.integers(0, 2), answered=st.booleans())
    def queues(self, agents: int, answered: bool) -> None:  # noqa: FBT001  # hypothesis names it
        caller, *others = self.free()
        self.story.queues(caller, "support", *others[:agents], answered=answered)

    @precondition(lambda self: self.queued() and self.free())
    @rule(pick=PICK)
    def a_round_begins(self, pick: int) -> None:
        queued = self.queued()
        self.story.calls_agents(queued[pick % len(queued)], self.free()[0])

    @precondition(lambda self: self.free())
    @rule()
    def confers(self) -> None:
        room = self.conference if self.conference and self.conference.members else None
        self.conference = self.story.confers(self.free()[0], room)

    @precondition(lambda self: bool(self.talking() and self.free()))
    @rule(pick=PICK)
    def transfers(self, pick: int) -> None:
        talking = self.talking()
        self.story.transfers(talking[pick % len(talking)].extension, self.free()[0])

    @precondition(lambda self: self.talking() and self.free())
    @rule(pick=PICK, end=st.sampled_from(["completes", "returns"]))
    def consults(self, pick: int, end: str) -> None:
        talking = self.talking()
        chan = talking[pick % len(talking)]
        held, third = self.story.partner(chan), self.free()[0]
        assert held
        if chan.hears_music or held.hears_music:
            return  # whoever comes back from elsewhere is on hold by a phone, and Asterisk does not know
        self.story.consults(chan.extension, third)
        self.still_true()
        self.story.answers(third)
        self.still_true()
        if end == "completes":
            self.story.completes(chan.extension)
        else:
            self.story.returns(chan.extension, held.extension)

    @precondition(lambda self: self.through_local())
    @rule()
    def sound_flows(self) -> None:
        for chan in self.through_local():
            two = self.story.partner(chan)
            one = self.story.half(two) if two else None
            if one and one.room and self._plain(one):
                self.story.optimises(chan.extension)
                return

    def _plain(self, one: Chan) -> bool:
        other = self.story.partner(one)
        return other is not None and not other.local

    @precondition(lambda self: len({chan.room for chan in self.talking()}) > 1)
    @rule(pick=PICK)
    def merges(self, pick: int) -> None:
        talking = self.talking()
        chan = talking[pick % len(talking)]
        into = next(one for one in talking if one.room is not chan.room)
        self.story.merges(chan, into)

    @precondition(lambda self: self.those(lambda chan: not chan.uniqueid.startswith("uapi-")))
    @rule(pick=PICK)
    def hangs_up(self, pick: int) -> None:
        chans = self.those(lambda chan: not (chan.uniqueid.startswith("uapi-") and chan.state == RINGING))
        if chans:
            self.ends(chans[pick % len(chans)])

    def ends(self, chan: Chan) -> None:
        if chan.state == RINGING and chan.dialler is not None:
            self.story.declines(chan.extension)
        else:
            self.story.ends(chan)

    # --- pickups

    @precondition(lambda self: self.free(TAKERS) and self.story.live.calls())
    @rule(pick=PICK, which=PICK)
    def picks_up(self, pick: int, which: int) -> None:
        """As the bridge would: by a plan that the picture makes."""
        calls = sorted(self.story.live.calls(), key=lambda call: call.id)
        call = calls[pick % len(calls)]
        leg = call.legs[which % len(call.legs)]
        plan = planned(self.story.live, call.id, leg.view, self.free(TAKERS)[0])
        live = [one for one in self.story.live.pickups_of(call.id) if one.id in self.story.channels]
        if len(plan) == 1 or any(str(one.status) == "ringing" for one in live):
            return
        source, target, mode, queue, _, n = plan
        self.story.originates(
            self.free(TAKERS)[0], self.story.channels[str(target)], self.story.channels[str(source)],
            mode=str(mode), view=leg.view, n=int(str(n)), queue=bool(queue), call=call.id,
        )  # fmt: skip

    @precondition(lambda self: self.takers())
    @rule(pick=PICK, kind=st.sampled_from(["takes", "takes", "takes", "busy", "stopped", "masquerade"]))
    def pickup_ends(self, pick: int, kind: str) -> None:
        takers = self.takers()
        chan = takers[pick % len(takers)]
        match kind:
            case "takes" if self.guard_holds(chan):
                self.story.takes(chan.extension)
            case "takes":
                self.story.gives_up(chan.extension)
            case "masquerade" if self.may_race(chan):
                target = self.story.channels[chan.variables["UAPI_TARGET"]]
                self.story.masquerades(chan.extension, target.extension)
            case "stopped":
                self.story.fails(chan.extension, 26)
            case _:
                self.story.fails(chan.extension, 17, hangup_first=bool(pick % 2))

    def guard_holds(self, chan: Chan) -> bool:
        """What the dialplan of a pickup asks before it takes anybody."""
        told = chan.variables
        source = self.story.channels.get(told["UAPI_SOURCE"])
        target = self.story.channels.get(told["UAPI_TARGET"])
        if source is None:
            return False
        if told["UAPI_MODE"] == "waiting" or (target is None and told["UAPI_QUEUE"]):
            return source.room is None or source.room.type != "basic"
        if target is None:
            return False
        if target.state == RINGING:
            return self.story.caller_of(target) is source
        return self.story.far_end(source) is target

    def may_race(self, chan: Chan) -> bool:
        """Whether both phones may answer at once: a plain Dial of one phone."""
        target = self.story.channels.get(chan.variables["UAPI_TARGET"])
        if target is None or target.state != RINGING or target.dialler is None:
            return False
        caller = target.dialler
        rings = [
            one for one in self.story.channels.values() if one.dialler is caller and one.state == RINGING
        ]
        return (
            caller.state == RING
            and not caller.local
            and not self.story.queue_of(caller)
            and rings == [target]
        )

    @rule()
    def resyncs(self) -> None:
        self.story.resyncs()

    # --- what must hold

    @invariant()
    def still_true(self) -> None:
        """The picture holds together, and is what one shows that starts now."""
        story = self.story
        check(story.live)
        if story.settled:
            fresh = story.fresh()
            check(fresh)
            assert differences(story.live, fresh) == []
            for call in fresh.calls():
                for leg in call.legs:
                    ours, theirs = (planned(one, call.id, leg.view) for one in (story.live, fresh))
                    assert ours == theirs, leg

    def teardown(self) -> None:
        """Everybody goes home."""
        while self.story.channels:
            self.story.hang_up(next(iter(self.story.channels.values())))
        nothing_left(self.story.live)


TestDay = Day.TestCase
TestDay.settings = settings(stateful_step_count=30)
