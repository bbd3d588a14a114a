"""The PBX and the network fail: 503 at once, never an old picture, nothing replayed, and all well again soon."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from lab import AmiProxy, Bridge, Lab, until
from lab.fixtures import NewBridge, NewLab, NewProxy
from lab.numbers import PARK_ME
from lab.pace import pace
from matrix.states import CALLED, CALLER, Scene, ringing
from real.states import over

pytestmark = [pytest.mark.anyio, pytest.mark.real]

PHONES = (CALLER, CALLED, "0003*024")


async def _unavailable(bridge: Bridge, within: float) -> None:
    """Wait until the API says 503 properly, which it does within so many seconds."""
    machine, started = pace(), time.monotonic()

    async def refused() -> bool:
        answer = await bridge.get("@me", CALLED)
        return answer.status_code == 503

    await until(refused, "the API says 503", timeout=within + 20)
    assert machine.worth(started, time.monotonic()) <= within
    answer = await bridge.get("@me", CALLED)
    assert answer.json()["error"]["code"] == "pbx_unavailable"
    assert int(answer.headers["Retry-After"]) > 0
    put = await bridge.pick_up(CALLED, "0" * 20, "0003*024")
    assert (put.status_code, put.json()["error"]["code"]) == (503, "pbx_unavailable")
    assert int(put.headers["Retry-After"]) > 0


async def _well_again(lab: Lab, bridge: Bridge, within: float = 10, *, since: float | None = None) -> None:
    """Wait until there is a picture again, without ghosts; then a ringing call is picked up.

    Args:
        lab: Where.
        bridge: Who was cut off.
        within: Seconds until then.
        since: From when on, by the monotonic clock; from now on where None.
    """
    machine, started = pace(), since or time.monotonic()

    async def answers() -> bool:
        return (await bridge.get("@me", CALLED)).status_code == 200

    async def none_left() -> bool:
        return await bridge.calls(CALLED) == []

    await until(answers, "the API answers again", timeout=within + 20)
    await until(none_left, "what has ended is not listed")
    scene = await ringing(lab, bridge)
    accepted = await bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view)
    assert accepted.status_code == 202, accepted.text
    assert machine.worth(started, time.monotonic()) <= within
    await lab["024"].accept(await lab["024"].wait_for_ring())
    await lab.wait_together("024", "100")


async def test_a_cut_connection(lab: Lab, new_bridge: NewBridge, new_proxy: NewProxy) -> None:
    """The AMI connection is cut while a call rings and a pickup waits: 503 within 1 s, and no second ring later."""
    proxy = await new_proxy()
    bridge = await new_bridge(proxy.login)
    scene = await ringing(lab, bridge)
    waiting = asyncio.ensure_future(
        bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view, wait=20)
    )
    ring = await lab["024"].wait_for_ring()
    machine, cut = pace(), time.monotonic()

    proxy.cut(refuse=True)

    told = await waiting
    assert machine.worth(cut, time.monotonic()) <= 1
    await _unavailable(bridge, within=1)
    assert (told.status_code, told.json()["error"]["code"]) == (503, "pbx_unavailable")
    await lab["100"].hangup()
    await lab["210"].wait_closed()
    proxy.clear()
    proxy.allow()
    # The new connection finds a ring whose caller is gone, and ends it; nothing is asked a second time.
    await lab["024"].wait_closed(ring)
    assert proxy.count("Originate") == 0
    await _well_again(lab, bridge)


async def test_each_try_to_reconnect_comes_later_than_the_one_before(
    new_bridge: NewBridge, new_proxy: NewProxy
) -> None:
    """After 0.2 s, doubling to at most 5 s, each drawn from the upper half of that."""
    proxy = await new_proxy()
    await new_bridge(proxy.login)
    machine = pace()

    proxy.cut(refuse=True)
    lost = time.monotonic()

    await until(lambda: _tried(proxy, 6), "it has tried five times", timeout=60)
    tries = [lost, *proxy.connected[1:6]]
    for wait, (before, after) in zip((0.2, 0.4, 0.8, 1.6, 3.2), pairwise(tries), strict=True):
        assert after - before >= wait / 2 - 0.01
        assert machine.worth(before, after) <= wait + 0.3


async def _tried(proxy: AmiProxy, times: int) -> bool:
    return len(proxy.connected) >= times


async def test_an_originate_under_way_is_not_sent_again(
    lab: Lab, new_bridge: NewBridge, new_proxy: NewProxy
) -> None:
    """The link breaks before an Originate is answered: the client hears 503, and no phone rings after the outage."""
    proxy = await new_proxy()
    bridge = await new_bridge(proxy.login)
    scene = await ringing(lab, bridge)
    proxy.swallow("Originate")
    waiting = asyncio.ensure_future(bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view))
    await until(_heard(proxy, "Originate"), "the Originate was sent", timeout=20)
    proxy.swallow()
    proxy.cut()

    assert (await waiting).status_code == 503
    await until(_reconnected(bridge), "the API answers again")
    # A connection that answers questions has sent whatever it would send by itself.
    again = await bridge.pick_up(scene.uri, scene.call, "0003*025", view=scene.view)
    assert again.status_code == 202, again.text
    assert [action["ChannelId"] for action in proxy.actions if action["Action"] == "Originate"] == [
        f"uapi-{scene.call}-1"
    ] * 2
    await lab["025"].wait_for_ring()
    assert not lab["024"].rings


def _heard(proxy: AmiProxy, name: str) -> Callable[[], Awaitable[bool]]:
    async def heard() -> bool:
        return proxy.count(name) > 0

    return heard


def _reconnected(bridge: Bridge) -> Callable[[], Awaitable[bool]]:
    async def reconnected() -> bool:
        return (await bridge.get("@me", CALLED)).status_code == 200

    return reconnected


async def test_a_peer_that_vanished_without_a_word(
    lab: Lab, new_bridge: NewBridge, new_proxy: NewProxy
) -> None:
    """A half-open connection: no byte comes any more. 503 within 10 s, and well again when the network is."""
    proxy = await new_proxy()
    bridge = await new_bridge(proxy.login)

    proxy.silence()

    await _unavailable(bridge, within=10)
    proxy.cut()
    proxy.release()
    await _well_again(lab, bridge)


async def test_a_slow_pbx(lab: Lab, new_bridge: NewBridge, new_proxy: NewProxy) -> None:
    """AMI answers seconds late, but it does: the pickup is late, and true."""
    proxy = await new_proxy()
    bridge = await new_bridge(proxy.login)
    scene = await ringing(lab, bridge)
    proxy.hold(from_asterisk=True)
    waiting = asyncio.ensure_future(bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view))
    asyncio.get_running_loop().call_later(2, proxy.release)

    assert (await waiting).status_code == 202
    await lab["024"].accept(await lab["024"].wait_for_ring())
    await lab.wait_together("024", "100")


async def test_a_pbx_slower_than_anybody_waits(lab: Lab, new_bridge: NewBridge, new_proxy: NewProxy) -> None:
    """AMI answers after longer than the bridge waits: 503, and the phone that rings is the same pickup's who asks again."""
    proxy = await new_proxy()
    bridge = await new_bridge(proxy.login)
    scene = await ringing(lab, bridge)
    proxy.hold(from_asterisk=True)
    machine, started = pace(), time.monotonic()

    late = await bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view)

    assert (late.status_code, late.json()["error"]["code"]) == (503, "pbx_unavailable")
    assert int(late.headers["Retry-After"]) > 0
    assert machine.worth(started, time.monotonic()) <= 10
    proxy.release()
    await _rings_once_for_who_asks_again(lab, bridge, scene)


