"""What panoramisk does by itself, and a PBX may do at any time: each trap closed, each by a test of its own."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ami.fake import (
    ANSWERS,
    FakeAsterisk,
    Heard,
    Reply,
    error,
    event,
    listening,
    message,
    rows,
    success,
)
from ami.linked import IMPATIENT, PICKUP, QUICK, SECRET, linked, originate
from bridge.ami import LinkDown, NoAnswer, Refused, connection
from bridge.ami.actions import Request, check_headers
from bridge.ami.connection import Connection, _Manager
from bridge.ami.protocol import QUIET, Decoder, Wire
from bridge.calls import Headers
from bridge.grammar import ChannelName, Uniqueid

pytestmark = pytest.mark.anyio

HANGUP = {"Uniqueid": "1.1", "Cause": "16"}


# --- what goes out


@pytest.mark.parametrize("value", ["a\r\nAction: Originate", "a\nb", "a\rb", "a\x00b", "a\x7fb", "x" * 2000])
async def test_no_value_becomes_a_header_of_its_own(fake: FakeAsterisk, value: str) -> None:
    """Even an action that got past the types is stopped where it would be written."""
    async with linked(fake) as it:
        await it.until_up()
        session = it.link._connection
        assert session
        before = len(fake.heard)
        with pytest.raises(ValueError, match="the value for Channel"):
            await session.ask(Request("Hangup", (("Channel", value),)))
        await it.link.resync()
    assert "Hangup" not in fake.names()[before:]


@pytest.mark.parametrize(
    "headers",
    [{"Channel: x\r\nAction": "y"}, {"Channel": 5}, {"Variable": ["a", b"b"]}, {"": "x"}, {"Channel": None}],
)
def test_only_texts_in_headers(headers: dict[str, object]) -> None:
    """What is no text, or has no header's name, is not written."""
    with pytest.raises(ValueError, match=r"AMI header|not a text of one line"):
        check_headers(headers)


async def test_action_without_an_answer_is_not_sent_again(fake: FakeAsterisk) -> None:
    """A pickup asked for before an outage rings nobody after it: its waiter gets LinkDown, the PBX gets nothing."""
    fake.answers["Originate"] = lambda _: None
    async with linked(fake) as it:
        await it.until_up()
        asked = asyncio.create_task(it.link.originate(originate()))
        await fake.until_heard("Originate")
        fake.hang_up()
        with pytest.raises(LinkDown, match=r"The connection to the PBX was lost\."):
            await asked
        await it.until_up(boot=2)
        fake.say(event("FullyBooted", Status="Fully Booted"))
        await it.link.resync()
    assert len(fake.of("Originate")) == 1


@pytest.mark.parametrize("name", ["Originate", "Hangup", "Setvar", "Getvar", "Status"])
async def test_every_wait_ends_when_the_link_is_lost(fake: FakeAsterisk, name: str) -> None:
    """Whoever waits for an answer is told at once that it will not come."""
    async with linked(fake) as it:
        await it.until_up()
        before = len(fake.of(name))
        fake.answers[name] = lambda _: None
        asks: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
            "Originate": lambda: it.link.originate(originate()),
            "Hangup": lambda: it.link.hangup(ChannelName.parse("PJSIP/0003*024-0000002c"), 26),
            "Setvar": lambda: it.link.setvar(PICKUP, "CHANNEL(after_bridge_goto)", "uapi-pickup,gone,1"),
            "Getvar": lambda: it.link.getvar("BRIDGEPEER", Uniqueid.parse("1.1")),
            "Status": lambda: it.link.status(PICKUP),
        }
        asked = asyncio.create_task(asks[name]())
        await fake.until_heard(name, before + 1)
        fake.hang_up()
        with pytest.raises(LinkDown):
            await asked


