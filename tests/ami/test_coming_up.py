"""How the link comes up: what it asks, in what order, and when it says that it is up."""

import re
from dataclasses import replace

import pytest

from ami.fake import FakeAsterisk, Heard, Reply, error, rows, settings, success
from ami.linked import QUICK, SECRET, linked
from bridge.ami import LinkState, Refused, Timing
from bridge.calls import STATUS_VARIABLES

pytestmark = pytest.mark.anyio


async def test_up_only_after_every_answer_was_taken_in(fake: FakeAsterisk) -> None:
    """The link says that it is up once, after the last row of the last list has reached on_event."""
    fake.answers["BridgeList"] = lambda heard: rows(
        heard, "BridgeListComplete", ("BridgeListItem", {"BridgeUniqueid": "b1"})
    )
    fake.answers["Status"] = lambda heard: rows(
        heard, "StatusComplete", ("Status", {"Uniqueid": "1.1"}), ("Status", {"Uniqueid": "1.2"})
    )
    async with linked(fake) as it:
        seen_when_up: list[int] = []
        it.link._on_state = lambda state: seen_when_up.append(len(it.events)) if state.up else None
        await it.until_up()
    assert seen_when_up == [8]
    assert it.names() == [
        "BridgeListItem", "BridgeListComplete", "ParkedCallsComplete", "QueueStatusComplete",
        "DeviceStateListComplete", "Status", "Status", "StatusComplete",
    ]  # fmt: skip


async def test_state_tells_the_story(fake: FakeAsterisk) -> None:
    """State goes from not connected over reading to up, with what the PBX is."""
    fake.answers["CoreSettings"] = lambda heard: settings(heard, "22.10.1", systemname="pbx-1")
    async with linked(fake) as it:
        before = it.link.state
        await it.until_up()
    reading = LinkState(reason="The bridge is reading the state of the PBX.", boot=1)
    known = replace(reading, asterisk="22.10.1", systemname="pbx-1", cdr=True)
    up = replace(known, up=True, reason="", context_loaded=True)
    assert before == LinkState(reason="The bridge has not connected to the PBX yet.")
    assert it.states == [reading, known, up, replace(up, up=False, reason="The bridge is stopping.")]


async def test_asks_in_order_and_marks_its_questions(fake: FakeAsterisk) -> None:
    """Status comes last of the lists, and the ActionIDs of one resync share a beginning of their own."""
    async with linked(fake) as it:
        await it.until_up()
        await it.link.resync()
    asked = [name for name in fake.names() if name not in ("Login", "Ping", "Logoff")]
    once = ["CoreSettings", "BridgeList", "ParkedCalls", "QueueStatus", "DeviceStateList", "Status", "Getvar"]
    assert asked == once * 2
    ids = [heard["ActionID"][0].split("/")[0] for heard in fake.of("BridgeList") + fake.of("Status")]
    assert ids[:2] == ids[2:]
    assert re.fullmatch(r"resync-1-[0-9a-f]{8} resync-2-[0-9a-f]{8}", " ".join(ids[:2]))


@pytest.mark.parametrize("cdr", ["Yes", "No"])
async def test_asks_for_cdrs_only_where_there_are_any(fake: FakeAsterisk, cdr: str) -> None:
    """Status asks for the variables of the picture, without CDR ones where each would log an error on the PBX."""
    fake.answers["CoreSettings"] = lambda heard: settings(heard, cdr=cdr)
    async with linked(fake) as it:
        await it.until_up()
    (asked,) = fake.of("Status")
    wanted = [name for name in STATUS_VARIABLES if cdr == "Yes" or not name.startswith("CDR(")]
    assert asked["Variables"] == [",".join(wanted)]
    assert asked["AllVariables"] == ["false"]


async def test_refused_part_begins_the_resync_again(fake: FakeAsterisk) -> None:
    """A PBX that still boots refuses a list; the link stays down, asks all again, and comes up when all is there."""
    known = fake.answers["DeviceStateList"]

    def booting(heard: Heard) -> Reply:
        fake.answers["DeviceStateList"] = known
        return error(
            heard, "Invalid/unknown command: DeviceStateList. Use Action: ListCommands to show available."
        )

    fake.answers["DeviceStateList"] = booting
    async with linked(fake) as it:
        await it.until_up()
    assert [state.reason for state in it.states if not state.up][2] == "The PBX is still starting."
    assert len(fake.of("BridgeList")) == 2
    assert fake.sessions == 1


