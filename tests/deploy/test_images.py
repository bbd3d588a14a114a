"""Both images under a real engine, as docker-compose.yml says, up to softphones that pick calls up (``make images``).

tools/images.sh builds the images, starts the engine in a network namespace of its own, and runs this file there.
"""

import hashlib
import os
import re
import shlex
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

import httpx2
import pytest

from lab import root
from lab.asterisk import Asterisk
from lab.phone import Phone
from lab.ports import until

pytestmark = pytest.mark.anyio

LAN = "10.98.0.1"
"""This machine's address in a network that is not the containers' own."""

CALLS = "/uapi/phoneCalls/@me/0003*210"


class Compose:
    """The command ``docker compose``, in the engine's own folder."""

    def __init__(self, engine: str) -> None:
        self._place = ["chroot", engine, "env", "-C", "/src", "DOCKER_HOST=unix:///docker.sock"]

    def __call__(self, *arguments: str, check: bool = True, **variables: str) -> str:
        """Run it, and return what it said."""
        command = [*self._place, *(f"{name}={value}" for name, value in variables.items()), "docker-compose"]
        done = subprocess.run(
            [*command, "--ansi", "never", "--progress", "plain", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def cli(self, command: str) -> str:
        """Run a command of Asterisk's console."""
        return self("exec", "-T", "asterisk", "asterisk", "-rx", command)

    def logs(self, service: str) -> str:
        """Everything that a service wrote, its containers of the past included."""
        return self("logs", "--no-color", "--no-log-prefix", service).replace("\33[2K", "")

    def shown(self, what: str) -> str:
        """A secret as the log of the first start shows it."""
        return _shown(what, self.logs("first-start"))

    def health(self, service: str) -> str:
        """What the engine says of a service's health."""
        return self("ps", "--all", "--format", "{{.Health}}", service).strip()

    def address(self, service: str) -> str:
        """A container's own address."""
        hosts = self("exec", "-T", service, "cat", "/etc/hosts")
        return hosts.splitlines()[-1].split()[0]

    def gateway(self) -> str:
        """This machine's address in the containers' network."""
        return self.address("asterisk").rpartition(".")[0] + ".1"


def _shown(what: str, log: str) -> str:
    found = re.findall(rf"^{what}: (\S+)$", log, re.MULTILINE)
    assert found, log
    return cast("str", found[-1])


@pytest.fixture(scope="module")
def compose() -> Iterator[Compose]:
    """``docker compose up``."""
    subprocess.run(["ip", "link", "add", "lan", "type", "bridge"], check=True)
    subprocess.run(["ip", "addr", "add", f"{LAN}/24", "dev", "lan"], check=True)
    subprocess.run(["ip", "link", "set", "lan", "up"], check=True)
    running = Compose(os.environ["UAPI_ENGINE"])
    try:
        said = running("up", "--wait", check=False)
        assert running.health("bridge") == "healthy", f"{said}\n{running('logs', '--no-color')}"
        yield running
    finally:
        running("down", "--volumes", check=False)


def _get(path: str, token: str = "") -> httpx2.Response:
    """Ask the bridge at its published port."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx2.get(f"http://127.0.0.1:8080{path}", headers=headers, timeout=5, trust_env=False)


def _login(source: str, address: str, secret: str) -> str:
    """Log in to the manager interface from one of this machine's addresses; its answer."""
    with socket.create_connection((address, 5038), 5, (source, 0)) as wire:
        wire.settimeout(5)
        wire.sendall(f"Action: Login\r\nUsername: uapi\r\nSecret: {secret}\r\n\r\n".encode())
        heard = b""
        while b"\r\n\r\n" not in heard:
            heard += wire.recv(4096)
        return heard.decode()


def test_secrets_are_made_once(compose: Compose) -> None:
    """The first start makes all secrets and shows token and password; a second one changes and shows nothing."""
    read = ("exec", "-T", "bridge", "sh", "-c", "cd /var/lib/uapi && stat -c '%a %U %n' * && cat *")
    made = compose(*read)
    token = compose.shown("API token")
    assert re.findall(r"^\d.*", made, re.MULTILINE)[:3] == [
        "640 uapi ami.secret",
        "640 uapi phone.password",
        "640 uapi token.sha256",
    ]
    assert hashlib.sha256(token.encode()).hexdigest() in made
    assert token not in made
    assert "the secrets are there" in compose("run", "--rm", "first-start")
    assert compose(*read) == made


def test_asterisk_answers(compose: Compose) -> None:
    """Asterisk is up with the shipped configuration and logs where one looks; it has nothing to complain of."""
    assert "Asterisk 22" in compose.cli("core show version")
    assert "0003*210" in compose.cli("pjsip show endpoints")
    assert "PickupChan" in compose.cli("dialplan show uapi-pickup")
    assert (
        compose("exec", "-T", "asterisk", "grep", "-rn", "^[^;]*change-me", "/tmp/asterisk", check=False)
        == ""
    )
    log = compose.logs("asterisk")
    assert "Asterisk Ready" in log
    assert [line for line in log.splitlines() if "ERROR" in line] == []


@pytest.mark.parametrize("service", ["asterisk", "bridge"])
def test_locked_in(compose: Compose, service: str) -> None:
    """No service is root, has a capability or can get one, or finds a place to write but those it was given."""
    status = compose("exec", "-T", service, "cat", "/proc/1/status")
    rights = {name: value.split() for name, _, value in (line.partition(":") for line in status.splitlines())}
    assert "0" not in rights["Uid"]
    assert {rights[kind][0] for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert rights["NoNewPrivs"] == ["1"]
    write = "for path in /etc /opt /usr/local/bin /var/lib/uapi /tmp; do touch $path/new 2>/dev/null && echo $path; done"
    assert compose("exec", "-T", "--user", "root", service, "sh", "-c", write, check=False).split() == [
        "/tmp"
    ]


def test_command(compose: Compose) -> None:
    """The image is the command."""
    assert "serve" in compose("run", "--rm", "--no-deps", "bridge", "--help")
    assert "in order" in compose(
        "run", "--rm", "--no-deps", "bridge", "check", "--config", "/etc/uapi-bridge/bridge.toml"
    )


def test_manager_interface_is_for_the_network(compose: Compose) -> None:
    """The manager user logs in from the containers' network with its own secret, and not otherwise."""
    address = compose.address("asterisk")
    secret = compose("exec", "-T", "bridge", "cat", "/var/lib/uapi/ami.secret").strip()
    assert "Success" in _login(compose.gateway(), address, secret)
    assert "Error" in _login(compose.gateway(), address, "change-me")
    assert "Error" in _login(LAN, address, secret)
    for published in ("127.0.0.1", LAN):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((published, 5038), 5)


def test_api(compose: Compose) -> None:
    """The bridge answers at its port, on this machine's loopback alone, whoever has the token."""
    assert _get("/healthz").status_code == 200
    assert _get("/readyz").status_code == 200
    assert _get(CALLS).status_code == 401
    assert _get(CALLS, compose.shown("API token")).json()["totalResults"] in {0, "0"}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LAN, 8080), 5)


class _Container:
    """What a phone wants to know of an Asterisk, of the one in the container."""

    host = LAN
    sip_port = 5060

    def __init__(self, compose: Compose) -> None:
        self._compose = compose

    async def cli(self, command: str) -> str:
        return self._compose.cli(command)


@pytest.fixture(params=["on this machine", "in a network around it"])
async def phones(compose: Compose, request: pytest.FixtureRequest) -> AsyncIterator[dict[str, Phone]]:
    """Softphones with the password of the first start."""
    if why := root.unavailable():
        pytest.skip(why)
    compose("up", "--wait", EXTERNAL_ADDRESS="" if request.param == "on this machine" else LAN)
    pbx = cast("Asterisk", _Container(compose))
    async with AsyncExitStack() as stack:
        made = {}
        for number in ("0003*100", "0003*210", "0003*024"):
            phone = _Phone(pbx, number, password=compose.shown("phone password"), address=LAN)
            stack.push_async_callback(phone.close)
            await phone.start()
            made[number] = phone
        yield cast("dict[str, Phone]", made)


class _Phone(Phone):
    """A softphone that is behind the engine's address translation."""

    async def wait_registered(self, timeout: float = 10) -> None:  # noqa: ASYNC109 (as the lab's phone has it)
        """Wait until Asterisk has a contact for the extension, wherever it sees the phone."""

        async def known() -> bool:
            contacts = (await self.asterisk.cli("database show registrar/contact")).splitlines()
            return any(
                f"/{self.extension};@" in each and f'"via_port":"{self.port}"' in each for each in contacts
            )

        await until(known, f"Asterisk knows {self}", timeout=timeout)


async def test_softphones(compose: Compose, phones: dict[str, Phone], request: pytest.FixtureRequest) -> None:
    """Phones register with the password of the first start; one picks up the call that rings at another, with sound."""
    caller, rung, free = phones.values()
    call = await caller.dial("0003*210")
    await rung.wait_for_ring()
    token = compose.shown("API token")
    [entry] = _get(CALLS, token).json()["entry"]
    answer = httpx2.put(
        f"http://127.0.0.1:8080{CALLS}/{entry['id']}",
        headers={"Authorization": f"Bearer {token}"},
        json={
            "action": "PickUp",
            "sendCallTo": "0003*024",
            "phoneCallViewId": "01",
            "callerId": "John Doe <42420042>",
        },
        trust_env=False,
    )
    assert answer.status_code == 202, answer.text
    ring = await free.wait_for_ring()
    assert (ring.name, ring.number) == ("John Doe", "42420042")
    await free.accept(ring)
    await caller.wait_established(call)
    assert (await rung.wait_closed()).elsewhere

    async def heard() -> bool:
        # One line a channel; the first number is what Asterisk received from the phone.
        counts = re.findall(r"0003\*\S+ +\S+ +\S+ +(\d+)", compose.cli("pjsip show channelstats"))
        return len(counts) == 2 and all(int(count) > 50 for count in counts)

    await until(heard, "both phones are heard", timeout=10)
    addresses = set()
    for phone, its in ((caller, call), (free, ring)):
        described = next(
            one.body for one in reversed(phone.messages(its)) if one.received and "m=audio" in one.body
        )
        [port] = re.findall(r"^m=audio (\d+)", described, re.MULTILINE)
        [address] = re.findall(r"^c=IN IP4 (\S+)", described, re.MULTILINE)
        assert 10000 <= int(port) <= 10099
        addresses.add(address)
    assert addresses == {LAN if "network" in request.node.name else compose.address("asterisk")}
    await caller.hangup(call)
    await free.wait_closed(ring)


async def test_bridge_follows_asterisk(compose: Compose) -> None:
    """While Asterisk is away the bridge is unhealthy but lives; it recovers by itself."""
    compose("stop", "asterisk")

    async def unhealthy() -> bool:
        return compose.health("bridge") == "unhealthy"

    await until(unhealthy, "the bridge is unhealthy", timeout=60)
    assert _get("/healthz").status_code == 200
    compose("up", "--wait")
    assert _get("/readyz").status_code == 200


def test_restart_keeps_everything(compose: Compose) -> None:
    """Down and up again: the same secrets, and phones that need not register again; with -v all is new."""
    token = compose.shown("API token")
    contacts = compose.cli("database show registrar/contact")
    assert "0003*210" in contacts
    compose("down")
    compose("up", "--wait")
    assert _get(CALLS, token).status_code == 200
    assert "0003*210" in compose.cli("database show registrar/contact")
    compose("down", "--volumes")
    compose("up", "--wait")
    assert _get(CALLS, token).status_code == 401
    assert _get(CALLS, compose.shown("API token")).status_code == 200


def test_new_token(compose: Compose) -> None:
    """Another token can be made; it is good, and the old one void, once the bridge has started again."""
    old = compose.shown("API token")
    new = _shown("API token", compose("run", "--rm", "first-start", "--new-token"))
    compose("restart", "bridge")
    compose("up", "--wait")
    assert [_get(CALLS, token).status_code for token in (old, new)] == [401, 200]


def test_bridge_ends_well(compose: Compose) -> None:
    """The bridge ends by itself when it is stopped, not by force."""
    compose("stop", "bridge")
    assert compose("ps", "--all", "--format", "{{.ExitCode}}", "bridge").strip() == "0"


def test_without_secrets(compose: Compose) -> None:
    """Asterisk refuses to start where the secrets were not made."""
    said = compose("run", "--rm", "--no-deps", "-e", "SECRETS=/nowhere", "asterisk", check=False)
    assert "has the service first-start run?" in said


def test_documented_commands(compose: Compose) -> None:
    """Each docker compose command of docs/deploy.md does its work."""
    text = (Path(__file__).parents[2] / "docs/deploy.md").read_text()
    commands = [
        shlex.split(line, comments=True) for line in re.findall(r"^docker compose (.*)$", text, re.MULTILINE)
    ]
    assert [command[0] for command in commands] == ["up", "logs", "run", "restart", "exec", "exec", "down"]
    for command in commands:
        # The images are there, and nothing could be fetched from here.
        compose(*(word for word in command if word != "--build"))
