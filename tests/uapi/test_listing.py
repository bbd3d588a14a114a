"""What is live, as a list and one by one."""

from typing import Any, cast

import httpx2
import pytest
from starlette.routing import Route

from bridge.grammar import CallId
from bridge.uapi.resources import Resource
from uapi.world import EPOCH, TOKENS, World, path

BASE = "https://uapi.voipnow.com"


def _link(call: str, user: str = "12", extension: str = "0003*210") -> dict[str, str]:
    return {"self": f"{BASE}/uapi/phoneCalls/{user}/{extension}/{call}"}


def _ringing(call: str) -> dict[str, Any]:
    return {
        "id": call,
        "extension": "0003*210",
        "ownerId": "3",
        "ownerName": "Default Organization",
        "published": "2012-06-27T14:08:50+00:00",
        "phoneCallView": [
            {
                "id": "00",
                "extension": "0003*100",
                "status": "4",
                "callerId": "<0003*210>",
                "source": ["0003*100"],
                "destination": ["0003*210"],
                "flow": "2",
            },
            {
                "id": "01",
                "extension": "0003*210",
                "status": "3",
                "callerId": "Jane <0003*100>",
                "source": ["0003*100"],
                "destination": ["0003*210"],
                "flow": "2",
                "ringing": "2012-06-27T14:08:50+00:00",
            },
        ],
        "link": _link(call),
        "links": _link(call),
    }


def _page(*entries: dict[str, Any]) -> dict[str, Any]:
    return {
        "entry": list(entries),
        "totalResults": len(entries),
        "itemsPerPage": 20,
        "startIndex": 0,
        "paging": {},
    }


def test_a_list_has_each_call_once_with_all_its_views(world: World) -> None:
    """Every party's view is in it, not only that of the extension asked for; what is absent is left out."""
    call = world.ringing()
    with world.client() as client:
        reply = client.get(path())
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json() == _page(_ringing(call))


def test_one_call_is_itself_and_a_collection_of_one(world: World) -> None:
    """The seed reads it as a phone call, every other client as a list of one."""
    call = world.ringing()
    with world.client() as client:
        reply = client.get(path(call))
    assert reply.json() == {**_ringing(call), **_page(_ringing(call))}
    assert list(reply.json())[:5] == ["id", "extension", "ownerId", "ownerName", "published"]


@pytest.mark.parametrize("call", ["b817d2618fe6f1804333", "444444"])
def test_a_call_that_is_not_live_is_an_empty_collection(world: World, call: str) -> None:
    """Those who poll take it for the end of the call."""
    world.ringing()
    with world.client() as client:
        reply = client.get(path(call))
    assert (reply.status_code, reply.json()) == (200, _page())


def test_an_id_that_is_none_is_told(world: World) -> None:
    """Ids are alphanumeric."""
    with world.client() as client:
        for wrong in ("a-b", "%20", "b%2Fc", "%C3%A9"):
            reply = client.get(path(wrong))
            assert (reply.status_code, reply.json()["error"]["code"]) == (400, "pc_phonecall_invalid")


def test_a_talking_call_tells_since_when(world: World) -> None:
    """Both views are on call, dated; nothing rings any more."""
    caller = world.caller()
    world.talk(caller, world.ring(caller), at=5)
    with world.client() as client:
        call = client.get(path()).json()["entry"][0]
    assert call["answered"] == "2012-06-27T14:08:55+00:00"
    assert [
        (one["id"], one["status"], one["answered"], one["callerId"], "ringing" in one)
        for one in call["phoneCallView"]
    ] == [
        ("00", "5", "2012-06-27T14:08:55+00:00", "<0003*210>", False),
        ("01", "5", "2012-06-27T14:08:55+00:00", "Jane <0003*100>", False),
    ]


def test_a_held_call_tells_who_holds_it(world: World) -> None:
    """On hold is on both views, the holder on the one whose phone holds."""
    caller = world.caller()
    called = world.ring(caller)
    world.talk(caller, called)
    world.link.at = EPOCH + 9
    world.event("Hold", Uniqueid=called)
    with world.client() as client:
        views = client.get(path()).json()["entry"][0]["phoneCallView"]
    assert [(one["onHold"], one.get("holder")) for one in views] == [
        ("2012-06-27T14:08:59+00:00", None),
        ("2012-06-27T14:08:59+00:00", 1),
    ]


