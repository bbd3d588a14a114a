"""The doctor on a real Asterisk: each thing broken as an operator would break it, and found."""

import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.ami import Timing
from bridge.doctor import Examination, Finding, Heard, Level, checks, command, examine, open_session
from bridge.includes import steps
from bridge.settings import Settings
from lab import Ami, Bridge, Lab, Message, until
from lab.fixtures import VERSION, NewLab, NewProxy

pytestmark = [pytest.mark.anyio, pytest.mark.real]

MANAGER = "manager.d/uapi.conf"
QUICK = Timing(answer=2)

PEOPLE: dict[str, Any] = {
    "organizations": [{"id": "3", "name": "Default Organization"}],
    "users": [{"id": "12", "name": "John Doe", "organization": "3", "extensions": ["0003*100", "0003*9??"]}],
    "queues": [{"name": "support", "extension": "0003*900"}],
}


def settings(lab: Lab, *, ami: dict[str, Any] | None = None, **changes: Any) -> Settings:
    login = lab.asterisk.ami
    given = {"host": login.host, "port": login.port, "username": login.username, "secret": login.secret}
    return Settings.model_validate({"ami": given | (ami or {})} | PEOPLE | changes)


AGE = {"filter", "cve-2024-42365"}
"""What is found at every Asterisk 16, however well it is set up."""


def unwell(found: Examination, *, age: bool = VERSION > 16) -> dict[str, Level]:
    """What is not as it should be. That events have no time of their own is Asterisk's default.

    Args:
        found: What the doctor says.
        age: Whether what comes of Asterisk's age counts as well.
    """
    usual = {"timestamps"} if age else {"timestamps"} | AGE
    return {one.id: one.level for one in found.findings if one.level is not Level.OK and one.id not in usual}


def the(found: Examination, id_: str) -> Finding:
    return next(one for one in found.findings if one.id == id_ and one.level is not Level.OK)


async def rewrite(lab: Lab, name: str, change: Callable[[str], str], module: str = "") -> None:
    """Edit a configuration file, and have Asterisk read it again."""
    path = lab.asterisk.folder / "etc" / name
    before = path.read_text()
    path.write_text(change(before))
    assert path.read_text() != before
    await lab.asterisk.reload(module)


async def test_a_pbx_with_the_include_files_is_well(lab: Lab) -> None:
    """Nothing to find, no channel left, and none of the others notices."""
    found = await examine(settings(lab))
    assert unwell(found) == {}
    assert len(found.findings) > 15
    assert await lab.strangers() == []


async def test_the_probe_is_no_call_and_leaves_no_record(lab: Lab, bridge: Bridge) -> None:
    """A bridge that watches shows no call more than before, and no call record is written."""
    records = len(lab.asterisk.cdr())
    before = await bridge.calls("@self", token="owner-token")
    found = await examine(settings(lab))
    assert the(found, "timestamps").level is Level.NOTE
    assert await bridge.calls("@self", token="owner-token") == before
    assert len(lab.asterisk.cdr()) == records


async def test_asterisk_16_is_told_its_age(lab16: Lab) -> None:
    """It does not know the filter's lines, and its Originate runs code."""
    found = await examine(settings(lab16))
    assert unwell(found, age=True) == {"filter": Level.WARNING, "cve-2024-42365": Level.WARNING}
    assert found.healthy


async def test_the_filter_line_for_an_old_asterisk_works(new_lab: NewLab) -> None:
    """What the doctor says to write is written, and then the filter is in place."""
    lab = await new_lab(version=16, phones=("0003*100",), company=False)
    line = the(await examine(settings(lab)), "filter").remedy.partition(" in manager.d")[0]
    await rewrite(lab, MANAGER, lambda text: f"{text}\n{line}\n", "manager")
    assert unwell(await examine(settings(lab)), age=True) == {"cve-2024-42365": Level.WARNING}


def without(pattern: str) -> Callable[[str], str]:
    return lambda text: re.sub(pattern, "", text, flags=re.MULTILINE)


def writing(rights: str) -> Callable[[str], str]:
    return lambda text: re.sub(r"^write = .*$", f"write = {rights}", text, flags=re.MULTILINE)


