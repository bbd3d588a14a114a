"""Who may do what: every route, for every role, to every kind of party, in every state, cell by cell.

The rule is written here a second time, in the contract's words, and compared with what the API does.
"""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from bridge.grammar import CallId, PickupId
from uapi.world import EPOCH, World, path, pickup

ROLES = {"user": "john", "organization": "chief", "global": "root"}
"""The roles, each with an app. john's user has 0003*210; chief's looks after organization 3; root's after all."""

PARTIES = {
    "own": {"user": "0003*210", "organization": "0003*300", "global": "0004*001"},
    "same organization": {"user": "0003*024", "organization": "0003*024", "global": "0004*210"},
    "foreign organization": {"user": "0004*210", "organization": "0004*210", "global": "0003*024"},
    "outside": {"user": "+49301", "organization": "+49301", "global": "+49301"},
}
"""Whose leg it is, seen from the role's user."""

STATES = ("ringing", "talking", "parked", "queued")

COUNTERPART = "+49309"
"""The other party, an outside one, so that only the target decides."""


@dataclass(frozen=True)
class Cell:
    role: str
    party: str
    state: str

    @property
    def extension(self) -> str:
        return PARTIES[self.party][self.role]

    @property
    def acts_for(self) -> bool:
        """Whether the role's user may act for the party's extension."""
        return {
            "user": self.party == "own",
            "organization": self.party in ("own", "same organization"),
            "global": self.party != "outside",
        }[self.role]

    @property
    def waits(self) -> bool:
        return self.state in ("parked", "queued")

    def __str__(self) -> str:
        return f"{self.role}-{self.party}-{self.state}".replace(" ", "_")


CELLS = [
    Cell(role, party, state)
    for role, party, state in itertools.product(ROLES, PARTIES, STATES)
    if not (party == "outside" and state == "ringing")  # no phone of ours rings there
]


def _act(world: World, cell: Cell) -> tuple[str, str]:
    """A call with the cell's party as the target; its id and the target's view."""
    target = cell.extension
    if cell.waits:
        caller = world.caller(target, exten="700")
        if cell.state == "parked":
            world.park(caller, by="0003*210")
        else:
            world.queue(caller)
        return CallId.of(caller), "00"
    if target.startswith("+"):
        caller = world.caller(target, exten="5555")
        other = world.channel(8, "PJSIP/trunk", 0, linkedid=caller, number=COUNTERPART)
        world.talk(caller, other)
        return CallId.of(caller), "00"
    caller = world.caller(COUNTERPART, exten="5555")
    called = world.ring(caller, target)
    if cell.state == "talking":
        world.talk(caller, called)
    return CallId.of(caller), "01"


SEND_TO = "0003*025"
"""A phone to which all of them may send a call, and that is in none."""


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_call_is_listed_for_those_who_act_for_a_party_of_it(cell: Cell) -> None:
    """By @self, or where it waits for one of theirs; by the party's own extension, or not at all."""
    world = World()
    call, _ = _act(world, cell)
    with world.client(ROLES[cell.role]) as client:
        mine = client.get(path(extension="@self"))
        one = client.get(path(call, extension="@self"))
        by_extension = client.get(path(call, extension=cell.extension.replace("+", "")))
    found = cell.acts_for or cell.waits
    assert (mine.json()["totalResults"], one.json()["totalResults"]) == (found, found)
    if cell.party == "outside":
        assert by_extension.status_code == 400  # an outside number is nobody's extension
    elif cell.acts_for:
        assert (by_extension.status_code, by_extension.json()["totalResults"]) == (200, 1)
    else:
        assert (by_extension.status_code, by_extension.json()["error"]["code"]) == (403, "forbidden")


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_view_is_picked_up_by_those_who_act_for_it(cell: Cell) -> None:
    """Anybody else's only while it waits in a call of theirs; what they cannot find does not exist."""
    world = World()
    call, view = _act(world, cell)
    with world.client(ROLES[cell.role]) as client:
        reply = client.put(
            path(call, extension="@self"), json=pickup(phoneCallViewId=view, sendCallTo=SEND_TO)
        )
    if cell.acts_for or cell.waits:
        assert reply.status_code == 202, reply.text
        assert len(world.link.originated) == 1
    else:
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "pc_phonecall_invalid")
        assert world.link.sent == []


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.state == "talking"], ids=str)
def test_nobody_is_thrown_out_of_a_call_by_the_other_party(cell: Cell) -> None:
    """Whoever acts for one end of a talk may take that end's place, not the other's."""
    world = World()
    own = {"user": "0003*210", "organization": "0003*300", "global": "0004*001"}[cell.role]
    target = cell.extension
    if target == own:
        own = {"user": "0003*100", "organization": "0003*101", "global": "0004*210"}[cell.role]
    caller = world.caller(target, exten=own)
    world.talk(caller, world.ring(caller, own))
    with world.client(ROLES[cell.role]) as client:
        reply = client.put(
            path(CallId.of(caller), extension="@self"),
            json=pickup(sendCallTo=SEND_TO, phoneCallViewId="00"),
        )
    if cell.acts_for:
        assert reply.status_code == 202, reply.text
    else:
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "forbidden")
        assert world.link.sent == []


