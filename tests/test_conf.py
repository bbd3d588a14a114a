"""The two files that an existing PBX takes over say what the code relies on."""

import re
from pathlib import Path

from bridge.calls.events import LIVE

CONF = Path(__file__).parents[1] / "asterisk-conf"
MANAGER = (CONF / "manager.d/uapi.conf").read_text()
DIALPLAN = (CONF / "extensions.d/uapi.conf").read_text()


def test_the_event_filter_lets_pass_what_the_core_follows() -> None:
    """One line for each live event, and for OriginateResponse: of all answers that alone is filtered (22.10)."""
    lines = re.findall(r"^eventfilter\(action\(include\),name\((\w+)\)\) =$", MANAGER, re.MULTILINE)
    assert sorted(lines) == sorted(LIVE | {"OriginateResponse"})
    assert MANAGER.count("\neventfilter") == len(lines)


def test_the_manager_user_has_the_least_rights() -> None:
    """Read calls and queues; originate, act on calls, ask about them; wait for a slow reader; from here alone."""
    assert re.findall(r"^(\w+) = (.+)$", MANAGER, re.MULTILINE) == [
        ("secret", "change-me"),
        ("deny", "0.0.0.0/0.0.0.0"),
        ("deny", "::/0"),
        ("permit", "127.0.0.1/255.255.255.255"),
        ("permit", "::1/128"),
        ("read", "call,agent"),
        ("write", "originate,call,reporting"),
        ("writetimeout", "5000"),
    ]


def test_the_dialplan_has_the_two_steps_that_the_bridge_names() -> None:
    """Context uapi-pickup, extensions pickup and gone."""
    assert re.findall(r"^\[(.+)\]$", DIALPLAN, re.MULTILINE) == ["uapi-pickup"]
    assert re.findall(r"^exten => (\w+),1,", DIALPLAN, re.MULTILINE) == ["pickup", "gone"]
