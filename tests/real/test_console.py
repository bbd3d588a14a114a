"""The console in a real browser, on a real Asterisk. It writes the pictures that the README shows."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lab import Bridge, Lab, until
from lab.fixtures import NewBridge, NewLab
from lab.numbers import PARKING
from lab.programs import need
from lab.service import JOHN
from real.browser import Browser

pytestmark = [pytest.mark.anyio, pytest.mark.real]

IMAGES = Path(__file__).parents[2] / "docs" / "images"
"""Written where PICTURES=1 is set; else the pictures are only taken."""

PEOPLE = {
    "0003*100": "Emma Fischer",
    "0003*101": "Jonas Weber",
    "0003*102": "Ava Clarke",
    "0003*210": "John Doe",
    "0003*211": "Priya Nair",
    "0003*024": "Jane Roe",
    "0003*025": "<img src=x onerror=alert(1)> &amp <b>Eve</b>",
}


@pytest.fixture(scope="module", autouse=True)
def _chromium() -> None:
    """A browser is here, or is installed, before anything else is started."""
    need("chromium")


@pytest.fixture
async def people(new_lab: NewLab) -> Lab:
    """An office whose people have names; nobody else is there, as John would see the stranger who dialled his 807."""
    return await new_lab(
        company=False,
        options={
            ("pjsip.conf", number, "callerid"): f'"{name}" <{number}>' for number, name in PEOPLE.items()
        },
    )


@pytest.fixture
async def page(people: Lab, new_bridge: NewBridge) -> AsyncIterator[tuple[Browser, Bridge]]:
    """The console, before anybody has signed in."""
    bridge = await new_bridge(people.asterisk.ami)
    async with Browser() as browser:
        await browser.look(1280, 860, "light")
        await browser.open(bridge.url)
        yield browser, bridge


async def sign_in(browser: Browser, token: str) -> None:
    await browser.type("#token", token)
    await browser.press("\ue007")


async def test_a_call_is_seen_and_picked_up_with_a_click(
    people: Lab, page: tuple[Browser, Bridge], tmp_path: Path
) -> None:
    """John signs in, sees who rings, talks and waits, and sends a ringing call to Jane's phone, who answers it."""
    lab, (browser, _) = people, page
    images = IMAGES if os.environ.get("PICTURES") == "1" else tmp_path
    await sign_in(browser, "nobody's token")
    await browser.shows("unknown or expired", "#door-said")
    assert [said for said in await browser.complaints() if "401" not in said] == []
    await sign_in(browser, JOHN)
    await browser.shows("No calls right now")
    await browser.shows("Live", "#link")
    assert "0003*210" in await browser.text("#extensions")

    await lab["101"].dial("0003*211")
    await lab["211"].wait_for_ring()
    await lab["211"].accept()
    await lab.wait_together("101", "211")
    await lab["102"].dial("0003*210")
    ring = await lab["210"].wait_for_ring()
    await browser.shows("Ava Clarke", "#list")
    await lab["210"].accept()
    await lab.wait_together("102", "210")
    await lab["210"].transfer(PARKING)
    await lab["210"].wait_closed(ring)
    await browser.shows("Parked in 701", "#list")

    async def ticks() -> bool:
        return "0:03" <= await browser.text("[data-state=talking] time") <= "0:59"

    await until(ticks, "the talk's time goes on")
    await lab["100"].dial("0003*210")
    await lab["210"].wait_for_ring()
    for words in ("Emma Fischer", "Jonas Weber", "Ava Clarke", "Parked in 701", "1 ringing", "1 talking"):
        await browser.shows(words, "#calls")
    await browser.shows("Emma Fischer (0003*100) rings", "#log")
    await browser.shows("Jonas Weber (0003*101) talks with Priya Nair (0003*211)", "#log")

    await browser.run(
        "const phone = document.getElementById('phone'); phone.value = arguments[0];"
        "phone.dispatchEvent(new Event('change'))",
        "0003*024",
    )
    await browser.click("[data-state=ringing] .view.mine button.primary:not([hidden])")
    await lab["024"].wait_for_ring()
    await browser.shows("Answer 0003*024 to take the call.", "#calls")
    await browser.picture(images / "console-light.png")
    await browser.look(1280, 860, "dark")
    await browser.picture(images / "console-dark.png")
    await browser.look(390, 844, "light")
    await browser.picture(images / "console-phone.png")
    wide = await browser.run("return document.documentElement.scrollWidth")
    assert wide == 390
    await lab["024"].accept()
    await lab.wait_together("100", "024")
    await browser.shows("0003*024 has the call.", "#calls")
    await browser.shows("taken from 0003*210", "#calls")
    await browser.shows("0003*024 took the call of Emma Fischer (0003*100) from 0003*210", "#log")

    await lab["024"].hangup()
    await browser.shows("has ended", "#log")
    assert await browser.complaints() == []


async def test_a_name_is_only_ever_text(people: Lab, page: tuple[Browser, Bridge]) -> None:
    """Whatever a caller is called, it can be read and does nothing; and the keyboard alone is enough."""
    lab, (browser, _) = people, page
    await sign_in(browser, JOHN)
    await browser.shows("No calls right now")
    await lab["025"].dial("0003*210")
    await lab["210"].wait_for_ring()
    await browser.shows("img src=x onerror=alert(1) &amp bEve/b", "#list")
    assert await browser.run("return document.querySelectorAll('img').length") == 3
    assert await browser.run("return document.scripts.length") == 1

    await browser.press("/zzz")
    await browser.shows("No calls right now", "#calls")
    await browser.press("\ue003\ue003\ue003")
    await browser.shows("onerror", "#list")
    # From the search on: all extensions, one button each, and then the call's own button.
    buttons = await browser.run("return document.querySelectorAll('#extensions button').length")
    await browser.press("\ue004" * (buttons + 1))
    assert (
        await browser.run("return document.activeElement.ariaLabel")
        == "Pick up: John Doe (0003*210), to 0003*100"
    )
    await browser.press("\ue007")
    await browser.shows("Answer 0003*100 to take the call.", "#calls")
    await lab["100"].wait_for_ring()


async def test_the_api_page_shows_a_stream_as_it_comes(people: Lab, page: tuple[Browser, Bridge]) -> None:
    """`/docs` sends what is filled in; a stream of events is shown part by part, and ends when its operation is closed."""
    lab, (browser, bridge) = people, page
    await browser.open(f"{bridge.url}/docs")
    await browser.shows("Listen to phone calls", "#operations")
    await browser.type("#token", JOHN)
    await browser.run(
        "const one = [...document.querySelectorAll('details')].find((one) => one.innerText.includes('/events'));"
        "one.id = 'listen'; one.open = true;"
        "one.querySelector('[name=user]').value = '@me'; one.querySelector('[name=extension]').value = '0003*210';"
    )
    await browser.click("#listen button")
    await browser.shows("event: snapshot", "#listen pre")
    await lab["100"].dial("0003*210")
    await browser.shows("event: added", "#listen pre")

    await browser.run("document.getElementById('listen').open = false")

    async def nobody_listens() -> bool:
        return "uapi_event_listeners 0.0" in (await bridge.http.get("/metrics")).text

    await until(nobody_listens, "the stream has ended")