def test_rights_are_those_of_the_moment_of_the_ring(world: World) -> None:
    """While a request waits to hear what another bridge's pickup is for, that one takes the view to somebody else's phone."""
    call = world.ringing()
    leg = PickupId.of(CallId(call), 1)
    caller, called = f"{EPOCH}.7", f"{EPOCH}.8"
    variables = {"UAPI_VIEW": "01", "UAPI_FROM": "0003*210", "UAPI_TO": "0003*024", "UAPI_SOURCE": caller}
    variables |= {"UAPI_TARGET": called, "UAPI_MODE": "ringing", "UAPI_BY": "0123456789ab"}

    def mary_takes_it() -> None:
        world.event(
            "Status", Uniqueid=leg, Linkedid=leg, Channel="PJSIP/0003*024-000000ff", ChannelState="5", Seconds="0",
            ActionID="one-status", Variable=[f"{name}={value}" for name, value in variables.items()],
        )  # fmt: skip
        world.event("Newstate", Uniqueid=leg, ChannelState="6")
        for uniqueid in (caller, leg):
            world.event(
                "BridgeEnter", Uniqueid=uniqueid, Linkedid=caller, BridgeUniqueid="b", BridgeType="basic",
                BridgeTechnology="simple_bridge",
            )  # fmt: skip
        world.gone(called, 26)

    with world.client() as client, ThreadPoolExecutor() as threads:
        world.inside(
            client,
            lambda: world.event(
                "Newchannel", Uniqueid=leg, Linkedid=leg, Channel="PJSIP/0003*024-000000ff", ChannelState="0"
            ),
        )
        asking = threads.submit(client.put, path(call), json=pickup(sendCallTo="0003*101"))
        while not world.bridge.pickups._waiters:
            time.sleep(0.001)
        world.inside(client, mary_takes_it)
        late = asking.result(20)
        settled = client.put(path(call, extension="@self"), json=pickup(sendCallTo="0003*101"))
    for reply in (late, settled):
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "forbidden")
    assert world.link.originated == []


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("party", ["own", "same organization", "foreign organization"])
@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", "/uapi/phoneCalls/{user}/{extension}"),
        ("GET", "/uapi/phoneCalls/{user}/{extension}/444444"),
        ("GET", "/uapi/phoneCalls/{user}/@self"),
        ("PUT", "/uapi/phoneCalls/{user}/{extension}/444444"),
    ],
)
def test_a_uri_of_somebody_else_is_forbidden(
    world: World, role: str, party: str, method: str, address: str
) -> None:
    """Each route, by user and by extension; whoever may, gets what is there."""
    extension = PARTIES[party][role]
    user = {"0003*210": "12", "0003*300": "30", "0004*001": "1", "0003*024": "13", "0004*210": "21"}[
        extension
    ]
    with world.client(ROLES[role]) as client:
        reply = client.request(method, address.format(user=user, extension=extension), json=pickup())
    if not Cell(role, party, "talking").acts_for:
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "forbidden")
    elif method == "GET":
        assert (reply.status_code, reply.json()["entry"]) == (200, [])
    else:
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "pc_phonecall_invalid")


@pytest.mark.parametrize(
    ("app", "to", "status"),
    [
        ("john", "0003*024", 202),
        ("john", "0003*300", 202),
        ("john", "0004*210", 400),
        ("chief", "0003*024", 202),
        ("chief", "0004*210", 400),
        ("root", "0003*024", 202),
        ("root", "0004*210", 202),
    ],
)
def test_a_call_is_sent_to_phones_of_ones_own_organization(
    world: World, app: str, to: str, status: int
) -> None:
    """Of any, for a global user."""
    call = world.ringing()
    with world.client(app) as client:
        reply = client.put(path(call, extension="@self"), json=pickup(sendCallTo=to))
    assert reply.status_code == status
    assert len(world.link.originated) == (status == 202)


def test_another_organizations_call_does_not_exist(world: World) -> None:
    """Its id opens nothing: neither to see nor to pick up."""
    caller = world.caller("0004*001", exten="0004*210")
    world.ring(caller, "0004*210")
    call = CallId.of(caller)
    with world.client() as client:
        for extension in ("@self", "0003*210"):
            assert client.get(path(call, extension=extension)).json()["entry"] == []
            reply = client.put(path(call, extension=extension), json=pickup())
            assert (reply.status_code, reply.json()["error"]["code"]) == (400, "pc_phonecall_invalid")
    assert world.link.sent == []
