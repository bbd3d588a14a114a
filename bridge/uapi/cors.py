"""Which web pages may use the API from a browser (the Fetch standard's CORS). None, unless the configuration says."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALLOWED = "Authorization, Content-Type, If-None-Match, Last-Event-ID, Prefer, X-Request-Id"
_EXPOSED = "Allow, ETag, Idempotent-Replayed, Preference-Applied, Retry-After, X-Request-Id"
_PREFLIGHT_SECONDS = "600"


class Cors:
    """Tells browsers that pages of these origins may read the replies.

    Args:
        app: What answers.
        origins: The origins; ``*`` is any.
    """

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        self._app = app
        self._any = "*" in origins
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        asked = Headers(scope=scope) if scope["type"] == "http" else {}
        origin = asked.get("origin")
        if origin is None or not (self._any or origin in self._origins):
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Access-Control-Allow-Origin"] = "*" if self._any else origin
                if not self._any:
                    headers.add_vary_header("Origin")
                headers["Access-Control-Expose-Headers"] = _EXPOSED
                if scope["method"] == "OPTIONS" and "access-control-request-method" in asked:
                    headers["Access-Control-Allow-Methods"] = headers.get("allow", "")
                    headers["Access-Control-Allow-Headers"] = _ALLOWED
                    headers["Access-Control-Max-Age"] = _PREFLIGHT_SECONDS
            await send(message)

        await self._app(scope, receive, answer)
