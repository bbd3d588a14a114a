"""The bridge itself as a process of its own, with a configuration for the lab's PBX."""

# ruff: noqa: ASYNC109, ASYNC220 (a wait is told its bound where it is called; a process is started in no time)

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx2

from lab import launch
from lab.asterisk import AmiLogin
from lab.ports import free_port, until

REPOSITORY = Path(__file__).parents[2]

JOHN = "john-token"
"""User 12: 0003*210, 211, 1??, and the lab's queues and group numbers."""
JANE = "jane-token"
"""User 13: 0003*024 and 025."""
OWNER = "owner-token"
"""User 3: the whole organization 0003."""
GLOBAL = "global-token"
"""User 1: everybody."""
STRANGER = "stranger-token"
"""User 40: organization 0004."""

_USERS = """
[[organizations]]
id = "3"
name = "Default Organization"

[[organizations]]
id = "4"
name = "Other Organization"

[[users]]
id = "12"
name = "John Doe"
organization = "3"
extensions = ["0003*210", "0003*211", "0003*1??", "0003*8??", "0003*9??"]

[[users]]
id = "13"
name = "Jane Roe"
organization = "3"
extensions = ["0003*024", "0003*025"]

[[users]]
id = "14"
name = "The Company"
organization = "3"
extensions = ["0003*31?"]

[[users]]
id = "3"
name = "Owner"
organization = "3"
role = "organization"
extensions = []

[[users]]
id = "1"
name = "Admin"
organization = "3"
role = "global"
extensions = []

[[users]]
id = "40"
name = "Somebody Else"
organization = "4"
extensions = ["0004*1??"]

[[queues]]
name = "support"
extension = "0003*900"

[[queues]]
name = "nobody"
extension = "0003*901"

[[queues]]
name = "one"
extension = "0003*902"

[[queues]]
name = "linear"
extension = "0003*903"

[[queues]]
name = "rounds"
extension = "0003*904"
"""

_APPS = {"demo-app": ("12", JOHN), "desk-app": ("13", JANE), "owner-app": ("3", OWNER)}
_APPS |= {"admin-app": ("1", GLOBAL), "other-app": ("40", STRANGER)}


