"""The HTTP side put together: every layer and every route, in their order, on one screen."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import cache
from types import MappingProxyType
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from bridge import __version__
from bridge.uapi.console import console
from bridge.uapi.cors import Cors
from bridge.uapi.errors import ApiError, Errors, translate, unexpected
from bridge.uapi.events import Events
from bridge.uapi.layers import OnAnswer, Paths, Requests
from bridge.uapi.oauth import OAuth, as_oauth
from bridge.uapi.openapi import describe
from bridge.uapi.pages import documentation, health, hidden
from bridge.uapi.phonecalls import PhoneCalls
from bridge.uapi.resources import Handler
from bridge.uapi.service import Service

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def create_api(
    service: Service,
    *,
    on_answer: OnAnswer = lambda _scope, _status: None,
    lifespan: Lifespan | None = None,
    pages: Mapping[str, Handler] = MappingProxyType({}),
) -> Starlette:
    """The application that answers HTTP.

    Args:
        service: What it works with.
        on_answer: Told of each answer as it begins, with its status.
        lifespan: What lives as long as it does.
        pages: Who answers GET at further addresses, such as /metrics.
    """
    http = service.settings.http
    api = [*Events(service).resources(), *PhoneCalls(service).resources(), *OAuth(service).resources()]

    @cache
    def description() -> dict[str, Any]:
        return describe(api, __version__)

    resources = [
        *api,  # asked for most often, and looked for in this order
        *console(service),
        *health(service),
        *(hidden(path, handler) for path, handler in pages.items()),
        *documentation(description),
    ]
    proxies = Middleware(ProxyHeadersMiddleware, trusted_hosts=list(http.trusted_proxies))
    cors = Middleware(Cors, origins=http.cors_origins)
    app = Starlette(
        routes=[resource.route for resource in resources],
        middleware=[
            *([proxies] if http.trusted_proxies else []),
            Middleware(Requests, on_answer=on_answer),
            *([cors] if http.cors_origins else []),
            Middleware(Errors),
            Middleware(Paths),
        ],
        exception_handlers={HTTPException: _starlette_error},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.router.default = _not_found
    return app


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    error = ApiError("not_found")
    if not scope["path"].startswith("/oauth/"):
        raise error
    scope["state"]["error_code"] = error.code
    await as_oauth(error).response()(scope, receive, send)


async def _starlette_error(_: Request, error: Exception) -> Response:
    return (translate(error) or unexpected(error)).response()
