"""PhoneCalls: list them, get one, and take one over.

What is checked in which order is the contract's: token, PBX, size and syntax, user, extension, phoneCallId, action,
sendCallTo, callerId, waitForPickup, phoneCallViewId, rights, state. Nothing is asked of Asterisk before the last.
"""

import hashlib
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from bridge.calls import Call, Leg, PickupStatus
from bridge.directory import App
from bridge.grammar import Extension, GrammarError
from bridge.pickup import PickupRequest, PickupResult, may_pick_up
from bridge.uapi import links, lists, prefer, present, seed
from bridge.uapi.addresses import Address, find, found, resolve
from bridge.uapi.auth import admit, look_at_pbx
from bridge.uapi.bodies import read_object
from bridge.uapi.errors import ApiError, translate
from bridge.uapi.headers import every
from bridge.uapi.models import (
    Accepted,
    Collection,
    Paging,
    PhoneCall,
    PhoneCallAction,
    SinglePhoneCall,
)
from bridge.uapi.resources import Operation, Reply, Resource
from bridge.uapi.service import Service

ACTIONS = ("PickUp", "UnPark")
NOT_BUILT = (
    "BargeIn", "Monitor", "OffHold", "OnHold", "Park", "StartRecording", "StopRecording", "Transfer",
    "TransferToVoicemail", "Whisper",
)  # fmt: skip
"""The other actions of the UnifiedAPI (PhoneCallAction, v3 and v5)."""

_OBJECT_ID = re.compile(r"[0-9A-Za-z]{1,64}")

_FIELDS = (
    ("sendCallTo", "pc_sendcallto_invalid"),
    ("callerId", "pc_callerid_invalid"),
    ("waitForPickup", "pc_timeout_invalid"),
    ("phoneCallViewId", "pc_phonecallview_invalid"),
)
"""The members of an action after ``action`` itself, in the order they are checked, with their codes."""


USER = {
    "type": "string",
    "pattern": r"^(@me|@viewer|@owner|[0-9A-Za-z][0-9A-Za-z._~-]{0,63})$",
    "description": "@me or @viewer: the user of the App; @owner: who owns the extension; or a user's id.",
    "examples": ["@me"],
}
EXTENSION = {
    "type": "string",
    "pattern": r"^(@self|[0-9*]{1,32})$",
    "description": "The extension's number in its long or short form; @self: all that the user may act for.",
    "examples": ["0003*210"],
}
_PHONE_CALL_ID = {
    "type": "string",
    "pattern": r"^[0-9A-Za-z]{1,64}$",
    "description": "The id of a phone call.",
    "examples": ["b817d2618fe6f1804333"],
}

COMMON = ("access_denied", "too_many_requests", "pbx_unavailable", "internal_server_error")
_LISTING = (
    "count_invalid", "filterby_invalid", "filterop_invalid", "filtervalue_invalid", "fields_invalid",
    "startindex_invalid", "sortorder_invalid", "request_invalid", "user_invalid", "extension_invalid", "forbidden",
)  # fmt: skip
_UPDATING = (
    "request_invalid", "request_too_large", "media_type_unsupported", "request_timeout", "user_invalid",
    "extension_invalid", "pc_phonecall_invalid", "pc_action_invalid", "request_not_implemented",
    "pc_sendcallto_invalid", "pc_callerid_invalid", "pc_timeout_invalid", "pc_phonecallview_invalid", "forbidden",
    "pc_pickup_conflict", "pc_sendcallto_unavailable",
)  # fmt: skip

_APPLIED = {"Preference-Applied": "The wait of the Prefer header, if it was heeded."}
_REPLAYED = {"Idempotent-Replayed": "true: the same pickup was under way, or connected, already."}
_CHANGED = {"ETag": "Changes with the body."}
_IF_CHANGED = {"If-None-Match": "The ETag of an earlier reply: 304 where nothing has changed since."}


_SHOWN = 256
"""How many calls are kept as they were last shown, those that are over among them: some pages of lists."""

_PAGES = 64
"""How many replies are kept for those who poll: they are told the same again for as long as no call on it has changed."""

_POLLED = 32
"""Calls on a page that is kept: more are not what somebody looks at again and again."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a GET is for.

    Args:
        base: Where the client sees the API.
        query: Which of the calls, and what of them.
        address: Whose calls.
        key: What tells it from all other questions: as it was asked, and by whom.
    """

    base: str
    query: lists.ListQuery
    address: Address
    key: Hashable


@dataclass(frozen=True, slots=True)
class _Shown:
    """How a call was last shown.

    Args:
        call: The call, which is another object once it has changed.
        json: What was shown.
        digest: What tells it from all else that may be shown: the SHA-256 of that.
    """

    call: Call
    json: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class _Told:
    """What was answered to a question.

    Args:
        calls: The calls that were on the page.
        total: How many all pages had.
        response: The reply.
    """

    calls: list[Call]
    total: int
    response: Response


