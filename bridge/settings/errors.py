"""What is wrong with a configuration, in sentences a person can act on: which file, which key, what instead."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to put right.

    Attributes:
        key: The key as one would look for it, such as ``users[1].extensions[0]``; empty for the whole file.
        message: What is wrong and what would be right, to be read after the key. Never a value that may be secret.
        origin: The file, or the environment variable, that the value came from; empty if not known.
    """

    key: str
    message: str
    origin: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.origin, self.key, self.message) if part)


class SettingsError(Exception):
    """A configuration that the service does not start with.

    Attributes:
        problems: All that was found, at least one.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def key_of(parts: Iterable[int | str]) -> str:
    """A place in the configuration as one would write it: ``users[1].extensions[0]``."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        name = part if _BARE.fullmatch(part) else json.dumps(part)
        text += f".{name}" if text else name
    return text