async def test_nothing_is_originated_into_an_old_picture(fake: FakeAsterisk) -> None:
    """While the link is not up no phone is rung, even where a connection is there."""
    fake.answers["Status"] = lambda heard: error(heard, "Permission denied")
    async with linked(fake) as it:
        await fake.until_heard("Status", 2)
        with pytest.raises(LinkDown, match="too few rights"):
            await it.link.originate(originate())
    assert "Originate" not in fake.names()


async def test_action_without_an_answer_ends_loudly(fake: FakeAsterisk) -> None:
    """An action that Asterisk took and never answers ends in NoAnswer, and the log says what to look at."""
    fake.answers["Originate"] = lambda _: None
    async with linked(fake, replace(QUICK, answer=0.2)) as it:
        await it.until_up()
        with pytest.raises(NoAnswer, match=r"Originate within 0\.2 s"):
            await it.link.originate(originate())
        assert it.link.state.up
    (line,) = it.logged("ami.no_answer")
    assert line["log_level"] == "error"
    assert (line["action"], line["channel"]) == ("Originate", PICKUP)
    assert "core show locks" in line["hint"]


async def test_late_answer_is_nobodys(fake: FakeAsterisk) -> None:
    """An answer that comes after its deadline disturbs nothing."""
    late: list[Heard] = []
    fake.answers["Hangup"] = late.append
    async with linked(fake, replace(QUICK, answer=0.2)) as it:
        await it.until_up()
        with pytest.raises(NoAnswer):
            await it.link.hangup(PICKUP, 16)
        assert it.link._connection
        assert not any("Hangup" in id_ for id_ in it.link._connection._wire.responses)
        fake.say(success(late[0]))
        assert await it.link.check_context()
        assert fake.sessions == 1


def bit_by_bit(say: Callable[[Heard], Coroutine[None, None, None]]) -> Callable[[Heard], Reply]:
    """An answer that is said by a task, in its own time."""
    tasks: list[asyncio.Task[None]] = []

    def answer(heard: Heard) -> Reply:
        tasks.append(asyncio.create_task(say(heard)))
        return None

    return answer


async def test_list_may_take_its_time_while_rows_come(fake: FakeAsterisk) -> None:
    """The deadline of a list counts from its latest row, for it and for whoever asks behind it."""

    async def slowly(heard: Heard) -> None:
        id_ = heard["ActionID"][0]
        fake.say(message(("Response", "Success"), ("ActionID", id_), ("EventList", "start")))
        for n in range(8):
            await asyncio.sleep(0.1)
            fake.say(message(("Event", "Status"), ("ActionID", id_), ("Uniqueid", f"1.{n}")))
        fake.say(event("StatusComplete", ActionID=id_, EventList="Complete", ListItems="8"))

    fake.answers["Status"] = bit_by_bit(slowly)
    async with linked(fake, replace(QUICK, answer=0.5)) as it:
        await it.until_up()
        assert it.names().count("Status") == 8
    assert not it.logged("ami.no_answer")


async def test_a_list_whose_beginning_takes_its_time(fake: FakeAsterisk) -> None:
    """That it begins is a sign of life, as its rows are."""

    async def slowly(heard: Heard) -> None:
        announced, _, rest = rows(heard, "QueueStatusComplete").partition(b"\r\n\r\n")
        for part in (announced + b"\r\n\r\n", rest):
            await asyncio.sleep(0.35)
            fake.say(part)

    fake.answers["QueueStatus"] = bit_by_bit(slowly)
    async with linked(fake, replace(QUICK, answer=0.5)) as it:
        await it.until_up()
    assert not it.logged("ami.no_answer")


async def test_the_agents_of_queues_are_not_asked_for(fake: FakeAsterisk) -> None:
    """A call centre has thousands, and nothing of them counts: Asterisk would be seconds about telling them."""
    async with linked(fake) as it:
        await it.until_up()
    assert [asked["Member"] for asked in fake.of("QueueStatus")] == [["-"]]


