"""Whoever listens hears of every change that it may see, once, in order, and is told where it may have missed some."""

import asyncio
import json
import signal
import urllib.request
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
import structlog

from bridge.ami import LinkState
from bridge.calls import Call, Leg, views
from bridge.directory import Directory
from bridge.tokens import Tokens
from bridge.uapi import events, feed, present
from bridge.uapi.addresses import resolve
from bridge.uapi.feed import Audience, Feed, Listener
from bridge.uapi.models import PhoneCall, PhoneCallView
from uapi.listening import Event, listening, until
from uapi.served import served
from uapi.world import TOKENS, World, path, pickup

pytestmark = pytest.mark.anyio


def statuses(event: Event) -> dict[str, str]:
    """Kind aside: the views with their status."""
    return {view["id"]: view["status"] for view in event.data["phoneCallView"]}


def comes_back(world: World) -> None:
    world.link.state = LinkState(up=True, reason="", context_loaded=True, asterisk="22.10.1", boot=2)
    world.link.tell(world.link.state)


async def test_a_listener_hears_what_is_there_and_then_what_changes(world: World) -> None:
    """A snapshot, then each change with the whole phone call, as the list has it; in numbered events."""
    first = world.ringing()
    with world.client() as client:
        listed = client.get(path()).json()["entry"]
    async with listening(world) as ear:
        snapshot = await ear.next()
        assert (snapshot.kind, snapshot.data) == (
            "snapshot",
            {"entry": listed, "totalResults": 1, "missed": False},
        )
        assert ear.status == 200
        assert ear.headers["content-type"].startswith("text/event-stream")
        assert ear.headers["cache-control"] == "no-store"
        second = world.caller("+49301", sequence=107)
        world.ring(second, sequence=108)
        added = await ear.next()
        assert (added.kind, statuses(added)) == ("added", {"00": "4", "01": "3"})
        world.talk(second, f"{1340806131}.108")
        changed = await ear.next()
        assert (changed.kind, statuses(changed)) == ("changed", {"00": "5", "01": "5"})
        assert changed.data["id"] == added.data["id"] != first
        for uniqueid in (second, f"{1340806131}.108"):
            world.gone(uniqueid)
        ended = await ear.next()
        assert (ended.kind, ended.data) == ("ended", changed.data)
        ids = [event.id or "" for event in (snapshot, added, changed, ended)]
        numbers = [int(id_.partition("-")[2]) for id_ in ids]
        assert numbers == list(range(numbers[0], numbers[0] + 4))


async def test_a_pickup_is_heard_with_who_took_it_from_whom(world: World) -> None:
    """Both by the one it is taken from and by the one that takes it, for whom it is a new call."""
    call = world.ringing()
    world.link.phone = "answers"
    async with listening(world) as john, listening(world, "mary", extension="@self") as mary:
        assert (await john.next()).data["totalResults"] == 1
        assert (await mary.next()).data["totalResults"] == 0
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(world.bridge.asgi), base_url="https://uapi.voipnow.com"
        ) as client:
            authorization = {"Authorization": f"Bearer {TOKENS['john']}"}
            reply = await client.put(path(call), json=pickup(), headers=authorization)
        assert reply.status_code == 202
        heard = [await john.next()]
        while heard[-1].data["phoneCallView"][-1].get("pickUp", {}).get("status") != "connected":
            heard.append(await john.next())
        taken = {"from": "0003*210", "sendCallTo": "0003*024", "status": "connected"}
        assert heard[-1].data["phoneCallView"][-1]["pickUp"] == taken
        seen = await mary.next()
        assert seen.kind == "added"
        while seen.data["phoneCallView"][-1]["pickUp"] != taken:
            seen = await mary.next()
        assert (seen.data["id"], seen.data["extension"]) == (call, "0003*024")


