"""The doctor: what it says of which facts, and how it asks a PBX for them."""

import argparse
import asyncio
import json
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ami.fake import FakeAsterisk, Heard, Reply, error, event, listening, rows, success
from bridge.ami import Timing
from bridge.calls import LIVE
from bridge.doctor import (
    CHECKS,
    Examination,
    Facts,
    Finding,
    Level,
    Probe,
    add_arguments,
    examine,
    judge,
    run,
)
from bridge.doctor.asking import PROBED
from bridge.includes import steps
from bridge.settings import Settings

SECRET = "wholly-secret-word"
QUICK = Timing(answer=0.3, goodbye=0.1)

CONFIGURATION: dict[str, Any] = {
    "ami": {"secret": SECRET},
    "organizations": [{"id": "3", "name": "Default Organization"}],
    "users": [
        {
            "id": "12",
            "name": "John Doe",
            "organization": "3",
            "extensions": ["0003*210", "0003*1??", "0003*900"],
        }
    ],
    "queues": [{"name": "support", "extension": "0003*900"}],
}

COMMANDS = {
    "Originate": "originate",
    "Setvar": "call",
    "Hangup": "system,call",
    "Getvar": "call,reporting",
    "CoreSettings": "system,reporting",
    "ConfbridgeList": "reporting",
    "Ping": "",
}


def settings(**changes: Any) -> Settings:
    return Settings.model_validate(CONFIGURATION | changes)


def commands(text: dict[str, str]) -> dict[str, frozenset[str]]:
    return {name: frozenset(classes.split(",")) - {""} for name, classes in text.items()}


PROBE = Probe(events=PROBED, reason="3", causes=frozenset({"19"}), stamped=True)

HEALTHY = Facts(
    settings=settings(),
    commands=commands(COMMANDS),
    asterisk="22.10.1",
    cdr=True,
    clock=0.01,
    values={
        "pickup": "1",
        "gone": "1",
        "CHANNEL_EXISTS": "0",
        "IMPORT": "0",
        "ENV": "",
        "PJSIP_ENDPOINT": "internal",
    },
    dialplan=steps(),
    devices={"PJSIP/0003*210": "NOT_INUSE", "PJSIP/0003*100": "INUSE"},
    listed=frozenset({"PJSIP/0003*210", "PJSIP/0003*100"}),
    queues={"support": True},
    parking=True,
    probe=PROBE,
)


def unhealthy(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.id, finding.level.value) for finding in findings if finding.level is not Level.OK]


def without(mapping: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in mapping.items() if name not in names}


def values(**changes: str) -> dict[str, str]:
    return dict(HEALTHY.values) | changes


UNKNOWN = "Invalid/unknown command: X. Use Action: ListCommands to show available commands."