async def test_list_that_stops_halfway_is_no_answer(fake: FakeAsterisk) -> None:
    """A list that never ends is an action without an answer; the link says so and tries again."""
    fake.answers["Status"] = lambda heard: rows(heard, "StatusComplete", ("Status", {}))[:-80]
    async with linked(fake, IMPATIENT) as it:
        await it.until(lambda: bool(it.logged("ami.no_answer")))
        assert not any(state.up for state in it.states)


async def test_error_where_a_list_was_expected_is_an_answer(fake: FakeAsterisk) -> None:
    """Stock panoramisk, told to expect a list, waits for ever on an error."""
    async with linked(fake) as it:
        await it.until_up()
        fake.answers["Status"] = lambda heard: error(heard, "No such channel")
        with pytest.raises(Refused, match="No such channel"):
            await it.link.status(PICKUP)


async def test_originate_is_done_when_it_is_queued(fake: FakeAsterisk) -> None:
    """The answer is the first response; OriginateResponse reaches on_event later, with the attempt's ActionID."""
    async with linked(fake) as it:
        await it.until_up()
        first, second = originate(), originate()
        await it.link.originate(first)
        fake.say(
            message(
                ("Event", "OriginateResponse"),
                ("ActionID", first.action_id),
                ("Response", "Failure"),
                ("Reason", "0"),
                ("Uniqueid", PICKUP),
            )
        )
        await it.until(lambda: "OriginateResponse" in it.names())
    assert first.action_id != second.action_id
    assert it.events[-1]["ActionID"] == first.action_id == fake.of("Originate")[0]["ActionID"][0]
    assert first.action_id.startswith(PICKUP + "/")


async def test_refused_originate_says_why(fake: FakeAsterisk) -> None:
    """Asterisk's own words come with Refused."""
    fake.answers["Originate"] = lambda heard: error(heard, "Extension does not exist.")
    async with linked(fake) as it:
        await it.until_up()
        with pytest.raises(Refused) as refused:
            await it.link.originate(originate())
    assert refused.value.message == "Extension does not exist."


# --- the connection


async def test_wrong_password_is_said(fake: FakeAsterisk, caplog: pytest.LogCaptureFixture) -> None:
    """A refused login is an error in the log and a reason in the state, without the secret, and is tried again."""
    caplog.set_level(logging.DEBUG)

    def refuse(heard: Heard) -> Reply:
        asyncio.get_running_loop().call_soon(fake.hang_up)
        return error(heard, "Authentication failed")

    fake.answers["Login"] = refuse
    async with linked(fake) as it:
        await fake.until_heard("Login", 2)
        assert it.link.state.reason == "The PBX refused the bridge's login (Authentication failed)."
        fake.answers["Login"] = ANSWERS["Login"]
        await it.until_up()
    assert it.logged("ami.login_refused")[0]["log_level"] == "error"
    assert SECRET not in caplog.text


async def test_panoramisk_keeps_the_secret_to_itself(
    fake: FakeAsterisk, caplog: pytest.LogCaptureFixture
) -> None:
    """Stock panoramisk logs actions whole when a connection ends or a write fails; nothing of that is heard."""
    caplog.set_level(logging.DEBUG)
    fake.answers["Login"] = lambda _: None
    async with linked(fake, IMPATIENT) as it:
        await fake.until_heard("Login")
        fake.hang_up()
        await fake.until_heard("Login", 2)
        await it.until(lambda: bool(it.logged("ami.not_connected")))
    assert [record.name for record in caplog.records if record.name != "asyncio"] == []
    assert SECRET not in caplog.text


async def test_silence_after_the_login_is_not_waited_out(fake: FakeAsterisk) -> None:
    """A PBX that sends its banner and then nothing is given up and tried again."""
    fake.answers["Login"] = lambda _: None
    async with linked(fake, IMPATIENT) as it:
        await fake.until_sessions(2)
        assert "a banner but no answer to the login" in it.link.state.reason


