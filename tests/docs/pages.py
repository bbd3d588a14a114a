"""What a page of Markdown shows: blocks of commands with their outputs, stage directions, and commands in its prose.

A stage direction is an HTML comment before a block, ``<!-- stage: 100 calls 210 -->``: it says what happens at the
phones around the block, for the tests alone. The reader sees the same told in the prose.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGES = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")))

SHELL = frozenset({"sh", "console", "bash", "shell"})
OUTPUT = frozenset({"http", "text"})
PROGRAMS = (
    "apt", "asterisk", "curl", "docker", "fwconsole", "journalctl", "make", "pip", "pipx", "sudo", "systemctl",
    "systemd-analyze", "uapi-bridge", "uv",
)  # fmt: skip
"""A text in backticks that begins with one of these and goes on is a command, too."""

_FENCE = re.compile(r"^( *)(```+)([a-z]*)\s*$")
_DIRECTION = re.compile(r"^ *<!-- ([a-z]+): (.*?) -->\s*$")
_INLINE = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        page: The page's name, such as ``docs/api.md``.
        line: The line of its fence, from 1.
        language: The word behind the fence.
        text: What is between the fences, without the fence's indentation.
        directions: Stage directions before it: their kind, and their text.
        output: The block right behind it, where that one shows what it prints.
    """

    page: str
    line: int
    language: str
    text: str
    directions: tuple[tuple[str, str], ...] = ()
    output: "Block | None" = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def directed(self, kind: str) -> list[str]:
        """The directions of a kind."""
        return [part.strip() for key, text in self.directions if key == kind for part in text.split(";")]

    @property
    def commands(self) -> list[str]:
        """The commands, each with its continuation lines and here-documents; without comments."""
        return list(_commands(self.text))


def name_of(path: Path) -> str:
    """A page's name in messages."""
    return str(path.relative_to(REPOSITORY))


def blocks(path: Path) -> list[Block]:
    """All fenced blocks of a page, in their order; one that shows an output is told to the commands before it."""
    found = list(_fenced(name_of(path), path.read_text()))
    for place, (block, adjacent) in enumerate(found):
        before = found[place - 1][0] if place else None
        if adjacent and before and before.language in SHELL and block.language in OUTPUT:
            found[place - 1] = (replace(before, output=block), found[place - 1][1])
    return [block for block, _ in found]


def _fenced(page: str, text: str) -> Iterator[tuple[Block, bool]]:
    """The blocks, and whether each follows the one before it without a word between."""
    directions: list[tuple[str, str]] = []
    adjacent = False
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        if found := _DIRECTION.match(line):
            directions.append((found[1], found[2]))
        elif fence := _FENCE.match(line):
            inside = _inside(lines, fence[2], len(fence[1]))
            yield Block(page, number, fence[3], inside, tuple(directions)), adjacent
            directions, adjacent = [], True
        elif line.strip():
            directions, adjacent = [], False


def _inside(lines: Iterator[tuple[int, str]], ticks: str, indent: int) -> str:
    inside = []
    for _, line in lines:
        if line.strip() == ticks:
            break
        inside.append(line[indent:] if not line[:indent].strip() else line)
    return "".join(f"{line}\n" for line in inside)


def _commands(text: str) -> Iterator[str]:
    command, until = "", ""
    for line in text.splitlines():
        if not command and (not line.strip() or line.lstrip().startswith("#")):
            continue
        command += f"{line}\n"
        if until:
            if line == until:
                until = ""
            continue
        if here := re.search(r"<<'?([A-Z]+)'?", line):
            until = here[1]
            continue
        if line.endswith("\\") or command.count("'") % 2:
            continue
        yield command.rstrip("\n")
        command = ""
    if command:
        yield command.rstrip("\n")


def words(command: str) -> str:
    """A command on one line, without its comment: what a table of commands holds."""
    line = " ".join(command.replace("\\\n", " ").split())
    return re.sub(r"\s+# .*$", "", line)


def inline(path: Path) -> list[str]:
    """Commands that stand in the prose, in backticks."""
    text = re.sub(r"^( *)```.*?^ *```\s*$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    found = (" ".join(one.split()) for one in _INLINE.findall(text))
    return [one for one in found if one.partition(" ")[0] in PROGRAMS and " " in one]


def indented(path: Path) -> list[int]:
    """Lines of commands that are only indented, not fenced: nobody would run them."""
    found, fenced = [], False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if _FENCE.match(line):
            fenced = not fenced
        elif (
            not fenced
            and line.startswith("    ")
            and line.split()[:1]
            and line.split()[0] in (*PROGRAMS, "$")
        ):
            found.append(number)
    return found