BROKEN: dict[str, tuple[dict[str, Any], list[tuple[str, str]], str]] = {
    "too old": (
        {"asterisk": "16.21.0"},
        [("version", "problem"), ("cve-2024-42365", "warning")],
        "upgrade to",
    ),
    "without CHANNEL_EXISTS": (
        {"asterisk": "17.9.4"},
        [("version", "problem"), ("cve-2024-42365", "warning")],
        "18.8",
    ),
    "newer than tried": ({"asterisk": "24.0.0"}, [("version", "note")], ""),
    "of its own making": ({"asterisk": "GIT-master"}, [("version", "warning")], "16 and 22"),
    "open to CVE-2024-42365": (
        {"asterisk": "18.20.0"},
        [("version", "note"), ("cve-2024-42365", "warning")],
        "tight",
    ),
    "func_env": (
        {"values": values(ENV="/usr/sbin:/usr/bin:/sbin:/bin")},
        [("files", "warning")],
        "noload = func_env.so in modules.conf",
    ),
    "no right to originate": (
        {"commands": commands(without(COMMANDS, "Originate"))},
        [("rights", "problem")],
        "add originate to its write line",
    ),
    "no right to call": (
        {"commands": commands(without(COMMANDS, "Setvar", "Hangup"))},
        [("rights", "problem")],
        "add call to its write line",
    ),
    "no right to report": (
        {"commands": commands(without(COMMANDS, "CoreSettings")), "asterisk": None, "cdr": None},
        [("rights", "problem")],
        "add reporting to its write line",
    ),
    "all rights": (
        {"commands": commands(COMMANDS | {"Command": "command", "UserEvent": "user"})},
        [("excess", "warning")],
        "write = originate,call,reporting in manager.d/uapi.conf",
    ),
    "a right too many": (
        {"commands": commands(COMMANDS | {"UserEvent": "user"})},
        [("excess", "warning")],
        "write =",
    ),
    "no context": (
        {"values": values(pickup="0", gone="0"), "dialplan": (), "probe": None},
        [("context", "problem"), ("context", "problem")],
        "#include extensions.d/uapi.conf into extensions.conf",
    ),
    "no gone": ({"values": values(gone="0")}, [("context", "problem")], "#include extensions.d/uapi.conf"),
    "another dialplan": (
        {"dialplan": steps()[:-1]},
        [("dialplan", "warning")],
        "replace extensions.d/uapi.conf",
    ),
    "no CHANNEL_EXISTS": (
        {"values": values(CHANNEL_EXISTS="")},
        [("functions", "problem")],
        "load = func_channel.so",
    ),
    "no IMPORT": ({"values": values(IMPORT="")}, [("functions", "problem")], "load = func_logic.so"),
    "no DIALPLAN_EXISTS": (
        {"values": values(pickup="", gone=""), "probe": None},
        [("functions", "problem")],
        "load = func_dialplan.so",
    ),
    "no PJSIP_ENDPOINT": (
        {"values": values(PJSIP_ENDPOINT="")},
        [("functions", "warning")],
        "load = func_pjsip_endpoint.so",
    ),
    "no PickupChan": (
        {"probe": replace(PROBE, reason="0", causes=frozenset({"0"}))},
        [("walk", "problem")],
        "load = app_directed_pickup.so",
    ),
    "no way in": (
        {"probe": Probe(refused="Access denied")},
        [("walk", "problem")],
        "compare manager.d/uapi.conf",
    ),
    "no events": ({"probe": Probe()}, [("events", "problem")], "read = call,agent"),
    "too narrow a filter": (
        {"probe": replace(PROBE, events=PROBED - {"Hangup"})},
        [("events", "problem")],
        "eventfilter lines",
    ),
    "no filter": (
        {"probe": replace(PROBE, unwanted=frozenset({"DialEnd"}))},
        [("filter", "warning")],
        "eventfilter lines",
    ),
    "a filter that it does not know": (
        {"asterisk": "20.10.0", "probe": replace(PROBE, unwanted=frozenset({"DialEnd"}))},
        [("version", "note"), ("filter", "warning")],
        "eventfilter = Event: (AttendedTransfer|",
    ),
    "no timestamps": (
        {"probe": replace(PROBE, stamped=False)},
        [("timestamps", "note")],
        "timestampevents = yes",
    ),
    "a clock that is ahead": ({"clock": 3600.0}, [("clock", "warning")], "NTP"),
    "a clock that is behind": ({"clock": -3.0}, [("clock", "warning")], "NTP"),
    "no CDRs": ({"cdr": False}, [("cdr", "note")], "enable = yes"),
    "no list of phones": (
        {"devices": None, "listed": frozenset(), "refused": {"DeviceStateList": UNKNOWN}},
        [("devices", "problem")],
        "load = res_manager_devicestate.so",
    ),
    "no endpoint": (
        {"devices": {"PJSIP/0003*100": "INUSE", "PJSIP/0003*210": "INVALID"}},
        [("extensions", "problem")],
        "[[users]]",
    ),
    "no name for the phone": (
        {
            "settings": settings(
                pbx={"channel": "PJSIP/{extension}", "endpoints": {"0003*555": "PJSIP/0003*210"}}
            )
        },
        [("extensions", "problem")],
        "pbx.channel",
    ),
    "a pattern that covers nothing": (
        {"settings": settings(users=[CONFIGURATION["users"][0] | {"extensions": ["0003*7??"]}])},
        [("extensions", "warning")],
        "correct the pattern",
    ),
    "nobody has extensions": (
        {"settings": settings(users=[], queues=[])},
        [("extensions", "warning")],
        'extensions = ["0003*100", "0003*210"] in [[users]]',
    ),
    "a phone that is away": (
        {"devices": dict(HEALTHY.devices or {}) | {"PJSIP/0003*210": "UNAVAILABLE"}},
        [("registered", "warning")],
        "pjsip show endpoint",
    ),
    "a covered phone that is away": (
        {"devices": dict(HEALTHY.devices or {}) | {"PJSIP/0003*100": "UNAVAILABLE"}},
        [("registered", "warning")],
        "pjsip show endpoint",
    ),
    "no such queue": ({"queues": {"support": False}}, [("queues", "problem")], "queues.conf"),
    "no queues at all": (
        {"queues": {}, "refused": {"QueueStatus": UNKNOWN}},
        [("queues", "problem")],
        "load = app_queue.so",
    ),
    "no queues and none wanted": (
        {"settings": settings(queues=[]), "queues": {}, "refused": {"QueueStatus": UNKNOWN}},
        [("queues", "note")],
        "",
    ),
    "no parking": ({"parking": False, "refused": {"ParkedCalls": UNKNOWN}}, [("parking", "note")], ""),
}
# Without the queue its extension is a number like any other.
BROKEN["no queues and none wanted"][0]["devices"] = dict(HEALTHY.devices or {}) | {"PJSIP/0003*900": "INUSE"}