async def test_frozen_pbx_that_takes_connections_is_not_waited_for(fake: FakeAsterisk) -> None:
    """A stopped Asterisk's kernel still accepts TCP: without a banner in time the connection is given up."""
    fake.deaf = True
    async with linked(fake, IMPATIENT) as it:
        await fake.until_sessions(2)
        assert "not even a banner" in it.link.state.reason
        fake.deaf = False
        await it.until_up()


async def test_dead_peer_is_noticed(fake: FakeAsterisk) -> None:
    """A peer that falls silent without closing is noticed by a Ping that has no answer; the link comes back later."""
    async with linked(fake, IMPATIENT) as it:
        await it.until_up()
        fake.deaf = True
        await it.until_down()
        assert it.link.state.reason == "The PBX no longer answers."
        fake.deaf = False
        await it.until_up(boot=2)


async def test_peer_that_only_talks_is_dead_too(fake: FakeAsterisk) -> None:
    """Events alone are no sign of life: actions must reach the PBX as well."""
    async with linked(fake, IMPATIENT) as it:
        await it.until_up()
        fake.answers["Ping"] = lambda _: None

        async def chatter() -> None:
            while True:
                fake.say(event("Hangup", **HANGUP))
                await asyncio.sleep(0.05)

        talking = asyncio.create_task(chatter())
        await it.until_down()
        talking.cancel()
    assert it.logged("ami.lost")[0]["reason"] == "The PBX no longer answers."


async def test_lost_connection_is_down_at_once_and_up_after_a_resync(fake: FakeAsterisk) -> None:
    """A closed connection is state at once; the link is up again only after the lists were read anew."""
    async with linked(fake) as it:
        await it.until_up()
        held = fake.answers["Status"]
        fake.answers["Status"] = lambda _: None
        fake.hang_up()
        await it.until_down()
        await fake.until_heard("Status", 2)
        assert it.link.state.reason == "The bridge is reading the state of the PBX."
        fake.answers["Status"] = held
        fake.say(held(fake.of("Status")[1]) or b"")
        await it.until_up(boot=2)
    assert [line["reason"] for line in it.logged("ami.lost")] == ["The connection to the PBX was lost."]


async def test_connection_lost_before_the_login_is_no_error(anyio_backend: str) -> None:
    """A peer that takes the connection and drops it at once leaves no error in a callback, and no login."""
    assert anyio_backend == "asyncio"
    loop = asyncio.get_running_loop()
    manager = _Manager(username="uapi", secret=SECRET, log=QUIET, loop=loop)
    wire = Wire(frozenset(), lambda _: None, lambda _: None)
    wire.closed = True

    async def connected() -> tuple[object, Wire]:
        return object(), wire

    connecting = loop.create_task(connected())
    await asyncio.wait({connecting})
    manager.connection_made(connecting)
    assert manager.login_answer is None


