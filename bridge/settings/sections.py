"""The sections of ``bridge.toml``: each key with its grammar, its default and the sentence that explains it.

The descriptions here, and the sections' docstrings, are the only ones: the sample file, the documentation's
table and the words of ``uapi-bridge check`` are made from them. What one value alone can be checked for is checked here; what takes
two of them stands in ``root``.
"""

import ipaddress
import re
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, SecretStr

from bridge.grammar import Endpoint, Extension
from bridge.patterns import Pattern

DEFAULT_SECRET = "change-me"  # noqa: S105  the value that asks to be changed, as asterisk-conf/ ships it

_HOST = re.compile(r"[0-9A-Za-z.:%_-]{1,255}")
_TRUSTED_HOST = re.compile(r"\*|(?:\*\.)?[0-9A-Za-z._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")
_CONTEXT = re.compile(r"[0-9A-Za-z_-]{1,79}")
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._~-]{0,63}")
_APP_ID = re.compile(r"[0-9A-Za-z._~-]{1,128}")
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")


def is_loopback(host: str) -> bool:
    """Whether a host in the configuration can only be this machine; a name but ``localhost`` may be any."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _matching(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"must be {what}")
        return text

    return AfterValidator(check)


def _printable(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError("must be printable text, not empty")
    return text


def _printable_secret(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if not value or not value.isprintable() or value != value.strip():
        raise ValueError("must be printable text, not empty, without blanks around it")
    return secret


def _is_url(text: str, *, with_path: bool) -> bool:
    """Whether it is http(s), a host, perhaps a port, and nothing that a link could not be made from."""
    try:
        parts = urlsplit(text)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return (
        text.isascii()
        and text.isprintable()
        and not set(text) & set(' "<>\\^`{|}@?#')
        and parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and port_fits
        and (with_path or not parts.path)
    )


def _public_url(text: str) -> str:
    if text and not _is_url(text, with_path=True):
        raise ValueError("must be a URL such as https://uapi.example.org, without query, or empty")
    return text.rstrip("/")


def _origin(text: str) -> str:
    if text != "*" and not _is_url(text, with_path=False):
        raise ValueError("must be an origin such as https://app.example.org (no path), or *")
    # As browsers write it (RFC 6454, 6.2).
    origin = text.lower()
    return origin.removesuffix(":443" if origin.startswith("https:") else ":80")


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise ValueError(
            "must be an address or a network such as 10.0.0.1 or 10.0.0.0/8 (its host bits zero)"
        ) from None


def _lower_sha256(text: str) -> str:
    if not _SHA256.fullmatch(text):
        raise ValueError("must be the SHA-256 of it as 64 hex digits; `uapi-bridge token` makes one")
    return text.lower()


def _optional_sha256(text: str) -> str:
    return _lower_sha256(text) if text else text


Id = Annotated[str, _matching(_ID, "letters, digits and . _ ~ -, beginning with a letter or digit")]
Text = Annotated[str, AfterValidator(_printable)]
Host = Annotated[str, _matching(_HOST, "a host name or an address, without port and brackets")]
ExtensionField = Annotated[Extension, PlainValidator(Extension.parse)]
EndpointField = Annotated[Endpoint, PlainValidator(Endpoint.parse)]
PatternField = Annotated[Pattern, PlainValidator(Pattern.parse)]


def _field(default: Any = ..., *, description: str, example: Any = None, **limits: Any) -> Any:
    """A key: pydantic's Field, with the description demanded and what the sample file shows."""
    return Field(default, description=description, examples=None if example is None else [example], **limits)


