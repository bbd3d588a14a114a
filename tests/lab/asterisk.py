"""A private Asterisk: the product's own asterisk-conf/ with the lab's additions, on ports of its own."""

# ruff: noqa: ASYNC109, ASYNC220 (a wait is told its bound where it is called; a process is started in no time)

import asyncio
import contextlib
import csv
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from lab import launch, root
from lab.ports import free_port, sound_ports, until

PRODUCT_CONF = Path(__file__).parents[2] / "asterisk-conf"
LAB_CONF = Path(__file__).parent / "conf"

WITNESS = "witness"
"""The lab's own manager user, with all rights; its password is its name."""

_CDR_COLUMNS = (
    "accountcode", "src", "dst", "dcontext", "clid", "channel", "dstchannel", "lastapp", "lastdata",
    "start", "answer", "end", "duration", "billsec", "disposition", "amaflags", "uniqueid",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AmiLogin:
    """Where a manager user logs in."""

    host: str
    port: int
    username: str
    secret: str


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A line of ``core show channels concise``."""

    name: str
    context: str
    exten: str
    state: str
    application: str
    data: str
    bridge: str
    uniqueid: str

    @property
    def extension(self) -> str:
        """The endpoint's name: 0003*210 of PJSIP/0003*210-0000002c."""
        return re.sub(r"^[^/]*/|-[0-9a-f]{8}(;[12])?$", "", self.name)


class Asterisk:
    """One Asterisk process with its own configuration, ports, spool, log and database.

    It ends with the process that started it, however that one ends, and is frozen, killed and started again
    on the same ports and files.
    """

    def __init__(
        self,
        *,
        version: int = 22,
        systemname: str = "",
        context: str = "uapi-pickup",
        username: str = "uapi",
        secret: str = "change-me",
        extensions: str = "",
        options: Mapping[tuple[str, str, str], str] | None = None,
        files: Mapping[str, str] | None = None,
        sip: tuple[str, int] = ("127.0.0.1", 0),
        conf: Path | None = None,
        endpoint: str = "0003*100",
        driver: Literal["PJSIP", "SIP"] = "PJSIP",
    ) -> None:
        """Describe the instance; ``start`` brings it up.

        Args:
            version: Major version, 22 or 16.
            systemname: asterisk.conf's, goes in front of Uniqueids.
            context: What the bridge's context is called on this PBX.
            username: The bridge's manager user.
            secret: Its password.
            extensions: More dialplan.
            options: ``(file, section, key)`` to the value it has here, such as
                ``("res_parking.conf", "default", "parkingtime"): "3"``.
            files: Path under the configuration folder to text; appended where the file exists.
            sip: Address and port (UDP) for phones; port 0 takes a free one.
            conf: Somebody else's whole configuration instead of the product's and the lab's. It is left as it is but
                for the directories and the ports of ``[transport-udp]`` and the manager; it has the lab's witness.
            endpoint: One that it knows once it has booted.
            driver: SIP takes chan_sip in the place of chan_pjsip, where Asterisk still has it (16).
        """
        self.version = version
        self.systemname = systemname
        self.context = context
        self._options = dict(options or {})
        self._files = {"extensions.d/test.conf": extensions, **(files or {})}
        self._user = (username, secret)
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._console = asyncio.Lock()  # its socket has a backlog of two: one command at a time
        self._sip = sip
        self._conf = conf
        self._endpoint = endpoint
        self.driver = driver
        self.host = "127.0.0.1"
        self.sip_port = 0
        self.ami_port = 0
        self.trunk_port = 0
        """Where the trunk's far end is expected (UDP on 127.0.0.2)."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Start and wait until it is booted and knows its endpoints; after ``stop`` or ``kill``, start again."""
        for attempt in range(3):
            if self._folder is None:
                self._folder = root.new_folder(self.version, "asterisk")
                self.sip_port = self._sip[1] or free_port()
                self.ami_port = free_port()
                self.trunk_port = free_port("127.0.0.2")
                self._write_configuration()
            try:
                await self._start_process()
            except TimeoutError:
                if attempt == 2 or "Address already in use" not in self.console():
                    raise RuntimeError(f"Asterisk did not start:\n{self.console()[-2000:]}") from None
                await self.close()
            else:
                return

    async def _start_process(self) -> None:
        assert self._process is None, "it is running"
        inside = f"/lab/{self.folder.name}"
        run = ["/usr/sbin/asterisk", "-f", "-C", f"{inside}/etc/asterisk.conf"]
        with (self.folder / "console").open("ab") as console:
            self._process = subprocess.Popen(
                launch.command(str(root.root(self.version)), "asterisk", *run),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            )
        await until(self._booted, "Asterisk has booted", timeout=20)

    async def _booted(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"Asterisk ended while starting:\n{self.console()[-2000:]}")
        try:
            said = await self.cli(
                "core waitfullybooted", timeout=1
            )  # one that comes very early is never answered
            if "fully booted" not in said:
                return False
            show = "pjsip show endpoints" if self.driver == "PJSIP" else "sip show peers"
            return self._endpoint in await self.cli(show) and self._listens()
        except OSError:
            return False

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self.host, self.ami_port), 1):
            return True
        return False

    async def stop(self) -> int:
        """``core stop now``, wait until it has ended, and return its exit status."""
        with contextlib.suppress(OSError):
            await self.cli("core stop now")
        return await self._ended()

    async def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            await self._ended()

    async def restart(self) -> None:
        """Stop and start on the same ports and files: registrations survive."""
        await self.stop()
        await self.start()

    def freeze(self) -> None:
        """SIGSTOP: it is there, accepts TCP, and says nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    async def close(self) -> None:
        """End it and remove its files."""
        if self._process is not None:
            self.thaw()
            await self.kill()
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None

    def _signal(self, number: int) -> None:
        assert self._process is not None, "it is not running"
        os.kill(self._process.pid, number)

    async def _ended(self, timeout: float = 10) -> int:
        process = self._process
        assert process is not None

        async def over() -> bool:
            return process.poll() is not None

        try:
            await until(over, "Asterisk has ended", timeout=timeout, every=0.01)
        except TimeoutError:
            process.kill()
        self._process = None
        return process.wait()

    @property
    def running(self) -> bool:
        """Whether the process lives, frozen or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id, for CPU and memory figures."""
        assert self._process is not None
        return self._process.pid

    # ------------------------------------------------------------------ what it says

    @property
    def folder(self) -> Path:
        """The instance's own folder as seen from outside: etc, log, run, spool, db."""
        assert self._folder is not None, "it has not been started"
        return self._folder

    @property
    def ami(self) -> AmiLogin:
        """The bridge's manager user."""
        return AmiLogin(self.host, self.ami_port, *self._user)

    @property
    def witness(self) -> AmiLogin:
        """The lab's own manager user: all rights, all events."""
        return AmiLogin(self.host, self.ami_port, WITNESS, WITNESS)

    async def cli(self, command: str, timeout: float = 20) -> str:
        """Run a command of Asterisk's console and return what it prints.

        Raises:
            OSError: Nobody listens at the console's socket.
            TimeoutError: No answer (frozen).
        """
        async with self._console:
            return _plain(await self._ask_console(command, timeout))

    async def _ask_console(self, command: str, timeout: float) -> bytes:
        folder = os.open(self.folder / "run", os.O_PATH)  # a socket's path may have 107 characters at most
        try:
            reader, writer = await asyncio.open_unix_connection(f"/proc/self/fd/{folder}/asterisk.ctl")
        finally:
            os.close(folder)
        try:
            async with asyncio.timeout(timeout):
                writer.write(f"cli quit after {command}".encode() + b"\0")
                return await reader.read()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    @property
    def release(self) -> str:
        """The full version, such as 22.10.1."""
        found = re.search(r"Asterisk (\d+(?:\.\d+)*)", self.log())
        return found[1] if found else str(self.version)

    async def channels(self) -> list[ChannelRow]:
        """Every channel, oldest first."""
        rows = []
        for line in (await self.cli("core show channels concise")).splitlines():
            parts = line.split("!")
            if len(parts) >= 14:
                data = "!".join(parts[6:-7])
                name, context, exten, _, state, application = parts[:6]
                rows.append(ChannelRow(name, context, exten, state, application, data, *parts[-2:]))
        return sorted(rows, key=lambda row: [int(part) for part in re.findall(r"\d+", row.uniqueid)])

    async def knows(self, extension: str, address: str, port: int) -> bool:
        """Whether an extension's phone is registered from there."""
        if self.driver == "SIP":
            contacts = await self.cli("database show SIP/Registry")
            return (
                re.search(rf"/{re.escape(extension)}\s*: {re.escape(address)}:{port}:", contacts) is not None
            )
        contacts = await self.cli("database show registrar/contact")
        return f'"uri":"sip:{extension}' in contacts and f"@{address}:{port}" in contacts

    async def reload(self, module: str = "") -> str:
        """``core reload``, or ``module reload`` of one."""
        return await self.cli(f"module reload {module}" if module else "core reload")

    def log(self, since: int = 0) -> str:
        """Return what Asterisk logged (notices, warnings, errors), from a position that ``log_size`` gave."""
        path = self.folder / "log/messages"
        return path.read_bytes()[since:].decode(errors="replace") if path.exists() else ""

    def log_size(self) -> int:
        """Where the log ends now."""
        path = self.folder / "log/messages"
        return path.stat().st_size if path.exists() else 0

    def console(self) -> str:
        """Return what the process wrote to its own output."""
        path = self.folder / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    def queue_log(self) -> list[list[str]]:
        """Rows of queue_log: time, callid, queue, agent, event, data..."""
        path = self.folder / "log/queue_log"
        return (
            [line.split("|") for line in path.read_text(errors="replace").splitlines()]
            if path.exists()
            else []
        )

    def cdr(self) -> list[dict[str, str]]:
        """Rows of the call records, by column (src, dst, channel, dstchannel, disposition, billsec, uniqueid ...)."""
        path = self.folder / "log/cdr-csv/Master.csv"
        if not path.exists():
            return []
        with path.open(newline="", errors="replace") as lines:  # 16 writes a hostile caller's name as it came
            return [dict(zip(_CDR_COLUMNS, row, strict=False)) for row in csv.reader(lines)]

    # ------------------------------------------------------------------ configuration

    def _write_configuration(self) -> None:
        folder = self.folder
        for name in ("run", "spool", "log/cdr-csv", "log/cdr-custom", "lib", "db"):
            (folder / name).mkdir(parents=True)
        etc = folder / "etc"
        if self._conf is None:
            self._copy_ours(etc)
        else:
            shutil.copytree(self._conf, etc)
        for (name, section, key), value in (self._ports() | self._options).items():
            path = etc / name
            path.write_text(_with_option(path.read_text(), section, key, value))
        inside = f"/lab/{folder.name}"
        directories = f"""[directories]
astetcdir => {inside}/etc
astvarlibdir => {inside}/lib
astdbdir => {inside}/db
astkeydir => {inside}/lib
astdatadir => /usr/share/asterisk
astspooldir => {inside}/spool
astrundir => {inside}/run
astlogdir => {inside}/log

"""
        conf = etc / "asterisk.conf"
        conf.write_text(directories + conf.read_text())
        _own(folder, root.root(self.version))

    def _copy_ours(self, etc: Path) -> None:
        """The product's configuration with the lab's additions."""
        shutil.copytree(PRODUCT_CONF, etc)
        overlays = [LAB_CONF, LAB_CONF.with_name(f"conf-{self.version}")]
        if self.driver == "SIP":
            overlays.append(LAB_CONF.with_name("conf-sip"))
        for overlay in overlays:
            for path in sorted(overlay.rglob("*.conf")):
                _append(etc / path.relative_to(overlay), path.read_text())
        for name, text in self._files.items():
            _append(etc / name, text)
        if self.version == 16:
            _without(etc / "modules.conf", "func_export")  # younger than 16.28
        if self.driver == "SIP":
            _without_pjsip(etc)
        self._name_things(etc)

    def _name_things(self, etc: Path) -> None:
        """Give the two include files the names and the password that this PBX uses."""
        username, secret = self._user
        manager = etc / "manager.d/uapi.conf"
        text = manager.read_text().replace("[uapi]", f"[{username}]")
        manager.write_text(text.replace("secret = change-me", f"secret = {secret}"))
        dialplan = etc / "extensions.d/uapi.conf"
        dialplan.write_text(dialplan.read_text().replace("uapi-pickup", self.context))
        if self.systemname:
            self._options["asterisk.conf", "options", "systemname"] = self.systemname

    def _ports(self) -> dict[tuple[str, str, str], str]:
        manager = {("manager.conf", "general", "port"): str(self.ami_port)}
        if self._conf is None:
            first, last = sound_ports(10000)
            manager |= {
                ("rtp.conf", "general", "rtpstart"): str(first),
                ("rtp.conf", "general", "rtpend"): str(last),
            }
        if self.driver == "SIP":
            return manager | {
                ("sip.conf", "general", "udpbindaddr"): f"{self._sip[0]}:{self.sip_port}",
                ("sip.conf", "trunk", "port"): str(self.trunk_port),
            }
        ports = manager | {("pjsip.conf", "transport-udp", "bind"): f"{self._sip[0]}:{self.sip_port}"}
        trunk = {("pjsip.conf", "provider", "contact"): f"sip:127.0.0.2:{self.trunk_port}"}
        return ports | (trunk if self._conf is None else {})


