"""Behind which names, before which proxies, and for which web pages the API is there."""

from typing import Any

import pytest

from uapi.world import World, path


def _self(world: World, headers: dict[str, str], **options: Any) -> tuple[int, str]:
    call = world.ringing()
    with world.client(**options) as client:
        body = client.get(path(call), headers=headers).json()
    return (
        (400, body["error"]["code"]) if "error" in body else (200, body["link"]["self"].partition("/uapi")[0])
    )


@pytest.mark.parametrize(
    ("http", "host", "expected"),
    [
        ({}, "pbx.example.org:8443", (200, "https://pbx.example.org:8443")),
        ({}, "[::1]:8080", (200, "https://[::1]:8080")),
        ({}, "evil/../<x>", (400, "request_invalid")),
        ({"public_url": "https://api.example.org/pbx"}, "other", (200, "https://api.example.org/pbx")),
        ({"host": "0.0.0.0", "trusted_hosts": ["a.example.org"]}, "A.example.org:1", (200, "https://A.example.org:1")),
        ({"host": "0.0.0.0", "trusted_hosts": ["a.example.org"]}, "b.example.org", (400, "request_invalid")),
        ({"host": "0.0.0.0", "trusted_hosts": ["*.example.org"]}, "b.example.org", (200, "https://b.example.org")),
        ({"host": "0.0.0.0", "trusted_hosts": ["*.example.org"]}, "example.org", (400, "request_invalid")),
        ({"host": "0.0.0.0", "trusted_hosts": ["*"]}, "anything", (200, "https://anything")),
        ({"host": "0.0.0.0", "trusted_hosts": ["a", "b"]}, "b", (200, "https://b")),
        ({"host": "0.0.0.0", "trusted_hosts": ["a.example.org"]}, "", (400, "request_invalid")),
        ({"host": "127.0.0.1", "trusted_hosts": ["a.example.org"]}, "b", (200, "https://b")),
    ],
)  # fmt: skip
def test_links_name_a_host_that_is_ours(http: dict[str, Any], host: str, expected: tuple[int, str]) -> None:
    """The configured address, or the one asked for, if it may be asked for."""
    assert _self(World({"http": http}), {"Host": host}) == expected


def test_of_two_hosts_none_counts(world: World) -> None:
    """Whoever stands between may have looked at the other one (RFC 9112, 3.2)."""
    call = world.ringing()
    with world.client() as client:
        reply = client.get(path(call), headers=[("Host", "a.example.org"), ("Host", "b.example.org")])
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "request_invalid")


@pytest.mark.parametrize(
    ("proxies", "peer", "expected"),
    [
        ([], "10.0.0.9", "http://h"),
        (["10.0.0.0/8"], "10.0.0.9", "https://h"),
        (["10.0.0.0/8"], "192.0.2.1", "http://h"),
    ],
)
def test_a_proxy_is_believed_if_it_is_trusted(proxies: list[str], peer: str, expected: str) -> None:
    """About the scheme; anybody else may say what they like."""
    world = World({"http": {"trusted_proxies": proxies}})
    call = world.ringing()
    with world.client(client=(peer, 5000)) as client:
        client.base_url = "http://h"
        body = client.get(
            path(call), headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"}
        )
    assert body.json()["link"]["self"].startswith(expected + "/uapi/")


def test_failed_logins_are_counted_by_the_clients_address_behind_a_proxy() -> None:
    """The one that the trusted proxy names."""
    world = World({"http": {"trusted_proxies": ["10.0.0.0/8"]}, "limits": {"failed_logins": 1}})
    with world.client(None, client=("10.0.0.9", 5000)) as client:
        statuses = [
            client.get(path(), headers={"Authorization": "Bearer no", "X-Forwarded-For": address}).status_code
            for address in ("198.51.100.7", "198.51.100.7", "198.51.100.8")
        ]
    assert statuses == [401, 429, 401]


def _preflight(world: World, origin: str) -> dict[str, str]:
    headers = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    with world.client(None) as client:
        reply = client.options(path("444444"), headers=headers)
    assert reply.status_code == 204
    return {
        name: value
        for name, value in reply.headers.items()
        if name.startswith("access-control") or name == "vary"
    }


def test_no_web_page_may_use_the_api_unless_configured() -> None:
    """Closed by default, and to any other origin."""
    assert _preflight(World(), "https://app.example.org") == {}
    world = World({"http": {"cors_origins": ["https://app.example.org"]}})
    assert _preflight(world, "https://evil.example.org") == {}


def test_a_configured_page_may() -> None:
    """Its preflight is told what it may send, and each reply, an error too, what it may read."""
    world = World({"http": {"cors_origins": ["https://app.example.org"]}})
    assert _preflight(world, "https://app.example.org") == {
        "access-control-allow-origin": "https://app.example.org",
        "access-control-allow-methods": "GET, PUT, DELETE, HEAD, OPTIONS",
        "access-control-allow-headers": "Authorization, Content-Type, If-None-Match, Last-Event-ID, Prefer, X-Request-Id",
        "access-control-expose-headers": (
            "Allow, ETag, Idempotent-Replayed, Preference-Applied, Retry-After, X-Request-Id"
        ),
        "access-control-max-age": "600",
        "vary": "Origin",
    }
    with world.client(None) as client:
        reply = client.get(path(), headers={"Origin": "https://app.example.org"})
    assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (
        401,
        "https://app.example.org",
    )


@pytest.mark.parametrize(
    ("configured", "origin"),
    [
        ("https://App.Example.org", "https://app.example.org"),
        ("https://app.example.org:443", "https://app.example.org"),
        ("http://app.example.org:80", "http://app.example.org"),
        ("http://app.example.org:443", "http://app.example.org:443"),
    ],
)
def test_an_origin_is_read_as_browsers_write_it(configured: str, origin: str) -> None:
    """In lower case, without the port that goes without saying (RFC 6454, 6.2)."""
    allowed = _preflight(World({"http": {"cors_origins": [configured]}}), origin)
    assert allowed["access-control-allow-origin"] == origin


def test_any_page_may_where_the_star_says_so() -> None:
    """Without credentials of the browser's own: a token has to be sent along."""
    allowed = _preflight(World({"http": {"cors_origins": ["*"]}}), "https://x.example")
    assert (allowed["access-control-allow-origin"], "vary" in allowed) == ("*", False)
    assert "access-control-allow-credentials" not in allowed