MANAGERS: dict[str, tuple[Callable[[str], str], dict[str, Level], str]] = {
    "no right to originate": (
        writing("call,reporting"),
        {"rights": Level.PROBLEM},
        "may not use Originate",
    ),
    "no right to call": (
        writing("originate,reporting"),
        {"rights": Level.PROBLEM},
        "may not use Setvar, Hangup",
    ),
    "no right to report": (
        writing("originate,call"),
        {"rights": Level.PROBLEM},
        "may not use CoreSettings",
    ),
    "all rights": (writing("all"), {"excess": Level.WARNING}, "worth as much as a shell"),
    "a right too many": (writing("originate,call,reporting,agent"), {"excess": Level.WARNING}, "(agent)"),
    "no events": (
        lambda text: text.replace("read = call,agent", "read = system"),
        {"events": Level.PROBLEM},
        "would see no calls",
    ),
    "no filter": (without(r"^eventfilter.*$"), {"filter": Level.WARNING}, "is not in place"),
    "too narrow a filter": (
        without(r"^eventfilter.*name\(DialBegin\).*$"),
        {"events": Level.PROBLEM},
        "needs: DialBegin",
    ),
}


async def test_each_fault_of_the_manager_user_is_found(new_lab: NewLab) -> None:
    """Rights too few and too many, events that are kept back or not: one finding each, and gone when put right."""
    lab = await new_lab(phones=("0003*100",), company=False)
    whole = (lab.asterisk.folder / "etc" / MANAGER).read_text()
    for what, (change, expected, words) in MANAGERS.items():
        if "filter" in what and VERSION == 16:
            continue  # it passes over those lines
        await rewrite(lab, MANAGER, change, "manager")
        found = await examine(settings(lab), timing=QUICK)
        assert unwell(found) == expected, what
        assert words in the(found, next(iter(expected))).sentence, what
        await rewrite(lab, MANAGER, lambda _: whole, "manager")
    assert unwell(await examine(settings(lab))) == {}


MODULES = {
    "app_directed_pickup": {"walk": Level.PROBLEM},
    "func_channel": {"functions": Level.PROBLEM},
    "func_logic": {"functions": Level.PROBLEM},
    "func_dialplan": {"functions": Level.PROBLEM},
    "func_pjsip_endpoint": {"functions": Level.WARNING},
    "res_manager_devicestate": {"devices": Level.PROBLEM},
    "app_queue": {"queues": Level.PROBLEM},
    "res_parking": {"parking": Level.NOTE},
}


async def test_each_missing_module_is_found(new_lab: NewLab) -> None:
    """A module that is not loaded is named by its finding, and what the finding says to do is the cure."""
    lab = await new_lab(phones=("0003*100",), company=False)
    for module, expected in MODULES.items():
        assert "Unloaded" in await lab.asterisk.cli(f"module unload {module}.so")
        found = await examine(settings(lab))
        assert unwell(found) == expected, module
        finding = the(found, next(iter(expected)))
        assert module in finding.sentence + finding.remedy
        await lab.asterisk.cli(f"module load {module}.so")
        assert unwell(await examine(settings(lab))) == {}, module


async def test_a_manager_user_that_can_write_files_is_found(new_lab: NewLab) -> None:
    """func_env is loaded: the warning is true, for a file is written; and what it says to do is the cure."""
    answers = "[answers]\nexten => s,1,Answer()\n same => n,Wait(1)\n"
    lab = await new_lab(phones=("0003*100",), company=False, extensions=answers)
    assert "Loaded" in await lab.asterisk.cli("module load func_env.so")
    found = await examine(settings(lab))
    assert unwell(found) == {"files": Level.WARNING}
    assert "modules.conf" in the(found, "files").remedy

    written = lab.asterisk.folder / "spool/loot"
    trick = {
        "Action": "Originate",
        "Channel": "Local/s@answers/n",
        "Application": "Wait",
        "Data": "0",
        "Async": "true",
        "Variable": f"FILE(/lab/{lab.asterisk.folder.name}/spool/loot,,,al,u)=x",
    }
    async with Ami(lab.asterisk.ami) as thief:
        assert (await thief.action(trick))[0]["Response"] == "Success"
        await thief.wait_for(lambda event: event["Event"] == "OriginateResponse")
    assert written.read_text() == "x\n"

    assert "Unloaded" in await lab.asterisk.cli("module unload func_env.so")
    assert unwell(await examine(settings(lab))) == {}


