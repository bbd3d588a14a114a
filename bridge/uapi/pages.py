"""The pages beside the API: its description, a page to try it, and whether the service lives and is ready."""

from collections.abc import Callable
from importlib import resources
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from bridge.uapi.errors import ApiError
from bridge.uapi.resources import Handler, Operation, Resource
from bridge.uapi.service import Service

_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}

_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;\
 base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_PAGES = {"/docs": "docs.html", "/docs/docs.js": "docs.js", "/docs/docs.css": "docs.css"}


def health(service: Service) -> list[Resource]:
    """Whether the process lives, and whether it can be asked."""

    async def healthz(_: Request) -> Response:
        return _json({"status": "ok"})

    async def readyz(_: Request) -> Response:
        status = service.pbx()
        if not status.up:
            raise ApiError("pbx_unavailable", status.reason)
        if service.draining.active:
            raise ApiError("pbx_unavailable", "The bridge is shutting down.")
        return _json({"status": "ready"})

    return [hidden("/healthz", healthz), hidden("/readyz", readyz)]


def documentation(description: Callable[[], dict[str, Any]]) -> list[Resource]:
    """The description, and a page to read it and to try the API."""

    async def openapi(_: Request) -> Response:
        return _json(description())

    return [
        hidden("/openapi.json", openapi),
        *(hidden(path, asset(name)) for path, name in _PAGES.items()),
    ]


def asset(name: str, policy: str = _POLICY) -> Handler:
    """Answers with a file of this package, under a content security policy."""

    async def answer(_: Request) -> Response:
        content = resources.files("bridge.uapi").joinpath("static", name).read_bytes()
        headers = {
            "Content-Security-Policy": policy,
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        return Response(content, headers=headers, media_type=_TYPES[name.rpartition(".")[2]])

    return answer


def hidden(path: str, handler: Handler) -> Resource:
    """A page for everybody that is no part of the API."""
    return Resource(path, {"GET": Operation(handler, public=True, hidden=True)})


def _json(value: Any) -> Response:
    return Response(to_json(value), media_type="application/json")
