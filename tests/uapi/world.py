"""A PBX made of events, the bridge on it, and a client of its API: what the tests of the HTTP side act with."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.testclient import TestClient

from bridge.ami import AmiError, LinkState, Originate
from bridge.app import Bridge, create_app
from bridge.calls import Headers
from bridge.grammar import CallId, ChannelName, Uniqueid
from bridge.settings import Settings
from bridge.tokens import sha256_hex

EPOCH = 1340806130
"""2012-06-27T14:08:50Z, the seed's 16:08:50+02:00."""

TOKENS = {
    app: f"token-of-{app}" for app in ("john", "mary", "chief", "root", "other", "boss", "clerk", "late")
}

CONFIGURATION: Mapping[str, Any] = {
    "organizations": [
        {"id": "3", "name": "Default Organization"},
        {"id": "4", "name": "Other Organization"},
    ],
    "users": [
        {
            "id": "12",
            "name": "John Doe",
            "organization": "3",
            "extensions": ["0003*210", "0003*1??", "0003*900"],
        },
        {"id": "13", "name": "Mary Roe", "organization": "3", "extensions": ["0003*024", "0003*025"]},
        {
            "id": "30",
            "name": "Chief",
            "organization": "3",
            "role": "organization",
            "extensions": ["0003*300"],
        },
        {"id": "1", "name": "Root", "organization": "4", "role": "global", "extensions": ["0004*001"]},
        {"id": "21", "name": "Other", "organization": "4", "extensions": ["0004*210"]},
    ],
    "queues": [{"name": "support", "extension": "0003*900"}],
    "apps": [
        {"id": app, "user": user, "tokens_sha256": [sha256_hex(TOKENS[app])]}
        for app, user in (("john", "12"), ("mary", "13"), ("chief", "30"), ("root", "1"), ("other", "21"))
    ],
}

PHONES = ("0003*100", "0003*101", "0003*210", "0003*024", "0003*025", "0003*300", "0004*001", "0004*210")


@dataclass
class ScriptedLink:
    """A link to a PBX that does what the test says when a phone is to be rung."""

    take: Callable[[Headers, float], None]
    tell: Callable[[LinkState], None]
    state: LinkState = field(
        default_factory=lambda: LinkState(up=True, reason="", context_loaded=True, asterisk="22.10.1", boot=1)
    )
    phone: str = "rings"
    """What the phone of sendCallTo does: rings, answers (later), is unreachable or silent; ``ends <cause>``; ``link lost``."""
    sent: list[tuple[Any, ...]] = field(default_factory=list)
    originated: list[Originate] = field(default_factory=list)
    rang: asyncio.Event = field(default_factory=asyncio.Event)
    at: float = EPOCH + 10.0
    logged_off: bool = False
    lag: float = 0.0

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.logged_off = True

    def go_down(self, reason: str) -> None:
        self.state = LinkState(up=False, reason=reason)
        self.tell(self.state)

    async def originate(self, originate: Originate) -> None:
        self.sent.append(("Originate", originate.endpoint))
        self.originated.append(originate)
        self.rang.set()
        if self.phone == "silent":
            return
        if self.phone == "unreachable":
            self.event("OriginateResponse", ActionID=originate.action_id, Response="Failure", Reason="0")
            return
        name = f"{originate.endpoint}-000000ff"
        self.event(
            "Newchannel", Uniqueid=originate.pickup, Linkedid=originate.pickup, Channel=name,
            ChannelState="0", CallerIDNum="", CallerIDName="",
        )  # fmt: skip
        self.event("Newstate", Uniqueid=originate.pickup, ChannelState="5")
        # Later than the answer to what is asked at Newchannel, as mostly.
        soon = asyncio.get_running_loop().call_later
        if self.phone == "answers":
            soon(0.01, self.answer_now)
        elif self.phone == "answers later":
            soon(2, self.answer_now)
        elif self.phone.startswith("ends "):
            soon(0.01, lambda: self.event("Hangup", Uniqueid=originate.pickup, Cause=self.phone[5:]))
        elif self.phone == "link lost":
            soon(0.01, self.go_down, "The connection was lost.")

    def let_go(self) -> None:
        """The phone that rings has answered; the target is hung up before the source is there."""
        originate = self.originated[-1]
        self.event("Newstate", Uniqueid=originate.pickup, ChannelState="6")
        self.event("Hangup", Uniqueid=originate.variables["UAPI_TARGET"], Cause="26")

    def answer_now(self) -> None:
        """The phone that rings answers, and takes the target's place beside the source."""
        originate = self.originated[-1]
        source = originate.variables["UAPI_SOURCE"]
        target = originate.variables["UAPI_TARGET"]
        self.event("Newstate", Uniqueid=originate.pickup, ChannelState="6")
        for uniqueid in (source, originate.pickup):
            self.event(
                "BridgeEnter", Uniqueid=uniqueid, Linkedid=f"{EPOCH}.7", BridgeUniqueid="b-new",
                BridgeType="basic", BridgeTechnology="simple_bridge",
            )  # fmt: skip
        if target != source:
            self.event("Hangup", Uniqueid=target, Cause="26")

    async def hangup(self, channel: ChannelName | Uniqueid, cause: int) -> None:
        self.sent.append(("Hangup", channel, cause))

    async def setvar(self, channel: Uniqueid, variable: str, value: str) -> None:
        self.sent.append(("Setvar", channel, variable, value))

    async def getvar(self, variable: str, channel: Uniqueid | None = None) -> str:
        if channel is None and variable.startswith("PJSIP_ENDPOINT"):
            return '"Mary Roe" <24>'
        return ""

    async def status(self, channel: Uniqueid) -> None:
        originate = next((one for one in reversed(self.originated) if one.pickup == channel), None)
        if originate is None:
            raise AmiError("no such channel")
        self.event(
            "Status", Uniqueid=channel, Linkedid=channel, Channel=f"{originate.endpoint}-000000ff",
            ChannelState="5", Seconds="0", ActionID="one-status",
            Variable=[f"{name}={value}" for name, value in originate.variables.items()],
        )  # fmt: skip

    async def check_context(self) -> bool:
        return self.state.context_loaded

    def event(self, name: str, **headers: str | list[str]) -> None:
        self.at += 0.001
        self.take({"Event": name, **headers}, self.at)


