"""The configuration described: every key for the documentation, and the sample file with all of them in it."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from bridge.settings.root import Settings

_WIDTH = 100
_HEAD = """\
# The configuration of the UAPI bridge, with every key there is.
# What is left out has the value shown here; people, queues and apps are examples and have none.
# Any value may come from the environment instead: BRIDGE_AMI__SECRET is ami.secret, BRIDGE_APPS__0__USER the first
# app's user; a list or table is JSON there, such as BRIDGE_APPS__0__TOKENS_SHA256='["..."]'.
# `uapi-bridge check` says what is wrong with a configuration, `uapi-bridge token` makes secrets and tokens.
"""


@dataclass(frozen=True, slots=True)
class Described:
    """One key of the configuration.

    Attributes:
        key: Its place, such as ``ami.secret`` or ``users[].role``.
        variable: The environment variable that sets it; a place in a list is 0 here.
        default: Its default as TOML; None where a value is required.
        description: What it is for.
    """

    key: str
    variable: str
    default: str | None
    description: str


def described() -> tuple[Described, ...]:
    """All keys, in the order of the file."""
    return tuple(_described())


def sample() -> str:
    """A complete ``bridge.toml`` with every key, its default or an example, and its description."""
    return "\n".join([_HEAD, *_tables()])


def _described() -> Iterator[Described]:
    for section, field in Settings.model_fields.items():
        model, many = _model_of(field)
        for name, inner in model.model_fields.items():
            yield Described(
                key=f"{section}{'[]' if many else ''}.{name}",
                variable=f"BRIDGE_{section}__{'0__' if many else ''}{name}".upper(),
                default=None if inner.is_required() else _toml(inner.default),
                description=inner.description or "",
            )


def _tables() -> Iterator[str]:
    for section, field in Settings.model_fields.items():
        model, many = _model_of(field)
        yield from _comment(model.__doc__)
        yield f"[[{section}]]" if many else f"[{section}]"
        tables: list[tuple[str, FieldInfo]] = []
        for name, inner in model.model_fields.items():
            if isinstance(inner.default, dict):
                tables.append((name, inner))
                continue
            yield from _comment(inner.description)
            yield f"{name} = {_toml(_shown(inner))}"
        yield ""
        for name, inner in tables:
            yield from _comment(inner.description)
            yield f"[{section}.{name}]"
            for key, value in _shown(inner).items():
                yield f"# {_toml(key)} = {_toml(value)}"
            yield ""


def _model_of(field: FieldInfo) -> tuple[type[BaseModel], bool]:
    """The model of a section, and whether there may be many of it."""
    arguments = get_args(field.annotation)
    if arguments:
        return arguments[0], True
    model: Any = field.annotation
    return model, False


def _shown(field: FieldInfo) -> Any:
    return field.examples[0] if field.examples else field.default


def _comment(text: str | None) -> list[str]:
    return textwrap.wrap(text or "", _WIDTH, initial_indent="# ", subsequent_indent="# ")


def _toml(value: Any) -> str:
    """A value as TOML; its texts have the escapes of JSON."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(one) for one in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_toml(key)} = {_toml(one)}' for key, one in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)
