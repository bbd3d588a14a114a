"""A real SIP softphone (baresip) for an extension, told what to do and heard over its control connection."""

# ruff: noqa: ASYNC109, ASYNC220 (a wait is told its bound where it is called; a process is started in no time)

import asyncio
import contextlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeVar

from lab import launch, root
from lab.asterisk import Asterisk
from lab.ports import free_port, sound_ports, until
from lab.trace import SipMessage, Trace

T = TypeVar("T")
_HELD = re.compile(r"^a=(sendonly|inactive)", re.MULTILINE)


@dataclass(slots=True, eq=False)
class PhoneCall:
    """A call as the phone has it. Times are time.monotonic()."""

    id: str
    direction: Literal["incoming", "outgoing"]
    name: str
    number: str
    state: Literal["ringing", "dialing", "established", "closed"]
    since: float = field(default_factory=time.monotonic)
    established: float = 0
    closed: float = 0
    reason: str = ""
    """What the phone says about the end, such as "Connection reset by user" or "486 Busy Here"."""
    cause: int = 0
    """Q.850 cause in the Reason header of the CANCEL or BYE that ended it; 0 without one."""
    elsewhere: bool = False
    """Whether the phone was told "answered elsewhere": it shows no missed call then."""


class PhoneError(Exception):
    """The phone refused a command, or is gone."""


