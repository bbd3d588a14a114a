"""What the tests of the states have in common: how a call gets there, who is with whom then, and who tells it."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx2

from lab import Bridge, Lab, PhoneCall, until
from lab.floor import COMPANY
from lab.service import JOHN, OWNER

View = dict[str, Any]
Call = dict[str, Any]

RING = TALK = {"00": "0003*100", "01": "0003*210"}
"""The views of the plainest call: 100 has dialled 210."""

_DATES = {"answered", "published", "ringing", "parked"}
"""Members that two bridges may date a second apart: one saw the event, the other asked Asterisk."""


# ------------------------------------------------------------------ how a call gets there


async def ring(lab: Lab, number: str = "0003*210", *, caller: str = "100", callee: str = "210") -> PhoneCall:
    """Let a caller dial until the phone called rings; return that phone's call."""
    await lab[caller].dial(number)
    return await rings(lab, callee)


async def rings(lab: Lab, phone: str) -> PhoneCall:
    """Wait until a phone rings and Asterisk knows that it does; return the phone's call."""
    ringing = await lab[phone].wait_for_ring()

    async def known() -> bool:
        rows = await lab.strangers()
        return any(row.extension == lab[phone].extension and row.state == "Ringing" for row in rows)

    await until(known, f"{phone} rings")
    return ringing


async def told_whose_ring_to_take(lab: Lab, phone: str) -> None:
    """Wait until the pickup's dialplan knows of the ring at a phone that rings only since the pickup was asked for."""
    ring = await uniqueid(lab, phone)
    await lab.ami.wait_for(lambda event: (event.get("Variable"), event.get("Value")) == ("UAPI_RING", ring))


async def talk(lab: Lab, number: str = "0003*210", *, caller: str = "100", callee: str = "210") -> PhoneCall:
    """Let two talk; return the call as the phone that was called has it."""
    ringing = await ring(lab, number, caller=caller, callee=callee)
    await lab[callee].accept(ringing)
    await only(lab, {"trunk" if caller == "outside" else caller, callee})
    return ringing


async def asks(bridge: Bridge, at: str, call: str, to: str, **more: Any) -> httpx2.Response:
    """PUT a PickUp, and again as long as the bridge has not yet heard that the caller waits."""

    async def heard() -> httpx2.Response | None:
        answer = await bridge.pick_up(at, call, to, **more)
        early = answer.status_code == 409 and "with nobody" in answer.text
        return None if early else answer

    answer = await until(heard, "the bridge knows that the caller waits")
    assert answer is not None
    return answer


async def take(
    lab: Lab,
    bridge: Bridge,
    at: str,
    call: str,
    *,
    view: str = "01",
    to: str = "024",
    token: str = JOHN,
    caller_id: str | None = None,
    action: str = "PickUp",
) -> Call:
    """Pick a call up by a phone that answers at once; the answer says so, and is returned."""
    lab[to].on_ring("accept")
    answer = await asks(
        bridge, at, call, f"0003*{to}", view=view, token=token, caller_id=caller_id, wait=20, action=action
    )
    lab[to].on_ring("")
    assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
    picked_up: Call = answer.json()
    assert picked_up["id"] == call
    assert f"0003*{to}" in views(picked_up).values()
    return picked_up


# ------------------------------------------------------------------ what the API says


async def shows(
    bridge: Bridge, at: str, expected: dict[str, str], statuses: str = "", *, token: str = JOHN
) -> Call:
    """Wait until the one call of an extension has exactly these views, and return it.

    Args:
        bridge: Who is asked.
        at: The extension.
        expected: The extension of each view, by the view's id.
        statuses: The status of each view, in the order of the list: "43".
        token: Whose token.
    """

    async def so() -> Call | None:
        call = await bridge.call(at, token=token)
        said = "".join(each["status"] for each in call["phoneCallView"])
        return call if views(call) == expected and statuses in ("", said) else None

    try:
        found = await until(so, f"the call at {at} is {expected} {statuses}", timeout=20)
    except TimeoutError:
        raise AssertionError(
            f"{at} has {await bridge.calls(at, token=token)}, not {expected} {statuses}"
        ) from None
    assert found is not None
    return found


