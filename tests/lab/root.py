"""Folders that hold a whole Debian with Asterisk and softphones in it, made once and kept in the user's cache.

Nothing is ever mounted: what runs from a root is started by ``chroot``, and keeps its own files in a folder of
its own under the root's ``/lab``.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_SCRIPT = Path("/usr/share/debootstrap/scripts/sid")  # an older debootstrap has no script named forky
_HOSTS = "127.0.0.1 localhost A.ROOT-SERVERS.NET"
"""And the machine's name. Asterisk looks both up to find its own address: 10 s a call where no DNS answers (22)."""


class LabUnavailableError(Exception):
    """The lab cannot run here; the message says in a line why, and what would help."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What goes into a root; suites are tried in order."""

    suites: tuple[str, ...]
    packages: tuple[str, ...]

    def digest(self) -> str:
        return hashlib.sha256(repr((self.suites, self.packages)).encode()).hexdigest()[:10]


RECIPES = {
    22: Recipe(
        ("forky", "sid"),
        (
            "asterisk",
            "asterisk-config",
            "asterisk-core-sounds-en-gsm",
            "asterisk-moh-opsound-gsm",
            "asterisk-modules",
            "baresip",
            "sip-tester",
        ),
    ),
    16: Recipe(("bullseye",), ("asterisk", "asterisk-core-sounds-en-gsm", "asterisk-moh-opsound-gsm")),
}


def unavailable() -> str:
    """Say in one line why the lab cannot run here; empty when it can."""
    if not sys.platform.startswith("linux"):
        return "the lab needs Linux: Asterisk runs in a Debian folder by chroot"
    if os.geteuid() != 0:
        return "the lab needs root (chroot, debootstrap): run it as root, for example by sudo make test"
    if subprocess.run(["chroot", "/", "true"], capture_output=True, check=False).returncode != 0:
        return "the lab may not chroot here: a container needs CAP_SYS_CHROOT and CAP_MKNOD"
    if not any(_ready(version) for version in RECIPES) and not (_debootstrap() or shutil.which("apt-get")):
        return "the lab needs debootstrap, and there is no apt-get to install it with: install debootstrap"
    return ""


@cache
def root(version: int = 22) -> Path:
    """Return the root of an Asterisk generation, made now if the cache has none.

    Args:
        version: Asterisk's major version, 22 or 16.

    Raises:
        LabUnavailableError: It cannot be made here.
    """
    if why := unavailable():
        raise LabUnavailableError(why)
    place = _place(version)
    place.parent.mkdir(parents=True, exist_ok=True)
    with _locked(place.with_suffix(".lock")):
        if not _ready(version):
            _build(RECIPES[version], place)
        _set(place / "etc/hosts", f"{_HOSTS} {socket.gethostname()}\n")
        _sweep(place / "lab")
    return place


def new_folder(version: int, name: str) -> Path:
    """Make a folder for one process under a root's /lab; it is swept away when this process is gone."""
    lab = root(version) / "lab"
    folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-{re.sub('[^0-9a-z]', '-', name)}-", dir=lab))
    folder.chmod(0o755)
    return folder


def versions(version: int = 22) -> str:
    """Say which packages a root holds: 'asterisk 1:22.10.1..., baresip 1.1.0-3.1'."""
    names = [name for name in ("asterisk", "baresip", "sip-tester") if name in RECIPES[version].packages]
    query = ["chroot", str(root(version)), "dpkg-query", "-W", "-f", "${Package} ${Version}, ", *names]
    return subprocess.run(query, capture_output=True, text=True, check=True).stdout.rstrip(", ")


def home() -> Path:
    """The folder in the user's cache that everything here is kept in."""
    cache_home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(cache_home) / "uapi-bridge" / "lab"


@contextlib.contextmanager
def apt() -> Iterator[None]:
    """Use apt-get, one process at a time: with its own locks the second would fail, not wait."""
    home().mkdir(parents=True, exist_ok=True)
    with _locked(home() / "apt.lock"):
        yield


def _place(version: int) -> Path:
    return home() / f"asterisk-{version}-{RECIPES[version].digest()}"


def _ready(version: int) -> bool:
    return (_place(version) / "lab").is_dir()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock file: two runs never build one root at once."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _set(path: Path, text: str) -> None:
    """Write a file unless it says so already: an Asterisk that runs may be reading it."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def _sweep(lab: Path) -> None:
    """Remove the folders whose process is gone."""
    for folder in lab.iterdir():
        if not Path("/proc", folder.name.split("-")[0]).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _build(recipe: Recipe, place: Path) -> None:
    """Make a root beside its place and move it there once it is whole."""
    with apt():
        if not _debootstrap():
            _say("installing debootstrap")
            _run(["apt-get", "-q", "update"])
            _run(["apt-get", "-q", "-y", "install", "--no-install-recommends", "debootstrap"])
    for old in place.parent.glob(f"{place.name}.building-*"):
        shutil.rmtree(old)
    mirror = _mirror()
    failures = []
    for suite in recipe.suites:
        building = Path(tempfile.mkdtemp(prefix=f"{place.name}.building-", dir=place.parent))
        building.chmod(0o755)
        _say(f"making {place.name} from Debian {suite}: about a minute, once")
        try:
            packages = ",".join(recipe.packages)
            options = ["--variant=minbase", "--components=main", f"--include={packages}"]
            _run([_debootstrap(), *options, suite, str(building), mirror, str(_SCRIPT)])
        except LabUnavailableError as failure:
            failures.append(f"{suite}: {failure}")
            shutil.rmtree(building)
            continue
        shutil.rmtree(building / "var/cache/apt", ignore_errors=True)
        (building / "lab").mkdir()
        building.rename(place)
        return
    raise LabUnavailableError(
        f"no root with Asterisk could be made from this machine's mirror: {'; '.join(failures)}"
    )


def _debootstrap() -> str:
    return shutil.which("debootstrap") or shutil.which("debootstrap", path="/usr/sbin:/sbin") or ""


def _mirror() -> str:
    """Ask APT which mirror this machine uses; a security mirror has no whole Debian."""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)"], capture_output=True, text=True, check=True
    ).stdout.split()
    for uri in targets:
        if listed := re.match(r"mirror\+file:/*(/.*?)/?$", uri):
            uri = Path(listed[1]).read_text().split()[0]  # noqa: PLW2901 (the mirror that the list names first)
        if not uri.rstrip("/").endswith("-security"):
            return uri
    raise LabUnavailableError("APT knows no mirror here: /etc/apt/sources.list names none")


def _run(command: list[str]) -> None:
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=env, umask=0o022
    )
    if done.returncode != 0:
        last = " / ".join((done.stdout + done.stderr).strip().splitlines()[-3:])
        raise LabUnavailableError(f"{Path(command[0]).name} failed: {last}")


def _say(text: str) -> None:
    print(f"lab: {text}", file=sys.stderr, flush=True)
