"""What the doctor says: one sentence a finding, and what to change."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"
    """Nothing is wrong; something is less than it could be."""
    WARNING = "warning"
    """Pickups work, but not all of them, or not as safely as they could."""
    PROBLEM = "problem"
    """Pickups do not work, or calls are not seen."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        id: Which check; the same for its good and its bad news, stable for scripts.
        level: How much it matters.
        sentence: What was found.
        remedy: Which line to change in which file, and what to do then; empty where there is nothing to do.
    """

    id: str
    level: Level
    sentence: str
    remedy: str = ""


def ok(id_: str, sentence: str) -> Finding:
    """Good news."""
    return Finding(id_, Level.OK, sentence)


def note(id_: str, sentence: str, remedy: str = "") -> Finding:
    """Something to know."""
    return Finding(id_, Level.NOTE, sentence, remedy)


def warning(id_: str, sentence: str, remedy: str) -> Finding:
    """Something to look at."""
    return Finding(id_, Level.WARNING, sentence, remedy)


def problem(id_: str, sentence: str, remedy: str) -> Finding:
    """Something to put right."""
    return Finding(id_, Level.PROBLEM, sentence, remedy)
