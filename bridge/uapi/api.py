"""The HTTP side put together: every layer and every route, in their order, on one screen."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from bridge.uapi.errors import ApiError, Errors, translate, unexpected
from bridge.uapi.layers import Paths, Requests
from bridge.uapi.phonecalls import PhoneCalls
from bridge.uapi.resources import Resource
from bridge.uapi.service import Service

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def create_api(service: Service, *, lifespan: Lifespan | None = None) -> Starlette:
    """The application that answers HTTP.

    Args:
        service: What it works with.
        lifespan: What lives as long as it does.
    """
    resources = [*_health(service), *PhoneCalls(service).resources()]
    app = Starlette(
        routes=[resource.route for resource in resources],
        middleware=[
            Middleware(Requests),
            Middleware(Errors),
            Middleware(Paths),
        ],
        exception_handlers={HTTPException: _starlette_error},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.router.default = _not_found
    return app


def _health(service: Service) -> list[Resource]:
    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        status = service.pbx()
        if not status.up:
            raise ApiError("pbx_unavailable", status.reason)
        if service.draining.active:
            raise ApiError("pbx_unavailable", "The bridge is shutting down.")
        return JSONResponse({"status": "ready"})

    return [Resource("/healthz", {"GET": healthz}), Resource("/readyz", {"GET": readyz})]


async def _not_found(scope: Scope, _: Receive, __: Send) -> None:
    if scope["type"] == "http":
        raise ApiError("not_found")


async def _starlette_error(_: Request, error: Exception) -> Response:
    return (translate(error) or unexpected(error)).response()
