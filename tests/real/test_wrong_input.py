"""Whatever is wrong with a request gets its code, and Asterisk hears of it nothing but, at most, a question."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from lab import AmiProxy, Bridge, Lab
from lab.service import GLOBAL, JANE, JOHN, OWNER, STRANGER

pytestmark = [pytest.mark.anyio, pytest.mark.real]

QUESTIONS = {
    "BridgeList", "CoreSettings", "CoreStatus", "DeviceStateList", "Getvar", "ParkedCalls", "Ping", "QueueStatus",
    "Status",
}  # fmt: skip
"""What Asterisk may be sent by a request that is refused."""

GOOD = {
    "action": "PickUp",
    "sendCallTo": "0003*024",
    "callerId": "John Doe <42420042>",
    "waitForPickup": "20",
    "phoneCallViewId": "01",
}


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()


@dataclass(frozen=True)
class Stage:
    """What the requests are about: 100 calls 210, and 025 (who is Jane's) calls 211; 024 is free."""

    lab: Lab
    bridge: Bridge
    proxy: AmiProxy
    ids: dict[str, str]
    """The ids of the calls at 210 and 211, and that of the company."""

    async def channels(self) -> set[str]:
        return {row.uniqueid for row in await self.lab.asterisk.channels()}


@pytest.fixture(scope="module")
async def stage(office: Lab) -> AsyncIterator[Stage]:
    """Two calls that ring, a bridge, and a proxy that sees what the bridge sends to Asterisk."""
    async with AmiProxy(office.asterisk.ami) as proxy, Bridge(proxy.login) as bridge:
        await office["100"].dial("0003*210")
        await office["210"].wait_for_ring()
        await office["025"].dial("0003*211")
        await office["211"].wait_for_ring()
        company = await bridge.call("0003*311", token=GLOBAL)
        ids = {name: (await bridge.seen(f"0003*{name}"))["id"] for name in ("210", "211")}
        yield Stage(office, bridge, proxy, ids | {"311": company["id"]})
    assert await office.reset() == []
    await office.assert_company_untouched()


@dataclass(frozen=True)
class Wrong:
    """A request that is the seed's but for what is given, and what it gets."""

    status: int
    code: str
    what: dict[str, Any]
    """Members of the body that are otherwise; ABSENT removes one."""
    user: str = "@me"
    extension: str = "0003*210"
    call: str = "{210}"
    method: str = "PUT"
    path: str = ""
    content: bytes | None = None
    token: str = JOHN
    headers: tuple[tuple[str, str], ...] = ()

    async def send(self, stage: Stage) -> httpx2.Response:
        path = self.path or f"/uapi/phoneCalls/{self.user}/{self.extension}/{self.call}"
        for name, id_ in stage.ids.items():
            path = path.replace(f"{{{name}}}", id_)
        body = {name: value for name, value in (GOOD | self.what).items() if value is not ABSENT}
        content = json.dumps(body).encode() if self.content is None else self.content
        headers = {"Content-Type": "application/json"} | dict(self.headers)
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return await stage.bridge.http.request(self.method, path, content=content, headers=headers)


def _member(code: str, name: str, values: list[Any]) -> list[Wrong]:
    return [Wrong(400, code, {name: value}) for value in values]


def _raw(code: str, *bodies: bytes) -> list[Wrong]:
    return [Wrong(400, code, {}, content=body) for body in bodies]


def _calls(*ids: str) -> list[Wrong]:
    return [Wrong(400, "pc_phonecall_invalid", {}, call=id_) for id_ in ids]


WRONG = [
    # the seed's table
    *_member(
        "pc_timeout_invalid", "waitForPickup", [
        "0", 0, "-1", -5, "abc", "", " ", True, [20], {"seconds": 20}, 3601, "1e3", "0x10", "٢٠", "20\r\nAction: Logoff",
        1e308,
    ]),
    *_member(
        "pc_callerid_invalid", "callerId", [
        "John Doe", "John Doe <", "<>", "", "John <12a>", "John Doe <+>", 42, ["John Doe <42>"], {}, "a" * 81 + "<42>",
        'John "Q" Doe <42>', "John ${SHELL(id)} <42>", "John;Doe <42>", "John\\Doe <42>", "John\u202eDoe <42>",
        "John Doe <424\r\n20042>", "John\r\nAction: Originate\r\nChannel: PJSIP/0003*025\r\n\r\n <42>", "John\x00 <42>",
        "John <" + "4" * 33 + ">",
    ]),
    *_calls(
        "b817d2618fe6f1804333", "0", "no-such-call", "%2A", "b817%0d%0aAction:%20Logoff", "a" * 65, "{311}", "{211}",
    ),
    *_member(
        "pc_phonecallview_invalid", "phoneCallViewId", [
        ABSENT, None, "", "99", "1", "xx", "01 ", "01\r\nAction: Logoff", True, ["01"], {}, -1, 1.5, "0" * 33,
    ]),
    *_member(
        "pc_sendcallto_invalid", "sendCallTo", [
        ABSENT, None, "", "@self", "John", "0003*777", "0003*999", "0003*900", "0004*100", True, ["0003*024"], {}, -24,
        "0003*024&PJSIP/0003*025", "PJSIP/0003*024", "0003*024\r\nExten: 0003*025", "0003*024/n", "Local/700@internal",
        "9" * 33, "+0003*024",
    ]),
    # our own
    *_raw(
        "request_invalid", b"", b"{", b"null", b"[]", b'"PickUp"', b"{}", b'{"action": null}', b"\xff\xfe\x00",
        b'{"action": "PickUp", "sendCallTo": NaN}', b"[" * 5000, b'{"callerId:"John Doe <42420042>"}',
    ),
    *_member("pc_action_invalid", "action", ["", "pick up", "Fly", 7, True, ["PickUp"], {}, "PickUp\r\n"]),
    *(Wrong(501, "request_not_implemented", {"action": name}) for name in ("Transfer", "Park", "OnHold", "BargeIn")),
    Wrong(501, "request_not_implemented", {}, method="DELETE"),
    Wrong(501, "request_not_implemented", {}, method="POST", path="/uapi/phoneCalls/@me/simple"),
    Wrong(400, "user_invalid", {}, user="99"),
    Wrong(400, "user_invalid", {}, user="@nobody"),
    Wrong(400, "user_invalid", {}, user="12%0d%0a"),
    Wrong(403, "forbidden", {}, user="13", extension="0003*024"),
    Wrong(403, "forbidden", {}, extension="0003*024"),
    Wrong(403, "forbidden", {}, token=JANE),
    Wrong(403, "forbidden", {}, token=STRANGER),
    # the caller's leg at 211's call is Jane's
    Wrong(403, "forbidden", {"phoneCallViewId": "00"}, extension="0003*211", call="{211}"),
    *(Wrong(400, "extension_invalid", {}, extension=one) for one in ("0003*777", "abc", "@all", "0003*210%0d%0a")),
    Wrong(400, "extension_invalid", {}, user="12", extension="0003*024", token=OWNER),
    # the caller's own leg while the far end rings, and phones that are in the call already
    Wrong(409, "pc_pickup_conflict", {"phoneCallViewId": "00"}),
    Wrong(409, "pc_pickup_conflict", {"sendCallTo": "0003*100"}),
    Wrong(409, "pc_pickup_conflict", {"sendCallTo": "0003*210"}),
    Wrong(409, "pc_pickup_conflict", {"action": "UnPark"}),
    Wrong(401, "access_denied", {}, token=""),
    Wrong(401, "access_denied", {}, token="no-such-token"),
    Wrong(401, "access_denied", {}, token="", headers=(("Authorization", "Basic am9objpkb2U="),)),
    Wrong(404, "not_found", {}, path="/uapi/phoneCalls"),
    Wrong(404, "not_found", {}, path="/uapi/phoneCalls/@me/0003*210/{210}/more"),
    Wrong(404, "not_found", {}, path="/uapi/nothing/@me/0003*210/{210}"),
    Wrong(405, "method_not_allowed", {}, method="PATCH"),
    Wrong(405, "method_not_allowed", {}, method="POST"),
    Wrong(405, "method_not_allowed", {}, path="/uapi/phoneCalls/@me/0003*210"),
    Wrong(413, "request_too_large", {"callerId": "x" * 70_000}),
    Wrong(414, "uri_too_long", {}, path="/uapi/phoneCalls/@me/0003*210/{210}?" + "x" * 9000),
    Wrong(415, "media_type_unsupported", {}, headers=(("Content-Type", "multipart/form-data; boundary=x"),)),
    Wrong(431, "headers_too_large", {}, headers=(("X-Long", "x" * 40_000),)),
    # of several faults the first in the order of the checks is told
    Wrong(401, "access_denied", {"sendCallTo": ""}, user="99", token="no-such-token"),
    Wrong(400, "user_invalid", {"sendCallTo": ""}, user="99", extension="abc"),
    Wrong(400, "extension_invalid", {"sendCallTo": ""}, extension="0003*777", call="0"),
    Wrong(400, "pc_phonecall_invalid", {"action": "Fly", "sendCallTo": ""}, call="0"),
    Wrong(400, "pc_action_invalid", {"action": "Fly", "sendCallTo": "", "callerId": ""}),
    Wrong(400, "pc_sendcallto_invalid", {"sendCallTo": "0003*777", "callerId": "", "waitForPickup": 0}),
    Wrong(400, "pc_callerid_invalid", {"callerId": "", "waitForPickup": 0, "phoneCallViewId": "99"}),
    Wrong(400, "pc_timeout_invalid", {"waitForPickup": 0, "phoneCallViewId": "99"}),
    # lists
    *(
        Wrong(400, code, {}, method="GET", path=f"/uapi/phoneCalls/@me/0003*210?{query}")
        for code, query in (
            ("count_invalid", "count=0"),
            ("startindex_invalid", "startIndex=-1"),
            ("filterby_invalid", "filterBy=colour&filterValue=red"),
            ("filterop_invalid", "filterBy=id&filterOp=like&filterValue=x"),
            ("sortorder_invalid", "sortOrder=sideways"),
            ("fields_invalid", "fields=colour"),
        )
    ),
]  # fmt: skip


def _name(wrong: Wrong) -> str:
    changed = {
        name: value
        for name, value in vars(wrong).items()
        if name not in ("status", "code") and value != Wrong.__dataclass_fields__[name].default and value
    }
    return f"{wrong.code} {ascii(changed).replace('[', '(').replace(']', ')')[:90]}"


@pytest.mark.parametrize("wrong", WRONG, ids=_name)
async def test_wrong_input_gets_its_code_and_asterisk_no_action(stage: Stage, wrong: Wrong) -> None:
    """The answer has status, code and a sentence; nothing but questions was sent, no phone rang, no channel came."""
    before = await stage.channels()
    position = len(stage.proxy.actions)
    answer = await wrong.send(stage)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (wrong.status, wrong.code), answer.text
    assert set(error) == {"code", "message"} and len(error["message"]) > 10
    asked = {action["Action"] for action in stage.proxy.actions[position:]}
    assert asked <= QUESTIONS
    assert await stage.channels() == before
    assert stage.lab["024"].rings == []


async def test_the_right_request_is_seen_by_the_same_proxy(stage: Stage) -> None:
    """After all of them one right request rings 024: it is the first Originate that Asterisk was ever sent."""
    assert stage.proxy.count("Originate") == 0
    assert {action["Action"] for action in stage.proxy.actions} - QUESTIONS == {"Login"}
    answer = await Wrong(202, "", {}).send(stage)
    assert answer.status_code == 202
    await stage.lab["024"].wait_for_ring()
    assert stage.proxy.count("Originate") == 1
    for line in bytes(stage.proxy.to_asterisk).split(b"\r\n"):
        assert line.isascii() and b"Logoff" not in line


async def test_each_code_of_a_refusal_has_been_seen() -> None:
    """The seed's failure table is whole here."""
    seed = {"timeout", "callerid", "phonecall", "phonecallview", "sendcallto"}
    assert {f"pc_{name}_invalid" for name in seed} <= {wrong.code for wrong in WRONG}
