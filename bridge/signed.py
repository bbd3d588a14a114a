"""Signed tokens: what a secret buys. Imported only where an App has a secret, for its libraries take long to load.

A signed token is checked with a key derived from the app's secret hash: no further setting, valid at every instance
with the same configuration and after a restart, void as soon as the secret changes.
"""

import secrets
from collections.abc import Callable, Mapping

import jwt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bridge.directory import App

_ALGORITHM = "HS256"
_PURPOSE = b"uapi-bridge access token 1 "


class SignedTokens:
    """Issues and checks the signed tokens of the apps that have a secret.

    Args:
        hashed: By the app's id, its secret's SHA-256 and the app.
        valid: Seconds that a token is good for.
        clock: Seconds since 1970, for the moment that a token is issued.
    """

    def __init__(
        self, hashed: Mapping[str, tuple[str, App]], *, valid: int, clock: Callable[[], float]
    ) -> None:
        self._keys = {id_: (key_of(id_, digest), app) for id_, (digest, app) in hashed.items()}
        self._valid = valid
        self._clock = clock

    def issue(self, app: App) -> str:
        """Make a token.

        Raises:
            KeyError: the app has no secret.
        """
        key, _ = self._keys[app.id]
        now = int(self._clock())
        claims = {"sub": app.id, "iat": now, "exp": now + self._valid, "jti": secrets.token_hex(8)}
        return jwt.encode(claims, key, _ALGORITHM, headers={"kid": app.id})

    def check(self, token: str) -> App | None:
        """The app that a token was issued to, if it is still good; any text may be asked for."""
        try:
            # Only to choose the key: what the header says is believed once the signature has been checked.
            key, app = self._keys[str(jwt.get_unverified_header(token).get("kid"))]
            jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                subject=app.id,
                # Not iat: the clocks of two instances need not agree to the second.
                options={"require": ["exp", "sub"], "verify_iat": False},
            )
        except (jwt.InvalidTokenError, KeyError, UnicodeError, RecursionError):
            # RecursionError: a header of nothing but brackets, which json gives up on.
            return None
        return app


def key_of(app_id: str, secret_sha256: str) -> bytes:
    """The key of an app's signed tokens: RFC 5869's HKDF, bound to what it is for and to whom."""
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE + app_id.encode())
    return kdf.derive(bytes.fromhex(secret_sha256))
