"""What becomes of a test whose program is not on the machine: never a silent skip in CI."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import programs


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A machine that has none of them, and an empty cache."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(programs, "_here", lambda _: None)
    programs._ask.cache_clear()
    yield
    programs._ask.cache_clear()


@pytest.mark.parametrize("name", ["chromium", "nginx", "haproxy"])
def test_a_person_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The test is skipped, with one line that names the package; nothing is installed unasked."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=rf"^{name} is not here.*install.* {name}[^\n]*$"):
        programs.need(name)


@pytest.mark.parametrize("name", ["chromium", "nginx", "haproxy"])
def test_in_ci_a_missing_program_is_a_failure(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Where there is no apt-get to get it with, the test fails and says the same."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=f"^{name} is not here"):
        programs.need(name)


def test_ci_installs_the_browser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By apt-get as root, without questions; when the package lists are too old, they are brought up to date first."""
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    there = tmp_path / "chromium"
    heard = tmp_path / "heard"
    apt = tmp_path / "apt-get"
    apt.write_text(
        "#!/bin/sh\n"
        f'echo "$DEBIAN_FRONTEND: $*" >> {heard}\n'
        f'case "$*" in *update) echo > {there}.lists ;; *) [ -e {there}.lists ] && echo > {there} ;; esac\n'
    )
    apt.chmod(0o755)
    monkeypatch.setattr(programs, "_here", lambda _: there if there.exists() else None)
    assert programs.need("chromium").path == there
    install = "--quiet --assume-yes --no-install-recommends install chromium chromium-driver"
    assert heard.read_text().splitlines() == [
        f"noninteractive: {install}",
        "noninteractive: --quiet update",
        f"noninteractive: {install}",
    ]
