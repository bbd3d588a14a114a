"""PUT: what is told of a pickup, when, and to whom."""

import asyncio
import json
import threading
from functools import partial
from typing import Any

import pytest

from bridge.grammar import CallId
from uapi.world import EPOCH, TOKENS, World, path, pickup

LINK = "https://uapi.voipnow.com/uapi/phoneCalls/12/0003*210/"


def _accepted(call: str) -> dict[str, Any]:
    return {
        "id": call,
        "extension": "0003*210",
        "link": {"self": LINK + call},
        "links": {"self": LINK + call},
    }


def _notes(world: World, call: str) -> list[Any]:
    with world.client() as client:
        return [one.get("pickUp") for one in client.get(path(call)).json()["phoneCallView"]]


def test_the_seeds_request_gets_the_seeds_reply(world: World) -> None:
    """202 as soon as the phone rings; its caller id and ring time are what was asked for."""
    call = world.ringing()
    with world.client() as client:
        reply = client.put(path(call), json=pickup())
    assert (reply.status_code, reply.json()) == (202, _accepted(call))
    originate = world.link.originated[0]
    assert (originate.endpoint, originate.pickup) == ("PJSIP/0003*024", f"uapi-{call}-1")
    assert (str(originate.caller), originate.timeout_ms) == ("John Doe <42420042>", 20_000)
    assert _notes(world, call) == [
        None,
        {"from": "0003*210", "sendCallTo": "0003*024", "status": "ringing"},
    ]


def test_without_a_caller_id_the_phone_shows_its_own(world: World) -> None:
    """And without waitForPickup it rings for 25 seconds."""
    call = world.ringing()
    with world.client() as client:
        reply = client.put(path(call), json=pickup(callerId=None, waitForPickup=...))
    originate = world.link.originated[0]
    assert reply.status_code == 202
    assert (str(originate.caller), originate.timeout_ms) == ("Mary Roe <24>", 25_000)


def test_whoever_waits_is_told_the_whole_call(world: World) -> None:
    """200 once connected; the view goes on at the new phone."""
    call = world.ringing()
    world.link.phone = "answers"
    with world.client() as client:
        reply = client.put(path(call), json=pickup(), headers={"Prefer": "wait=5"})
    body = reply.json()
    assert (reply.status_code, reply.headers["preference-applied"]) == (200, "wait=5")
    assert (body["id"], body["extension"], body["ownerName"]) == (call, "0003*210", "Default Organization")
    assert body["link"] == body["links"] == {"self": LINK + call}
    view = body["phoneCallView"][1]
    assert (view["id"], view["extension"], view["status"], view["source"], view["destination"]) == (
        "01",
        "0003*024",
        "5",
        ["0003*100"],
        ["0003*210"],
    )
    assert view["pickUp"] == {"from": "0003*210", "sendCallTo": "0003*024", "status": "connected"}


def test_a_wait_that_is_not_long_enough_ends_in_202(world: World) -> None:
    """The phone still rings."""
    call = world.ringing()
    with world.client() as client:
        reply = client.put(path(call), json=pickup(), headers={"Prefer": "wait=1"})
    assert (reply.status_code, reply.json()) == (202, _accepted(call))
    assert reply.headers["preference-applied"] == "wait=1"


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=0", "wait=0"),
        ('respond-async, Wait="0"', "wait=0"),
        ("wait=0;x=y, wait=50", "wait=0"),
        ('foo="a,wait=50,\\"b", wait=0', "wait=0"),
        ('foo="wait=1, wait=50,wait=50"', None),
        ("wait=soon", None),
        ("wait=-1", None),
        ("return=minimal", None),
        ('foo="never ends, wait=50', None),
        ('wait=0, foo="never ends\\', "wait=0"),
    ],
)
def test_prefer_is_read_as_its_rfc_says(world: World, prefer: str, applied: str | None) -> None:
    """The first wait counts; one that is none is passed over."""
    call = world.ringing()
    with world.client() as client:
        reply = client.put(path(call), json=pickup(), headers={"Prefer": prefer})
    assert (reply.status_code, reply.headers.get("preference-applied")) == (202, applied)


