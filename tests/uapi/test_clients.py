"""The requests of clients that were written for VoipNow, as they send them, and what they need of the reply."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from uapi.world import TOKENS, World

HOST = "https://voipnow.example.com"
MCP = {
    "Authorization": f"Bearer {TOKENS['john']}",
    "Content-Type": "application/json",
    "User-Agent": "VoipNow Calls MCP/5.7.0",
    "Accept": "*/*",
}
"""What mcp-voipnow 5.7.0 sends with every request, on GET too."""


@pytest.fixture
def world() -> World:
    return World()


def _ok(reply: Any) -> Any:
    """As mcp-voipnow reads a reply: 2xx, JSON, no redirect."""
    assert 200 <= reply.status_code < 300, reply.text
    assert reply.status_code != 204
    return json.loads(reply.content)


def _failed(reply: Any) -> tuple[str, str]:
    """As it reads a failure: an error object, whatever the status."""
    error = json.loads(reply.content)["error"]
    return error["code"], error["message"]


def _client(world: World) -> TestClient:
    return world.client(None, follow_redirects=False)


def test_mcp_voipnow_lists_calls(world: World) -> None:
    """phone-calls-list: trailing slash, paging always; each view's extension compared as a text, in its long form."""
    call = world.ringing()
    with _client(world) as client:
        listed = _ok(client.get(f"{HOST}/uapi/phoneCalls/@me/0003*210/?count=20&startIndex=0", headers=MCP))
        short = _ok(client.get(f"{HOST}/uapi/phoneCalls/@me/210/?count=20&startIndex=0", headers=MCP))
        one = _ok(client.get(f"{HOST}/uapi/phoneCalls/@me/@self/{call}/?count=20&startIndex=0", headers=MCP))
        none = _ok(
            client.get(f"{HOST}/uapi/phoneCalls/@me/0003*100/444444/?count=20&startIndex=0", headers=MCP)
        )
        query = "count=5&filterBy=id&filterOp=equals&filterValue=x&fields=id%2Cpublished&startIndex=0&sortOrder=ascending"
        filtered = _ok(client.get(f"{HOST}/uapi/phoneCalls/@me/@self/?{query}", headers=MCP))
    assert listed == short
    entry = listed["entry"][0]
    assert [(view["id"], view["extension"]) for view in entry["phoneCallView"]] == [
        ("00", "0003*100"),
        ("01", "0003*210"),
    ]
    assert one["entry"][0]["id"] == call
    assert (none["entry"], none["totalResults"]) == ([], 0)
    assert filtered["entry"] == []


@pytest.mark.parametrize("wait", ["25", "20"])
def test_mcp_voipnow_picks_up(world: World, wait: str) -> None:
    """phone-calls-update-pickup-bargein: every member a text, the address with a slash at its end."""
    call = world.ringing()
    body = {"action": "PickUp", "phoneCallViewId": "01", "sendCallTo": "0003*024", "waitForPickup": wait}
    with _client(world) as client:
        address = f"{HOST}/uapi/phoneCalls/@me/0003*210/{call}/"
        accepted = _ok(client.put(address, content=json.dumps(body), headers=MCP))
    assert accepted["id"] == call


