"""A certification authority of a test's own, certificates for this machine, and a bridge that serves HTTPS with one."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from lab import Bridge, Lab


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, each in a PEM file."""

    cert: Path
    key: Path

    def replace_by(self, other: "Pair") -> None:
        """Put another one in its place, as whoever renews certificates does."""
        self.cert.write_bytes(other.cert.read_bytes())
        self.key.write_bytes(other.key.read_bytes())


class Authority:
    """Issues certificates; ``cert`` is the file that clients trust."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("a test's authority")
        self.cert = folder / "ca.pem"
        made = _builder(self._name, self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.cert.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def issue(self, name: str) -> Pair:
        """Make a certificate for 127.0.0.1 and localhost.

        Args:
            name: Of its files, and its common name.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName(
            [x509.IPAddress(IPv4Address("127.0.0.1")), x509.DNSName("localhost")]
        )
        made = _builder(_name(name), self._name, key).add_extension(names, critical=False)
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        pair.cert.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))
        pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return pair


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    start, end = now - timedelta(hours=1), now + timedelta(days=1)
    return x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number(), start, end)


async def served(lab: Lab, pair: Pair, authority: Authority, more: str = "") -> Bridge:
    """A bridge that serves HTTPS with this certificate, not started yet; its client trusts the authority.

    Args:
        lab: The PBX that it works on.
        pair: The certificate.
        authority: Who issued it.
        more: More configuration.
    """
    environment = {"BRIDGE_HTTP__TLS_CERT": str(pair.cert), "BRIDGE_HTTP__TLS_KEY": str(pair.key)}
    bridge = Bridge(lab.asterisk.ami, environment=environment, more=more)
    await bridge.http.aclose()
    bridge.url = bridge.url.replace("http://", "https://")
    trust = ssl.create_default_context(cafile=authority.cert)
    bridge.http = httpx2.AsyncClient(base_url=bridge.url, verify=trust, timeout=30)
    return bridge
