"""A caller's number may hold line ends, so that an event comes in pieces, with others of his own making between them.

Texts are what Asterisk 16.28 and 22.10.1 were seen to send; nobody's is longer than 79 characters.
"""

import pytest

from ami.fake import FakeAsterisk, event
from ami.linked import linked
from bridge.calls import LIVE, begins, text, whole
from bridge.calls.whole import LONGEST_TEXT, SHAPES

pytestmark = pytest.mark.anyio

OWN, VICTIM = "1795477232.5", "1795477231.3"

FORGED = (
    f"7\r\n\r\nEvent: Hangup\r\nUniqueid: {VICTIM}\r\nCause: 16\r\n",
    f"7\r\n\r\nEvent: Hangup\r\nUniqueid: {VICTIM}\r\nCause: 16\r\n\r\n",
    f"7\r\n\r\nEvent: Hangup\r\nUniqueid: {VICTIM}\r\nX",
    f"\r\n\r\n\r\nEvent: Hangup\r\n\r\n\r\nUniqueid: {VICTIM}\r\n\r\n",
    "7\r\n\r\nEvent: Hangup\r\nPrivilege: call,all\r\nChannel: SIP/1-1\r\n\r\n",
    "7\r\n\r\nEvent: StatusComplete\r\nActionID: resync-1/Status\r\n\r\n",
    f"7\r\n\r\nEvent: Status\r\nUniqueid: {VICTIM}\r\nActionID: resync-2/Status\r\n\r\n",
    "7\r\n\r\nEvent: Shutdown\r\nPrivilege: system,all\r\n\r\n",
    "7\r\n\r\nResponse: Error\r\nActionID: Ping/3\r\nMessage: Asterisk is shutting down\r\n",
    "7\r\n\r\nResponse: a\r\nEvent: Shutdown\r\n\r\n",
    "7\r\n\r\n",
    "7\r\n\r\nX: y",
    f"7\r\nUniqueid: {VICTIM}\r\nLinkedid: {VICTIM}\r\n\r\n",
)
"""Numbers that are events."""


def _event(name: str, number: str, **more: str) -> bytes:
    return event(
        name, Channel="PJSIP/trunk-00000005", ChannelState="4", ChannelStateDesc="Ring", CallerIDNum=number,
        Exten="0003*210", Uniqueid=OWN, Linkedid=OWN, **more,
    )  # fmt: skip


@pytest.mark.parametrize("number", FORGED, ids=range(len(FORGED)))
async def test_an_event_in_a_number_is_none(fake: FakeAsterisk, number: str) -> None:
    """Only the true event comes of it, with its own ids last, and the link stays up."""
    assert len(number) <= LONGEST_TEXT
    async with linked(fake) as it:
        await it.until_up()
        before = len(it.events)
        fake.say(
            _event("Newchannel", number) + _event("Newstate", "7") + _event("Hangup", number, Cause="17")
        )
        await it.until(lambda: "Hangup" in it.names()[before:])
        assert await it.link.check_context()
        assert it.link.state.boot == 1
        assert it.logged("ami.message_failed") == []
    heard = it.events[before:]
    assert [headers["Event"] for headers in heard] == ["Newchannel", "Newstate", "Hangup"]
    for headers in heard:
        told = [text(headers, name) for name in ("Channel", "Uniqueid", "Linkedid")]
        assert told == ["PJSIP/trunk-00000005", OWN, OWN]
    assert text(heard[-1], "Cause") == "17"


async def test_an_event_that_stays_in_pieces_takes_no_other_with_it(fake: FakeAsterisk) -> None:
    """Where its end has gone into an event that nobody wants, it is left out, and the next is itself."""
    async with linked(fake) as it:
        await it.until_up()
        told = len(it.events)
        fake.say(_event("Newchannel", "7\r\n\r\nEvent: X\r\nY: z") + _event("Newstate", "7"))
        fake.say(_event("Newchannel", "7\r\n\r\nEvent: X\r\nY: z") + _event("Newstate", "7\r\n\r\n"))
        fake.say(b"Uniqueid: 1.1\r\nLinkedid: 1.1\r\n\r\n" + _event("Hangup", "7"))
        await it.until(lambda: "Hangup" in it.names()[told:])
    assert it.names()[told:] == ["Newstate", "Newstate", "Hangup"]


async def test_pieces_do_not_grow_for_ever(fake: FakeAsterisk) -> None:
    """What never becomes whole is given up."""
    async with linked(fake) as it:
        await it.until_up()
        told = len(it.events)
        beginning, _, end = _event("Newstate", "7%").partition(b"%")
        fake.say(beginning + b"\r\n\r\n" + b"X: y\r\n\r\n" * 10_000 + end + _event("Hangup", "7"))
        await it.until(lambda: "Hangup" in it.names()[told:])
        assert it.link._connection
        assert len(it.link._connection._pieces) < 1 << 15
    assert it.names()[told:] == ["Hangup"]


@pytest.mark.parametrize("name", sorted(LIVE - {"Rename", "DeviceStateChange"}))
def test_no_text_is_long_enough_for_the_beginning_of_an_event(name: str) -> None:
    """What stands before a number in each running event, even if it says nothing, is more than anybody can write."""
    least = {"Event": name, "Privilege": ""} | dict.fromkeys(SHAPES[name], "")
    if name == "DialBegin":
        least = {
            header: value
            for header, value in least.items()
            if header in ("Event", "Privilege") or header[0] == "D"
        }
    assert whole(least)
    assert begins(least)
    for missing in least:
        some = {header: value for header, value in least.items() if header != missing}
        assert not whole(some) or missing in ("Event", "DialString")
    number = next(at for at, header in enumerate(least) if header.endswith("CallerIDNum"))
    lines = [f"{header}:{value}" for header, value in [*least.items()][: number + 1]]
    assert len("\r\n".join(("", "", *lines))) > LONGEST_TEXT
