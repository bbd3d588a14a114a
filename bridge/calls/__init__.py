"""The picture of live calls, made of nothing but AMI events. Pure: no I/O, no clock of its own."""

from bridge.calls.events import CDR_VARIABLES, RESYNC, STATUS_VARIABLES, WANTED, Headers
from bridge.calls.model import (
    Call,
    Change,
    Leg,
    Mode,
    NotPickable,
    Numbering,
    Order,
    PickupNote,
    PickupStatus,
    Plan,
)
from bridge.calls.picture import Picture

__all__ = [
    "CDR_VARIABLES",
    "RESYNC",
    "STATUS_VARIABLES",
    "WANTED",
    "Call",
    "Change",
    "Headers",
    "Leg",
    "Mode",
    "NotPickable",
    "Numbering",
    "Order",
    "PickupNote",
    "PickupStatus",
    "Picture",
    "Plan",
]
