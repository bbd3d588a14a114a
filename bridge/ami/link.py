"""The AMI link as the rest of the bridge sees it: one login, kept up, and the few actions it is there for.

It connects, logs in, resynchronises, watches for signs of life, and when anything of that fails says so in `state`
and begins again. While `state.up` is false there is no picture to be trusted.
"""

import asyncio
import contextlib
import secrets
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import structlog

from bridge.ami import actions
from bridge.ami.actions import Originate, Request
from bridge.ami.backoff import Backoff
from bridge.ami.connection import Connection, Timing
from bridge.ami.errors import AmiError, LinkDown, NoAnswer, Refused
from bridge.ami.forms import EVERYTHING
from bridge.ami.resync import MODULES, UNKNOWN, Found, read_lists
from bridge.ami.versions import originate_runs_code
from bridge.calls import RESYNC, Headers
from bridge.grammar import ChannelName, Uniqueid
from bridge.settings import AmiSettings

log = structlog.get_logger()

_STOPPING = "The bridge is stopping."


@dataclass(frozen=True, slots=True)
class LinkState:
    """How the link is.

    Attributes:
        up: connected, logged in, and the picture is Asterisk's own.
        reason: why not, as a sentence for a 503; empty while up.
        context_loaded: whether the PBX has the bridge's dialplan context, as far as is known.
        asterisk: Asterisk's version, empty before the first login.
        systemname: its `systemname`, mostly empty.
        cdr: whether it writes CDRs.
        boot: how many times a login succeeded.
    """

    up: bool = False
    reason: str = "The bridge has not connected to the PBX yet."
    context_loaded: bool = False
    asterisk: str = ""
    systemname: str = ""
    cdr: bool = False
    boot: int = 0


