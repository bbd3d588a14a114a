"""Who asks: the token in the header or the query, in every form that clients of the UnifiedAPI send it."""

from urllib.parse import parse_qsl

from starlette.requests import Request

from bridge.directory import App
from bridge.uapi.errors import ApiError
from bridge.uapi.headers import first
from bridge.uapi.service import Service

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="uapi"'}
_WRONG = {"WWW-Authenticate": 'Bearer realm="uapi", error="invalid_token"'}


def token_of(request: Request) -> str | None:
    """The token that a request carries.

    In the ``Authorization`` header, with the word Bearer in any case or without it (SecureMyForm puts a bare token
    there); else in the query as ``accessRequestToken``, again with the word (the page's note) or without (its example).
    """
    given = first(request.scope["headers"], b"authorization").strip()
    if not given:
        query = request.scope["query_string"].decode("latin-1")
        given = dict(parse_qsl(query)).get("accessRequestToken", "").strip()
    word, _, rest = given.partition(" ")
    if word.lower() == "bearer":
        given = rest.strip()
    return given or None


def authenticate(request: Request, service: Service) -> App:
    """The app that asks.

    Raises:
        ApiError: there is no token, or it is no app's (``access_denied``); or the client asks too often.
    """
    token = token_of(request)
    if token is None:
        raise ApiError("access_denied", "The access token is missing.", headers=_CHALLENGE)
    app = service.tokens.authenticate(token)
    if app is None:
        # A right token is let in whatever came before it from the same address, which may be that of a whole office;
        # none can be guessed: the shortest has 256 random bits.
        service.limiter.failed_login(client_of(request))
        raise ApiError("access_denied", "The access token is unknown or expired.", headers=_WRONG)
    request.scope["state"]["app"] = app.id
    service.limiter.request(app.id)
    return app


def admit(request: Request, service: Service) -> App:
    """The app that asks, while the PBX can be asked.

    Raises:
        ApiError: it is nobody's token (``access_denied``), or what is known of the calls may not be true now.
    """
    app = authenticate(request, service)
    look_at_pbx(service)
    return app


def look_at_pbx(service: Service) -> None:
    """Look whether what is known of the calls is true now; to be done again after each wait.

    Raises:
        ApiError: it may not be.
    """
    status = service.pbx()
    if not status.up:
        raise ApiError("pbx_unavailable", status.reason)


def client_of(request: Request) -> str:
    """The address that a request comes from."""
    return request.client.host if request.client else ""
