"""A real nginx or HAProxy with the configuration in packaging/, before servers on ports of the test's own."""

import asyncio
import contextlib
import os
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab import launch
from lab.ports import free_port, until
from lab.programs import Program, need

PACKAGING = Path(__file__).parents[2] / "packaging"

KINDS = ("nginx", "haproxy")


class Proxy:
    """The proxy, listening with TLS on 127.0.0.1.

    ``url`` is where; ``tls`` trusts its certificate.
    """

    def __init__(self, kind: str, ports: Sequence[int]) -> None:
        """Describe it; ``start`` brings it up.

        Args:
            kind: One of KINDS.
            ports: Those of the two servers on 127.0.0.1.
        """
        self._kind = kind
        self._folder = Path(tempfile.mkdtemp(prefix=f"uapi-{kind}-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._port = free_port()
        self.url = f"https://127.0.0.1:{self._port}"
        self.tls = _certificate(self._folder)
        self._config = self._folder / "proxy.conf"
        self._config.write_text(
            _nginx(self._folder, self._port, ports)
            if kind == "nginx"
            else _haproxy(self._folder, self._port, ports)
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Start it, and wait until it listens; where there is none and none can be had the test is skipped."""
        self._process = self._spawn(await asyncio.to_thread(need, self._kind))

        async def listens() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, self.log()
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.close()
                return True
            return False

        await until(listens, f"{self._kind} listens", timeout=10)

    async def close(self) -> None:
        """End it, and remove its files."""
        if self._process is not None:
            self._process.terminate()
            await asyncio.to_thread(self._process.wait, 10)
            self._process = None
        shutil.rmtree(self._folder)

    def _spawn(self, program: Program) -> subprocess.Popen[bytes]:
        arguments = ["-e", "stderr", "-c"] if self._kind == "nginx" else ["-db", "-f"]
        with (self._folder / "log").open("wb") as log:
            return subprocess.Popen(
                launch.command("/", "root", str(program.path), *arguments, str(self._config)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | ({"LD_LIBRARY_PATH": str(program.libraries)} if program.libraries else {}),
            )

    def log(self) -> str:
        """Everything it wrote."""
        return (self._folder / "log").read_text(errors="replace")


def _nginx(folder: Path, port: int, ports: Sequence[int]) -> str:
    """A main file around the example, which is made for /etc/nginx/conf.d."""
    example = _changed(
        (PACKAGING / "nginx.conf").read_text(),
        {
            "127.0.0.1:8081": f"127.0.0.1:{ports[0]}",
            "127.0.0.1:8082": f"127.0.0.1:{ports[1]}",
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "/etc/ssl/uapi-bridge/": f"{folder}/",
        },
    )
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    return (
        f"daemon off;\nworker_processes 1;\n{user}pid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{example}}}\n"
    )


def _haproxy(folder: Path, port: int, ports: Sequence[int]) -> str:
    return _changed(
        (PACKAGING / "haproxy.cfg").read_text(),
        {
            "127.0.0.1:8081": f"127.0.0.1:{ports[0]}",
            "127.0.0.1:8082": f"127.0.0.1:{ports[1]}",
            "bind :443 ": f"bind 127.0.0.1:{port} ",
            "/etc/haproxy/uapi-bridge.pem": f"{folder}/both.pem",
        },
    )


def _changed(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, f"the example has no {old!r} any more"
        text = text.replace(old, new)
    return text


def _certificate(folder: Path) -> ssl.SSLContext:
    """Make a certificate for 127.0.0.1, and a context that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "uapi-bridge test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    for name_of, content in (("cert.pem", public), ("key.pem", private), ("both.pem", public + private)):
        (folder / name_of).write_bytes(content)
    return ssl.create_default_context(cadata=public.decode())