async def test_a_dialplan_that_is_not_included_is_found(new_lab: NewLab) -> None:
    """Without the context; with another name for it; without `gone`; and with a step that is not the shipped one."""
    lab = await new_lab(phones=("0003*100",), company=False)
    found = await examine(settings(lab, pbx={"context": "elsewhere"}))
    assert unwell(found) == {"context": Level.PROBLEM}
    assert "must be called elsewhere" in the(found, "context").remedy

    await rewrite(lab, "extensions.conf", without(r"^#include extensions.d.*$"))
    assert unwell(await examine(settings(lab))) == {"context": Level.PROBLEM}
    await rewrite(lab, "extensions.conf", lambda text: text + "\n#include extensions.d/*.conf\n")

    await rewrite(lab, "extensions.d/uapi.conf", lambda text: text.replace("Wait(0.2)", "Wait(0.3)"))
    found = await examine(settings(lab))
    assert unwell(found) == {"dialplan": Level.WARNING}
    changed = next(step.priority for step in steps() if step.data == "0.2")
    assert f"from pickup,{changed} on" in the(found, "dialplan").sentence

    await rewrite(lab, "extensions.d/uapi.conf", without("^exten => gone.*$"))
    assert unwell(await examine(settings(lab))) == {"context": Level.PROBLEM, "dialplan": Level.WARNING}


async def test_cdrs_and_timestamps_are_looked_at(new_lab: NewLab) -> None:
    """Both are a line in a configuration file, and both are only a note."""
    options = {("cdr.conf", "general", "enable"): "no", ("manager.conf", "general", "timestampevents"): "yes"}
    lab = await new_lab(phones=("0003*100",), company=False, options=options)
    found = await examine(settings(lab))
    assert unwell(found) == {"cdr": Level.NOTE}
    assert next(one for one in found.findings if one.id == "timestamps").level is Level.OK


async def test_people_and_queues_that_asterisk_does_not_know_are_found(lab: Lab) -> None:
    """A number without an endpoint, a phone that is switched off, a pattern that covers nothing, no such queue."""
    john = PEOPLE["users"][0]
    for extensions, expected in (
        (["0003*100", "0003*999"], {"extensions": Level.PROBLEM}),
        (["0003*7??"], {"extensions": Level.WARNING}),
        (["0004*100"], {"registered": Level.WARNING}),
        (["0004*10?"], {"registered": Level.WARNING}),
    ):
        found = await examine(settings(lab, users=[john | {"extensions": extensions}]))
        assert unwell(found) == expected, extensions
    found = await examine(settings(lab, users=[], queues=[]))
    assert unwell(found) == {"extensions": Level.WARNING}
    assert '"0003*210"' in the(found, "extensions").remedy
    found = await examine(settings(lab, queues=[{"name": "sales", "extension": "0003*900"}]))
    assert unwell(found) == {"queues": Level.PROBLEM}
    found = await examine(settings(lab, users=[john], pbx={"channel": "SIP/{extension}"}))
    assert unwell(found) == {"extensions": Level.PROBLEM}


