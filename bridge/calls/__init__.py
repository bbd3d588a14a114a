"""The picture of live calls, made of nothing but AMI events. Pure: no I/O, no clock of its own."""

from bridge.calls.channels import Pickup
from bridge.calls.events import CDR_VARIABLES, LISTED, LIVE, RESYNC, STATUS_VARIABLES, WANTED, Headers, text
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
from bridge.calls.outlook import Outlook, another_ring, left_behind, outlook
from bridge.calls.picture import Picture
from bridge.calls.plan import plan
from bridge.calls.whole import answers, begins, is_row, whole

__all__ = [
    "CDR_VARIABLES",
    "LISTED",
    "LIVE",
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
    "Outlook",
    "Pickup",
    "PickupNote",
    "PickupStatus",
    "Picture",
    "Plan",
    "another_ring",
    "answers",
    "begins",
    "is_row",
    "left_behind",
    "outlook",
    "plan",
    "text",
    "whole",
]