async def test_lost_is_said_before_anything_else_is_done(
    fake: FakeAsterisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long closing what is left of a connection takes, the state does not wait for it."""
    ups: list[bool] = []
    close = Connection.close

    async with linked(fake) as it:

        async def watched(self: Connection, *, logoff: bool) -> None:
            ups.append(it.link.state.up)
            await close(self, logoff=logoff)

        monkeypatch.setattr(Connection, "close", watched)
        await it.until_up()
        fake.hang_up()
        await it.until_up(boot=2)
    assert ups == [False, False]


async def test_failed_connection_is_not_tried_again_behind_our_back(anyio_backend: str) -> None:
    """Stock panoramisk connects again by itself, beside the connection that the link makes."""
    assert anyio_backend == "asyncio"
    loop = asyncio.get_running_loop()
    tries: list[bool] = []
    manager = _Manager(reconnect_timeout=0, log=QUIET, loop=loop)
    manager.connect = lambda: tries.append(True)

    async def refused() -> None:
        raise ConnectionRefusedError

    connecting = loop.create_task(refused())
    await asyncio.wait({connecting})
    manager.connection_made(connecting)
    done = asyncio.Event()
    loop.call_later(0, done.set)
    await done.wait()
    assert tries == []


async def test_comes_back_after_the_pbx_was_away() -> None:
    """While nobody listens the reason says so; when somebody does, the link is up."""
    fake = FakeAsterisk()
    async with listening(fake):
        pass
    async with linked(fake) as it:
        await it.until(lambda: it.link.state.reason == "The PBX cannot be reached.")
        async with listening(fake):
            await it.until_up()


async def test_something_else_on_that_port_is_told(fake: FakeAsterisk) -> None:
    """A peer that is no Asterisk is left, and the reason says so."""
    fake.banner = b"SSH-2.0-OpenSSH_9.2\r\n"
    async with linked(fake) as it:
        await fake.until_sessions(2)
        await it.until(lambda: it.link.state.reason == "The PBX sent no Asterisk manager interface.")


@pytest.mark.parametrize("how", ["event", "answer", "login"])
async def test_pbx_that_stops_says_so(fake: FakeAsterisk, how: str) -> None:
    """A Shutdown event before the end and the answer of a stopping Asterisk are both told as the reason."""
    async with linked(fake) as it:
        if how != "login":
            await it.until_up()
        for name in ("Login", *(["Hangup"] if how == "answer" else [])):
            fake.answers[name] = lambda heard: error(heard, "Asterisk is shutting down")
        if how == "event":
            fake.say(event("Shutdown", Shutdown="Cleanly", Restart="False"))
            fake.hang_up()
        elif how == "answer":
            with pytest.raises(LinkDown, match="shutting down"):
                await it.link.hangup(PICKUP, 16)
        await it.until(lambda: it.link.state.reason == "The PBX is shutting down.")
        fake.answers["Login"] = ANSWERS["Login"]
        await it.until_up(boot=2 if how != "login" else 1)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for this machine, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pbx")])
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder(
            name, name, key.public_key(), 1, now - timedelta(hours=1), now + timedelta(hours=1)
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "pbx.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(cert.public_bytes(Encoding.PEM) + private)
    return path


async def test_tls(certificate: Path) -> None:
    """With tls the link speaks it and checks the certificate against ca_file."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    async with listening(FakeAsterisk(), tls) as fake:
        async with linked(fake, tls=True, ca_file=str(certificate)) as it:
            await it.until_up()
        async with linked(fake, tls=True) as it:
            await it.until(lambda: bool(it.logged("ami.not_connected")))
            assert it.link.state.reason == "The PBX cannot be reached."
            assert "CERTIFICATE_VERIFY_FAILED" in it.logged("ami.not_connected")[0]["error"]


async def test_nothing_is_handed_on_once_the_link_is_lost(fake: FakeAsterisk) -> None:
    """What stands behind the end of a session in the same read belongs to no picture."""
    async with linked(fake) as it:
        await it.until_up()
        stops = it.link._connection
        assert stops
        it.on_event = lambda headers: stops._lose("over") if headers["Event"] == "Hangup" else None
        fake.say(event("Hangup", Uniqueid="1.1") + event("Hangup", Uniqueid="1.2"))
        await it.until_up(boot=2)
    assert [headers["Uniqueid"] for headers in it.events if headers["Event"] == "Hangup"] == ["1.1"]


# --- what comes in


async def test_characters_split_over_reads_survive(fake: FakeAsterisk) -> None:
    """A stream that comes byte by byte is the same stream; a UTF-8 character over two segments is whole."""
    fake.chunk = 1
    fake.answers["Status"] = lambda heard: rows(
        heard, "StatusComplete", ("Status", {"CallerIDName": "Jörg Müßig ✆ 宇"})
    )
    async with linked(fake) as it:
        await it.until_up()
    assert [headers.get("CallerIDName") for headers in it.events if headers["Event"] == "Status"] == [
        "Jörg Müßig ✆ 宇"
    ]


async def test_broken_characters_are_replaced(fake: FakeAsterisk) -> None:
    """Bytes that are no UTF-8 cost themselves and nothing else."""
    async with linked(fake) as it:
        await it.until_up()
        fake.say(event("Newchannel", CallerIDName="J%rg").replace(b"%", b"\xf6\xff\xc3"))
        await it.until(lambda: "Newchannel" in it.names())
    assert it.events[-1]["CallerIDName"] == "J\ufffd\ufffd\ufffdrg"


async def test_listener_that_raises_costs_a_log_line(fake: FakeAsterisk) -> None:
    """An error in on_event loses neither the other events of that read nor the connection."""
    async with linked(fake) as it:
        await it.until_up()

        def stumble(headers: object) -> None:
            if "stumble" in str(headers):
                raise RuntimeError

        it.on_event = stumble
        fake.say(
            event("Hangup", Uniqueid="1.1")
            + event("Hangup", Uniqueid="1.2", Channel="stumble")
            + event("Hangup", Uniqueid="1.3")
        )
        await it.until(lambda: it.names()[-3:] == ["Hangup"] * 3)
        assert await it.link.check_context()
    assert [headers["Uniqueid"] for headers in it.events[-3:]] == ["1.1", "1.2", "1.3"]
    assert [line["message"] for line in it.logged("ami.message_failed")] == ["Event: Hangup"]
    assert fake.sessions == 1


async def test_listener_of_states_that_raises_costs_a_log_line(fake: FakeAsterisk) -> None:
    """An error in on_state does not keep the link from coming up."""
    async with linked(fake) as it:

        def stumble(_: object) -> None:
            raise RuntimeError

        it.link._on_state = stumble
        await it.until_up()
    assert it.logged("ami.on_state_failed")


async def test_message_without_end_drops_the_connection(fake: FakeAsterisk) -> None:
    """A line, or a message, that never ends is given up at a mebibyte, and the link comes back."""
    async with linked(fake) as it:
        await it.until_up()
        for _ in range(40):
            fake.say(b"x" * 65536)
        await it.until_up(boot=2)
    assert [line["reason"] for line in it.logged("ami.lost")] == ["The PBX sent a message without end."]


async def test_too_long_a_queue_drops_the_connection(
    fake: FakeAsterisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When more waits to be worked off than is sensible, a new start is cheaper; the log says so."""
    async with linked(fake) as it:
        await it.until_up()
        monkeypatch.setattr(connection, "MOST_QUEUED", 50)
        fake.say(event("Hangup", **HANGUP) * 200)
        await it.until_down()
        monkeypatch.undo()
        await it.until_up(boot=2)
    assert [line["reason"] for line in it.logged("ami.lost")] == [
        "The bridge could not keep up with the PBX."
    ]


async def test_unwanted_events_are_never_made(fake: FakeAsterisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that does not count is dropped by its name: it is never decoded."""
    decoded: list[str] = []
    decode = Decoder.__call__

    def watched(self: Decoder, message: str) -> Headers:
        decoded.append(message)
        return decode(self, message)

    monkeypatch.setattr(Decoder, "__call__", watched)
    async with linked(fake) as it:
        await it.until_up()
        decoded.clear()
        fake.say(event("VarSet", Variable="a", Value="b") * 3 + event("Hangup", **HANGUP))
        await it.until(lambda: it.names()[-1] == "Hangup")
    assert not any("VarSet" in message for message in decoded)
    assert "VarSet" not in it.names()


async def test_event_with_the_id_of_no_list_is_an_event(fake: FakeAsterisk) -> None:
    """An event of another session's may carry an ActionID: it is handed on and ends nothing."""
    async with linked(fake) as it:
        await it.until_up()
        fake.say(event("OriginateResponse", ActionID="x", Response="Failure"))
        await it.until(lambda: it.names()[-1] == "OriginateResponse")
        assert await it.link.check_context()


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("ParkedCall", {"ParkeeUniqueid": "1.1", "ParkingSpace": "701"}),
        ("DeviceStateChange", {"Device": "PJSIP/0003*210", "State": "INVALID"}),
        ("Status", {"Uniqueid": "1.1"}),
        ("StatusComplete", {}),
        ("StatusComplete", {"ActionID": "resync-1/Status"}),
    ],
)
async def test_an_answer_to_no_question_is_none(
    fake: FakeAsterisk, name: str, headers: dict[str, str]
) -> None:
    """Whoever can write into the stream cannot answer in Asterisk's name: he does not know the question's id."""
    async with linked(fake) as it:
        await it.until_up()
        told = len(it.events)
        asked = {heard["ActionID"][0] for heard in fake.heard}
        for action_id in ("x", "resync-2/Status", *asked):
            fake.say(message(("Event", name), *({"ActionID": action_id} | headers).items()))
        fake.say(event("Hangup"))
        await it.until(lambda: "Hangup" in it.names()[told:])
    assert it.names()[told:] == ["Hangup"]


