"""``uapi-bridge doctor``: what is wrong with a PBX, in words, and which line to change.

Facts are asked first (``asking``), then judged by checks that do no I/O (``checks``).
"""

from bridge.doctor.asking import Heard, open_session
from bridge.doctor.checks import CHECKS, judge
from bridge.doctor.command import Examination, add_arguments, examine, run, unreachable
from bridge.doctor.facts import Facts, Probe
from bridge.doctor.findings import Finding, Level

__all__ = [
    "CHECKS",
    "Examination",
    "Facts",
    "Finding",
    "Heard",
    "Level",
    "Probe",
    "add_arguments",
    "examine",
    "judge",
    "open_session",
    "run",
    "unreachable",
]
