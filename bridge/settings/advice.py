"""What is allowed in a configuration but rarely meant: said at start and by ``check``, refused by nobody."""

import hashlib
from collections.abc import Iterator

from bridge.patterns import Pattern, PatternIndex
from bridge.settings.errors import key_of
from bridge.settings.root import Settings
from bridge.settings.sections import DEFAULT_SECRET, Role, is_loopback

_WELL_KNOWN = frozenset(
    hashlib.sha256(text.encode()).hexdigest()
    for text in ("", DEFAULT_SECRET, "secret", "password", "token", "test")
)


def warnings(settings: Settings) -> tuple[str, ...]:
    """Sentences about what the operator should look at, each beginning with the key."""
    return (*_network(settings), *_logins(settings), *_people(settings))


def _network(settings: Settings) -> Iterator[str]:
    http, ami = settings.http, settings.ami
    if not is_loopback(http.host):
        if not http.tls_cert and not http.trusted_proxies:
            yield (
                f"http.host: listening on {http.host} without TLS: tokens can be read on the way."
                " Set http.tls_cert and http.tls_key, or name the proxy that does TLS in http.trusted_proxies"
            )
        if not http.public_url and not http.trusted_hosts:
            yield (
                "http.trusted_hosts: is empty, so links in replies repeat whatever Host a client asks for;"
                " set it, or http.public_url"
            )
    if "0.0.0.0/0" in http.trusted_proxies or "::/0" in http.trusted_proxies:
        yield "http.trusted_proxies: covers every address, so any client can say it came from another"
    if "*" in http.cors_origins:
        yield "http.cors_origins: * lets the pages of every web site use the API with a token they hold"
    if ami.secret.get_secret_value() == DEFAULT_SECRET:
        yield f"ami.secret: is still {DEFAULT_SECRET}; set another here and in manager.d/uapi.conf"
    if not ami.tls and not is_loopback(ami.host):
        yield f"ami.tls: is off, so the login to {ami.host} crosses the network readable; only for a network of your own"
    if ami.ca_file and not ami.tls:
        yield "ami.ca_file: has no effect while ami.tls is false"


def _logins(settings: Settings) -> Iterator[str]:
    if not settings.apps:
        yield "apps: is empty, so nobody can use the API; `uapi-bridge token` makes a token and its entry"
    for place, app in enumerate(settings.apps):
        if not app.secret_sha256 and not app.tokens_sha256:
            yield (
                f"apps[{place}]: {app.id} has neither secret_sha256 nor tokens_sha256, so it cannot log in;"
                " `uapi-bridge token` makes them"
            )
        if _WELL_KNOWN & {app.secret_sha256, *app.tokens_sha256}:
            yield f"apps[{place}]: a secret or token of {app.id} is one that anybody would try first"


def _people(settings: Settings) -> Iterator[str]:
    if not any(settings.numbers()):
        yield "users: nobody has extensions, so no call is ever found; `uapi-bridge doctor` lists the PBX's phones"
        return
    owned: PatternIndex[str] = PatternIndex()
    for place, user in enumerate(settings.users):
        if user.role is Role.USER and not user.extensions:
            yield f"users[{place}]: {user.name} has no extensions and may act for nobody else"
        for pattern in user.extensions:
            owned.add(pattern, user.id)
    for place, queue in enumerate(settings.queues):
        if not any(owned.find(Pattern(queue.extension))):
            yield (
                f"queues[{place}].extension: {queue.extension} is in no user's list,"
                " so nobody finds the queue's callers under it"
            )
    for extension in settings.pbx.endpoints:
        if not any(owned.find(extension)):
            yield f"{key_of(('pbx', 'endpoints', extension))}: is in no user's list, so it is never used"
