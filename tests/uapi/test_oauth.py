"""Tokens for an app's id and secret, in every form that clients ask for them (uapi.md, 1.4)."""

import base64
import re
from typing import Any

import pytest

from bridge.tokens import sha256_hex
from uapi.world import CONFIGURATION, World, path

ID, SECRET = "app~1._-", "s3cret+/=&%"  # what must be encoded in a form, and an id with all that ids may have
ENC_ID, ENC_SECRET = "app%7E1._-", "s3cret%2B%2F%3D%26%25"

APPS = [*CONFIGURATION["apps"], {"id": ID, "user": "12", "secret_sha256": sha256_hex(SECRET)}]


@pytest.fixture
def world() -> World:
    return World({"apps": APPS})


FORM = "application/x-www-form-urlencoded"
CLIENTS: dict[str, tuple[str, str | None]] = {
    "mcp-voipnow": (
        (
            f"client_id={ENC_ID}&client_secret={ENC_SECRET}&grant_type=client_credentials&type=unifiedapi"
            "&redirect_uri=https%3A%2F%2Fhost%2Fouath%2Ftoken.php"
        ),
        FORM,
    ),
    "4PSA python and perl examples": (
        f"&grant_type=client_credentials&redirect_uri=https://x.x.x.x/a&client_id={ENC_ID}&client_secret={ENC_SECRET}",
        FORM,
    ),
    "4PSA demo apps": (
        f"grant_type=client_credentials&redirect_uri=/index.php&state=0&client_id={ID}&client_secret={ENC_SECRET}",
        FORM,
    ),
    "laravel-voipnow": (
        (
            f"grant_type=client_credentials&redirect_uri=https%3A%2F%2F10.0.0.1&client_id={ENC_ID}"
            f"&client_secret={ENC_SECRET}"
        ),
        f"{FORM}; charset=utf-8",
    ),
    "Telphin Delphi": (
        (
            f"redirect_uri=urn:ietf:wg:oauth:2.0:oob&client_id={ID}&client_secret={ENC_SECRET}"
            "&grant_type=client_credentials&state=0"
        ),
        FORM,
    ),
    "Ruby oauth2 gem": (f"client_id={ID}&client_secret={ENC_SECRET}&grant_type=client_credentials", FORM),
    "net2phone JS": (
        f'{{"grant_type":"client_credentials","client_id":"{ID}","client_secret":"{SECRET}"}}',
        "application/json",
    ),
    "no content type": (f"client_id={ID}&client_secret={ENC_SECRET}&grant_type=client_credentials", None),
}


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_gets_a_token_that_works(world: World, client: str) -> None:
    """200 with a number of seconds, a token that existing clients take for one, and nothing that may be stored."""
    body, kind = CLIENTS[client]
    with world.client(None) as http:
        headers = {"Content-Type": kind} if kind else {}
        reply = http.post("https://h//oauth/token.php", content=body, headers=headers)
        answer = reply.json()
        used = http.get(path(), headers={"Authorization": f"Bearer {answer['access_token']}"})
    assert (reply.status_code, reply.headers["cache-control"], reply.headers["content-type"]) == (
        200,
        "no-store",
        "application/json",
    )
    assert {**answer, "access_token": "?"} == {
        "access_token": "?",
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "all",
    }
    assert re.fullmatch(r"[A-Za-z0-9_.-]{10,}", answer["access_token"])  # what mcp-voipnow takes for a token
    assert used.status_code == 200


def test_the_secret_may_come_by_http_basic(world: World) -> None:
    """RFC 6749, 2.3.1: both encoded as in a form."""
    basic = base64.b64encode(f"{ENC_ID}:{ENC_SECRET}".encode()).decode()
    with world.client(None) as http:
        reply = http.post(
            "/oauth/token.php",
            data={"grant_type": "client_credentials"},
            headers={"Authorization": f"Basic {basic}"},
        )
        wrong = http.post(
            "/oauth/token.php",
            data={"grant_type": "client_credentials"},
            headers={"Authorization": "Basic !!"},
        )
    assert reply.status_code == 200
    assert (wrong.status_code, wrong.headers["www-authenticate"]) == (401, 'Basic realm="uapi"')


