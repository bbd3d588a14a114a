"""Extension lists: patterns such as ``0003*1??``, what they cover, and an index over thousands of them.

``?`` stands for one digit; ``*`` is not a wildcard but the star of UAPI's own numbers (``0003*210``). So a
pattern covers numbers of its own length only, and whether two patterns have a number in common can be said
exactly, which is how the configuration knows that no number has two owners.
"""

import re
from collections.abc import Iterator
from typing import Generic, TypeVar

from bridge.grammar import Checked, Extension

_DIGITS = "0123456789"

T = TypeVar("T")


class Pattern(Checked):
    """One entry of a user's extension list: an extension number in which ``?`` is any one digit."""

    __slots__ = ()
    _pattern = re.compile(r"[0-9*?]{1,32}")
    _what = "an extension number, in which ? may stand for one digit: 0003*210 or 0003*1??"

    @property
    def exact(self) -> bool:
        """Whether it names one number only."""
        return "?" not in self

    @property
    def prefix(self) -> str | None:
        """What its numbers have before their first star, empty without a star; None if they differ in it."""
        head, star, _ = self.partition("*")
        if not star:
            return ""
        return None if "?" in head else head

    def matches(self, extension: Extension) -> bool:
        """Whether it covers this number."""
        return len(self) == len(extension) and all(
            ours == theirs or (ours == "?" and theirs != "*")
            for ours, theirs in zip(self, extension, strict=True)
        )

    def common(self, other: "Pattern") -> "Pattern | None":
        """The numbers that both cover, which are those of a pattern again; None if there are none."""
        if len(self) != len(other):
            return None
        chars: list[str] = []
        for ours, theirs in zip(self, other, strict=True):
            if ours == theirs or (theirs == "?" and ours != "*"):
                chars.append(ours)
            elif ours == "?" and theirs != "*":
                chars.append(theirs)
            else:
                return None
        return Pattern("".join(chars))


class _Node(Generic[T]):
    """A place in the trie: what may come next, and whose numbers end here."""

    __slots__ = ("children", "values")

    def __init__(self) -> None:
        self.children: dict[str, _Node[T]] = {}
        self.values: list[T] = []


class PatternIndex(Generic[T]):
    """Which values belong to a number, for many patterns: a trie with ``?`` as one more character.

    A look-up takes as many steps as the number has characters, and one more branch where both a digit and a
    ``?`` go on; it does not grow with the number of users.
    """

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, pattern: Pattern, value: T) -> None:
        """Let a value own the numbers of a pattern."""
        node = self._root
        for char in pattern:
            node = node.children.setdefault(char, _Node())
        node.values.append(value)

    def find(self, number: Extension | Pattern) -> Iterator[T]:
        """The values whose patterns have a number in common with this one."""
        level = [self._root]
        for char in number:
            wanted = _DIGITS + "?" if char == "?" else char if char == "*" else char + "?"
            level = [node.children[one] for node in level for one in wanted if one in node.children]
        for node in level:
            yield from node.values