def test_a_pbx_that_has_all_is_well() -> None:
    """Every check has good news, and none has anything else."""
    findings = judge(HEALTHY)
    assert unhealthy(findings) == []
    assert len(findings) == len(CHECKS)
    assert all(finding.remedy == "" for finding in findings)


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_told_and_nothing_else(what: str) -> None:
    """One thing broken is one finding, with the line to change; the rest stays well."""
    changes, expected, remedy = BROKEN[what]
    findings = judge(replace(HEALTHY, **changes))
    assert unhealthy(findings) == expected
    bad = [finding for finding in findings if finding.level is not Level.OK]
    assert any(remedy in finding.remedy for finding in bad)
    assert all(finding.sentence.endswith(".") for finding in findings)
    assert all(finding.remedy for finding in bad if finding.level in (Level.WARNING, Level.PROBLEM))


def test_every_check_has_been_seen_to_fail() -> None:
    """There is no check that nothing can break."""
    broken = {id_ for _, expected, _ in BROKEN.values() for id_, _ in expected}
    assert {finding.id for finding in judge(HEALTHY)} == broken


def test_a_pbx_that_says_nothing_is_not_judged() -> None:
    """Where nothing was answered nothing is said: neither good nor bad is made up."""
    assert judge(Facts(settings())) == []


def test_a_context_with_another_name_is_told_its_name() -> None:
    """The shipped file has its own name for it, which must be changed, too."""
    for name, told in (("uapi-pickup", False), ("elsewhere", True)):
        facts = replace(
            HEALTHY, settings=settings(pbx={"context": name}), values=values(pickup="0"), probe=None
        )
        finding = next(one for one in judge(facts) if one.id == "context")
        assert (f"must be called {name}" in finding.remedy) is told


def test_many_names_are_not_all_told() -> None:
    """A sentence names eight of a hundred, and says how many more there are."""
    users = [CONFIGURATION["users"][0] | {"extensions": [f"0003*5{n:02d}" for n in range(100)]}]
    finding = next(
        one for one in judge(replace(HEALTHY, settings=settings(users=users))) if one.id == "extensions"
    )
    assert finding.sentence.count("PJSIP/") == 8
    assert finding.sentence.endswith("and 92 more.")


def test_the_old_filter_names_what_the_bridge_follows() -> None:
    """The one line for an Asterisk without named filters has every event of the core, and OriginateResponse."""
    changes, _, _ = BROKEN["a filter that it does not know"]
    remedy = next(one.remedy for one in judge(replace(HEALTHY, **changes)) if one.id == "filter")
    names = remedy.partition("(")[2].partition(")")[0].split("|")
    assert set(names) == LIVE | {"OriginateResponse"}


# --- asking


