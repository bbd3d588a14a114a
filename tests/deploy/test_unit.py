"""The systemd unit, as far as it can be examined without being started (tools/unit.sh starts it)."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from docs.pages import REPOSITORY, blocks, words

PACKAGING = REPOSITORY / "packaging"
TRIAL = REPOSITORY / "tools/unit.sh"
EXPOSED = 20
"""The most that systemd-analyze may find exposed, of 100; a service without any hardening has 96."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine"
)


def _analyze(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def unit(tmp_path: Path) -> str:
    """The unit as this machine can verify it: with a program that exists here."""
    text = (PACKAGING / "uapi-bridge.service").read_text()
    assert "ExecStart=/usr/local/bin/uapi-bridge serve" in text
    (tmp_path / "uapi-bridge.service").write_text(text.replace("/usr/local/bin/uapi-bridge", "/bin/true"))
    return "uapi-bridge.service"


def test_the_trial_takes_whole_commands_from_the_pages() -> None:
    """Of a command that goes over two lines the first alone would do something else, or nothing."""
    taken = re.findall(r"^(?:install|upgrade|doctor|commands)=\$\(.*\)$", TRIAL.read_text(), re.MULTILINE)
    script = "\n".join([*taken, 'printf "%s\\0" "$install" "$upgrade" "$doctor"'])
    done = subprocess.run(
        ["bash", "-euc", script], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    shown = {
        words(command.removeprefix("sudo "))
        for page in (REPOSITORY / "docs/deploy.md", REPOSITORY / "docs/operations.md")
        for block in blocks(page)
        for command in block.commands
    }
    commands = [words(one) for one in done.stdout.split("\0")[:-1]]
    assert len(commands) == 3
    assert [one for one in commands if one not in shown] == []


@needs_systemd
def test_systemd_understands_it(unit: str, tmp_path: Path) -> None:
    """Systemd has nothing to say against the unit: no unknown key, no value it does not know."""
    done = _analyze("verify", f"./{unit}", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_hardening(unit: str, tmp_path: Path) -> None:
    """Systemd finds little that the service could do besides its work."""
    if "--offline" not in _analyze("--help", cwd=tmp_path).stdout:
        pytest.skip("this systemd-analyze cannot examine a unit that is not installed: it is older than 250")
    done = _analyze("security", "--offline=yes", f"--threshold={EXPOSED}", f"./{unit}", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_systemd_is_promised() -> None:
    """The unit waits for READY=1, watches, reloads by SIGHUP, and runs as no fixed user."""
    settings = dict(
        re.findall(r"^(\w+)=(.*)$", (PACKAGING / "uapi-bridge.service").read_text(), re.MULTILINE)
    )
    wanted = {
        "Type": "notify",
        "WatchdogSec": "30",
        "ExecReload": "/bin/kill -HUP $MAINPID",
        "DynamicUser": "yes",
    }
    assert wanted.items() <= settings.items()
    group = (PACKAGING / "sysusers.conf").read_text()
    assert f"g {settings['SupplementaryGroups']} -" in group