async def _rings_once_for_who_asks_again(lab: Lab, bridge: Bridge, scene: Scene) -> None:
    """The same PUT once the API answers again: 024 rings for it, takes the call, and has not rung besides."""
    await until(_reconnected(bridge), "the API answers again")
    again = await bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view)
    assert again.status_code == 202, again.text
    await lab["024"].accept(await lab["024"].wait_for_ring())
    await lab.wait_together("024", "100")
    assert len(lab["024"].rings) == 1


@pytest.fixture
async def doomed(new_lab: NewLab) -> Lab:
    """A PBX of the test's own, to be stopped, killed and frozen."""
    return await new_lab(phones=PHONES, company=False)


async def test_asterisk_stops_is_killed_and_freezes(doomed: Lab, new_bridge: NewBridge) -> None:
    """`core stop now`, kill -9, SIGSTOP and `core restart now`, each while a call is being picked up: whoever waits is told.

    No ghost survives, and nothing rings by itself.
    """
    bridge = await new_bridge(doomed.asterisk.ami)
    for fault in ("core stop now", "kill", "freeze", "core restart now"):
        scene = await ringing(doomed, bridge)
        waiting = asyncio.ensure_future(
            bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view, wait=60)
        )
        await doomed["024"].wait_for_ring()
        match fault:
            case "core stop now":
                await doomed.asterisk.stop()
                await _unavailable(bridge, within=1)
                await doomed.asterisk.start()
            case "kill":
                await doomed.asterisk.kill()
                await _unavailable(bridge, within=1)
                await doomed.asterisk.start()
            case "freeze":
                doomed.asterisk.freeze()
                await _unavailable(bridge, within=10)
                doomed.asterisk.thaw()
            case _:
                with contextlib.suppress(OSError):
                    await doomed.asterisk.cli("core restart now")
                await _unavailable(bridge, within=1)
                await until(_booted(doomed), "Asterisk is up again", timeout=60)
        told = await waiting
        # A PBX that is told to stop hangs everybody up a second before it is gone: the call may be over first.
        over_first = fault.startswith("core") and told.status_code in (204, 409)
        assert over_first or (told.status_code, told.json()["error"]["code"]) == (503, "pbx_unavailable")
        up = time.monotonic()
        await (doomed.reset() if fault == "freeze" else doomed.revive())
        await _well_again(doomed, bridge, since=up)
        assert len(doomed["024"].rings) == 1
        await doomed.reset()


