"""The use case: find the leg, ask Asterisk once, follow what becomes of it.

Asterisk does the pickup. The bridge makes one Originate, whose ChannelId is a function of the call, so that Asterisk
itself refuses a second one; everything else here is watching, and some small courtesies: a ring that can no longer
succeed is stopped, an old leg is told where to go, one that still lives is hung up, and a ring that reaches a waiting
caller only later is taken with him.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Protocol

import structlog

from bridge.ami import AmiError, LinkState, Originate, Refused, has_export
from bridge.calls import (
    Call,
    Headers,
    Leg,
    Mode,
    NotPickable,
    Order,
    Outlook,
    Pickup,
    PickupNote,
    PickupStatus,
    Picture,
    Plan,
    another_ring,
    left_behind,
    outlook,
    plan,
    text,
)
from bridge.directory import Directory, User
from bridge.endpoints import Endpoints
from bridge.grammar import CallerId, CallId, ChannelName, Extension, GrammarError, Number, PickupId, Uniqueid

log = structlog.get_logger()

BORN_WITHIN = 5.0
"""Seconds after an Originate in which its channel, or the refusal, must show."""

OVERTAKEN = 0.2
"""Seconds by which an OriginateResponse may be ahead of its channel's Newchannel: Asterisk tells the two on different
ways, and a phone that declines at once was heard of so on a busy 22.10."""

BURST = 0.06
"""Seconds in which the events of one hang-up follow each other; who left is told only by the last of them."""

SERVED = 5.0
"""Seconds in which nobody takes the place of a party who waited until then: whoever asks for his view has seen him wait.
That is as good as Asterisk's clock, where it dates its events."""

ALONE = 3.0
"""Seconds in which the dialplan itself ends a leg that has answered after the caller had gone. It did not where
PickupChan() met the end of a Dial on a 22.10 that had no time."""

ORDER_AFTER = (0.002, 0.003, 0.01, 0.03, 0.06, 0.2, 0.6, 1.5, 2.5)
"""Seconds until a pickup leg is asked what it is for, and then asked again: its phone's ring goes first, on which Asterisk
works just then; and it tells of a channel a moment before it gives it the variables of its Originate (22.10)."""

_NOT_ALLOWED = "that view of the phone call may not be picked up by the user of this App"

_NORMAL, _ELSEWHERE = 16, 26
"""Hangup causes (Q.850, and Asterisk's AST_CAUSE_ANSWERED_ELSEWHERE)."""

_SETTLED = (Outlook.TAKEN, Outlook.LEFT)
"""What no later event of a burst makes another."""

_IN_A_MOMENT = (Outlook.MOVED, Outlook.ANSWERED)
"""What ends a ring unless the next events make it something else."""

_STOPS = (*_SETTLED, *_IN_A_MOMENT)
"""What ends a ring."""


class PickupError(Exception):
    """A pickup that cannot be; the message is for the one who asked."""


class PbxUnavailable(PickupError):
    """Nothing can be asked of Asterisk now."""


class Conflict(PickupError):
    """The call is being picked up by somebody else, or cannot be picked up in its state."""


class NotAllowed(PickupError):
    """The one who asks may not take that view over."""


class SendCallToUnavailable(PickupError):
    """The phone that shall take the call is busy, declines, or cannot be reached."""


class SendCallToInvalid(PickupError):
    """The extension that shall take the call is none that Asterisk knows."""


@dataclass(frozen=True, slots=True)
class PickupRequest:
    """A checked request to pick a call up.

    Args:
        call: The call.
        view: The view to take over.
        send_call_to: Whose phone shall ring.
        caller_id: What that phone shows; its own caller id where None.
        ring: Seconds that it may ring.
        wait: Seconds to wait for the outcome; 0 to be told as soon as the phone's channel exists.
        allowed: Whether the one who asks may take that view now. A view that was taken over may have gone to a phone
            that is not theirs; they are told again what became of their pickup, and no more.
        unpark: Whether it is for a parked view alone.
        may: Whether the one who asks may take a leg's place; asked again of the leg that is to be taken, as another's
            pickup that was waited for may have given the view to somebody else.
        before_ring: Called just before the phone is rung; what it raises ends the request.
        under: The extension under which the call was found, where it is to be found later as well.
    """

    call: CallId
    view: str
    send_call_to: Extension
    caller_id: CallerId | None = None
    ring: float = 25.0
    wait: float = 0.0
    allowed: bool = True
    unpark: bool = False
    may: Callable[[Call, Leg], bool] = lambda call, leg: True  # noqa: ARG005 -- as all are called
    before_ring: Callable[[], None] = lambda: None
    under: Extension | None = None

    def same(self, view: str, send_call_to: str) -> bool:
        """Whether a pickup of this call is the one that is asked for."""
        return (self.view, self.send_call_to) == (view, send_call_to)


