"""What the answers of a resync have said so far, and what events have said since."""

from bridge.calls.channels import Parking
from bridge.calls.events import Headers


class Gathering:
    """One resync under way.

    Args:
        resync: What the ActionIDs of its questions begin with.
    """

    def __init__(self, resync: str) -> None:
        self.resync = resync
        self.seen: set[str] = set()
        self.devices: set[str] = set()
        self.unread: set[str] = set()
        """The names of channels of whose row nobody could say which is its id."""
        self.bridges: dict[str, tuple[str, str]] = {}
        self.parked: dict[str, Parking] = {}
        self.queued: dict[str, str] = {}
        self.rows: list[tuple[Headers, float]] = []
        """Those of Status that wait for the rest, and when each came."""

    def talks(self, uniqueid: str) -> None:
        """A channel is in a conversation now. Who was taken out of a queue is told of in no other way."""
        self.parked.pop(uniqueid, None)
        self.queued.pop(uniqueid, None)