def test_nobody_waits_longer_than_a_minute(world: World) -> None:
    """What is applied is what is told."""
    call = world.ringing()
    world.link.phone = "answers"
    with world.client() as client:
        reply = client.put(path(call), json=pickup(), headers={"Prefer": "wait=3600"})
    assert (reply.status_code, reply.headers["preference-applied"]) == (200, "wait=60")


@pytest.mark.parametrize(
    ("cause", "status", "code", "told"),
    [
        ("19", 204, None, "noAnswer"),
        ("17", 409, "pc_sendcallto_unavailable", "busy"),
        ("21", 409, "pc_sendcallto_unavailable", "rejected"),
        ("38", 409, "pc_sendcallto_unavailable", "unreachable"),
        ("26", 409, "pc_pickup_conflict", "conflict"),
    ],
)
def test_whoever_waits_is_told_how_it_failed(
    world: World, cause: str, status: int, code: str | None, told: str
) -> None:
    """By a status, by a code, and by pickUp on the view for whoever asks later."""
    call = world.ringing()
    world.link.phone = f"ends {cause}"
    with world.client() as client:
        reply = client.put(path(call), json=pickup(), headers={"Prefer": "wait=5"})
    assert reply.status_code == status
    assert (reply.json()["error"]["code"] if reply.content else None) == code
    assert reply.headers["preference-applied"] == "wait=5"
    assert _notes(world, call)[1] == {"from": "0003*210", "sendCallTo": "0003*024", "status": told}


def test_those_who_did_not_ask_to_wait_never_get_204() -> None:
    """Existing clients cannot read it: uapi.wait ends in 200 or 202."""
    for phone, status in (("answers", 200), ("ends 19", 202), ("rings", 202)):
        world = World({"uapi": {"wait": 0.2}})
        call = world.ringing()
        world.link.phone = phone
        with world.client() as client:
            reply = client.put(path(call), json=pickup())
        assert (reply.status_code, "preference-applied" in reply.headers) == (status, False)


def test_who_joins_without_a_wish_to_wait_never_gets_204() -> None:
    """The same request again, while its phone rings in vain: 202, as ever without Prefer."""
    world = World({"uapi": {"wait": 0.3}})
    call = world.ringing()

    def in_a_moment() -> None:
        ends = partial(world.event, "Hangup", Uniqueid=world.link.originated[-1].pickup, Cause="19")
        asyncio.get_running_loop().call_later(0.1, ends)

    with world.client() as client:
        first = client.put(path(call), json=pickup())
        world.inside(client, in_a_moment)
        again = client.put(path(call), json=pickup())
    assert (first.status_code, again.status_code, again.headers["idempotent-replayed"]) == (202, 202, "true")


def test_the_link_of_a_put_finds_the_call_when_it_is_connected(world: World) -> None:
    """Though 101's ring was found at 210, whose phone had rung for that call as well, and rings no more."""
    caller = world.caller("+4930123", exten="030555")
    at_210 = world.ring(caller)
    world.ring(caller, "0003*101", sequence=9)
    call = CallId.of(caller)
    body = pickup(phoneCallViewId="02")
    with world.client() as client:
        accepted = client.put(path(call), json=body)
        assert accepted.status_code == 202, accepted.text
        world.inside(client, world.link.answer_now)
        world.inside(client, partial(world.event, "Hangup", Uniqueid=at_210, Cause="26"))
        linked = client.get(accepted.json()["link"]["self"]).json()
        again = client.put(path(call), json=body)
    assert [linked["id"], linked["extension"]] == [call, "0003*210"]
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")


