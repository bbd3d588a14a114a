"""What the environment says over the file: names nested by a double underscore, and digits for places in a list."""

import json
from collections.abc import Mapping
from typing import Any, cast, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from bridge.settings.root import Settings


def overlaid(written: Mapping[str, Any], variables: Mapping[str, str], prefix: str) -> dict[str, Any]:
    """A configuration as written, with what the environment says over it.

    Args:
        written: What the file says.
        variables: Those that are meant for us.
        prefix: What their names begin with.
    """
    tree = dict(_Environment(variables, prefix)())
    for name in variables:
        section = name[len(prefix) :].partition("__")[0].lower()
        if section not in Settings.model_fields:
            tree[section] = {}  # refused by the model, as it would be in the file
    merged: dict[str, Any] = _overlay(dict(written), tree)
    return merged


class _Environment(EnvSettingsSource):
    """pydantic's reader of nested names, for an environment that is handed in."""

    def __init__(self, variables: Mapping[str, str], prefix: str) -> None:
        super().__init__(cast("type[BaseSettings]", Settings), env_prefix=prefix, env_nested_delimiter="__")
        self.env_vars = {name.lower(): value for name, value in variables.items()}

    def next_field(
        self,
        field: FieldInfo | Any | None,
        key: str,
        case_sensitive: bool | None = None,  # noqa: FBT001 -- as it is there
    ) -> FieldInfo | None:
        """Find a part of a section or, what pydantic does not know (2.16), of a list by its place."""
        annotation = field.annotation if isinstance(field, FieldInfo) else field
        if key.isdecimal() and get_origin(annotation) is tuple:
            return cast("FieldInfo", get_args(annotation)[0])  # a type, which serves as well
        return super().next_field(field, key, case_sensitive)

    def explode_env_vars(
        self, field_name: str, field: FieldInfo, env_vars: Mapping[str, str | None]
    ) -> dict[str, Any]:
        """Nest the names, one after the other: what is set as a whole first, then what is set within it."""
        tree: dict[str, Any] = {}
        for name in sorted(env_vars, key=lambda name: name.count("__")):
            tree = _overlay(tree, super().explode_env_vars(field_name, field, {name: env_vars[name]}))
        return tree

    def prepare_field_value(
        self,
        field_name: str,
        field: FieldInfo,
        value: Any,
        value_is_complex: bool,  # noqa: FBT001 -- as it is there
    ) -> Any:
        """A section or list as a whole, with what is set within it by names of its own."""
        if value is None:
            return super().prepare_field_value(field_name, field, value, value_is_complex)
        whole = self.decode_complex_value(field_name, field, value)
        if not isinstance(whole, dict | list):
            return whole
        return _overlay(whole, self.explode_env_vars(field_name, field, self.env_vars))

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Read JSON; a text that is none is left to the model, which knows the key to complain of."""
        del field_name, field
        try:
            return json.loads(value)
        except ValueError:
            return value


def _overlay(under: Any, over: Any) -> Any:
    """What the file says with what the environment says over it; digits in a name are places in a list."""
    if not isinstance(over, dict):
        return over
    if isinstance(under, list) or (under is None and over and all(key.isdecimal() for key in over)):
        merged = list(under or [])
        for key, value in sorted(over.items(), key=lambda item: int(item[0]) if item[0].isdecimal() else -1):
            place = int(key) if key.isdecimal() else len(merged)
            if place < len(merged):
                merged[place] = _overlay(merged[place], value)
            else:
                merged.append(_overlay(None, value))
        return merged
    base = under if isinstance(under, dict) else {}
    return base | {key: _overlay(base.get(key), value) for key, value in over.items()}
