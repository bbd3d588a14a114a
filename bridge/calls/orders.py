"""What the variables of a Status row say: a pickup leg's order, and when a channel was answered."""

from collections.abc import Mapping

from bridge.calls.channels import Channel
from bridge.calls.events import CDR_VARIABLES
from bridge.calls.model import Mode, Order
from bridge.grammar import Extension, Uniqueid, epoch_and_sequence

_MODES = frozenset(mode.value for mode in Mode)


def read_order(told: Mapping[str, str]) -> Order | None:
    """The order in a pickup leg's channel variables; None where they are not ours or not whole.

    Asterisk sets an Originate's variables one by one, the last that was sent first (seen on 16.28 and 22.10): who asks
    meanwhile is told some of them. UAPI_VIEW is sent first, and always, so that where it is set all are.
    """
    view, mode = told.get("UAPI_VIEW", ""), told.get("UAPI_MODE", "")
    to, source = Extension.maybe(told.get("UAPI_TO")), Uniqueid.maybe(told.get("UAPI_SOURCE"))
    target = Uniqueid.maybe(told.get("UAPI_TARGET"))
    if not view or to is None or source is None or target is None or mode not in _MODES:
        return None
    return Order(
        view=view,
        taken_from=told.get("UAPI_FROM", ""),
        send_call_to=to,
        source=source,
        target=target,
        mode=Mode(mode),
        queue=told.get("UAPI_QUEUE") == "1",
        ring=Uniqueid.maybe(told.get("UAPI_RING")),
        by=told.get("UAPI_BY", ""),
        answered=_seconds(told.get("UAPI_ANSWERED", "")),
        since=(_seconds(told["UAPI_SINCE"]) or 0.0) if told.get("UAPI_SINCE") else None,
        caller=told.get("UAPI_CALLER", ""),
        dialled=told.get("UAPI_DIALLED", ""),
        under=Extension.maybe(told.get("UAPI_UNDER")),
    )


def _seconds(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 < seconds < 1e12 else None


def answer_time(told: Mapping[str, str], channel: Channel, born: float) -> float | None:
    """When a channel was answered, if its CDR still is its first one.

    CDR(start) and CDR(answer) start anew at every re-bridging, and are the same then (seen on 22.10), so the answer
    is the channel's only while the start still is its creation.
    """
    answered, started = (_seconds(told.get(name, "")) for name in CDR_VARIABLES)
    made = epoch_and_sequence(channel.uniqueid)
    if answered is None or started is None or answered == started:
        return None
    return answered if abs(started - (made[0] if made else born)) < 1.5 else None
