"""The picture of live calls: one AMI event in at a time, calls and changes out."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from collections.abc import Set as AbstractSet

from bridge.calls.channels import Board, Channel, Pickup
from bridge.calls.events import LISTED, Headers, text
from bridge.calls.floor import Floor
from bridge.calls.inorder import InOrder
from bridge.calls.live import Live
from bridge.calls.model import Call, Change, Numbering, Order, PickupNote, PickupStatus
from bridge.calls.resync import Resync
from bridge.calls.roll import Record, Roll
from bridge.calls.takeovers import Takeovers
from bridge.calls.views import build, may_list
from bridge.grammar import CallId, Extension, PickupId


class Picture:
    """All live calls.

    Args:
        numbering: How this PBX names the phones of its extensions.
        queues: The extension of each queue that has one, by the queue's name.
    """

    def __init__(self, numbering: Numbering, queues: Mapping[str, Extension] | None = None) -> None:
        self.board = Board()
        self._queues = dict(queues or {})
        self._roll = Roll(self._build, self._may_list)
        self._takeovers = Takeovers(self.board, self._roll)
        self._floor = Floor(numbering, self.board, self._roll, self._takeovers)
        self._live = Live(self._floor).ways
        self._resync = Resync(self._floor)

    def apply(self, event: Headers, at: float) -> Iterable[Pickup]:
        """Take one event in.

        Args:
            event: Its headers, the name under ``Event``. Unknown names and unknown channels are passed over.
            at: When it came, seconds since 1970.

        Returns:
            The pickups that it may concern; ended ones among them for the last time.
        """
        name = text(event, "Event")
        if name in LISTED:
            self._resync.gather(text(event, "ActionID"))
        if self._floor.gathering is not None and self._resync.waits(name, event, at):
            return ()
        way = self._live.get(name)
        if way is not None:
            take, uniqueid, called = way
            channel = self.board.channels.get(text(event, uniqueid))
            if channel is not None and called and not channel.is_called(text(event, called)):
                return ()
            take(event, at, channel)
        elif answer := self._resync.ways.get(name):
            answer(event, at)
        # While the rows of a resync come in, a pickup may be seen before its caller is: nothing is to be made of that.
        if not self._takeovers.stirred or self._floor.gathering is not None:
            return ()
        return self._takeovers.take_stirred()

    # --- what is asked

    def call(self, id_: CallId) -> Call | None:
        """The live call with this id."""
        return self._roll.call(id_)

    def calls_of(self, extension: Extension) -> list[Call]:
        """The live calls listed under an extension, in the order of lists: by published, then by id."""
        return self._roll.calls_of(extension)

    def calls(self) -> list[Call]:
        """All live calls, in no order."""
        return self._roll.calls()

    def calls_within(self, scope: Hashable) -> InOrder:
        """The live calls listed under the extensions of a scope, in the order of lists; only until the next event.

        There are the scopes that ``keep_lists`` has told of.
        """
        return self._roll.calls_within(scope)

    def keep_lists(self, scopes_of: Callable[[Extension], Iterable[Hashable]]) -> None:
        """Keep a list in order for each scope from now on.

        Args:
            scopes_of: The scopes that an extension belongs to; always the same.
        """
        self._roll.keep_lists(scopes_of)

    @property
    def devices(self) -> dict[str, str]:
        """The state of each phone that the PBX knows, by the device's name."""
        return self._floor.devices

    @property
    def track_changes(self) -> bool:
        """Whether changes are kept for ``take_changes``."""
        return self._roll.track_changes

    @track_changes.setter
    def track_changes(self, on: bool) -> None:
        self._roll.track_changes = on

    def take_changes(self, heard: AbstractSet[Extension] | None = None) -> list[Change]:
        """What has changed since the last time; only while ``track_changes`` is on.

        Args:
            heard: The extensions that somebody listens to: of calls that are listed under none of them not all changes
                are told. All where None.
        """
        return self._roll.take_changes(heard)

    # --- pickups

    @property
    def pickups(self) -> Mapping[PickupId, Pickup]:
        """The pickup legs that live, and those not yet forgotten."""
        return self._takeovers.pickups

    def pickups_of(self, call: CallId) -> list[Pickup]:
        """The live pickup legs made for a call, and those not yet forgotten, oldest first."""
        return self._takeovers.of_call(call)

    def pickups_of_source(self, uniqueid: str) -> list[Pickup]:
        """The pickups, of whatever calls, whose leg lives and hears this party, or shall."""
        return self._takeovers.of_source(uniqueid)

    def passing(self, call: CallId, view: str) -> Order | None:
        """What a pickup that is under way does with a view.

        Between the end of the old leg and the bridging of the new one, the view stands nowhere else.
        """
        orders = (
            pickup.order for pickup in self._takeovers.live_of(call) if pickup.status is PickupStatus.RINGING
        )
        return next((order for order in orders if order and order.view == view), None)

    def channels_of(self, call: CallId) -> list[Channel]:
        """All channels that have a call's Linkedid, Local halves too."""
        record = self._roll.by_id.get(call)
        return list(record.channels.values()) if record else []

    def note(self, call: CallId, view: str, note: PickupNote) -> None:
        """Remember how a pickup that never had a channel ended."""
        if record := self._roll.touch_call(call):
            record.note(view, note)

    def _build(self, record: Record) -> Call | None:
        pickups = self._takeovers.live_of(record.id)
        channels = record.channels.values()
        return build(record.id, record.linkedid, channels, pickups, record.notes, self.board, self._queues)

    def _may_list(self, record: Record, extensions: AbstractSet[Extension]) -> bool:
        pickups = self._takeovers.live_of(record.id)
        return may_list(
            record.linkedid, record.channels.values(), pickups, self.board, self._queues, extensions
        )
