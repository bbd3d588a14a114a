"""What cannot be picked up is refused with 409, Asterisk is told to do nothing, and the call stays as it was."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from lab import AmiProxy, Bridge, Lab, until
from lab.numbers import CONFERENCE, ECHO, IVR, RINGS_FOR_EVER, SILENCE, VOICEMAIL
from lab.service import JANE
from real.states import RING, TALK, over, refused, ring, rings, shows, talk, together

pytestmark = [pytest.mark.anyio, pytest.mark.real]


@pytest.fixture(scope="module")
async def proxy(office: Lab) -> AsyncIterator[AmiProxy]:
    """Counts what the bridge of this module asks of Asterisk."""
    async with AmiProxy(office.asterisk.ami) as proxy:
        yield proxy


@pytest.fixture(scope="module")
async def bridge(proxy: AmiProxy) -> AsyncIterator[Bridge]:
    """A bridge that reaches Asterisk by way of the proxy."""
    async with Bridge(proxy.login) as bridge:
        yield bridge


class Refusals:
    """Asks for what must be refused."""

    def __init__(self, lab: Lab, proxy: AmiProxy, bridge: Bridge) -> None:
        self._lab = lab
        self._proxy = proxy
        self._bridge = bridge

    async def ask(self, at: str, call: str, view: str, *, to: str = "024", questions: int = 0) -> str:
        """Ask, find it refused and everybody where he was, and return the sentence.

        Args:
            at: The extension in the URI.
            call: The call.
            view: The view that shall be taken.
            to: The phone that shall take it.
            questions: How many questions Asterisk may be asked.
        """
        before, rang = await self._rows(), len(self._lab[to].rings)
        self._proxy.clear()
        sentence = refused(await self._bridge.pick_up(at, call, f"0003*{to}", view=view))
        asked = self._proxy.asked()
        assert set(asked) <= {"Getvar"}, asked
        assert len(asked) <= questions, asked
        assert await self._rows() == before
        assert len(self._lab[to].rings) == rang
        return sentence

    async def hears(self, word: str, at: str, call: str) -> None:
        """Ask for view 00 until the refusal has a word: the bridge may hear later than Asterisk where somebody is."""

        async def said() -> bool:
            return word in await self.ask(at, call, "00")

        await until(said, f"the refusal says {word}")

    async def _rows(self) -> set[tuple[str, str, str]]:
        return {(row.name, row.state, row.bridge) for row in await self._lab.strangers()}


@pytest.fixture
def refusals(lab: Lab, proxy: AmiProxy, bridge: Bridge) -> Refusals:
    return Refusals(lab, proxy, bridge)


async def in_conference(lab: Lab, *members: str) -> None:
    """Wait until these are in one bridge, whoever announces them besides."""

    async def joined() -> bool:
        return any(group >= set(members) for group in await together(lab))

    await until(joined, f"{members} are in the conference")


async def test_a_conference(lab: Lab, bridge: Bridge, refusals: Refusals) -> None:
    """Nobody is taken out of a conference, neither the only one there nor one of two."""
    await lab["100"].dial(CONFERENCE)
    await in_conference(lab, "100")
    call = await shows(bridge, "0003*100", {"00": "0003*100"}, "5")
    await refusals.hears("conference", "0003*100", call["id"])
    await lab["101"].dial(CONFERENCE)
    await in_conference(lab, "100", "101")
    other = await shows(bridge, "0003*101", {"00": "0003*101"}, "5")
    assert other["id"] != call["id"]
    for number, id_ in (("100", call["id"]), ("101", other["id"])):
        await refusals.hears("conference", f"0003*{number}", id_)


@pytest.mark.parametrize("number", [VOICEMAIL, IVR, SILENCE, ECHO])
async def test_a_leg_that_is_with_nobody(lab: Lab, bridge: Bridge, refusals: Refusals, number: str) -> None:
    """Voicemail, an IVR, silence, an echo: there is no other end that could hear the new phone."""
    await lab["100"].dial(number)
    await lab["100"].wait_established()
    call = await shows(bridge, "0003*100", {"00": "0003*100"}, "5")
    assert "with nobody" in await refusals.ask("0003*100", call["id"], "00")


async def test_the_callers_own_leg_while_the_far_end_rings(
    lab: Lab, bridge: Bridge, refusals: Refusals
) -> None:
    """The caller's view cannot be taken before somebody has answered, also where nobody is there to answer."""
    await ring(lab)
    call = await shows(bridge, "0003*100", RING, "43")
    assert "far end still rings" in await refusals.ask("0003*100", call["id"], "00")
    await lab["101"].dial(RINGS_FOR_EVER)
    lonely = await shows(bridge, "0003*101", {"00": "0003*101"})
    await refusals.ask("0003*101", lonely["id"], "00")