def talkative(fake: FakeAsterisk) -> FakeAsterisk:
    """An idle PBX that has all a pickup needs."""

    def originate(heard: Heard) -> Reply:
        first, second = heard["ChannelId"][0], heard["OtherChannelId"][0]
        said = [
            event("Newchannel", Uniqueid=first, Timestamp="1.0"),
            event("Newchannel", Uniqueid=second),
            event("DialBegin", DestUniqueid=first),
            event("Hangup", Uniqueid=second, Cause="19"),
            event(
                "OriginateResponse",
                Uniqueid=first,
                Response="Failure",
                Reason="3",
                ActionID=heard["ActionID"][0],
            ),
            event("Hangup", Uniqueid=first, Cause="19"),
        ]
        return success(heard, Message="Originate successfully queued") + b"".join(said)

    def getvar(heard: Heard) -> Reply:
        variable = heard["Variable"][0]
        answers = {"DIALPLAN": "1", "PJSIP_EN": "internal", "DEVICE_S": "INVALID", "ENV(PATH": ""}
        return success(heard, Variable=variable, Value=answers.get(variable[:8], "0"))

    def dialplan(heard: Heard) -> Reply:
        listed = (
            ("ListDialplan", {"Extension": one.extension, "Priority": str(one.priority), "Application": one.application}
             | ({"AppData": one.data} if one.data else {}))
            for one in steps()
        )  # fmt: skip
        return rows(heard, "ShowDialPlanComplete", *listed)

    devices = [
        ("DeviceStateChange", {"Device": f"PJSIP/0003*{short}", "State": "NOT_INUSE"}) for short in (210, 100)
    ]
    fake.answers |= {
        "ListCommands": lambda heard: success(
            heard, **{name: f"Does it.  (Priv: {classes or '<none>'})" for name, classes in COMMANDS.items()}
        ),
        "Ping": lambda heard: success(heard, Ping="Pong", Timestamp=f"{time.time():.6f}"),
        "Getvar": getvar,
        "ShowDialPlan": dialplan,
        "DeviceStateList": lambda heard: rows(heard, "DeviceStateListComplete", *devices),
        "QueueStatus": lambda heard: rows(
            heard, "QueueStatusComplete", ("QueueParams", {"Queue": "support"})
        ),
        "Originate": originate,
    }
    return fake


async def examined(fake: FakeAsterisk, *, probing: bool = True, **ami: Any) -> Examination:
    given = {"host": "127.0.0.1", "port": fake.port, "secret": SECRET} | ami
    return await examine(settings(ami=given), probing=probing, timing=QUICK)


@pytest.mark.anyio
async def test_an_idle_pbx_is_asked_and_well() -> None:
    """All that the checks need comes from one session, which ends with a goodbye."""
    async with listening(talkative(FakeAsterisk())) as fake:
        found = await examined(fake)
        assert unhealthy(list(found.findings)) == []
        assert (found.healthy, found.asterisk, found.pbx) == (True, "22.10.1", f"127.0.0.1:{fake.port}")
        assert [finding.id for finding in found.findings[:2]] == ["reachable", "login"]
        assert {finding.id for finding in found.findings[2:]} == {finding.id for finding in judge(HEALTHY)}
        assert (fake.sessions, fake.names()[-1]) == (1, "Logoff")


@pytest.mark.anyio
async def test_nothing_is_done_that_could_be_heard() -> None:
    """The only action that is no question is one Local channel into the bridge's own dialplan, without a phone."""
    async with listening(talkative(FakeAsterisk())) as fake:
        await examined(fake)
    doing = [
        heard for heard in fake.heard if heard["Action"][0] in ("Originate", "Setvar", "Hangup", "Command")
    ]
    assert [(one["Channel"], one["Context"], one["Exten"]) for one in doing] == [
        (["Local/pickup@uapi-pickup/n"], ["uapi-pickup"], ["gone"])
    ]


@pytest.mark.anyio
async def test_without_the_probe_only_questions_are_asked() -> None:
    """--no-probe: no channel is made, and what only it could show is not told."""
    async with listening(talkative(FakeAsterisk())) as fake:
        found = await examined(fake, probing=False)
        assert fake.of("Originate") == []
    assert {"walk", "events", "filter", "timestamps"}.isdisjoint(finding.id for finding in found.findings)
    assert found.healthy


@pytest.mark.anyio
async def test_a_question_that_is_refused_spoils_no_other() -> None:
    """Asterisk's no to one question is a fact like any other."""
    async with listening(talkative(FakeAsterisk())) as fake:
        for name in ("ParkedCalls", "CoreSettings", "DeviceStateList", "ShowDialPlan", "Getvar"):
            fake.answers[name] = lambda heard: error(heard, "Permission denied")
        found = await examined(fake)
    assert unhealthy(list(found.findings)) == []
    assert {"version", "devices", "context", "parking"}.isdisjoint(finding.id for finding in found.findings)


@pytest.mark.anyio
async def test_a_pbx_that_falls_silent_is_a_finding() -> None:
    """A question without an answer ends the examination, and is told."""
    async with listening(talkative(FakeAsterisk())) as fake:
        fake.answers["ShowDialPlan"] = lambda _: None
        found = await examined(fake)
    assert unhealthy(list(found.findings)) == [("answers", "problem")]


