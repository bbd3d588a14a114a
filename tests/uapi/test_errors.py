"""Every error, of every layer, is the error object; and what is ours to blame is in the log."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.calls import NotPickable
from bridge.pickup import PickupError
from bridge.uapi.errors import CODES, DOMAIN, ApiError, translate
from uapi.world import TOKENS, World, path, pickup


def _family(kind: type[Exception]) -> Iterator[type[Exception]]:
    for one in kind.__subclasses__():
        yield one
        yield from _family(one)


def test_every_error_of_the_domain_has_a_code() -> None:
    """A new one that nobody mapped would be a 500."""
    family = {*_family(PickupError), NotPickable}
    assert family == set(DOMAIN)
    for kind in family:
        told = translate(kind("it went elsewhere"))
        assert told is not None
        assert (told.message, told.status) == ("It went elsewhere.", CODES[DOMAIN[kind]][0])


def test_every_code_says_a_sentence() -> None:
    """Its own, where nothing more precise is known."""
    for code, (status, sentence) in CODES.items():
        error = ApiError(code)
        assert json.loads(error.body) == {"error": {"code": code, "message": sentence}}
        assert sentence.endswith(".")
        assert 400 <= error.status == status < 600


def _object(reply: Any) -> tuple[int, str]:
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message"}
    return reply.status_code, body["error"]["code"]


@pytest.mark.parametrize(
    "address",
    [
        "/nothing",
        "/uapi",
        "/uapi/phoneCalls",
        "/uapi/phoneCalls/@me",
        f"{path('a')}/b",
        "/x%2F/../y",
        "/metrics%0A/",
        "/healthz%0A",
        "/cdr/3",
    ],
)
def test_an_unknown_address_is_told(world: World, address: str) -> None:
    """404, whatever the method."""
    with world.client() as client:
        for method in ("GET", "PUT", "POST", "DELETE", "PATCH"):
            assert _object(client.request(method, address)) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "address", "allow"),
    [
        ("PUT", path(), "GET, DELETE, HEAD, OPTIONS"),
        ("POST", path("444444"), "GET, PUT, DELETE, HEAD, OPTIONS"),
        ("PATCH", path("444444"), "GET, PUT, DELETE, HEAD, OPTIONS"),
        ("GET", "/uapi/phoneCalls/@me/simple", "POST, OPTIONS"),
        ("DELETE", "/healthz", "GET, HEAD, OPTIONS"),
        ("POST", "/openapi.json", "GET, HEAD, OPTIONS"),
    ],
)
def test_an_unknown_method_is_told_with_those_that_are_known(
    world: World, method: str, address: str, allow: str
) -> None:
    """405 with Allow; OPTIONS says the same."""
    with world.client() as client:
        reply = client.request(method, address)
        assert _object(reply) == (405, "method_not_allowed")
        assert reply.headers["allow"] == allow
        options = client.options(address)
        assert (options.status_code, options.headers["allow"], options.content) == (204, allow, b"")


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("DELETE", path()),
        ("DELETE", path("444444")),
        ("DELETE", path(extension="@self") + "?phoneNumber=8887777"),
        ("POST", "/uapi/phoneCalls/@me/simple"),
        ("POST", "/uapi/phoneCalls/@me/callback/?waitForPickup=25&callDuration=60"),
        ("POST", "/unifiedapi/phoneCalls/@me/conferenceInvite?number=3&pin=2233"),
    ],
)
def test_what_is_not_built_says_so(world: World, method: str, address: str) -> None:
    """501 with a sentence, neither 404 nor 405."""
    with world.client() as client:
        reply = client.request(method, address)
    assert _object(reply) == (501, "request_not_implemented")
    assert reply.json()["error"]["message"].endswith("is not implemented.")


def test_a_large_body_is_not_read(world: World) -> None:
    """Neither by its length nor as it comes; up to the limit it is."""
    call = world.ringing()
    with world.client() as client:
        fits = client.put(path(call), content=json.dumps(pickup()).ljust(65536).encode())
        declared = client.put(path(call), content=b" " * 65537)
        streamed = client.put(path(call), content=(b" " * 1000 for _ in range(66)))
    assert fits.status_code == 202
    for reply in (declared, streamed):
        assert _object(reply) == (413, "request_too_large")
        assert reply.headers["connection"] == "close"


def test_a_fault_of_ours_tells_no_more_than_an_id_that_is_in_the_log(world: World) -> None:
    """No trace goes out; the log line has it, under the id."""

    def fail(_: Any) -> Any:
        raise ZeroDivisionError("secret detail")

    world.bridge.picture.calls_of = fail  # type: ignore[method-assign, assignment]  # a fault
    with capture_logs() as logs, world.client() as client:
        reply = client.get(path())
    assert _object(reply) == (500, "internal_server_error")
    assert "secret detail" not in reply.text
    line = next(one for one in logs if one["event"] == "internal error")
    assert line["error_id"] in reply.json()["error"]["message"]
    assert isinstance(line["exc_info"], ZeroDivisionError)


def test_without_the_pbx_nothing_is_answered_but_503(world: World) -> None:
    """With the link's own reason and Retry-After; health is about the process, readiness about the PBX."""
    call = world.ringing()
    with world.client() as client:
        assert client.get("/readyz").json() == {"status": "ready"}
        world.link.go_down("The PBX refused the bridge's login.")
        for method, address in (
            ("GET", path()),
            ("GET", path(call)),
            ("PUT", path(call)),
            ("DELETE", path()),
            ("POST", "/uapi/phoneCalls/@me/simple"),
            ("GET", "/readyz"),
        ):
            reply = client.request(method, address)
            assert _object(reply) == (503, "pbx_unavailable")
            assert reply.headers["retry-after"] == "2"
            assert reply.json()["error"]["message"] == "The PBX refused the bridge's login."
        assert client.get("/healthz").json() == {"status": "ok"}


