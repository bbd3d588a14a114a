"""The command ``uapi-bridge``: what each of its words does, says, and ends with."""

import asyncio
import getpass
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ami.fake import FakeAsterisk, listening, settings
from bridge.ami import read
from bridge.anonymize import Anonymizer
from bridge.cli import main
from bridge.tokens import sha256_hex
from uapi.world import EPOCH

CONFIGURATION = """
[http]
port = 0
[ami]
port = 1
[[organizations]]
id = "3"
name = "Default Organization"
[[users]]
id = "12"
name = "John Doe"
organization = "3"
extensions = ["0003*210"]
[[apps]]
id = "demo-app"
user = "12"
"""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BRIDGE_CONFIG", raising=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "bridge.toml"
    file.write_text(CONFIGURATION)
    return file


def test_check_says_what_is_worth_a_look(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And that the rest is in order."""
    assert main(["check", "--config", str(config)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "the configuration is in order"
    assert all(line.startswith("warning: ") for line in lines[:-1])
    assert any("demo-app" in line for line in lines[:-1])


@pytest.mark.parametrize("command", [["check"], ["serve"], ["record", "x.jsonl"], ["replay", "x.jsonl"]])
def test_a_bad_configuration_is_told_and_ends_with_2(
    config: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """In the same words whatever was to be done, with file and key; nothing has begun."""
    config.write_text(
        CONFIGURATION.replace('organization = "3"', 'organization = "4"') + "[pbx]\nchanel = 1\n"
    )
    assert main([*command, "--config", str(config)]) == 2
    first = capsys.readouterr()
    assert first.out == ""
    assert f"{config}: pbx.chanel: is not known; did you mean channel?" in first.err


def test_the_configuration_may_come_by_the_environment(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """BRIDGE_CONFIG names it."""
    monkeypatch.setenv("BRIDGE_CONFIG", str(config.with_name("missing.toml")))
    assert main(["check"]) == 2
    assert "missing.toml: cannot be read" in capsys.readouterr().err


def test_token_makes_tokens_and_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    """What the client gets, and the line for the configuration that fits it."""
    for words, first, second in (
        (["token"], "token:", 'tokens_sha256 = ["{}"]'),
        (["token", "--secret"], "secret:", 'secret_sha256 = "{}"'),
    ):
        assert main(words) == 0
        line, entry = capsys.readouterr().out.splitlines()
        name, text = line.split()
        assert name == first
        assert entry == second.format(sha256_hex(text))


def test_an_unknown_word_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """As does none at all; the help names them all."""
    for words in (["steal"], []):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == 2
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["--help"])
    helped = capsys.readouterr().out
    for word in ("serve", "record", "replay", "check", "token"):
        assert word in helped


def test_a_question_without_an_answer_is_told_and_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-D where init asks for a secret: nothing is written."""

    def end_of_input(_: str) -> str:
        raise EOFError

    monkeypatch.delenv("AMI_SECRET", raising=False)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(getpass, "getpass", end_of_input)
    assert main(["init", str(tmp_path / "uapi"), "--read-as", "admin"]) == 1
    assert capsys.readouterr() == ("", "\nno answer: nothing was done\n")
    assert list(tmp_path.iterdir()) == []


# --- replay


def _recording(file: Path, *events: dict[str, Any]) -> Path:
    head = {"recording": 1, "started": "2012-06-27T14:08:50+00:00", "asterisk": "22.10.1", "systemname": ""}
    lines = [head, *({"t": n / 10, "event": event} for n, event in enumerate(events))]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


CALL = f"{EPOCH}.7"
EVENTS: tuple[dict[str, Any], ...] = (
    {
        "Event": "Newchannel", "Uniqueid": CALL, "Linkedid": CALL, "Channel": "PJSIP/0003*210-1", "ChannelState": "4",
        "CallerIDNum": "0003*210", "CallerIDName": "", "Exten": "0003*100",
    },
    {"Event": "Newstate", "Uniqueid": CALL, "ChannelState": "6"},
    {"Event": "Newstate", "Uniqueid": CALL, "ChannelState": "6"},
    {"Event": "Hangup", "Uniqueid": CALL, "Cause": "16"},
)  # fmt: skip


def _replayed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_replay_prints_each_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the API would show the call, without links; an event that changes nothing is no change."""
    assert main(["replay", str(_recording(tmp_path / "r.jsonl", *EVENTS))]) == 0
    lines = _replayed(capsys)
    assert [(line["t"], line["change"]) for line in lines] == [
        (0.0, "added"),
        (0.1, "changed"),
        (0.3, "ended"),
    ]
    call = lines[1]["call"]
    assert (call["extension"], call["answered"], "link" in call, "ownerId" in call) == (
        "0003*210",
        "2012-06-27T14:08:50+00:00",
        False,
        False,
    )
    assert lines[2]["call"] == call


def test_replay_knows_owners_by_a_configuration(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --config it names the organization."""
    assert main(["replay", "--config", str(config), str(_recording(tmp_path / "r.jsonl", *EVENTS))]) == 0
    assert {line["call"]["ownerName"] for line in _replayed(capsys)} == {"Default Organization"}


def test_replay_tells_what_is_no_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By file and line."""
    file = tmp_path / "r.jsonl"
    assert main(["replay", str(file)]) == 1
    assert f"{file}: No such file" in capsys.readouterr().err
    file.write_text('{"t": 0, "event": {"Event": "Newstate"}}\n{"t": "x"}\n')
    assert main(["replay", str(file)]) == 1
    assert f"{file}: line 2: " in capsys.readouterr().err


def test_replay_ends_quietly_when_nobody_reads_on(tmp_path: Path) -> None:
    """As in ``replay FILE | head -1``."""
    file = _recording(tmp_path / "r.jsonl", *(EVENTS * 5000))
    with subprocess.Popen(
        [sys.executable, "-m", "bridge", "replay", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""


# --- what a start takes


@pytest.mark.parametrize(
    ("words", "needless"),
    [
        (["serve"], {"rich", "httpx2", "jwt", "cryptography", "pydantic_settings"}),
        (["token"], {"rich", "httpx2", "starlette", "uvicorn", "panoramisk"}),
        (["calls"], {"starlette", "uvicorn", "panoramisk"}),
    ],
    ids=["serve", "token", "calls"],
)
def test_a_command_waits_for_no_library_that_it_does_not_need(words: list[str], needless: set[str]) -> None:
    """Most of a start is imports; those of the other commands, and of what is not configured, are left out."""
    look = "import sys; from bridge import cli, logs; cli._parser(sys.argv[1:]); print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", look, *words], capture_output=True, text=True, check=True)
    assert needless & set(said.stdout.split()) == set()


# --- serve and record, as processes


def _run(*words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "bridge", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_serve_says_where_it_listens_and_ends_with_0(config: Path) -> None:
    """A line when it listens; its log is one JSON object a line, without a secret; SIGTERM ends it."""
    config.write_text(CONFIGURATION.replace("[ami]", '[ami]\nsecret = "hush-hush"'))
    with _run("serve", "--config", str(config)) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening on http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=15)
    assert (process.returncode, out) == (0, "")
    assert "hush-hush" not in err
    for line in err.splitlines():
        assert {"event", "level", "timestamp"} <= set(json.loads(line))


def test_serve_tells_of_a_port_that_is_taken(config: Path) -> None:
    """In words, and ends with 1."""
    with _run("serve", "--config", str(config)) as first:
        assert first.stdout is not None
        port = first.stdout.readline().strip().rpartition(":")[2]
        config.write_text(CONFIGURATION.replace("port = 0", f"port = {port}"))
        with _run("serve", "--config", str(config)) as second:
            _, err = second.communicate(timeout=15)
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=15)
    assert second.returncode == 1
    assert "address already in use" in err
    assert f"http.host, http.port: 127.0.0.1:{port} cannot be listened on" in err
    assert "Traceback" not in err


def test_record_ends_with_what_it_has(config: Path, tmp_path: Path) -> None:
    """A recording without events is one: its first line is there."""
    file = tmp_path / "r.jsonl"
    with _run("record", "--config", str(config), str(file)) as process:
        assert process.stderr is not None
        process.stderr.readline()  # it has tried to connect
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=15)
    assert process.returncode == 0
    assert json.loads(file.read_text())["recording"] == 1
    assert file.stat().st_mode & 0o777 == 0o600


def test_record_writes_over_nothing(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was recorded is not lost by saying the same again."""
    file = tmp_path / "r.jsonl"
    file.write_text("the problem\n")
    assert main(["record", "--config", str(config), str(file)]) == 1
    assert capsys.readouterr().err == f"{file}: is there already; give another name, or delete it first\n"
    assert file.read_text() == "the problem\n"


@pytest.mark.anyio
@pytest.mark.parametrize("key", ["a few words", ""])
async def test_record_with_a_key_writes_nobody(config: Path, tmp_path: Path, key: str) -> None:
    """Whoever gives one wants pseudonyms; an empty one is any."""
    file = tmp_path / "r.jsonl"
    fake = FakeAsterisk()
    fake.answers["CoreSettings"] = lambda heard: settings(heard, systemname="acme")
    async with listening(fake):
        config.write_text(CONFIGURATION.replace("port = 1", f'port = {fake.port}\nsecret = "hush-hush"'))  # noqa: ASYNC240 -- it is in no time
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bridge", "record", "--config", str(config), "--key", key, str(file),
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr is not None
        async with asyncio.timeout(20):
            async for line in process.stderr:
                if b"recording Asterisk" in line:
                    break
            process.send_signal(signal.SIGINT)
            await process.communicate()
    assert process.returncode == 0
    told = read(file)[0].systemname
    assert re.fullmatch("[a-z]{4}", told)
    assert told != "acme"
    assert not key or told == Anonymizer(key).text("acme")


def test_record_tells_of_a_file_that_cannot_be_written(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And ends with 1."""
    assert main(["record", "--config", str(config), str(tmp_path / "no" / "r.jsonl")]) == 1
    assert "No such file or directory" in capsys.readouterr().err
