"""Lists: which calls of those found, in which order, which page, and which of their fields (uapi.md, section 4)."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Literal
from urllib.parse import urlencode

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, WithJsonSchema
from starlette.datastructures import QueryParams

from bridge.calls import Call
from bridge.uapi.errors import ApiError
from bridge.uapi.models import Model, PhoneCall
from bridge.uapi.present import date

DEFAULT_COUNT = 20
LARGEST = 5000
"""Of count and of startIndex."""

FIELDS: Mapping[str, str] = {field.alias or name: name for name, field in PhoneCall.model_fields.items()}
"""Names of PhoneCall's fields outside, and inside."""

_NEVER_HERE = "nonce"
"""A field of calls that the API has made, and it makes none here: whoever asks for it goes without."""

_FIELD = "|".join((*FIELDS, _NEVER_HERE))

_NUMBER = re.compile(r"[0-9]{1,9}")


def _as_number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError("must be a number")
    return int(text)


def _known_fields(text: str) -> str:
    if not all(name.strip() in (*FIELDS, _NEVER_HERE) for name in text.split(",")):
        raise ValueError("must name fields")
    return text


class ListParameters(Model):
    """The query of a list, in the order that it is checked."""

    count: Annotated[int, BeforeValidator(_as_number), Field(ge=1, le=LARGEST)] = Field(
        DEFAULT_COUNT, description="How many entries at most."
    )
    filter_by: Literal["id", "published"] | None = Field(None, description="The field to filter by.")
    filter_op: (
        Literal["contains", "equals", "greaterThan", "inArray", "lessThan", "present", "startsWith"] | None
    ) = Field(
        None, description="How to compare it; equals where not given. inArray takes a list with commas."
    )
    filter_value: str | None = Field(
        None, description="What to compare it with: a phone call's id, or a date."
    )
    fields_: Annotated[
        str | None,
        AfterValidator(_known_fields),
        WithJsonSchema(
            {"type": "string", "pattern": f"^({_FIELD})(,({_FIELD}))*$"},
        ),
    ] = Field(None, alias="fields", description="The fields of each entry, with commas; all where not given.")
    start_index: Annotated[int, BeforeValidator(_as_number), Field(ge=0, le=LARGEST)] = Field(
        0, description="The place of the first entry, from 0."
    )
    sort_order: Literal["ascending", "descending", "asc", "desc"] = Field(
        "ascending", description="By published, and then by id."
    )


PARAMETERS = tuple(field.alias or name for name, field in ListParameters.model_fields.items())


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


@lru_cache(maxsize=64)  # who polls asks the same again
def read(query: bytes) -> ListQuery:
    """Read the query of a request; parameters that are unknown are passed over.

    Args:
        query: As it stands in the address.

    Raises:
        ApiError: a parameter is invalid.
    """
    params = QueryParams(query)
    given = {name: params[name] for name in PARAMETERS if name in params}
    if "fields" in given:
        given["fields"] = ",".join(params.getlist("fields"))  # how many clients write an array
    try:
        parameters = ListParameters.model_validate(given)
    except ValidationError as error:
        wrong = {str(one["loc"][0]) for one in error.errors(include_input=False)}
        first = next(name for name in PARAMETERS if name in wrong)
        raise ApiError(f"{first.lower()}_invalid") from None
    fields = parameters.fields_
    return ListQuery(
        count=parameters.count,
        start=parameters.start_index,
        descending=parameters.sort_order.startswith("desc"),
        keep=_filter(parameters),
        fields=None if fields is None else _inside(fields),
        given=given,
    )


def _inside(fields: str) -> frozenset[str]:
    names = {name.strip() for name in fields.split(",")}
    return frozenset(FIELDS[name] for name in names - {_NEVER_HERE})


def page(calls: Sequence[Call], query: ListQuery) -> tuple[list[Call], int]:
    """Cut a page out of the calls that were found.

    Args:
        calls: The calls, by published and then by id.
        query: What is wanted.

    Returns:
        The calls on it, and how many all pages have.
    """
    kept = calls if query.keep is None else list(filter(query.keep, calls))
    total, end = len(kept), query.start + query.count
    if query.descending:
        shown = kept[max(0, total - end) : max(0, total - query.start)][::-1]
    else:
        shown = kept[query.start : end]
    return list(shown), total


def beside(total: int, query: ListQuery, address: str) -> tuple[str | None, str | None]:
    """The addresses of the pages after and before a page, where there are such.

    Args:
        total: How many calls all pages have.
        query: What is wanted.
        address: The list's own address, without query.
    """
    end = query.start + query.count
    following = _link(address, query, end) if end < total and end <= LARGEST else None
    start = min(query.start, total)  # of a page beyond the last one, the one before is the last one
    return following, _link(address, query, max(0, start - query.count)) if start > 0 else None


def _link(address: str, query: ListQuery, start: int) -> str:
    params = {**query.given, "count": str(query.count), "startIndex": str(start)}
    return f"{address}?{urlencode(params, safe='*@')}"


def _filter(parameters: ListParameters) -> Callable[[Call], bool] | None:
    by, operation, value = parameters.filter_by, parameters.filter_op, parameters.filter_value
    if by is None:
        if operation is None and value is None:
            return None
        raise ApiError("filterby_invalid", "Parameter filterBy is missing. It must be id or published.")
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
    part = _with_plus(value)
    match operation:
        case "contains":
            return lambda call: part in (date(call.published) or "")
        case "startsWith":
            return lambda call: (date(call.published) or "").startswith(part)
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
    """A date as a client writes it."""
    try:
        time = datetime.fromisoformat(_with_plus(value))
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ApiError(
            "filtervalue_invalid", "Parameter filterValue is invalid. It must be a date."
        ) from None


def _with_plus(value: str) -> str:
    """A date whose offset's + has come as the space that it means in a query."""
    return value.strip().replace(" ", "+")