def test_a_parked_call_stays_with_whoever_parked_it(world: World) -> None:
    """It is listed under the parker, with slot, time and parker on the view."""
    caller = world.caller("+493012345", exten="700")
    world.park(caller)
    with world.client() as client:
        call = client.get(path()).json()["entry"][0]
    assert call["phoneCallView"] == [
        {
            "id": "00",
            "extension": "+493012345",
            "answered": "2012-06-27T14:09:00+00:00",
            "status": "5",
            "callerId": "<700>",
            "source": ["+493012345"],
            "destination": ["700"],
            "flow": "8",
            "parked": "2012-06-27T14:09:00+00:00",
            "parkedPos": 701,
            "parkedBy": "0003*210",
        }
    ]


def test_a_waiting_caller_is_found_under_the_queue(world: World) -> None:
    """And under no other extension of the same user."""
    caller = world.caller("+493012345", exten="5555")
    world.queue(caller)
    with world.client() as client:
        found = {
            extension: client.get(path(extension=extension)).json()["totalResults"]
            for extension in ("0003*900", "0003*210", "@self")
        }
    assert found == {"0003*900": 1, "0003*210": 0, "@self": 1}


def test_self_shows_a_call_under_the_users_own_extension(world: World) -> None:
    """That of the first of its parties that the user may act for."""
    call = world.ringing()
    world.ring(f"{EPOCH}.7", "0003*024", sequence=9)
    with world.client("mary") as client:
        shown = client.get(path(call, extension="@self")).json()
    assert (shown["extension"], shown["link"]) == ("0003*024", _link(call, "13", "0003*024"))


def test_a_finished_call_leaves_the_list(world: World) -> None:
    """Nothing is kept of it."""
    caller = world.caller()
    called = world.ring(caller)
    world.gone(called)
    world.gone(caller)
    with world.client() as client:
        assert client.get(path()).json() == _page()


# --- pages, order, filters, fields


def _many(world: World, count: int) -> list[str]:
    """Callers of 0003*210, one a second; their calls' ids, oldest first."""
    return [CallId.of(world.caller(f"0003*1{n:02d}", sequence=100 * n + 7)) for n in range(count)]


def _ids(body: dict[str, Any]) -> list[str]:
    return [one["id"] for one in body["entry"]]


def test_pages_follow_each_other_by_their_links(world: World) -> None:
    """Every call once, in the order of publication; the links carry what was asked, and no token."""
    calls = _many(world, 5)
    seen: list[str] = []
    with world.client(None) as client:
        token = {"Authorization": "Bearer token-of-john"}
        query = "?count=2&fields=id&accessRequestToken=token-of-john&unknown=1"
        body = client.get(path() + query).json()
        assert body["paging"] == {"next": f"{BASE}{path()}?count=2&fields=id&startIndex=2"}
        while True:
            seen += _ids(body)
            if "next" not in body["paging"]:
                break
            body = client.get(body["paging"]["next"], headers=token).json()
        assert (body["totalResults"], body["itemsPerPage"], body["startIndex"]) == (5, 2, 4)
        assert body["paging"] == {"prev": f"{BASE}{path()}?count=2&fields=id&startIndex=2"}
        beyond = client.get(f"{path()}?count=2&startIndex=50", headers=token).json()
        assert beyond["paging"] == {"prev": f"{BASE}{path()}?count=2&startIndex=3"}
        back = client.get(body["paging"]["prev"], headers=token).json()
    assert seen == calls
    assert _ids(back) == calls[2:4]


