"""Two bridges behind a real nginx and a real HAProxy: whichever of the two is killed, and when, the client sees nothing."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from deploy.proxies import KINDS, Proxy
from lab import AmiProxy, Bridge, Lab, until
from lab.service import JOHN
from matrix.states import CALLER, TAKER, Scene, parked, ringing

pytestmark = [pytest.mark.anyio, pytest.mark.real]

_TRUSTED = {"BRIDGE_HTTP__TRUSTED_PROXIES": '["127.0.0.1"]'}


@dataclass(frozen=True)
class Site:
    """Two bridges, each with its own way to Asterisk, the proxy before them, and a client who knows the proxy alone."""

    proxy: Proxy
    bridges: tuple[Bridge, Bridge]
    ways: tuple[AmiProxy, AmiProxy]
    client: httpx2.AsyncClient

    @property
    def serving(self) -> int:
        """Which bridge asked Asterisk for the pickup: 0 or 1."""
        asked = [way.count("Originate") for way in self.ways]
        assert sorted(asked) == [0, 1], asked
        return asked.index(1)

    async def both_asked(self) -> None:
        """Wait until the proxy hands requests to both, as it does a second after one is back."""

        async def answered(bridge: Bridge) -> int:
            told = (await bridge.http.get("/metrics")).text
            return sum(
                int(float(count))
                for count in re.findall(r'"GET",route="/uapi.*\} (\S+)$', told, re.MULTILINE)
            )

        before = [await answered(one) for one in self.bridges]

        async def both() -> bool:
            await asyncio.gather(*(self.client.get("/uapi/phoneCalls/@me/0003*210") for _ in range(4)))
            now = [await answered(one) for one in self.bridges]
            return all(new > old for new, old in zip(now, before, strict=True))

        await until(both, "both bridges are asked", timeout=10, every=0.1)

    def put(self, scene: Scene, *, wait: float = 0) -> asyncio.Task[httpx2.Response]:
        """Send a PickUp once both bridges have seen the call, and go on."""
        body = {"action": "PickUp", "sendCallTo": TAKER, "phoneCallViewId": scene.view, "waitForPickup": 20}
        headers = {"Prefer": f"wait={wait:g}"} if wait else {}
        path = f"/uapi/phoneCalls/@me/{scene.uri}/{scene.call}"

        async def agree() -> bool:
            told = [await one.calls(scene.uri) for one in self.bridges if one.running]
            views = [
                [
                    (view["id"], view["status"], view.get("parkedPos"))
                    for call in calls
                    for view in call["phoneCallView"]
                ]
                for calls in told
            ]
            return bool(views[0]) and all(each == views[0] for each in views)

        async def send() -> httpx2.Response:
            await until(agree, "both bridges see the same call", timeout=20)
            return await self.client.put(path, content=json.dumps(body), headers=headers)

        return asyncio.create_task(send())

    async def get(self, scene: Scene) -> dict[str, Any]:
        """Ask for the call: each of these requests is answered."""
        reply = await self.client.get(f"/uapi/phoneCalls/@me/{scene.uri}/{scene.call}")
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    async def view(self, scene: Scene) -> dict[str, Any]:
        """The view that is taken over, as whichever bridge tells it that is asked.

        Empty between the old leg's end and the new phone's connection, where the events of the two come apart.
        """
        call = await self.get(scene)
        assert call["id"] == scene.call
        views: list[dict[str, Any]] = call["phoneCallView"]
        return next((view for view in views if view["id"] == scene.view), {})

    async def all_say(self, scene: Scene, status: str) -> None:
        """Whoever answers: from some moment on, ten in a row tell the same of the pickup."""

        async def told() -> bool:
            shown = [(await self.view(scene)).get("pickUp") for _ in range(10)]
            return all(one and (one["sendCallTo"], one["status"]) == (TAKER, status) for one in shown)

        await until(told, f"every answer says {status}", timeout=10)


@pytest.fixture(scope="module", params=KINDS)
async def bridges(request: pytest.FixtureRequest, office: Lab) -> AsyncIterator[Site]:
    """Started once for all tests."""
    async with AsyncExitStack() as stack:
        ways = [await stack.enter_async_context(AmiProxy(office.asterisk.ami)) for _ in range(2)]
        first, second = [
            await stack.enter_async_context(Bridge(way.login, environment=_TRUSTED)) for way in ways
        ]
        proxy = await stack.enter_async_context(Proxy(request.param, (first.port, second.port)))
        client = await stack.enter_async_context(
            httpx2.AsyncClient(
                base_url=proxy.url,
                verify=proxy.tls,
                timeout=60,
                trust_env=False,
                headers={"Authorization": f"Bearer {JOHN}"},
            )
        )
        yield Site(proxy, (first, second), (ways[0], ways[1]), client)


@pytest.fixture
async def site(lab: Lab, bridges: Site) -> AsyncIterator[Site]:  # noqa: ARG001 (its phones are at rest)
    """Both bridges up and asked by the proxy."""
    for way in bridges.ways:
        way.clear()
        way.swallow()
    for one in bridges.bridges:
        if not one.running:
            await one.start()
    await bridges.both_asked()
    before = len(bridges.proxy.log())
    yield bridges
    print(bridges.proxy.log()[before:])  # shown where the test has failed


async def _taken(lab: Lab) -> None:
    """The new phone has the caller; it has rung once, and nobody is left behind."""
    await lab.wait_together(TAKER, CALLER)
    assert len(lab[TAKER].rings) == 1


async def test_the_one_that_serves_is_killed_while_the_phone_rings(lab: Lab, site: Site) -> None:
    """The waiting PUT is sent to the other one, which knows the pickup from Asterisk: 200, no second ring, ids the same."""
    for state in (ringing, parked):
        for way in site.ways:
            way.clear()
        scene = await state(lab, site.bridges[0])
        asked = site.put(scene, wait=30)
        ring = await lab[TAKER].wait_for_ring()
        dead = site.bridges[site.serving]
        await dead.kill()
        await site.all_say(scene, "ringing")
        assert not asked.done()

        await lab[TAKER].accept(ring)

        answer = await asked
        assert (answer.status_code, answer.headers["Idempotent-Replayed"]) == (200, "true"), state
        assert answer.json()["id"] == scene.call
        await _taken(lab)
        await site.all_say(scene, "connected")
        assert answer.json()["link"]["self"].startswith(site.proxy.url)
        again = await site.client.get(answer.json()["link"]["self"])
        assert again.json()["id"] == scene.call
        await dead.start()
        await lab.reset()
        await site.both_asked()


async def test_the_one_that_serves_is_killed_in_the_moment_of_the_answer(lab: Lab, site: Site) -> None:
    """Asterisk connects the two; the PUT, sent again, is told so."""
    scene = await ringing(lab, site.bridges[0])
    asked = site.put(scene, wait=30)
    ring = await lab[TAKER].wait_for_ring()

    await asyncio.gather(lab[TAKER].accept(ring), site.bridges[site.serving].kill())

    answer = await asked
    assert (answer.status_code, answer.json().get("id")) == (200, scene.call), answer.text
    await _taken(lab)
    await site.all_say(scene, "connected")


async def test_the_one_that_serves_is_killed_before_asterisk_heard_of_it(lab: Lab, site: Site) -> None:
    """Its Originate was lost: the other one, asked again by the proxy, sends the only one that arrives."""
    for way in site.ways:
        way.swallow("Originate")
    scene = await ringing(lab, site.bridges[0])
    asked = site.put(scene, wait=30)

    async def sent() -> bool:
        return any(way.count("Originate") for way in site.ways)

    await until(sent, "an Originate is on its way")
    dead = site.serving
    site.ways[1 - dead].swallow()
    await site.bridges[dead].kill()

    await lab[TAKER].accept(await lab[TAKER].wait_for_ring())
    answer = await asked
    assert (answer.status_code, answer.json().get("id")) == (200, scene.call), answer.text
    assert "Idempotent-Replayed" not in answer.headers
    await _taken(lab)


async def test_the_one_that_only_watches_is_killed(lab: Lab, site: Site) -> None:
    """The waiting PUT is answered by the one that has had it from the beginning."""
    scene = await ringing(lab, site.bridges[0])
    asked = site.put(scene, wait=30)
    ring = await lab[TAKER].wait_for_ring()

    await site.bridges[1 - site.serving].kill()
    await lab[TAKER].accept(ring)

    answer = await asked
    assert (answer.status_code, answer.json().get("id")) == (200, scene.call), answer.text
    assert "Idempotent-Replayed" not in answer.headers
    await _taken(lab)
    await site.all_say(scene, "connected")


async def test_a_client_that_does_not_wait_asks_the_other_one(lab: Lab, site: Site) -> None:
    """202, and the bridge that said so is dead: every GET is answered by the other, with the same ids, to the end."""
    scene = await ringing(lab, site.bridges[0])
    answer = await site.put(scene)
    assert answer.status_code == 202
    ring = await lab[TAKER].wait_for_ring()
    await site.bridges[site.serving].kill()
    await site.all_say(scene, "ringing")
    again = await site.put(scene)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")

    await lab[TAKER].accept(ring)

    await _taken(lab)
    await site.all_say(scene, "connected")


async def test_a_pickup_that_had_failed_when_the_bridge_died_is_tried_anew(lab: Lab, site: Site) -> None:
    """The exception, and it is documented: declined, and its bridge died before it could tell; the phone rings again."""
    scene = await ringing(lab, site.bridges[0])
    asked = site.put(scene, wait=30)
    ring = await lab[TAKER].wait_for_ring()
    serving = site.serving
    other = site.bridges[1 - serving]

    async def told(*statuses: str) -> None:
        async def tells() -> bool:
            views = (await other.call(scene.uri))["phoneCallView"]
            return any(view.get("pickUp", {}).get("status") in statuses for view in views)

        await until(tells, f"the other bridge says {statuses}", timeout=10)

    await told("ringing")
    os.kill(site.bridges[serving].pid, signal.SIGSTOP)
    await lab[TAKER].decline()
    await lab[TAKER].wait_closed(ring)
    await told("busy", "rejected")
    await site.bridges[serving].kill()

    await lab[TAKER].accept(await lab[TAKER].wait_for_ring())
    answer = await asked
    assert (answer.status_code, answer.json().get("id")) == (200, scene.call), answer.text
    await lab.wait_together(TAKER, CALLER)
    assert len(lab[TAKER].rings) == 2
