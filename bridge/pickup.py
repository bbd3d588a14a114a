"""The use case: find the leg, ask Asterisk once, follow what becomes of it."""

from dataclasses import dataclass

from bridge.calls import Call, PickupStatus
from bridge.grammar import CallerId, CallId, Extension


class PickupError(Exception):
    """A pickup that cannot be; the message is for the one who asked."""


class PbxUnavailable(PickupError):
    """Nothing can be asked of Asterisk now."""


class Conflict(PickupError):
    """The call is being picked up by somebody else, or cannot be picked up in its state."""


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
    """

    call: CallId
    view: str
    send_call_to: Extension
    caller_id: CallerId | None = None
    ring: float = 25.0
    wait: float = 0.0


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
