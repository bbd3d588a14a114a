"""The two files that a PBX includes, as this version ships them: the manager user and the dialplan context.

They are those of ``asterisk-conf/`` (a test compares), kept in the package so that an installed bridge can write them
and can tell whether a PBX has them as they are.
"""

import re
from dataclasses import dataclass
from importlib import resources
from ipaddress import ip_network

MANAGER = "manager.d/uapi.conf"
"""Where the manager user stands, below ``/etc/asterisk``."""

DIALPLAN = "extensions.d/uapi.conf"
"""Where the dialplan context stands, below ``/etc/asterisk``."""

CONTEXT = "uapi-pickup"
"""What the context is called as shipped."""

_LOCAL = ("127.0.0.1/32", "::1/128")
_LAST_PERMIT = "permit = ::1/128\n"

_EXTEN = re.compile(r"exten => (\w+),1,(.*)")
_SAME = re.compile(r"\s*same => n(?:\(\w+\))?,(.*)")
_APPLICATION = re.compile(r"(\w+)\((.*)\)")


@dataclass(frozen=True, slots=True)
class Step:
    """One priority of the dialplan."""

    extension: str
    priority: int
    application: str
    data: str


def manager_conf(username: str = "uapi", secret: str = "change-me", permit: str = "127.0.0.1") -> str:  # noqa: S107 -- as shipped
    """The manager user's file.

    Args:
        username: What the user is called.
        secret: Its secret.
        permit: The address, or network, that it may log in from besides the PBX's own machine.

    Raises:
        ValueError: `permit` is neither.
    """
    text = _read("manager.conf").replace("[uapi]", f"[{username}]")
    text = text.replace("\nsecret = change-me\n", f"\nsecret = {secret}\n")
    network = ip_network(permit, strict=False)
    if str(network) in _LOCAL:
        return text
    line = network.with_netmask if network.version == 4 else network.with_prefixlen
    return text.replace(_LAST_PERMIT, f"{_LAST_PERMIT}permit = {line}\n")


def dialplan_conf(context: str = CONTEXT) -> str:
    """The dialplan's file.

    Args:
        context: What the context is called.
    """
    return _read("extensions.conf").replace(f"[{CONTEXT}]", f"[{context}]")


def steps() -> tuple[Step, ...]:
    """The dialplan as Asterisk should have it, by extension and priority."""
    found: list[Step] = []
    for line in _read("extensions.conf").splitlines():
        head, same = _EXTEN.fullmatch(line), _SAME.fullmatch(line)
        if head:
            found.append(_step(head[1], 1, head[2]))
        elif same:
            found.append(_step(found[-1].extension, found[-1].priority + 1, same[1]))
    return tuple(sorted(found, key=lambda step: (step.extension, step.priority)))


def _step(extension: str, priority: int, text: str) -> Step:
    match = _APPLICATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no application with its arguments")
    return Step(extension, priority, match[1], match[2])


def _read(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text("utf-8")
