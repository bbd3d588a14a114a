"""Calls by the hundred: SIPp beside the lab's Asterisk, as callers and as phones."""

import asyncio
import contextlib
import resource
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Self

from lab import launch, root
from lab.ports import free_port

CALLERS = "127.0.0.4"
PHONES = "127.0.0.3"
_MOST_FILES = 60_000

PORTS = {("rtp.conf", "general", "rtpend"): "39999"}
"""Options for an Asterisk that has thousands of channels."""

_CALLER = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="caller">
  <send retrans="500"><![CDATA[
    INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    From: <sip:0003*151@[local_ip]:[local_port]>;tag=[call_number]
    To: <sip:[service]@[remote_ip]:[remote_port]>
    Call-ID: [call_id]
    CSeq: 1 INVITE
    Contact: <sip:0003*151@[local_ip]:[local_port]>
    Max-Forwards: 70
    Content-Type: application/sdp
    Content-Length: [len]

    v=0
    o=user1 1 1 IN IP[local_ip_type] [local_ip]
    s=-
    c=IN IP[media_ip_type] [media_ip]
    t=0 0
    m=audio [media_port] RTP/AVP 0
    a=rtpmap:0 PCMU/8000
  ]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="183" optional="true"/>
  <recv response="200" rrs="true"/>
  <send><![CDATA[
    ACK [next_url] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    From: <sip:0003*151@[local_ip]:[local_port]>;tag=[call_number]
    To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
    Call-ID: [call_id]
    CSeq: 1 ACK
    Max-Forwards: 70
    Content-Length: 0

  ]]></send>
  <pause/>
  <send retrans="500"><![CDATA[
    BYE [next_url] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    From: <sip:0003*151@[local_ip]:[local_port]>;tag=[call_number]
    To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
    Call-ID: [call_id]
    CSeq: 2 BYE
    Max-Forwards: 70
    Content-Length: 0

  ]]></send>
  <recv response="200"/>
</scenario>
"""

_RINGS = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="a phone that nobody answers">
  <recv request="INVITE">
    <action><ereg regexp=".*" search_in="hdr" header="CSeq:" assign_to="asked"/></action>
  </recv>
  <send><![CDATA[
    SIP/2.0 180 Ringing
    [last_Via:]
    [last_From:]
    [last_To:];tag=[call_number]
    [last_Call-ID:]
    [last_CSeq:]
    Contact: <sip:[local_ip]:[local_port]>
    Content-Length: 0

  ]]></send>
  <recv request="CANCEL"/>
  <send><![CDATA[
    SIP/2.0 200 OK
    [last_Via:]
    [last_From:]
    [last_To:];tag=[call_number]
    [last_Call-ID:]
    [last_CSeq:]
    Content-Length: 0

  ]]></send>
  <send retrans="500"><![CDATA[
    SIP/2.0 487 Request Terminated
    [last_Via:]
    [last_From:]
    [last_To:];tag=[call_number]
    [last_Call-ID:]
    CSeq:[$asked]
    Content-Length: 0

  ]]></send>
  <recv request="ACK"/>
</scenario>
"""


CALLER = "0003*151"


def phone(extension: str, port: int) -> str:
    """What pjsip.conf says of a phone that SIPp plays. It would not know what to do with a call that changes."""
    return f"""
[{extension}](phone)
aors = {extension}
callerid = "Ext {extension[-3:]}" <{extension}>
send_connected_line = no
[{extension}](phone-aor)
contact = sip:{extension[-3:]}@{PHONES}:{port}
"""


def free_phone_port() -> int:
    """A port for one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((PHONES, 0))
        return int(probe.getsockname()[1])


def allow_many_files() -> None:
    """Let what is started from here have as many open files as may be: a channel has three or four."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # a container's root may not
        resource.setrlimit(resource.RLIMIT_NOFILE, (_MOST_FILES, _MOST_FILES))
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Sipp:
    """One SIPp.

    Args:
        scenario: ``caller``, ``rings``, or ``uas``, SIPp's own phone that answers at once.
        arguments: More of its command line.
        address: Its own.
        port: Its own; 0 takes a free one.
    """

    def __init__(self, scenario: str, *arguments: str, address: str = PHONES, port: int = 0) -> None:
        self._folder: Path = root.new_folder(22, "sipp")
        texts = {"caller": _CALLER, "rings": _RINGS}
        if scenario in texts:
            lines = [line.strip() if "<" not in line[:6] else line for line in texts[scenario].splitlines()]
            (self._folder / "scenario.xml").write_text("\n".join(lines) + "\n")
            which = ["-sf", f"/lab/{self._folder.name}/scenario.xml"]
        else:
            which = ["-sn", scenario]
        self._process = subprocess.Popen(
            launch.command(
                str(root.root(22)),
                "root",
                "/usr/bin/sipp",
                *which,
                *("-i", address, "-p", str(port or free_port(socket.SOCK_DGRAM)), "-nostdin"),
                *("-trace_err", "-error_file", f"/lab/{self._folder.name}/errors"),
                *arguments,
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "TERM": "xterm", "LC_ALL": "C.UTF-8"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def wait(self) -> int:
        """Wait until it has ended by itself.

        Returns:
            Its exit status: 0 if no call has failed.
        """
        return await asyncio.to_thread(self._process.wait)

    @property
    def ended(self) -> bool:
        """Whether it has."""
        return self._process.poll() is not None

    def errors(self) -> str:
        """What it has complained of."""
        path = self._folder / "errors"
        return path.read_text(errors="replace") if path.exists() else ""


def callers(sip_port: int, number: str, *, rate: int, calls: int, talk: float, at_once: int = 5000) -> Sipp:
    """Calls to a number.

    Args:
        sip_port: Asterisk's.
        number: Whom they call.
        rate: Calls a second.
        calls: How many.
        talk: Seconds from the answer until they hang up.
        at_once: How many there may be at a time.
    """
    return Sipp(
        "caller",
        *("-s", number, "-r", str(rate), "-m", str(calls), "-l", str(at_once), "-d", str(int(talk * 1000))),
        f"127.0.0.1:{sip_port}",
        address=CALLERS,
    )
