"""The lab reads a phone's trace while the phone writes it."""

from pathlib import Path

import pytest

from lab.trace import Trace

_INVITE = (
    b"\x1b[32mUDP 127.0.0.1:5060 -> 127.0.0.1:40000\n"
    b"INVITE sip:210@127.0.0.1 SIP/2.0\r\nCall-ID: one\r\nContent-Length: 4\r\n\r\nv=0\n\x1b[;m"
)
_BYE = (
    b"\x1b[32mUDP 127.0.0.1:5060 -> 127.0.0.1:40000\n"
    b"BYE sip:210@127.0.0.1 SIP/2.0\r\nCall-ID: one\r\nContent-Length: 0\r\n\r\n\x1b[;m"
)


@pytest.mark.parametrize("read_on", [False, True], ids=["read at once", "read on with each byte"])
def test_a_message_is_there_once_its_head_is(tmp_path: Path, read_on: bool) -> None:  # noqa: FBT001 -- a case
    """Wherever the phone is with its writing, what is whole is told, and the rest is not yet."""
    path = tmp_path / "trace"
    path.touch()
    trace = Trace(path, 40000)
    whole = _INVITE + _BYE
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        told = (trace if read_on else Trace(path, 40000)).of("one")
        ends = [whole.index(b"\r\n\r\n") + 4, whole.rindex(b"\r\n\r\n") + 4]
        assert [message.start.split()[0] for message in told] == ["INVITE", "BYE"][
            : sum(end <= length for end in ends)
        ]
        assert all(message.received for message in told)
    assert told[0].body == "v=0\n"