def _append(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as out:
        out.write(f"\n{text}\n")


def _with_option(text: str, section: str, key: str, value: str) -> str:
    """Set a key in a section of a configuration file's text."""
    head = re.search(rf"^\[{re.escape(section)}\].*$", text, re.MULTILINE)
    if head is None:
        return f"{text}\n[{section}]\n{key} = {value}\n"
    end = re.compile(r"^\[", re.MULTILINE).search(text, head.end())
    body = text[head.end() : end.start() if end else len(text)]
    body = re.sub(rf"^{re.escape(key)}\s*=.*\n?", "", body, flags=re.MULTILINE)
    return f"{text[: head.end()]}\n{key} = {value}{body}{text[end.start() :] if end else ''}"


def _without_pjsip(etc: Path) -> None:
    """Take chan_pjsip out of the configuration, and ring phones by chan_sip; the bridge's own files stay as they are."""
    _without(etc / "modules.conf", "pjsip")
    (etc / "pjsip.conf").unlink()
    for name in ("extensions.conf", "extensions.d/lab.conf", "extensions.d/test.conf", "queues.conf"):
        path = etc / name
        path.write_text(path.read_text().replace("PJSIP/", "SIP/"))


def _without(path: Path, word: str) -> None:
    """Take the lines with a word in them out of a file, comments aside."""
    kept = [line for line in path.read_text().splitlines() if word not in line.partition(";")[0]]
    path.write_text("\n".join(kept) + "\n")


def _own(folder: Path, inside: Path) -> None:
    """Hand a folder over to the root's own asterisk user."""
    entry = re.search(r"^asterisk:[^:]*:(\d+):(\d+):", (inside / "etc/passwd").read_text(), re.MULTILINE)
    assert entry is not None
    for path in (folder, *folder.rglob("*")):
        os.chown(path, int(entry[1]), int(entry[2]))


def _plain(out: bytes) -> str:
    """Strip what the console adds for a terminal: colours, verbosity marks, NULs."""
    text = out.decode(errors="replace").replace("\0", "")
    return re.sub(r"\x1b\[[0-9;]*m|[\x01-\x08\x0e-\x1a\x7f]", "", text)
