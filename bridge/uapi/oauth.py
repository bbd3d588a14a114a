"""``POST /oauth/token.php``: a signed token for an app's id and secret (RFC 6749, 4.4).

Clients of VoipNow send the same thing in many ways (uapi.md, 1.4): all are read. redirect_uri, type and state are
passed over: they mean nothing here, and no two clients agree on them.
"""

import base64
import binascii
import codecs
from collections.abc import Mapping
from typing import Literal
from urllib.parse import parse_qsl, unquote_plus

from pydantic import ConfigDict, Field
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response

from bridge.uapi.auth import client_of
from bridge.uapi.bodies import read_bytes
from bridge.uapi.errors import ApiError
from bridge.uapi.models import Model, as_text
from bridge.uapi.resources import Operation, Reply, Resource
from bridge.uapi.service import Service

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="uapi"'}
"""What every 401 has (RFC 9110, 15.5.2)."""

_ERRORS = {
    "request_invalid": "invalid_request",
    "access_denied": "invalid_client",
    "too_many_requests": "temporarily_unavailable",
    "internal_server_error": "server_error",
    "pbx_unavailable": "temporarily_unavailable",
}
"""The errors of RFC 6749 (5.2; the last three words are those of 4.1.2.1) for our codes; any other: invalid_request."""


class TokenRequest(Model):
    """What an App asks with. A body of form fields or JSON."""

    model_config = ConfigDict(alias_generator=None)

    grant_type: Literal["client_credentials"] = Field(examples=["client_credentials"])
    client_id: str = Field(min_length=1, examples=["demo-app"])
    client_secret: str = Field(min_length=1, examples=["the App's secret"])


class Token(Model):
    """A token."""

    model_config = ConfigDict(alias_generator=None)

    access_token: str
    token_type: str = "Bearer"  # noqa: S105  # the word, not a token
    expires_in: int = Field(description="Seconds that it is valid for.")
    scope: str = "all"


class OAuthErrorBody(Model):
    """An error as RFC 6749, 5.2, has it."""

    model_config = ConfigDict(alias_generator=None)

    error: str = Field(examples=["invalid_client"])
    error_description: str


class OAuthError(Exception):
    """An error of the token endpoint."""

    def __init__(
        self, error: str, description: str, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{error}: {description}")
        self.body = OAuthErrorBody(error=error, error_description=description)
        self.status = status
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The reply."""
        return Response(
            self.body.to_json(), self.status, {**self.headers, **_NO_STORE}, media_type="application/json"
        )


def as_oauth(error: ApiError) -> OAuthError:
    """An error of another layer as those who ask for tokens read it."""
    # 5.2 allows no quotes and no backslash in a description.
    words = error.message.replace('"', "'").replace("\\", "/")
    return OAuthError(_ERRORS.get(error.code, "invalid_request"), words, error.status, error.headers)


class OAuth:
    """The token endpoint."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def resources(self) -> list[Resource]:
        """Where it answers."""
        return [
            Resource(
                "/oauth/token.php",
                {
                    "POST": Operation(
                        self.answer,
                        "Get a token",
                        "For an App's id and secret (OAuth 2.0 client_credentials). The token is valid for an hour.",
                        body=TokenRequest,
                        form=True,
                        replies={
                            200: Reply("A token.", Token),
                            400: Reply("The request is not one for a token.", OAuthErrorBody),
                            401: Reply("The App is unknown, or its secret wrong.", OAuthErrorBody),
                            408: Reply("The request did not come to its end.", OAuthErrorBody),
                            413: Reply("The body is too large.", OAuthErrorBody),
                            415: Reply("The body is neither a form nor JSON.", OAuthErrorBody),
                            429: Reply("There were too many wrong secrets.", OAuthErrorBody),
                        },
                        public=True,
                    )
                },
                reply_to=lambda error: as_oauth(error).response(),
            )
        ]

    async def answer(self, request: Request) -> Response:
        """Issue a token, or say why not."""
        try:
            return await self._token(request)
        except OAuthError as error:
            return error.response()

    async def _token(self, request: Request) -> Response:
        fields = await _fields(request, self._service.settings.limits.body_bytes)
        grant = fields.get("grant_type")
        if not grant:
            raise OAuthError("invalid_request", "grant_type is missing")
        if grant != "client_credentials":
            raise OAuthError("unsupported_grant_type", "grant_type must be client_credentials")
        client_id, secret = _credentials(request, fields)
        if not client_id or not secret:
            raise OAuthError("invalid_client", "client_id or client_secret is missing", 401, _CHALLENGE)
        # By App and address: secrets may be worse than random, and one client's mistakes are not another's. Ids that
        # are no App's count together: whoever makes them up must not get a bucket for each.
        known = client_id if client_id in self._service.directory.apps else ""
        key = f"{client_of(request)} {known}"
        self._service.limiter.before_login(key)
        app = self._service.tokens.check_secret(client_id, secret)
        if app is None:
            self._service.limiter.failed_login(key)
            raise OAuthError("invalid_client", "client_id or client_secret is wrong", 401, _CHALLENGE)
        issued = self._service.tokens.issue(app)
        token = Token(access_token=issued.token, expires_in=issued.expires_in)
        return Response(token.to_json(), headers=_NO_STORE, media_type="application/json")


async def _fields(request: Request, limit: int) -> dict[str, str]:
    """The fields of the body: a form, or JSON as net2phone's client sends it."""
    if request.headers.get("content-type", "").strip().lower().startswith("multipart/"):
        raise ApiError("media_type_unsupported", "The body must be a form or JSON, not multipart.")
    body = (await read_bytes(request, limit)).removeprefix(codecs.BOM_UTF8).strip()
    if not body.startswith(b"{"):
        # The Python and Perl examples begin with &, which leaves an empty pair that is passed over.
        return dict(parse_qsl(body.decode("utf-8", "replace")))
    try:
        data = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise OAuthError("invalid_request", "the body is not JSON") from None
    texts = {name: as_text(value) for name, value in data.items()}
    return {name: value for name, value in texts.items() if isinstance(value, str)}


def _credentials(request: Request, fields: Mapping[str, str]) -> tuple[str, str]:
    """The client's id and secret, which may come by HTTP Basic (RFC 6749, 2.3.1)."""
    word, _, rest = request.headers.get("authorization", "").strip().partition(" ")
    if word.lower() != "basic":
        return fields.get("client_id", ""), fields.get("client_secret", "")
    try:
        pair = base64.b64decode(rest.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return "", ""
    client_id, _, secret = pair.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)
