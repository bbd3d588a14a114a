"""What SIP messages a softphone has sent and received, read from its own trace as that grows."""

import itertools
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

_COLOUR = rb"\x1b\[[0-9;]*m"
_BEGINS = re.compile(rb"^(?:%b)*(?:UDP|TCP|TLS) " % _COLOUR, re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SipMessage:
    """A SIP message that the phone sent or received."""

    received: bool
    start: str
    headers: dict[str, list[str]]
    body: str

    def first(self, header: str) -> str:
        return self.headers.get(header.lower(), [""])[0]


class Trace:
    """A trace, from its beginning.

    Args:
        path: The file that the phone writes.
        port: The phone's SIP port: what is sent to it was received.
    """

    def __init__(self, path: Path, port: int) -> None:
        self.path = path
        self._port = port
        self._calls: defaultdict[str, list[SipMessage]] = defaultdict(list)
        self._read = 0
        """Up to where its messages are known: the last one, which may not be whole yet, is read again."""

    def text(self) -> str:
        """All of it, without the colours."""
        return _plain(self.path.read_bytes())

    def of(self, call_id: str) -> list[SipMessage]:
        """The messages of a call, oldest first."""
        with self.path.open("rb") as trace:
            trace.seek(self._read)
            new = trace.read()
        begins = [found.start() for found in _BEGINS.finditer(new)]
        for begin, end in itertools.pairwise(begins):
            self._note(self._calls, new[begin:end])
        last: defaultdict[str, list[SipMessage]] = defaultdict(list)
        if begins:
            self._read += begins[-1]
            self._note(last, new[begins[-1] :])
        return self._calls[call_id] + last[call_id]

    def _note(self, calls: defaultdict[str, list[SipMessage]], block: bytes) -> None:
        way, _, text = _plain(block).partition("\n")
        head, end, rest = text.partition("\r\n\r\n")  # other output of the phone follows the message
        if not end:
            return  # it is being written
        start, *lines = head.split("\r\n")
        headers: dict[str, list[str]] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers.setdefault(name.strip().lower(), []).append(value.strip())
        body = rest[: int(headers.get("content-length", ["0"])[0])]
        message = SipMessage(way.strip().endswith(f":{self._port}"), start, headers, body)
        for call_id in headers.get("call-id", ()):
            calls[call_id].append(message)


def _plain(text: bytes) -> str:
    return re.sub(_COLOUR, b"", text).decode(errors="replace")
