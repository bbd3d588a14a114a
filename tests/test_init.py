"""`uapi-bridge init`: files that fit each other and pass the checks, and never one overwritten unasked."""

import argparse
import asyncio
import errno
import hashlib
import re
import socket
import tomllib
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from ami.fake import FakeAsterisk, Heard, Reply, error, listening, rows
from bridge.grammar import Endpoint, Extension
from bridge.includes import dialplan_conf, manager_conf, steps
from bridge.init import Numbers, Pbx, add_arguments, configuration, given, number, run
from bridge.patterns import Pattern
from bridge.settings import AmiSettings, Settings, SettingsError, load, warnings
from real.certificates import Authority

REPOSITORY = Path(__file__).parents[1]
FILES = ("bridge.toml", "manager.d/uapi.conf", "extensions.d/uapi.conf")


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def init(folder: Path, *words: str) -> int:
    return run(options(str(folder), *words))


def written(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def loaded(folder: Path) -> Settings:
    return load(folder / "bridge.toml", {})


def extensions(settings: Settings) -> list[str]:
    return [str(pattern) for user in settings.users for pattern in user.extensions]


# --- the templates


@pytest.mark.parametrize("name", ["manager", "extensions"])
def test_the_shipped_files_are_those_of_asterisk_conf(name: str) -> None:
    """The package has the same text as asterisk-conf/; where this fails, copy the file from there."""
    shipped = resources.files("bridge.includes").joinpath(f"{name}.conf").read_text("utf-8")
    assert shipped == (REPOSITORY / "asterisk-conf" / f"{name}.d" / "uapi.conf").read_text("utf-8")


def test_the_dialplan_is_read_as_asterisk_reads_it() -> None:
    """Every line that is an extension is a step: priorities count up, and nothing is passed over."""
    lines = [line for line in dialplan_conf().splitlines() if re.match(r"\s*(exten|same)\s*=>", line)]
    read = steps()
    assert len(read) == len(lines)
    assert [step.priority for step in read if step.extension == "pickup"] == list(range(1, len(lines)))
    assert (read[0].extension, read[0].application, read[0].data) == ("gone", "Hangup", "16")


def test_names_and_addresses_go_where_they_belong() -> None:
    """Another user, secret, address or context changes its line, and no other."""
    changed = set(manager_conf("bridge", "s3cret", "192.0.2.7").splitlines())
    assert changed - set(manager_conf().splitlines()) == {
        "[bridge]",
        "secret = s3cret",
        "permit = 192.0.2.7/255.255.255.255",
    }
    assert "permit = 127.0.0.1/255.255.255.255" in changed
    for address, line in (
        ("2001:db8::1", "2001:db8::1/128"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("10.0.0.0/24", "10.0.0.0/255.255.255.0"),
        ("127.0.0.2", "127.0.0.2/255.255.255.255"),
    ):
        assert f"permit = ::1/128\npermit = {line}\n" in manager_conf(permit=address)
    assert manager_conf(permit="::1") == manager_conf(permit="127.0.0.1") == manager_conf()
    other = dialplan_conf("elsewhere").splitlines()
    assert [line for line in other if line not in dialplan_conf().splitlines()] == ["[elsewhere]"]


# --- the files


def test_three_files_that_fit_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The secret is the same in both, the token's hash is the app's, and each file is its owner's alone."""
    assert init(tmp_path / "new", "--extensions", "0003*210", "0003*1??") == 0
    settings = loaded(tmp_path / "new")
    out = capsys.readouterr().out
    secret = settings.ami.secret.get_secret_value()
    assert f"\nsecret = {secret}\n" in (tmp_path / "new" / FILES[1]).read_text()
    token = re.search(r"^ +([0-9a-f]{64})$", out, re.MULTILINE)
    assert token
    assert settings.apps[0].tokens_sha256 == (hashlib.sha256(token[1].encode()).hexdigest(),)
    assert extensions(settings) == ["0003*210", "0003*1??"]
    assert warnings(settings) == ()
    assert {(tmp_path / "new" / name).stat().st_mode & 0o777 for name in FILES} == {0o600}
    assert (tmp_path / "new" / FILES[2]).read_text() == dialplan_conf()
    assert secret not in out


def test_what_to_do_next_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which lines to include where, the reload, and the doctor; and that no extension is known yet."""
    init(tmp_path)
    out = capsys.readouterr().out
    for words in (
        f"install -D -g asterisk -m 640 {tmp_path}/manager.d/uapi.conf /etc/asterisk/manager.d/uapi.conf",
        f"install -D -g asterisk -m 640 {tmp_path}/extensions.d/uapi.conf /etc/asterisk/extensions.d/uapi.conf",
        "#include manager.d/uapi.conf",
        "#include extensions.d/uapi.conf",
        "core reload",
        f"uapi-bridge doctor --config {tmp_path}/bridge.toml",
        "Write your extensions",
    ):
        assert words in out


def test_secrets_are_fresh_each_time(tmp_path: Path) -> None:
    """Two runs have no secret and no token in common."""
    init(tmp_path / "one")
    init(tmp_path / "two")
    one, two = loaded(tmp_path / "one"), loaded(tmp_path / "two")
    assert one.ami.secret != two.ami.secret
    assert one.apps[0].tokens_sha256 != two.apps[0].tokens_sha256


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_overwritten_unasked(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of the files there already: it is named, and none is written."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    assert init(tmp_path) == 1
    assert str(tmp_path / name) in capsys.readouterr().err
    assert [file.read_text() for file in tmp_path.rglob("*") if file.is_file()] == ["mine"]
    assert init(tmp_path, "--force") == 0
    assert (tmp_path / name).read_text() != "mine"
    assert {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()} == set(FILES)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sentence with the path, no traceback."""
    (tmp_path / "file").write_text("")
    assert init(tmp_path / "file") == 1
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_the_pbx_elsewhere_lets_this_machine_in(tmp_path: Path) -> None:
    """For a PBX on another machine its file permits the address given; the bridge's has the host."""
    init(
        tmp_path, "--ami-host", "pbx.example.org", "--ami-port", "5039", "--ami-tls", "--permit", "192.0.2.7"
    )
    settings = loaded(tmp_path)
    assert (settings.ami.host, settings.ami.port, settings.ami.tls) == ("pbx.example.org", 5039, True)
    assert "permit = 192.0.2.7/255.255.255.255" in (tmp_path / FILES[1]).read_text()


def test_a_prefix_wants_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without any it would be lost in silence: a sentence says what is wanted, and nothing is written."""
    assert init(tmp_path, "--prefix", "0003") == 1
    assert "--extensions" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--extensions", "desk-7", "must be an extension number"),
        ("--prefix", "000a", "must be digits, such as 0003"),
        ("--prefix", "0003*2*", "must be digits, such as 0003"),
        ("--permit", "pbx.example.org", "must be an address or a network"),
        ("--permit", "10.0.0.0/40", "must be an address or a network"),
    ],
)
def test_what_is_no_number_or_address_is_a_wrong_option(
    option: str, value: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command line says what one looks like."""
    with pytest.raises(SystemExit) as wrong:
        options(".", option, value)
    assert wrong.value.code == 2
    assert told in capsys.readouterr().err


def test_a_prefix_may_be_written_with_its_star(tmp_path: Path) -> None:
    """As numbers show it."""
    assert init(tmp_path, "--extensions", "210", "--prefix", "0003*") == 0
    assert extensions(loaded(tmp_path)) == ["0003*210"]


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (("--ami-port", "99999"), "ami.port: must be at most 65535"),
        (("--ami-host", "[::1]"), "ami.host: must be"),
        (("--ami-ca", "nowhere.pem"), "ami.ca_file: cannot be read"),
        (("--read-as", "admin"), "ami.secret: must be printable text, not empty, without blanks around it"),
    ],
)
def test_what_cannot_be_configured_is_told_by_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], key: str
) -> None:
    """In a sentence, before the PBX is asked, and with nothing written."""
    monkeypatch.setenv("AMI_SECRET", "amp111 ")
    with pytest.raises(SettingsError) as wrong:
        init(tmp_path, *words)
    assert str(wrong.value).startswith(key)
    assert written(tmp_path) == []


