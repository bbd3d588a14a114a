"""The commands `calls` and `pickup`: what they show of the real API, and how they end."""

import argparse
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from rich.console import Console
from starlette.testclient import TestClient

from bridge.client import (
    Api,
    ClientError,
    Exit,
    add_calls_arguments,
    add_pickup_arguments,
    pick_up,
    run_calls,
    run_pickup,
    show_calls,
)
from uapi.world import World


class Ended(Exception):
    """The person has seen enough."""


def options(add: Callable[[argparse.ArgumentParser], None], *words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add(parser)
    return parser.parse_args(words)


def console() -> Console:
    return Console(file=io.StringIO(), width=200, highlight=False)


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def chief(world: World) -> Iterator[TestClient]:
    """The client of somebody who may act for the whole organization; the bridge runs."""
    with world.client("chief") as client:
        yield client


def shown(http: httpx2.Client, *words: str) -> str:
    out = console()
    assert show_calls(Api(http), options(add_calls_arguments, *words), out) is Exit.DONE
    return said(out)


def picked(
    http: httpx2.Client, *words: str, ask: Callable[[str, list[str]], str] | None = None
) -> tuple[Exit, str]:
    out = console()
    try:
        status = pick_up(Api(http), options(add_pickup_arguments, *words), out, ask=ask)
    except ClientError as error:
        return error.status, str(error)
    return status, said(out)


# --- calls


def test_live_calls_are_a_table(world: World, chief: TestClient) -> None:
    """A row for each view: whose, in what state, how long, with whom."""
    call = world.ringing()
    lines = [line.split() for line in shown(chief).splitlines()]
    assert lines[0] == ["call", "view", "extension", "state", "for", "with", "pickup"]
    assert lines[1][:4] == [call, "00", "0003*100", "calling"]
    assert lines[2][:3] == ["01", "0003*210", "ringing"]
    assert lines[2][4:] == ["Jane", "<0003*100>"]


def test_only_those_of_an_extension(world: World, chief: TestClient) -> None:
    """With an extension its calls alone are shown; without any, that is said."""
    call = world.ringing()
    assert call in shown(chief, "0003*210")
    assert call not in shown(chief, "0003*024")
    assert "no calls" in shown(chief, "0003*024")


def test_held_and_parked_calls_say_so(world: World, chief: TestClient) -> None:
    """States are words: talking, on hold, holding, parked in which slot."""
    caller = world.caller()
    called = world.ring(caller)
    world.talk(caller, called)
    assert shown(chief).count("talking") == 2
    world.event("Hold", Uniqueid=called)
    assert {"holding", "on hold"} == {state for state in ("holding", "on hold") if state in shown(chief)}
    parked = world.caller(sequence=20)
    world.park(parked)
    assert "parked 701" in shown(chief)


def test_a_pickup_under_way_is_shown(world: World, chief: TestClient) -> None:
    """Who takes it from whom, and how far it has come."""
    world.ringing()
    assert picked(chief, "0003*210", "--to", "0003*024", "--wait", "0")[0] is Exit.DONE
    assert "0003*210 by 0003*024: ringing" in shown(chief)


def test_names_are_no_markup(world: World, chief: TestClient) -> None:
    """A caller called [red] is shown as that, and changes nothing."""
    caller = world.caller(display="[red]Jane[/] :phone:")
    world.ring(caller)
    assert "[red]Jane[/] :phone:" in shown(chief)


def test_json_is_what_the_api_tells(world: World, chief: TestClient) -> None:
    """--json: the entries of the list, for another program."""
    call = world.ringing()
    told = json.loads(shown(chief, "--json"))
    assert [entry["id"] for entry in told] == [call]
    assert told == Api(chief).entries()


def test_watching_shows_each_change_once(world: World, chief: TestClient) -> None:
    """Into a file: a table for each change, none where nothing changed, until interrupted."""
    steps: Iterator[Callable[[], Any]] = iter((lambda: None, lambda: None, world.ringing, lambda: None))

    def pause() -> None:
        step = next(steps, None)
        if step is None:
            raise Ended
        world.inside(chief, step)

    out = console()
    with pytest.raises(Ended):
        show_calls(Api(chief), options(add_calls_arguments, "--watch"), out, pause=pause)
    assert said(out).count("extension") == 2
    assert said(out).index("no calls") < said(out).index("ringing")


def test_watching_outlives_an_outage(world: World, chief: TestClient) -> None:
    """A PBX that is gone is told below an empty table; the last calls are not shown as if they were there."""
    call = world.ringing()
    steps = iter((lambda: world.link.go_down("The PBX no longer answers."), None))

    def pause() -> None:
        step = next(steps)
        if step is None:
            raise Ended
        step()

    terminal = Console(file=io.StringIO(), width=200, force_terminal=True)
    with pytest.raises(Ended):
        show_calls(Api(chief), options(add_calls_arguments, "--watch"), terminal, pause=pause)
    assert call in said(terminal)
    last = said(terminal).rpartition("extension")[2]
    assert "The PBX no longer answers." in last
    assert call not in last


# --- pickup


def test_the_one_that_rings_is_picked_up(world: World, chief: TestClient) -> None:
    """Without a call and a view: the call that rings there, by the extension's own view; exit status 0."""
    world.link.phone = "answers"
    call = world.ringing()
    talking = world.caller("0003*101", sequence=30)
    world.talk(talking, world.ring(talking, sequence=31))
    status, told = picked(chief, "0003*210", "--to", "0003*024", "--caller-id", "John Doe <42420042>")
    assert (status, told.splitlines()[-1]) == (Exit.DONE, f"0003*024 has the call {call}.")
    (originate,) = world.link.originated
    assert originate.endpoint == "PJSIP/0003*024"
    assert originate.variables["UAPI_VIEW"] == "01"
    assert originate.timeout_ms == 20_000
    assert str(originate.caller) == str(type(originate.caller).parse("John Doe <42420042>"))


def test_without_a_wait_it_ends_when_the_phone_rings(world: World, chief: TestClient) -> None:
    """--wait 0: accepted is enough."""
    call = world.ringing()
    assert picked(chief, "0003*210", "--to", "0003*024", "--wait", "0") == (
        Exit.DONE,
        f"0003*024 rings for the call {call}.\n",
    )


def test_a_phone_that_cannot_is_its_own_status(world: World, chief: TestClient) -> None:
    """Not there: what the API says, and exit status 6."""
    world.link.phone = "unreachable"
    world.ringing()
    status, told = picked(chief, "0003*210", "--to", "0003*024")
    assert (status, "0003*024" in told) == (Exit.UNAVAILABLE, True)


def test_a_call_that_cannot_be_picked_up_is_a_conflict(world: World, chief: TestClient) -> None:
    """Another pickup of it is under way."""
    world.ringing()
    picked(chief, "0003*210", "--to", "0003*024", "--wait", "0")
    assert picked(chief, "0003*210", "--to", "0003*025", "--wait", "0")[0] is Exit.CONFLICT


def test_what_waits_is_taken_by_the_view_there_is(world: World, chief: TestClient) -> None:
    """A parked caller is an outside party's view: from the one who parked, it is the only one."""
    world.link.phone = "answers"
    world.park(world.caller("+4930900100"))
    (call,) = Api(chief).calls("0003*210")
    status, _ = picked(chief, "0003*210", call.id, "--to", "0003*024")
    assert status is Exit.DONE
    assert world.link.originated[0].variables["UAPI_MODE"] == "waiting"


def test_no_ringing_call_says_which_exist(world: World, chief: TestClient) -> None:
    """A call that talks is not taken unasked: exit status 3, and the calls there are."""
    assert picked(chief, "0003*210", "--to", "0003*024") == (
        Exit.NOTHING,
        "At 0003*210 no call rings. There is no call at all.",
    )
    caller = world.caller()
    world.talk(caller, world.ring(caller))
    status, told = picked(chief, "0003*210", "--to", "0003*024")
    assert status is Exit.NOTHING
    assert "0003*210 talking Jane <0003*100>" in told
    assert world.link.originated == []


def test_of_several_that_ring_the_person_chooses(world: World, chief: TestClient) -> None:
    """On a terminal the calls are offered; in a script they are told."""
    first = world.ringing()
    second = world.caller("0003*101", sequence=30)
    world.ring(second, sequence=31)
    status, told = picked(chief, "0003*210", "--to", "0003*024", "--wait", "0")
    assert (status, "several calls ring" in told, first in told) == (Exit.NOTHING, True, True)
    offered: list[str] = []

    def ask(_: str, choices: list[str]) -> str:
        offered.extend(choices)
        return next(choice for choice in choices if choice.startswith(first))

    status, told = picked(chief, "0003*210", "--to", "0003*024", "--wait", "0", ask=ask)
    assert (status, first in told, len(offered)) == (Exit.DONE, True, 2)


def test_a_call_that_is_not_there_is_told(world: World, chief: TestClient) -> None:
    """By its id, with those that are."""
    call = world.ringing()
    status, told = picked(chief, "0003*210", "f" * 20, "--to", "0003*024")
    assert (status, call in told) == (Exit.NOTHING, True)


def test_what_the_api_refuses_is_told_in_its_words(world: World, chief: TestClient) -> None:
    """Wrong phone, foreign extension: exit status 1 and the API's sentence."""
    world.ringing()
    status, told = picked(chief, "0003*210", "--to", "0003*999")
    assert (status, "sendCallTo" in told) == (Exit.REFUSED, True)
    status, told = picked(chief, "0004*210", "--to", "0003*024")
    assert (status, "may not act for" in told) == (Exit.REFUSED, True)


# --- outcomes that a scripted API tells

ENTRY = {
    "id": "b817d2618fe6f1804333",
    "extension": "0003*210",
    "phoneCallView": [{"id": "01", "extension": "0003*210", "status": "3"}],
}


def api(put: httpx2.Response | Exception, *lists: list[dict[str, Any]]) -> httpx2.Client:
    """An API with one ringing call, that answers a PUT as given, and shows other lists after it."""
    remaining = [[ENTRY], *lists]

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(200, json={"entry": remaining.pop(0)})
        if isinstance(put, Exception):
            raise put
        return put

    return httpx2.Client(transport=httpx2.MockTransport(answer), base_url="http://bridge/")


def error(status: int, code: str) -> httpx2.Response:
    return httpx2.Response(status, json={"error": {"code": code, "message": "So it is."}})


@pytest.mark.parametrize(
    ("http", "expected"),
    [
        (api(httpx2.Response(204), [ENTRY]), Exit.NO_ANSWER),
        (api(httpx2.Response(204), []), Exit.GONE),
        (api(httpx2.Response(202, json={})), Exit.STILL_RINGING),
        (api(error(409, "pc_pickup_conflict")), Exit.CONFLICT),
        (api(error(409, "pc_sendcallto_unavailable")), Exit.UNAVAILABLE),
        (api(error(400, "pc_phonecall_invalid")), Exit.NOTHING),
        (api(error(400, "pc_callerid_invalid")), Exit.REFUSED),
        (api(error(401, "access_denied")), Exit.REFUSED),
        (api(error(503, "pbx_unavailable")), Exit.UNREACHABLE),
        (api(httpx2.Response(404, text="<html>")), Exit.UNREACHABLE),
        (api(httpx2.ConnectError("refused")), Exit.UNREACHABLE),
    ],
)
def test_each_outcome_has_its_exit_status(http: httpx2.Client, expected: Exit) -> None:
    """What became of the pickup can be told from the status alone."""
    assert picked(http, "0003*210", "--to", "0003*024")[0] is expected


def test_the_outcome_is_waited_for_longer_than_the_phone_rings() -> None:
    """The phone rings as long as the person says; Prefer adds what the last events need."""
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={"entry": [ENTRY]})

    http = httpx2.Client(transport=httpx2.MockTransport(answer), base_url="http://bridge/base/")
    picked(http, "0003*210", "--to", "0003*024", "--wait", "12.5")
    put = seen[-1]
    assert (put.method, put.url.path) == ("PUT", "/base/uapi/phoneCalls/@owner/0003*210/b817d2618fe6f1804333")
    assert put.headers["Prefer"] == "wait=16"
    assert json.loads(put.content)["waitForPickup"] == 12.5