@dataclass(frozen=True, slots=True)
class PickupResult:
    """How far a pickup had come when its asker was told.

    ``status`` is RINGING (accepted, or the wait was not enough), CONNECTED, or NO_ANSWER / CANCELLED (there is
    no phone call to return). ``call`` is the call then, None when it is over. ``replayed`` tells that this request
    asked for what another had asked for already.
    """

    status: PickupStatus
    call: Call | None
    replayed: bool


class Pbx(Protocol):
    """What a pickup asks of Asterisk (`bridge.ami.Link`)."""

    @property
    def state(self) -> LinkState:
        """Whether Asterisk can be asked now."""

    async def originate(self, o: Originate, /) -> None:
        """Ring a phone."""

    async def hangup(self, channel: ChannelName | Uniqueid, cause: int, /) -> None:
        """Hang a channel up."""

    async def setvar(self, channel: Uniqueid, variable: str, value: str) -> None:
        """Set a channel's variable."""

    async def getvar(self, variable: str, channel: Uniqueid | None = None) -> str:
        """Read a variable or function."""

    async def status(self, channel: Uniqueid) -> None:
        """Ask what a channel's variables say."""

    async def check_context(self) -> bool:
        """Ask whether the dialplan context is loaded."""


@dataclass(slots=True, eq=False)
class _Attempt:
    """One Originate of ours, from before it is sent until its leg, or its refusal, has shown."""

    request: PickupRequest
    plan: Plan
    by: str
    action_id: str = ""
    failed: bool = False
    task: "asyncio.Task[PickupId] | None" = None


