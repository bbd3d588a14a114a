"""From the picture's calls to the UnifiedAPI's phone calls.

Names and numbers come from outside parties by way of the PBX, so that what is shown of them is only what can be
printed, at a length that somebody could read.
"""

from datetime import UTC, datetime
from functools import lru_cache

from bridge.calls import Call, Leg, PickupNote
from bridge.directory import Organization
from bridge.grammar import Extension, printable
from bridge.uapi.links import Links
from bridge.uapi.models import Accepted, PhoneCall, PhoneCallView, PickUp, SelfLink

_LONGEST_NAME = 80
_LONGEST_NUMBER = 64

_printable = lru_cache(maxsize=4096)(printable)


def phone_call(
    call: Call,
    extension: Extension | None,
    organization: Organization | None,
    links: Links | None,
    *,
    views: list[PhoneCallView] | None = None,
) -> PhoneCall:
    """A call as the API shows it.

    Args:
        call: The call.
        extension: The extension under which it is shown.
        organization: The one that this extension belongs to, if known.
        links: How to link to it; without links where None.
        views: Its views, where they have been made already.
    """
    link = SelfLink(self_=links.call(extension, call.id)) if links and extension else None
    return PhoneCall(
        id=call.id,
        extension=extension,
        owner_id=organization.id if organization else None,
        owner_name=organization.name if organization else None,
        answered=date(call.answered),
        published=date(call.published) or "",
        phone_call_view=[view(leg) for leg in call.legs] if views is None else views,
        link=link,
        links=link,
    )


def accepted(call: Call, extension: Extension, links: Links) -> Accepted:
    """A call whose update is under way."""
    link = SelfLink(self_=links.call(extension, call.id))
    return Accepted(id=call.id, extension=extension, link=link, links=link)


def view(leg: Leg) -> PhoneCallView:
    """A leg as the API shows it."""
    return PhoneCallView(
        id=leg.view,
        extension=_number(leg.number) or None,
        answered=date(leg.answered),
        status=leg.status,
        caller_id=_caller_id(leg.other_name, leg.other_number),
        source=_numbers(leg.source),
        destination=_numbers(leg.destination),
        flow=leg.flow,
        ringing=date(leg.ringing),
        on_hold=date(leg.on_hold),
        holder=1 if leg.holder else None,
        parked=date(leg.parked),
        parked_pos=_position(leg.parked_pos),
        parked_by=leg.parked_by,
        pick_up=_pick_up(leg.pickup),
    )


def date(at: float | None) -> str | None:
    """A time as the API shows it: ISO 8601, whole seconds, with its offset.

    UTC, so that every instance says the same. A time beyond the calendar (a PBX may say anything) is absent.
    """
    if at is None:
        return None
    return _date(int(at)) if 0 <= at < 2**35 else None


@lru_cache(maxsize=4096)
def _date(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _pick_up(note: PickupNote | None) -> PickUp | None:
    if note is None:
        return None
    return PickUp(
        from_=_number(note.taken_from) or None, send_call_to=note.send_call_to, status=note.status.value
    )


def _caller_id(name: str, number: str) -> str | None:
    shown_name, shown_number = _name(name), _number(number)
    if not shown_number:
        return shown_name or None
    return f"{shown_name} <{shown_number}>" if shown_name else f"<{shown_number}>"


def _position(space: str) -> int | str | None:
    shown = _number(space)
    return int(shown) if shown.isascii() and shown.isdigit() and len(shown) < 16 else shown or None


def _numbers(number: str) -> list[str] | None:
    shown = _number(number)
    return [shown] if shown else None


def _name(text: str) -> str:
    # Cut before it is remembered: who calls decides how long it is.
    return _printable(text[: 4 * _LONGEST_NAME], _LONGEST_NAME) if text else ""


def _number(text: str) -> str:
    if text.isascii() and text.isalnum() and len(text) <= _LONGEST_NUMBER:
        return text
    return _printable(text[: 4 * _LONGEST_NUMBER].replace(" ", ""), _LONGEST_NUMBER)