# --- the command line


def test_a_token_is_needed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without one the person is told where to put it: exit status 2."""
    monkeypatch.delenv("BRIDGE_TOKEN", raising=False)
    assert run_calls(options(add_calls_arguments)) == 2
    assert "BRIDGE_TOKEN" in capsys.readouterr().err


def test_a_bridge_that_is_not_there_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its address, and without the token: exit status 8."""
    monkeypatch.setenv("BRIDGE_TOKEN", "a-secret-token")
    monkeypatch.setenv("BRIDGE_URL", "http://127.0.0.1:1")
    assert run_pickup(options(add_pickup_arguments, "0003*210", "--to", "0003*024")) == 8
    err = capsys.readouterr().err
    assert "http://127.0.0.1:1" in err
    assert "a-secret-token" not in err


@pytest.mark.parametrize("address", ["127.0.0.1:8080", "ftp://127.0.0.1"])
def test_an_address_of_another_kind_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    """No script is to try that again: exit status 2, and what would be right."""
    monkeypatch.setenv("BRIDGE_TOKEN", "a-token")
    monkeypatch.setenv("BRIDGE_URL", address)
    assert run_pickup(options(add_pickup_arguments, "0003*210", "--to", "0003*024")) == Exit.USAGE
    assert "must begin with http:// or https://" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("0003*210", "--wait", "56"), ("0003*210", "--wait", "long"), ("desk-7",)])
def test_wrong_words_are_refused_before_anything_is_asked(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """More than the API would wait, no number, no extension: exit status 2, and what would be right."""
    with pytest.raises(SystemExit) as wrong:
        options(add_pickup_arguments, *words, "--to", "0003*024")
    assert wrong.value.code == Exit.USAGE
    assert "must be" in capsys.readouterr().err