def test_an_unreachable_phone_is_told_at_once(world: World) -> None:
    """Whether waited for or not: no 202 for a phone that did not ring."""
    call = world.ringing()
    world.link.phone = "unreachable"
    world.event("DeviceStateChange", Device="PJSIP/0003*024", State="UNAVAILABLE")
    with world.client() as client:
        reply = client.put(path(call), json=pickup())
    assert (reply.status_code, reply.json()) == (
        409,
        {"error": {"code": "pc_sendcallto_unavailable", "message": "0003*024 is not registered."}},
    )


def test_the_same_pickup_again_is_the_same(world: World) -> None:
    """While it rings and after it was connected: one ring, and the reply says so."""
    call = world.ringing()
    with world.client() as client:
        replies = [client.put(path(call), json=pickup()) for _ in range(3)]
        world.inside(client, world.link.answer_now)
        done = client.put(path(call), json=pickup())
        waited = client.put(path(call), json=pickup(), headers={"Prefer": "wait=1"})
    assert [
        (one.status_code, one.headers.get("idempotent-replayed")) for one in (*replies, done, waited)
    ] == [(202, None), (202, "true"), (202, "true"), (202, "true"), (200, "true")]
    assert len(world.link.originated) == 1


@pytest.mark.parametrize("other", [{"sendCallTo": "0003*025"}, {"phoneCallViewId": "00"}])
def test_another_pickup_of_the_call_meanwhile_is_a_conflict(world: World, other: dict[str, str]) -> None:
    """Another phone, or another view."""
    call = world.ringing()
    with world.client() as client:
        assert client.put(path(call), json=pickup()).status_code == 202
        reply = client.put(path(call), json=pickup(**other))
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "pc_pickup_conflict")
    assert len(world.link.originated) == 1


def test_after_a_failure_it_is_a_new_try(world: World) -> None:
    """With a new leg, and no word of a replay."""
    call = world.ringing()
    world.link.phone = "ends 17"
    with world.client() as client:
        assert client.put(path(call), json=pickup(), headers={"Prefer": "wait=1"}).status_code == 409
        world.link.phone = "rings"
        reply = client.put(path(call), json=pickup())
    assert (reply.status_code, "idempotent-replayed" in reply.headers) == (202, False)
    assert len(world.link.originated) == 2


def test_a_parked_call_is_unparked(world: World) -> None:
    """UnPark has the body and the reply of PickUp."""
    caller = world.caller()
    world.park(caller)
    call = CallId.of(caller)
    body = pickup(action="UnPark", phoneCallViewId="00")
    with world.client() as client:
        reply = client.put(path(call), json=body)
        again = client.put(path(call), json=body)
    assert (reply.status_code, reply.json()) == (202, _accepted(call))
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")


def test_what_is_not_parked_is_not_unparked(world: World) -> None:
    """Nobody is thrown out of a call by a request to unpark it."""
    call = world.ringing()
    with world.client() as client:
        reply = client.put(path(call), json=pickup(action="UnPark"))
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "pc_pickup_conflict")
    assert world.link.originated == []


def test_who_was_unparked_is_not_unparked_again(world: World) -> None:
    """A colleague's screen still shows the slot: the caller stays with the one who has taken him."""
    caller = world.caller()
    world.park(caller)
    call = CallId.of(caller)
    world.link.phone = "answers"
    body = pickup(action="UnPark", phoneCallViewId="00")
    with world.client() as client:
        assert client.put(path(call), json=body, headers={"Prefer": "wait=5"}).status_code == 200
        world.inside(client, lambda: world.event("UnParkedCall", ParkeeUniqueid=caller))
        late = client.put(path(call), json={**body, "sendCallTo": "0003*025"})
        again = client.put(path(call), json=body, headers={"Prefer": "wait=5"})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "pc_pickup_conflict")
    assert late.json()["error"]["message"] == "This view of the phone call is not parked."
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert len(world.link.originated) == 1