async def test_a_phone_that_is_in_the_call_already(lab: Lab, bridge: Bridge, refusals: Refusals) -> None:
    """Neither the target nor the source can take the call, whether it rings or talks."""
    at_210 = await ring(lab)
    call = await shows(bridge, "0003*210", RING, "43")
    assert "the view" in await refusals.ask("0003*210", call["id"], "01", to="210")
    assert "the other party" in await refusals.ask("0003*210", call["id"], "01", to="100")
    await lab["210"].accept(at_210)
    await lab.wait_together("100", "210")
    await shows(bridge, "0003*210", TALK, "55")
    for view, target, source in (("01", "210", "100"), ("00", "100", "210")):
        assert "the view" in await refusals.ask("0003*210", call["id"], view, to=target)
        assert "the other party" in await refusals.ask("0003*210", call["id"], view, to=source)


async def test_a_ring_that_is_itself_a_pickup(lab: Lab, bridge: Bridge, refusals: Refusals) -> None:
    """024 rings for 210's view: nobody else may have that view or another, and 024's own ring is no call of its own."""
    await ring(lab)
    call = await shows(bridge, "0003*210", RING, "43")
    accepted = await bridge.pick_up("0003*210", call["id"], "0003*024")
    assert accepted.status_code == 202
    at_024 = await rings(lab, "024")
    await refusals.ask("0003*210", call["id"], "01", to="025")
    await refusals.ask("0003*100", call["id"], "00", to="025")
    assert await bridge.calls("0003*024", token=JANE) == []
    assert len(lab["024"].rings) == 1
    await lab["024"].accept(at_024)
    await lab.wait_together("100", "024")


async def test_a_click_to_call_without_a_far_end(lab: Lab, bridge: Bridge, refusals: Refusals) -> None:
    """A phone that a machine rings has nobody at the other end, neither while it rings nor when it has answered."""
    originate = {
        "Action": "Originate",
        "Channel": "PJSIP/0003*210",
        "CallerID": "Click <42>",
        "Async": "true",
    }
    await lab.ami.action({**originate, "Application": "Wait", "Data": "60"})
    ringing = await rings(lab, "210")
    call = await shows(bridge, "0003*210", {"00": "0003*210"}, "3")
    assert "Nobody is known to call" in await refusals.ask("0003*210", call["id"], "00")
    await lab["210"].accept(ringing)
    await shows(bridge, "0003*210", {"00": "0003*210"}, "5")
    assert "with nobody" in await refusals.ask("0003*210", call["id"], "00")


async def test_a_call_that_is_just_ending(
    lab: Lab, proxy: AmiProxy, bridge: Bridge, refusals: Refusals
) -> None:
    """The caller has hung up and the bridge has not heard of it yet: it asks one question, and rings nobody."""
    await talk(lab)
    call = await shows(bridge, "0003*210", TALK, "55")
    proxy.hold(from_asterisk=True)
    await lab["100"].hangup()
    await lab["210"].wait_closed()
    await over(lab)
    asked = asyncio.create_task(refusals.ask("0003*210", call["id"], "01", questions=1))

    async def question() -> bool:
        return proxy.count("Getvar") == 1

    await until(question, "the bridge has asked")
    proxy.release()
    assert "just ending" in await asked

    async def forgotten() -> bool:
        late = await bridge.pick_up("0003*210", call["id"], "0003*024")
        return (late.status_code, late.json()["error"]["code"]) == (400, "pc_phonecall_invalid")

    await until(forgotten, "the call is known no more")