def views(call: Call) -> dict[str, str]:
    """Return the extension of each view, by the view's id; no two ids are the same, and no stranger is there."""
    shown = {view["id"]: view.get("extension", "") for view in call["phoneCallView"]}
    assert len(shown) == len(call["phoneCallView"]), f"two views show one id: {call}"
    assert not set(shown.values()) & set(COMPANY), f"strangers are in the call: {call}"
    return shown


def view(call: Call, id_: str) -> View:
    """Return the view that has this id."""
    shown: list[View] = call["phoneCallView"]
    return next(each for each in shown if each["id"] == id_)


def view_of(call: Call, extension: str) -> View:
    """Return the one view of an extension."""
    shown: list[View] = call["phoneCallView"]
    found = [each for each in shown if each.get("extension") == extension]
    assert len(found) == 1, f"{extension} has {len(found)} views: {call}"
    return found[0]


def picked_up_from(number: str, to: str, status: str = "connected") -> dict[str, str]:
    """Return what ``pickUp`` says of a pickup."""
    return {"from": number, "sendCallTo": to, "status": status}


def refused(answer: httpx2.Response, code: str = "pc_pickup_conflict", status: int = 409) -> str:
    """Return the sentence of a refusal, which must be this one."""
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"
    assert answer.json()["error"]["code"] == code, answer.text
    return str(answer.json()["error"]["message"])


async def agree(lab: Lab, bridge: Bridge, *, forgets: tuple[str, ...] = ("answered",)) -> None:
    """A bridge that is started now lists the same calls as the one that saw them begin.

    It may date the beginning of a hold by its own start, and forget a pickup that failed.

    Args:
        lab: Where they are.
        bridge: The one that saw them begin.
        forgets: Members of which Asterisk may have no trace in this state: absent in the new bridge's list, but not
            different. When a call was answered it forgets at every change of its bridges.
    """
    if await booked_late(lab):
        forgets = (*forgets, "answered")
    async with Bridge(lab.asterisk.ami) as newcomer:

        async def differences() -> list[str]:
            live, fresh = await _everything(bridge), await _everything(newcomer)
            return _differences("", live, fresh, forgets) or ["none"]

        async def none() -> bool:
            return await differences() == ["none"]

        try:
            await until(none, "both bridges list the same")
        except TimeoutError:
            raise AssertionError(f"they differ: {await differences()}") from None


async def booked_late(lab: Lab) -> bool:
    """Whether Asterisk began somebody's call record so late that it no longer tells when he was answered."""
    for row in await lab.strangers():
        born = re.search(r"(\d+)\.\d+$", row.uniqueid)
        asked = {"Action": "Getvar", "Channel": row.name, "Variable": "CDR(start,u)"}
        (answer,) = await lab.ami.action(asked)
        if born and float(answer.get("Value") or 0) - int(born[1]) >= 1.4:
            return True
    return False


async def _everything(bridge: Bridge) -> Call:
    calls = await bridge.calls("@self", token=OWNER)
    return {
        call["id"]: {
            **{name: value for name, value in call.items() if name not in ("link", "links")},
            "phoneCallView": {each["id"]: _lasting(each) for each in call["phoneCallView"]},
            "order": [each["id"] for each in call["phoneCallView"]],
        }
        for call in calls
    }


def _lasting(shown: View) -> View:
    lasting = dict(shown)
    if "onHold" in lasting:
        lasting["onHold"] = "since whenever"
    if lasting.get("pickUp", {}).get("status") not in (None, "ringing", "connected"):
        del lasting["pickUp"]
    return lasting