async def _closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _no_login(heard: Heard) -> Reply:
    return error(heard, "Authentication failed")


UNREACHABLE: dict[str, tuple[Callable[[FakeAsterisk], None], dict[str, Any], tuple[str, str]]] = {
    "another secret": (
        lambda fake: fake.answers.update(Login=_no_login),
        {},
        ("login", "refuses the login of uapi (Authentication failed)"),
    ),
    "it hangs": (lambda fake: setattr(fake, "deaf", True), {}, ("reachable", "not even a banner")),
    "no Asterisk": (
        lambda fake: setattr(fake, "banner", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        {},
        ("reachable", "no Asterisk manager interface"),
    ),
    "no such host": (
        lambda _: None,
        {"host": "nowhere.invalid"},
        ("reachable", "There is no host nowhere.invalid"),
    ),
    "no TLS there": (lambda _: None, {"tls": True}, ("reachable", "speaks no TLS")),
}


@pytest.mark.anyio
@pytest.mark.parametrize("what", UNREACHABLE)
async def test_a_pbx_that_cannot_be_asked_is_one_finding(what: str) -> None:
    """Why there is no login is told in words that fit the reason; the secret is in none of them."""
    prepare, ami, (id_, words) = UNREACHABLE[what]
    async with listening(talkative(FakeAsterisk())) as fake:
        prepare(fake)
        found = await examined(fake, **ami)
    (finding,) = (one for one in found.findings if one.level is not Level.OK)
    assert (finding.id, finding.level) == (id_, Level.PROBLEM)
    assert words in finding.sentence
    assert finding.remedy
    assert SECRET not in repr(found)


@pytest.mark.anyio
async def test_a_port_where_nobody_listens_is_told() -> None:
    """The sentence says so, and the remedy names the lines of manager.conf."""
    found = await examined(FakeAsterisk(port=await _closed_port()))
    (finding,) = found.findings
    assert "Nobody listens" in finding.sentence
    assert "enabled = yes" in finding.remedy


# --- the command


def _options(tmp_path: Path, port: int, *words: str) -> argparse.Namespace:
    config = tmp_path / "bridge.toml"
    config.write_text(
        f'[ami]\nport = {port}\nsecret = "{SECRET}"\n[[organizations]]\nid = "3"\nname = "Default"\n'
        '[[users]]\nid = "12"\nname = "John"\norganization = "3"\nextensions = ["0003*210"]\n'
    )
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = parser.parse_args(words)
    options.config = config
    return options


@pytest.mark.anyio
async def test_the_command_tells_a_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a finding, what to do below it, a summary; exit status 0 while there is no problem."""
    async with listening(talkative(FakeAsterisk())) as fake:
        fake.answers["CoreSettings"] = lambda heard: success(
            heard, AsteriskVersion="24.1.0", CoreCDRenabled="No"
        )
        status = await asyncio.to_thread(run, _options(tmp_path, fake.port))
    out = capsys.readouterr().out
    assert status == 0
    assert "ok       reachable" in out
    assert "note     cdr" in out
    assert "to do: enable = yes in [general] of cdr.conf" in out
    assert out.splitlines()[-1] == "All is well."
    assert SECRET not in out


@pytest.mark.anyio
async def test_the_summary_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Problems and warnings, each in its number; --no-probe sends nothing."""
    async with listening(talkative(FakeAsterisk())) as fake:
        fake.answers["CoreSettings"] = lambda heard: success(
            heard, AsteriskVersion="16.1.0", CoreCDRenabled="Yes"
        )
        fake.answers["DeviceStateList"] = lambda heard: error(heard, UNKNOWN)
        status = await asyncio.to_thread(run, _options(tmp_path, fake.port, "--no-probe"))
        assert fake.of("Originate") == []
    assert (status, capsys.readouterr().out.splitlines()[-1]) == (1, "2 problems, 1 warning")


@pytest.mark.anyio
async def test_the_command_tells_a_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--json is one object; exit status 1 with a problem in it."""
    status = await asyncio.to_thread(run, _options(tmp_path, await _closed_port(), "--json"))
    told = json.loads(capsys.readouterr().out)
    assert status == 1
    assert told["healthy"] is False
    assert [(one["id"], one["level"]) for one in told["findings"]] == [("reachable", "problem")]
    assert set(told["findings"][0]) == {"id", "level", "sentence", "remedy"}
