"""A SIP user made of messages alone: for what the softphone cannot do, such as a REFER that names another dialog.

It answers every call at once, or refuses it, holds any number of dialogs, and sends no sound. One transfers by it
as desk phones do after a consultation: REFER with Replaces (RFC 3515, RFC 3891).
"""

import asyncio
import re
import secrets
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote

from lab.asterisk import Asterisk
from lab.ports import until

SIP_USER = "0003*103"
"""The extension that it is: it has no password (conf/pjsip.conf)."""


@dataclass(slots=True)
class Dialog:
    """A call that is up, or over."""

    call_id: str
    local: str
    """From header of what we send: URI and our tag."""
    remote: str
    target: str
    """Where requests go: the far end's contact."""
    cseq: int = 1
    over: bool = False

    @property
    def local_tag(self) -> str:
        return _tag(self.local)

    @property
    def remote_tag(self) -> str:
        return _tag(self.remote)


@dataclass(slots=True)
class _Message:
    start: str
    headers: dict[str, list[str]] = field(default_factory=dict)

    def first(self, name: str) -> str:
        return self.headers.get(name, [""])[0]


class SipUser(asyncio.DatagramProtocol):
    """One SIP user on a UDP port of its own."""

    def __init__(self, asterisk: Asterisk, extension: str = SIP_USER) -> None:
        """Describe the user; ``start`` registers it.

        Args:
            asterisk: Where it registers.
            extension: Its SIP user name.
        """
        self.asterisk = asterisk
        self.extension = extension
        self.dialogs: dict[str, Dialog] = {}
        """By Call-ID."""
        self.notified: list[str] = []
        """What Asterisk told of a REFER: "SIP/2.0 200 OK"."""
        self.refusal = ""
        """What it says to who calls, such as "603 Decline"; empty, it answers."""
        self.forward = ""
        """The number that its refusal names, such as a 302; its own where empty."""
        self._answers: dict[tuple[str, str], asyncio.Future[_Message]] = {}
        self._rings: dict[str, asyncio.Future[_Message]] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._sink: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Open the ports and register."""
        loop = asyncio.get_running_loop()
        local = ("127.0.0.1", 0)
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=local)
        self._sink, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=local)
        await self._register(3600)

    async def close(self) -> None:
        """End every call, unregister and close the ports."""
        for dialog in self.dialogs.values():
            if not dialog.over:
                await self.hang_up(dialog)
        await self._register(0)
        for transport in (self._transport, self._sink):
            if transport is not None:
                transport.close()

    async def _register(self, seconds: int) -> None:
        address = f"<sip:{self.extension}@{self._host}>"
        dialog = Dialog(_id(), f"{address};tag={_id()}", address, "")
        answer = await self._ask("REGISTER", f"sip:{self._host}", dialog, f"Expires: {seconds}")
        assert " 200 " in answer.start, answer

    async def call(self, number: str) -> Dialog:
        """Call a number and return when it was answered."""
        dialog = self._dialog(number)
        answer = await self._ask("INVITE", dialog.target, dialog, body=self._description())
        assert " 200 " in answer.start, answer
        dialog.remote, dialog.target = answer.first("to"), _uri(answer.first("contact"))
        self._send(self._request("ACK", dialog.target, dialog))
        return dialog

    async def ring(self, number: str) -> Dialog:
        """Call a number and return when it rings there."""
        dialog = self._dialog(number)
        dialog.cseq += 1
        ringing: asyncio.Future[_Message] = asyncio.get_running_loop().create_future()
        self._rings[dialog.call_id] = ringing
        self._send(self._request("INVITE", dialog.target, dialog, body=self._description()))
        told = await asyncio.wait_for(ringing, 20)
        dialog.remote, dialog.target = told.first("to"), _uri(told.first("contact"))
        return dialog

    def _dialog(self, number: str) -> Dialog:
        uri = f"sip:{number}@{self._host}"
        dialog = Dialog(_id(), f"<sip:{self.extension}@{self._host}>;tag={_id()}", f"<{uri}>", uri)
        self.dialogs[dialog.call_id] = dialog
        return dialog

    async def wait_call(self) -> Dialog:
        """Wait until a call has come in, and was answered."""

        async def came() -> Dialog | None:
            return next((each for each in self.dialogs.values() if not each.over), None)

        dialog = await until(came, f"{self.extension} is called")
        assert dialog is not None
        return dialog

    async def refer(self, dialog: Dialog, other: Dialog) -> None:
        """Ask Asterisk to put the far ends of two calls together: an attended transfer."""
        replaces = f"{other.call_id};to-tag={other.remote_tag};from-tag={other.local_tag}"
        where = f"Refer-To: <{_uri(other.remote)}?Replaces={quote(replaces, safe='')}>"
        by = f"Referred-By: {dialog.local.partition(';')[0]}"
        answer = await self._ask("REFER", dialog.target, dialog, where, by)
        assert " 202 " in answer.start, answer

    async def hang_up(self, dialog: Dialog) -> None:
        """End a call."""
        dialog.over = True
        await self._ask("BYE", dialog.target, dialog)

    # ------------------------------------------------------------------ what comes in

    def datagram_received(self, data: bytes, _: object) -> None:
        head, _sep, body = data.decode(errors="replace").partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        message = _Message(start)
        for line in lines:
            name, _colon, value = line.partition(":")
            message.headers.setdefault(name.strip().lower(), []).append(value.strip())
        if start.startswith("SIP/2.0 1"):
            ringing = self._rings.get(message.first("call-id"))
            if ringing and not ringing.done() and start.startswith("SIP/2.0 180"):
                ringing.set_result(message)
            return
        if start.startswith("SIP/2.0"):
            key = (message.first("call-id"), message.first("cseq"))
            if (waiting := self._answers.get(key)) and not waiting.done():
                waiting.set_result(message)
            return
        method = start.partition(" ")[0]
        if method == "NOTIFY":
            self.notified.append(body.strip())
        if method != "ACK":
            self._send(self._reply(method, message))

    def _reply(self, method: str, request: _Message) -> str:
        """Agree to everything, unless calls are refused; a new INVITE opens a dialog, a BYE closes one."""
        call_id, remote, local = (request.first(name) for name in ("call-id", "from", "to"))
        dialog = self.dialogs.get(call_id)
        refusal = self.refusal if method == "INVITE" and dialog is None else ""
        if refusal:
            local += f";tag={_id()}"
        elif method == "INVITE" and dialog is None:
            dialog = Dialog(call_id, f"{local};tag={_id()}", remote, _uri(request.first("contact")))
            self.dialogs[call_id] = dialog
        if method == "BYE" and dialog is not None:
            dialog.over = True
        lines = [f"SIP/2.0 {refusal or '200 OK'}", *(f"Via: {via}" for via in request.headers["via"])]
        lines += [f"From: {remote}", f"To: {dialog.local if dialog else local}", f"Call-ID: {call_id}"]
        contact = f"<sip:{self.forward}@{self._host}>" if refusal and self.forward else self._contact
        lines += [f"CSeq: {request.first('cseq')}", f"Contact: {contact}"]
        return _whole(lines, self._description() if method == "INVITE" and not refusal else "")

    # ------------------------------------------------------------------ what goes out

    async def _ask(self, method: str, uri: str, dialog: Dialog, *more: str, body: str = "") -> _Message:
        """Send a request and return its final answer."""
        dialog.cseq += 1
        answer: asyncio.Future[_Message] = asyncio.get_running_loop().create_future()
        self._answers[dialog.call_id, f"{dialog.cseq} {method}"] = answer
        self._send(self._request(method, uri, dialog, *more, body=body))
        return await asyncio.wait_for(answer, 20)

    def _request(self, method: str, uri: str, dialog: Dialog, *more: str, body: str = "") -> str:
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self._address};branch=z9hG4bK{_id()};rport",
            f"From: {dialog.local}",
            f"To: {dialog.remote}",
            f"Call-ID: {dialog.call_id}",
            f"CSeq: {dialog.cseq} {method}",
            f"Contact: {self._contact}",
            "Max-Forwards: 70",
            *more,
        ]
        return _whole(lines, body)

    def _send(self, text: str) -> None:
        assert self._transport is not None, "it is not running"
        self._transport.sendto(text.encode(), (self.asterisk.host, self.asterisk.sip_port))

    def _description(self) -> str:
        assert self._sink is not None, "it is not running"
        port = self._sink.get_extra_info("sockname")[1]
        return (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
        )

    @property
    def _host(self) -> str:
        return f"{self.asterisk.host}:{self.asterisk.sip_port}"

    @property
    def _address(self) -> str:
        assert self._transport is not None, "it is not running"
        return "{}:{}".format(*self._transport.get_extra_info("sockname"))

    @property
    def _contact(self) -> str:
        return f"<sip:{self.extension}@{self._address}>"


def _id() -> str:
    return secrets.token_hex(8)


def _tag(header: str) -> str:
    found = re.search(r";tag=([^;]+)", header)
    return found[1] if found else ""


def _uri(header: str) -> str:
    found = re.search(r"<([^>]+)>", header)
    return found[1] if found else header


def _whole(lines: list[str], body: str) -> str:
    kind = ["Content-Type: application/sdp"] if body else []
    return "\r\n".join([*lines, *kind, f"Content-Length: {len(body)}", "", body])
