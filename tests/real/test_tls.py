"""TLS on both sides: to the clients, with a certificate renewed while it serves, and to the real Asterisk."""

import asyncio
import os
import signal
import ssl
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from lab import Bridge, Lab, until
from lab.asterisk import AmiLogin
from lab.fixtures import NewBridge, NewLab
from lab.ports import free_port
from real.certificates import Authority, Pair, served

pytestmark = [pytest.mark.anyio, pytest.mark.real]


async def _shown(bridge: Bridge, authority: Authority) -> str:
    """The common name of the certificate that a new connection is shown."""
    trust = ssl.create_default_context(cafile=authority.cert)
    _, writer = await asyncio.open_connection("127.0.0.1", bridge.port, ssl=trust)
    certificate = writer.get_extra_info("peercert")
    writer.transport.abort()
    return str(dict(item for part in certificate["subject"] for item in part)["commonName"])


async def test_a_call_is_picked_up_over_https_and_the_certificate_renewed_meanwhile(
    lab: Lab, tmp_path: Path
) -> None:
    """The links are https; after SIGHUP new connections get the new certificate, and a broken one changes nothing."""
    authority = Authority(tmp_path)
    first, second = authority.issue("first"), authority.issue("second")
    async with await served(lab, first, authority) as bridge:
        caller = await lab["100"].dial("0003*210")
        await lab["210"].wait_for_ring()
        call = await bridge.seen("0003*210")
        assert call["link"]["self"] == f"{bridge.url}/uapi/phoneCalls/12/0003*210/{call['id']}"
        assert await _shown(bridge, authority) == "first"

        first.replace_by(second)
        os.kill(bridge.pid, signal.SIGHUP)

        async def renewed() -> bool:
            return await _shown(bridge, authority) == "second"

        await until(renewed, "the new certificate is shown")
        first.key.write_text("broken")
        os.kill(bridge.pid, signal.SIGHUP)

        async def refused() -> bool:
            return "certificate not reloaded" in bridge.log()

        await until(refused, "the broken one is noticed")
        assert await _shown(bridge, authority) == "second"

        answer = await bridge.pick_up("0003*210", call["id"], "0003*024")
        assert answer.status_code == 202, answer.text
        await lab["024"].wait_for_ring()
        await lab["024"].accept()
        await lab.wait_together("100", "024")
        assert not caller.closed


async def test_https_is_all_there_is(lab: Lab, tmp_path: Path) -> None:
    """Whoever speaks HTTP to it, or does not know the authority, gets no answer; old TLS is refused."""
    authority = Authority(tmp_path)
    async with await served(lab, authority.issue("bridge"), authority) as bridge:
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b"HTTP/1.1" not in await asyncio.wait_for(reader.read(), 5)
        writer.close()
        async with httpx2.AsyncClient() as stranger:
            with pytest.raises(httpx2.ConnectError):
                await stranger.get(f"{bridge.url}/healthz")
        old = ssl.create_default_context(cafile=authority.cert)
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError):
            await asyncio.open_connection("127.0.0.1", bridge.port, ssl=old)


async def test_ami_over_tls(new_lab: NewLab, new_bridge: NewBridge, tmp_path: Path) -> None:
    """The real Asterisk's manager interface over TLS: picked up as ever; a certificate of a stranger's is not trusted."""
    authority = Authority(tmp_path)
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other")
    lab = await new_lab(secret="a-secret-that-no-log-may-show")
    login = await _listen(lab, authority.issue("pbx"))
    environment = {"BRIDGE_AMI__TLS": "true", "BRIDGE_AMI__CA_FILE": str(authority.cert)}
    bridge = await new_bridge(login, environment=environment)
    await lab["100"].dial("0003*210")
    await lab["210"].wait_for_ring()
    call = await bridge.seen("0003*210")
    assert (await bridge.pick_up("0003*210", call["id"], "0003*024")).status_code == 202
    await lab["024"].wait_for_ring()
    await lab["024"].accept()
    await lab.wait_together("100", "024")

    wrong = await new_bridge(
        login, environment=environment | {"BRIDGE_AMI__CA_FILE": str(stranger.cert)}, ready=False
    )
    answer = await wrong.get("@me", "0003*210")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "pbx_unavailable")

    async def told() -> bool:
        return "CERTIFICATE_VERIFY_FAILED" in wrong.log()

    await until(told, "the log says why")
    assert login.secret not in wrong.log()


async def _listen(lab: Lab, pair: Pair) -> AmiLogin:
    """Let Asterisk take manager logins over TLS on a port of their own."""
    etc = lab.asterisk.folder / "etc"
    inside = f"/lab/{lab.asterisk.folder.name}/etc"
    for source, name in ((pair.cert, "pbx.pem"), (pair.key, "pbx.key")):
        (etc / name).write_bytes(source.read_bytes())
        (etc / name).chmod(0o644)  # Asterisk is another user
    port = free_port()
    told = (
        f"tlsenable = yes\ntlsbindaddr = 127.0.0.1:{port}\n"
        f"tlscertfile = {inside}/pbx.pem\ntlsprivatekey = {inside}/pbx.key\n"
    )
    conf = etc / "manager.conf"
    conf.write_text(conf.read_text().replace("[general]\n", f"[general]\n{told}", 1))
    await lab.asterisk.cli("manager reload")
    return replace(lab.asterisk.ami, port=port)
