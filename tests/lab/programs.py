"""Programs of Debian's that some tests need besides the lab: taken from this machine, or got by apt-get.

A proxy is unpacked in the cache, since its package would start it as a service. A browser has a hundred packages
below it and is installed, which only a CI machine is asked to bear. Where one cannot be had its tests are skipped with
a line that says what to install; with CI=true they fail.
"""

import os
import platform
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from lab import root

_INSTALLED = {"chromium": ("chromium", "chromium-driver")}
"""Packages of the programs that are installed, those that are unpacked aside."""

_COMMANDS = {"chromium": ("chromium", "chromedriver")}
"""Where a program is more than the command of its own name."""


class ProgramUnavailableError(Exception):
    """It is not on this machine and cannot be had; the message says in a line why, and what would help."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that can be run.

    Attributes:
        path: Where it is.
        libraries: Where its libraries are; None where they are the system's own.
    """

    path: Path
    libraries: Path | None = None


def need(name: str) -> Program:
    """Return a program, or skip the test; with CI=true fail it.

    Args:
        name: ``nginx``, ``haproxy`` or ``chromium`` (with its driver).
    """
    found = _ask(name)
    if isinstance(found, Program):
        return found
    if os.environ.get("CI") == "true":
        pytest.fail(found, pytrace=False)
    pytest.skip(found)


@cache
def _ask(name: str) -> Program | str:
    """The program, or why there is none: one test finds out for all."""
    try:
        return get(name)
    except ProgramUnavailableError as why:
        return str(why)


def get(name: str) -> Program:
    """Find a program, or get it.

    Args:
        name: As above.

    Raises:
        ProgramUnavailableError: it cannot be had.
    """
    if found := _here(name):
        return Program(found)
    if name in _INSTALLED:
        _install(name)
        if found := _here(name):
            return Program(found)
        raise ProgramUnavailableError(f"{name} is installed, but cannot be found")
    return _unpacked(name)


def _here(name: str) -> Path | None:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    found = [shutil.which(command, path=path) for command in _COMMANDS.get(name, (name,))]
    return Path(found[0]) if found[0] and all(found) else None


# ------------------------------------------------------------------ installed


def _install(name: str) -> None:
    packages = _INSTALLED[name]
    advice = f"{name} is not here: apt-get install --no-install-recommends {' '.join(packages)}"
    if os.environ.get("CI") != "true":
        raise ProgramUnavailableError(advice)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ProgramUnavailableError(f"{advice} (by root, on a Debian)")
    install = ("apt-get", "--quiet", "--assume-yes", "--no-install-recommends", "install", *packages)
    with root.apt():
        if _here(name):
            return
        try:
            _run(Path("/"), *install)
        except ProgramUnavailableError:
            _run(Path("/"), "apt-get", "--quiet", "update")  # the lists may be old, or none
            _run(Path("/"), *install)


# ------------------------------------------------------------------ unpacked


def _unpacked(name: str) -> Program:
    if shutil.which("apt-get") is None:
        raise ProgramUnavailableError(
            f"{name} is not here, and there is no apt-get to get it with: install {name}"
        )
    place = root.home().parent / f"proxy-{name}"
    with root.apt():
        if not place.exists():
            _fetch(name, place)
    return Program(place / "usr/sbin" / name, place / f"usr/lib/{platform.machine()}-linux-gnu")


def _fetch(name: str, place: Path) -> None:
    """Unpack the package, and what it needs that this machine does not have."""
    with tempfile.TemporaryDirectory(dir=place.parent) as made:
        folder = Path(made)
        packages = _plan(folder, name)
        try:
            _run(folder, "apt-get", "--quiet", "download", *packages)
        except ProgramUnavailableError:
            if os.geteuid() != 0:
                raise
            _run(folder, "apt-get", "--quiet", "update")  # the lists name versions that are gone
            _run(folder, "apt-get", "--quiet", "download", *_plan(folder, name))
        (folder / "root").mkdir()
        for package in folder.glob("*.deb"):
            _run(folder, "dpkg-deb", "--extract", str(package), "root")
        (folder / "root").rename(place)


def _plan(folder: Path, name: str) -> list[str]:
    """The packages that an installation would bring."""
    simulate = ("apt-get", "--simulate", "--no-install-recommends", "install", name)
    try:
        plan = _run(folder, *simulate)
    except ProgramUnavailableError:
        if os.geteuid() != 0:
            raise
        _run(folder, "apt-get", "--quiet", "update")
        plan = _run(folder, *simulate)
    packages = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
    if not packages:
        raise ProgramUnavailableError(f"{name} is not here, and apt-get knows no package of that name")
    return packages


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
    )
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise ProgramUnavailableError(f"{' '.join(command[:3])} failed: {' '.join(last)}")
    return done.stdout
