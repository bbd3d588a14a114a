"""What is checked of a request, in which order, and that nothing is sent to Asterisk before all of it was right."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from bridge.tokens import sha256_hex
from bridge.uapi.errors import CODES
from uapi.world import TOKENS, World, path, pickup


class Request:
    """A PUT that is right until a fault is put into it."""

    def __init__(self, call: str) -> None:
        self.headers = {"Authorization": f"Bearer {TOKENS['john']}"}
        self.user, self.extension, self.call = "@me", "0003*210", call
        self.body: Any = pickup()
        self.content: bytes | None = None
        self.up = True

    def send(self, world: World) -> tuple[int, str]:
        if not self.up:
            world.link.go_down("The PBX cannot be reached.")
        content = json.dumps(self.body).encode() if self.content is None else self.content
        with world.client(None) as client:
            reply = client.put(
                path(self.call, user=self.user, extension=self.extension),
                content=content,
                headers={"Content-Type": "application/json", **self.headers},
            )
        error = reply.json()["error"]
        assert error["message"].endswith(".")
        return reply.status_code, error["code"]


def _put(name: str, value: Any) -> Callable[[Request], None]:
    def fault(request: Request) -> None:
        setattr(request, name, value)

    return fault


def _member(name: str, value: Any) -> Callable[[Request], None]:
    def fault(request: Request) -> None:
        request.body[name] = value
        if value is ...:
            del request.body[name]

    return fault


STAGES: tuple[tuple[str, Callable[[Request], None]], ...] = (
    ("access_denied", _put("headers", {})),
    ("pbx_unavailable", _put("up", False)),  # noqa: FBT003  # a value, not a flag
    ("request_invalid", _put("content", b"{")),
    ("user_invalid", _put("user", "nobody")),
    ("extension_invalid", _put("extension", "0003*999")),
    ("pc_phonecall_invalid", _put("call", "b817d2618fe6f1804333")),
    ("pc_action_invalid", _member("action", "Steal")),
    ("pc_sendcallto_invalid", _member("sendCallTo", "0003*999")),
    ("pc_callerid_invalid", _member("callerId", "no number")),
    ("pc_timeout_invalid", _member("waitForPickup", "soon")),
    ("pc_phonecallview_invalid", _member("phoneCallViewId", "07")),
)
"""Each check with a request that fails it, in the contract's order."""


@pytest.mark.parametrize("stage", range(len(STAGES)), ids=[code for code, _ in STAGES])
def test_of_all_faults_the_first_is_told(world: World, stage: int) -> None:
    """A request with every fault from here on is answered by this one's code, and Asterisk hears nothing."""
    request = Request(world.ringing())
    code = STAGES[stage][0]
    for _, fault in STAGES[stage:]:
        fault(request)
    assert request.send(world) == (CODES[code][0], code)
    assert world.link.sent == []


