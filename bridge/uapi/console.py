"""The console: a page that shows the live calls as they change and picks them up, a client of the API like any other.

What it needs besides the API is who it is signed in as, and which numbers that one has: ``/console/me``, no part of
the UnifiedAPI.
"""

from starlette.requests import Request
from starlette.responses import Response

from bridge.grammar import Extension
from bridge.uapi.auth import authenticate
from bridge.uapi.models import Model
from bridge.uapi.pages import asset, hidden
from bridge.uapi.resources import Operation, Resource
from bridge.uapi.service import Service

_ASSETS = {
    "/": "console.html",
    "/console/console.css": "console.css",
    "/console/console.js": "console.js",
    "/console/icon.svg": "console.svg",
}

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


class Number(Model):
    """An extension that the user may act for."""

    extension: str
    phone: bool
    """Whether the PBX knows it as a phone."""


class Me(Model):
    """Whom a token stands for.

    Attributes:
        extensions: The numbers that the user may act for, as far as they are written out or the PBX has phones of them.
        phones: The phones that a call may be sent to.
    """

    id: str
    name: str
    role: str
    organization: str
    extensions: list[Number]
    phones: list[str]


def console(service: Service) -> list[Resource]:
    """The page, its assets, and whom it is for."""

    async def me(request: Request) -> Response:
        user = authenticate(request, service).user
        directory = service.directory
        known = frozenset(service.phones())
        phones = sorted(known)
        written = (Extension(one) for one in directory.own_extensions_patterns(user) if one.exact)
        own = {*written, *(phone for phone in phones if directory.may_act_for(user, phone))}
        body = Me(
            id=user.id,
            name=user.name,
            role=user.role.value,
            organization=user.organization.name,
            extensions=[Number(extension=one, phone=one in known) for one in sorted(own)],
            phones=[phone for phone in phones if directory.may_send_to(user, phone)],
        ).to_json()
        return Response(body, headers={"Cache-Control": "no-store"}, media_type="application/json")

    return [
        *(hidden(path, asset(name, _POLICY)) for path, name in _ASSETS.items()),
        Resource("/console/me", {"GET": Operation(me, hidden=True)}),
    ]
