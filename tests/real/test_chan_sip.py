"""An old PBX whose phones are chan_sip's: Asterisk 16 without chan_pjsip, the same two files, another `pbx.channel`."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from bridge.doctor import Level, examine
from bridge.settings import Settings
from lab import Bridge, Lab, until
from lab.asterisk import PRODUCT_CONF
from lab.numbers import NOBODY, PARKING, SUPPORT, UNANSWERED_QUEUE
from lab.phone import PhoneCall
from lab.service import OWNER
from real.states import Call, only, over, refused, ring, rings, shows, take, talk, view, view_of, views

pytestmark = [pytest.mark.anyio, pytest.mark.real, pytest.mark.asterisk16]

CHANNEL = {"BRIDGE_PBX__CHANNEL": "SIP/{extension}"}
USUAL = re.compile(
    r"Got OK on REFER Notify|Failed to move \S+ into the parking bridge|Error occurred while parking"
    r"|does not implement 'UPDATE'|uapi-doctor-|Prodding channel 'Local/pickup@uapi-pickup-|Function ENV not registered"
)
"""What Asterisk notices where a phone transfers or parks (see `_parks`) or is shown another party, and the doctor's looks."""
RING = {"00": "0003*100", "01": "0003*210"}


@pytest.fixture(scope="module")
async def old(anyio_backend: str) -> AsyncIterator[Lab]:  # noqa: ARG001 (it must be there first)
    """Asterisk 16 with chan_sip, phones at rest, the company talking and parked."""
    async with Lab(version=16, driver="SIP") as lab:
        yield lab


@pytest.fixture(scope="module")
async def watch(old: Lab) -> AsyncIterator[Bridge]:
    """A bridge that has seen everything there."""
    async with Bridge(old.asterisk.ami, environment=CHANNEL) as bridge:
        yield bridge


@pytest.fixture
async def lab(old: Lab) -> AsyncIterator[Lab]:
    """That lab, and afterwards nobody is left in it, nobody fell into the voicemail, and Asterisk has no complaint."""
    position = old.asterisk.log_size()
    yield old
    lost = [e["Channel"] for e in old.ami.events if e["Event"] == "Newexten" and e["Context"] == "voicemail"]
    left = await old.reset()
    await old.assert_company_untouched()
    lines = [line for line in old.asterisk.log(position).splitlines() if not USUAL.search(line)]
    assert (left, lost, lines) == ([], [], [])


async def agrees(lab: Lab, bridge: Bridge, at: str) -> None:
    """A bridge that is started now lists the same views in the same states."""
    async with Bridge(lab.asterisk.ami, environment=CHANNEL) as newcomer:
        one, other = [
            [
                (each["id"], each["extension"], each["status"])
                for each in (await asked.call(at))["phoneCallView"]
            ]
            for asked in (bridge, newcomer)
        ]
        assert one == other


async def test_the_two_files_are_the_same(lab: Lab) -> None:
    """Not a word is different from chan_pjsip's, and nothing of chan_pjsip is there."""
    etc = lab.asterisk.folder / "etc"
    for name in ("extensions.d/uapi.conf", "manager.d/uapi.conf"):
        assert (etc / name).read_text() == (PRODUCT_CONF / name).read_text()
    assert "res_pjsip" not in await lab.asterisk.cli("module show")
    assert "chan_sip.so" in await lab.asterisk.cli("module show like chan_sip")


async def _told(pick_up: Callable[[], Awaitable[list[PhoneCall]]]) -> None:
    """Pick rings up until each of their phones, as ``pick_up`` returns them, is told that somebody else answered.

    One in forty times chan_sip does not say so: Pickup() first shows the new phone its caller, by a re-INVITE, and a
    200 that comes before the two channels have changed places makes chan_sip forget the cause of the hangup (seen on
    16.28 with a phone that answers within 0.3 ms; of 600 pickups with chan_pjsip none).
    """
    for _ in range(4):
        if all(rang.elsewhere for rang in await pick_up()):
            return
    raise AssertionError("four times a phone was not told that somebody else answered")


async def test_a_ringing_call(lab: Lab, watch: Bridge) -> None:
    """The seed's story; without a callerId in the request the new phone shows its own, name and number."""

    async def picked_up() -> list[PhoneCall]:
        at_210 = await ring(lab)
        call = await shows(watch, "0003*210", RING, "43")
        assert view(call, "01")["callerId"] == "Ext 100 <0003*100>"
        await agrees(lab, watch, "0003*210")
        picked_up = await take(lab, watch, "0003*210", call["id"])
        assert views(picked_up) == {"00": "0003*100", "01": "0003*024"}
        got = lab["024"].rings[-1]
        assert (got.name, got.number) == ("Ext 024", "0003*024")
        rang = await lab["210"].wait_closed(at_210)
        await only(lab, {"100", "024"})
        await lab["024"].hangup()
        await lab["100"].wait_closed()
        await over(lab)
        return [rang]

    await _told(picked_up)


async def test_a_talking_call(lab: Lab, watch: Bridge) -> None:
    """024 rings as John Doe and takes the talk from 210; the caller's phone shows it."""
    at_210 = await talk(lab)
    call = await shows(watch, "0003*210", RING, "55")
    await agrees(lab, watch, "0003*210")
    picked_up = await take(lab, watch, "0003*210", call["id"], caller_id="John Doe <42420042>")
    assert views(picked_up) == {"00": "0003*100", "01": "0003*024"}
    got = lab["024"].rings[0]
    assert (got.name, got.number) == ("John Doe", "42420042")
    await lab["210"].wait_closed(at_210)
    await only(lab, {"100", "024"})


