"""The questions: one manager session, each asked once, no call touched and no phone rung.

The session is the link's own kind of connection, only that it also listens to events that the bridge does not want:
whether they come is how one sees the event filter.
"""

import asyncio
import re
import secrets
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

from bridge.ami import Connection, Refused, Request, Timing, context_exists, getvar
from bridge.calls import WANTED, Headers, text
from bridge.doctor.facts import Facts, Probe, phones
from bridge.includes import Step
from bridge.settings import AmiSettings, Settings

UNWANTED = frozenset({"SoftHangupRequest", "HangupRequest", "DialEnd", "DialState", "LocalBridge"}) - WANTED
"""Events of class ``call`` that the shipped filter keeps back, and that each end of a Local channel causes (seen on
16.28 and 22.10: the first three; without a filter all of them)."""

PROBED = frozenset({"Newchannel", "DialBegin", "Hangup", "OriginateResponse"})
"""Events of the probe that must come."""

PROBE_MS = 200
"""How long the probe may live."""

_ROWS = frozenset({"QueueParams", "ListDialplan", "ShowDialPlanComplete"})
_PRIVILEGES = re.compile(r"\(Priv: ([a-z,]+)\)")
_QUEUE_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,128}")


class Heard:
    """The events of a session, and a way to wait for one."""

    def __init__(self) -> None:
        self.events: list[Headers] = []
        self._more = asyncio.Event()

    def take(self, headers: Headers, _: float) -> None:
        """Keep an event."""
        self.events.append(headers)
        self._more.set()

    async def until(self, fact: Callable[[], bool], seconds: float) -> None:
        """Wait until something holds, or for so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not fact():
                    self._more.clear()
                    await self._more.wait()


async def open_session(settings: AmiSettings, timing: Timing, heard: Heard) -> Connection:
    """Connect and log in.

    Raises:
        LinkDown: nobody is there, or nobody who speaks AMI.
        Refused: the login was not accepted.
    """
    return await Connection.open(
        settings.host,
        settings.port,
        settings.username,
        settings.secret.get_secret_value(),
        tls=ssl.create_default_context(cafile=settings.ca_file or None) if settings.tls else None,
        on_event=heard.take,
        clock=time.time,
        timing=timing,
        also=UNWANTED | _ROWS,
    )


async def ask_all(
    session: Connection, heard: Heard, settings: Settings, *, probing: bool, patience: float
) -> Facts:
    """Ask everything.

    Args:
        session: A session that is logged in.
        heard: What it hears.
        settings: The configuration to compare with.
        probing: Whether to send the probe.
        patience: Seconds to wait for what comes in events.

    Raises:
        LinkDown: the connection was lost meanwhile.
        NoAnswer: a question had no answer in time.
    """
    return await _Asking(session, heard, settings, patience).all(probing=probing)


class _Asking:
    def __init__(self, session: Connection, heard: Heard, settings: Settings, patience: float) -> None:
        self._session = session
        self._heard = heard
        self._settings = settings
        self._patience = patience
        self._refused: dict[str, str] = {}

    async def all(self, *, probing: bool) -> Facts:
        core = await self._ask(Request("CoreSettings"))
        values = await self._values()
        devices = await self._devices()
        return Facts(
            settings=self._settings,
            commands=await self._commands(),
            asterisk=text(core, "AsteriskVersion") if core else None,
            cdr=text(core, "CoreCDRenabled") == "Yes" if core else None,
            clock=await self._clock(),
            values=values | await self._endpoint_function(devices),
            dialplan=await self._dialplan(),
            devices=None if devices is None else devices | await self._states_of_unlisted(devices),
            listed=frozenset(devices or ()),
            queues=await self._queues(),
            parking=await self._ask(Request("ParkedCalls", rows=True)) is not None,
            probe=await self._probe()
            if probing and values.get("pickup") == values.get("gone") == "1"
            else None,
            refused=self._refused,
        )

    async def _ask(self, request: Request) -> Headers | None:
        try:
            return await self._session.ask(request)
        except Refused as error:
            self._refused[request.name] = error.message
            return None

    async def _getvar(self, variable: str) -> str | None:
        answer = await self._ask(Request("Getvar", (("Variable", variable),)))
        return text(answer, "Value") if answer else None

    async def _commands(self) -> dict[str, frozenset[str]]:
        answer = await self._ask(Request("ListCommands")) or {}
        found = {name: _PRIVILEGES.search(text(answer, name)) for name in answer}
        return {
            name: frozenset(match[1].split(",")) - {"all"} if match else frozenset()
            for name, match in found.items()
            if name not in ("Response", "ActionID")
        }

    async def _clock(self) -> float | None:
        before = time.time()
        answer = await self._session.ask(Request("Ping"))
        after = time.time()
        try:
            return float(text(answer, "Timestamp")) - (before + after) / 2
        except ValueError:
            return None

    async def _values(self) -> dict[str, str]:
        context = self._settings.pbx.context
        asked = {
            "pickup": dict(context_exists(context).headers)["Variable"],
            "gone": f"DIALPLAN_EXISTS({context},gone,1)",
            "CHANNEL_EXISTS": "CHANNEL_EXISTS(uapi-doctor)",
            # IMPORT itself says nothing without a channel; ISNULL is of the same module.
            "IMPORT": "ISNULL(x)",
            # Reading it does no harm, and it is of the module that has FILE().
            "ENV": "ENV(PATH)",
        }
        values = {name: await self._getvar(variable) for name, variable in asked.items()}
        return {name: value for name, value in values.items() if value is not None}

    async def _endpoint_function(self, devices: dict[str, str] | None) -> dict[str, str]:
        """What PJSIP_ENDPOINT says of some endpoint's context, which each has."""
        name = next((one[6:] for one in devices or () if one.startswith("PJSIP/")), None)
        variable = f"PJSIP_ENDPOINT({name},context)"
        try:
            answer = await self._ask(getvar(variable)) if name else None
        except ValueError:
            return {}
        return {"PJSIP_ENDPOINT": text(answer, "Value")} if answer else {}

    async def _dialplan(self) -> tuple[Step, ...] | None:
        id_ = f"doctor-{secrets.token_hex(4)}"
        request = Request("ShowDialPlan", (("Context", self._settings.pbx.context),), action_id=id_)
        if await self._ask(request) is None:
            return None

        def rows() -> list[Headers]:
            return [event for event in self._heard.events if event.get("ActionID") == id_]

        await self._heard.until(
            lambda: any(row["Event"] == "ShowDialPlanComplete" for row in rows()), self._patience
        )
        found = (
            Step(
                text(row, "Extension"),
                int(text(row, "Priority")),
                text(row, "Application"),
                text(row, "AppData"),
            )
            for row in rows()
            if row["Event"] == "ListDialplan" and text(row, "Priority").isdecimal()
        )
        return tuple(sorted(found, key=lambda step: (step.extension, step.priority)))

    async def _devices(self) -> dict[str, str] | None:
        id_ = f"doctor-{secrets.token_hex(4)}"
        if await self._ask(Request("DeviceStateList", action_id=id_, rows=True)) is None:
            return None
        return {
            text(event, "Device"): text(event, "State")
            for event in self._heard.events
            if event.get("ActionID") == id_ and event["Event"] == "DeviceStateChange"
        }

    async def _states_of_unlisted(self, devices: dict[str, str]) -> dict[str, str]:
        """Asked one by one: a technology without DeviceStateList's favour, or no device at all."""
        return {
            endpoint: await self._getvar(f"DEVICE_STATE({endpoint})") or "INVALID"
            for endpoint in phones(self._settings).values()
            if endpoint and endpoint not in devices
        }

    async def _queues(self) -> dict[str, bool]:
        found: dict[str, bool] = {}
        if not self._settings.queues:
            await self._ask(Request("QueueStatus", rows=True))
        for queue in self._settings.queues:
            if not _QUEUE_NAME.fullmatch(queue.name):
                continue
            end = await self._ask(Request("QueueStatus", (("Queue", queue.name),), rows=True))
            if end is not None:
                found[queue.name] = text(end, "ListItems") not in ("", "0")
        return found

    async def _probe(self) -> Probe:
        """Send a Local channel where a pickup leg would go, with itself as the target.

        PickupChan() fails on a channel that is in the dialplan; then the channel waits for the target to be bridged
        until its time is up. Nothing of it reaches a phone.
        """
        id_ = f"uapi-doctor-{secrets.token_hex(4)}"
        halves = {id_, f"{id_}-2"}
        context = self._settings.pbx.context
        begin = len(self._heard.events)
        try:
            await self._session.ask(
                Request(
                    "Originate",
                    (
                        ("Channel", f"Local/pickup@{context}/n"),
                        ("ChannelId", id_),
                        ("OtherChannelId", f"{id_}-2"),
                        ("Context", context),
                        ("Exten", "gone"),
                        ("Priority", "1"),
                        ("Timeout", str(PROBE_MS)),
                        ("Async", "true"),
                        ("Variable", "UAPI_MODE=ringing"),
                        ("Variable", f"UAPI_TARGET={id_}-2"),
                    ),
                    action_id=id_,
                )
            )
        except Refused as error:
            return Probe(refused=error.message)

        def told() -> list[Headers]:
            return [event for event in self._heard.events[begin:] if halves & _channels(event)]

        def ended() -> bool:
            names = [event["Event"] for event in told()]
            return names.count("Hangup") == len(halves) and "OriginateResponse" in names

        await self._heard.until(ended, self._patience)
        since = self._heard.events[begin:]
        hangups = [event for event in told() if event["Event"] == "Hangup"]
        outcomes = [event for event in told() if event["Event"] == "OriginateResponse"]
        return Probe(
            events=frozenset(text(event, "Event") for event in told()),
            unwanted=frozenset(text(event, "Event") for event in since) & UNWANTED,
            reason=text(outcomes[-1], "Reason") if outcomes else "",
            causes=frozenset(text(event, "Cause") for event in hangups),
            stamped=any("Timestamp" in event for event in told()),
        )


def _channels(event: Headers) -> set[str]:
    return {text(event, "Uniqueid"), text(event, "DestUniqueid")}