class Link:
    """One AMI login, kept up: connects, logs in, resynchronises, reconnects.

    Args:
        settings: where and as whom.
        context: the dialplan context for pickups.
        on_event: gets every wanted event in order, rows of lists included, with its time (epoch seconds: the
            event's Timestamp if it has one, else when it was read). What it raises is logged and goes no further.
        on_state: gets each change of `state`.
        clock: the time for events without one.
        timing: how long to wait for what.
        read: which headers are read of the events named here, such as `READ`; of all others all are.

    Raises:
        ValueError: the context's name is none.
        OSError: `ca_file` cannot be read.
    """

    def __init__(
        self,
        settings: AmiSettings,
        *,
        context: str,
        on_event: Callable[[Headers, float], None],
        on_state: Callable[[LinkState], None],
        clock: Callable[[], float] = time.time,
        timing: Timing | None = None,
        read: Mapping[str, frozenset[str]] = EVERYTHING,
    ) -> None:
        self.state = LinkState()
        self._settings = settings
        self._context = actions.context_name(context)
        self._on_event = on_event
        self._on_state = on_state
        self._clock = clock
        self._timing = timing or Timing()
        self._read_of = read
        self._tls = ssl.create_default_context(cafile=settings.ca_file or None) if settings.tls else None
        self._connection: Connection | None = None
        self._resyncing = asyncio.Lock()
        self._again = asyncio.Event()
        self._missing: frozenset[str] = frozenset()
        self._resyncs = 0
        self._poor = ""
        """Which rights the manager user lacks, as far as is known: the sentence for a 503."""
        self._backoff = Backoff(self._timing.backoff, self._timing.backoff_most)
        self._log = log.bind(host=settings.host, port=settings.port, username=settings.username)

    @property
    def lag(self) -> float:
        """Seconds that the reader is behind; 0 when it is not."""
        return self._connection.lag if self._connection else 0.0

    async def run(self) -> None:
        """Keep the link up until cancelled; then log off. Trouble with the PBX never ends it."""
        try:
            while True:
                try:
                    reason = await self._session()
                except Exception:  # noqa: BLE001 -- whatever it is, the link is to come back
                    self._log.exception("ami.failed")
                    reason = "The link to the PBX failed."
                self._change(up=False, reason=reason)
                await asyncio.sleep(self._backoff.wait())
        finally:
            self._change(up=False, reason=_STOPPING)

    async def _session(self) -> str:
        """Connect, and stay until that is over.

        Returns:
            Why it is over.
        """
        try:
            connection = await self._connect()
        except Refused as error:
            self._log.error("ami.login_refused", message=error.message)
            return f"The PBX refused the bridge's login ({error.message})."
        except LinkDown as error:
            self._log.warning("ami.not_connected", reason=str(error), error=str(error.__cause__ or ""))
            return str(error)
        work: set[asyncio.Task[None]] = set()
        try:
            self._connection = connection
            self._missing = frozenset()
            reading = self._poor or "The bridge is reading the state of the PBX."
            self._change(boot=self.state.boot + 1, reason=reading)
            self._log.info("ami.connected", boot=self.state.boot)
            work = {
                asyncio.create_task(connection.keep_alive()),
                asyncio.create_task(self._keep_true(connection)),
            }
            over: set[asyncio.Future[object]] = {connection.gone, *work}  # type: ignore[arg-type] # Future is invariant
            await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
            for task in work:
                if task.done():
                    task.result()
            reason = await connection.gone
            self._log.error("ami.lost", reason=reason)
            return reason
        finally:
            self._connection = None
            self._change(up=False, reason=connection.gone.result() if connection.gone.done() else _STOPPING)
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            await connection.close(logoff=True)

    async def _connect(self) -> Connection:
        settings = self._settings
        return await Connection.open(
            settings.host,
            settings.port,
            settings.username,
            settings.secret.get_secret_value(),
            tls=self._tls,
            on_event=self._on_event,
            clock=self._clock,
            timing=self._timing,
            read=self._read_of,
        )

    async def _keep_true(self, connection: Connection) -> None:
        """Resynchronise at once, then once in a while; what is refused is asked again soon."""
        while not connection.gone.done():
            self._again.clear()
            with contextlib.suppress(AmiError):
                await self._resync(connection)
            if self.state.up:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._again.wait(), self._timing.resync)
            if not self.state.up:
                await asyncio.sleep(self._timing.refused)

    async def resync(self) -> None:
        """Read the whole state of the PBX again; it has reached `on_event` when this returns.

        Raises:
            AmiError: it could not be read; the link is not up then, and tries again by itself.
        """
        await self._resync(self._connected())

    async def _resync(self, connection: Connection) -> None:
        async with self._resyncing:
            started = time.monotonic()
            try:
                found = await self._read(connection)
            except LinkDown:
                raise
            except AmiError as error:
                self._not_true(error)
                if _lacks_rights(error):
                    self._poor = self.state.reason
                    connection.give_up(self._poor)  # Asterisk gives a session its rights at its login
                raise
            if connection.gone.done():
                raise LinkDown(connection.gone.result())
            self._backoff.reset()
            self._poor = ""
            self._change(up=True, reason="", context_loaded=found.context_loaded)
            if not found.context_loaded:
                self._log.warning("ami.context_missing", context=self._context)
            self._log.info(
                "ami.resynced",
                boot=self.state.boot,
                ms=round((time.monotonic() - started) * 1000, 1),
                rows=found.rows,
                not_loaded=sorted(MODULES[name] for name in found.missing),
            )

    async def _read(self, connection: Connection) -> Found:
        self._resyncs += 1
        prefix = f"{RESYNC}-{self._resyncs}-{secrets.token_hex(4)}"
        settings = await connection.ask(Request("CoreSettings"))
        version = str(settings.get("AsteriskVersion", ""))
        cdr = settings.get("CoreCDRenabled") == "Yes"
        if version != self.state.asterisk and originate_runs_code(version):
            self._log.warning(
                "ami.old_asterisk",
                asterisk=version,
                cve="CVE-2024-42365",
                hint="whoever has this manager user's secret can run code on the PBX; upgrade, or ask whether your"
                " distribution has patched it",
            )
        self._change(asterisk=version, systemname=str(settings.get("SystemName", "")), cdr=cdr)
        found = await read_lists(connection, prefix, self._context, cdr=cdr)
        # A list unknown twice in a row is one whose module is not loaded, not one whose module is yet to come:
        # modules that know queues and parking load before those that the other questions need.
        if found.missing - self._missing:
            self._missing = found.missing
            raise Refused(f"{', '.join(sorted(found.missing))}: {UNKNOWN}")
        return found

    def _not_true(self, error: AmiError) -> None:
        message = str(error)
        self._log.warning("ami.resync_refused", error=message)
        if isinstance(error, NoAnswer):
            reason = "The PBX does not answer."
        elif _lacks_rights(error):
            reason = f"The PBX gives the bridge's manager user too few rights ({message})."
        elif UNKNOWN in message:
            reason = "The PBX is still starting."
        else:
            reason = f"The PBX refused a question ({message})."
        self._change(up=False, reason=reason)
        self._again.set()

    async def originate(self, o: Originate) -> None:
        """Have a phone rung; returns when Asterisk has queued it. `o.action_id` is in the OriginateResponse.

        Raises:
            AmiError: it was not queued; or, with NoAnswer and LinkDown, nobody knows.
        """
        if not self.state.up:
            raise LinkDown(self.state.reason)
        await self._connected().ask(o.request())

    async def hangup(self, channel: ChannelName | Uniqueid, cause: int) -> None:
        """Hang a channel up with a cause.

        Raises:
            AmiError: as the family says; Refused when there is no such channel.
        """
        await self._connected().ask(actions.hangup(channel, cause))

    async def setvar(self, channel: Uniqueid, variable: str, value: str) -> None:
        """Set a variable of a channel.

        Raises:
            AmiError: as the family says.
        """
        await self._connected().ask(actions.setvar(channel, variable, value))

    async def getvar(self, variable: str, channel: Uniqueid | None = None) -> str:
        """Read a variable or a function, of a channel or of none.

        Returns:
            Its value; empty where it has none.

        Raises:
            AmiError: as the family says.
        """
        value = (await self._connected().ask(actions.getvar(variable, channel))).get("Value", "")
        return value if isinstance(value, str) else value[-1]

    async def status(self, channel: Uniqueid) -> None:
        """Ask for one channel with its variables; the row has reached `on_event` when this returns.

        Raises:
            AmiError: as the family says; Refused when there is no such channel.
        """
        await self._connected().ask(actions.status(cdr=self.state.cdr, channel=channel))

    async def check_context(self) -> bool:
        """Ask whether the dialplan context is loaded, and note it in `state`.

        Raises:
            AmiError: as the family says.
        """
        answer = await self._connected().ask(actions.context_exists(self._context))
        loaded = answer.get("Value") == "1"
        self._change(context_loaded=loaded)
        return loaded

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.gone.done():
            raise LinkDown(self.state.reason or "The connection to the PBX was lost.")
        return self._connection

    def _change(self, **changes: object) -> None:
        state = replace(self.state, **changes)  # type: ignore[arg-type] # the callers above are its only users
        if state != self.state:
            self.state = state
            try:
                self._on_state(state)
            except Exception:  # noqa: BLE001 -- the listener's trouble, not the link's
                self._log.exception("ami.on_state_failed")


def _lacks_rights(error: AmiError) -> bool:
    return isinstance(error, Refused) and "Permission denied" in str(error)