class Phone:
    """One baresip with one account."""

    def __init__(
        self,
        asterisk: Asterisk,
        extension: str,
        *,
        password: str = "change-me",
        sound: bool = True,
        address: str = "127.0.0.1",
        port: int = 0,
        register: bool = True,
        display: str = "",
    ) -> None:
        """Describe the phone; ``start`` brings it up.

        Args:
            asterisk: Where it registers.
            extension: Its SIP user, such as 0003*210.
            password: Its SIP password.
            sound: Whether it sends sound (it echoes what it hears) or stays mute.
            address: Its own IP address; from 127.0.0.2 Asterisk takes it for the trunk.
            port: Its SIP port (UDP); 0 takes a free one.
            register: Whether it registers at all.
            display: The name it sends in From.
        """
        self.asterisk = asterisk
        self.extension = extension
        self.password = password
        self.sound = sound
        self.address = address
        self.port = port
        self._given_port = port
        self.register = register
        self.display = display
        self.calls: dict[str, PhoneCall] = {}
        """The calls since the last ``forget``, by SIP Call-ID."""
        self.events: list[dict[str, Any]] = []
        """Everything the phone said, as it said it."""
        self._on_ring: tuple[str, float] | None = None
        self._rung: list[PhoneCall] = []
        self._folder = root.new_folder(22, f"phone-{extension[-3:]}")
        self._trace: Trace | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._news = asyncio.Event()
        self._token = 0

    def __repr__(self) -> str:
        return f"<Phone {self.extension}>"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Start it and wait until Asterisk knows its contact.

        A port that was free when it was asked for may be taken a moment later: then it tries others.
        """
        fixed = self.port
        for last in (False, False, True):
            self.port = fixed or free_port(self.address)
            try:
                await self._plug_in()
                break
            except PhoneError:
                self._end()
                fixed = self._given_port  # not the one that it had before a restart: another may have it now
                if last:
                    raise
        if self.register:
            await self.wait_registered()

    async def _plug_in(self) -> None:
        control = free_port()
        self._configure(control)
        run = ["/usr/bin/stdbuf", "-oL", "/usr/bin/baresip", "-s", "-f", f"/lab/{self._folder.name}"]
        trace = self._trace = Trace(self._folder / "trace", self.port)
        with trace.path.open("wb") as printed:
            self._process = subprocess.Popen(
                launch.command(str(root.root(22)), "nobody", *run),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                env={"PATH": "/usr/bin:/bin"},
            )

        process = self._process
        reader = asyncio.StreamReader()

        async def connected() -> bool:
            nonlocal reader
            if process.poll() is not None:
                raise PhoneError(f"{self} ended while starting: {trace.text()[-1000:]}")
            with contextlib.suppress(ConnectionRefusedError):
                reader, self._writer = await asyncio.open_connection("127.0.0.1", control)
            return self._writer is not None

        await until(connected, f"{self} listens", timeout=20)
        self._spawn(self._listen(reader))

    async def wait_registered(self, timeout: float = 20) -> None:
        """Wait until Asterisk has a contact for the extension that is this very phone."""

        async def known() -> bool:
            return await self.asterisk.knows(self.extension, self.address, self.port)

        await until(known, f"Asterisk knows {self}", timeout=timeout)

    async def restart(self) -> None:
        """Take it off the mains and plug it in again: it registers anew from the same port, its calls are gone."""
        self._end()
        self.calls.clear()
        await self.start()

    async def close(self) -> None:
        """End it, without a word to anybody."""
        self._end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._process is not None, "it is not running"
        return self._process.pid

    # ------------------------------------------------------------------ what a hand does

    async def dial(self, number: str) -> PhoneCall:
        """Call a number; returns at once, with the call that is being set up."""
        answer = await self.command("dial", self._uri(number))
        call_id = re.search(r"call id: (\S+)", answer)
        if call_id is None:
            raise PhoneError(f"{self} cannot dial {number}: {answer}")
        call = PhoneCall(call_id[1], "outgoing", "", number, "dialing")
        return self.calls.setdefault(call.id, call)

    async def accept(self, call: PhoneCall | None = None) -> PhoneCall:
        """Answer what rings, and wait until sound may flow."""
        call = call or self._only("ringing")
        await self.command("accept", call.id)
        return await self.wait_established(call)

    async def decline(self, call: PhoneCall | None = None) -> None:
        """Refuse what rings: 486 Busy Here."""
        await self.hangup(call or self._only("ringing"))

    async def hangup(self, call: PhoneCall | None = None) -> None:
        """End a call of whatever state."""
        call = call or self._only("dialing", "established", "ringing")
        await self.command("hangup", call.id, check=False)
        if call.state != "closed":  # baresip 1.1 says nothing of this end after a transfer that failed
            call.state, call.closed, call.reason = "closed", time.monotonic(), "hung up here"

    async def hold(self, call: PhoneCall | None = None) -> None:
        """Put the other end on hold; returns when Asterisk has agreed."""
        await self._select(call)
        await self._agreed("hold")

    async def resume(self, call: PhoneCall | None = None) -> None:
        """End the hold; returns when Asterisk has agreed."""
        await self._select(call)
        await self._agreed("resume")

    async def transfer(self, number: str, call: PhoneCall | None = None) -> None:
        """Blind transfer by REFER."""
        await self._select(call)
        await self.command("transfer", self._uri(number))

    async def dtmf(self, digits: str, call: PhoneCall | None = None) -> None:
        """Press keys during a call."""
        await self._select(call)
        for digit in digits:
            await self.command("sndcode", digit)

    def on_ring(self, do: Literal["accept", "decline", ""], after: float = 0) -> None:
        """Answer or refuse by itself from now on; with an empty word a hand does it.

        Args:
            do: What it does.
            after: Seconds that it rings before.
        """
        self._on_ring = (do, after) if do else None

    # ------------------------------------------------------------------ what an eye sees

    async def wait_for_ring(self, timeout: float = 20) -> PhoneCall:
        """Wait for the next ring that was not asked about yet; ``name`` and ``number`` are on the display."""

        def ring() -> PhoneCall | None:
            rings = [call for call in self.rings if call not in self._rung]
            return rings[0] if rings else None

        call = await self._wait(ring, "rings", timeout)
        self._rung.append(call)
        return call

    async def wait_established(self, call: PhoneCall | None = None, timeout: float = 20) -> PhoneCall:
        """Wait until a call (the given one, else any) is answered."""

        def up() -> PhoneCall | None:
            if call is not None and call.state == "closed":
                if call.established:
                    return call  # answered, and over within the same breath
                raise PhoneError(f"{self}: the call ended instead of being answered: {call}")
            calls = [call] if call else list(self.calls.values())
            return next((each for each in calls if each.state == "established"), None)

        return await self._wait(up, "talks", timeout)

    async def wait_closed(self, call: PhoneCall | None = None, timeout: float = 20) -> PhoneCall:
        """Wait until a call (the given one, else the one there is) has ended; it tells why."""
        call = call or self._last()

        def over() -> PhoneCall | None:
            return call if call.state == "closed" else None

        return await self._wait(over, "is quiet", timeout)

    @property
    def rings(self) -> list[PhoneCall]:
        """All calls that came in since the last ``forget``, over or not."""
        return [call for call in self.calls.values() if call.direction == "incoming"]

    @property
    def live(self) -> list[PhoneCall]:
        """The calls that are not over."""
        return [call for call in self.calls.values() if call.state != "closed"]

    def messages(self, call: PhoneCall) -> list[SipMessage]:
        """Return the SIP messages of a call, oldest first, as the phone's own trace has them."""
        assert self._trace is not None, "it has not been started"
        return self._trace.of(call.id)

    def shown(self, call: PhoneCall) -> tuple[str, str]:
        """Return name and number of the other end as Asterisk last told this phone, updates included."""
        for message in reversed(self.messages(call)):
            identity = message.first("Remote-Party-ID") or message.first("P-Asserted-Identity")
            if message.received and not identity and message.start.startswith("INVITE"):
                identity = message.first("From")
            if message.received and (
                found := re.match(r'(?:"([^"]*)"|([^<"]*?))\s*<sip:([^@>;]+)', identity)
            ):
                return found[1] or found[2] or "", found[3]
        return call.name, call.number

    async def wait_shown(self, call: PhoneCall, name: str, number: str) -> None:
        """Wait until this phone shows that name and number as the other end's."""

        async def shows() -> bool:
            return self.shown(call) == (name, number)

        await until(shows, f"phone {self.extension} shows {name} <{number}>")

    def held(self, call: PhoneCall) -> bool:
        """Whether the last description that this phone itself sent puts the other end on hold."""
        sent = [message.body for message in self.messages(call) if not message.received and message.body]
        return bool(sent and _HELD.search(sent[-1]))

    def forget(self) -> None:
        """Forget the calls that are over, and ring for a hand again."""
        self.calls = {call.id: call for call in self.live}
        self._rung = [call for call in self._rung if call.id in self.calls]
        self._on_ring = None

    # ------------------------------------------------------------------ the control connection

    async def command(self, name: str, params: str = "", *, check: bool = True, timeout: float = 20) -> str:
        """Send a command of baresip's menu and return its answer.

        Raises:
            PhoneError: The phone says that it did not work.
        """
        if self._writer is None:
            raise PhoneError(f"{self} is not running")
        self._token += 1
        token = str(self._token)
        self._answers[token] = asyncio.get_running_loop().create_future()
        text = json.dumps({"command": name, "params": params, "token": token}).encode()
        self._writer.write(b"%d:%s," % (len(text), text))
        try:
            answer = await asyncio.wait_for(self._answers[token], timeout)
        finally:
            del self._answers[token]
        if check and not answer.get("ok"):
            raise PhoneError(f"{self} refuses {name} {params}: {answer.get('data')}")
        return str(answer.get("data", ""))

    async def _agreed(self, command: str) -> None:
        """Give a command that sends a re-INVITE, and wait for the answer to that."""
        position = len(self.events)
        await self.command(command, check=False)  # baresip 1.1 resumes well and answers "Invalid argument"

        def answered() -> bool | None:
            news = [(event["type"], event.get("param")) for event in self.events[position:]]
            return ("CALL_REMOTE_SDP", "answer") in news or None

        await self._wait(answered, f"{command}s", 20)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                length = await reader.readuntil(b":")
                said = (await reader.readexactly(int(length[:-1]) + 1))[:-1]
                # A caller's name may be no UTF-8: Asterisk 16 hands such bytes on as they came.
                message = json.loads(said.decode(errors="replace"))
                if message.get("response"):
                    if waiting := self._answers.get(message.get("token", "")):
                        waiting.set_result(message)
                else:
                    self._hear(message)
        except (asyncio.IncompleteReadError, OSError):
            for waiting in self._answers.values():
                waiting.set_exception(PhoneError(f"{self} has ended"))

    def _hear(self, event: dict[str, Any]) -> None:
        """Follow one event of the phone."""
        self.events.append(event)
        if call_id := event.get("id"):
            call = self.calls.get(call_id)
            if call is None:
                number = re.sub(r"^sips?:|@.*$", "", event.get("peeruri", ""))
                direction = event["direction"]
                state: Literal["ringing", "dialing"] = "ringing" if direction == "incoming" else "dialing"
                call = PhoneCall(call_id, direction, event.get("peerdisplayname", ""), number, state)
                self.calls[call_id] = call
            match event["type"]:
                case "CALL_INCOMING" if self._on_ring:
                    self._spawn(self._by_itself(call, *self._on_ring))
                case "CALL_ESTABLISHED":
                    call.state, call.established = "established", time.monotonic()
                case "CALL_CLOSED":
                    call.state, call.closed, call.reason = "closed", time.monotonic(), event.get("param", "")
                    self._read_cause(call)
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _read_cause(self, call: PhoneCall) -> None:
        for message in self.messages(call):
            if message.received and message.start.startswith(("CANCEL", "BYE")):
                reasons = message.headers.get("reason", [])
                causes = re.findall(r"Q\.850\s*;\s*cause=(\d+)", ", ".join(reasons))
                call.cause = int(causes[0]) if causes else 0
                call.elsewhere = call.cause == 26 or any("elsewhere" in reason for reason in reasons)

    async def _by_itself(self, call: PhoneCall, do: str, after: float) -> None:
        if after:
            await asyncio.sleep(after)
        if call.state == "ringing":
            await self.command("accept" if do == "accept" else "hangup", call.id, check=False)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wait(self, ask: Callable[[], T | None], what: str, timeout: float) -> T:
        try:
            async with asyncio.timeout(timeout):
                while True:
                    news = self._news
                    if (answer := ask()) is not None:
                        return answer
                    await news.wait()
        except TimeoutError:
            calls = list(self.calls.values())
            raise TimeoutError(
                f"phone {self.extension} {what}: not within {timeout} s; its calls: {calls}"
            ) from None

    # ------------------------------------------------------------------ small things

    async def _select(self, call: PhoneCall | None) -> None:
        """Make a call the one that baresip's next command is about."""
        if call is not None and len(self.live) > 1:
            raise NotImplementedError("baresip 1.1 has no command to choose among calls")

    def _only(self, *states: str) -> PhoneCall:
        calls = [call for call in self.calls.values() if call.state in states]
        if len(calls) != 1:
            raise PhoneError(f"{self} has {len(calls)} calls that are {' or '.join(states)}: {calls}")
        return calls[0]

    def _last(self) -> PhoneCall:
        if not self.calls:
            raise PhoneError(f"{self} had no call")
        return list(self.calls.values())[-1]

    def _uri(self, number: str) -> str:
        return f"sip:{number}@{self.asterisk.host}:{self.asterisk.sip_port}"

    def _configure(self, control: int) -> None:
        tag = self.extension[-3:]
        player = f"src{tag}" if self.sound else f"nil{tag}"  # one device is an echo, two are silence
        (self._folder / "config").write_text(f"""\
module_path /usr/lib/baresip/modules
module g711.so
module aubridge.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
sip_listen {self.address}:{self.port}
net_interface {self.address}
audio_source aubridge,src{tag}
audio_player aubridge,{player}
audio_alert aubridge,alert{tag}
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
rtp_ports {"-".join(map(str, sound_ports(20000)))}
call_max_calls 8
call_hold_other_calls no
""")
        display = f'"{self.display}" ' if self.display else ""
        options = f"auth_user={self.extension};auth_pass={self.password};answermode=manual;audio_codecs=pcmu"
        registration = 3600 if self.register else 0
        (self._folder / "accounts").write_text(
            f"{display}<sip:{self.extension}@{self.asterisk.host}:{self.asterisk.sip_port}>"
            f";{options};call_transfer=yes;regint={registration}\n"
        )
        (self._folder / "contacts").write_text("")