class PhoneCalls:
    """The handlers of PhoneCalls."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._shown: dict[Hashable, _Shown] = {}
        """What was shown of a call, for whom and where: a call that has not changed is the same object, for all polls."""
        self._told: dict[Hashable, _Told] = {}

    def resources(self) -> list[Resource]:
        """Where they answer."""
        hang_up = Operation(
            self.hang_up,
            "Hang up (not implemented)",
            errors=(*COMMON, "request_not_implemented"),
        )
        create = Operation(
            self.create,
            "Create a phone call (not implemented)",
            errors=(*COMMON, "request_not_implemented"),
        )
        extension = {"user": USER, "extension": EXTENSION}
        return [
            Resource(
                "/uapi/phoneCalls/{user}/{extension}/{phoneCallId}",
                {"GET": self._get(), "PUT": self._update(), "DELETE": hang_up},
                {**extension, "phoneCallId": _PHONE_CALL_ID},
            ),
            *(
                Resource(f"/uapi/phoneCalls/{{user}}/{kind}", {"POST": create}, {"user": USER})
                for kind in ("simple", "callback", "conferenceInvite")
            ),
            Resource(
                "/uapi/phoneCalls/{user}/{extension}", {"GET": self._list(), "DELETE": hang_up}, extension
            ),
        ]

    def _list(self) -> Operation:
        return Operation(
            self.list_calls,
            "List phone calls",
            "The calls that are in the system now, with all their views.",
            query=lists.ListParameters,
            headers=_IF_CHANGED,
            replies={
                200: Reply("A page of the list.", Collection, seed.COLLECTION, _CHANGED),
                304: Reply("Nothing has changed."),
            },
            errors=(*COMMON, *_LISTING),
        )

    def _get(self) -> Operation:
        return Operation(
            self.get_call,
            "Get a phone call",
            "The phone call itself, and as a collection of one. An empty collection where there is no such call now.",
            query=lists.ListParameters,
            headers=_IF_CHANGED,
            replies={
                200: Reply("The phone call.", SinglePhoneCall, seed.SINGLE, _CHANGED),
                304: Reply("Nothing has changed."),
            },
            errors=(*COMMON, *_LISTING, "pc_phonecall_invalid"),
        )

    def _update(self) -> Operation:
        return Operation(
            self.update_call,
            "Pick up a phone call",
            "The phone of sendCallTo rings; once it answers, it takes the place of the view, and the call goes on"
            " there. The same request again while it rings, or once connected, rings nothing. The other actions of"
            " the UnifiedAPI are not implemented.",
            headers={"Prefer": "wait=N (RFC 7240): wait up to N seconds, at most 60, for the outcome."},
            body=PhoneCallAction,
            examples={"PickUp": seed.PICKUP, "UnPark": seed.UNPARK},
            replies={
                200: Reply("Connected.", PhoneCall, seed.CALL, {**_APPLIED, **_REPLAYED}),
                202: Reply("The phone rings.", Accepted, seed.ACCEPTED, {**_APPLIED, **_REPLAYED}),
                204: Reply(
                    "There is no phone call to return: nobody answered, or the caller left.", headers=_APPLIED
                ),
            },
            errors=(*COMMON, *_UPDATING),
        )

    # --- reading

    async def list_calls(self, request: Request) -> Response:
        """The calls of an extension, or of all that the user may act for."""
        asked = self._asked(request)
        calls = found(self._service.directory, self._service.calls, asked.address)
        return self._page(request, Collection, calls, asked)

    async def get_call(self, request: Request) -> Response:
        """One call; where there is no such call now, an empty collection, as those who poll expect."""
        asked = self._asked(request)
        id_ = request.path_params["phoneCallId"]
        if not _OBJECT_ID.fullmatch(id_):
            raise ApiError("pc_phonecall_invalid")
        match = find(self._service.directory, self._service.calls, asked.address, id_)
        return self._page(request, SinglePhoneCall, [match[0]] if match else [], asked)

    def _asked(self, request: Request) -> "_Asked":
        app = admit(request, self._service)
        scope, base = request.scope, links.base(request, self._service.settings.http)
        address = self._address(request, app)
        key = (scope["path"], scope["query_string"], base, app.user.id)
        return _Asked(base, lists.read(scope["query_string"]), address, key)

    def _page(
        self, request: Request, kind: type[Collection], calls: Sequence[Call], asked: "_Asked"
    ) -> Response:
        page, total = lists.page(calls, asked.query)
        told = self._told.get(asked.key)
        if told is None or told.total != total or told.calls != page:
            response = self._reply(f"{asked.base}{request.scope['path']}", kind, page, total, asked)
            told = _Told(page, total, response)
            if len(page) <= _POLLED:
                if len(self._told) >= _PAGES:
                    self._told.clear()
                self._told[asked.key] = told
        return _unless_known(request, told.response)

    def _reply(
        self, address: str, kind: type[Collection], page: Sequence[Call], total: int, asked: "_Asked"
    ) -> Response:
        following, previous = lists.beside(total, asked.query, address)
        collection = _empty(kind, total, asked.query.count, asked.query.start, following, previous)
        shown = [self._present(call, asked.address, asked.base, asked.query.fields) for call in page]
        etag = hashlib.sha256(b"".join([collection, *(one.digest for one in shown)])).hexdigest()[:24]
        headers = {"ETag": f'"{etag}"', "Cache-Control": "private, no-cache"}
        return _json(kind.around(collection, [one.json for one in shown]), headers=headers)

    # --- updating

    async def update_call(self, request: Request) -> Response:
        """PickUp and UnPark."""
        with self._service.draining.busy():
            app = admit(request, self._service)
            self._not_stopping()
            base = links.base(request, self._service.settings.http)
            data = await read_object(request, self._service.settings.limits.body_bytes)
            look_at_pbx(self._service)
            if "action" not in data:
                raise ApiError("request_invalid", "The request body has no action.")
            address = self._address(request, app)
            call, extension = self._call(request, address)
            if not self._has(call, str(data.get("phoneCallViewId"))):
                await self._service.pickups.know(call.id)  # one of them may have taken it over
                look_at_pbx(self._service)
                call, extension = self._call(request, address)
            order = self._order(address, call, *_read_action(data))
            leg = call.leg(order.view)
            allowed = self._check_rights(app, call, leg, order)
            order = replace(
                order,
                allowed=allowed,
                unpark=data["action"] == "UnPark",
                may=partial(may_pick_up, self._service.directory, app.user),
                before_ring=partial(self._service.limiter.ring, order.send_call_to),
                under=extension,
            )
            seconds, headers = self._patience(request)
            waits_by_wish = bool(headers)
            result = await self._pick_up(app, replace(order, wait=seconds), headers)
            if result.replayed:
                headers["Idempotent-Replayed"] = "true"
            if seconds > 0 and result.status is PickupStatus.CONNECTED and result.call is not None:
                return _json(self._present(result.call, address, base).json, headers=headers)
            if (
                waits_by_wish
                and seconds > 0
                and (result.status is not PickupStatus.RINGING or result.call is None)
            ):
                return Response(status_code=204, headers=headers)
            accepted = present.accepted(call, extension, links.Links(base, address.user.id))
            return _json(accepted.to_json(), 202, headers)

    async def hang_up(self, request: Request) -> Response:
        """DELETE, which is not built."""
        admit(request, self._service)
        raise ApiError("request_not_implemented", "Hanging up phone calls is not implemented.")

    async def create(self, request: Request) -> Response:
        """POST, which is not built."""
        admit(request, self._service)
        raise ApiError("request_not_implemented", "Creating phone calls is not implemented.")

    # --- the checks

    def _not_stopping(self) -> None:
        if self._service.draining.active:
            raise ApiError("pbx_unavailable", "The bridge is shutting down.", headers={"Connection": "close"})

    def _address(self, request: Request, app: App) -> Address:
        return resolve(
            self._service.directory,
            app.user,
            request.path_params["user"],
            request.path_params["extension"],
        )

    def _call(self, request: Request, address: Address) -> tuple[Call, Extension]:
        match = find(
            self._service.directory, self._service.calls, address, request.path_params["phoneCallId"]
        )
        if match is None:
            raise ApiError("pc_phonecall_invalid")
        return match

    def _has(self, call: Call, view: str) -> bool:
        """Whether a call has a view, or one of its pickups is about to."""
        return bool(call.leg(view) or self._service.calls.passing(call.id, view))

    def _order(
        self, address: Address, call: Call, action: PhoneCallAction, errors: frozenset[str]
    ) -> PickupRequest:
        """What the action asks for, each member checked in its turn."""
        view = action.phone_call_view_id
        send_call_to: Extension | None = None
        for name, code in _FIELDS:
            if name.lower() in errors:
                raise ApiError(code)
            if name == "sendCallTo":
                send_call_to = self._phone(address, action.send_call_to)
        if send_call_to is None or not self._has(call, view):
            raise ApiError("pc_phonecallview_invalid")
        return PickupRequest(
            call=call.id,
            view=view,
            send_call_to=send_call_to,
            caller_id=action.caller_id,
            ring=action.wait_for_pickup,
        )

    def _phone(self, address: Address, text: str) -> Extension:
        directory = self._service.directory
        try:
            number = directory.complete(text, like=address.extension, user=address.user)
        except GrammarError:
            raise ApiError("pc_sendcallto_invalid") from None
        if not directory.may_send_to(address.asker, number):
            raise ApiError("pc_sendcallto_invalid")
        if not self._service.is_phone(number):
            raise ApiError(
                "pc_sendcallto_invalid",
                f"Value supplied in sendCallTo is invalid. {number} is not the number of a phone terminal extension.",
            )
        return number

    def _check_rights(self, app: App, call: Call, leg: Leg | None, order: PickupRequest) -> bool:
        """Whether the user may take that view; False where he may not, but it was taken, and perhaps by this request.

        Raises:
            ApiError: he may not.
        """
        directory = self._service.directory
        if leg is None:
            passing = self._service.calls.passing(order.call, order.view)
            owned = Extension.maybe(passing.taken_from) if passing else None
            return owned is not None and directory.may_act_for(app.user, owned)
        if may_pick_up(directory, app.user, call, leg):
            return True
        if leg.pickup is not None:
            return False
        raise ApiError("forbidden", "The user of this App may not pick up that view of the phone call.")

    # --- the outcome

    def _patience(self, request: Request) -> tuple[float, dict[str, str]]:
        """How long to wait for the outcome, and what the reply says of it.

        Returns:
            The seconds; and Preference-Applied if they are the client's wish, else nothing.
        """
        preferred = prefer.wait(request.headers.getlist("prefer"))
        if preferred is None:
            return self._service.settings.uapi.wait, {}
        return preferred, {"Preference-Applied": f"wait={preferred}"}

    async def _pick_up(self, app: App, order: PickupRequest, headers: Mapping[str, str]) -> PickupResult:
        """Have the call picked up, within limits. A client that goes away meanwhile cancels nothing: see `Pickups`."""
        with self._service.limiter.waiting(app.id, order.wait):
            try:
                return await self._service.pickups.pick_up(order)
            except Exception as error:
                raise _with(headers, error) from error
            finally:
                self._service.feed.stir()  # a pickup that never had a channel leaves its note without an event

    def _present(
        self, call: Call, address: Address, base: str, fields: frozenset[str] | None = None
    ) -> "_Shown":
        """A call as JSON, with these fields."""
        at = (call.id, address.asker.id, address.user.id, address.extension, base, fields)
        shown = self._shown.get(at)
        if shown is None or shown.call is not call:
            directory = self._service.directory
            extension = address.extension_of(directory, call) or address.extension
            organization = directory.organization_of(extension) if extension else None
            whole = present.phone_call(call, extension, organization, links.Links(base, address.user.id))
            if len(self._shown) >= _SHOWN:
                self._shown.clear()
            json = whole.to_json(fields)
            shown = self._shown[at] = _Shown(call, json, hashlib.sha256(json).digest())
        return shown


def _empty(
    kind: type[Collection], total: int, count: int, start: int, following: str | None, previous: str | None
) -> bytes:
    """A page as JSON, without its entries."""
    paging = Paging(next=following, prev=previous)
    return kind(
        entry=[], total_results=total, items_per_page=count, start_index=start, paging=paging
    ).to_json()


def _read_action(data: dict[str, Any]) -> tuple[PhoneCallAction, frozenset[str]]:
    """The action, and which of its members are missing or invalid.

    Raises:
        ApiError: there is no such action, or it is not built.
    """
    action = data["action"]
    if action in NOT_BUILT:
        raise ApiError("request_not_implemented", f"The action {action} is not implemented.")
    if action not in ACTIONS:
        raise ApiError("pc_action_invalid")
    try:
        return PhoneCallAction.model_validate(data), frozenset()
    except ValidationError as error:
        wrong = frozenset(str(one["loc"][0]).lower() for one in error.errors(include_input=False))
    # Those that are right are needed all the same: the first that is wrong, in the order of the checks, is told.
    right = {name: value for name, value in data.items() if name.lower() not in wrong}
    return PhoneCallAction.model_validate(_PLACEHOLDERS | right), wrong


_PLACEHOLDERS = {"sendCallTo": "0", "phoneCallViewId": "00"}
"""For required members that are wrong, and are told so before anybody looks at them."""


def _with(headers: Mapping[str, str], error: Exception) -> Exception:
    """An error as the client is told of it, with more headers."""
    told = translate(error)
    # A new one: all requests that have joined a pickup are told the same error.
    return ApiError(told.code, told.message, headers={**told.headers, **headers}) if told else error


def _unless_known(request: Request, response: Response) -> Response:
    """The reply to a GET; 304 where the client has this one already (RFC 9110, 13.1.2)."""
    given = every(request.scope["headers"], b"if-none-match")
    if given:
        known = [one.strip().removeprefix("W/") for one in given.split(",")]
        headers = {name: response.headers[name] for name in ("ETag", "Cache-Control")}
        if headers["ETag"] in known or known == ["*"]:
            return Response(status_code=304, headers=headers)
    return response


def _json(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, headers, media_type="application/json")