def test_calls_of_one_second_keep_their_order(world: World) -> None:
    """From page to page and from request to request, whatever happens to them meanwhile: by id then."""
    callers = [f"{EPOCH}.{n}" for n in range(7, 40)]
    for n, caller in enumerate(callers):
        world.channel(n + 7, f"PJSIP/0003*1{n:02d}", 4, linkedid=caller, number=f"0003*1{n:02d}")
    ids = sorted(CallId.of(caller) for caller in callers)
    with world.client() as client:
        for sort, expected in (("ascending", ids), ("descending", ids[::-1])):
            seen: list[str] = []
            for start in range(0, len(ids), 10):
                query = f"?count=10&startIndex={start}&sortOrder={sort}"
                seen += _ids(client.get(path(extension="@self") + query).json())
                world.event("Newstate", Uniqueid=callers[start], ChannelState="6")
            assert seen == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("sortOrder=asc", [0, 1, 2, 3, 4]),
        ("sortOrder=descending&count=2", [4, 3]),
        ("sortOrder=desc&startIndex=4", [0]),
        ("startIndex=5000", []),
        ("filterBy=id&filterValue={2}", [2]),
        ("filterBy=id&filterOp=startsWith&filterValue={2:.6}", [2]),
        ("filterBy=id&filterOp=inArray&filterValue={3},{1}", [1, 3]),
        ("filterBy=id&filterOp=present", [0, 1, 2, 3, 4]),
        ("filterBy=id&filterOp=present&filterValue=", [0, 1, 2, 3, 4]),
        ("filterBy=published&filterValue=2012-06-27T14:08:51Z", [1]),
        ("filterBy=published&filterValue=2012-06-27T16:08:51%2B02:00", [1]),
        ("filterBy=published&filterValue=2012-06-27T16:08:51+02:00", [1]),
        ("filterBy=published&filterOp=greaterThan&filterValue=2012-06-27T14:08:52Z", [3, 4]),
        ("filterBy=published&filterOp=lessThan&filterValue=2012-06-27T14:08:52", [0, 1]),
        ("filterBy=published&filterOp=contains&filterValue=:53", [3]),
        ("filterBy=published&filterOp=startsWith&filterValue=2012-06", [0, 1, 2, 3, 4]),
        ("filterBy=published&filterOp=startsWith&filterValue=2012-06-27T14:08:51+00:00", [1]),
        ("filterBy=published&filterOp=contains&filterValue=51+00", [1]),
        (
            "filterBy=published&filterOp=inArray&filterValue=2012-06-27T14:08:50Z,%202012-06-27T14:08:54Z",
            [0, 4],
        ),
    ],
)
def test_a_list_is_ordered_filtered_and_cut_as_asked(world: World, query: str, expected: list[int]) -> None:
    """By the parameters of the UnifiedAPI."""
    calls = _many(world, 5)
    with world.client() as client:
        body = client.get(f"{path()}?{query.format(*calls)}").json()
    assert [calls.index(one) for one in _ids(body)] == expected


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("count=0", "count_invalid"),
        ("count=5001", "count_invalid"),
        ("count=-1", "count_invalid"),
        ("count=1.5", "count_invalid"),
        ("count=%D9%A1", "count_invalid"),
        ("count=", "count_invalid"),
        ("startIndex=5001", "startindex_invalid"),
        ("startIndex=x", "startindex_invalid"),
        ("filterBy=extension&filterValue=1", "filterby_invalid"),
        ("filterValue=1", "filterby_invalid"),
        ("filterBy=id&filterOp=like&filterValue=1", "filterop_invalid"),
        ("filterBy=id", "filtervalue_invalid"),
        ("filterBy=id&filterValue=", "filtervalue_invalid"),
        ("filterBy=id&filterOp=inArray&filterValue=a,,b", "filtervalue_invalid"),
        ("filterBy=published&filterValue=yesterday", "filtervalue_invalid"),
        ("filterBy=published&filterOp=lessThan&filterValue=9999-99-99", "filtervalue_invalid"),
        ("sortOrder=up", "sortorder_invalid"),
        ("fields=id,password", "fields_invalid"),
        ("fields=", "fields_invalid"),
        ("count=x&sortOrder=up", "count_invalid"),
    ],
)
def test_a_wrong_parameter_has_its_code(world: World, query: str, code: str) -> None:
    """As section 4.3 of the collected facts has them; the same on a list and on one call."""
    with world.client() as client:
        for address in (path(), path("444444")):
            reply = client.get(f"{address}?{query}")
            assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)


