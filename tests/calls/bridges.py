"""Bridges beside one story: what they ask of its Asterisk is done there, and its events reach each in its own time."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bridge.ami import AmiError, LinkState, Originate, Refused
from bridge.calls import Headers, Pickup, PickupStatus
from bridge.endpoints import Endpoints
from bridge.grammar import CallId, ChannelName, Extension, Uniqueid
from bridge.pickup import ORDER_AFTER, PickupRequest, PickupResult, Pickups
from calls.pbx import DOWN, RINGING, Chan
from calls.story import Story, picture, short

UP = LinkState(up=True, reason="", context_loaded=True, asterisk="22.10.1", cdr=True, boot=1)


class Floor:
    """A story, the bridges that watch it, and what its phones do when they are rung for a pickup.

    Args:
        bridges: How many bridges there are.
        delay: How many turns of the event loop something takes to get to a bridge, or from it to Asterisk.
    """

    def __init__(self, bridges: int = 1, delay: Callable[[], int] = lambda: 0) -> None:
        self.story = Story()
        self.delay = delay
        self.when_rung: dict[str, Callable[[Chan], object]] = {}
        """What a phone does as soon as it is rung, by its extension."""
        self.unregistered: set[str] = set()
        self.silent: set[str] = set()
        self.rung: list[Chan] = []
        """Every pickup leg that ever was."""
        self.begun = False
        """Whether anybody has asked for anything yet: until then the bridges know at once what happens."""
        self.bridges = [Bridge(self) for _ in range(bridges)]
        self.story.on_event = self._tell

    def _tell(self, event: Headers, at: float) -> None:
        for bridge in self.bridges:
            bridge.hear(event, at)

    def rings(self, order: Originate) -> None:
        """Do what an Originate asks for."""
        phone = str(order.endpoint).partition("/")[2]
        if phone in self.silent:
            return
        if order.pickup in self.story.channels or phone in self.unregistered:
            self.story.say(
                "OriginateResponse", ActionID=order.action_id, Response="Failure", Channel=str(order.endpoint),
                Reason="0", Uniqueid="<null>",
            )  # fmt: skip
            return
        story = self.story
        name = f"{order.endpoint}-{len(self.rung):08x}"
        chan = story.make(name, DOWN, uniqueid=order.pickup, number=phone, display=f"Ext {short(phone)}")
        story.action_ids[chan.uniqueid] = order.action_id
        chan.variables, chan.known = dict(order.variables), False
        self.rung.append(chan)
        story.announce(chan)
        chan.known = True
        story.connected(chan, phone, f"Ext {short(phone)}")
        story.dial(None, chan)
        story.state(chan, RINGING)
        if phone in self.when_rung:
            self.when_rung[phone](chan)

    async def settles(self) -> None:
        """Let everything arrive that is on its way, and whoever is concerned take it in.

        Among it the answer to what a bridge asks of a new pickup leg a moment after its birth.
        """
        for pause in (0.0, ORDER_AFTER[0] + 0.001):
            await asyncio.sleep(pause)
            for _ in range(400):
                await asyncio.sleep(0)


class Bridge:
    """One bridge: its picture, its pickups, and its link to the Asterisk of the story.

    Attributes:
        asked: Every action, in order: its name and what it names.
        fails: What an action is answered with instead of being done, by its name.
        slow: Actions whose answer does not come before this is set.
    """

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.state = UP
        self.asked: list[tuple[Any, ...]] = []
        self.fails: dict[str, AmiError] = {}
        self.slow: dict[str, asyncio.Event] = {}
        self.variables: dict[str, str] = {}
        self.outcomes: list[PickupStatus] = []
        self.picture = picture()
        self.pickups = Pickups(
            self.picture, self, Endpoints.default(), "uapi-pickup", clock=lambda: floor.story.now
        )
        self.pickups.on_outcome = self._outcome
        self._inbox: deque[tuple[Headers, float]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None

    def _outcome(self, pickup: Pickup) -> None:
        self.outcomes.append(pickup.status)

    def did(self, *actions: str) -> list[tuple[Any, ...]]:
        """What it has asked for, questions left out unless they are named."""
        wanted = actions or ("originate", "hangup", "setvar")
        return [action for action in self.asked if action[0] in wanted]

    # --- what it hears

    def hear(self, event: Headers, at: float) -> None:
        """An event is on its way: it arrives later, behind all earlier ones."""
        self._inbox.append((event, at))
        if self.floor.begun:
            self._soon(self.arrives, self.floor.delay())
        else:
            self.arrives()

    def arrives(self) -> None:
        """The next event arrives; nothing where it has come already."""
        if self._inbox:
            event, at = self._inbox.popleft()
            self.pickups.on_event(event, at)

    def _soon(self, what: Callable[[], None], turns: int) -> None:
        loop = asyncio.get_running_loop()
        if turns:
            loop.call_soon(self._soon, what, turns - 1)
        else:
            loop.call_soon(what)

    def link(self, *, up: bool, reason: str = "the connection to the PBX was lost") -> None:
        """The link goes down, or comes up."""
        self.state = UP if up else replace(UP, up=False, reason=reason)
        self.pickups.on_state(self.state)

    def resyncs(self) -> None:
        """It asks everything anew."""
        for row in self.floor.story.rows():
            self.hear(row, self.floor.story.now)

    # --- what it asks (bridge.pickup.Pbx)

    async def _ask(self, *action: Any) -> None:
        self.asked.append(action)
        self.floor.begun = True
        for _ in range(self.floor.delay()):
            await asyncio.sleep(0)
        if slow := self.slow.get(action[0]):
            await slow.wait()
        if error := self.fails.get(action[0]):
            raise error

    async def originate(self, o: Originate) -> None:
        await self._ask("originate", o)
        self._soon(lambda: self.floor.rings(o), self.floor.delay())

    async def hangup(self, channel: ChannelName | Uniqueid, cause: int) -> None:
        await self._ask("hangup", str(channel), cause)
        story = self.floor.story
        chans = [chan for chan in story.channels.values() if channel in (chan.name, chan.uniqueid)]
        if not chans:
            raise Refused("No such channel")
        if chans[0].state == RINGING and chans[0].uniqueid.startswith("uapi-"):
            story.fails(chans[0].extension, cause)
        else:
            story.hang_up(chans[0], cause)

    async def setvar(self, channel: Uniqueid, variable: str, value: str) -> None:
        await self._ask("setvar", str(channel), variable, value)
        if channel not in self.floor.story.channels:
            raise Refused("No such channel")

    async def getvar(self, variable: str, channel: Uniqueid | None = None) -> str:
        await self._ask("getvar", variable, channel)
        if channel is not None and channel not in self.floor.story.channels:
            raise Refused("No such channel")
        return self.variables.get(variable, "")

    async def status(self, channel: Uniqueid) -> None:
        await self._ask("status", str(channel))
        chan = self.floor.story.channels.get(channel)
        if chan is None:
            raise Refused("No such channel")
        for row in self.floor.story.status_alone(chan):
            self.hear(row, self.floor.story.now)
        while self._inbox:  # noqa: ASYNC110  # turns of the loop are the time here
            await asyncio.sleep(0)

    async def check_context(self) -> bool:
        await self._ask("check_context")
        loaded = "check_context" not in self.variables
        self.state = replace(self.state, context_loaded=loaded)
        return loaded

    # --- what its clients ask

    def request(
        self, view: str = "01", to: str = "0003*024", *, call: CallId | None = None, **more: Any
    ) -> PickupRequest:
        """A request for a view of a call, the first one where none is named."""
        self.floor.begun = True
        (first, *_) = self.picture.calls()
        return PickupRequest(call or first.id, view, Extension(to), **more)

    async def picks_up(self, view: str = "01", to: str = "0003*024", **more: Any) -> PickupResult:
        return await self.pickups.pick_up(self.request(view, to, **more))
