"""The configuration as a whole: what no section can check alone."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Self

from pydantic import model_validator

from bridge.endpoints import Endpoints, EndpointsError
from bridge.patterns import Pattern, PatternIndex
from bridge.settings.errors import Problem, SettingsError, key_of
from bridge.settings.sections import (
    DEFAULT_SECRET,
    AmiSettings,
    App,
    HttpSettings,
    Limits,
    Organization,
    PbxSettings,
    Queue,
    Section,
    UapiSettings,
    User,
    is_loopback,
)


class Settings(Section):
    """A whole configuration that has been checked; ``load`` reads one.

    Raises:
        SettingsError: its parts contradict each other.
    """

    http: HttpSettings = HttpSettings()
    ami: AmiSettings = AmiSettings()
    pbx: PbxSettings = PbxSettings()
    uapi: UapiSettings = UapiSettings()
    limits: Limits = Limits()
    organizations: tuple[Organization, ...] = ()
    users: tuple[User, ...] = ()
    queues: tuple[Queue, ...] = ()
    apps: tuple[App, ...] = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        problems = tuple(_problems(self))
        if problems:
            raise SettingsError(problems)
        return self

    def numbers(self) -> Iterator[Pattern]:
        """All configured numbers, of users and of queues."""
        for user in self.users:
            yield from user.extensions
        for queue in self.queues:
            yield Pattern(queue.extension)

    def endpoints(self) -> Endpoints:
        """Which extension has which phone, by ``[pbx]``."""
        return Endpoints.from_settings(self.pbx.channel, self.pbx.endpoints, self.numbers())


def _problems(settings: Settings) -> Iterator[Problem]:
    yield from _connections(settings)
    yield from _twice("organizations", "id", [one.id for one in settings.organizations])
    yield from _twice("users", "id", [one.id for one in settings.users])
    yield from _twice("queues", "name", [one.name for one in settings.queues])
    yield from _twice("queues", "extension", [one.extension for one in settings.queues])
    yield from _twice("apps", "id", [one.id for one in settings.apps])
    yield from _unknown(
        "users",
        "organization",
        [one.organization for one in settings.users],
        [one.id for one in settings.organizations],
    )
    yield from _unknown(
        "apps", "user", [one.user for one in settings.apps], [one.id for one in settings.users]
    )
    yield from _two_owners(settings.users)
    yield from _token_of_two(settings.apps)
    yield from _phones(settings)


def _connections(settings: Settings) -> Iterator[Problem]:
    http, ami = settings.http, settings.ami
    if http.tls_cert and not http.tls_key:
        yield Problem("http.tls_key", "is missing: http.tls_cert is of no use without its private key")
    if http.tls_key and not http.tls_cert:
        yield Problem("http.tls_cert", "is missing: http.tls_key is of no use without its certificate")
    if ami.secret.get_secret_value() == DEFAULT_SECRET and not is_loopback(ami.host):
        yield Problem(
            "ami.secret",
            f"must not stay {DEFAULT_SECRET} with an Asterisk beyond this machine ({ami.host});"
            " set another here and in manager.d/uapi.conf",
        )


def _twice(table: str, field: str, values: Sequence[str]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for place, value in enumerate(values):
        if value in first:
            yield Problem(f"{table}[{place}].{field}", f"is that of {table}[{first[value]}] too: {value}")
        first.setdefault(value, place)


def _unknown(table: str, field: str, values: Sequence[str], known: Sequence[str]) -> Iterator[Problem]:
    existing = frozenset(known)
    for place, value in enumerate(values):
        if value not in existing:
            close = get_close_matches(value, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            yield Problem(f"{table}[{place}].{field}", f"there is no {field} with the id {value}{hint}")


def _two_owners(users: Sequence[User]) -> Iterator[Problem]:
    index: PatternIndex[tuple[int, Pattern]] = PatternIndex()
    for place, user in enumerate(users):
        for at, pattern in enumerate(user.extensions):
            other = next((one for one in index.find(pattern) if one[0] != place), None)
            if other:
                owner, theirs = other
                yield Problem(
                    f"users[{place}].extensions[{at}]",
                    f"{pattern} and {theirs} of users[{owner}] ({users[owner].name}) have"
                    f" {pattern.common(theirs)} in common; a number has one owner",
                )
            index.add(pattern, (place, pattern))


def _token_of_two(apps: Sequence[App]) -> Iterator[Problem]:
    owner: dict[str, int] = {}
    for place, app in enumerate(apps):
        for at, digest in enumerate(app.tokens_sha256):
            if digest in owner:
                yield Problem(
                    f"apps[{place}].tokens_sha256[{at}]", f"is listed in apps[{owner[digest]}] already"
                )
            owner.setdefault(digest, place)


def _phones(settings: Settings) -> Iterator[Problem]:
    for queue in settings.queues:
        if queue.extension in settings.pbx.endpoints:
            yield Problem(
                key_of(("pbx", "endpoints", queue.extension)),
                f"is the extension of the queue {queue.name}, which is no phone",
            )
    try:
        settings.endpoints()
    except EndpointsError as error:
        key = key_of(("pbx", "endpoints", error.extension)) if error.extension else "pbx.channel"
        yield Problem(key, str(error))
