"""Who is calling: long-lived tokens, OAuth secrets, and the signed tokens that a secret buys.

The configuration knows tokens and secrets by their SHA-256 only. They are long random texts made by
``uapi-bridge token``, for which a plain digest is enough. The key of an app's signed tokens is derived from its
secret's hash, which makes that hash itself worth protecting.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from bridge.directory import App, Directory
from bridge.settings import Settings

EXPIRES_IN = 3600
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Issued:
    """A signed token for an app.

    Attributes:
        token: What the client sends as its bearer token.
        expires_in: Seconds that it is valid for.
    """

    token: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class Made:
    """A new secret or token, shown once, and the hash that goes into the configuration."""

    text: str
    sha256: str


def make() -> Made:
    """A new secret or token: 256 random bits as hex, so that it survives every shell, form and header."""
    text = secrets.token_hex(32)
    return Made(text, sha256_hex(text))


def sha256_hex(text: str) -> str:
    """The SHA-256 of a secret or token as the configuration has it."""
    # A header may hold any bytes, which come here as unpaired surrogates: they are no reason to fail.
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


class Tokens:
    """Checks and issues the tokens of the configured apps."""

    def __init__(
        self, settings: Settings, directory: Directory, *, clock: Callable[[], float] = time.time
    ) -> None:
        """Know the apps.

        Args:
            settings: Where the hashes stand.
            directory: The apps that they belong to.
            clock: Seconds since 1970, for the moment that a token is issued.
        """
        # What an unknown token or app is compared with, so that it takes as long as a known one.
        self._nobody = secrets.token_hex(32)
        self._static: dict[str, tuple[str, App]] = {}
        self._secrets: dict[str, tuple[str, App]] = {}
        for configured in settings.apps:
            app = directory.apps[configured.id]
            self._static |= {digest: (digest, app) for digest in configured.tokens_sha256}
            if configured.secret_sha256:
                self._secrets[app.id] = (configured.secret_sha256, app)
        self._signed = None
        if self._secrets:
            from bridge.signed import SignedTokens  # noqa: PLC0415 -- its libraries take long to load

            self._signed = SignedTokens(self._secrets, valid=EXPIRES_IN, clock=clock)

    def authenticate(self, token: str) -> App | None:
        """The app that a bearer token belongs to.

        Args:
            token: What the client sent, without the word Bearer; any text.

        Returns:
            The app; None for a token that is unknown, forged, expired or void.
        """
        if not token or len(token) > _LONGEST:
            return None
        # Looked up by digest, which no one can steer towards a known one; then compared in constant time.
        digest = sha256_hex(token)
        known, app = self._static.get(digest, (self._nobody, None))
        if hmac.compare_digest(known, digest):
            return app
        return self._signed.check(token) if self._signed else None

    def check_secret(self, app_id: str, secret: str) -> App | None:
        """The app, if this is its secret; in the same time for a wrong secret and an unknown app."""
        known, app = self._secrets.get(app_id, (self._nobody, None))
        return app if hmac.compare_digest(known, sha256_hex(secret)) else None

    def issue(self, app: App) -> Issued:
        """Make a signed token for an app whose secret was just checked.

        Raises:
            KeyError: the app has no secret.
        """
        if self._signed is None:
            raise KeyError(app.id)
        return Issued(self._signed.issue(app), EXPIRES_IN)