def test_tls_has_its_own_port_and_may_have_its_own_ca(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CA that is named is in the configuration, and found wherever the bridge is started from."""
    ca = Authority(tmp_path).cert
    monkeypatch.chdir(tmp_path)
    assert init(tmp_path / "new", "--ami-ca", ca.name) == 0
    ami = loaded(tmp_path / "new").ami
    assert (ami.tls, ami.port, ami.ca_file) == (True, 5039, str(ca))


def test_a_folder_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Root may read all, so the refusal is made here."""

    def refused(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refused)
    assert init(tmp_path) == 1
    assert capsys.readouterr().err == f"{tmp_path / FILES[0]}: Permission denied\n"


# --- numbers


def phones(*names: str) -> list[Endpoint]:
    return [Endpoint.parse(name) for name in names]


@pytest.mark.parametrize(
    ("names", "prefix", "expected"),
    [
        ((), None, Numbers()),
        (("PJSIP/0003*210", "PJSIP/0003*024"), None, Numbers(extensions=("0003*024", "0003*210"))),
        (("PJSIP/210",), None, Numbers(extensions=("210",))),
        (("PJSIP/210",), "0003", Numbers("PJSIP/{short}", ("0003*210",))),
        (("PJSIP/0003*210",), "0004", Numbers(extensions=("0003*210",))),
        (("SIP/1", "SIP/2", "PJSIP/3"), None, Numbers("SIP/{extension}", ("1", "2", "3"), {"3": "PJSIP/3"})),
        (("SIP/1", "SIP/2", "PJSIP/2"), None, Numbers("SIP/{extension}", ("1", "2"))),
        (
            ("SIP/1", "SIP/2", "PJSIP/3"),
            "9",
            Numbers("SIP/{short}", ("9*1", "9*2", "9*3"), {"9*3": "PJSIP/3"}),
        ),
        (("PJSIP/210", "PJSIP/trunk"), None, Numbers(extensions=("210",), unnamed=("PJSIP/trunk",))),
    ],
)
def test_names_of_phones_become_extensions(
    names: tuple[str, ...], prefix: str | None, expected: Numbers
) -> None:
    """The technology that most have is the template; the rest are exceptions, and names that are no numbers are told."""
    assert number(phones(*names), Extension(prefix) if prefix else None) == expected


def test_given_numbers_get_the_prefix_that_they_lack() -> None:
    """Short ones are completed, and the template leads back to the PBX's own names; without a prefix they stand."""
    patterns = [Pattern("210"), Pattern("0003*1??")]
    assert given(patterns, None) == Numbers(extensions=("210", "0003*1??"))
    assert given(patterns, Extension("0003")) == Numbers("PJSIP/{short}", ("0003*210", "0003*1??"))


def test_steps_are_told_only_where_they_are_to_be_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A permit line where this machine's address is not known; nothing of extensions where they were given."""
    init(tmp_path / "here", "--extensions", "210")
    told = capsys.readouterr().out
    assert [words for words in ("permit line", "Write your extensions", "Give ") if words in told] == []
    monkeypatch.setattr("bridge.init._own_address", lambda _: None)
    init(tmp_path / "there", "--extensions", "210", "--ami-host", "pbx.example.org")
    assert "Add a permit line" in capsys.readouterr().out
    assert (tmp_path / "there" / FILES[1]).read_text() == manager_conf(
        secret=loaded(tmp_path / "there").ami.secret.get_secret_value()
    )


# --- reading the PBX


@pytest.fixture
async def pbx(anyio_backend: str) -> AsyncIterator[FakeAsterisk]:
    """A PBX with some phones, a trunk and a queue."""
    assert anyio_backend == "asyncio"
    fake = FakeAsterisk()
    devices = ("PJSIP/210", "PJSIP/trunk", "PJSIP/024", "Queue:support_avail", "SIP/555", "Local/1@x")
    listed = [("DeviceStateChange", {"Device": one, "State": "UNAVAILABLE"}) for one in devices]
    fake.answers["DeviceStateList"] = lambda heard: rows(heard, "DeviceStateListComplete", *listed)
    queue = ("QueueParams", {"Queue": "support"})
    fake.answers["QueueStatus"] = lambda heard: rows(heard, "QueueStatusComplete", queue)
    async with listening(fake) as running:
        yield running


async def init_from(fake: FakeAsterisk, folder: Path, *words: str) -> int:
    return await asyncio.to_thread(init, folder, "--ami-port", str(fake.port), "--read-as", "admin", *words)


@pytest.mark.anyio
async def test_the_phones_of_the_pbx_are_the_extensions(
    pbx: FakeAsterisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbers become extensions, other names and queues are offered in comments, and the check passes."""
    monkeypatch.setenv("AMI_SECRET", "secret-of-admin")
    assert await init_from(pbx, tmp_path, "--prefix", "0003") == 0
    settings = loaded(tmp_path)
    assert (settings.pbx.channel, extensions(settings)) == (
        "PJSIP/{short}",
        ["0003*024", "0003*210", "0003*555"],
    )
    assert settings.endpoints().endpoint(Extension("0003*555")) == "SIP/555"
    toml = (tmp_path / "bridge.toml").read_text()
    assert '"a number" = "PJSIP/trunk"' in toml
    assert '# name = "support"' in toml
    out = capsys.readouterr().out
    assert "3 extensions" in out
    assert "Give a number to the endpoints" in out
    assert pbx.of("Login")[0]["Username"] == ["admin"]
    assert "secret-of-admin" not in out + toml


def _denied(heard: Heard) -> Reply:
    return error(heard, "Permission denied")


@pytest.mark.anyio
async def test_a_user_who_may_not_read_is_told(
    pbx: FakeAsterisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The files are written without extensions, and what was not told is said."""
    monkeypatch.setenv("AMI_SECRET", "secret-of-admin")
    pbx.answers |= {"DeviceStateList": _denied, "QueueStatus": _denied}
    assert await init_from(pbx, tmp_path) == 0
    assert extensions(loaded(tmp_path)) == []
    assert "did not tell its phones (Permission denied)" in capsys.readouterr().out


@pytest.mark.anyio
async def test_a_prefix_without_the_phones_is_told_why(
    pbx: FakeAsterisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The user that was to read them may not: before it is said that there is no number."""
    monkeypatch.setenv("AMI_SECRET", "secret-of-admin")
    pbx.answers["DeviceStateList"] = _denied
    assert await init_from(pbx, tmp_path, "--prefix", "0003") == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "The PBX did not tell its phones (Permission denied)."
    assert said[1].startswith("--prefix has no number")
    assert written(tmp_path) == []


@pytest.mark.anyio
async def test_a_pbx_that_cannot_be_read_leaves_nothing_written(
    pbx: FakeAsterisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong secret, or none at all, or nobody there: a sentence that says which, and no file."""
    pbx.answers["Login"] = lambda heard: error(heard, "Authentication failed")
    monkeypatch.delenv("AMI_SECRET", raising=False)
    with pytest.raises(SettingsError, match="AMI_SECRET"):
        await init_from(pbx, tmp_path)
    monkeypatch.setenv("AMI_SECRET", "wrong")
    assert await init_from(pbx, tmp_path) == 1
    assert "Authentication failed" in capsys.readouterr().err
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        words = (tmp_path, "--ami-port", str(port), "--read-as", "admin")
        assert await asyncio.to_thread(init, *words) == 1
    assert f"Nobody listens at 127.0.0.1:{port}." in capsys.readouterr().err
    assert written(tmp_path) == []


def test_a_name_with_quotes_stays_a_name() -> None:
    """What a PBX calls its queues cannot break the file."""
    queues = ('a "quoted" \\ name', "# [[apps]]")
    read: dict[str, Any] = tomllib.loads(
        configuration(AmiSettings(), "s", "0" * 64, Numbers(), Pbx(queues=queues))
    )
    assert "queues" not in read
    assert len(read["apps"]) == 1