class World:
    """The PBX, the bridge, the client."""

    def __init__(self, changes: Mapping[str, Any] | None = None) -> None:
        self.settings = Settings.model_validate({**CONFIGURATION, **(changes or {})})
        links: list[ScriptedLink] = []

        def make_link(
            take: Callable[[Headers, float], None], tell: Callable[[LinkState], None]
        ) -> ScriptedLink:
            links.append(ScriptedLink(take, tell))
            return links[0]

        self.bridge: Bridge = create_app(self.settings, make_link=make_link)
        self.link = links[0]
        for phone in PHONES:
            self.event("DeviceStateChange", Device=f"PJSIP/{phone}", State="NOT_INUSE")

    def client(self, app: str | None = "john", **options: Any) -> TestClient:
        client = TestClient(self.bridge.asgi, base_url="https://uapi.voipnow.com", **options)
        if app:
            client.headers["Authorization"] = f"Bearer {TOKENS[app]}"
        return client

    def event(self, name: str, **headers: str | list[str]) -> None:
        self.link.event(name, **headers)

    @staticmethod
    def inside(client: TestClient, work: Callable[[], None]) -> None:
        """Let something happen on the bridge's own event loop, while a client is there."""
        assert client.portal is not None
        client.portal.call(work)

    # --- the vocabulary of calls; times are seconds after EPOCH

    def channel(
        self,
        sequence: int,
        name: str,
        state: int,
        *,
        linkedid: str | None = None,
        number: str = "",
        display: str = "",
        exten: str = "",
    ) -> str:
        uniqueid = f"{EPOCH + sequence // 100}.{sequence}"
        self.event(
            "Newchannel", Uniqueid=uniqueid, Linkedid=linkedid or uniqueid, Channel=f"{name}-{sequence:08x}",
            ChannelState=str(state), CallerIDNum=number, CallerIDName=display, Exten=exten,
        )  # fmt: skip
        return uniqueid

    def caller(
        self,
        extension: str = "0003*100",
        *,
        exten: str = "0003*210",
        sequence: int = 7,
        display: str = "Jane",
    ) -> str:
        """Somebody calls; an extension of the PBX, or an outside number."""
        name = f"PJSIP/{extension}" if "*" in extension else "PJSIP/trunk"
        return self.channel(sequence, name, 4, number=extension, display=display, exten=exten)

    def ring(self, caller: str, extension: str = "0003*210", *, sequence: int = 8) -> str:
        """A phone rings for a caller."""
        called = self.channel(sequence, f"PJSIP/{extension}", 0, linkedid=caller, number=extension)
        self.event("DialBegin", Uniqueid=caller, DestUniqueid=called)
        self.event("Newstate", Uniqueid=called, ChannelState="5")
        return called

    def talk(self, caller: str, called: str, *, at: float = 5.0) -> None:
        """The phone answers; both are in one bridge."""
        self.link.at = EPOCH + at
        for uniqueid in (called, caller):
            self.event("Newstate", Uniqueid=uniqueid, ChannelState="6")
        for uniqueid in (caller, called):
            self.event(
                "BridgeEnter", Uniqueid=uniqueid, Linkedid=caller, BridgeUniqueid=f"b-{caller}",
                BridgeType="basic", BridgeTechnology="simple_bridge",
            )  # fmt: skip

    def park(self, caller: str, *, by: str = "0003*210", space: str = "701") -> None:
        """A caller is parked."""
        self.event("Newstate", Uniqueid=caller, ChannelState="6")
        self.event(
            "BridgeEnter", Uniqueid=caller, Linkedid=caller, BridgeUniqueid="lot", BridgeType="parking",
            BridgeTechnology="holding_bridge",
        )  # fmt: skip
        self.event("ParkedCall", ParkeeUniqueid=caller, ParkingSpace=space, ParkerDialString=f"PJSIP/{by}")

    def queue(self, caller: str, name: str = "support") -> None:
        """A caller waits in a queue."""
        self.event("Newstate", Uniqueid=caller, ChannelState="6")
        self.event("QueueCallerJoin", Uniqueid=caller, Queue=name)

    def gone(self, uniqueid: str, cause: int = 16) -> None:
        self.event("Hangup", Uniqueid=uniqueid, Cause=str(cause))

    def ringing(self) -> str:
        """0003*100 calls 0003*210, which rings; the call's id."""
        caller = self.caller()
        self.ring(caller)
        return CallId.of(caller)


def path(call: str = "", *, user: str = "@me", extension: str = "0003*210") -> str:
    return f"/uapi/phoneCalls/{user}/{extension}" + (f"/{call}" if call else "")


def pickup(**members: Any) -> dict[str, Any]:
    """The seed's request body, and what the test wants different."""
    body = {
        "action": "PickUp",
        "sendCallTo": "0003*024",
        "callerId": "John Doe <42420042>",
        "waitForPickup": "20",
        "phoneCallViewId": "01",
        **members,
    }
    return {name: value for name, value in body.items() if value is not ...}
