"""Tokens and secrets: who gets in, and who does not."""

import base64
import json
import re
import time
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.directory import Directory
from bridge.settings import Settings
from bridge.signed import key_of
from bridge.tokens import EXPIRES_IN, Tokens, make, sha256_hex

_STATIC = "a-long-lived-token"
_SECRET = "the-secret-of-the-demo-app"
# What mcp-voipnow takes for a token (token/utils.ts of 5.7.0); a JWT and hex are both within it.
_PRESENTABLE = re.compile(r"[A-Za-z0-9_.-]{10,}")


def _tokens(
    *, secret: str = _SECRET, app: str = "demo-app", at: float | None = None
) -> tuple[Tokens, Directory]:
    settings = Settings.model_validate(
        {
            "organizations": [{"id": "3", "name": "Default"}],
            "users": [{"id": "12", "name": "John Doe", "organization": "3"}],
            "apps": [
                {"id": app, "user": "12", "secret_sha256": sha256_hex(secret)},
                {
                    "id": "static",
                    "user": "12",
                    "tokens_sha256": [sha256_hex(_STATIC), sha256_hex("another-long-lived-token")],
                },
                {"id": "idle", "user": "12"},
            ],
        }
    )
    directory = Directory(settings)
    return Tokens(settings, directory, clock=lambda: time.time() if at is None else at), directory


_KNOWN, _APPS = _tokens()


def test_a_long_lived_token_is_its_apps() -> None:
    """Known by its hash alone; the app comes with the user that it acts for."""
    app = _KNOWN.authenticate(_STATIC)
    assert app is _APPS.apps["static"]
    assert app is not None
    assert app.user.name == "John Doe"


def test_a_secret_buys_a_token_for_an_hour() -> None:
    """What the token endpoint does: check the secret, issue, and let the token in."""
    app = _KNOWN.check_secret("demo-app", _SECRET)
    assert app is _APPS.apps["demo-app"]
    assert app is not None
    issued = _KNOWN.issue(app)
    assert issued.expires_in == EXPIRES_IN == 3600
    assert _PRESENTABLE.fullmatch(issued.token)
    assert _KNOWN.authenticate(issued.token) is app


@pytest.mark.parametrize(
    ("app", "secret"),
    [
        ("demo-app", ""),
        ("demo-app", "The-secret-of-the-demo-app"),
        ("demo-app", sha256_hex(_SECRET)),
        ("Demo-app", _SECRET),
        ("static", ""),
        ("static", _STATIC),
        ("idle", ""),
        ("nobody", ""),
        ("demo-app", "\udcff"),
    ],
)
def test_a_wrong_secret_is_refused(app: str, secret: str) -> None:
    """Wrong, empty, the hash instead of it, or of an app that has none."""
    assert _KNOWN.check_secret(app, secret) is None


def test_an_app_without_a_secret_gets_no_signed_token() -> None:
    """There is no key to sign it with."""
    with pytest.raises(KeyError):
        _KNOWN.issue(_APPS.apps["idle"])


def test_a_token_is_good_at_every_instance_and_after_a_restart() -> None:
    """Two services with the same configuration accept each other's, even when one's clock is ahead."""
    other, apps = _tokens(at=time.time() + 30)
    app = _KNOWN.authenticate(other.issue(apps.apps["demo-app"]).token)
    assert app is _APPS.apps["demo-app"]


def test_a_token_ends_with_its_hour() -> None:
    """A second before it is good, then it is not."""
    for age, good in ((EXPIRES_IN - 5, True), (EXPIRES_IN + 1, False)):
        old, apps = _tokens(at=time.time() - age)
        assert (_KNOWN.authenticate(old.issue(apps.apps["demo-app"]).token) is not None) is good


def test_a_new_secret_voids_the_tokens_of_the_old() -> None:
    """The key is derived from the secret, so nothing has to be remembered to take a token back."""
    before, apps = _tokens(secret="before")
    assert _KNOWN.authenticate(before.issue(apps.apps["demo-app"]).token) is None


def test_a_token_of_one_app_is_not_anothers() -> None:
    """Even with the same secret, the key is bound to the app."""
    other, apps = _tokens(app="other-app")
    token = other.issue(apps.apps["other-app"]).token
    assert _KNOWN.authenticate(token) is None
    key = key_of("other-app", sha256_hex(_SECRET))
    claims = {"sub": "demo-app", "exp": time.time() + 60}
    assert _KNOWN.authenticate(jwt.encode(claims, key, "HS256", headers={"kid": "demo-app"})) is None


_KEY = key_of("demo-app", sha256_hex(_SECRET))
_LATER = int(time.time()) + 86400


