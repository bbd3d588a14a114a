"""Lists: which calls of those found, in which order, which page, and which of their fields (uapi.md, section 4)."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from bridge.calls import Call
from bridge.uapi.errors import ApiError
from bridge.uapi.models import Paging, PhoneCall
from bridge.uapi.present import date

DEFAULT_COUNT = 20
LARGEST = 5000
"""Of count and of startIndex."""

OPERATIONS = ("contains", "equals", "greaterThan", "inArray", "lessThan", "present", "startsWith")
ORDERS = {"ascending": False, "asc": False, "descending": True, "desc": True}
PARAMETERS = ("count", "filterBy", "filterOp", "filterValue", "fields", "startIndex", "sortOrder")
FIELDS: Mapping[str, str] = {field.alias or name: name for name, field in PhoneCall.model_fields.items()}
"""Names of PhoneCall's fields outside, and inside."""

_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a client wants of a list.

    Args:
        count: How many entries at most.
        start: The place of the first, from 0.
        descending: Whether the latest come first.
        keep: Which calls belong to the list.
        fields: The fields of each, by their Python names; all where None.
        given: The parameters as they came, for the links to other pages.
    """

    count: int
    start: int
    descending: bool
    keep: Callable[[Call], bool] | None
    fields: frozenset[str] | None
    given: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list."""

    calls: list[Call]
    total: int
    paging: Paging


def read(params: Mapping[str, str]) -> ListQuery:
    """Read the query's parameters; unknown ones are passed over.

    Raises:
        ApiError: one is invalid.
    """
    given = {name: params[name] for name in PARAMETERS if name in params}
    return ListQuery(
        count=_number(given, "count", DEFAULT_COUNT, 1),
        start=_number(given, "startIndex", 0, 0),
        keep=_filter(given),
        descending=_descending(given),
        fields=_fields(given),
        given=given,
    )


def page(calls: Iterable[Call], query: ListQuery, address: str) -> Page:
    """Cut a page out of the calls that were found.

    Args:
        calls: The calls, in no order.
        query: What is wanted.
        address: The list's own address, without query.
    """
    kept = calls if query.keep is None else filter(query.keep, calls)
    ordered = sorted(kept, key=_order, reverse=query.descending)
    end = query.start + query.count
    return Page(
        calls=ordered[query.start : end],
        total=len(ordered),
        paging=Paging(
            next=_link(address, query, end) if end < len(ordered) and end <= LARGEST else None,
            prev=_link(address, query, max(0, query.start - query.count)) if query.start > 0 else None,
        ),
    )


def _order(call: Call) -> tuple[float, str]:
    return call.published, call.id


def _link(address: str, query: ListQuery, start: int) -> str:
    params = {**query.given, "count": str(query.count), "startIndex": str(start)}
    return f"{address}?{urlencode(params, safe='*@')}"


def _number(given: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= LARGEST:
        raise ApiError(f"{name.lower()}_invalid")
    return int(text)


def _descending(given: Mapping[str, str]) -> bool:
    text = given.get("sortOrder", "ascending")
    if text not in ORDERS:
        raise ApiError("sortorder_invalid")
    return ORDERS[text]


def _fields(given: Mapping[str, str]) -> frozenset[str] | None:
    text = given.get("fields")
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in FIELDS:
            raise ApiError(
                "fields_invalid", f"Parameter fields is invalid. It must name {', '.join(FIELDS)}."
            )
    return frozenset(FIELDS[name] for name in names)


def _filter(given: Mapping[str, str]) -> Callable[[Call], bool] | None:
    by, operation, value = given.get("filterBy"), given.get("filterOp"), given.get("filterValue")
    if operation is not None and operation not in OPERATIONS:
        raise ApiError("filterop_invalid")
    if by is None:
        if operation is None and value is None:
            return None
        raise ApiError("filterby_invalid", "Parameter filterBy is missing. It must be id or published.")
    if by not in ("id", "published"):
        raise ApiError("filterby_invalid")
    operation = operation or "equals"
    if operation == "present":
        return None  # both are present in every phone call
    if not value:
        raise ApiError("filtervalue_invalid", "Parameter filterValue is missing.")
    return _by_id(operation, value) if by == "id" else _by_published(operation, value)


def _by_id(operation: str, value: str) -> Callable[[Call], bool]:
    match operation:
        case "contains":
            return lambda call: value in call.id
        case "startsWith":
            return lambda call: call.id.startswith(value)
        case "greaterThan":
            return lambda call: call.id > value
        case "lessThan":
            return lambda call: call.id < value
    wanted = _wanted(operation, value)
    return lambda call: call.id in wanted


def _by_published(operation: str, value: str) -> Callable[[Call], bool]:
    match operation:
        case "contains":
            return lambda call: value in (date(call.published) or "")
        case "startsWith":
            return lambda call: (date(call.published) or "").startswith(value)
        case "greaterThan":
            after = _time(value)
            return lambda call: int(call.published) > after
        case "lessThan":
            before = _time(value)
            return lambda call: int(call.published) < before
    wanted = frozenset(_time(one) for one in _wanted(operation, value))
    return lambda call: int(call.published) in wanted


def _wanted(operation: str, value: str) -> frozenset[str]:
    if operation == "equals":
        return frozenset({value})
    wanted = frozenset(one.strip() for one in value.split(","))
    if "" in wanted:
        raise ApiError(
            "filtervalue_invalid", "Parameter filterValue is invalid. For inArray it is a list with commas."
        )
    return wanted


def _time(value: str) -> float:
    """A date as a client writes it; the + of an offset may have come as the space that it means in a query."""
    try:
        time = datetime.fromisoformat(value.strip().replace(" ", "+"))
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ApiError(
            "filtervalue_invalid", "Parameter filterValue is invalid. It must be a date."
        ) from None
