"""The service put together: one function, and nothing happens before its life begins."""

import asyncio
from typing import Any

import pytest

from bridge.app import create_app, create_picture
from bridge.settings import Settings
from uapi.world import CONFIGURATION, ScriptedLink, World, path

pytestmark = pytest.mark.anyio


def _settings(**changes: Any) -> Settings:
    return Settings.model_validate({**CONFIGURATION, **changes})


def test_putting_it_together_connects_to_nothing() -> None:
    """No loop, no socket: the link lives from the lifespan's start to its end."""
    bridge = create_app(_settings())
    assert not bridge.link.state.up
    assert bridge.picture.calls() == []


async def test_the_link_lives_as_long_as_the_service() -> None:
    """It is told to log off before the service is gone."""
    world = World()
    async with world.bridge.asgi.lifespan_context(world.bridge.asgi):
        await asyncio.sleep(0)
        assert not world.link.logged_off
    assert world.link.logged_off


async def test_a_link_that_ends_by_itself_is_a_fault_that_shows() -> None:
    """Nobody serves an old picture in silence."""
    world = World()

    async def fail() -> None:
        raise OSError("the CA file is gone")

    world.link.run = fail  # type: ignore[method-assign]  # a fault
    with pytest.raises(OSError, match="the CA file is gone"):
        async with world.bridge.asgi.lifespan_context(world.bridge.asgi):
            await asyncio.sleep(0)


def test_an_injected_picture_is_the_one_that_is_shown() -> None:
    """Such as a replayed one, with a scripted link beside it."""
    settings = _settings()
    picture = create_picture(settings, settings.endpoints())
    told: list[bool] = []
    links: list[ScriptedLink] = []

    def make_link(*taking: Any) -> ScriptedLink:
        links.append(ScriptedLink(*taking))
        return links[0]

    bridge = create_app(
        settings, picture=picture, make_link=make_link, on_state=lambda state: told.append(state.up)
    )
    assert bridge.picture is picture
    links[0].event(
        "Newchannel", Uniqueid="1340806130.7", Linkedid="1340806130.7", Channel="PJSIP/0003*210-1", ChannelState="4"
    )  # fmt: skip
    links[0].go_down("gone")
    assert [len(call.legs) for call in picture.calls()] == [1]
    assert told == [False]


def test_what_the_pbx_does_not_know_as_a_phone_is_none(world: World) -> None:
    """By its own list of devices, kept true by its events."""
    call = world.ringing()
    body = {"action": "PickUp", "sendCallTo": "0003*199", "phoneCallViewId": "01"}
    with world.client() as client:
        before = client.put(path(call), json=body)
        world.event("DeviceStateChange", Device="PJSIP/0003*199", State="NOT_INUSE")
        after = client.put(path(call), json=body)
    assert (before.json()["error"]["code"], after.status_code) == ("pc_sendcallto_invalid", 202)


@pytest.fixture
def world() -> World:
    return World()
