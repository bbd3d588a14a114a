"""A resource: an address and the operations it knows. The routes, Allow and the OpenAPI are made from these."""

from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bridge.uapi.errors import ApiError
from bridge.uapi.models import Model

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply that an operation may give.

    Args:
        description: When.
        model: What its body holds; None for none, or for one that is no JSON.
        example: Such a body.
        headers: What its headers tell, by name.
        type: The media type, where it is not JSON.
    """

    description: str
    model: type[Model] | None = None
    example: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """What a method does at an address.

    Args:
        handler: Who answers.
        summary: What it does, in a few words.
        description: And in a few more.
        query: The model of its query's parameters.
        headers: The request headers that it reads: what they are for, by name.
        body: The model of its body.
        examples: Bodies to try it with, by name.
        form: Whether the body may be a form.
        replies: What it answers when all is well, by status.
        errors: The codes of its errors.
        public: Whether it needs no token.
        hidden: Whether the OpenAPI leaves it out.
    """

    handler: Handler
    summary: str = ""
    description: str = ""
    query: type[Model] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: type[Model] | None = None
    examples: Mapping[str, Any] = field(default_factory=dict)
    form: bool = False
    replies: Mapping[int, Reply] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    public: bool = False
    hidden: bool = False


@dataclass(frozen=True, eq=False)
class Resource:
    """What answers at an address.

    Args:
        path: The address, with ``{names}`` for its parts.
        operations: What it knows, by method; HEAD and OPTIONS are answered for all.
        parts: What the parts of the address are, as JSON schemas, by name.
        reply_to: How it tells of an error.
    """

    path: str
    operations: Mapping[str, Operation]
    parts: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    reply_to: Callable[[ApiError], Response] = ApiError.response

    @property
    def allow(self) -> str:
        """The value of Allow."""
        head = ("HEAD",) if "GET" in self.operations else ()
        return ", ".join((*self.operations, *head, "OPTIONS"))

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
        operation = self.operations.get("GET" if method == "HEAD" else method)
        if operation is None:
            raise ApiError(
                "method_not_allowed", f"This address knows {self.allow}.", headers={"Allow": self.allow}
            )
        response = await operation.handler(Request(scope, receive))
        if method == "HEAD":
            response = copy(response)  # it may be kept for the next GET
            response.body = b""
        await response(scope, receive, send)
