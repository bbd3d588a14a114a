"""The link to Asterisk's manager interface, and the only place that knows panoramisk."""

from bridge.ami.actions import Originate, Request, context_exists, getvar
from bridge.ami.connection import Connection, Timing
from bridge.ami.errors import AmiError, LinkDown, NoAnswer, Refused
from bridge.ami.forms import READ
from bridge.ami.link import Link, LinkState
from bridge.ami.recording import Head, Recorder, RecordingError, read
from bridge.ami.versions import has_export, originate_runs_code

__all__ = [
    "READ",
    "AmiError",
    "Connection",
    "Head",
    "Link",
    "LinkDown",
    "LinkState",
    "NoAnswer",
    "Originate",
    "Recorder",
    "RecordingError",
    "Refused",
    "Request",
    "Timing",
    "context_exists",
    "getvar",
    "has_export",
    "originate_runs_code",
    "read",
]
