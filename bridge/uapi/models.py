"""The UnifiedAPI's objects: what they may hold, how they are read and written, and what the OpenAPI says of them.

Fields and their order are those of the seed's example and of the PhoneCalls resource page. Replies leave out what is
absent. Requests are read liberally: numbers as texts and texts as numbers, both spellings in use, null for absent.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from bridge.grammar import CallerId

LONGEST_RING = 3600
"""Seconds that a phone may be asked to ring."""

DEFAULT_RING = 25.0
"""Seconds that it rings when the client does not say (seed, Request Payload)."""

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class Model(BaseModel):
    """What all objects share: camel case outside, unknown members passed over, nothing changed later."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
    )

    def to_json(self, fields: frozenset[str] | None = None) -> bytes:
        """As JSON, without what is absent.

        Args:
            fields: The members to keep, by their Python names; all where None.
        """
        include = None if fields is None else set(fields)
        return self.model_dump_json(by_alias=True, exclude_none=True, include=include).encode()


# --- replies

Date = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
NumberText = Annotated[str, Field(description="An extension in its long form, or a telephone number.")]


class PickUp(Model):
    """What is known of the pickup that concerns a view."""

    from_: str | None = Field(
        None, alias="from", description="The extension, or number, that the call was or is to be taken from."
    )
    send_call_to: str = Field(description="The extension whose phone takes it.")
    status: Literal[
        "ringing", "connected", "noAnswer", "busy", "rejected", "unreachable", "cancelled", "conflict"
    ] = Field(description="How far it has come.")


class PhoneCallView(Model):
    """A phone call as one of its parties sees it."""

    id: str = Field(description="Its id within the phone call.", examples=["01"])
    extension: NumberText | None = None
    answered: Date | None = None
    status: Literal["0", "1", "2", "3", "4", "5"] = Field(
        description="0 unknown, 1 off hook, 2 trying, 3 ringing, 4 other side ringing, 5 on call."
    )
    caller_id: str | None = Field(None, description="The other party, as Name <number>.")
    source: list[NumberText] | None = Field(None, description="Who called.")
    destination: list[NumberText] | None = Field(None, description="What was dialled.")
    flow: Literal["2", "4", "8"] | None = Field(
        None, description="2 local, 4 outgoing public, 8 incoming public."
    )
    ringing: Date | None = Field(None, description="Since when it rings; absent once answered.")
    on_hold: Date | None = Field(None, description="Since when the call is on hold.")
    holder: Literal[1] | None = Field(None, description="1 where this party's phone holds the call.")
    parked: Date | None = None
    parked_pos: int | str | None = Field(None, description="The slot in the parking lot.")
    parked_by: str | None = Field(None, description="The extension that parked it.")
    pick_up: PickUp | None = None


class SelfLink(Model):
    """Where an object is found."""

    self_: str = Field(alias="self", description="An absolute URI, without any token.")


class ListedPhoneCall(Model):
    """A call that is in the system now, with the members that were asked for."""

    id: str | None = Field(
        None, description="The same for the whole life of the call.", examples=["b817d2618fe6f1804333"]
    )
    extension: str | None = Field(None, examples=["0003*210"])
    owner_id: str | None = Field(None, description="The organization's id.", examples=["3"])
    owner_name: str | None = Field(
        None, description="The organization's name.", examples=["Default Organization"]
    )
    answered: Date | None = None
    published: Date | None = Field(None, description="When the call was placed.")
    phone_call_view: list[PhoneCallView] | None = Field(None, description="One for each party.")
    link: SelfLink | None = None
    links: SelfLink | None = None


class PhoneCall(ListedPhoneCall):
    """A call that is in the system now."""

    id: str = Field(description="The same for the whole life of the call.", examples=["b817d2618fe6f1804333"])
    published: Date = Field(description="When the call was placed.")
    phone_call_view: list[PhoneCallView] = Field(description="One for each party.")


class Paging(Model):
    """The neighbouring pages, each absent where there is none."""

    next: str | None = None
    prev: str | None = None


class Collection(Model):
    """A page of phone calls, ordered by published and id."""

    entry: list[ListedPhoneCall]
    total_results: int
    items_per_page: int
    start_index: int
    paging: Paging = Paging()

    @classmethod
    def around(cls, empty: bytes, entries: Sequence[bytes]) -> bytes:
        """Put phone calls that are JSON already into a page without any that is JSON already."""
        return empty.replace(b'"entry":[]', b'"entry":[%b]' % b",".join(entries), 1)