async def test_an_asterisk_that_freezes_while_it_is_asked(doomed: Lab, new_bridge: NewBridge) -> None:
    """The PUT is told 503; once Asterisk goes on, the phone rings for whoever asks again, and once."""
    bridge = await new_bridge(doomed.asterisk.ami)
    scene = await ringing(doomed, bridge)
    machine, started = pace(), time.monotonic()
    doomed.asterisk.freeze()

    told = await bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view)

    assert (told.status_code, told.json()["error"]["code"]) == (503, "pbx_unavailable")
    assert machine.worth(started, time.monotonic()) <= 10
    doomed.asterisk.thaw()
    await _rings_once_for_who_asks_again(doomed, bridge, scene)


def _booted(lab: Lab) -> Callable[[], Awaitable[bool]]:
    async def booted() -> bool:
        try:
            return "fully booted" in await lab.asterisk.cli("core waitfullybooted", timeout=1)
        except OSError:
            return False

    return booted


async def test_reloads_disturb_nothing(doomed: Lab, new_bridge: NewBridge) -> None:
    """`core reload` and `manager reload` while a pickup rings: it goes on, and connects."""
    bridge = await new_bridge(doomed.asterisk.ami)
    scene = await ringing(doomed, bridge)
    waiting = asyncio.ensure_future(
        bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view, wait=30)
    )
    ring = await doomed["024"].wait_for_ring()

    await doomed.asterisk.cli("core reload")
    await doomed.asterisk.cli("manager reload")
    await doomed["024"].accept(ring)

    assert (await waiting).status_code == 200
    await doomed.wait_together("024", "100")


async def test_a_context_that_is_not_loaded(doomed: Lab, new_bridge: NewBridge) -> None:
    """Without the include file a PUT is 503 and names it, and no phone rings; it works right after a reload."""
    file = doomed.asterisk.folder / "etc" / "extensions.d" / "uapi.conf"
    text = file.read_text()
    file.write_text("; not included\n")
    await doomed.asterisk.cli("dialplan reload")
    bridge = await new_bridge(doomed.asterisk.ami)
    scene = await ringing(doomed, bridge)

    refused = await bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view)

    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "pbx_unavailable")
    assert int(refused.headers["Retry-After"]) > 0
    assert "extensions.d/uapi.conf" in refused.json()["error"]["message"]
    assert not doomed["024"].rings
    file.write_text(text)
    await doomed.asterisk.cli("dialplan reload")
    assert (await bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view)).status_code == 202
    await doomed["024"].accept(await doomed["024"].wait_for_ring())
    await doomed.wait_together("024", "100")


