"""What the bridge's manager user may not do: each tried with its own login, and denied by the real Asterisk."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lab import Ami, Lab, until
from lab.fixtures import VERSION

pytestmark = [pytest.mark.anyio, pytest.mark.real]

_LOOT = """
[loot]
exten => s,1,Answer()
 same => n,Wait(5)
"""
"""Who is called there answers, so that whatever application was asked for would run."""

_DANGEROUS = ("app_system", "func_shell", "app_mixmonitor", "app_originate", "app_externalivr")
"""Modules that would do it, were it allowed."""

ACTIONS = (
    {"Action": "Command", "Command": "database put loot a b"},
    {"Action": "UpdateConfig", "SrcFilename": "manager.conf", "DstFilename": "loot.conf"},
    {"Action": "CreateConfig", "Filename": "loot.conf"},
    {"Action": "GetConfig", "Filename": "manager.conf"},
    {"Action": "GetConfigJSON", "Filename": "manager.conf"},
    {"Action": "ListCategories", "Filename": "manager.conf"},
    {"Action": "ModuleLoad", "Module": "app_dial.so", "LoadType": "unload"},
    {"Action": "Reload"},
    {"Action": "DBPut", "Family": "loot", "Key": "a", "Val": "b"},
    {
        "Action": "DialplanExtensionAdd",
        "Context": "loot",
        "Extension": "1",
        "Priority": "1",
        "Application": "NoOp",
    },
    {"Action": "UserEvent", "UserEvent": "Loot"},
    {"Action": "QueueAdd", "Queue": "support", "Interface": "PJSIP/0003*100"},
    {"Action": "QueuePause", "Interface": "PJSIP/0003*210", "Paused": "true"},
    {"Action": "MixMonitor", "Channel": "{channel}", "File": "/tmp/loot.wav", "Command": "touch /tmp/loot"},
    {"Action": "AGI", "Channel": "{channel}", "Command": "EXEC System touch /tmp/loot"},
    {"Action": "MessageSend", "To": "pjsip:0003*100", "From": "x", "Body": "x"},
    {"Action": "PJSIPShowAuths"},
    {"Action": "Getvar", "Variable": "SHELL(touch /tmp/loot)"},
    {"Action": "Status", "Variables": "SHELL(touch /tmp/loot)"},
    {"Action": "Setvar", "Variable": "SHELL(touch /tmp/loot)", "Value": "x"},
    {"Action": "Setvar", "Variable": "FILE(/tmp/loot,,,al,u)", "Value": "x"},
)
"""Each of a class that it has no right to; {channel} is one of the company's."""

APPLICATIONS = (
    ("System", "touch /tmp/loot"),
    ("TrySystem", "touch /tmp/loot"),
    ("Exec", "System(touch /tmp/loot)"),
    ("TryExec", "System(touch /tmp/loot)"),
    ("ExecIf", "1?System(touch /tmp/loot)"),
    ("AGI", "loot"),
    ("EAGI", "loot"),
    ("ExternalIVR", "/bin/loot"),
    ("MixMonitor", "/tmp/loot.wav,,touch /tmp/loot"),
    ("Originate", "Local/s@loot,app,System,touch /tmp/loot"),
    ("NoOp", "${SHELL(touch /tmp/loot)}"),
    ("Set", "A=${SHELL(touch /tmp/loot)}"),
    ("GotoIf", "${SHELL(touch /tmp/loot)}?1"),
    ("NoOp", "${EVAL(${SHELL(touch /tmp/loot)})}"),
)
"""What Originate must not run."""

FILE_TRICK = (
    ("Set", "FILE(/tmp/loot,,,al,u)=x"),
    ("MSet", "FILE(/tmp/loot,,,al,u)=x"),
    ("set", "FILE(/tmp/loot,,,al,u)=x"),
)
"""CVE-2024-42365; denied from 18.24.2, 20.9.2 and 21.4.2 on."""


@pytest.fixture(scope="module")
async def pbx(anyio_backend: str) -> AsyncIterator[Lab]:  # noqa: ARG001 (it must be there first)
    """A PBX that has all that an intruder could wish for; the bridge's user is as it comes."""
    async with Lab(version=VERSION, extensions=_LOOT) as lab:
        for module in _DANGEROUS:
            assert "Loaded" in await lab.asterisk.cli(f"module load {module}.so")
        yield lab


