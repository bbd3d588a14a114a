"""`uapi-bridge init` against a real Asterisk: what it writes is taken over as it says, and the doctor is content."""

import argparse
import asyncio
import shutil
from pathlib import Path

import pytest

from bridge.doctor import Level, examine
from bridge.init import add_arguments, run
from bridge.settings import load
from lab.fixtures import VERSION, NewLab

pytestmark = [pytest.mark.anyio, pytest.mark.real]


async def test_what_init_writes_makes_a_pbx_ready(
    new_lab: NewLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The endpoints are read, the two files copied, Asterisk reloaded: the doctor finds nothing but absent phones."""
    lab = await new_lab(phones=("0003*100",), company=False)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    port, folder = lab.asterisk.ami_port, tmp_path / "new"
    monkeypatch.setenv("AMI_SECRET", lab.asterisk.witness.secret)
    words = [str(folder), "--ami-port", str(port), "--read-as", lab.asterisk.witness.username]
    assert await asyncio.to_thread(run, parser.parse_args(words)) == 0
    settings = load(folder / "bridge.toml", {})
    assert "0003*210" in settings.users[0].extensions

    assert (await examine(settings)).findings[-1].id == "login"
    for name in ("manager.d/uapi.conf", "extensions.d/uapi.conf"):
        target = lab.asterisk.folder / "etc" / name
        shutil.copyfile(folder / name, target)
    await lab.asterisk.reload()
    found = await examine(settings)
    expected = {"registered"} | (set() if VERSION > 16 else {"filter", "cve-2024-42365"})  # all 16 have these
    assert {one.id for one in found.findings if one.level not in (Level.OK, Level.NOTE)} == expected
    assert found.healthy