class SinglePhoneCall(Collection, ListedPhoneCall):
    """One phone call, as itself (the seed) and as a collection of one (every other client).

    Without what makes it one where there is no such call now.
    """

    @classmethod
    def around(cls, empty: bytes, entries: Sequence[bytes]) -> bytes:
        """The same, and the phone call itself, if there is one."""
        members = entries[0][1:-1] if entries else b""
        collection = super().around(empty, entries)
        return b"{%b,%b" % (members, collection[1:]) if members else collection


class Accepted(Model):
    """A phone call that is being updated; the link tells what becomes of it."""

    id: str = Field(examples=["b817d2618fe6f1804333"])
    extension: str | None = Field(None, examples=["0003*210"])
    link: SelfLink
    links: SelfLink


class ErrorDetail(Model):
    """What is wrong."""

    code: str
    message: str


class ErrorBody(Model):
    """The body of every 4xx and 5xx."""

    error: ErrorDetail


# --- requests


def as_text(value: Any) -> Any:
    """A number as the text it stands for."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**32:
        return str(value)
    return value


def _as_view(value: Any) -> Any:
    """A view id given as a number, with the zero that JSON does not let it have."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**32:
        return f"{value:02d}"
    return value


def _seconds(value: Any) -> float:
    if isinstance(value, str) and _SECONDS.fullmatch(value.strip(" ")):
        value = float(value)
    if isinstance(value, bool | str | list | dict) or not 0 < value <= LONGEST_RING:
        raise ValueError(f"must be higher than 0 and at most {LONGEST_RING}")
    return float(value)


def _schema(schema: dict[str, Any]) -> Any:
    """A field's JSON schema in place of what its validators would say."""
    return WithJsonSchema(schema)


class PhoneCallAction(Model):
    """What shall happen to a phone call. Members that an action does not know are passed over."""

    model_config = ConfigDict(populate_by_name=False)

    action: Annotated[str, _schema({"type": "string", "enum": ["PickUp", "UnPark"]})] = Field(
        description="PickUp takes the call over; UnPark does so with a parked one."
    )
    send_call_to: Annotated[
        str,
        BeforeValidator(as_text),
        _schema({"type": ["string", "integer"], "pattern": r"^[0-9*]{1,32}$", "minimum": 0}),
    ] = Field(
        description="The extension whose phone shall take the call: a phone terminal, in its long or short form.",
        examples=["0003*024"],
    )
    caller_id: Annotated[
        CallerId | None,
        PlainValidator(CallerId.parse),
        _schema(
            {
                "type": ["string", "null"],
                "pattern": r'^[^"\\<>;${}\u0000-\u001f\u007f-\u00a0]{0,80}<\+?[0-9*#]{1,32}>$',
            }
        ),
    ] = Field(
        None,
        validation_alias=AliasChoices("callerId", "callerID"),
        description="What that phone and, once connected, the caller's shows, as Name <number>. Default: the"
        " caller id of the phone that takes the call.",
        examples=["John Doe <42420042>"],
    )
    wait_for_pickup: Annotated[
        float,
        PlainValidator(_seconds),
        _schema(
            {
                "type": ["number", "string", "null"],
                "exclusiveMinimum": 0,
                "maximum": LONGEST_RING,
                "pattern": r"^ *[0-9]{1,9}(\.[0-9]{1,9})? *$",
                "default": DEFAULT_RING,
            }
        ),
    ] = Field(
        DEFAULT_RING,
        validation_alias=AliasChoices("waitForPickup", "waitForPickUp"),
        description="Seconds that the phone rings before the pickup is given up; a number, as such or as a text.",
        examples=["20"],
    )
    phone_call_view_id: Annotated[
        str,
        BeforeValidator(_as_view),
        Field(pattern=r"^[0-9]{2,32}$"),
        _schema({"type": ["string", "integer"], "pattern": r"^[0-9]{2,32}$", "minimum": 0}),
    ] = Field(description="The view of the phone call to take over.", examples=["01"])


__all__ = [
    "DEFAULT_RING",
    "LONGEST_RING",
    "Accepted",
    "Collection",
    "ErrorBody",
    "ErrorDetail",
    "ListedPhoneCall",
    "Model",
    "Paging",
    "PhoneCall",
    "PhoneCallAction",
    "PhoneCallView",
    "PickUp",
    "SelfLink",
    "SinglePhoneCall",
    "as_text",
]