async def test_the_ids_of_questions_are_not_to_be_guessed(fake: FakeAsterisk) -> None:
    """No two sessions' questions have one id in common."""
    async with linked(fake) as it:
        await it.until_up()
        fake.hang_up()
        await it.until_up(boot=2)
    ids = [heard["ActionID"][0] for heard in fake.heard]
    assert len(set(ids)) == len(ids)
    assert all(len(one) > 8 for one in ids)


async def test_events_are_dated_by_asterisk_where_it_says(fake: FakeAsterisk) -> None:
    """The Timestamp header is an event's time; without one, or with nonsense in it, the time it was read."""
    async with linked(fake) as it:
        await it.until_up()
        fake.say(
            event("Hangup", Timestamp="1795466359.061262")
            + event("Hangup")
            + event("Hangup", Timestamp="soon")
            + event("Hangup", Timestamp="nan")
        )
        await it.until(lambda: it.names().count("Hangup") == 4)
    read = it.times[-3]
    assert it.times[-4:] == [1795466359.061262, read, read, read]
    assert read != 1795466359.061262


async def test_repeated_headers_are_lists(fake: FakeAsterisk) -> None:
    """A header that repeats is a list of its values in order."""
    async with linked(fake) as it:
        await it.until_up()
        fake.say(
            message(
                ("Event", "OriginateResponse"), ("ActionID", "x"), ("V", "a=1"), ("V", "b="), ("V", "c=x: y")
            )
        )
        await it.until(lambda: "OriginateResponse" in it.names())
    assert it.events[-1] == {
        "Event": "OriginateResponse",
        "ActionID": "x",
        "V": ["a=1", "b=", "c=x: y"],
    }


async def test_what_was_said_before_the_end_is_heard(fake: FakeAsterisk) -> None:
    """Events that came in the same breath as the end of the connection are still handed on."""
    async with linked(fake) as it:
        await it.until_up()
        fake.say(event("Hangup", **HANGUP) * 2000)
        fake.hang_up()
        await it.until_down()
    assert it.names().count("Hangup") == 2000


async def test_reader_that_is_behind_says_how_far(fake: FakeAsterisk) -> None:
    """The lag is how long the oldest message has waited, and nothing when none waits."""
    lags = []
    async with linked(fake) as it:
        await it.until_up()
        assert it.link.lag == 0
        it.on_event = lambda _: lags.append(it.link.lag)
        fake.say(event("Hangup", **HANGUP) * 2000)
        await it.until(lambda: it.names().count("Hangup") == 2000)
        assert it.link.lag == 0
    assert max(lags) > 0