def test_fields_choose_what_each_entry_has(world: World) -> None:
    """Of the phone call, whether in a list or by itself."""
    call = world.ringing()
    with world.client() as client:
        listed = client.get(f"{path()}?fields=id%2Cpublished").json()
        single = client.get(f"{path(call)}?fields=id,extension").json()
        again = client.get(f"{path()}?fields=id&fields=nonce,published").json()
    assert again == listed, "named one by one, and one that only calls have which the API has made"
    assert listed["entry"] == [{"id": call, "published": "2012-06-27T14:08:50+00:00"}]
    assert single == {
        **_page({"id": call, "extension": "0003*210"}),
        "id": call,
        "extension": "0003*210",
    }


def test_a_reply_that_has_not_changed_is_not_sent_again(world: World) -> None:
    """By ETag and If-None-Match, in every form that clients write it; a change ends it."""
    caller = world.caller()
    with world.client() as client:
        first = client.get(path())
        etag = first.headers["etag"]
        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            same = client.get(path(), headers={"If-None-Match": known})
            assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
        lines = [("If-None-Match", '"other"'), ("If-None-Match", etag)]
        assert client.get(path(), headers=lines).status_code == 304
        world.ring(caller)
        assert client.get(path(), headers={"If-None-Match": etag}).status_code == 200


def test_head_answers_as_get_without_a_body(world: World) -> None:
    """The same headers, the length of the body among them; and the next GET has its body."""
    world.ringing()
    with world.client() as client:
        got, head, again = client.get(path()), client.head(path()), client.get(path())
    assert (head.status_code, head.content) == (200, b"")
    assert (got.status_code, got.content) == (again.status_code, again.content)
    for name in ("content-length", "content-type", "etag"):
        assert head.headers[name] == got.headers[name] == again.headers[name]


def test_who_asks_the_same_is_told_what_is_true_for_him() -> None:
    """One question by many, at many hosts, from many pages, while calls change: nobody is told another's reply."""
    world = World({"http": {"cors_origins": ["https://app.example.org"]}})
    caller = world.caller()
    with world.client(None) as client:

        def ask(app: str, host: str = "one.example.org", **more: str) -> httpx2.Response:
            headers = {"Authorization": f"Bearer {TOKENS[app]}", "Host": host, **more}
            return client.get(path(extension="@self"), headers=headers)

        for _ in range(2):
            johns, chiefs = ask("john"), ask("chief")
            (john,), (chief,) = (one.json()["entry"] for one in (johns, chiefs))
            assert (john["link"]["self"], chief["link"]["self"]) == tuple(
                f"https://one.example.org/uapi/phoneCalls/{user}/0003*100/{CallId.of(caller)}"
                for user in ("12", "30")
            )
            assert ask("mary").json()["entry"] == []
            assert "two.example.org" in ask("john", "two.example.org").text
            page = ask("john", Origin="https://app.example.org")
            assert "access-control-allow-origin" in page.headers
            assert "access-control-allow-origin" not in ask("john").headers
            assert len({one.headers["x-request-id"] for one in (johns, chiefs, page)}) == 3
        views = [len(john["phoneCallView"])]
        world.ring(caller)
        views.append(len(ask("john").json()["entry"][0]["phoneCallView"]))
        assert views == [1, 2]


def test_replies_are_not_kept_without_end(world: World) -> None:
    """However many questions there are, and however long their answers."""
    world.ringing()
    with world.client() as client:
        for n in range(200):
            assert client.get(f"{path()}?count={n + 1}").status_code == 200
    lists = path(user="{user}", extension="{extension}")
    (handler,) = (
        route.app.operations["GET"].handler
        for route in world.bridge.asgi.routes
        if isinstance(route, Route) and isinstance(route.app, Resource) and route.path == lists
    )
    assert 0 < len(cast("Any", handler).__self__._told) <= 64
