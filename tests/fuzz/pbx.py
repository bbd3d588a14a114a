"""A PBX with a few live calls, made of bytes: what it says is the test's, what it hears is kept byte by byte."""

import asyncio
from dataclasses import dataclass, field

from ami.fake import FakeAsterisk, Heard, event, message, rows, success
from bridge.grammar import CallId

EPOCH = 1340806130

QUESTIONS = frozenset({
    "BridgeList", "CoreSettings", "CoreStatus", "DeviceStateList", "Getvar", "Login", "Logoff", "ModuleCheck",
    "ParkedCalls", "Ping", "QueueStatus", "Status",
})  # fmt: skip
"""What may be asked at any time: none of it changes anything."""

PHONES = ("0003*100", "0003*101", "0003*210", "0003*024", "0003*025", "0004*210")

PARKED = f"{EPOCH}.7"
"""Waits in slot 701, parked by 0003*210; its id as a call: ``PARKED_CALL``."""
PARKED_CALL = CallId.of(PARKED)

Row = tuple[str, dict[str, str]]


def channel(uniqueid: str, name: str, state: int = 6, **more: str) -> dict[str, str]:
    """A channel's headers as Newchannel and Status have them."""
    headers = {"Channel": name, "ChannelState": str(state), "Uniqueid": uniqueid, "Linkedid": uniqueid}
    return headers | {"CallerIDNum": "0003*100", "CallerIDName": "Jane", "Seconds": "5"} | more


@dataclass
class Pbx(FakeAsterisk):
    """Has a parked call; rings whom it is told to, and says what that ring is for, as Asterisk does."""

    raw: list[bytes] = field(default_factory=list)
    """Every action, as it came."""
    channels: dict[str, dict[str, str]] = field(
        default_factory=lambda: {PARKED: channel(PARKED, "PJSIP/0003*100-00000007", DNID="0003*210")}
    )
    variables: dict[str, list[str]] = field(default_factory=dict)
    """What each channel's Variable headers say."""

    def __post_init__(self) -> None:
        self.answers |= {
            "Status": self._status,
            "ParkedCalls": lambda heard: rows(heard, "ParkedCallsComplete", ("ParkedCall", _PARKED)),
            "DeviceStateList": lambda heard: rows(
                heard,
                "DeviceStateListComplete",
                *(
                    ("DeviceStateChange", {"Device": f"PJSIP/{phone}", "State": "NOT_INUSE"})
                    for phone in PHONES
                ),
            ),
            "Getvar": self._getvar,
            "Originate": self._originate,
            "ModuleCheck": lambda heard: success(heard, Version=""),
        }

    def originates(self) -> list[bytes]:
        """Every Originate, as it came."""
        return [data for data in self.raw if b"Action: Originate\r\n" in data]

    def forget(self) -> None:
        """Forget what was heard."""
        self.raw.clear()
        self.heard.clear()

    def end_pickups(self) -> None:
        """The phones that ring stop, as if declined."""
        for uniqueid in [one for one in self.channels if one.startswith("uapi-")]:
            del self.channels[uniqueid]
            self.say(event("Hangup", Uniqueid=uniqueid, Cause="21"))

    async def until_alone(self) -> None:
        """Wait until every session is over."""
        async with asyncio.timeout(10):
            while self._writers:  # noqa: ASYNC110 (there is no event of their end)
                await asyncio.sleep(0.01)

    async def _act(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        self.raw.append(data)
        await super()._act(writer, data)

    def _getvar(self, heard: Heard) -> bytes:
        known = heard["Variable"][0].startswith("DIALPLAN_EXISTS")
        return success(heard, Variable=heard["Variable"][0], Value="1" if known else "")

    def _status(self, heard: Heard) -> bytes:
        wanted = heard.get("Channel", list(self.channels))
        told = b"".join(self._row(heard, one) for one in wanted if one in self.channels)
        last = event("StatusComplete", ActionID=heard["ActionID"][0], EventList="Complete")
        return success(heard, EventList="start") + told + last

    def _row(self, heard: Heard, uniqueid: str) -> bytes:
        told = [("Variable", text) for text in self.variables.get(uniqueid, ())]
        return message(
            ("Event", "Status"), *self.channels[uniqueid].items(), ("ActionID", heard["ActionID"][0]), *told
        )

    def _originate(self, heard: Heard) -> bytes:
        uniqueid = heard["ChannelId"][0]
        self.channels[uniqueid] = channel(uniqueid, f"{heard['Channel'][0]}-000000ff", 5)
        self.variables[uniqueid] = heard["Variable"]
        born = event("Newchannel", **self.channels[uniqueid])
        return success(heard, Message="Originate successfully queued") + born


_PARKED = {
    "ParkeeUniqueid": PARKED,
    "ParkingSpace": "701",
    "ParkerDialString": "PJSIP/0003*210",
    "ParkingDuration": "3",
}
