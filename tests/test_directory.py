"""Who owns which number, and who may act for whom."""

from typing import Any

import pytest

from bridge.directory import Directory, Organization
from bridge.grammar import Extension, GrammarError
from bridge.settings import Settings

_USERS: tuple[dict[str, Any], ...] = (
    {"id": "12", "organization": "3", "role": "user", "extensions": ["0003*210", "0003*1??"]},
    {"id": "13", "organization": "3", "role": "user", "extensions": ["0003*024"]},
    {"id": "chief", "organization": "3", "role": "organization", "extensions": ["0003*900"]},
    {"id": "21", "organization": "4", "role": "user", "extensions": ["0004*210", "77"]},
    {"id": "root", "organization": "4", "role": "global", "extensions": []},
)


@pytest.fixture
def directory() -> Directory:
    return Directory(
        Settings.model_validate(
            {
                "organizations": [{"id": "3", "name": "Default Organization"}, {"id": "4", "name": "Other"}],
                "users": [{"name": f"User {one['id']}", **one} for one in _USERS],
                "queues": [{"name": "support", "extension": "0003*900"}],
                "apps": [{"id": "demo", "user": "12"}],
            }
        )
    )


def _owner(directory: Directory, number: str) -> str | None:
    owner = directory.owner_of(Extension(number))
    return owner.id if owner else None


def test_a_number_belongs_to_the_user_whose_list_covers_it(directory: Directory) -> None:
    """Exact numbers and patterns alike; * is a star and ? a digit, so what only looks alike is nobody's."""
    numbers = ("0003*210", "0003*177", "0003*024", "0004*210", "0003*1*7", "0003*17", "0003*211", "00030210")
    assert [_owner(directory, one) for one in numbers] == ["12", "12", "13", "21", None, None, None, None]


@pytest.mark.parametrize(
    ("user", "numbers"),
    [
        ("12", {"0003*210", "0003*177"}),
        ("13", {"0003*024"}),
        ("chief", {"0003*210", "0003*177", "0003*024", "0003*900"}),
        ("21", {"0004*210", "77"}),
        ("root", {"0003*210", "0003*177", "0003*024", "0003*900", "0004*210", "77"}),
    ],
)
def test_a_role_says_for_whom_one_may_act(directory: Directory, user: str, numbers: set[str]) -> None:
    """user: own numbers; organization: those of its users; global: everyone's; and nobody's never."""
    asked = ("0003*210", "0003*177", "0003*024", "0003*900", "0004*210", "77", "0003*555")
    one = directory.users[user]
    assert {number for number in asked if directory.may_act_for(one, Extension(number))} == numbers
    patterns = directory.own_extensions_patterns(one)
    assert {
        number for number in asked if any(each.matches(Extension(number)) for each in patterns)
    } == numbers


@pytest.mark.parametrize(
    ("asker", "user"),
    [("12", "12"), ("chief", "12"), ("chief", "chief"), ("root", "chief"), ("root", "root")],
)
def test_a_scope_holds_what_both_may_act_for(directory: Directory, asker: str, user: str) -> None:
    """Each number is in the scope of the one who asks for the other, if and only if both may act for it."""
    one, other = directory.users[asker], directory.users[user]
    for written in ("0003*210", "0003*177", "0003*024", "0003*900", "0004*210", "77", "0003*555"):
        number = Extension(written)
        both = directory.may_act_for(one, number) and directory.may_act_for(other, number)
        assert (directory.scope_of(one, other) in directory.scopes_of(number)) == both, number


def test_a_role_does_not_make_a_list_longer(directory: Directory) -> None:
    """An extension of somebody the user may act for is still not the user's own."""
    chief, john = directory.users["chief"], directory.users["12"]
    assert directory.covers(john, Extension("0003*210"))
    assert not directory.covers(chief, Extension("0003*210"))
    assert not directory.covers(john, Extension("0003*555"))


def test_users_act_for_users_by_the_same_roles(directory: Directory) -> None:
    """The matrix of who may act for whom."""
    users = directory.users
    allowed = {(a, b) for a in users for b in users if directory.may_act_for_user(users[a], users[b])}
    assert allowed == {
        *(("root", b) for b in users),
        *(("chief", b) for b in ("12", "13", "chief")),
        *((a, a) for a in ("12", "13", "21")),
    }


def test_a_call_is_sent_within_the_organization(directory: Directory) -> None:
    """Any number of the organization, of any organization for a global user; a queue is no phone."""
    numbers = ("0003*024", "0003*177", "0004*210", "0003*900", "0003*555")
    sent = {
        user: {one for one in numbers if directory.may_send_to(directory.users[user], Extension(one))}
        for user in ("12", "chief", "21", "root")
    }
    assert sent == {
        "12": {"0003*024", "0003*177"},
        "chief": {"0003*024", "0003*177"},
        "21": {"0004*210"},
        "root": {"0003*024", "0003*177", "0004*210"},
    }


def test_a_number_is_of_its_owners_organization(directory: Directory) -> None:
    """What nobody owns is in no organization."""
    assert directory.organization_of(Extension("0003*024")) == Organization("3", "Default Organization")
    assert directory.organization_of(Extension("0003*555")) is None


@pytest.mark.parametrize(
    ("written", "like", "user", "long"),
    [
        ("0004*210", "0003*210", "12", "0004*210"),
        ("024", "0003*210", "21", "0003*024"),
        ("210", None, "12", "0003*210"),
        ("210", None, "21", "0004*210"),
        ("210", None, "root", "210"),
        ("024", "77", "12", "024"),
        ("*97", "0003*210", "12", "*97"),
        ("77", None, "21", "77"),
        ("555", None, "12", "0003*555"),
    ],
)
def test_a_short_number_is_completed(
    directory: Directory, written: str, like: str | None, user: str, long: str
) -> None:
    """With the prefix of the URI's extension, else of the user's first number; whole numbers stay as they are."""
    example = None if like is None else Extension(like)
    assert directory.complete(written, like=example, user=directory.users[user]) == long


@pytest.mark.parametrize("written", ["", "21O", "0003*210&PJSIP/x", "1" * 33, "1" * 30, "@self"])
def test_what_is_no_number_is_not_completed(directory: Directory, written: str) -> None:
    """Only digits and stars are taken, and no more of them than an extension has, the prefix included."""
    with pytest.raises(GrammarError):
        directory.complete(written, like=None, user=directory.users["12"])


def test_a_prefix_is_that_of_the_first_number_that_has_one() -> None:
    """A pattern that leaves its prefix open completes nothing; the next one does."""
    settings = Settings.model_validate(
        {
            "organizations": [{"id": "3", "name": "Default"}],
            "users": [{"id": "1", "name": "A", "organization": "3", "extensions": ["000?*1", "0003*2"]}],
        }
    )
    assert Directory(settings).users["1"].prefix == "0003"


def test_an_app_acts_for_its_user(directory: Directory) -> None:
    """The app's user is the whole user; who is not configured is not found."""
    assert directory.apps["demo"].user is directory.user("12")
    assert directory.user("99") is None
