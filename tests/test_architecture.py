"""Who knows whom in the house, and by which door: read from the imports, compared with the design."""

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1] / "bridge"

PACKAGES = ("ami", "calls", "doctor", "includes", "settings", "uapi")

KNOWS: dict[str, set[str]] = {
    "calls": {"grammar"},
    "ami": {"calls", "grammar", "settings"},
    "pickup": {"ami", "calls", "directory", "endpoints", "grammar"},
    "uapi": {"calls", "directory", "grammar", "pickup", "settings", "tokens"},
    "directory": {"grammar", "patterns", "settings"},
    "endpoints": {"grammar", "patterns"},
    "settings": {"endpoints", "grammar", "patterns"},
    "signed": {"directory"},
    "tokens": {"directory", "settings", "signed"},
    "patterns": {"grammar"},
    "grammar": set(),
    "client": {"grammar", "terminal"},
    "files": set(),
    "logs": set(),
    "notify": set(),
    "terminal": set(),
    "metrics": {"ami", "calls", "grammar", "pickup"},
    "doctor": {"ami", "calls", "grammar", "includes", "patterns", "settings"},
    "includes": set(),
    "anonymize": {"calls", "grammar"},
    "ladder": {"calls", "grammar"},
}
"""What each room may know of. `app`, `cli`, `init`, `recordings`, `serve` and `__main__` put things together, and know all."""

ABOVE = ("app", "cli", "init", "recordings", "serve", "__main__")

PURE = {
    "bisect", "build", "collections", "dataclasses", "enum", "functools", "hashlib", "re", "typing", "unicodedata",
}  # fmt: skip
"""What the core needs of the standard library: no clock, no chance, no task, no log."""

PURE_OF_SYS = {("sys", "intern"), ("sys", "version_info")}


@dataclass(frozen=True, slots=True)
class Import:
    """One name that a file imports."""

    room: str
    file: str
    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.file}: from {self.module} import {self.name}"

    @property
    def of(self) -> str:
        """The room of ours that it comes from; empty for another's module."""
        head, _, tail = self.module.partition(".")
        if head != "bridge":
            return ""
        return tail.partition(".")[0] or self.name

    @property
    def depth(self) -> int:
        """How many steps into a room it goes: 1 for the room's own door."""
        return self.module.count(".")


@cache
def imports() -> tuple[Import, ...]:
    """Every name that any of our files imports, those for types only included."""
    return tuple(one for path in sorted(HOUSE.rglob("*.py")) for one in _of(path))


def _of(path: Path) -> Iterator[Import]:
    place = path.relative_to(HOUSE)
    room, file = place.parts[0].removesuffix(".py"), str(place)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (Import(room, file, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports by dots"
            yield from (Import(room, file, node.module or "", alias.name) for alias in node.names)


def test_every_room_is_in_the_plan() -> None:
    """A new one has to say what it may know."""
    rooms = {path.relative_to(HOUSE).parts[0].removesuffix(".py") for path in HOUSE.rglob("*.py")}
    assert rooms - {"__init__"} == set(KNOWS) | set(ABOVE)


@pytest.mark.parametrize("room", KNOWS)
def test_knows_only_its_neighbours(room: str) -> None:
    """The arrows of the design; the package's version may be asked for by anybody."""
    allowed = {"", room, "__version__", *KNOWS[room]}
    strangers = [str(one) for one in imports() if one.room == room and one.of not in allowed]
    assert strangers == []


def test_nobody_knows_those_above() -> None:
    """What puts the house together is imported by none of its rooms."""
    upwards = [str(one) for one in imports() if one.of in ABOVE and one.room not in ABOVE]
    assert upwards == []


@pytest.mark.parametrize("package", PACKAGES)
def test_the_door_is_narrow(package: str) -> None:
    """Outside a package only what its door offers is imported, and it offers nothing that it does not have."""
    door = importlib.import_module(f"bridge.{package}")
    public = {name for name in vars(door) if not name.startswith("_")}
    offered = set(getattr(door, "__all__", public)) | {package}
    assert all(hasattr(door, name) for name in offered - {package})
    for one in imports():
        if one.of == package and one.room != package:
            assert one.depth <= 1, f"behind the door: {one}"
            assert one.name in offered, f"not offered: {one}"


def test_the_core_is_pure() -> None:
    """No task, no clock, no chance, no log, nobody else's library: events in, calls out."""
    for one in imports():
        if one.room in ("calls", "grammar") and not one.of:
            pure = one.module.partition(".")[0] in PURE or (one.module, one.name) in PURE_OF_SYS
            assert pure, str(one)


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("panoramisk", {"ami"}),
        ("starlette", {"uapi", "app", "metrics"}),
        ("uvicorn", {"uapi", "app", "serve"}),
        ("jwt", {"signed"}),
        ("prometheus_client", {"metrics"}),
    ],
)
def test_a_library_is_known_in_one_place(library: str, rooms: set[str]) -> None:
    """What depends on it is found there, and nowhere else."""
    users = {one.room for one in imports() if one.module.partition(".")[0] == library}
    assert users <= rooms
