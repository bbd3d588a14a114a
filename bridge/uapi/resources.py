"""A resource: an address and the methods it knows. The routes, their Allow headers and the OpenAPI come from these."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bridge.uapi.errors import ApiError

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, eq=False)
class Resource:
    """What answers at an address.

    Args:
        path: The address, with ``{names}`` for its parts.
        methods: Who answers which method; HEAD and OPTIONS are answered for all.
    """

    path: str
    methods: Mapping[str, Handler]

    @property
    def allow(self) -> str:
        """The value of Allow."""
        head = ("HEAD",) if "GET" in self.methods else ()
        return ", ".join((*self.methods, *head, "OPTIONS"))

    @property
    def route(self) -> Route:
        """As Starlette routes it."""
        return Route(self.path, self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        method = scope["method"]
        if method == "OPTIONS":
            await Response(status_code=204, headers={"Allow": self.allow})(scope, receive, send)
            return
        handler = self.methods.get("GET" if method == "HEAD" else method)
        if handler is None:
            raise ApiError(
                "method_not_allowed", f"This address knows {self.allow}.", headers={"Allow": self.allow}
            )
        response = await handler(Request(scope, receive))
        if method == "HEAD":
            response.body = b""
        await response(scope, receive, send)
