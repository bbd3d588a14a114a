"""The one place that turns what goes wrong into status, code and sentence, and those into the error object.

Codes are the seed's and those of the UnifiedAPI's return code pages where these have one; the rest are our own.
"""

import secrets
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.calls import NotPickable
from bridge.pickup import Conflict, NotAllowed, PbxUnavailable, SendCallToInvalid, SendCallToUnavailable
from bridge.uapi.models import ErrorBody, ErrorDetail

_log = structlog.get_logger(__name__)

CODES: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "request_invalid": (400, "The request cannot be understood."),
        "user_invalid": (400, "There is no user with the id given in the URI-Fragment."),
        "extension_invalid": (
            400,
            "Value supplied for the extension in the URI-Fragment must be an existing extension of the user.",
        ),
        "pc_phonecall_invalid": (
            400,
            (
                "Value supplied in phoneCallId from the URI-Fragment must be alphanumeric and reference an existing"
                " phone call."
            ),
        ),
        "pc_action_invalid": (400, "Value supplied in action must be one of the actions of PhoneCalls."),
        "pc_sendcallto_invalid": (
            400,
            (
                "Value supplied in sendCallTo is missing or invalid. It must be the number of a phone terminal"
                " extension."
            ),
        ),
        "pc_callerid_invalid": (
            400,
            "Value supplied in callerId is invalid. It must have the format John Doe <+3334444>.",
        ),
        "pc_timeout_invalid": (
            400,
            "Value supplied in waitForPickup is invalid. It must be numeric, higher than 0 and at most 3600.",
        ),
        "pc_phonecallview_invalid": (
            400,
            (
                "Value supplied in phoneCallViewId is missing or invalid. It must reference a view of the phone call"
                " given in the URI-Fragment."
            ),
        ),
        "count_invalid": (400, "Parameter count is invalid. It must be a number from 1 to 5000."),
        "startindex_invalid": (400, "Parameter startIndex is invalid. It must be a number from 0 to 5000."),
        "filterby_invalid": (400, "Parameter filterBy is invalid. It must be id or published."),
        "filterop_invalid": (
            400,
            (
                "Parameter filterOp is invalid. It must be contains, equals, greaterThan, inArray, lessThan, present"
                " or startsWith."
            ),
        ),
        "filtervalue_invalid": (400, "Parameter filterValue is invalid."),
        "sortorder_invalid": (400, "Parameter sortOrder is invalid. It must be ascending or descending."),
        "fields_invalid": (400, "Parameter fields is invalid. It must name fields of PhoneCall."),
        "access_denied": (401, "The access token is missing, unknown or expired."),
        "forbidden": (403, "The user of this App may not do that."),
        "not_found": (404, "There is nothing at this address."),
        "method_not_allowed": (405, "This address does not know that method."),
        "request_timeout": (408, "The request did not arrive in time."),
        "pc_pickup_conflict": (409, "The call cannot be picked up."),
        "pc_sendcallto_unavailable": (409, "The phone of sendCallTo cannot take the call."),
        "request_too_large": (413, "The request body is too large."),
        "uri_too_long": (414, "The request's address is too long."),
        "media_type_unsupported": (415, "The body must be JSON, not multipart."),
        "too_many_requests": (429, "Too many requests."),
        "headers_too_large": (431, "The request's headers are too large."),
        "internal_server_error": (500, "Something went wrong."),
        "request_not_implemented": (501, "This is not implemented."),
        "pbx_unavailable": (503, "The PBX cannot be asked now."),
    }
)
"""Every code with its status and the sentence it says when nothing more precise is known."""

DOMAIN: Mapping[type[Exception], str] = MappingProxyType(
    {
        PbxUnavailable: "pbx_unavailable",
        Conflict: "pc_pickup_conflict",
        NotAllowed: "forbidden",
        NotPickable: "pc_pickup_conflict",
        SendCallToUnavailable: "pc_sendcallto_unavailable",
        SendCallToInvalid: "pc_sendcallto_invalid",
    }
)
"""The domain's errors, whose own words become the message."""

RETRY_AFTER = 2
"""Seconds after which a client may ask again; the link to the PBX is tried more often than that."""

_OF_STATUS = {
    400: "request_invalid",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "request_too_large",
    414: "uri_too_long",
    415: "media_type_unsupported",
    429: "too_many_requests",
    431: "headers_too_large",
    500: "internal_server_error",
    503: "pbx_unavailable",
}


class ApiError(Exception):
    """An error as the client is told of it.

    Args:
        code: One of ``CODES``.
        message: What is wrong, in a sentence; the code's own where None.
        headers: More headers for the reply.
    """

    def __init__(
        self, code: str, message: str | None = None, *, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status, general = CODES[code]
        self.code = code
        self.message = message or general
        self.headers = dict(headers or {})
        if self.status == 503:
            self.headers.setdefault("Retry-After", str(RETRY_AFTER))
        super().__init__(f"{code}: {self.message}")

    @property
    def body(self) -> bytes:
        """The error object."""
        return ErrorBody(error=ErrorDetail(code=self.code, message=self.message)).to_json()

    def response(self) -> Response:
        """The reply."""
        return Response(self.body, self.status, self.headers, media_type="application/json")


def translate(error: Exception) -> ApiError | None:
    """What the client is told of an error; None for one that nobody expected."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, HTTPException):
        code = _OF_STATUS.get(error.status_code, "internal_server_error")
        return ApiError(code, headers=error.headers)
    code_of = next((code for kind, code in DOMAIN.items() if isinstance(error, kind)), None)
    return ApiError(code_of, _sentence(str(error))) if code_of else None


def _sentence(words: str) -> str | None:
    """The domain's words as a sentence; None where it said nothing."""
    if not words:
        return None
    return words[0].upper() + words[1:] + ("" if words.endswith((".", "!", "?")) else ".")


class Errors:
    """The road that every error takes, whatever layer it comes from."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an error that the layers below did not."""
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            if scope["type"] != "http":
                raise
            started = "status" in scope["state"]  # as `Requests` has it
            told = translate(error)
            if told is None or started:
                told = unexpected(error)
            if started:
                # Half a reply cannot be taken back: the server closes the connection on an incomplete one.
                return
            scope["state"]["error_code"] = told.code
            # A resource may have its own form for errors: /oauth has that of its RFC.
            reply_to = getattr(scope.get("endpoint"), "reply_to", ApiError.response)
            await reply_to(told)(scope, receive, send)


def unexpected(error: Exception) -> ApiError:
    """Log an error that is a fault of ours, and tell the client no more than the log line's id."""
    id_ = secrets.token_hex(6)
    _log.error("internal error", error_id=id_, exc_info=error)
    return ApiError("internal_server_error", f"Something went wrong here; the log has it under the id {id_}.")


def phrase(status: int) -> str:
    """The standard words for a status."""
    return HTTPStatus(status).phrase
