"""Whom and what a URI names: the user, the extension, and the live calls that are found there."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from bridge.calls import Call, Order
from bridge.directory import Directory, User
from bridge.grammar import CallId, Extension, GrammarError
from bridge.uapi.errors import ApiError


class Calls(Protocol):
    """The live calls, as far as the API reads them."""

    def call(self, id_: CallId) -> Call | None:
        """The live call with this id."""

    def calls_of(self, extension: Extension) -> Sequence[Call]:
        """The live calls listed under an extension, in the order of lists."""

    def calls_within(self, scope: Hashable) -> Sequence[Call]:
        """The live calls listed under the extensions of a scope, in the order of lists."""

    def calls(self) -> list[Call]:
        """All live calls."""

    def passing(self, call: CallId, view: str) -> Order | None:
        """What a pickup that is under way does with a view, which may stand nowhere for a moment."""


@dataclass(frozen=True, slots=True)
class Address:
    """A user and an extension of a URI, which the app's user may see.

    Args:
        asker: The app's user.
        user: The URI's user.
        extension: The URI's extension; None for ``@self``.
    """

    asker: User
    user: User
    extension: Extension | None

    def covers(self, directory: Directory, extension: Extension) -> bool:
        """Whether an extension is one that this address stands for."""
        if self.extension is not None:
            return extension == self.extension
        return directory.may_act_for(self.user, extension) and (
            self.asker is self.user or directory.may_act_for(self.asker, extension)
        )

    def extension_of(self, directory: Directory, call: Call) -> Extension | None:
        """The extension under which a call is shown here; None where it is not found here at all."""
        if self.extension is not None:
            return self.extension if self.extension in call.listed else None
        present = (leg.extension for leg in call.legs if leg.extension in call.listed)
        return next(
            (
                one
                for one in (*present, *sorted(call.listed))
                if one is not None and self.covers(directory, one)
            ),
            None,
        )


@lru_cache(maxsize=1024)  # who polls asks at the same again
def resolve(directory: Directory, asker: User, user: str, extension: str) -> Address:
    """Find the user and the extension that a URI names.

    Args:
        directory: Who owns what.
        asker: The app's user.
        user: The URI's User-Id: ``@me``, ``@viewer``, ``@owner`` or an id.
        extension: The URI's Extension-Number: ``@self``, or a number in its long or short form.

    Raises:
        ApiError: there is no such user or extension, or the app's user may not act for it.
    """
    named = _user(directory, asker, user)
    if extension == "@self":
        if named is None:
            raise ApiError(
                "extension_invalid", "With @owner the extension in the URI-Fragment must be a number."
            )
        return Address(asker, named, None)
    number = _extension(directory, named or asker, extension)
    owner = directory.owner_of(number)
    if owner is None:
        raise ApiError("extension_invalid")
    if not directory.may_act_for_user(asker, owner):
        raise ApiError(
            "forbidden", "The user of this App may not act for the extension given in the URI-Fragment."
        )
    if named is not None and not directory.may_act_for_user(named, owner):
        raise ApiError(
            "extension_invalid", "The extension given in the URI-Fragment is not one of that user."
        )
    return Address(asker, named or owner, number)


def _user(directory: Directory, asker: User, text: str) -> User | None:
    """The URI's user; None for ``@owner``, whom only the extension tells."""
    if text in ("@me", "@viewer"):
        return asker
    if text == "@owner":
        return None
    user = directory.user(text)
    if user is None:
        raise ApiError("user_invalid")
    if not directory.may_act_for_user(asker, user):
        raise ApiError(
            "forbidden", "The user of this App may not act for the user given in the URI-Fragment."
        )
    return user


def _extension(directory: Directory, user: User, text: str) -> Extension:
    try:
        return directory.complete(text, like=None, user=user)
    except GrammarError:
        raise ApiError("extension_invalid") from None


def found(directory: Directory, calls: Calls, address: Address) -> Sequence[Call]:
    """The live calls at an address, each once, by published and then by id; only until the next event."""
    if address.extension is not None:
        return calls.calls_of(address.extension)
    return calls.calls_within(directory.scope_of(address.asker, address.user))


def find(directory: Directory, calls: Calls, address: Address, id_: str) -> tuple[Call, Extension] | None:
    """One live call and the extension under which it is shown, if it is found at an address."""
    known = CallId.maybe(id_)
    call = calls.call(known) if known else None
    extension = address.extension_of(directory, call) if call else None
    return (call, extension) if call and extension else None