class Section(BaseModel):
    """What all sections share: nothing unknown, nothing changed later, and no value in an error's text."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True
    )


class HttpSettings(Section):
    """Where the API is served, and who may stand before it."""

    host: Host = _field(
        "127.0.0.1", description="Address to listen on; 0.0.0.0 for all of IPv4, :: for all of IPv6."
    )
    port: int = _field(8080, ge=0, le=65535, description="Port to listen on; 0 lets the system choose one.")
    public_url: Annotated[str, AfterValidator(_public_url)] = _field(
        "",
        description="Base of the links in replies, such as https://uapi.example.org; empty: the request's own,"
        " its Host checked against trusted_hosts once not on loopback.",
    )
    trusted_hosts: tuple[
        Annotated[
            str, _matching(_TRUSTED_HOST, "a host without port, such as uapi.example.org or *.example.org")
        ],
        ...,
    ] = _field((), description="Host names that requests may ask for; *.example.org covers a whole domain.")
    tls_cert: str = _field(
        "",
        description="PEM file of the certificate and its chain; with tls_key too, the API is served by HTTPS.",
    )
    tls_key: str = _field("", description="PEM file of the certificate's private key.")
    trusted_proxies: tuple[Annotated[str, AfterValidator(_network)], ...] = _field(
        (),
        description="Addresses or networks of the reverse proxies whose X-Forwarded-For and -Proto are believed.",
    )
    cors_origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = _field(
        (),
        description="Origins whose pages a browser lets use the API, such as https://app.example.org; * is any.",
    )


class AmiSettings(Section):
    """The manager login on the PBX."""

    host: Host = _field("127.0.0.1", description="Where Asterisk's manager interface listens.")
    port: int = _field(5038, ge=1, le=65535, description="Its port; 5039 is usual with TLS.")
    username: Text = _field("uapi", description="The manager user from manager.d/uapi.conf.")
    secret: Annotated[SecretStr, AfterValidator(_printable_secret)] = _field(
        SecretStr(DEFAULT_SECRET),
        description="Its secret. change-me is refused unless the host is this machine's loopback.",
    )
    tls: bool = _field(default=False, description="Whether to speak TLS to the manager interface.")
    ca_file: str = _field(
        "", description="With tls: PEM file of the CA to trust; empty for those the system trusts."
    )


class PbxSettings(Section):
    """How extensions are called on the PBX."""

    channel: str = _field(
        "PJSIP/{extension}",
        description="How an extension becomes an endpoint: {extension} is 0003*210, {prefix} 0003, {short} 210."
        " Must be reversible.",
    )
    context: Annotated[str, _matching(_CONTEXT, "the name of a dialplan context")] = _field(
        "uapi-pickup", description="The dialplan context from extensions.d/uapi.conf."
    )
    endpoints: dict[ExtensionField, EndpointField] = _field(
        {},
        description="Exceptions to channel: extensions whose endpoint has a name of its own.",
        example={"0003*210": "PJSIP/desk-7"},
    )


class UapiSettings(Section):
    """How the API behaves where its clients leave it open."""

    wait: float = _field(
        0,
        ge=0,
        le=60,
        description="Seconds, up to 60, that a PUT waits for the outcome when the client does not say.",
    )


class Limits(Section):
    """What one client can take before it is told to slow down."""

    requests_per_second: float = _field(
        50, gt=0, le=100_000, description="Requests a second that one App gets answered in the long run."
    )
    burst: int = _field(
        500, ge=1, le=1_000_000, description="Requests that one App may send at once before that counts."
    )
    pickups_per_phone: int = _field(
        30,
        ge=1,
        le=100_000,
        description="Times a minute that one phone may be rung by pickups; repeats ring nothing.",
    )
    failed_logins: int = _field(
        20,
        ge=1,
        le=100_000,
        description="Wrong tokens, or secrets of an App, a minute from one address before it has to wait.",
    )
    waits_per_app: int = _field(
        100,
        ge=1,
        le=100_000,
        description="Requests of one App that may wait for an outcome at the same time.",
    )
    streams_per_app: int = _field(
        200, ge=1, le=100_000, description="Event streams of one App that may be open at the same time."
    )
    body_bytes: int = _field(
        65536, ge=1024, le=16_777_216, description="Size of the largest request body read."
    )
    uri_bytes: int = _field(8192, ge=256, le=65536, description="Length of the longest request target read.")
    header_bytes: int = _field(
        32768, ge=1024, le=1_048_576, description="Size of all headers of a request together."
    )


class Organization(Section):
    """Users that may send calls to each other's phones."""

    id: Id = _field(description="Its id, the ownerId of its phone calls.", example="3")
    name: Text = _field(
        description="Its name, the ownerName of its phone calls.", example="Default Organization"
    )


class Role(StrEnum):
    """For whom a user's Apps may act."""

    USER = "user"
    ORGANIZATION = "organization"
    GLOBAL = "global"


class User(Section):
    """Somebody who owns extensions, or looks after those of others."""

    id: Id = _field(description="The user's id in URIs.", example="12")
    name: Text = _field(description="The user's name.", example="John Doe")
    organization: Id = _field(description="The id of the organization that the user belongs to.", example="3")
    role: Role = _field(
        Role.USER,
        description="user: own extensions; organization: those of its users; global: everyone's.",
    )
    extensions: tuple[PatternField, ...] = _field(
        (),
        description="The user's extension numbers: ? is one digit, * is the number's own star."
        " A number of two users is an error.",
        example=("0003*210", "0003*1??"),
    )


class Queue(Section):
    """A queue of the PBX: its waiting callers are found under an extension, which is no phone terminal."""

    name: Text = _field(description="Its name in Asterisk.", example="support")
    extension: ExtensionField = _field(
        description="The extension under which its waiting callers are found.", example="0003*900"
    )


class App(Section):
    """A client of the API. It acts for one user."""

    id: Annotated[str, _matching(_APP_ID, "letters, digits and . _ ~ -")] = _field(
        description="Its id, the client_id of OAuth.", example="demo-app"
    )
    user: Id = _field(description="The id of the user that it acts for.", example="12")
    # Not in repr: the key of the app's signed tokens is derived from it.
    secret_sha256: Annotated[str, AfterValidator(_optional_sha256)] = _field(
        "",
        repr=False,
        description="SHA-256 of its secret as hex, for tokens from /oauth/token.php; empty: off for this App. Keep it"
        " private: the tokens' key is derived from it.",
    )
    tokens_sha256: tuple[Annotated[str, AfterValidator(_lower_sha256)], ...] = _field(
        (), repr=False, description="SHA-256 as hex of the long-lived bearer tokens that it may use."
    )
