"""The lab itself: what every other test on the real Asterisk builds on."""

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest

from bridge.calls.events import LIVE
from lab import Ami, AmiProxy, Lab, until
from lab.fixtures import NewLab, NewProxy
from lab.numbers import CONFERENCE, IVR, NOBODY, PARK_ME, PARKING, VIA_LOCAL_N, VOICEMAIL
from lab.pace import pace
from lab.phone import Phone, PhoneError
from lab.ports import free_port

pytestmark = [pytest.mark.anyio, pytest.mark.real]


async def test_no_port_is_given_twice() -> None:
    """Whoever asks for one has some time to take it: the next one is given another."""
    ports = [free_port() for _ in range(500)]
    assert len(set(ports)) == 500
    assert max(ports) < 32768


async def test_a_call_rings_talks_and_sounds(lab: Lab) -> None:
    """The called phone shows the caller's name and number; once answered, both hear each other."""
    call = await lab["100"].dial("0003*210")
    ring = await lab["210"].wait_for_ring()
    assert (ring.name, ring.number) == ("Ext 100", "0003*100")
    await lab["210"].accept(ring)
    await lab.wait_together("100", "210")
    await lab.wait_sound("100", "210")
    await lab["100"].wait_shown(call, "Ext 210", "0003*210")


async def test_a_phone_that_cannot_start_says_why(lab: Lab) -> None:
    """A client's connection keeps its port for a minute, and a phone does not start without TCP."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        phone = Phone(lab.asterisk, "0003*102", port=client.getsockname()[1])
        with pytest.raises(PhoneError, match="Address already in use"):
            await phone.start()
        await phone.close()


async def test_a_caller_who_is_not_answered_falls_into_the_voicemail(lab: Lab) -> None:
    """Whoever is lost can be found there."""
    lab["210"].on_ring("decline")
    await lab["100"].dial("0003*210")
    await lab.wait_waiting("100", "Playback")
    assert await lab.in_voicemail() == ["0003*100"]


async def test_a_pickup_elsewhere_is_told_to_the_phone_that_rang(lab: Lab) -> None:
    """PickupChan() ends the old ring with cause 26: no missed call."""
    caller = await lab["100"].dial("0003*210")
    ring = await lab["210"].wait_for_ring()
    target = next(row for row in await lab.strangers() if row.extension == "0003*210")
    lab["024"].on_ring("accept")
    pick_up = {"Application": "PickupChan", "Data": target.uniqueid, "CallerID": "John Doe <42420042>"}
    await lab.ami.action({"Action": "Originate", "Channel": "PJSIP/0003*024", "Async": "true", **pick_up})
    await lab.wait_together("100", "024")
    closed = await lab["210"].wait_closed(ring)
    assert (closed.cause, closed.elsewhere) == (26, True)
    await lab["100"].wait_shown(caller, "John Doe", "42420042")


async def test_a_phone_holds_resumes_and_transfers(lab: Lab) -> None:
    """Hold and Unhold are seen by Asterisk, and a REFER brings the caller to the third phone."""
    await lab["100"].dial("0003*210")
    await lab["210"].wait_for_ring()
    call = await lab["210"].accept()
    await lab.wait_together("100", "210")
    await lab["210"].hold()
    await lab.ami.wait_for(lambda event: event["Event"] == "Hold")
    assert lab["210"].held(call)
    await lab["210"].resume()
    await lab.ami.wait_for(lambda event: event["Event"] == "Unhold")
    assert not lab["210"].held(call)
    await lab["210"].transfer("0003*024")
    await lab["024"].wait_for_ring()
    await lab["024"].accept()
    await lab.wait_together("100", "024")


async def test_keys_transfer_with_a_consultation(lab: Lab) -> None:
    """*2 and a number, pressed during a call: the held caller and the third party end up together."""
    await lab["100"].dial("0003*210")
    await lab["210"].wait_for_ring()
    await lab["210"].accept()
    await lab.wait_together("100", "210")
    await lab["210"].dtmf("*2")
    await lab.ami.wait_for(lambda event: event["Event"] == "MusicOnHoldStart")
    await lab["210"].dtmf("0003*024")
    await lab["024"].wait_for_ring(10)
    await lab["024"].accept()
    await lab["210"].hangup()
    await lab.ami.wait_for(lambda event: event["Event"] == "AttendedTransfer")
    await until(lambda: _all_in_touch(lab), "100 and 024 are in bridges")


async def _all_in_touch(lab: Lab) -> bool:
    return {"0003*100", "0003*024"} <= set().union(*await lab.groups())


async def test_callers_wait_where_they_are_put(lab: Lab) -> None:
    """Parked by himself, in a queue, in a conference, with an announcement, in the voicemail."""
    for extension, number, application in (
        ("100", PARK_ME, "Park"),
        ("101", NOBODY, "Queue"),
        ("102", CONFERENCE, "ConfBridge"),
        ("210", IVR, "Read"),
        ("211", VOICEMAIL, "Playback"),
    ):
        await lab[extension].dial(number)
        await lab.wait_waiting(extension, application)


async def test_a_call_is_parked_by_transfer_and_fetched_at_its_slot(lab: Lab) -> None:
    """The stranger has slot 701, so the next is 702."""
    await lab["100"].dial("0003*210")
    await lab["210"].wait_for_ring()
    await lab["210"].accept()
    await lab.wait_together("100", "210")
    await lab["210"].transfer(PARKING)
    parked = await lab.ami.wait_for(lambda event: event["Event"] == "ParkedCall")
    assert (parked["ParkingSpace"], parked["ParkerDialString"]) == ("702", "PJSIP/0003*210")
    await lab["025"].dial("702")
    await lab.wait_together("100", "025")


async def test_an_outside_caller_comes_and_is_called(lab: Lab) -> None:
    """The trunk carries a number that is no extension, both ways."""
    outside = await lab.outside()
    await outside.dial("0003*210")
    ring = await lab["210"].wait_for_ring()
    assert (ring.name, ring.number) == ("Outside Caller", "+4930900100")
    await lab["210"].accept()
    await lab.wait_together("outside", "210")
    await lab["210"].hangup()
    await outside.wait_closed()
    await lab["100"].dial(outside.extension)
    await outside.wait_for_ring()
    await outside.accept()
    await lab.wait_together("outside", "100")


async def test_a_call_through_local_has_both_halves(lab: Lab) -> None:
    """Local/.../n stays between the two phones."""
    await lab["100"].dial(VIA_LOCAL_N)
    await lab["210"].wait_for_ring()
    await lab["210"].accept()

    async def three() -> bool:
        return len(await lab.groups()) == 2

    await until(three, "two bridges with a Local pair between them")


async def test_a_phone_that_answers_by_itself_takes_its_time(lab: Lab) -> None:
    """on_ring with a delay rings first."""
    machine = pace()
    lab["210"].on_ring("accept", after=0.3)
    await lab["100"].dial("0003*210")
    call = await lab["210"].wait_established()
    assert call.established - call.since > 0.29
    assert machine.worth(call.since, call.established) < 0.45


async def test_reset_tells_of_a_channel_that_outlives_its_phones(new_lab: NewLab) -> None:
    """A lone channel that no phone holds is named, and hung up."""
    lab = await new_lab(phones=("0003*100",), company=False)
    originate = {"Action": "Originate", "Channel": "Local/0003*809@internal/n", "Async": "true"}
    await lab.ami.action({**originate, "Application": "Wait", "Data": "60"})
    await until(lab.strangers, "a channel without a phone")
    assert {row.name.split("-")[0] for row in await lab.reset()} == {"Local/0003*809@internal"}
    assert await lab.strangers() == []


async def test_the_company_is_missed_when_it_is_touched(new_lab: NewLab) -> None:
    """assert_company_untouched fails once one of them has hung up."""
    lab = await new_lab(phones=())
    await lab.assert_company_untouched()
    await lab["311"].hangup()
    await lab["312"].wait_closed()
    with pytest.raises(AssertionError, match=r"0003\*311"):
        await lab.assert_company_untouched()


async def test_asterisk_is_killed_started_frozen_and_thawed(new_lab: NewLab) -> None:
    """After a kill the same phones ring again on the same ports; a frozen one says nothing."""
    lab = await new_lab(phones=("0003*100", "0003*210"), company=False)
    await lab.asterisk.kill()
    await lab.revive()
    await lab["100"].dial("0003*210")
    await lab["210"].wait_for_ring()
    lab.asterisk.freeze()
    with pytest.raises(TimeoutError):
        await lab.asterisk.cli("core show version", timeout=0.3)
    lab.asterisk.thaw()
    assert "Asterisk" in await lab.asterisk.cli("core show version")
    assert await lab.asterisk.stop() == 0


async def test_a_pbx_may_be_configured_otherwise(new_lab: NewLab) -> None:
    """System name, context, manager user, dialplan and options are the test's to choose."""
    lab = await new_lab(
        phones=("0003*100",),
        company=False,
        systemname="pbx-1",
        context="elsewhere",
        username="bridge",
        secret="s3cret",
        extensions="[internal]\nexten => 0003*555,1,Answer()\n same => n,Park(default,s)\n",
        options={("res_parking.conf", "default", "parkpos"): "801-802"},
    )
    assert "'pickup'" in await lab.asterisk.cli("dialplan show elsewhere")
    async with Ami(lab.asterisk.ami) as user:
        assert user.login.username == "bridge"
        await lab["100"].dial("0003*555")
        parked = await user.wait_for(lambda event: event["Event"] == "ParkedCall")
    assert parked["ParkingSpace"] == "801"
    assert parked["ParkeeUniqueid"].startswith("pbx-1-")