class Bridge:
    """``python -m bridge serve`` on a port of its own."""

    def __init__(
        self,
        ami: AmiLogin,
        *,
        context: str = "uapi-pickup",
        port: int = 0,
        more: str = "",
        environment: Mapping[str, str] | None = None,
        config: str | None = None,
        ready: bool = True,
        connections: int = 100,
    ) -> None:
        """Describe the service; ``start`` brings it up.

        Args:
            ami: The manager user it logs in as; ``proxy.login(ami)`` puts a proxy in between.
            context: ``pbx.context``.
            port: HTTP port; 0 takes a free one, and keeps it over a restart.
            more: More TOML, at the end.
            environment: More environment variables, such as BRIDGE_UAPI__WAIT.
            config: The whole TOML instead of the lab's; ``{port}`` and ``{ami_port}`` are filled in.
            ready: Whether ``async with`` waits until it has the PBX's calls, or only until it takes connections.
            connections: How many ``http`` opens at most.
        """
        self._ready = ready
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = Path(tempfile.mkdtemp(prefix="uapi-bridge-"))
        self.config = self.folder / "bridge.toml"
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.http = httpx2.AsyncClient(
            base_url=self.url,
            timeout=70,
            limits=httpx2.Limits(max_connections=connections),
            event_hooks={"response": [_without_the_company]},
        )
        if config is None:
            text = configuration(ami, self.port, context) + more
        else:
            text = config.replace("{port}", str(self.port)).replace("{ami_port}", str(ami.port))
        self.config.write_text(text)

    async def __aenter__(self) -> Self:
        try:
            await self.start(ready=self._ready)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self, *, ready: bool = True, timeout: float = 30) -> None:
        """Start it.

        Args:
            ready: Whether to wait until it has the PBX's calls; else only until it takes connections.
            timeout: Seconds for that.
        """
        assert self._process is None, "it is running"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                launch.command(
                    "/", "root", sys.executable, "-m", "bridge", "serve", "--config", str(self.config)
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=REPOSITORY,
                env=os.environ | {"PYTHONUNBUFFERED": "1"} | self._environment,
            )

        async def answers() -> bool:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"the bridge ended while starting:\n{self.log()[-3000:]}")
            with contextlib.suppress(httpx2.TransportError):
                return (await self.get("@me", "0003*210")).status_code != 503 or not ready
            return False

        try:
            await until(answers, "the bridge is up", timeout=timeout, every=0.05)
        except TimeoutError as late:
            raise TimeoutError(f"{late}\n{self.log()[-3000:]}") from None

    async def stop(self, timeout: float = 12) -> int:
        """SIGTERM, and return the exit status."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        return await self.wait(timeout)

    async def kill(self) -> None:
        """SIGKILL: it has no time to say anything."""
        process = self._running()
        process.kill()
        await self.wait()

    async def wait(self, timeout: float = 12) -> int:
        """Wait until it has ended, and return the exit status."""
        process = self._running()

        async def over() -> bool:
            return process.poll() is not None

        await until(over, "the bridge has ended", timeout=timeout)
        self._process = None
        assert process.returncode is not None
        return process.returncode

    async def close(self) -> None:
        """Kill it if it lives, and remove its files."""
        await self.http.aclose()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def running(self) -> bool:
        """Whether it was started, and not stopped, killed or waited for since."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """Process id, for CPU and memory figures."""
        return self._running().pid

    def log(self) -> str:
        """Everything it wrote to stdout and stderr."""
        return (self.folder / "log").read_text(errors="replace")

    # ------------------------------------------------------------------ as a client

    async def get(
        self, user: str, extension: str, call: str = "", *, token: str = JOHN, **options: Any
    ) -> httpx2.Response:
        """GET the calls of an extension, or one."""
        path = "/".join(["/uapi/phoneCalls", user, extension, *([call] if call else [])])
        return await self.http.get(path, headers=_authorized(token), **options)

    async def calls(self, extension: str, *, user: str = "@me", token: str = JOHN) -> list[dict[str, Any]]:
        """Return the entries of an extension's list.

        Raises:
            AssertionError: The answer was not 200.
        """
        response = await self.get(user, extension, token=token)
        assert response.status_code == 200, f"{response.status_code} {response.text}"
        entries: list[dict[str, Any]] = response.json()["entry"]
        return entries

    async def call(
        self, extension: str, *, user: str = "@me", token: str = JOHN, timeout: float = 20
    ) -> dict[str, Any]:
        """Wait until an extension has a call, and no other, and return it."""
        entries: list[dict[str, Any]] = []

        async def one() -> bool:
            entries[:] = await self.calls(extension, user=user, token=token)
            return len(entries) == 1

        try:
            await until(one, f"{extension} has a call", timeout=timeout)
        except TimeoutError as late:
            raise TimeoutError(f"{late}: {entries}") from None
        return entries[0]

    async def seen(
        self, extension: str, status: str = "3", *, user: str = "@me", token: str = JOHN, timeout: float = 20
    ) -> dict[str, Any]:
        """Wait until an extension's own view has a status, ringing or another; return its call, the only one.

        A phone is quicker than the list: it rings before the bridge has read so.
        """

        async def listed() -> dict[str, Any] | None:
            call = await self.call(extension, user=user, token=token)
            views = [view["status"] for view in call["phoneCallView"] if view.get("extension") == extension]
            return call if views == [status] else None

        call = await until(listed, f"{extension} has status {status}", timeout=timeout)
        assert call is not None
        return call

    async def pick_up(
        self,
        extension: str,
        call: str,
        to: str,
        *,
        view: str = "01",
        user: str = "@me",
        token: str = JOHN,
        caller_id: str | None = None,
        ring: float | None = None,
        wait: float | None = None,
        action: str = "PickUp",
    ) -> httpx2.Response:
        """PUT a PickUp, or another action with the same members.

        Args:
            extension: The extension in the URI.
            call: The phone call's id.
            to: sendCallTo.
            view: phoneCallViewId.
            user: The user in the URI.
            token: Whose bearer token.
            caller_id: callerId, left out when None.
            ring: waitForPickup in seconds, left out when None.
            wait: N of ``Prefer: wait=N``, left out when None.
            action: The action.
        """
        body: dict[str, Any] = {"action": action, "sendCallTo": to, "phoneCallViewId": view}
        body |= {} if caller_id is None else {"callerId": caller_id}
        body |= {} if ring is None else {"waitForPickup": ring}
        prefer = {} if wait is None else {"Prefer": f"wait={wait:g}"}
        path = f"/uapi/phoneCalls/{user}/{extension}/{call}"
        headers = _authorized(token) | {"Content-Type": "application/json"} | prefer
        return await self.http.put(path, content=json.dumps(body), headers=headers)

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the bridge is not running"
        return self._process


async def run_command(*arguments: str, timeout: float = 20, **environment: str) -> tuple[int, str, str]:
    """Run ``python -m bridge ...`` to its end; return exit status, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        *launch.command("/", "root", sys.executable, "-m", "bridge", *arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
        env=os.environ | environment,
    )
    out, err = await asyncio.wait_for(process.communicate(), timeout)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def _without_the_company(response: httpx2.Response) -> None:
    """Whoever asks about an extension is never shown the three who have nothing to do with it."""
    path = response.request.url.path
    is_json = response.headers.get("content-type", "").startswith("application/json")
    if is_json and "/0003*" in path and "/0003*31" not in path:
        text = (await response.aread()).decode()
        assert "0003*31" not in text, f"{path} shows the company: {text}"


def _authorized(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def configuration(ami: AmiLogin, port: int = 8080, context: str = "uapi-pickup") -> str:
    """The lab's bridge.toml."""
    apps = "".join(
        f'\n[[apps]]\nid = "{app}"\nuser = "{user}"\ntokens_sha256 = ["{hashlib.sha256(token.encode()).hexdigest()}"]\n'
        for app, (user, token) in _APPS.items()
    )
    return f"""\
[http]
host = "127.0.0.1"
port = {port}

[ami]
host = "{ami.host}"
port = {ami.port}
username = "{ami.username}"
secret = "{ami.secret}"

[pbx]
context = "{context}"

# A run of tests is a storm; a test of the limits sets its own by environment (BRIDGE_LIMITS__BURST).
[limits]
requests_per_second = 100000
burst = 1000000
pickups_per_phone = 100000
failed_logins = 100000
{_USERS}{apps}"""
