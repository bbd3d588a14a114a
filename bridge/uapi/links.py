"""Links in replies: absolute, usable with the same token, and never carrying one."""

import re
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request

from bridge.grammar import CallId, Extension
from bridge.settings import HttpSettings, is_loopback
from bridge.uapi.errors import ApiError
from bridge.uapi.headers import every

_HOST = re.compile(r"([0-9A-Za-z._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Links:
    """The links of one request.

    Args:
        base: Scheme, host and what a proxy puts before the path.
        user: The id of the user in the URI; the real one, as the seed's example shows it.
    """

    base: str
    user: str

    def call(self, extension: Extension, call: CallId) -> str:
        """Where a phone call is found."""
        return f"{self.base}/uapi/phoneCalls/{quote(self.user)}/{extension}/{call}"


def base(request: Request, settings: HttpSettings) -> str:
    """The base of the links in the reply to a request.

    Raises:
        ApiError: the request asks for a host that is not served here.
    """
    if settings.public_url:
        return settings.public_url
    host = every(request.scope["headers"], b"host")  # of several (RFC 9112, 3.2) none counts
    match = _HOST.fullmatch(host)
    if host and not match:
        raise ApiError("request_invalid", "The Host header is not a host.")
    name = match[1].lower() if match else ""
    if (
        settings.trusted_hosts
        and not is_loopback(settings.host)
        and not any(_covers(one.lower(), name) for one in settings.trusted_hosts)
    ):
        raise ApiError("request_invalid", "The host that is asked for is not served here.")
    return f"{_scheme(request)}://{host or _listened_on(request)}"


def _listened_on(request: Request) -> str:
    """Where a request has come to that does not say whom it asks."""
    name, port = request.scope.get("server") or ("localhost", None)
    return (f"[{name}]" if ":" in name else name) + (f":{port}" if port else "")


def _scheme(request: Request) -> str:
    # A proxy may have said wss.
    return "https" if request.scope["scheme"] in ("https", "wss") else "http"


def _covers(trusted: str, host: str) -> bool:
    if trusted.startswith("*."):
        return host.endswith(trusted[1:])
    return trusted in ("*", host)
