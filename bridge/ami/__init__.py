"""The link to Asterisk's manager interface, and the only place that knows panoramisk."""

from bridge.ami.actions import Originate
from bridge.ami.connection import Timing
from bridge.ami.errors import AmiError, LinkDown, NoAnswer, Refused
from bridge.ami.link import Link, LinkState
from bridge.ami.recording import Head, Recorder, RecordingError, read

__all__ = [
    "AmiError",
    "Head",
    "Link",
    "LinkDown",
    "LinkState",
    "NoAnswer",
    "Originate",
    "Recorder",
    "RecordingError",
    "Refused",
    "Timing",
    "read",
]
