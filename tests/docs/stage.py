"""Where the commands of a page are run, and what happens around them: a PBX, its phones, a bridge.

The pages speak of a bridge at 127.0.0.1:8080, of /etc/asterisk and of the user asterisk. Here these are the lab's: the
few words that differ are exchanged in the commands, and back in what they print.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import httpx2

from docs import layouts
from docs.likeness import Names
from docs.office import CONFIG
from docs.pages import REPOSITORY, Block
from docs.shell import PATIENCE, Said, Shell
from lab import Asterisk, Bridge, Lab, free_port, root, until
from lab.numbers import PARKING
from lab.service import JOHN

HERE = "http://127.0.0.1:8080"
CURLRC = "include\nsilent\nshow-error\nmax-time = 25\n"
"""What makes the replies comparable without a word in the commands: curl shows status and headers."""

Direct = Callable[..., Awaitable[None]]


class Stage:
    """A shell, and what the pages take for granted around it.

    Args:
        folder: An empty folder to work in.
        lab: The PBX and its phones; None where a direction of the page brings one up.
        bridge: The bridge at 127.0.0.1:8080; None where a command of the page starts it.
    """

    def __init__(self, folder: Path, lab: Lab | None = None, bridge: Bridge | None = None) -> None:
        self.names = Names()
        self._lab = lab
        self._bridge = bridge
        self._url = bridge.url if bridge else f"http://127.0.0.1:{free_port()}"
        self._prefix = "0003*" if lab else ""
        self._words: dict[str, str] = {}
        self._folder = folder
        self._stack = AsyncExitStack()
        self._pbx = AsyncExitStack()
        self._shell: Shell | None = None
        self._meanwhile: list[asyncio.Task[None]] = []
        if bridge:
            self.names.learn("YOUR-TOKEN", JOHN)

    async def __aenter__(self) -> Self:
        for name in ("bin", "home", "here"):
            (self._folder / name).mkdir()
        for path in (*REPOSITORY.glob("[!.]*"), REPOSITORY / ".venv"):
            (self._folder / "here" / path.name).symlink_to(path)
        (self._folder / "home/.curlrc").write_text(CURLRC)
        self._program("sudo", 'exec "$@"')
        # The environment that runs this is not made anew from within.
        self._program("make", 'exec /usr/bin/make -o .venv/.ready "$@"')
        if self._bridge:
            self._program("journalctl", f"cat {self._bridge.folder}/log")
        await self._stack.enter_async_context(self._pbx)
        await self._plug_in()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._meanwhile:
            task.cancel()
        await asyncio.gather(*self._meanwhile, return_exceptions=True)
        await self._stack.aclose()

    async def _plug_in(self) -> None:
        path = f"{self._folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {
            "PATH": path, "HOME": str(self._folder / "home"), "CURL_HOME": str(self._folder / "home"),
            "XDG_CACHE_HOME": str(root.home().parents[1]), "BRIDGE_URL": self._url, "COLUMNS": "120", "PYTHONUNBUFFERED": "1",
        }  # fmt: skip
        self._shell = await self._stack.enter_async_context(Shell(self._folder / "here", environment))

    def _program(self, name: str, script: str) -> None:
        path = self._folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    # ------------------------------------------------------------------ commands

    async def play(self, block: Block, command: str) -> Said:
        """Run a command of a page; what it prints is told as the page would."""
        assert self._shell is not None
        async with AsyncExitStack() as stack:
            url = self._url
            for environment in block.directed("bridge"):
                url = await self._another(stack, environment)
            actual = self.names.to_actual(command)
            for shown, word in self._words.items():
                actual = actual.replace(shown, word)
            actual = actual.replace(HERE, url).replace(HERE.partition("//")[2], url.partition("//")[2])
            if block.directed("background"):
                return await self._start(actual, block.directed("background")[0])
            if url != self._url:
                actual = f'(CALLS="{url}${{CALLS#{self._url}}}"; {actual})'
            said = await self._shell.run(actual, *block.directed("until"))
            return Said(self._as_shown(said.out, url), said.status)

    def _as_shown(self, out: str, url: str) -> str:
        out = out.replace(url, HERE)
        for shown, word in self._words.items():
            out = out.replace(word.strip(), shown.strip())
        return out

    async def _another(self, stack: AsyncExitStack, environment: str) -> str:
        """A bridge for one block, with other settings."""
        assert self._lab is not None
        variables = dict(one.split("=", 1) for one in environment.split())
        down = "BRIDGE_AMI__PORT" in variables
        if down:
            variables["BRIDGE_AMI__PORT"] = str(free_port())
        bridge = Bridge(self._lab.asterisk.ami, config=CONFIG, environment=variables, ready=False)
        await stack.enter_async_context(bridge)
        return bridge.url

    async def _start(self, command: str, awaited: str) -> Said:
        """A command that goes on; it is over when the shell is."""
        assert self._shell is not None
        log = self._folder / "background"
        await self._shell.run(f"{command} >{log} 2>&1 &")

        async def said() -> str:
            text = log.read_text() if log.exists() else ""
            return text if awaited in text else ""

        try:
            out = await until(said, f"{command} says {awaited}", timeout=PATIENCE)
        except TimeoutError as late:
            raise TimeoutError(f"{late}\n{log.read_text() if log.exists() else ''}") from None
        return Said(self._as_shown(out.rstrip("\n"), self._url), 0)

    # ------------------------------------------------------------------ directions

    async def direct(self, block: Block) -> None:
        """What happens before a block, and what shall happen while its command runs."""
        for text in block.directed("pbx"):
            await self._bring_up(text)
        for text in block.directed("stage"):
            await self._do(text)
        for text in block.directed("meanwhile"):
            self._meanwhile.append(asyncio.create_task(self._do(text)))

    async def settle(self) -> None:
        """Wait for what was to happen meanwhile.

        Raises:
            TimeoutError: It did not.
        """
        tasks, self._meanwhile = self._meanwhile, []
        for task in tasks:
            await asyncio.wait_for(task, PATIENCE)

    async def _do(self, text: str) -> None:
        for pattern, do in self._directions():
            if found := re.fullmatch(pattern, text):
                await do(*found.groups())
                return
        raise ValueError(f"nobody knows the direction {text!r}")

    def _directions(self) -> tuple[tuple[str, Direct], ...]:
        return (
            (r"(\d+) calls (\d+)(?: as ([0-9a-f]{20}))?", self._calls),
            (r"(\d+) answers", self._answers),
            (r"(\d+) declines", self._declines),
            (r"(\d+) rings", self._rings),
            (r"(\d+) and (\d+) talk", self._talk),
            (r"(\d+) holds", self._holds),
            (r"(\d+) parks (\d+)", self._parks),
            (r"(\d+) hangs up", self._hangs_up),
            (r"when (\d+) rings, (.+)", self._when_it_rings),
            (r"all hang up", self._all_hang_up),
            (r"when it says (\S+), (.+)", self._when_it_says),
        )

    async def _calls(self, caller: str, number: str, shown: str | None) -> None:
        """Somebody calls; the page may say under which id."""
        await self._phone(caller).dial(f"{self._prefix}{number}")
        if number in {name.rpartition("*")[2] for name in self.lab.phones}:
            await self._phone(number).wait_for_ring()
        call = await self._seen(number, "3" if number < "300" else "5")
        assert shown is None or self.names.learn(shown, call["id"]), f"{shown} is another call in the page"

    async def _answers(self, phone: str) -> None:
        if not self._phone(phone).live:
            await self._phone(phone).wait_for_ring(PATIENCE)
        await self._phone(phone).accept()

    async def _declines(self, phone: str) -> None:
        await self._phone(phone).wait_for_ring(PATIENCE)
        await self._phone(phone).decline()

    async def _rings(self, phone: str) -> None:
        await self._phone(phone).wait_for_ring(PATIENCE)

    async def _talk(self, one: str, other: str) -> None:
        await self.lab.wait_together(one, other)
        await self._seen(other if other < "300" else one, "5")

    async def _holds(self, phone: str) -> None:
        await self._phone(phone).hold()
        await self._seen(phone, "5", "onHold")

    async def _parks(self, phone: str, other: str) -> None:
        await self._phone(phone).transfer(PARKING)
        await self._seen(other, "5", "parked")
        for call in self._phone(phone).live:
            await self._phone(phone).hangup(call)
        await self._seen(other, "5", "parked", views=1)

    async def _hangs_up(self, phone: str) -> None:
        await self._phone(phone).hangup()

    async def _when_it_rings(self, phone: str, then: str) -> None:
        await self._phone(phone).wait_for_ring(PATIENCE)
        await self._do(then)

    async def _when_it_says(self, word: str, then: str) -> None:
        assert self._shell is not None
        await self._shell.hears(word)
        await self._do(then)

    async def _all_hang_up(self) -> None:
        assert await self.lab.reset() == []

        async def nothing() -> bool:
            reply = await self._ask("@self")
            return reply.status_code == 200 and reply.json()["entry"] == []

        await until(nothing, "the bridge shows no call any more")

    @property
    def lab(self) -> Lab:
        """The PBX and its phones."""
        assert self._lab is not None, "the page has no direction yet that brings a PBX up"
        return self._lab

    def _phone(self, name: str) -> Any:
        return self.lab[name]

    async def _ask(self, extension: str) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.names.to_actual('YOUR-TOKEN')}"}
        async with httpx2.AsyncClient(base_url=self._url, timeout=10) as http:
            return await http.get(f"/uapi/phoneCalls/@me/{extension}", headers=headers)

    async def _seen(
        self, number: str, status: str, member: str = "id", views: int | None = None
    ) -> dict[str, Any]:
        """Wait until the bridge shows a call of that number that is so: phones are quicker than its events."""

        async def shown() -> dict[str, Any] | None:
            for call in (await self._ask("@self")).json().get("entry", []):
                if views is not None and len(call["phoneCallView"]) != views:
                    continue
                if f"0003*{number}" in json.dumps(call) and any(
                    view["status"] == status and member in view for view in call["phoneCallView"]
                ):
                    found: dict[str, Any] = call
                    return found
            return None

        call = await until(shown, f"{number} has status {status} and {member}")
        assert call is not None
        return call

    # ------------------------------------------------------------------ a PBX of the page's own

    async def _bring_up(self, layout: str) -> None:
        """An Asterisk that was there before, as an administrator of that kind has it; with three phones."""
        await self._pbx.aclose()
        etc = self._folder / f"etc-{layout}"
        layouts.write(layout, etc)
        asterisk = Asterisk(conf=etc, endpoint="210")
        self._lab = await self._pbx.enter_async_context(
            Lab(asterisk=asterisk, phones=layouts.PHONES, company=False)
        )
        inside, folder = root.root(asterisk.version), asterisk.folder
        run = f"/usr/sbin/asterisk -C /lab/{folder.name}/etc/asterisk.conf"
        self._program("asterisk", f'exec chroot {inside} {run} "$@"')
        owner, port = (folder / "etc").stat(), self._url.rpartition(":")[2]
        self._words = {
            "/etc/asterisk": str(folder / "etc"),
            "-o asterisk -g asterisk": f"-o {owner.st_uid} -g {owner.st_gid}",
            "uapi-bridge serve": f"BRIDGE_HTTP__PORT={port} BRIDGE_AMI__PORT={asterisk.ami_port} uapi-bridge serve",
            "uapi-bridge doctor": f"BRIDGE_AMI__PORT={asterisk.ami_port} uapi-bridge doctor",
            "uapi-bridge init ": f"uapi-bridge init --ami-port {asterisk.ami_port} ",
        }