async def test_a_held_call(lab: Lab, watch: Bridge) -> None:
    """210 has 100 on hold: both views say so, and after the pickup neither."""
    await talk(lab)
    await lab["210"].hold()

    async def held() -> bool:
        call = await watch.call("0003*210")
        return view(call, "01").get("holder") == 1 and all("onHold" in each for each in call["phoneCallView"])

    await until(held, "the call is on hold")
    await agrees(lab, watch, "0003*210")
    picked_up = await take(lab, watch, "0003*210", (await watch.call("0003*210"))["id"])
    assert not any("onHold" in each for each in picked_up["phoneCallView"])
    await only(lab, {"100", "024"})


async def _parks(lab: Lab, watch: Bridge) -> Call:
    """Let 210 park 100 by transfer, and return the call.

    One in a hundred times chan_sip hangs up whom it has just transferred (seen on 16.28: BlindTransfer, and at once
    SoftHangupRequest and Hangup of the other end, cause 16): 100 calls again then.
    """

    async def outcome() -> Call | str:
        calls = await watch.calls("0003*210")
        if calls and view(calls[0], "00").get("parkedBy") == "0003*210":
            return calls[0]
        return "" if lab["100"].live else "lost"

    for _ in range(3):
        await talk(lab)
        await lab["210"].transfer(PARKING)
        found = await until(outcome, "the call is parked")
        if isinstance(found, dict):
            return found
    raise AssertionError("chan_sip has hung up three callers")


async def test_a_parked_call(lab: Lab, watch: Bridge) -> None:
    """210 has parked 100 by transfer: it is found at 210, in its slot, and taken from there."""
    call = await _parks(lab, watch)
    assert view(call, "00")["parkedPos"] == 702
    picked_up = await take(lab, watch, "0003*210", call["id"], view="00")
    assert view_of(picked_up, "0003*024")["pickUp"]["from"] == "0003*100"
    await only(lab, {"100", "024"})


async def test_a_queued_call(lab: Lab, watch: Bridge) -> None:
    """Taken where nobody serves the queue, and while its agents ring: they are told that somebody answered."""
    await lab["101"].dial(NOBODY)
    await lab.wait_waiting("101", "Queue")
    waiting = await shows(watch, NOBODY, {"00": "0003*101"}, "5")
    await agrees(lab, watch, NOBODY)
    await take(lab, watch, NOBODY, waiting["id"], view="00", to="025")

    async def picked_up() -> list[PhoneCall]:
        at_210 = await ring(lab, UNANSWERED_QUEUE)
        at_211 = await rings(lab, "211")
        call = await watch.call(SUPPORT)
        assert [each["id"] for each in await watch.calls(UNANSWERED_QUEUE)] == [call["id"]]
        await take(lab, watch, SUPPORT, call["id"], view="00")
        rang = [await lab[phone].wait_closed(at) for phone, at in (("210", at_210), ("211", at_211))]
        await only(lab, {"101", "025"}, {"100", "024"})
        await lab["024"].hangup()
        await lab["100"].wait_closed()
        await only(lab, {"101", "025"})
        return rang

    await _told(picked_up)


async def test_who_cannot_be_rung(lab: Lab, watch: Bridge) -> None:
    """A phone that was never plugged in is in no list of chan_sip's, and yet told from one that does not exist."""
    await ring(lab)
    call = await shows(watch, "0003*210", RING, "43")
    for to, code, status in (
        ("0003*103", "pc_sendcallto_unavailable", 409),
        ("0003*199", "pc_sendcallto_invalid", 400),
    ):
        refused(await watch.pick_up("0003*210", call["id"], to, token=OWNER, user="@owner"), code, status)
    devices = await lab.ami.action({"Action": "DeviceStateList"})
    states = {row["Device"]: row["State"] for row in devices if "Device" in row}
    assert states["SIP/0003*210"] == "RINGING"
    assert "SIP/0003*103" not in states


async def test_the_doctor_finds_but_its_age(lab: Lab) -> None:
    """Nothing is wrong with chan_sip; a phone that is not plugged in is found, and one named as chan_pjsip's is not."""
    login = lab.asterisk.ami
    given: dict[str, Any] = {
        "ami": {"host": login.host, "port": login.port, "username": login.username, "secret": login.secret},
        "organizations": [{"id": "3", "name": "Default Organization"}],
        "queues": [{"name": "support", "extension": "0003*900"}],
    }
    john = {"id": "12", "name": "John Doe", "organization": "3"}

    async def unwell(channel: str, *extensions: str) -> dict[str, Level]:
        users = [john | {"extensions": [*extensions, "0003*9??"]}]
        found = await examine(Settings.model_validate(given | {"users": users, "pbx": {"channel": channel}}))
        usual = {"timestamps", "filter", "cve-2024-42365"}
        return {
            one.id: one.level for one in found.findings if one.level is not Level.OK and one.id not in usual
        }

    assert await unwell("SIP/{extension}", "0003*100", "0003*21?") == {}
    assert await unwell("SIP/{extension}", "0003*103") == {"registered": Level.WARNING}
    assert await unwell("PJSIP/{extension}", "0003*100") == {"extensions": Level.PROBLEM}