@pytest.mark.parametrize(
    ("claims", "key", "algorithm", "headers"),
    [
        ({"sub": "static", "exp": _LATER}, _KEY, "HS256", {"kid": "demo-app"}),
        ({"exp": _LATER}, _KEY, "HS256", {"kid": "demo-app"}),
        ({"sub": "demo-app"}, _KEY, "HS256", {"kid": "demo-app"}),
        ({"sub": "demo-app", "exp": "never"}, _KEY, "HS256", {"kid": "demo-app"}),
        ({"sub": "demo-app", "exp": _LATER}, _KEY, "HS256", {}),
        ({"sub": "demo-app", "exp": _LATER}, _KEY, "HS256", {"kid": "static"}),
        ({"sub": "demo-app", "exp": _LATER}, _KEY + _KEY, "HS512", {"kid": "demo-app"}),
        ({"sub": "demo-app", "exp": _LATER}, None, "none", {"kid": "demo-app"}),
        ({"sub": "demo-app", "exp": _LATER}, sha256_hex(_SECRET).encode(), "HS256", {"kid": "demo-app"}),
    ],
    ids=["sub", "no sub", "no exp", "bad exp", "no kid", "kid", "algorithm", "unsigned", "hash as key"],
)
def test_a_token_that_we_would_not_issue_is_refused(
    claims: dict[str, Any], key: bytes | None, algorithm: str, headers: Mapping[str, str]
) -> None:
    """Another subject, no end, another algorithm or none, another key."""
    token = jwt.encode(claims, key, algorithm, headers=dict(headers))  # type: ignore[arg-type]  # None goes with none
    assert _KNOWN.authenticate(token) is None


def test_a_header_of_brackets_does_no_harm() -> None:
    """JSON nested too deep to be read is one more wrong token."""
    deep = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 2900).decode().rstrip("=")
    assert _KNOWN.authenticate(f"{deep}.e30.AAAA") is None


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_any_text_is_a_wrong_token(text: str) -> None:
    """Whatever a header holds, the answer is no and never an error."""
    assert _KNOWN.authenticate(text) is None
    assert _KNOWN.check_secret("demo-app", text) is None
    assert _KNOWN.check_secret(text, _SECRET) is None


@given(
    st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "x"]), st.none() | st.integers() | st.text()
    ),
    st.binary(max_size=20),
)
def test_any_header_is_a_wrong_token(header: dict[str, object], payload: bytes) -> None:
    """Also when it has the form of a signed one."""

    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    for kid in (header.get("kid"), "demo-app"):
        text = json.dumps({**header, "kid": kid}).encode()
        assert _KNOWN.authenticate(f"{part(text)}.{part(payload)}.{part(payload)}") is None


@given(st.data())
def test_a_changed_token_is_refused(data: st.DataObject) -> None:
    """Any one character of the signed part, put differently."""
    token = _KNOWN.issue(_APPS.apps["demo-app"]).token
    body = token.rpartition(".")[0]
    place = data.draw(st.integers(0, len(body) - 1))
    char = data.draw(st.sampled_from("ABCxyz019-_.").filter(lambda one: one != token[place]))
    assert _KNOWN.authenticate(token[:place] + char + token[place + 1 :]) is None


def test_an_endless_token_is_not_looked_at() -> None:
    """Its length alone is answer enough, even if it were a configured one."""
    settings = Settings.model_validate(
        {
            "organizations": [{"id": "3", "name": "Default"}],
            "users": [{"id": "12", "name": "John Doe", "organization": "3"}],
            "apps": [{"id": "a", "user": "12", "tokens_sha256": [sha256_hex("x" * 4097), sha256_hex("")]}],
        }
    )
    tokens = Tokens(settings, Directory(settings))
    assert tokens.authenticate("x" * 4097) is None
    assert tokens.authenticate("") is None


def test_what_is_made_is_random_and_fits_every_client() -> None:
    """Ten or more letters, digits and _ . - without a colon, as existing clients want it; its hash is its SHA-256."""
    one, other = make(), make()
    assert one.text != other.text
    assert _PRESENTABLE.fullmatch(one.text)
    assert one.sha256 == sha256_hex(one.text)


def test_without_a_secret_there_is_no_signed_token() -> None:
    """None is issued, and one that another bridge has signed is a wrong token."""
    settings = Settings.model_validate(
        {
            "organizations": [{"id": "3", "name": "Default"}],
            "users": [{"id": "12", "name": "John Doe", "organization": "3"}],
            "apps": [{"id": "demo-app", "user": "12", "tokens_sha256": [sha256_hex(_STATIC)]}],
        }
    )
    directory = Directory(settings)
    tokens = Tokens(settings, directory)
    signed = _KNOWN.issue(_APPS.apps["demo-app"]).token
    assert (tokens.authenticate(_STATIC), tokens.authenticate(signed)) == (directory.apps["demo-app"], None)
    with pytest.raises(KeyError):
        tokens.issue(directory.apps["demo-app"])