@pytest.fixture
async def intruder(pbx: Lab) -> AsyncIterator[Ami]:
    """Somebody who has the secret of the bridge's manager user. What was tried has left nothing behind."""
    for left in _loot(pbx):
        left.unlink()
    async with Ami(pbx.asterisk.ami) as session:
        yield session
    assert pbx.asterisk.running
    assert _loot(pbx) == []
    await pbx.assert_company_untouched()


def _loot(pbx: Lab) -> list[Path]:
    """Files that an intruder would have written."""
    root = Path(f"/proc/{pbx.asterisk.pid}/root/tmp")
    return [*root.glob("loot*"), *(pbx.asterisk.folder / "etc").glob("loot*")]


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: "-".join(list(action.values())[:2]))
async def test_an_action_of_another_class_is_denied(pbx: Lab, intruder: Ami, action: dict[str, str]) -> None:
    """Nothing is configured, loaded, written, told or run."""
    channel = next(row.name for row in await pbx.asterisk.channels() if "311" in row.name)
    answer = await intruder.action(
        {name: text.replace("{channel}", channel) for name, text in action.items()}
    )
    assert answer[0]["Response"] == "Error"
    said = answer[0]["Message"]
    assert (
        said == "Permission denied"
        or "Forbidden" in said
        or said.startswith(("Invalid/unknown", "Variable not set"))
    )


async def _originate(intruder: Ami, application: str, data: str) -> str:
    headers = {"Action": "Originate", "Channel": "Local/s@loot/n", "Async": "true"}
    answer = await intruder.action(headers | {"Application": application, "Data": data})
    return answer[0]["Message"]


@pytest.mark.parametrize(("application", "data"), APPLICATIONS)
async def test_originate_runs_no_program(intruder: Ami, application: str, data: str) -> None:
    """Neither by an application, nor by one that runs another, nor by a function in its data."""
    assert "Originate Access Forbidden" in await _originate(intruder, application, data)


@pytest.mark.skipif(VERSION < 18, reason="Asterisk 16 has CVE-2024-42365 unrepaired; the bridge warns of it")
@pytest.mark.parametrize(("application", "data"), FILE_TRICK)
async def test_originate_writes_no_file_by_set(intruder: Ami, application: str, data: str) -> None:
    """The trick of CVE-2024-42365."""
    assert "Originate Access Forbidden" in await _originate(intruder, application, data)


async def test_originate_writes_no_file_by_a_variable_in_the_configuration_that_we_ship(
    pbx: Lab, intruder: Ami
) -> None:
    """Asterisk does not deny a function as the name of a Variable; without func_env there is none that writes."""
    before = pbx.asterisk.log_size()
    headers = {
        "Action": "Originate",
        "Channel": "Local/s@loot/n",
        "Async": "true",
        "Application": "Wait",
        "Data": "1",
    }
    answer = await intruder.action(headers | {"Variable": "FILE(/tmp/loot,,,al,u)=x"})
    assert answer[0]["Response"] == "Success"
    started = await intruder.wait_for(lambda event: event["Event"] == "OriginateResponse")
    assert started["Response"] == "Success"

    async def refused() -> bool:
        return "FILE not registered" in pbx.asterisk.log(before)

    await until(refused, "Asterisk has logged that there is no such function")


async def test_events_of_other_classes_do_not_reach_it(pbx: Lab, intruder: Ami) -> None:
    """No variables, no dialplan, no security events, whatever it asks for at its login."""
    await intruder.action({"Action": "Events", "EventMask": "on"})
    await pbx["100"].dial("0003*210")
    await pbx["210"].wait_for_ring()
    await intruder.wait_for(
        lambda event: event["Event"] == "Newstate" and event["ChannelStateDesc"] == "Ringing"
    )
    await pbx.reset()
    told = {event["Event"] for event in intruder.events}
    assert not told & {
        "VarSet",
        "Newexten",
        "SuccessfulAuth",
        "ChallengeSent",
        "RTCPSent",
        "UserEvent",
        "DTMFBegin",
    }