def _differences(path: str, live: Any, fresh: Any, forgets: tuple[str, ...]) -> list[str]:
    if isinstance(live, Mapping) and isinstance(fresh, Mapping):
        return [
            text
            for name in sorted(set(live) | set(fresh))
            for text in _differences(f"{path}/{name}", live.get(name), fresh.get(name), forgets)
        ]
    name = path.rpartition("/")[2]
    if live == fresh or (name in forgets and fresh is None):
        return []
    if name in _DATES and live and fresh and _apart(live, fresh) <= 1:
        return []
    return [f"{path}: {live!r} (live), {fresh!r} (new)"]


def _apart(one: str, other: str) -> float:
    return abs((datetime.fromisoformat(one) - datetime.fromisoformat(other)).total_seconds())


# ------------------------------------------------------------------ what Asterisk says


async def together(lab: Lab) -> set[frozenset[str]]:
    """Who is with whom, followed through Local pairs, by short numbers; the company left out.

    Whoever is alone in a bridge is there as well: parked, in a queue, or left behind.
    """
    groups = [set(group) for group in await lab.groups()]
    halves = {name[:-1] for group in groups for name in group if name.startswith("Local/")}
    for pair in halves:
        ends = [group for group in groups if group & {f"{pair}1", f"{pair}2"}]
        joined: set[str] = set().union(*ends)
        groups = [group for group in groups if group not in ends] + [joined]
    return {
        frozenset(re.sub(r"^\d+\*", "", name) for name in group if not name.startswith("Local/"))
        for group in groups
    }


async def only(lab: Lab, *groups: set[str], timeout: float = 20) -> None:  # noqa: ASYNC109 (as everywhere in the lab)
    """Wait until exactly these are together, and nobody else is in any bridge."""
    wanted = {frozenset(group) for group in groups}

    async def so() -> bool:
        return await together(lab) == wanted

    try:
        await until(so, f"{groups} are together, nobody else", timeout=timeout)
    except TimeoutError as late:
        raise TimeoutError(f"{late}; {await together(lab)}; channels: {await lab.strangers()}") from None


async def over(lab: Lab) -> None:
    """Wait until no channel is left but the company's."""

    async def quiet() -> bool:
        return not await lab.strangers()

    await until(quiet, "all channels are gone")


# ------------------------------------------------------------------ what Asterisk's books say


async def uniqueid(lab: Lab, phone: str) -> str:
    """Return the Uniqueid of a phone's one channel."""
    rows = [row for row in await lab.strangers() if row.extension == lab[phone].extension]
    assert len(rows) == 1, f"{phone} has {len(rows)} channels"
    return rows[0].uniqueid


async def talks(lab: Lab, caller: str, *connected: str, rang: str = "") -> None:
    """Wait until the call records say with whom a caller talked.

    Args:
        lab: Where the call was; it is over.
        caller: Uniqueid of his channel.
        connected: With whom, one after the other, by short numbers.
        rang: Whose ring was taken: Asterisk books it as answered, for as long as it rang, where the caller himself had
            been answered before, or as not answered (22.10 does both).
    """

    async def rows() -> list[dict[str, str]]:
        return [row for row in lab.asterisk.cdr() if row["uniqueid"] == caller]

    async def so() -> bool:
        answered = [
            re.sub(r"^PJSIP/(?:\d+\*)?|-[0-9a-f]{8}$", "", row["dstchannel"])
            for row in await rows()
            if row["disposition"] == "ANSWERED" and row["dstchannel"]
        ]
        return answered in (list(connected), [rang, *connected])

    try:
        await until(so, "the call records are written", timeout=20)
    except TimeoutError:
        raise AssertionError(f"not {connected}, but {await rows()}") from None


def queue_log(lab: Lab, caller: str) -> list[tuple[str, str]]:
    """Return what queue_log says of a caller: (agent, event), without the enter."""
    return [
        (row[3], row[4]) for row in lab.asterisk.queue_log() if row[1] == caller and row[4] != "ENTERQUEUE"
    ]