async def test_a_context_that_went_away(doomed: Lab, new_bridge: NewBridge) -> None:
    """The include file is lost while the bridge runs: Asterisk refuses the Originate, and the PUT is 503."""
    bridge = await new_bridge(doomed.asterisk.ami)
    scene = await ringing(doomed, bridge)
    (doomed.asterisk.folder / "etc" / "extensions.d" / "uapi.conf").write_text("; lost\n")
    await doomed.asterisk.cli("dialplan reload")

    refused = await bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view)

    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "pbx_unavailable")
    assert int(refused.headers["Retry-After"]) > 0
    assert not doomed["024"].rings


async def test_a_wrong_password_and_too_few_rights(doomed: Lab, new_bridge: NewBridge) -> None:
    """Neither is silence: the API says 503 with the reason, and so does the log; the secret stands in neither."""
    login = doomed.asterisk.ami
    config = (doomed.asterisk.folder / "etc" / "manager.d" / "uapi.conf").read_text()
    wrong = await new_bridge(login, environment={"BRIDGE_AMI__SECRET": "not-the-secret"}, ready=False)
    await until(_told(wrong, "refused the bridge's login"), "the API tells of the login", timeout=20)
    assert "not-the-secret" not in (await wrong.get("@me", CALLED)).text + wrong.log()
    assert "login_refused" in wrong.log()

    poor = config.replace("write = originate,call,reporting", "write = originate,call")
    assert poor != config
    (doomed.asterisk.folder / "etc" / "manager.d" / "uapi.conf").write_text(poor)
    await doomed.asterisk.cli("manager reload")
    bridge = await new_bridge(login, ready=False)

    await until(_told(bridge, "too few rights"), "the API tells of the rights", timeout=20)
    (doomed.asterisk.folder / "etc" / "manager.d" / "uapi.conf").write_text(config)
    await doomed.asterisk.cli("manager reload")
    await _well_again(doomed, bridge)


def _told(bridge: Bridge, reason: str) -> Callable[[], Awaitable[bool]]:
    async def told() -> bool:
        answer = await bridge.get("@me", CALLED)
        error = answer.json().get("error", {})
        return (
            error.get("code") == "pbx_unavailable"
            and reason in error["message"]
            and int(answer.headers["Retry-After"]) > 0
        )

    return told


@pytest.mark.parametrize("action", ["Getvar", "Originate"])
async def test_an_action_without_an_answer_is_told(
    lab: Lab, new_bridge: NewBridge, new_proxy: NewProxy, action: str
) -> None:
    """The link lives, but one action gets no answer (Asterisk has had deadlocks around pickup): 503 and a loud log."""
    proxy = await new_proxy()
    bridge = await new_bridge(proxy.login)
    scene = await ringing(lab, bridge)
    proxy.swallow(action)
    machine, started = pace(), time.monotonic()

    answer = await bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view)

    assert machine.worth(started, time.monotonic()) <= 10
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "pbx_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert "core show locks" in bridge.log()
    proxy.swallow()
    await lab["100"].hangup()


async def test_a_picture_from_before_is_never_shown(
    lab: Lab, new_bridge: NewBridge, new_proxy: NewProxy
) -> None:
    """A parked caller leaves while the link is down: the first 200 afterwards does not list him."""
    proxy: AmiProxy = await new_proxy()
    bridge = await new_bridge(proxy.login)
    await lab["100"].dial(PARK_ME)
    await lab.wait_waiting("100", "Park")
    await bridge.call(CALLER)
    proxy.cut(refuse=True)
    await _unavailable(bridge, within=1)
    await lab["100"].hangup()
    await over(lab)
    proxy.allow()

    first: list[dict[str, object]] = []

    async def answers() -> bool:
        answer = await bridge.get("@me", CALLER)
        if answer.status_code == 200:
            first.extend(answer.json()["entry"])
        return answer.status_code == 200

    await until(answers, "the API answers again")
    assert first == []