def test_mcp_voipnow_unparks(world: World) -> None:
    """phone-calls-update-unpark."""
    caller = world.caller()
    world.park(caller)
    body = {
        "action": "UnPark", "phoneCallViewId": "00", "sendCallTo": "024", "callerId": "John Doe <4242>",
        "waitForPickup": "25",
    }  # fmt: skip
    with _client(world) as client:
        listed = _ok(client.get(f"{HOST}/uapi/phoneCalls/@me/0003*210/?count=20&startIndex=0", headers=MCP))
        address = f"{HOST}/uapi/phoneCalls/@me/0003*210/{listed['entry'][0]['id']}/"
        accepted = _ok(client.put(address, content=json.dumps(body), headers=MCP))
    assert accepted["extension"] == "0003*210"


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        (
            "POST",
            "@me/simple/?waitForPickup=25",
            {"extension": "0003*210", "phoneCallView": [], "nonce": "bm9uY2U"},
        ),
        ("POST", "@me/callback/", {"phoneCallView": [{"source": ["1"], "destination": ["2"]}]}),
        ("POST", "@me/conferenceInvite/?number=3&pin=2233", {"phoneCallView": [{}]}),
        ("DELETE", "@me/0003*210/?phoneNumber=%2B493012345", None),
        ("DELETE", "@me/0003*210/{call}/", None),
        ("PUT", "@me/0003*210/{call}/", {"action": "Park", "phoneCallViewId": "01", "maxInParking": 180}),
        ("PUT", "@me/0003*210/{call}/", {"action": "OnHold", "phoneCallViewId": "01"}),
        (
            "PUT",
            "@me/0003*210/{call}/",
            {"action": "StartRecording", "phoneCallViewId": "01", "format": "wav"},
        ),
        ("PUT", "@me/0003*210/{call}/", {"action": "Transfer", "sendCallTo": "1", "transferFromNumber": "2"}),
        (
            "PUT",
            "@me/0003*210/{call}/",
            {"action": "Whisper", "phoneCallViewId": "01", "sendCallTo": "0003*024", "private": "0"},
        ),
        (
            "PUT",
            "@me/0003*210/{call}/",
            {"action": "BargeIn", "phoneCallViewId": "01", "sendCallTo": "0003*024", "waitForPickup": "25"},
        ),
    ],
)
def test_mcp_voipnow_is_told_what_is_not_built(world: World, method: str, address: str, body: Any) -> None:
    """A code and a sentence that its model can read."""
    call = world.ringing()
    with _client(world) as client:
        reply = client.request(
            method, f"{HOST}/uapi/phoneCalls/{address.format(call=call)}", json=body, headers=MCP
        )
    assert reply.status_code == 501
    code, message = _failed(reply)
    assert code == "request_not_implemented"
    assert message.endswith("not implemented.")
    assert world.link.sent == []


def test_the_php_and_python_examples(world: World) -> None:
    """4PSA's uapi-example repositories: the other prefix, @self with the call's id, Content-type spelt so."""
    call = world.ringing()
    headers = {"Content-type": "application/json", "Authorization": f"Bearer {TOKENS['john']}"}
    with _client(world) as client:
        listed = client.get(f"{HOST}/unifiedapi/phoneCalls/@me/@self", headers=headers).json()
        reply = client.put(
            f"{HOST}/unifiedapi/phoneCalls/@me/@self/{call}",
            content='{"action": "PickUp", "sendCallTo": "0003*024", "phoneCallViewId": "01"}',
            headers=headers,
        )
    assert listed["entry"][0]["id"] == call
    assert reply.status_code == 202


def test_the_demo_apps_poll_the_link_of_a_call(world: World) -> None:
    """FacebookCallMe reads entry[0].phoneCallView[0].status, and takes an empty list for the end of the call."""
    caller = world.caller()
    called = world.ring(caller)
    headers = {"Authorization": f"Bearer {TOKENS['john']}"}
    with _client(world) as client:
        link = client.get(f"{HOST}/uapi/phoneCalls/@me/0003*210", headers=headers).json()["entry"][0][
            "links"
        ]["self"]
        statuses = [client.get(link, headers=headers).json()["entry"][0]["phoneCallView"][0]["status"]]
        world.talk(caller, called)
        statuses.append(client.get(link, headers=headers).json()["entry"][0]["phoneCallView"][0]["status"])
        world.gone(called)
        world.gone(caller)
        over = client.get(link, headers=headers).json()
    assert statuses == ["4", "5"]
    assert (over["totalResults"], over["entry"]) == (0, [])


def test_laravel_voipnow_follows_pages(world: World) -> None:
    """It takes paging.next as it is, if it has http in it."""
    for n in range(3):
        world.caller(f"0003*10{n}", sequence=100 * n + 7)
    headers = {"Authorization": f"Bearer {TOKENS['john']}", "Content-type": "application/json"}
    seen = []
    with _client(world) as client:
        address = f"{HOST}/uapi/phoneCalls/@me/@self?count=1"
        while address:
            body = client.get(address, headers=headers).json()
            seen += [one["id"] for one in body["entry"]]
            address = body["paging"].get("next", "")
            assert not address or "http" in address
    assert len(set(seen)) == 3