async def test_clocks_that_differ_are_found(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour apart is a warning."""
    monkeypatch.setattr("bridge.doctor.asking.time.time", lambda now=time.time: now() - 3600)
    found = await examine(settings(lab))
    assert unwell(found) == {"clock": Level.WARNING}
    assert "3600 s ahead of ours" in the(found, "clock").sentence


async def test_a_login_that_fails_is_found(new_lab: NewLab) -> None:
    """Another secret, no such user, an address that is not permitted."""
    lab = await new_lab(phones=(), company=False)
    for wrong in ({"secret": "another"}, {"username": "nobody"}):
        assert unwell(await examine(settings(lab, ami=wrong))) == {"login": Level.PROBLEM}, wrong
    await rewrite(
        lab, MANAGER, lambda text: text.replace("permit = 127.0.0.1/", "permit = 192.0.2.1/"), "manager"
    )
    assert unwell(await examine(settings(lab))) == {"login": Level.PROBLEM}


async def test_ipv6_is_let_in_from_this_machine_alone(new_lab: NewLab) -> None:
    """Where Asterisk listens on it: an IPv4 deny line says nothing of IPv6, which has its own."""
    options = {("manager.conf", "general", "bindaddr"): "::"}
    lab = await new_lab(phones=("0003*100",), company=False, options=options)
    hosts = ("127.0.0.1", "::1")
    assert [unwell(await examine(settings(lab, ami={"host": host}))) for host in hosts] == [{}, {}]
    await rewrite(lab, MANAGER, lambda text: text.replace("permit = ::1/128", ""), "manager")
    found = [unwell(await examine(settings(lab, ami={"host": host}))) for host in hosts]
    assert found == [{}, {"login": Level.PROBLEM}]


async def test_a_manager_user_who_may_log_in_once_is_found(new_lab: NewLab) -> None:
    """The secret is right, and the login refused all the same while the bridge is there."""
    options = {("manager.conf", "general", "allowmultiplelogin"): "no"}
    lab = await new_lab(phones=("0003*100",), company=False, options=options)
    given = settings(lab)
    serving = await open_session(given.ami, Timing(), Heard())
    try:
        found = await examine(given)
    finally:
        await serving.close(logoff=True)
    assert unwell(found) == {"login": Level.PROBLEM}
    assert "allowmultiplelogin = yes" in the(found, "login").remedy

    async def well() -> bool:
        return unwell(await examine(given)) == {}

    await until(well, "it may log in again")


async def test_a_pbx_that_is_not_there_is_found(new_lab: NewLab) -> None:
    """Frozen, stopped, spoken to by TLS where it has none, and on a port that is another's."""
    lab = await new_lab(phones=(), company=False)
    given = settings(lab)
    assert (
        "no TLS" in the(await examine(settings(lab, ami={"tls": True}), timing=QUICK), "reachable").sentence
    )
    lab.asterisk.freeze()
    assert "says nothing" in the(await examine(given, timing=QUICK), "reachable").sentence
    lab.asterisk.thaw()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        found = await examine(settings(lab, ami={"port": port}), timing=QUICK)
        assert unwell(found) == {"reachable": Level.PROBLEM}
    await lab.ami.close()
    await lab.asterisk.stop()
    assert "Nobody listens" in the(await examine(given), "reachable").sentence


class _FreezeAt(list[Message]):
    """Freezes Asterisk when an action is on its way to it."""

    def __init__(self, name: str, lab: Lab) -> None:
        super().__init__()
        self._name, self._lab = name, lab

    def append(self, action: Message, /) -> None:
        super().append(action)
        if action["Action"] == self._name:
            self._lab.asterisk.freeze()


async def test_a_pbx_that_falls_silent_in_between_is_found(new_lab: NewLab, new_proxy: NewProxy) -> None:
    """It took the login and answers no more: the doctor says so, and makes nothing up."""
    lab = await new_lab(phones=(), company=False)
    proxy = await new_proxy(lab.asterisk.ami)
    proxy.actions = _FreezeAt("ListCommands", lab)
    found = await examine(settings(lab, ami={"port": proxy.port}), timing=QUICK)
    lab.asterisk.thaw()
    assert unwell(found) == {"answers": Level.PROBLEM}
    assert {one.id for one in found.findings} == {"reachable", "login", "answers"}


async def test_the_manager_interface_is_switched_off(new_lab: NewLab) -> None:
    """With enabled = no in manager.conf, which is Asterisk's default: nobody listens."""
    lab = await new_lab(phones=(), company=False)
    async with Ami(lab.asterisk.ami):
        pass
    await rewrite(lab, "manager.conf", lambda text: text.replace("enabled = yes", "enabled = no"), "manager")
    found = await examine(settings(lab))
    assert unwell(found) == {"reachable": Level.PROBLEM}
    assert "enabled = yes" in the(found, "reachable").remedy


def test_there_is_no_finding_that_is_not_broken_here() -> None:
    """Each that the doctor can tell is expected by a test above; but the version, which a running Asterisk keeps."""
    sources = [Path(module.__file__ or "").read_text() for module in (checks, command)]
    findings = set(re.findall(r'\b(?:ok|note|warning|problem)\(\s*"([a-z0-9-]+)"', "".join(sources)))
    assert {"reachable", "login", "rights", "parking"} <= findings
    broken = set(re.findall(r'"([a-z0-9-]+)": Level\.|the\(.*, "([a-z0-9-]+)"\)', Path(__file__).read_text()))
    assert findings - {one or other for one, other in broken} == {"version"}