async def test_a_pickup_that_never_rings_is_heard_too(world: World) -> None:
    """No event of the PBX tells what became of it."""
    call = world.ringing()
    world.link.phone = "unreachable"
    async with listening(world) as ear:
        await ear.next()
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(world.bridge.asgi), base_url="https://uapi.voipnow.com"
        ) as client:
            authorization = {"Authorization": f"Bearer {TOKENS['john']}"}
            assert (await client.put(path(call), json=pickup(), headers=authorization)).status_code == 409
        assert (await ear.next()).data["phoneCallView"][1]["pickUp"]["status"] == "unreachable"


async def test_nobody_hears_of_a_call_that_its_list_would_not_show(world: World) -> None:
    """Each hears of its own, the chief of all; and a call that leaves an extension has ended there as it was."""
    async with (
        listening(world) as john,
        listening(world, "other", extension="0004*210") as other,
        listening(world, "chief", extension="@self") as chief,
    ):
        for ear in (john, other, chief):
            assert (await ear.next()).data["entry"] == []
        called = world.ring(world.caller("0003*024", exten="0003*900"), "0003*210")
        assert [(await ear.next()).kind for ear in (john, chief)] == ["added", "added"]
        world.gone(called, 26)
        last = await john.next()
        assert (last.kind, statuses(last)) == ("ended", {"00": "4", "01": "3"})
        assert (await chief.next()).kind == "changed"
        assert other.text == ""
        assert other.chunks.empty()


@pytest.mark.parametrize(
    ("app", "user", "extension", "status", "code"),
    [
        ("john", "@me", "0003*024", 403, "forbidden"),
        ("john", "13", "0003*024", 403, "forbidden"),
        ("john", "99", "0003*210", 400, "user_invalid"),
        ("john", "@me", "0009*999", 400, "extension_invalid"),
        ("nobody", "@me", "0003*210", 401, "access_denied"),
    ],
)
async def test_who_may_not_list_may_not_listen(
    world: World, app: str, user: str, extension: str, status: int, code: str
) -> None:
    """By the same checks, and with the same words."""
    token = TOKENS.get(app, "wrong")
    async with listening(world, token=token, user=user, extension=extension) as ear:
        body = json.loads(await ear.chunks.get())
    assert (ear.status, body["error"]["code"]) == (status, code)


async def test_a_listener_that_was_away_is_told_what_it_missed(world: World) -> None:
    """By the id of the last event that it heard: the same events, with the same ids, and no snapshot."""
    async with listening(world) as ear:
        before = await ear.next()
    async with listening(world) as witness:
        await witness.next()
        world.ringing()
        world.park(world.caller("0003*101", sequence=207))
        seen = [await witness.next(), await witness.next()]
    async with listening(world, last_id=before.id) as ear:
        assert [await ear.next(), await ear.next()] == seen
    async with listening(world, last_id=seen[0].id) as ear:
        assert await ear.next() == seen[1]
    async with listening(world, last_id=seen[1].id) as ear:
        assert await ear.comment() == "resumed"


@pytest.mark.parametrize("last_id", ["0badc0de-1", "1", "x-99999999999999999999", "", "\u00b2"])
async def test_what_is_no_longer_known_is_said_to_be_missed(world: World, last_id: str) -> None:
    """An id of another run, or none of ours, gets a snapshot that says so."""
    async with listening(world, last_id=last_id) as ear:
        snapshot = await ear.next()
    assert (snapshot.kind, snapshot.data["missed"]) == ("snapshot", last_id != "")


async def test_a_link_that_goes_down_is_told_and_a_new_snapshot_follows(world: World) -> None:
    """Whatever happened meanwhile is in the snapshot, which says that it was not told one by one."""
    world.ringing()
    async with listening(world) as ear:
        first = await ear.next()
        world.link.go_down("The connection was lost.")
        down = await ear.next()
        assert (down.kind, down.data["error"]["code"], down.id) == ("unavailable", "pbx_unavailable", None)
        assert down.data["error"]["message"] == "The connection was lost."
        world.caller("0003*101", sequence=207)
        comes_back(world)
        again = await ear.next()
        assert (again.kind, again.data["missed"], again.data["totalResults"]) == ("snapshot", True, 2)
    async with listening(world, last_id=first.id) as ear:
        assert (await ear.next()).data["missed"] is True


