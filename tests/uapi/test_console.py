"""The console comes whole with the package, and its policy lets nothing else in."""

import re
from pathlib import Path

import pytest

from uapi.world import World

STATIC = Path(__file__).parents[2] / "bridge" / "uapi" / "static"

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}


def test_the_page_and_its_assets_need_nobody_else(world: World) -> None:
    """No token to be shown, no other host, nothing inline."""
    with world.client(None) as client:
        page = client.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assets = set(re.findall(r'(?:src|href)="(/console/[^"]+)"', page.text))
        assert assets == {"/console/icon.svg", "/console/console.css", "/console/console.js"}
        replies = [page, *(client.get(asset) for asset in sorted(assets))]
    for reply in replies:
        assert reply.status_code == 200
        told = dict(
            part.strip().split(" ", 1) for part in reply.headers["content-security-policy"].split(";")
        )
        assert told == POLICY
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", reply.text) == []
    assert re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", page.text) is None


def test_nothing_is_put_into_the_page_as_markup() -> None:
    """Names come from whoever calls."""
    script = (STATIC / "console.js").read_text()
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|createContextualFragment"
    assert re.findall(ways, script) == []


def test_a_token_tells_whom_it_stands_for(world: World) -> None:
    """With the numbers it may act for, patterns as far as there are phones, and the phones it may send calls to."""
    with world.client() as client:
        reply = client.get("/console/me")
    assert reply.headers["cache-control"] == "no-store"
    assert reply.json() == {
        "id": "12",
        "name": "John Doe",
        "role": "user",
        "organization": "Default Organization",
        "extensions": [
            {"extension": "0003*100", "phone": True},
            {"extension": "0003*101", "phone": True},
            {"extension": "0003*210", "phone": True},
            {"extension": "0003*900", "phone": False},
        ],
        "phones": ["0003*024", "0003*025", "0003*100", "0003*101", "0003*210", "0003*300"],
    }


@pytest.mark.parametrize(("app", "count"), [("mary", 2), ("chief", 7), ("root", 9), ("other", 1)])
def test_everybody_sees_the_numbers_of_their_role(world: World, app: str, count: int) -> None:
    """A user its own, a chief the organization's, root everybody's."""
    with world.client(app) as client:
        assert len(client.get("/console/me").json()["extensions"]) == count


def test_without_a_token_nobody_is_told_anything(world: World) -> None:
    """The page can be seen by all, whom it is for by none."""
    with world.client(None) as client:
        assert client.get("/console/me").json()["error"]["code"] == "access_denied"
