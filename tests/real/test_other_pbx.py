"""A PBX that was there before takes over two files, and picks calls up the first time; so does an old Asterisk."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lab import Lab, run_command, until
from lab.asterisk import PRODUCT_CONF, Asterisk
from lab.desks import pjsip
from lab.fixtures import NewBridge
from lab.service import JOHN

pytestmark = [pytest.mark.anyio, pytest.mark.real]

# What an administrator has: names, numbers and contexts of his own, and not a word of UAPI.
ASTERISK = """\
[options]
systemname = pbx-berlin-1
"""
LOGGER = """\
[logfiles]
messages = notice,warning,error
"""
MANAGER = """\
[general]
enabled = yes
bindaddr = 127.0.0.1
port = 5038

[witness]
secret = witness
read = all
write = all
writetimeout = 5000
"""
EXTENSIONS = """\
[office]
exten => _5XXX,1,Gosub(ring-desk,s,1(${EXTEN:1}))
 same => n,Hangup()
exten => 6000,1,Answer()
 same => n,Park()
exten => 7024,1,Dial(PJSIP/hall,20)

[ring-desk]
exten => s,1,Dial(PJSIP/${ARG1},30)
 same => n,Return()
"""
PARKING = """\
[default]
parkext = 800
parkpos = 801-805
context = parked
"""
# Desk telephones are called by their numbers, the one in the hall by a name.
DESKS = {name: f'"Desk {name}" <{name}>' for name in ("100", "101", "102", "103", "210")} | {
    "hall": '"Hall" <240>'
}

SECRET = "one-that-nobody-guesses"
BRIDGE = """\
[http]
port = {port}

[ami]
port = {ami_port}
username = "phone-apps"
secret = "{secret}"

[pbx]
channel = "PJSIP/{short}"
context = "app-pickup"

[pbx.endpoints]
"0003*024" = "PJSIP/hall"

[[organizations]]
id = "3"
name = "Default Organization"

[[users]]
id = "12"
name = "John Doe"
organization = "3"
extensions = ["0003*210", "0003*10?"]

[[users]]
id = "13"
name = "Jane Roe"
organization = "3"
extensions = ["0003*024"]

[[apps]]
id = "demo-app"
user = "12"
tokens_sha256 = ["{token}"]
"""


def write_pbx(folder: Path) -> None:
    """Write the configuration as it was before anybody heard of the bridge."""
    files = {
        "asterisk": ASTERISK,
        "modules": (PRODUCT_CONF / "modules.conf").read_text(),
        "logger": LOGGER,
        "musiconhold": (PRODUCT_CONF / "musiconhold.conf").read_text(),
        "manager": MANAGER,
        "extensions": EXTENSIONS,
        "res_parking": PARKING,
        "pjsip": pjsip(DESKS, "office"),
    }
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.conf").write_text(text)


def take_over(etc: Path, name: str, include: str, changes: dict[str, str]) -> None:
    """Copy one of our files beside the administrator's, change a word in it, and include it."""
    text = (PRODUCT_CONF / include).read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (etc / f"uapi-{name}").write_text(text)
    with (etc / name).open("a") as out:
        out.write(f"\n#include uapi-{name}\n")


@pytest.fixture
async def berlin(tmp_path: Path) -> AsyncIterator[Lab]:
    """That PBX with its phones; two of them talk, and one caller is parked."""
    write_pbx(tmp_path / "etc")
    asterisk = Asterisk(conf=tmp_path / "etc", endpoint="hall", username="phone-apps", secret=SECRET)
    async with Lab(asterisk=asterisk, phones=tuple(DESKS), company=False) as lab:
        lab["103"].on_ring("accept")
        await lab["102"].dial("5103")
        await lab["101"].dial("6000")
        await lab.wait_together("102", "103")
        await lab.wait_waiting("101", "Park")
        others = {(row.name, row.bridge) for row in await lab.strangers()}
        yield lab
        assert {(row.name, row.bridge) for row in await lab.strangers()} == others