def test_rights_come_before_state(world: World) -> None:
    """The caller's leg cannot be picked up while the far end rings; whoever may not have it hears no more than that."""
    call = world.ringing()
    world.ring("1340806130.7", "0003*024", sequence=9)
    request = Request(call)
    request.headers = {"Authorization": f"Bearer {TOKENS['mary']}"}
    request.extension = "0003*024"
    request.body = pickup(phoneCallViewId="00", sendCallTo="0003*025")
    assert request.send(world) == (403, "forbidden")
    assert world.link.sent == []


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("action", ..., "request_invalid"),
        ("action", None, "request_invalid"),
        ("action", "", "pc_action_invalid"),
        ("action", "pickup", "pc_action_invalid"),
        ("action", 5, "pc_action_invalid"),
        ("action", ["PickUp"], "pc_action_invalid"),
        *(
            ("action", action, "request_not_implemented")
            for action in (
                "OnHold", "OffHold", "StartRecording", "StopRecording", "BargeIn", "Park", "Whisper", "Transfer",
                "TransferToVoicemail", "Monitor",
            )
        ),
        ("sendCallTo", ..., "pc_sendcallto_invalid"),
        ("sendCallTo", None, "pc_sendcallto_invalid"),
        ("sendCallTo", "", "pc_sendcallto_invalid"),
        ("sendCallTo", "0003*024&SIP/x", "pc_sendcallto_invalid"),
        ("sendCallTo", "Local/1@x", "pc_sendcallto_invalid"),
        ("sendCallTo", "0003*024\r\nAction: Logoff", "pc_sendcallto_invalid"),
        ("sendCallTo", "0003*024\n", "pc_sendcallto_invalid"),
        ("sendCallTo", " 0003*024", "pc_sendcallto_invalid"),
        ("sendCallTo", "٠٠٠٣*٠٢٤", "pc_sendcallto_invalid"),
        ("sendCallTo", "0" * 33, "pc_sendcallto_invalid"),
        ("sendCallTo", ["0003*024"], "pc_sendcallto_invalid"),
        ("sendCallTo", {}, "pc_sendcallto_invalid"),
        ("sendCallTo", True, "pc_sendcallto_invalid"),
        ("sendCallTo", "0003*900", "pc_sendcallto_invalid"),  # a queue is no phone
        ("sendCallTo", "0003*150", "pc_sendcallto_invalid"),  # somebody's, but no phone that Asterisk knows
        ("sendCallTo", "0004*210", "pc_sendcallto_invalid"),  # another organization's
        ("callerId", "", "pc_callerid_invalid"),
        ("callerId", "John Doe", "pc_callerid_invalid"),
        ("callerId", "John <12> <34>", "pc_callerid_invalid"),
        ("callerId", 'J"ohn <12>', "pc_callerid_invalid"),
        ("callerId", "${EVIL} <12>", "pc_callerid_invalid"),
        ("callerId", "a\r\nb <12>", "pc_callerid_invalid"),
        ("callerId", "a\u202eb <12>", "pc_callerid_invalid"),
        ("callerId", "x" * 81 + " <12>", "pc_callerid_invalid"),
        ("callerId", "John <1 2>", "pc_callerid_invalid"),
        ("callerId", 12, "pc_callerid_invalid"),
        ("callerID", "nobody", "pc_callerid_invalid"),
        ("waitForPickup", "", "pc_timeout_invalid"),
        ("waitForPickup", 0, "pc_timeout_invalid"),
        ("waitForPickup", "0", "pc_timeout_invalid"),
        ("waitForPickup", -1, "pc_timeout_invalid"),
        ("waitForPickup", 3601, "pc_timeout_invalid"),
        ("waitForPickup", "1e3", "pc_timeout_invalid"),
        ("waitForPickup", "٢٠", "pc_timeout_invalid"),
        ("waitForPickup", True, "pc_timeout_invalid"),
        ("waitForPickup", [20], "pc_timeout_invalid"),
        ("waitForPickup", 10**400, "pc_timeout_invalid"),
        ("waitForPickUp", "x", "pc_timeout_invalid"),
        ("phoneCallViewId", ..., "pc_phonecallview_invalid"),
        ("phoneCallViewId", "", "pc_phonecallview_invalid"),
        ("phoneCallViewId", "1", "pc_phonecallview_invalid"),
        ("phoneCallViewId", "02", "pc_phonecallview_invalid"),
        ("phoneCallViewId", "01\n", "pc_phonecallview_invalid"),
        ("phoneCallViewId", 7, "pc_phonecallview_invalid"),
        ("phoneCallViewId", False, "pc_phonecallview_invalid"),
    ],
)  # fmt: skip
def test_each_wrong_member_has_its_code(world: World, member: str, value: Any, code: str) -> None:
    """The seed's table of codes and our own, and Asterisk hears nothing."""
    request = Request(world.ringing())
    if member in ("callerID", "waitForPickUp"):
        del request.body[member.replace("ID", "Id").replace("Up", "up")]
    _member(member, value)(request)
    assert request.send(world) == (CODES[code][0], code)
    assert world.link.sent == []


