"""The calls: which channels are one, under which extensions each is found, and what has changed.

An event only marks the calls that it touches; they are put together when somebody asks.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from collections.abc import Set as AbstractSet

from bridge.calls.channels import Channel
from bridge.calls.inorder import InOrder, place
from bridge.calls.model import Call, Change, PickupNote
from bridge.grammar import CallId, Extension

_NO_NOTES: Mapping[str, PickupNote] = {}
"""One for all the calls that were never picked up."""


class Record:
    """The channels of one Linkedid, and the call last built of them."""

    __slots__ = ("built", "channels", "id", "linkedid", "notes")

    def __init__(self, linkedid: str) -> None:
        self.linkedid = linkedid
        self.id = CallId.of(linkedid)
        self.channels: dict[str, Channel] = {}
        self.notes: Mapping[str, PickupNote] = _NO_NOTES
        """How earlier pickups of its views ended."""
        self.built: Call | None = None

    def note(self, view: str, note: PickupNote | None) -> None:
        """Remember how a pickup of a view has ended; None where that is no news any more."""
        others = {one: known for one, known in self.notes.items() if one != view}
        self.notes = (others if note is None else others | {view: note}) or _NO_NOTES


class Roll:
    """All calls.

    Args:
        build: Puts a call together; None where it has no leg.
        may_list: Whether a call, put together, could be listed under one of these extensions.
    """

    def __init__(
        self,
        build: Callable[[Record], Call | None],
        may_list: Callable[[Record, AbstractSet[Extension]], bool],
    ) -> None:
        self.track_changes = False
        self.records: dict[str, Record] = {}
        self.by_id: dict[CallId, Record] = {}
        self.by_extension: dict[Extension, list[Record]] = {}
        self.dirty: dict[Record, None] = {}
        """Those that events have touched."""
        self.unheard: dict[Record, None] = {}
        """Those among them that were left as they were, because nobody who takes changes would hear of them."""
        self._build = build
        self._may_list = may_list
        self._changes: list[Change] = []
        self._scopes_of: Callable[[Extension], Iterable[Hashable]] = lambda _: ()
        self._lists: dict[Hashable, InOrder] = {}

    # --- what is asked

    def call(self, id_: CallId) -> Call | None:
        """The live call with this id."""
        record = self.by_id.get(id_)
        if record in self.dirty or record in self.unheard:
            self._rebuild(record)
        return record.built if record else None

    def calls_of(self, extension: Extension) -> list[Call]:
        """The live calls listed under an extension, in their order."""
        self.flush()
        found = self.by_extension.get(extension, ())
        return sorted((record.built for record in found if record.built), key=place)

    def calls(self) -> list[Call]:
        """All live calls, in no order."""
        self.flush()
        return [record.built for record in self.records.values() if record.built]

    def calls_within(self, scope: Hashable) -> InOrder:
        """The live calls listed under the extensions of a scope, in their order; only until the next event."""
        self.flush()
        return self._lists.get(scope) or InOrder()

    def take_changes(self, heard: AbstractSet[Extension] | None = None) -> list[Change]:
        """What has changed since the last time; only while ``track_changes`` is on.

        Args:
            heard: The extensions that somebody listens to: of calls that are listed under none of them not all changes
                are told. All where None.
        """
        if heard is None:
            self.flush()
        while self.dirty:
            record = next(iter(self.dirty))
            if not record.channels or self._is_heard(record, heard or frozenset()):
                self._rebuild(record)
            else:
                del self.dirty[record]
                self.unheard[record] = None
        changes, self._changes = self._changes, []
        return changes

    def _is_heard(self, record: Record, heard: AbstractSet[Extension]) -> bool:
        return bool(record.built and not heard.isdisjoint(record.built.listed)) or self._may_list(
            record, heard
        )

    def keep_lists(self, scopes_of: Callable[[Extension], Iterable[Hashable]]) -> None:
        """Keep a list in order for each scope from now on.

        Args:
            scopes_of: The scopes that an extension belongs to; always the same.
        """
        self.flush()
        self._scopes_of = scopes_of
        self._lists.clear()
        for record in self.by_id.values():
            self._enlist(None, record.built)

    # --- what happens

    def join(self, channel: Channel, linkedid: str) -> None:
        """Make a channel one of the call that has this Linkedid."""
        if channel.linkedid in self.records:
            self.leave(channel)
        record = self.records.get(linkedid)
        if record is None:
            record = Record(linkedid)
            self.records[record.linkedid] = self.by_id[record.id] = record
        channel.linkedid = record.linkedid
        record.channels[channel.uniqueid] = channel
        self.dirty[record] = None

    def leave(self, channel: Channel) -> None:
        """Take a channel out of its call."""
        record = self.records[channel.linkedid]
        record.channels.pop(channel.uniqueid, None)
        self.dirty[record] = None
        if not record.channels and (record.built is None or not self.track_changes):
            self._rebuild(record)  # over: nobody may ever ask again

    def touch(self, channel: Channel) -> None:
        """Mark the call of a channel."""
        record = self.records.get(channel.linkedid)
        if record is not None:
            self.dirty[record] = None

    def touch_call(self, id_: CallId) -> Record | None:
        """Mark a call; its record, if there is one."""
        record = self.by_id.get(id_)
        if record is not None:
            self.dirty[record] = None
        return record

    def flush(self) -> None:
        """Build the calls that events have touched, and the indexes and changes that follow."""
        for marked in (self.unheard, self.dirty):
            while marked:
                self._rebuild(next(iter(marked)))

    def _rebuild(self, record: Record) -> None:
        self.dirty.pop(record, None)
        self.unheard.pop(record, None)
        before, after = record.built, None
        if record.channels:
            after = self._build(record)
        else:
            self._forget(record)
        record.built = after
        if before is None and after is None:
            return
        self._index(record, before, after)
        if self.track_changes and after != before:
            self._changes.append(_change(before, after))

    def _forget(self, record: Record) -> None:
        self.records.pop(record.linkedid, None)
        self.by_id.pop(record.id, None)
        self.dirty.pop(record, None)
        self.unheard.pop(record, None)

    def _index(self, record: Record, before: Call | None, after: Call | None) -> None:
        was: frozenset[Extension] = before.listed if before else frozenset()
        now: frozenset[Extension] = after.listed if after else frozenset()
        if was != now:
            for extension in was - now:
                records = self.by_extension[extension]
                records.remove(record)
                if not records:
                    del self.by_extension[extension]
            for extension in now - was:
                self.by_extension.setdefault(extension, []).append(record)
        self._enlist(before, after)

    def _enlist(self, before: Call | None, after: Call | None) -> None:
        """Put a call into the lists of its scopes, out of others, or in the place of what it was there."""
        was = self._scopes(before)
        now = was if before and after and before.listed == after.listed else self._scopes(after)
        for scope in was | now:
            one = self._lists.get(scope)
            if one is None:
                one = self._lists[scope] = InOrder()
            one.replace(before if scope in was else None, after if scope in now else None)
            if not one:
                del self._lists[scope]

    def _scopes(self, call: Call | None) -> set[Hashable]:
        return {scope for extension in (call.listed if call else ()) for scope in self._scopes_of(extension)}


def _change(before: Call | None, after: Call | None) -> Change:
    if after is None:
        assert before is not None  # noqa: S101  # two absent calls are equal, and no change
        return Change("ended", before)
    return Change("changed" if before else "added", after)
