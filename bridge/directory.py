"""Who owns what: organizations, users, their extensions, queues and apps, and who may act for whom.

Built once from the configuration and never changed. Every number has at most one owner (the configuration is
refused otherwise), so all questions about an extension come down to its owner, found in a few steps among any
number of users.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from bridge.grammar import Extension
from bridge.patterns import Pattern, PatternIndex
from bridge.settings import Role, Settings

Scope = tuple[Role, str]
"""All numbers of a user, of an organization, or of everybody: the role that sees so much, and whose they are."""

_KNOWN_NUMBERS = 65_536
"""Numbers whose owner is remembered: more than have a call at a time, or a list of all would find none of them."""


_WIDTH = {Role.USER: 0, Role.ORGANIZATION: 1, Role.GLOBAL: 2}
"""Which of two roles sees more."""


@dataclass(frozen=True, slots=True)
class Organization:
    """Users that may send calls to each other's phones."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class User:
    """An owner of extensions; each is one object.

    Attributes:
        extensions: The user's numbers, as patterns; a user may have none.
    """

    id: str
    name: str
    organization: Organization
    role: Role
    extensions: tuple[Pattern, ...]

    @property
    def prefix(self) -> str:
        """What completes a short number of this user: the prefix of the first number that has only one."""
        return next((one.prefix for one in self.extensions if one.prefix is not None), "")


@dataclass(frozen=True, slots=True)
class App:
    """A client of the API and the user that it acts for."""

    id: str
    user: User


class Directory:
    """The people and numbers of a configuration, and the rights between them."""

    def __init__(self, settings: Settings) -> None:
        organizations = {one.id: Organization(one.id, one.name) for one in settings.organizations}
        users = {
            one.id: User(one.id, one.name, organizations[one.organization], one.role, one.extensions)
            for one in settings.users
        }
        self.organizations: Mapping[str, Organization] = MappingProxyType(organizations)
        self.users: Mapping[str, User] = MappingProxyType(users)
        self.apps: Mapping[str, App] = MappingProxyType(
            {one.id: App(one.id, users[one.user]) for one in settings.apps}
        )
        self._queues = frozenset(queue.extension for queue in settings.queues)
        self._owners: PatternIndex[User] = PatternIndex()
        for user in users.values():
            for pattern in user.extensions:
                self._owners.add(pattern, user)
        # Asked several times for each call that is shown, and again for the same numbers at the next question.
        self._owner = lru_cache(maxsize=_KNOWN_NUMBERS)(self._find_owner)

    def _find_owner(self, extension: Extension) -> User | None:
        return next(self._owners.find(extension), None)

    def user(self, id_: str) -> User | None:
        """The user with this id."""
        return self.users.get(id_)

    def owner_of(self, extension: Extension) -> User | None:
        """The one user whose list covers this number."""
        return self._owner(extension)

    def organization_of(self, extension: Extension) -> Organization | None:
        """The organization of the number's owner."""
        owner = self.owner_of(extension)
        return owner.organization if owner else None

    def covers(self, user: User, extension: Extension) -> bool:
        """Whether the user's own list covers this number, whatever the role."""
        owner = self.owner_of(extension)
        return owner is not None and owner.id == user.id

    def may_act_for_user(self, user: User, other: User) -> bool:
        """Whether the user may do for the other what the other may: by role, see ``Role``."""
        if user.role is Role.GLOBAL:
            return True
        if user.role is Role.ORGANIZATION:
            return user.organization == other.organization
        return user.id == other.id

    def may_act_for(self, user: User, extension: Extension) -> bool:
        """Whether the user may act for this number: its owner is one the user may act for."""
        owner = self.owner_of(extension)
        return owner is not None and self.may_act_for_user(user, owner)

    def scopes_of(self, extension: Extension) -> tuple[Scope, ...]:
        """The scopes that a number belongs to; none where nobody owns it."""
        owner = self.owner_of(extension)
        if owner is None:
            return ()
        return (Role.USER, owner.id), (Role.ORGANIZATION, owner.organization.id), (Role.GLOBAL, "")

    def scope_of(self, asker: User, user: User) -> Scope:
        """The scope of the numbers that both may act for, where the one may act for the other: the narrower one's."""
        narrower = min(asker, user, key=lambda one: _WIDTH[one.role])
        if narrower.role is Role.USER:
            return Role.USER, narrower.id
        return narrower.role, narrower.organization.id if narrower.role is Role.ORGANIZATION else ""

    def may_send_to(self, user: User, extension: Extension) -> bool:
        """Whether a call may be sent to this number: one of the user's organization, of any for a global user.

        Whether a phone answers to it is Asterisk's to know, but a queue's extension never is one.
        """
        if extension in self._queues:
            return False
        organization = self.organization_of(extension)
        return organization is not None and (user.role is Role.GLOBAL or organization == user.organization)

    def own_extensions_patterns(self, user: User) -> tuple[Pattern, ...]:
        """All numbers that the user may act for, what ``@self`` stands for; those of the user first."""
        others = (
            pattern
            for other in self.users.values()
            if other is not user and self.may_act_for_user(user, other)
            for pattern in other.extensions
        )
        return (*user.extensions, *others)

    def complete(self, text: str, *, like: Extension | None, user: User) -> Extension:
        """The long form of a number that a client wrote, which may be short (``210`` for ``0003*210``).

        A number with a star is long already. One without gets the prefix of ``like`` if that is given, else of the
        user's first number; where that makes a number nobody owns and the text as it stands is somebody's, it
        stands (a PBX may have numbers of both kinds).

        Args:
            text: What the client wrote, not checked yet.
            like: The extension of the URI, once it is known.
            user: Whose numbers are meant.

        Raises:
            GrammarError: it is no extension number, or would be too long with the prefix.
        """
        written = Extension.parse(text)
        prefix = user.prefix if like is None else like.prefix
        if "*" in written or not prefix:
            return written
        long = Extension.parse(f"{prefix}*{written}")
        if self.owner_of(long) is None and self.owner_of(written) is not None:
            return written
        return long