async def test_an_existing_pbx_takes_over_two_files(berlin: Lab, new_bridge: NewBridge) -> None:
    """Two includes with the names changed in them, a reload, a bridge.toml: the pickup works the first time."""
    etc = berlin.asterisk.folder / "etc"
    take_over(etc, "manager.conf", "manager.d/uapi.conf", {"[uapi]": "[phone-apps]", "change-me": SECRET})
    await berlin.asterisk.reload()
    token = hashlib.sha256(JOHN.encode()).hexdigest()
    config = BRIDGE.replace("{secret}", SECRET).replace("{token}", token)
    bridge = await new_bridge(berlin.asterisk.ami, config=config)
    assert await run_command("check", "--config", str(bridge.config)) == (
        0,
        "the configuration is in order\n",
        "",
    )

    caller = await berlin["100"].dial("5210")
    ring = await berlin["210"].wait_for_ring()
    call = await bridge.seen("0003*210")
    assert [(view["extension"], view["destination"]) for view in call["phoneCallView"]] == [
        ("0003*100", ["5210"]),
        ("0003*210", ["5210"]),
    ]
    view = call["phoneCallView"][1]["id"]
    forgotten = await bridge.pick_up("0003*210", call["id"], "0003*024", view=view)
    error = forgotten.json()["error"]
    assert (forgotten.status_code, error["code"]) == (503, "pbx_unavailable")
    assert "app-pickup" in error["message"] and "extensions.d/uapi.conf" in error["message"]
    assert berlin["hall"].rings == []

    take_over(etc, "extensions.conf", "extensions.d/uapi.conf", {"[uapi-pickup]": "[app-pickup]"})
    position = berlin.asterisk.log_size()
    await berlin.asterisk.reload()

    async def reloaded() -> bool:
        return "not reloadable, maintaining" in berlin.asterisk.log(position)

    await until(reloaded, "the last line of a reload is in the log")
    position = berlin.asterisk.log_size()
    berlin["hall"].on_ring("accept")
    answer = await bridge.pick_up("0003*210", call["id"], "0003*024", view=view, wait=20)
    assert answer.status_code == 200, answer.text
    await berlin.wait_together("100", "hall")
    assert (await berlin["210"].wait_closed(ring)).elsewhere
    got = berlin["hall"].rings[0]
    assert (got.name, got.number) == ("Hall", "240")
    await berlin["100"].wait_shown(caller, "Hall", "240")
    assert [view["extension"] for view in answer.json()["phoneCallView"]] == ["0003*100", "0003*024"]

    await berlin["hall"].hangup()
    await berlin["100"].wait_closed()
    assert berlin.asterisk.log(position) == ""

    async def nobody() -> bool:
        return len(await berlin.strangers()) == 3 and await bridge.calls("0003*210") == []

    await until(nobody, "no channel and no call is left")


@pytest.mark.asterisk16
async def test_asterisk_16_picks_up_a_ringing_call(lab16: Lab, new_bridge: NewBridge) -> None:
    """The older generation, the same two files: the seed's story."""
    bridge = await new_bridge(lab16.asterisk.ami)
    caller = await lab16["100"].dial("0003*210")
    ring = await lab16["210"].wait_for_ring()
    call = await bridge.seen("0003*210")
    lab16["024"].on_ring("accept")
    answer = await bridge.pick_up(
        "0003*210", call["id"], "0003*024", caller_id="John Doe <42420042>", wait=20
    )
    assert answer.status_code == 200, answer.text
    got = lab16["024"].rings[0]
    assert (got.name, got.number) == ("John Doe", "42420042")
    await lab16.wait_together("100", "024")
    assert (await lab16["210"].wait_closed(ring)).elsewhere
    await lab16["100"].wait_shown(caller, "John Doe", "42420042")
    assert await lab16.in_voicemail() == []


@pytest.mark.asterisk16
async def test_asterisk_16_picks_up_an_answered_call(lab16: Lab, new_bridge: NewBridge) -> None:
    """024 takes the talk from 210, whose phone is let go; the view keeps its id."""
    bridge = await new_bridge(lab16.asterisk.ami)
    await lab16["100"].dial("0003*210")
    await lab16["210"].wait_for_ring()
    talk = await lab16["210"].accept()
    await lab16.wait_together("100", "210")
    call = await bridge.seen("0003*210", "5")
    lab16["024"].on_ring("accept")
    answer = await bridge.pick_up("0003*210", call["id"], "0003*024", wait=20)
    assert answer.status_code == 200, answer.text
    await lab16.wait_together("100", "024")
    await lab16["210"].wait_closed(talk)
    views = [(view["id"], view["extension"]) for view in answer.json()["phoneCallView"]]
    assert views == [("00", "0003*100"), ("01", "0003*024")]
    await lab16["024"].hangup()
    await lab16["100"].wait_closed()
    assert await lab16.in_voicemail() == []
