"""Calls by the hundred: the soak's SIPp beside the lab's Asterisk, as callers and as phones."""

import contextlib
import resource

from soak.sipp import CALLERS, PHONES, Sipp

_MOST_FILES = 60_000

PORTS = {("rtp.conf", "general", "rtpend"): "39999"}
"""Options for an Asterisk that has thousands of channels."""

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


def allow_many_files() -> None:
    """Let what is started from here have as many open files as may be: a channel has four or five."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # a container's root may not
        resource.setrlimit(resource.RLIMIT_NOFILE, (_MOST_FILES, _MOST_FILES))
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def callers(sip_port: int, number: str, *, rate: int, calls: int, talk: float, at_once: int = 5000) -> Sipp:
    """Calls to a number.

    Args:
        sip_port: Asterisk's.
        number: Whom they call.
        rate: Calls a second.
        calls: How many.
        talk: Seconds from the answer until they hang up, about.
        at_once: How many there may be at a time.
    """
    return Sipp(
        "caller",
        *("-r", str(rate), "-m", str(calls), "-l", str(at_once)),
        f"127.0.0.1:{sip_port}",
        address=CALLERS,
        talk=int(talk * 1000),
        caller=CALLER,
        numbers=(number,),
    )


__all__ = ["CALLER", "PHONES", "PORTS", "Sipp", "allow_many_files", "callers", "phone"]
