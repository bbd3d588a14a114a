"""Reading a configuration: the TOML file, the environment over it, and every fault turned into a sentence."""

import re
import ssl
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bridge.settings.errors import Problem, SettingsError, key_of
from bridge.settings.root import Settings

PREFIX = "BRIDGE_"
_Loc = tuple[int | str, ...]

# pydantic's error types, in words that fit after a key.
_SENTENCES = {
    "string_type": "must be a text, in quotes",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "enum": "must be {expected}",
    "tuple_type": "must be a list (in the environment: JSON)",
    "model_type": "must be a table (in the environment: JSON)",
    "dict_type": "must be a table (in the environment: JSON)",
    "value_error": "{error}",
}


def load(path: Path | None, env: Mapping[str, str]) -> Settings:
    """Read and check a configuration.

    Args:
        path: The TOML file; None takes the one that BRIDGE_CONFIG names, or none at all.
        env: The environment. ``BRIDGE_AMI__SECRET`` goes before ``ami.secret``, ``BRIDGE_APPS__0__USER`` before
            the first app's user; a list or table as a whole is JSON.

    Raises:
        SettingsError: it is unreadable, has unknown keys, or does not hold together.
    """
    if path is None and env.get("BRIDGE_CONFIG"):
        path = Path(env["BRIDGE_CONFIG"])
    written = {} if path is None else _read(path)
    variables = _variables(env)
    if variables:
        from bridge.settings.environment import overlaid  # noqa: PLC0415 -- its library is needed by few, at each start

        written = overlaid(written, variables, PREFIX)
    try:
        return checked(written)
    except SettingsError as error:
        problems = error.problems
    origin = "environment" if path is None else str(path)
    raise SettingsError(replace(one, origin=_variable_of(one.key, variables) or origin) for one in problems)


def checked(written: Mapping[str, Any]) -> Settings:
    """Check a configuration that has been read.

    Args:
        written: Its sections, by name.

    Raises:
        SettingsError: it has unknown keys, or does not hold together.
    """
    try:
        settings = Settings.model_validate(written)
        problems = _unusable_files(settings)
    except ValidationError as error:
        problems = [_problem(detail) for detail in error.errors(include_url=False, include_input=False)]
    except SettingsError as error:
        problems = list(error.problems)
    if problems:
        # Raised here and not from pydantic's error, which holds the values, secrets among them.
        raise SettingsError(problems)
    return settings


def _read(path: Path) -> dict[str, Any]:
    try:
        # A file saved on Windows may begin with a byte order mark, which TOML does not know.
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8 (at byte {error.start})"
    except tomllib.TOMLDecodeError as error:
        problem = f"is not TOML: {error}"
    raise SettingsError([Problem("", problem, str(path))])


def _variables(env: Mapping[str, str]) -> dict[str, str]:
    """The variables that are meant for us.

    Names with our prefix and no section in them may be anybody's: Kubernetes sets BRIDGE_PORT and the like for a
    service called bridge. One with the double underscore is ours, or a slip that must be told.
    """
    fields = Settings.model_fields
    return {
        name: value
        for name, value in env.items()
        if name.startswith(PREFIX) and ("__" in name or name[len(PREFIX) :].lower() in fields)
    }


def _problem(detail: ErrorDetails) -> Problem:
    where = tuple(part for part in detail["loc"] if part != "[key]")
    return Problem(key_of(where), _sentence(detail, where))


def _sentence(detail: ErrorDetails, where: _Loc) -> str:
    kind = detail["type"]
    if kind == "missing":
        return f"is missing. {_description(where)}"
    if kind == "extra_forbidden":
        known = list(_fields_at(where[:-1]))
        close = get_close_matches(str(where[-1]), known, n=1)
        return "is not known" + (
            f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"
        )
    if kind == "tuple_type" and where[-1] in Settings.model_fields:
        return f"must be a list: [[{where[-1]}]] before each of its tables (in the environment: JSON)"
    if kind in _SENTENCES:
        limits = detail.get("ctx", {})
        return _SENTENCES[kind].format_map({name: _short(value) for name, value in limits.items()})
    return detail["msg"].replace("Input should", "must")


def _short(value: object) -> object:
    """60 for 60.0: what a person would write."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _fields_at(where: _Loc) -> Mapping[str, FieldInfo]:
    """The fields of the section at a place in the configuration."""
    model: Any = Settings
    for part in where:
        if isinstance(part, str):
            annotation = model.model_fields[part].annotation
            model = next(iter(get_args(annotation)), annotation)
    fields: Mapping[str, FieldInfo] = model.model_fields
    return fields


def _description(where: _Loc) -> str:
    return _fields_at(where[:-1])[str(where[-1])].description or ""


def _variable_of(key: str, variables: Mapping[str, str]) -> str | None:
    """The environment variable that set a key: itself, what it stands in, or something in it."""
    parts = re.findall(r'[^.\[\]"]+', key)
    names = {name.lower(): name for name in variables}
    for end in range(len(parts), 0, -1):
        wanted = (PREFIX + "__".join(parts[:end])).lower()
        if wanted in names:
            return names[wanted]
    inner = (PREFIX + "__".join(parts)).lower() + "__"
    return next((name for lower, name in names.items() if lower.startswith(inner)), None)


def _unusable_files(settings: Settings) -> list[Problem]:
    """Files that the configuration names and that cannot be used."""
    http, ami = settings.http, settings.ami
    names = {"http.tls_cert": http.tls_cert, "http.tls_key": http.tls_key, "ami.ca_file": ami.ca_file}
    problems: list[Problem] = []
    for key, name in names.items():
        try:
            if name:
                Path(name).read_bytes()
        except (OSError, ValueError) as error:
            problems.append(Problem(key, f"cannot be read: {getattr(error, 'strerror', None) or error}"))
    if problems:
        return problems
    if http.tls_cert:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(http.tls_cert, http.tls_key, _no_password)
        except ssl.SSLError as error:
            problems.append(
                Problem("http.tls_cert", f"and http.tls_key are no such pair of PEM files: {_words(error)}")
            )
        except _PasswordError:
            problems.append(
                Problem("http.tls_key", "is protected by a password, which nobody could type at start")
            )
    if ami.ca_file:
        try:
            ssl.create_default_context(cafile=ami.ca_file)
        except ssl.SSLError as error:
            problems.append(Problem("ami.ca_file", f"is no PEM file of certificates: {_words(error)}"))
    return problems


class _PasswordError(Exception):
    """OpenSSL asked for a password."""


def _no_password() -> str:
    raise _PasswordError


def _words(error: ssl.SSLError) -> str:
    return (error.reason or "unreadable").lower().replace("_", " ")