async def test_a_pbx_that_is_away_is_503(world: World) -> None:
    """As for the list; there is nothing to begin with."""
    world.link.go_down("Not connected yet.")
    async with listening(world) as ear:
        assert json.loads(await ear.chunks.get())["error"]["code"] == "pbx_unavailable"
    assert (ear.status, ear.headers["retry-after"]) == (503, "2")


async def test_a_slow_listener_is_told_and_dropped_and_can_resume(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hears an overrun, nothing after it, and gets all the rest by the id of the last event before."""
    monkeypatch.setattr(feed, "QUEUE", 3)
    async with listening(world) as ear:
        snapshot = await ear.next()
        ear.hearing.clear()
        for sequence in range(100, 110):
            world.caller(sequence=sequence, exten="0003*210")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        ear.hearing.set()
        *heard, last = await ear.all_to_the_end()
    assert last.kind == "overrun"
    assert len(heard) < 10
    assert world.bridge.feed.listeners == 0
    async with listening(world, last_id=(heard or [snapshot])[-1].id) as ear:
        missed = [await ear.next() for _ in range(10 - len(heard))]
    assert len({event.data["id"] for event in [*heard, *missed]}) == 10


async def test_who_never_reads_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its stream is let go, as no fault of ours."""
    monkeypatch.setattr(events, "SEND_WITHIN", 0.05)
    async with listening(world) as ear:
        await ear.next()
        ear.hearing.clear()
        with structlog.testing.capture_logs() as logs:
            world.ringing()
            await until(lambda: not world.bridge.feed.listeners)
            await asyncio.sleep(0)
    assert [line for line in logs if line["log_level"] == "error"] == []


async def test_a_stream_is_timed_until_it_begins(world: World) -> None:
    """How long somebody listened says nothing about how fast we are."""
    with structlog.testing.capture_logs() as logs:
        async with listening(world) as ear:
            await ear.next()
            await asyncio.sleep(0.3)
    (line,) = (line for line in logs if line["event"] == "request")
    assert (line["status"], line["route"]) == (200, "/uapi/phoneCalls/{user}/{extension}/events")
    assert line["ms"] < 200


async def test_silence_is_broken_by_a_heartbeat(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment, which browsers pass over and proxies do not."""
    monkeypatch.setattr(events, "HEARTBEAT", 0.02)
    async with listening(world) as ear:
        await ear.next()
        assert await ear.comment() == "still here"


async def test_a_stream_ends_with_its_token(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has expired meanwhile opens nothing any more, a stream that is open neither."""
    monkeypatch.setattr(events, "HEARTBEAT", 0.02)
    async with listening(world) as ear:
        await ear.next()
        monkeypatch.setattr(Tokens, "authenticate", lambda *_: None)
        assert await ear.all_to_the_end() == []


async def test_streams_of_an_app_are_counted() -> None:
    """One more than allowed is 429; one that has ended makes room."""
    world = World({"limits": {"streams_per_app": 1}})
    async with listening(world) as first:
        await first.next()
        async with listening(world) as second:
            assert json.loads(await second.chunks.get())["error"]["code"] == "too_many_requests"
        async with listening(world, "mary", extension="0003*024") as third:
            assert (await third.next()).kind == "snapshot"
    async with listening(world) as again:
        assert (await again.next()).kind == "snapshot"


async def test_streams_that_begin_at_once_are_counted_too() -> None:
    """Each before the next is let in."""
    world = World({"limits": {"streams_per_app": 2}})
    async with AsyncExitStack() as all_of_them:
        ears = [await all_of_them.enter_async_context(listening(world)) for _ in range(6)]
        await until(lambda: all(ear.status for ear in ears))
        assert [ear.status for ear in ears] == [200, 200, 429, 429, 429, 429]


async def test_head_begins_no_stream(world: World) -> None:
    """It has the headers of one, and ends."""
    async with listening(world, method="HEAD") as ear:
        assert await ear.chunks.get() == b""
    assert (ear.status, ear.ended) == (200, True)


async def test_changes_that_nobody_can_see_are_no_events(world: World) -> None:
    """A channel that is renamed, an event that comes twice."""
    caller = world.caller()
    async with listening(world) as ear:
        await ear.next()
        world.event(
            "Rename", Uniqueid=caller, Channel="PJSIP/0003*100-00000007", Newname="PJSIP/0003*100-000000aa"
        )
        world.event("Newstate", Uniqueid=caller, ChannelState="4")
        await asyncio.sleep(0)
        world.ring(caller)
        assert statuses(await ear.next()) == {"00": "4", "01": "3"}


# --- the feed itself


def audience(world: World, app: str = "12", extension: str = "0003*210") -> tuple[Directory, Audience]:
    directory = Directory(world.settings)
    user = directory.users[app]
    return directory, Audience(resolve(directory, user, "@me", extension), "https://x")


async def test_nothing_is_computed_while_nobody_listens(world: World) -> None:
    """The picture tracks changes from the first listener on, and for a while after the last, who may come back."""
    directory, here = audience(world)
    one = Feed(world.bridge.picture, directory, linger=0.01)

    def tracks() -> bool:
        return world.bridge.picture.track_changes

    one.stir()
    assert not tracks()
    listener = one.join(here, None)
    assert tracks()
    one.leave(here, listener)
    again = one.join(here, None)
    await asyncio.sleep(0.03)
    assert tracks()
    one.leave(here, again)
    await until(lambda: not tracks())
    world.ringing()
    assert world.bridge.picture.take_changes() == []


async def test_what_nobody_hears_is_not_put_into_words(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a call at a phone where nobody listens no reply is made; whoever comes back to that phone is told all the same,
    and of changes that nobody can see still nothing.
    """
    directory, here = audience(world)
    one = Feed(world.bridge.picture, directory)
    listener = one.join(here, None)
    before = await heard_id(listener)
    one.leave(here, listener)
    elsewhere = audience(world, "13", "0003*025")[1]
    one.join(elsewhere, None)
    made: list[Call] = []
    shown = present.phone_call

    def counted(call: Call, *args: Any, **more: Any) -> PhoneCall:
        made.append(call)
        return shown(call, *args, **more)

    monkeypatch.setattr(present, "phone_call", counted)
    caller = world.caller()
    world.ring(caller)
    one.stir()
    await asyncio.sleep(0)
    world.event(
        "Rename", Uniqueid=caller, Channel="PJSIP/0003*100-00000007", Newname="PJSIP/0003*100-000000aa"
    )
    one.stir()
    await asyncio.sleep(0)
    assert made == []
    told = (await one.join(here, before).hear(1)) or b""
    assert made != []
    assert [told.count(kind) for kind in (b"event: added", b"event: changed")] == [1, 0]


async def test_calls_elsewhere_are_not_put_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a call at a phone where nobody listens nothing is built, until somebody listens there or to all."""
    directory, here = audience(world)
    one = Feed(world.bridge.picture, directory)
    listener = one.join(audience(world, "13", "0003*025")[1], None)
    await heard_id(listener)
    built = counted_builds(monkeypatch)
    world.ringing()
    one.stir()
    await asyncio.sleep(0)
    assert built == []
    snapshot = (await one.join(here, None).hear(1)) or b""
    assert snapshot.count(b'"phoneCallView"') == len(built) == 1
    world.ring(world.caller("+49301", sequence=107), sequence=108)
    one.stir()
    everything = await one.join(audience(world, "30", "@self")[1], None).hear(1)
    assert everything
    assert everything.count(b'"phoneCallView"') == 2
    assert listener.over is False
    await asyncio.sleep(feed.GATHER)
    assert not await listener.hear(0)


def counted_builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the calls that are put together from now on."""
    built: list[str] = []
    build = views.build

    def counted(call: Any, *args: Any) -> Call | None:
        built.append(call)
        return build(call, *args)

    monkeypatch.setattr("bridge.calls.picture.build", counted)
    return built


async def test_who_comes_back_to_a_phone_that_was_not_followed_has_missed_something(world: World) -> None:
    """Others listened elsewhere meanwhile, so that events were numbered; whoever comes back in time hears them all."""
    directory, here = audience(world)
    one = Feed(world.bridge.picture, directory, linger=0.01)
    elsewhere = audience(world, "13", "0003*024")[1]
    one.join(elsewhere, None)
    listener = one.join(here, None)
    before = await heard_id(listener)
    one.leave(here, listener)
    world.ringing()
    one.stir()
    again = one.join(here, before)
    resumed = (await again.hear(1)) or b""
    assert b": resumed" in resumed
    assert resumed.count(b"event: added") == 1
    one.leave(here, again)
    await until(lambda: len(one._watched) == 1)
    late = (await one.join(here, before).hear(1)) or b""
    assert b'"missed":true' in late
    assert late.count(b'"phoneCallView"') == 1


async def test_a_burst_is_told_as_one_change(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first change at once; what follows soon after is gathered, and told together."""
    monkeypatch.setattr(feed, "GATHER", 0.3)
    directory, here = audience(world)
    one = Feed(world.bridge.picture, directory)
    listener = one.join(here, None)
    await listener.hear(1)
    began = asyncio.get_running_loop().time()
    caller = world.caller(exten="0003*210")
    one.stir()
    first = await listener.hear(5) or b""
    assert asyncio.get_running_loop().time() - began < 0.3
    called = world.ring(caller)
    one.stir()
    await asyncio.sleep(0)
    world.gone(called, 26)
    one.stir()
    await asyncio.sleep(0)
    world.ring(caller, "0003*211", sequence=9)
    one.stir()
    then = await listener.hear(5) or b""
    assert [told.count(b"event: added") for told in (first, then)] == [1, 0]
    assert [told.count(b"event: changed") for told in (first, then)] == [0, 1]
    assert b"0003*211" in then


async def test_a_history_that_is_too_short_says_so(world: World) -> None:
    """Whoever was away for more changes than are kept begins anew; who was not, does not."""
    directory, here = audience(world)
    one = Feed(world.bridge.picture, directory, history=2)
    listener = one.join(here, None)
    ids = [await heard_id(listener)]
    for sequence in (101, 102, 103):
        world.caller(sequence=sequence)
        one.stir()
        ids.append(await heard_id(listener))
    beginnings = [(await one.join(here, id_).hear(1)) or b"" for id_ in ids]
    assert [b'"missed":true' in one for one in beginnings] == [True, False, False, False]
    assert [one.count(b"event: added") for one in beginnings] == [0, 2, 1, 0]


async def heard_id(listener: Listener) -> str:
    heard = await listener.hear(1)
    assert heard
    return heard.decode().partition("id: ")[2].partition("\n")[0]


async def test_those_who_listen_alike_share_what_they_hear(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand listeners cost one rendering of each change."""
    directory, here = audience(world)
    one = Feed(world.bridge.picture, directory)
    listeners = [one.join(here, None) for _ in range(1000)]
    for listener in listeners:
        await listener.hear(1)
    present_view, made = present.view, []

    def view(leg: Leg) -> PhoneCallView:
        made.append(leg.view)
        return present_view(leg)

    monkeypatch.setattr(present, "view", view)
    world.ringing()
    one.stir()
    heard = {await listener.hear(1) for listener in listeners}
    assert (len(heard), made) == (1, ["00", "01"])


# --- the real server


def test_sigterm_ends_the_streams_and_the_service() -> None:
    """Each stream ends whole, and the service soon after."""
    with served() as service:
        request = urllib.request.Request(
            f"{service.address}{path()}/events", headers={"Authorization": f"Bearer {TOKENS['john']}"}
        )
        with urllib.request.urlopen(request, timeout=10) as stream:
            assert b": listening" in stream.readline()
            service.signal(signal.SIGTERM)
            rest = stream.read()
        assert rest.endswith(b"\n\n")
        assert service.end() == (0, "logged off: True\n")