def test_a_call_that_cannot_be_picked_up_is_a_conflict(world: World) -> None:
    """The caller's own leg while the far end rings; the reply says why, and nothing is sent."""
    call = world.ringing()
    with world.client() as client:
        reply = client.put(path(call), json=pickup(phoneCallViewId="00"))
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "pc_pickup_conflict")
    assert "far end still rings" in reply.json()["error"]["message"]
    assert world.link.sent == []


def test_a_lost_link_is_told_to_whoever_waits(world: World) -> None:
    """503 with its reason, not a guess at the outcome."""
    call = world.ringing()
    world.link.phone = "link lost"
    with world.client() as client:
        reply = client.put(path(call), json=pickup(), headers={"Prefer": "wait=5"})
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "2")
    assert reply.headers["preference-applied"] == "wait=5"
    assert reply.json() == {"error": {"code": "pbx_unavailable", "message": "The connection was lost."}}


@pytest.mark.anyio
async def test_a_client_that_goes_away_while_it_waits_cancels_nothing(world: World) -> None:
    """The pickup goes on, and nothing is hung up."""
    call = world.ringing()
    sent: list[Any] = []
    body = json.dumps(pickup()).encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "PUT", "path": path(call), "raw_path": path(call).encode(), "query_string": b"",
        "headers": [(b"authorization", f"Bearer {TOKENS['john']}".encode()), (b"prefer", b"wait=30")],
        "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    request = asyncio.ensure_future(world.bridge.asgi(scope, receive, send))
    await asyncio.wait_for(world.link.rang.wait(), 5)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    world.link.answer_now()
    found = world.bridge.picture.call(CallId(call))
    assert found is not None
    assert [leg.number for leg in found.legs] == ["0003*100", "0003*024"]
    assert [one for one in world.link.sent if one[0] == "Hangup"] == []


def test_a_storm_of_requests_rings_one_phone_once(world: World) -> None:
    """Fifty at once, half of them for another phone: one ring, its twins told so, the rest a conflict."""
    call = world.ringing()
    replies: list[tuple[int, str | None]] = []
    with world.client() as client:

        def ask(to: str) -> None:
            reply = client.put(path(call), json=pickup(sendCallTo=to))
            replies.append((reply.status_code, reply.headers.get("idempotent-replayed")))

        threads = [
            threading.Thread(target=ask, args=("0003*024" if n % 2 else "0003*025",)) for n in range(50)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(replies, key=str) == [(202, "true")] * 24 + [(202, None)] + [(409, None)] * 25
    assert len(world.link.originated) == 1


def test_the_same_again_while_the_view_is_at_neither_phone(world: World) -> None:
    """The old phone is let go an instant before the new one has the caller: it is the same pickup all the same."""
    call = world.ringing()
    with world.client() as client, world.client("other") as stranger, world.client("chief") as chief:
        client.put(path(call), json=pickup())
        world.inside(client, world.link.let_go)
        views = [view["id"] for view in client.get(path(call)).json()["phoneCallView"]]
        again = client.put(path(call), json=pickup())
        third = client.put(path(call), json=pickup(sendCallTo="0003*025"))
        colleague = chief.put(path(call, user="@owner"), json=pickup())
        foreign = stranger.put(path(call, extension="@self"), json=pickup())
    assert views == ["00"]
    assert (again.status_code, again.headers["idempotent-replayed"], again.json()) == (
        202,
        "true",
        _accepted(call),
    )
    assert (third.status_code, third.json()["error"]["code"]) == (409, "pc_pickup_conflict")
    assert (colleague.status_code, foreign.json()["error"]["code"]) == (202, "pc_phonecall_invalid")
    assert len(world.link.originated) == 1


def test_published_is_the_first_second_of_the_call(world: World) -> None:
    """A pickup does not change it."""
    call = world.ringing()
    world.link.phone = "answers"
    with world.client() as client:
        body = client.put(path(call), json=pickup(), headers={"Prefer": "wait=5"}).json()
    assert body["published"] == "2012-06-27T14:08:50+00:00"
    assert world.link.at > EPOCH