async def test_module_that_is_not_there_does_not_keep_the_link_down(fake: FakeAsterisk) -> None:
    """A PBX without queues and parking: their lists are unknown twice, and then the link does without them."""
    for name in ("ParkedCalls", "QueueStatus"):
        fake.answers[name] = lambda heard: error(
            heard, f"Invalid/unknown command: {heard['Action'][0]}. Use ..."
        )
    async with linked(fake) as it:
        await it.until_up()
        await it.link.resync()
        assert it.link.state.up
    assert len(fake.of("QueueStatus")) == 3
    assert it.logged("ami.resynced")[0]["not_loaded"] == ["app_queue", "res_parking"]


async def test_too_few_rights_are_said(fake: FakeAsterisk) -> None:
    """A manager user that may not ask for Status keeps the link down, and the reason says what is wrong."""
    fake.answers["Status"] = lambda heard: error(heard, "Permission denied")
    async with linked(fake) as it:
        await fake.until_heard("Status", 3)
    assert it.states[-2].reason == (
        "The PBX gives the bridge's manager user too few rights (Status: Permission denied)."
    )
    assert not any(state.up for state in it.states)


async def test_resync_refused_later_takes_the_link_down(fake: FakeAsterisk) -> None:
    """When a later resync is refused there is no picture to be trusted, until one succeeds again.

    In a session of its own: what the admin has put right meanwhile counts from the next login on.
    """
    async with linked(fake) as it:
        await it.until_up()
        known = fake.answers["Status"]
        fake.answers["Status"] = lambda heard: error(heard, "Permission denied")
        with pytest.raises(Refused, match="Status: Permission denied"):
            await it.link.resync()
        assert not it.link.state.up
        fake.answers["Status"] = known
        await it.until_up()
    assert fake.sessions == 2


async def test_resyncs_by_itself(fake: FakeAsterisk) -> None:
    """Once in a while the link asks for everything again, which heals events that were lost."""
    async with linked(fake, Timing(resync=0.05)) as it:
        await it.until_up()
        await fake.until_heard("Status", 3)
        assert it.link.state.up


async def test_resync_is_at_most_a_minute_away() -> None:
    """The times that users are promised."""
    usual = Timing()
    assert usual.resync == 60
    assert usual.answer == 5
    assert usual.ping + usual.answer < 10
    assert (usual.backoff, usual.backoff_most, usual.refused) == (0.2, 5, 0.5)


async def test_context_missing_is_state_not_failure(fake: FakeAsterisk) -> None:
    """Without the dialplan context the link is up and says so; check_context asks again."""
    fake.answers["Getvar"] = lambda heard: success(heard, Value="0")
    async with linked(fake) as it:
        await it.until_up()
        assert not await it.link.check_context()
        fake.answers["Getvar"] = FakeAsterisk().answers["Getvar"]
        assert await it.link.check_context()
    assert [state.context_loaded for state in it.states if state.up] == [False, True]
    assert fake.of("Getvar")[0]["Variable"] == ["DIALPLAN_EXISTS(uapi-pickup,pickup,1)"]


@pytest.mark.parametrize(
    ("version", "warnings"),
    [
        ("16.28.0~dfsg-0+deb11u4", 1),
        ("18.24.1", 1),
        ("18.24.2", 0),
        ("18.25.0", 0),
        ("19.8.1", 1),
        ("20.9.1", 1),
        ("20.9.2", 0),
        ("21.4.1", 1),
        ("21.4.2", 0),
        ("22.10.1+dfsg+~cs6", 0),
        ("certified/18.9-cert10", 1),
        ("certified/18.9-cert11", 0),
        ("certified/20.7-cert1", 1),
        ("certified/20.7-cert2", 0),
        ("certified/16.8-cert14", 1),
        ("GIT-master-abc", 0),
    ],
)
async def test_warns_of_asterisks_that_originate_can_take_over(
    fake: FakeAsterisk, version: str, warnings: int
) -> None:
    """CVE-2024-42365: versions before 18.24.2, 20.9.2 and 21.4.2, and all older branches, get one warning."""
    fake.answers["CoreSettings"] = lambda heard: settings(heard, version)
    async with linked(fake) as it:
        await it.until_up()
        await it.link.resync()
    assert len(it.logged("ami.old_asterisk")) == warnings


async def test_logs_in_for_the_classes_that_count(fake: FakeAsterisk) -> None:
    """The login leaves out the classes of which nothing is wanted: VarSet alone is half of a call's events."""
    async with linked(fake) as it:
        await it.until_up()
    (login,) = fake.of("Login")
    assert login["Events"] == ["call,agent,system"]
    assert (login["Username"], login["Secret"]) == (["uapi"], [SECRET])


async def test_cancelled_link_says_goodbye(fake: FakeAsterisk) -> None:
    """Cancelling run() logs off, and the state says why the link is down."""
    async with linked(fake, QUICK) as it:
        await it.until_up()
    assert fake.names()[-1] == "Logoff"
    assert it.states[-1].reason == "The bridge is stopping."
