"""A caller from outside whose name and number are an attack, by SIP as it stands on the wire.

Numbers with line ends spoil Asterisk's own list of channels on the command line: who rings is asked of the bridge here.
"""

import socket
from typing import Any
from urllib.parse import quote

import pytest

from lab import Bridge, Lab, until
from lab.service import GLOBAL

pytestmark = [pytest.mark.anyio, pytest.mark.real]

_SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


def _invite(lab: Lab, name: str, user: str) -> None:
    """Send an INVITE for 0003*210 from the trunk's far end, and never say anything again."""
    host = f"127.0.0.2:{lab.asterisk.trunk_port}"
    lines = (
        f"INVITE sip:0003*210@127.0.0.1:{lab.asterisk.sip_port} SIP/2.0",
        f"Via: SIP/2.0/UDP {host};branch=z9hG4bK{abs(hash(user))}",
        f'From: "{name}" <sip:{quote(user, safe="")}@127.0.0.2>;tag=a',
        "To: <sip:0003*210@127.0.0.1>",
        f"Call-ID: {abs(hash(name + user))}",
        "CSeq: 1 INVITE",
        f"Contact: <sip:x@{host}>",
        "Max-Forwards: 70",
        "Content-Type: application/sdp",
        f"Content-Length: {len(_SDP)}",
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.2", lab.asterisk.trunk_port))
        message = "\r\n".join(lines) + "\r\n\r\n" + _SDP
        sender.sendto(message.encode("latin-1"), ("127.0.0.1", lab.asterisk.sip_port))


async def _others(bridge: Bridge) -> list[object]:
    """What is listed of the company, who has nothing to do with it."""
    return [(await bridge.calls(number, token=GLOBAL)) for number in ("0003*311", "0003*313")]


async def _uniqueid(lab: Lab) -> str:
    """The id of a channel of the company."""
    return next(row.uniqueid for row in await lab.asterisk.channels() if row.extension == "0003*311")


@pytest.mark.parametrize(
    ("name", "user"),
    [
        ("<b>&\xff\xfe\x1b[2J", "+4930900100"),
        ("A" * 500, "9" * 200),
        ("${SHELL(id)}", "1${EXTEN}2"),
        ("Jane", "7\r\nUniqueid: {other}\r\nLinkedid: {other}\r\nX: y"),
        ("Jane", "7\r\n\r\nEvent: Hangup\r\nUniqueid: {other}\r\nCause: 16\r\n\r\n"),
        ("Jane", "7\r\n\r\nEvent: Hangup\r\nUniqueid: {other}\r\nX"),
        ("Jane", "7\r\n\r\nEvent: StatusComplete\r\nActionID: resync-1/Status\r\n"),
        ("Jane", "7\r\n\r\nEvent: Shutdown\r\nPrivilege: system,all\r\n\r\n"),
    ],
    ids=[
        "markup",
        "long",
        "dialplan",
        "headers",
        "hangup",
        "hangup with a tail",
        "end of a list",
        "shutdown",
    ],
)
async def test_an_attack_by_name_or_number_is_an_ordinary_call(
    lab: Lab, bridge: Bridge, name: str, user: str
) -> None:
    """It is listed where it rings, as text that can be printed, can be picked up there, and changes no other call."""
    before = await _others(bridge)
    other = await _uniqueid(lab)
    _invite(lab, name, user.format(other=other) if "{other}" in user else user)

    async def rings() -> list[Any]:
        calls = await bridge.calls("0003*210")
        views = [(call, view) for call in calls for view in call["phoneCallView"]]
        return [
            (call, view) for call, view in views if (view["extension"], view["status"]) == ("0003*210", "3")
        ]

    ((call, phone),) = await until(rings, "it is listed that 210 rings")
    assert len(call["phoneCallView"]) == 2
    shown = str(phone)
    assert shown.isprintable()
    assert "<b>" not in shown
    assert len(shown) < 1000
    answer = await bridge.pick_up("0003*210", call["id"], "0003*024", view=phone["id"])
    assert answer.status_code == 202, answer.text
    await lab["024"].wait_for_ring()
    await lab.assert_company_untouched()
    assert await _others(bridge) == before
    await lab.ami.action({"Action": "Hangup", "Channel": "/^PJSIP.trunk-/"})

    async def over() -> bool:
        return not await lab.strangers() and not await bridge.calls("0003*210")

    await until(over, "the call is over, and no longer listed")
    if "\r\n" in user:
        await lab["210"].restart()  # baresip 1.1 takes no more calls after such a number
    assert '"level": "error"' not in bridge.log()
