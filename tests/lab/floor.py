"""The floor of the office: one Asterisk, its phones, and three people who have nothing to do with the test."""

# ruff: noqa: ASYNC109 (a wait is told its bound where it is called)

import asyncio
import re
from typing import Any, Self

from lab.ami import Ami
from lab.asterisk import Asterisk, ChannelRow
from lab.numbers import PARK_ME
from lab.phone import Phone
from lab.ports import until

PHONES = ("0003*100", "0003*101", "0003*102", "0003*024", "0003*025", "0003*210", "0003*211")
OUTSIDE = "+4930900100"
COMPANY = ("0003*311", "0003*312", "0003*313")
"""Two that talk throughout, and a stranger who sits in the first parking slot."""

PATIENCE = ("res_parking.conf", "default", "parkingtime")


class Lab:
    """Asterisk, phones and the company, up together and down together."""

    def __init__(
        self,
        *,
        asterisk: Asterisk | None = None,
        phones: tuple[str, ...] = PHONES,
        company: bool = True,
        sound: bool = True,
        **options: Any,
    ) -> None:
        """Describe the lab; ``start`` brings it up.

        Args:
            asterisk: An instance made before; else one is made of the options.
            phones: The extensions that have a phone.
            company: Whether the three others are there.
            sound: Whether the phones send sound.
            options: Arguments of Asterisk (version, systemname, extensions, options, files ...).
        """
        if company:  # the stranger has to stay in his slot for as long as a whole run takes
            options["options"] = {PATIENCE: "36000"} | options.get("options", {})
        self.asterisk = asterisk or Asterisk(**options)
        self._ami: Ami | None = None
        self.phones: dict[str, Phone] = {}
        self._names = phones
        self._company = company
        self._sound = sound
        self._together: list[ChannelRow] = []

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __getitem__(self, extension: str) -> Phone:
        """The phone of an extension, long (0003*024) or short (024), or "outside"."""
        return self.phones[extension if extension in self.phones else f"0003*{extension}"]

    @property
    def ami(self) -> Ami:
        """The witness: all rights, all events; nothing of the bridge."""
        assert self._ami is not None, "the lab is not up"
        return self._ami

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Bring everything up; some two seconds."""
        try:
            if not self.asterisk.running:
                await self.asterisk.start()
            self._ami = Ami(self.asterisk.witness)
            await self._ami.connect()
            for name in self._names + (COMPANY if self._company else ()):
                self.phones[name] = Phone(self.asterisk, name, sound=self._sound)
            await asyncio.gather(*(phone.start() for phone in self.phones.values()))
            if self._company:
                await self.gather_company()
        except BaseException:
            await self.close()
            raise

    async def outside(self) -> Phone:
        """The phone of somebody out there, who calls by way of the trunk and is called as +number."""
        if "outside" not in self.phones:
            phone = Phone(
                self.asterisk,
                OUTSIDE,
                address="127.0.0.2",
                port=self.asterisk.trunk_port,
                register=False,
                display="Outside Caller",
                sound=self._sound,
            )
            try:
                await phone.start()
            except BaseException:  # or all later tests would find a phone that is none
                await phone.close()
                raise
            self.phones["outside"] = phone
        return self.phones["outside"]

    async def close(self) -> None:
        """Take everything down."""
        if self._ami is not None:
            await self._ami.close()
        for phone in self.phones.values():
            await phone.close()
        self.phones.clear()
        await self.asterisk.close()

    async def revive(self) -> None:
        """Start Asterisk again after ``asterisk.kill`` or ``stop``, or find it again after a restart: every call is gone, every phone registered.

        A killed Asterisk may have forgotten the contacts of its last second. The company is gone as well:
        ``gather_company`` calls it together again.
        """
        await self.ami.close()
        if not self.asterisk.running:
            await self.asterisk.start()
        self._ami = Ami(self.asterisk.witness)
        await self._ami.connect()
        await asyncio.gather(*(phone.restart() for phone in self.phones.values()))
        self._together = []

    async def reset(self) -> list[ChannelRow]:
        """Hang every phone up but the company's, and make all phones as new.

        Returns:
            The channels that outlived their phones; they are hung up, too. A good test leaves none.
        """
        for phone in self._others():
            phone.on_ring("")
            for call in phone.live:
                await phone.hangup(call)
        left: list[ChannelRow] = []
        try:
            await until(self._quiet, "all channels are gone")
        except TimeoutError:
            left = await self.strangers()
            for row in left:
                await self.asterisk.cli(f"channel request hangup {row.name}")
            try:
                await until(self._quiet, "all channels are gone")
            except TimeoutError:
                live = {phone: phone.live for phone in self._others() if phone.live}
                raise TimeoutError(f"not quiet: {await self.strangers()}, {live}") from None
        for phone in self._others():
            phone.forget()
        self.ami.events.clear()
        return left

    def _others(self) -> list[Phone]:
        return [phone for name, phone in self.phones.items() if name not in COMPANY]

    async def _quiet(self) -> bool:
        return not await self.strangers() and not any(phone.live for phone in self._others())

    # ------------------------------------------------------------------ who is where, from Asterisk's own mouth

    async def strangers(self) -> list[ChannelRow]:
        """Every channel that is not the company's."""
        return [row for row in await self.asterisk.channels() if row.extension not in COMPANY]

    async def groups(self) -> list[set[str]]:
        """Who is in a bridge with whom, the company left out; Local halves show as ``Local/...;1``."""
        groups: dict[str, set[str]] = {}
        for row in await self.strangers():
            if row.bridge:
                who = row.name if row.name.startswith("Local/") else row.extension
                groups.setdefault(row.bridge, set()).add(who)
        return sorted(groups.values(), key=sorted)

    async def wait_together(self, *extensions: str, timeout: float = 20) -> None:
        """Wait until exactly these are in one bridge (short or long names; "outside" is the trunk)."""
        wanted = {self.endpoint(extension) for extension in extensions}

        async def together() -> bool:
            return wanted in await self.groups()

        try:
            await until(together, f"{' and '.join(extensions)} are together", timeout=timeout)
        except TimeoutError as late:
            raise TimeoutError(f"{late}; channels: {await self.strangers()}") from None

    async def wait_waiting(self, extension: str, application: str, timeout: float = 20) -> None:
        """Wait until a caller sits in an application: Park, Queue, Playback (voicemail) ..."""

        async def there() -> bool:
            rows = await self.strangers()
            return any(r.extension == self.endpoint(extension) and r.application == application for r in rows)

        await until(there, f"{extension} is in {application}", timeout=timeout)

    async def in_voicemail(self) -> list[str]:
        """Who fell into the voicemail."""
        return [row.extension for row in await self.strangers() if row.context == "voicemail"]

    async def sound(self, extension: str) -> tuple[int, int]:
        """RTP packets that Asterisk has received from an extension's phone and sent to it, in its latest call."""
        wanted, found = self.endpoint(extension), (0, 0)
        for line in (await self.asterisk.cli("pjsip show channelstats")).splitlines():
            pattern = (
                rf"\s*\S*\s*{re.escape(wanted)}-[0-9a-f]{{8}}\s+\S+\s+\S+\s+(\d+)\s+\d+\s+\d+\s+\S+\s+(\d+)"
            )
            if counts := re.match(pattern, line):
                found = int(counts[1]), int(counts[2])
        return found

    async def wait_sound(self, *extensions: str, timeout: float = 20) -> None:
        """Wait until sound flows from and to each of these phones, 20 packets more each way than now."""
        before = {extension: await self.sound(extension) for extension in extensions}

        async def flows() -> bool:
            for extension, (received, sent) in before.items():
                now = await self.sound(extension)
                if now[0] < received + 20 or now[1] < sent + 20:
                    return False
            return True

        await until(flows, f"sound flows at {' and '.join(extensions)}", timeout=timeout, every=0.1)

    def endpoint(self, extension: str) -> str:
        """What Asterisk calls a phone: its extension, or the trunk's name where it is outside."""
        if extension in ("outside", OUTSIDE):
            return "trunk"
        return self[extension].extension

    # ------------------------------------------------------------------ the company

    async def gather_company(self) -> None:
        """Let the pair talk and the stranger park; note who they are."""
        first, second, stranger = (self.phones[name] for name in COMPANY)
        second.on_ring("accept")
        await first.dial(second.extension)
        await stranger.dial(PARK_ME)
        await asyncio.gather(*(phone.wait_established() for phone in (first, second, stranger)))

        async def settled() -> list[ChannelRow]:
            rows = await self._company_rows()
            return rows if len(rows) == 3 and all(row.bridge for row in rows) else []

        self._together = await until(settled, "the company is settled")

    async def assert_company_untouched(self) -> None:
        """The pair still talks in the same bridge, the stranger is still parked: the same channels as at the start.

        Raises:
            AssertionError: Somebody of them was touched.
        """
        before = {(row.name, row.uniqueid, row.bridge) for row in self._together}
        now = {(row.name, row.uniqueid, row.bridge) for row in await self._company_rows()}
        assert now == before, f"the company was {before} and is {now}"

    async def _company_rows(self) -> list[ChannelRow]:
        return [row for row in await self.asterisk.channels() if row.extension in COMPANY]