class Pickups:
    """All pickups of this bridge, and the watch over those of its neighbours.

    Args:
        picture: The live calls; events go into it through `on_event` alone.
        pbx: Asterisk.
        endpoints: How an extension's phone is called.
        context: The dialplan context from ``asterisk-conf/``.
        clock: Seconds since 1970, as events are dated.
    """

    def __init__(
        self,
        picture: Picture,
        pbx: Pbx,
        endpoints: Endpoints,
        context: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._picture = picture
        self._pbx = pbx
        self._endpoints = endpoints
        self._context = context
        self._clock = clock
        self._attempts: dict[CallId, _Attempt] = {}
        self._by_action: dict[str, _Attempt] = {}
        self._waiters: set[asyncio.Event] = set()
        self._tasks: set[asyncio.Task[object]] = set()
        self._deadline: float | None = None
        self.on_outcome: Callable[[Pickup], None] = lambda _: None

    # --- events

    def on_event(self, event: Headers, at: float) -> None:
        """Take one event in, and do what it calls for."""
        for pickup in self._picture.apply(event, at):
            self._look(pickup)
            self._tell(pickup, at)
            self._wake()
        if event.get("Event") == "OriginateResponse" and text(event, "Response") == "Failure":
            attempt = self._by_action.get(text(event, "ActionID"))
            if attempt:
                attempt.failed = True
                self._wake()

    def on_state(self, state: LinkState) -> None:
        """The link came up or went down: whoever waits has to know."""
        if not state.up:
            self._picture.board.unwatched()
        self._wake()

    def drain(self, seconds: float) -> None:
        """Take no more requests, and answer the waiting ones within so many seconds."""
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            waiter.set()

    async def _until(self, ready: Callable[[], bool], seconds: float) -> bool:
        """Wait until something holds, looking again at each event that concerns a pickup."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        waiter = asyncio.Event()
        self._waiters.add(waiter)
        try:
            while not ready():
                left = (end if self._deadline is None else min(end, self._deadline)) - loop.time()
                if left <= 0:
                    return False
                waiter.clear()
                try:
                    async with asyncio.timeout(left):
                        await waiter.wait()
                except TimeoutError:
                    return ready()
            return True
        finally:
            self._waiters.discard(waiter)

    def _spawn(self, work: Coroutine[object, object, object]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- watching

    def _look(self, pickup: Pickup) -> None:
        """Do what the state of a pickup calls for."""
        if pickup.id not in self._picture.board.channels:
            return
        if pickup.order is None:
            if not pickup.asked:
                pickup.asked = True
                self._spawn(self._ask_order(pickup))
            return
        match outlook(self._picture, pickup):
            case Outlook.RING:
                if ring := another_ring(self._picture, pickup, pickup.order):
                    pickup.ring = ring
                    self._spawn(self._name_ring(pickup, ring))
            case Outlook.RELEASE:
                pickup.released = True
                value = f"{self._context},gone,1"
                self._spawn(
                    self._quietly(self._pbx.setvar(pickup.order.target, "CHANNEL(after_bridge_goto)", value))
                )
            case Outlook.DROP:
                pickup.dropped = True
                self._spawn(self._drop(pickup, pickup.order))
            case Outlook.TAKEN | Outlook.LEFT | Outlook.MOVED | Outlook.ANSWERED | Outlook.ALONE as found:
                if not pickup.stopping:
                    pickup.stopping = True
                    self._spawn(self._stop(pickup, found))

    async def _ask_order(self, pickup: Pickup) -> None:
        """Ask what a new pickup leg is for, once; again only where its channel did not know it yet."""
        try:
            for pause in ORDER_AFTER:
                await asyncio.sleep(pause)
                if self._known(pickup) or not self._pbx.state.up:
                    return
                await self._quietly(self._pbx.status(pickup.id))
        finally:
            pickup.asked = pickup.order is not None

    async def _name_ring(self, pickup: Pickup, ring: Uniqueid) -> None:
        """Tell a pickup's dialplan which ring to take; where that fails, once more when there is cause to."""
        if not await self._quietly(self._pbx.setvar(pickup.id, "UAPI_RING", ring)) and pickup.ring == ring:
            pickup.ring = None

    async def _drop(self, pickup: Pickup, order: Order) -> None:
        """Hang up whom the new phone's connection has left behind.

        The old leg, where it outlives its end; and a phone that answered the source in that same moment: Dial or
        Queue() had not yet bridged it when the source was taken, and leaves it alone in a bridge for good (seen on
        22.10 in one of six such races of a queue's agent).
        """
        for seconds in (BURST, 1.0):
            await asyncio.sleep(seconds)
            for channel in left_behind(self._picture, pickup, order):
                await self._quietly(self._pbx.hangup(channel, _NORMAL))

    async def _stop(self, pickup: Pickup, found: Outlook) -> None:
        """End a leg that can no longer succeed, once; by the channel's name, as its id may be the next try's."""
        stopped = False
        reasons = (Outlook.ALONE,) if found is Outlook.ALONE else _STOPS
        try:
            if found in _IN_A_MOMENT:
                # A caller's own Hangup is told a moment after his phone's: that is no reason to let another ring on.
                await self._until(lambda: outlook(self._picture, pickup) in _SETTLED, BURST)
                found = outlook(self._picture, pickup)
            elif found is Outlook.ALONE:
                await asyncio.sleep(ALONE)
                found = outlook(self._picture, pickup)
            channel = self._picture.board.channels.get(pickup.id)
            if channel is None or channel.pickup is not pickup or found not in reasons:
                return
            cause = _ELSEWHERE if found in (Outlook.TAKEN, Outlook.ANSWERED) else _NORMAL
            stopped = await self._quietly(self._pbx.hangup(ChannelName.parse(channel.name), cause))
        finally:
            pickup.stopping = stopped

    def _tell(self, pickup: Pickup, at: float) -> None:
        """Say once what became of a pickup."""
        if pickup.told or pickup.status is PickupStatus.RINGING:
            return
        pickup.told = True
        order = pickup.order
        log.info(
            "pickup outcome",
            pickup=pickup.id,
            call=pickup.id.call,
            view=order.view if order else None,
            taken_from=order.taken_from if order else None,
            send_call_to=order.send_call_to if order else None,
            status=pickup.status,
            ms=round((at - pickup.born) * 1000),
        )
        self.on_outcome(pickup)

    async def _quietly(self, action: Coroutine[object, object, object]) -> bool:
        """A courtesy: Asterisk may say no, as the channel may be gone by now. Whether it said yes."""
        try:
            await action
        except AmiError as error:
            log.debug("courtesy refused", reason=str(error))
            return False
        return True

    # --- asking

    async def pick_up(self, request: PickupRequest) -> PickupResult:
        """Pick a call up, or join the pickup of it that is under way.

        Raises:
            PbxUnavailable: Asterisk cannot be asked, or gave no sign.
            NotAllowed: the request is not, and repeats none that is connected.
            Conflict: somebody else picks it up, or it cannot be picked up in its state.
            SendCallToUnavailable: the new phone cannot take it.
            Exception: whatever ``before_ring`` raises.
        """
        self._check_up()
        id_, replayed = await self._find_or_ask(request)
        pickup = self._picture.pickups[id_]
        if request.wait > 0:
            await self._until(
                lambda: pickup.status is not PickupStatus.RINGING or not self._pbx.state.up, request.wait
            )
            if pickup.status is PickupStatus.RINGING and not self._pbx.state.up:
                self._check_up(draining=True)
        if pickup.status is PickupStatus.CONNECTED:
            # The answer to what the leg is for may be ahead of the events that tell who is where now.
            await self._until(lambda: self._is_with_somebody(pickup), BURST)
        if pickup.status is PickupStatus.CONFLICT and pickup.up and pickup.order:
            # It had answered as the caller hung up, whose own Hangup is told last.
            source = pickup.order.source
            if await self._until(lambda: source not in self._picture.board.channels, BURST):
                pickup.status = PickupStatus.CANCELLED
        return self._result(request, pickup, replayed=replayed)

    async def know(self, call: CallId) -> None:
        """Wait until it is known what the live pickups of a call are for: at most some seconds, mostly not at all.

        Before, a view that one of them has taken over is not found by its id.
        """
        if not all(map(self._known, self._living(call))):
            await self._until(
                lambda: all(map(self._known, self._living(call))) or not self._pbx.state.up, BORN_WITHIN
            )

    def _check_up(self, *, draining: bool = False) -> None:
        state = self._pbx.state
        if not state.up:
            raise PbxUnavailable(state.reason)
        if self._deadline is not None and not draining:
            raise PbxUnavailable("the bridge is shutting down")

    def _result(self, request: PickupRequest, pickup: Pickup, *, replayed: bool) -> PickupResult:
        status, phone = pickup.status, request.send_call_to
        match status:
            case PickupStatus.BUSY:
                raise SendCallToUnavailable(f"{phone} is busy or declined the call")
            case PickupStatus.REJECTED:
                raise SendCallToUnavailable(f"{phone} rejected the call")
            case PickupStatus.UNREACHABLE:
                raise SendCallToUnavailable(f"{phone} could not be reached")
            case PickupStatus.CONFLICT:
                raise Conflict("the call went elsewhere before it was picked up")
        joined = self._call_of(pickup) if status is PickupStatus.CONNECTED else None
        return PickupResult(status, joined or self._picture.call(request.call), replayed)

    def _is_with_somebody(self, pickup: Pickup) -> bool:
        board = self._picture.board
        channel = board.channels.get(pickup.id)
        return channel is None or board.talks_with(channel) is not None

    def _call_of(self, pickup: Pickup) -> Call | None:
        """The call in which a connected pickup's leg is: another one, where the ring was taken for one of another call.

        What was taken may be told of for a moment more: its own end comes last.
        """
        channel = self._picture.board.channels.get(pickup.id)
        return self._picture.call(CallId.of(channel.linkedid)) if channel else None

    async def _find_or_ask(self, request: PickupRequest) -> tuple[PickupId, bool]:
        """The pickup that this request is for; whether it was somebody else's already."""
        if connected := self._connected(request):
            return connected, True
        if not request.allowed:
            raise NotAllowed(_NOT_ALLOWED)
        attempt = self._attempts.get(request.call)
        if attempt is None:
            live = await self._live(request)
            if live is not None:
                return live, True
            attempt = self._attempts.get(request.call)
        if attempt is not None:
            if not request.same(attempt.request.view, attempt.request.send_call_to):
                raise Conflict("another pickup of this call is under way")
            assert attempt.task is not None  # noqa: S101  # set before the first await
            return await asyncio.shield(attempt.task), True
        attempt = self._begin(request)
        assert attempt.task is not None  # noqa: S101  # set before the first await
        id_ = await asyncio.shield(attempt.task)
        order = self._picture.pickups[id_].order
        return id_, order is not None and order.by != attempt.by

    async def _live(self, request: PickupRequest) -> PickupId | None:
        """The pickup of this call that lives already, if it is the one that is asked for.

        Raises:
            Conflict: another one rings.
            PbxUnavailable: the link was lost before it was known which one rings.
        """
        await self.know(request.call)
        self._check_up(draining=True)
        if connected := self._connected(request):
            return connected
        for pickup in self._living(request.call):
            if pickup.status is PickupStatus.RINGING:
                if pickup.order is None or not request.same(pickup.order.view, pickup.order.send_call_to):
                    raise Conflict("another pickup of this call is under way")
                return pickup.id
        return None

    def _living(self, call: CallId) -> list[Pickup]:
        """The pickups of a call whose legs live, oldest first."""
        return [
            pickup for pickup in self._picture.pickups_of(call) if pickup.id in self._picture.board.channels
        ]

    def _connected(self, request: PickupRequest) -> PickupId | None:
        """The very pickup that is asked for, where it is connected and nobody took it over."""
        for pickup in self._picture.pickups_of(request.call):
            order = pickup.order
            if (
                order is not None
                and pickup.status is PickupStatus.CONNECTED
                and request.same(order.view, order.send_call_to)
                and self._holds(pickup, request.call)
            ):
                return pickup.id
        return None

    def _known(self, pickup: Pickup) -> bool:
        """Whether it is known what a pickup is for, or how it ended.

        One that a resync has missed is over, but its Hangup, which tells how, is yet to come.
        """
        over = pickup.id not in self._picture.board.channels and pickup.status is not PickupStatus.RINGING
        return pickup.order is not None or over

    def _holds(self, pickup: Pickup, call: CallId) -> bool:
        """Whether a connected pickup's leg still is one of the call's, and has not let go of whom it took: nobody took it over."""
        order = pickup.order
        board = self._picture.board
        source = board.channels.get(order.source) if order else None
        if order and order.mode is Mode.WAITING and source is not None:
            place = board.place_of(source, self._picture.channels_of(call))
            if place.waiting:
                return False  # parked again
        found = self._picture.call(call)
        return found is not None and any(leg.uniqueid == pickup.id for leg in found.legs)

    def _begin(self, request: PickupRequest) -> _Attempt:
        call = self._picture.call(request.call)
        leg = call.leg(request.view) if call else None
        if call is None or leg is None:
            raise Conflict("the call is just ending")
        if not request.may(call, leg):
            raise NotAllowed(_NOT_ALLOWED)
        if request.unpark and leg.parked is None:
            raise Conflict("this view of the phone call is not parked")
        try:
            planned = plan(self._picture, call, leg, request.send_call_to)
        except NotPickable as error:
            raise Conflict(str(error)) from error
        self._check_free(planned)
        attempt = _Attempt(request, planned, secrets.token_hex(6))
        attempt.task = asyncio.ensure_future(self._ask(attempt))
        self._attempts[request.call] = attempt
        attempt.task.add_done_callback(lambda task: self._finished(attempt, task))
        return attempt

    def _check_free(self, planned: Plan) -> None:
        """Whether nobody else has, or shall have, the party that the new phone would hear.

        Raises:
            Conflict: somebody has.
        """
        target = self._picture.board.channels[planned.target]
        if planned.mode is Mode.TALKING and abs(self._clock() - target.waited) < SERVED:
            raise Conflict("who waited here has just been served")
        if any(
            other.status is PickupStatus.RINGING for other in self._picture.pickups_of_source(planned.source)
        ):
            # Of another call: who was put into somebody's place by a transfer hears what rings in the call of that one.
            raise Conflict("another pickup of whoever is heard here is under way")

    def _finished(self, attempt: _Attempt, task: "asyncio.Task[PickupId]") -> None:
        self._attempts.pop(attempt.request.call, None)
        self._by_action.pop(attempt.action_id, None)
        if not task.cancelled():
            task.exception()  # whoever asked may have gone: it is not "never retrieved"

    async def _ask(self, attempt: _Attempt) -> PickupId:
        """Originate the pickup leg, and wait until Asterisk shows whose it is."""
        request, planned = attempt.request, attempt.plan
        originate = await self._prepared(attempt)
        attempt.action_id = originate.action_id
        self._by_action[originate.action_id] = attempt
        # One of that id that lives by now is not an earlier one, but that of another bridge that was faster.
        lives = planned.pickup in self._picture.board.channels
        earlier = None if lives else self._picture.pickups.get(planned.pickup)
        if not lives:
            request.before_ring()
            await self._send(originate, request.send_call_to)

        def shown() -> Pickup | None:
            pickup = self._picture.pickups.get(planned.pickup)
            return pickup if pickup is not earlier and pickup is not None and self._known(pickup) else None

        def unborn() -> bool:
            return attempt.failed and planned.pickup not in self._picture.board.channels

        await self._until(lambda: bool(shown() or unborn() or not self._pbx.state.up), BORN_WITHIN)
        if unborn():
            await self._until(lambda: bool(shown() or not self._pbx.state.up), OVERTAKEN)
        pickup = shown()
        if pickup is None:
            if not self._pbx.state.up:
                raise PbxUnavailable(self._pbx.state.reason)
            if unborn():
                raise self._unreachable(attempt)
            raise PbxUnavailable(f"Asterisk gave no sign of ringing {request.send_call_to} within 5 s")
        order = pickup.order
        if order and order.by != attempt.by and not request.same(order.view, order.send_call_to):
            raise Conflict("another pickup of this call is under way")
        if order is None and pickup.status.failed:
            self._judge(pickup, attempt)
        log.info(
            "pickup rings",
            pickup=pickup.id,
            call=request.call,
            view=request.view,
            taken_from=planned.leg.number,
            send_call_to=request.send_call_to,
            mode=planned.mode,
        )
        return pickup.id

    async def _send(self, originate: Originate, phone: Extension) -> None:
        try:
            await self._pbx.originate(originate)
        except Refused as error:
            if "does not exist" in error.message:
                raise PbxUnavailable(self._missing_context()) from error
            raise PbxUnavailable(f"Asterisk refused to ring {phone}: {error}") from error
        except AmiError as error:
            raise PbxUnavailable(str(error)) from error

    def _judge(self, pickup: Pickup, attempt: _Attempt) -> None:
        """Say what became of a pickup that was over before anybody could ask what it was for."""
        request, planned = attempt.request, attempt.plan
        if pickup.status is PickupStatus.CANCELLED and planned.source in self._picture.board.channels:
            pickup.status = PickupStatus.CONFLICT
        note = PickupNote(planned.leg.number, request.send_call_to, pickup.status)
        self._picture.note(request.call, request.view, note)

    def _unreachable(self, attempt: _Attempt) -> PickupError:
        """Asterisk made no channel: another bridge's has come and gone meanwhile, or the phone is not there."""
        request = attempt.request
        note = PickupNote(attempt.plan.leg.number, request.send_call_to, PickupStatus.UNREACHABLE)
        self._picture.note(request.call, request.view, note)
        log.info(
            "pickup outcome",
            pickup=attempt.plan.pickup,
            call=request.call,
            view=request.view,
            taken_from=attempt.plan.leg.number,
            send_call_to=request.send_call_to,
            status=PickupStatus.UNREACHABLE,
        )
        device = self._picture.devices.get(str(self._endpoints.endpoint(request.send_call_to)), "")
        if device in ("UNAVAILABLE", "INVALID", "UNKNOWN", ""):
            return SendCallToUnavailable(f"{request.send_call_to} is not registered")
        return SendCallToUnavailable(f"{request.send_call_to} cannot be rung now (Asterisk says {device})")

    async def _prepared(self, attempt: _Attempt) -> Originate:
        """The Originate, with what has to be asked of Asterisk for it."""
        request, planned = attempt.request, attempt.plan
        endpoint = self._endpoints.endpoint(request.send_call_to)
        if endpoint is None:
            raise SendCallToInvalid(f"{request.send_call_to} is no phone that this PBX could name")
        if not self._pbx.state.context_loaded:
            try:
                loaded = await self._pbx.check_context()
            except AmiError as error:
                raise PbxUnavailable(str(error)) from error
            if not loaded:
                raise PbxUnavailable(self._missing_context())
        try:
            await self._check_exists(request.send_call_to, endpoint)
            guarded = planned.target if planned.mode is Mode.WAITING else planned.source
            peer = "" if planned.unbridged else await self._pbx.getvar("BRIDGEPEER", guarded)
            place = self._picture.board.channels.get(guarded)
            # A parking lot leaves nobody a peer.
            if peer and place is not None and place.parking:
                raise Conflict("who was parked here has just been fetched")
            caller = request.caller_id or await self._own_caller_id(request.send_call_to, endpoint)
        except Refused as error:
            raise Conflict("the call is just ending") from error
        except AmiError as error:
            raise PbxUnavailable(str(error)) from error
        if not self._picture.board.stands(planned):
            raise Conflict("the call has just gone elsewhere")
        leg, call = planned.leg, planned.call
        answered = leg.answered if planned.mode is Mode.TALKING else call.answered
        source = next((each for each in call.legs if each.uniqueid == planned.source), None)
        exports = planned.mode is not Mode.WAITING and has_export(self._pbx.state.asterisk)
        since = f"{source.answered or 0:.6f}" if source and source.status == "5" else ""
        # Of these three it is known anyway, of the source for as long as that has a part in it.
        known = (leg.number, leg.destination, source.number if source else "")
        variables = {
            "UAPI_VIEW": leg.view,  # the first, see read_order
            "UAPI_FROM": Number.maybe(leg.number) or "",
            "UAPI_TO": request.send_call_to,
            "UAPI_SOURCE": planned.source,
            "UAPI_TARGET": planned.target,
            "UAPI_LEG": planned.target_channel,
            "UAPI_MODE": planned.mode.value,
            "UAPI_QUEUE": "1" if planned.queue else "",
            "UAPI_RING": planned.ring or "",
            "UAPI_EXPORT": "1" if exports else "",
            "UAPI_PEER": ChannelName.maybe(peer) or "",
            "UAPI_BY": attempt.by,
            "UAPI_ANSWERED": f"{answered:.6f}" if answered else "",
            "UAPI_SINCE": since,
            "UAPI_CALLER": Number.maybe(leg.source) or "",
            "UAPI_DIALLED": Number.maybe(leg.destination) or "",
            "UAPI_UNDER": "" if request.under in known else request.under,
            "FORWARD_CONTEXT": self._context,  # where a phone that forwards (302) leads nowhere
        }
        try:
            return Originate(
                endpoint=endpoint,
                pickup=planned.pickup,
                context=self._context,
                timeout_ms=max(1, round(request.ring * 1000)),
                caller=caller,
                # Each that is set makes Asterisk tell of it, and the phone ring so much later.
                variables={name: value for name, value in variables.items() if value},
            )
        except ValueError as error:
            raise Conflict("its channels have names that cannot be passed on safely") from error

    def _missing_context(self) -> str:
        return (
            f"the dialplan context {self._context} is not loaded: #include asterisk-conf/extensions.d/uapi.conf in "
            "extensions.conf, then core reload"
        )

    async def _check_exists(self, extension: Extension, endpoint: str) -> None:
        """Ask for a phone that Asterisk does not list.

        chan_pjsip lists all, chan_sip those alone whose state has changed since Asterisk started (seen on 16.28): and
        one that it does not know it would take for a host on the Internet.
        """
        if endpoint.startswith("PJSIP/") or endpoint in self._picture.devices:
            return
        if await self._pbx.getvar(f"DEVICE_STATE({endpoint})") == "INVALID":
            raise SendCallToInvalid(f"{extension} is no phone that this PBX knows")

    async def _own_caller_id(self, extension: Extension, endpoint: str) -> CallerId:
        """The endpoint's own caller id; its number where it has none that can be passed on.

        Without any the phone would show Anonymous (seen on 22.10).
        """
        technology, _, name = endpoint.partition("/")
        try:
            if technology == "PJSIP":
                told = await self._pbx.getvar(f"PJSIP_ENDPOINT({name},callerid)")
                return CallerId.parse(told.replace('"', "").replace("\\", ""))
            if technology == "SIP":
                shown, number = [
                    await self._pbx.getvar(f"SIPPEER({name},callerid_{part})") for part in ("name", "num")
                ]
                return CallerId.parse(f"{shown} <{number}>")
        except (Refused, GrammarError):
            pass
        return CallerId("", Number.parse(extension))


def may_pick_up(directory: Directory, user: User, call: Call, leg: Leg) -> bool:
    """Whether a user may take a leg's place.

    A leg of an extension that one may act for; any other, foreign or an outside party's, only while it waits in a
    call that is listed under such an extension: nobody throws another's phone out of its call.
    """
    if leg.extension and directory.may_act_for(user, leg.extension):
        return True
    return leg.waiting and any(directory.may_act_for(user, extension) for extension in call.listed)