GOOD: dict[str, Any] = {"grant_type": "client_credentials", "client_id": ID, "client_secret": SECRET}


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": "john"}, 401, "invalid_client"),  # an app without a secret
        ({"client_id": ""}, 401, "invalid_client"),
        ({"client_secret": ["a"]}, 401, "invalid_client"),
        ({"grant_type": "authorization_code"}, 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": None}, 400, "invalid_request"),
    ],
)
def test_a_refusal_has_the_form_of_its_rfc(
    world: World, changes: dict[str, Any], status: int, error: str
) -> None:
    """A word and a description, both texts; no word of which of the two was wrong."""
    with world.client(None) as http:
        replies = [http.post("/oauth/token.php", json={**GOOD, **changes})]
        if all(isinstance(value, str) for value in changes.values()):
            replies.append(http.post("/oauth/token.php", data={**GOOD, **changes}))
    for reply in replies:
        body = reply.json()
        assert (reply.status_code, body["error"], sorted(body)) == (
            status,
            error,
            ["error", "error_description"],
        )
        assert reply.headers["cache-control"] == "no-store"
        assert ("www-authenticate" in reply.headers) == (status == 401)


def test_json_may_have_numbers_and_begin_with_a_mark() -> None:
    """An id and a secret of digits, and the byte order mark that some editors write."""
    app = {"id": "4711", "user": "12", "secret_sha256": sha256_hex("12345")}
    with World({"apps": [app]}).client(None) as http:
        body = b'\xef\xbb\xbf{"grant_type": "client_credentials", "client_id": 4711, "client_secret": 12345}'
        reply = http.post("/oauth/token.php", content=body)
    assert reply.status_code == 200, reply.text


def test_other_layers_speak_the_same_language(world: World) -> None:
    """404, 405, 413, 415 and 429 too: an error that is a text, as OAuth's clients read it."""
    with world.client(None) as http:
        replies = [
            http.get("/oauth/authorize.php?response_type=code&client_id=x"),
            http.get("/oauth/token.php"),
            http.post("/oauth/token.php", content=b"x" * 70_000),
            http.post("/oauth/token.php", files={"a": b"b"}),
            http.post("/oauth/token.php", content=b"{"),
            http.post("/oauth/token.php"),
        ]
    assert [(one.status_code, one.json()["error"]) for one in replies] == [
        (404, "invalid_request"),
        (405, "invalid_request"),
        (413, "invalid_request"),
        (415, "invalid_request"),
        (400, "invalid_request"),
        (400, "invalid_request"),
    ]


def test_guessing_a_secret_is_slowed() -> None:
    """After so many wrong ones even the right one has to wait; another app does not."""
    other = {"id": "second", "user": "13", "secret_sha256": sha256_hex("other")}
    world = World({"apps": [*APPS, other], "limits": {"failed_logins": 3}})
    with world.client(None) as http:
        wrong = [http.post("/oauth/token.php", data={**GOOD, "client_secret": "x"}) for _ in range(4)]
        right = http.post("/oauth/token.php", data=GOOD)
        second = http.post("/oauth/token.php", data={**GOOD, "client_id": "second", "client_secret": "other"})
    assert [one.status_code for one in wrong] == [401, 401, 401, 429]
    assert (right.status_code, right.headers["retry-after"]) == (429, "20")
    assert right.json()["error"] == "temporarily_unavailable"
    assert second.status_code == 200


def test_ids_that_are_no_apps_count_together() -> None:
    """Whoever makes them up is slowed as well, and gets no fresh start for an App's."""
    world = World({"apps": APPS, "limits": {"failed_logins": 3}})
    with world.client(None) as http:

        def statuses(*ids: str) -> list[int]:
            wrong = {**GOOD, "client_secret": "x"}
            return [http.post("/oauth/token.php", data=wrong | {"client_id": id_}).status_code for id_ in ids]

        assert statuses(*[ID] * 4) == [401, 401, 401, 429]
        assert statuses(*(f"nobody{n}" for n in range(4))) == [401, 401, 401, 429]
        assert statuses(ID) == [429]


def test_tokens_are_given_while_the_pbx_is_away(world: World) -> None:
    """A client that renews its token then does not have to begin anew."""
    with world.client(None) as http:
        world.link.go_down("gone")
        assert http.post("/oauth/token.php", data=GOOD).status_code == 200
