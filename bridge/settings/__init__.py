"""The configuration: a TOML file and the environment, read once, checked as a whole, explained in words."""

from bridge.settings.advice import warnings
from bridge.settings.errors import Problem, SettingsError
from bridge.settings.reading import checked, load
from bridge.settings.root import Settings
from bridge.settings.sample import Described, described, sample
from bridge.settings.sections import (
    AmiSettings,
    App,
    HttpSettings,
    Limits,
    Organization,
    PbxSettings,
    Queue,
    Role,
    UapiSettings,
    User,
    is_loopback,
)

__all__ = [
    "AmiSettings",
    "App",
    "Described",
    "HttpSettings",
    "Limits",
    "Organization",
    "PbxSettings",
    "Problem",
    "Queue",
    "Role",
    "Settings",
    "SettingsError",
    "UapiSettings",
    "User",
    "checked",
    "described",
    "is_loopback",
    "load",
    "sample",
    "warnings",
]