async def test_a_proxy_counts_holds_and_cuts(lab: Lab, new_proxy: NewProxy) -> None:
    """What went through is known by name; held bytes come late but whole; a cut ends the session."""
    proxy: AmiProxy = await new_proxy(lab.asterisk.witness)
    async with Ami(proxy.login) as user:
        await user.action({"Action": "Ping"})
        assert (proxy.count(), proxy.count("Ping")) == (2, 1)
        proxy.hold(from_asterisk=True)
        with pytest.raises(TimeoutError):
            await user.action({"Action": "Ping"}, timeout=0.2)
        proxy.release()
        await user.action({"Action": "Ping"})
        proxy.cut()
        with pytest.raises(ConnectionError):
            await user.action({"Action": "Ping"})


async def test_asterisk_16_runs_the_same_configuration(lab16: Lab) -> None:
    """The older generation rings, talks and sounds the same."""
    assert "Asterisk 16" in await lab16.asterisk.cli("core show version")
    await lab16["100"].dial("0003*210")
    await lab16["210"].wait_for_ring()
    await lab16["210"].accept()
    await lab16.wait_together("100", "210")
    await lab16.wait_sound("100", "210")


_TESTS = str(Path(__file__).parents[1])
_HOST = """
import asyncio
from lab import Lab

async def main():
    async with Lab(phones=("0003*100",), company=False) as lab:
        print(lab.asterisk.pid, lab["100"].pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def _alive(pid: int) -> bool:
    return Path("/proc", str(pid)).exists()


async def test_everything_ends_with_the_process_that_started_it() -> None:
    """A test run that is killed leaves neither Asterisk nor phones behind."""
    host = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _HOST, stdout=asyncio.subprocess.PIPE, env=os.environ | {"PYTHONPATH": _TESTS}
    )
    assert host.stdout is not None
    pids = [int(pid) for pid in (await asyncio.wait_for(host.stdout.readline(), 20)).split()]
    assert len(pids) == 2
    host.kill()
    await host.wait()

    async def gone() -> bool:
        return not any(_alive(pid) for pid in pids)

    await until(gone, "Asterisk and the phone have ended")


async def test_the_event_filter_drops_no_answer(lab: Lab) -> None:
    """The bridge's own user gets every list whole, OriginateResponse, and no event that it did not ask for."""
    async with Ami(lab.asterisk.ami) as user:
        await lab["100"].dial("0003*210")
        await lab["210"].wait_for_ring()
        lists = ("Status", "BridgeList", "ParkedCalls", "QueueStatus", "DeviceStateList")
        rows = {name: await user.action({"Action": name}) for name in lists}
        assert {name: reply[-1]["Event"] for name, reply in rows.items()} == {
            name: f"{name}Complete" for name in lists
        }
        assert all(int(reply[-1]["ListItems"]) == len(reply) - 2 for reply in rows.values())
        nowhere = {"Action": "Originate", "Channel": "PJSIP/0003*999", "Application": "Wait", "Data": "1"}
        await user.action({**nowhere, "Async": "true"})
        await user.wait_for(lambda event: event["Event"] == "OriginateResponse")
        if lab.asterisk.version >= 22:
            assert {event["Event"] for event in user.events} <= LIVE | {"OriginateResponse"}