def test_a_service_that_is_about_to_end_takes_no_more_updates(world: World) -> None:
    """503 before anything is read of them, on a connection that ends; lists are answered to the last."""
    world.bridge.draining.active = True
    with world.client() as client:
        reply = client.put(path("444444"), content=b"{")
        ready = client.get("/readyz")
        assert client.get(path()).status_code == 200
    assert _object(reply) == _object(ready) == (503, "pbx_unavailable")
    assert reply.json()["error"]["message"] == "The bridge is shutting down."
    assert reply.headers["connection"] == "close"


def test_a_request_has_an_id(world: World) -> None:
    """The client's own, if it is one; it is in the reply and in the log."""
    with capture_logs() as logs, world.client() as client:
        own = client.get("/healthz", headers={"X-Request-Id": "abc-1:2.3_4"}).headers["x-request-id"]
        evil = client.get("/healthz", headers={"X-Request-Id": "a b" * 30}).headers["x-request-id"]
        none = client.get("/nowhere").headers["x-request-id"]
    assert own == "abc-1:2.3_4"
    assert len({own, evil, none}) == 3
    assert all(len(one) == 16 for one in (evil, none))
    assert [(one["route"], one["status"]) for one in logs] == [
        ("/healthz", 200),
        ("/healthz", 200),
        (None, 404),
    ]


def test_no_token_is_ever_logged(world: World) -> None:
    """Wherever the client put it, and whatever was wrong with the request."""
    call = world.ringing()
    token = TOKENS["john"]
    with capture_logs() as logs, world.client(None) as client:
        client.get(f"{path()}?accessRequestToken={token}")
        client.get(f"/nowhere/{token}?accessRequestToken={token}")
        client.put(f"{path(call)}?accessRequestToken=Bearer%20{token}", json=pickup())
        client.put(f"{path(token)}", json=pickup(), headers={"Authorization": f"Bearer {token}x"})
        client.post("/oauth/token.php", data={"client_id": "john", "client_secret": token})
    assert len(logs) >= 5
    assert token not in repr(logs)