@pytest.mark.parametrize("name", ["send_call_to", "SENDCALLTO", "sendcallto", "SendCallTo", "sendCallTo "])
def test_a_member_by_any_other_name_is_an_unknown_one(world: World, name: str) -> None:
    """It is passed over, so that what it stands for is missing."""
    request = Request(world.ringing())
    request.body[name] = request.body.pop("sendCallTo")
    assert request.send(world) == (400, "pc_sendcallto_invalid")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"PickUp"',
        b"\xff\xfe{}",
        b'{"action":"PickUp\xe9"}',
        b'{"action":NaN}',
        b'{"action":"\\ud800"}',
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"action":' + b"9" * 50_000 + b"}x",
        b'{"callerId:"John Doe <42420042>"}',
    ],
)
def test_what_is_no_json_object_is_told(world: World, content: bytes) -> None:
    """Whatever it is instead; the seed's own misprint too."""
    request = Request(world.ringing())
    request.content = content
    assert request.send(world) == (400, "request_invalid")


@pytest.mark.parametrize(
    ("asker", "user", "extension", "status", "code"),
    [
        ("john", "12", "0003*210", 400, "pc_phonecall_invalid"),
        ("john", "@viewer", "210", 400, "pc_phonecall_invalid"),
        ("john", "@owner", "0003*210", 400, "pc_phonecall_invalid"),
        ("john", "13", "0003*024", 403, "forbidden"),
        ("john", "21", "0004*210", 403, "forbidden"),
        ("john", "@me", "0003*024", 403, "forbidden"),
        ("john", "@owner", "0003*024", 403, "forbidden"),
        ("john", "@me", "0004*210", 403, "forbidden"),
        ("john", "99", "0003*210", 400, "user_invalid"),
        ("john", "@them", "0003*210", 400, "user_invalid"),
        ("john", "12%00", "0003*210", 400, "user_invalid"),
        ("john", "@owner", "@self", 400, "extension_invalid"),
        ("john", "@me", "@all", 400, "extension_invalid"),
        ("john", "@me", "0003*210%0a", 400, "extension_invalid"),
        ("john", "@me", "0003%2F210", 400, "extension_invalid"),
        ("john", "@me", "9" * 33, 400, "extension_invalid"),
        ("chief", "@me", "0003*210", 400, "pc_phonecall_invalid"),
        ("chief", "12", "0003*210", 400, "pc_phonecall_invalid"),
        ("chief", "13", "0003*210", 400, "extension_invalid"),
        ("chief", "21", "0004*210", 403, "forbidden"),
        ("chief", "@me", "0004*210", 403, "forbidden"),
        ("root", "21", "0004*210", 400, "pc_phonecall_invalid"),
        ("root", "12", "0004*210", 400, "extension_invalid"),
        ("root", "@owner", "0003*210", 400, "pc_phonecall_invalid"),
    ],
)
def test_a_uri_names_a_user_and_an_extension(
    world: World, asker: str, user: str, extension: str, status: int, code: str
) -> None:
    """Unknown ones are invalid, foreign ones forbidden; the call that is then looked for does not exist."""
    request = Request("b817d2618fe6f1804333")
    request.headers = {"Authorization": f"Bearer {TOKENS[asker]}"}
    request.user, request.extension = user, extension
    assert request.send(world) == (status, code)


def test_a_user_of_another_role_lends_no_rights() -> None:
    """@self of a global user is, for an organization's app, no more than the organization."""
    users = [
        {
            "id": "30",
            "name": "Chief",
            "organization": "3",
            "role": "organization",
            "extensions": ["0003*300"],
        },
        {"id": "31", "name": "Root", "organization": "3", "role": "global", "extensions": ["0003*301"]},
        {"id": "21", "name": "Other", "organization": "4", "extensions": ["0004*210"]},
    ]
    world = World(
        {
            "users": users,
            "apps": [{"id": "chief", "user": "30", "tokens_sha256": [sha256_hex(TOKENS["chief"])]}],
        }
    )
    caller = world.caller("+49301", exten="0004*210")
    world.ring(caller, "0004*210")
    with world.client("chief") as client:
        assert client.get(path(user="31", extension="@self")).json()["totalResults"] == 0
