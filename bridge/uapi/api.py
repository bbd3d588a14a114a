"""The HTTP side put together: every layer and every route, in their order, on one screen."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import cache
from types import MappingProxyType
from typing import Any

from starlette.middleware import Middleware
from starlette.routing import Router
from starlette.types import Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from bridge import __version__
from bridge.uapi.console import console
from bridge.uapi.cors import Cors
from bridge.uapi.errors import ApiError, Errors
from bridge.uapi.events import Events
from bridge.uapi.layers import OnAnswer, Paths, Requests
from bridge.uapi.oauth import OAuth, as_oauth
from bridge.uapi.openapi import describe
from bridge.uapi.pages import documentation, health, hidden
from bridge.uapi.phonecalls import PhoneCalls
from bridge.uapi.resources import Handler
from bridge.uapi.service import Service

Lifespan = Callable[[object], AbstractAsyncContextManager[None]]


def create_api(
    service: Service,
    *,
    on_answer: OnAnswer = lambda _scope, _status: None,
    lifespan: Lifespan | None = None,
    pages: Mapping[str, Handler] = MappingProxyType({}),
) -> Router:
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
    # Not a whole Starlette application: what that has around its router are answers to errors, which are ours here.
    return Router(
        routes=[resource.route for resource in resources],
        redirect_slashes=False,
        default=_not_found,
        middleware=[
            *([proxies] if http.trusted_proxies else []),
            Middleware(Requests, on_answer=on_answer),
            *([cors] if http.cors_origins else []),
            Middleware(Errors),
            Middleware(Paths),
        ],
        lifespan=lifespan,
    )


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    error = ApiError("not_found")
    if not scope["path"].startswith("/oauth/"):
        raise error
    scope["state"]["error_code"] = error.code
    await as_oauth(error).response()(scope, receive, send)
