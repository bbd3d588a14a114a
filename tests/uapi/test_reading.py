"""All the ways in which clients write one request."""

from typing import Any

import pytest

from uapi.world import TOKENS, World, path, pickup


@pytest.mark.parametrize(
    "address",
    [
        "/uapi/phoneCalls/@me/0003*210",
        "/uapi/phoneCalls/@me/0003*210/",
        "//uapi/phoneCalls/@me/0003*210",
        "/uapi//phoneCalls///@me/0003*210//",
        "/unifiedapi/phoneCalls/@me/0003*210",
        "/uapi/phoneCall/@me/0003*210/",
        "/uapi/phoneCalls/%40me/0003%2A210",
        "/uapi/phoneCalls/%40me/0003%2a210/",
        "/%75api/phoneCalls/@me/0003*210",
        "/uapi/phoneCalls/@viewer/210",
        "/uapi/phoneCalls/@owner/0003*210",
        "/uapi/phoneCalls/12/210/?count=20&startIndex=0",
        "/uapi/phoneCalls/@me/@self?whatever=1",
        "/uapi/phoneCalls/@me/%40self",
    ],
)
def test_an_address_may_be_written_in_many_ways(world: World, address: str) -> None:
    """And is never redirected; the reply has the extension's long form, and one slash in its link."""
    call = world.ringing()
    with world.client(follow_redirects=False) as client:
        reply = client.get(f"https://uapi.voipnow.com{address}")
    assert reply.status_code == 200
    entry = reply.json()["entry"][0]
    assert entry["id"] == call
    assert entry["link"]["self"].startswith("https://uapi.voipnow.com/uapi/phoneCalls/12/0003*")


@pytest.mark.parametrize(
    "changes",
    [
        {"sendCallTo": "024"},
        {"sendCallTo": 300},
        {"waitForPickup": 20},
        {"waitForPickup": 0.5},
        {"waitForPickup": "20.5"},
        {"waitForPickup": None, "waitForPickUp": "20"},
        {"waitForPickup": None, "callerId": None},
        {"callerId": None, "callerID": "John Doe <42420042>"},
        {"callerId": "<+3334444>"},
        {"callerId": "Prefix 42 420042 <42420042>"},
        {"callerId": "Jürgen Œ 王 <*98#>"},
        {"callerId": "x" * 80 + "<1>"},
        {"phoneCallViewId": 1},
        {"unknown": {"deep": [1]}, "private": "0", "maxInParking": 180},
    ],
)
def test_members_are_read_liberally(world: World, changes: dict[str, Any]) -> None:
    """Numbers as texts and texts as numbers, both spellings, null for absent, unknown members passed over."""
    call = world.ringing()
    with world.client() as client:
        reply = client.put(path(call), json=pickup(**changes))
    assert reply.status_code == 202, reply.text


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/json; charset=utf-8",
        "text/plain",
        "application/x-www-form-urlencoded",
        None,
    ],
)
def test_any_content_type_will_do(world: World, kind: str | None) -> None:
    """What counts is that the body is JSON; a byte order mark before it does no harm."""
    call = world.ringing()
    content = b"\xef\xbb\xbf" + b'{"action":"PickUp","sendCallTo":"0003*024","phoneCallViewId":"01"}'
    headers = {"Content-Type": kind} if kind else {}
    with world.client() as client:
        reply = client.put(path(call), content=content, headers=headers)
    assert reply.status_code == 202


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", " Multipart/Mixed"])
def test_multipart_will_not(world: World, kind: str) -> None:
    """Faxes come like that, and there are none here."""
    call = world.ringing()
    with world.client() as client:
        reply = client.put(path(call), content=b"--x", headers={"Content-Type": kind})
    assert (reply.status_code, reply.json()["error"]["code"]) == (415, "media_type_unsupported")


JOHN = TOKENS["john"]


@pytest.mark.parametrize(
    ("header", "query"),
    [
        (f"Bearer {JOHN}", ""),
        (f"bearer {JOHN}", ""),
        (f"BEARER   {JOHN} ", ""),
        (JOHN, ""),
        (None, f"?accessRequestToken={JOHN}"),
        (None, f"?accessRequestToken=Bearer%20{JOHN}"),
        (None, f"?accessRequestToken=Bearer+{JOHN}"),
        (None, f"?count=5&accessRequestToken={JOHN}&fields=id"),
        ("", f"?accessRequestToken={JOHN}"),
    ],
)
def test_a_token_may_come_in_many_ways(world: World, header: str | None, query: str) -> None:
    """In the header or the query, with the word Bearer or without; no link in the reply repeats it."""
    for n in range(30):
        world.caller(f"0003*1{n:02d}", sequence=100 * n + 7)
    headers = {} if header is None else {"Authorization": header}
    with world.client(None) as client:
        reply = client.get(path() + query, headers=headers)
    assert reply.status_code == 200
    assert "next" in reply.json()["paging"]
    assert JOHN not in reply.text


@pytest.mark.parametrize(
    ("header", "query", "challenge"),
    [
        (None, "", 'Bearer realm="uapi"'),
        ("Bearer", "", 'Bearer realm="uapi"'),
        ("Bearer ", f"?accessRequestToken={JOHN}", 'Bearer realm="uapi"'),
        ("Bearer wrong", "", 'Bearer realm="uapi", error="invalid_token"'),
        (f"Basic {JOHN}", "", 'Bearer realm="uapi", error="invalid_token"'),
        (f"Bearer {JOHN} {JOHN}", "", 'Bearer realm="uapi", error="invalid_token"'),
        (None, "?accessRequestToken=wrong", 'Bearer realm="uapi", error="invalid_token"'),
        (f"Bearer {JOHN}x", "", 'Bearer realm="uapi", error="invalid_token"'),
    ],
)
def test_without_a_good_token_there_is_nothing(
    world: World, header: str | None, query: str, challenge: str
) -> None:
    """401 with the error object and the challenge of RFC 6750, on every route that needs a token."""
    headers = {} if header is None else {"Authorization": header}
    with world.client(None) as client:
        for method, address in (
            ("GET", path()),
            ("GET", path("444444")),
            ("PUT", path("444444")),
            ("DELETE", path()),
            ("DELETE", path("444444")),
            ("POST", "/uapi/phoneCalls/@me/simple"),
        ):
            reply = client.request(method, address + query, headers=headers)
            assert (reply.status_code, reply.json()["error"]["code"]) == (401, "access_denied")
            assert reply.headers["www-authenticate"] == challenge
