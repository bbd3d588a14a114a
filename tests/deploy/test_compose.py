"""docker-compose.yml, the Dockerfiles and their scripts, as far as they can be examined without an engine.

``make images`` builds and runs them (test_images.py).
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bridge.settings import load, warnings

REPOSITORY = Path(__file__).parents[2]
DOCKER = REPOSITORY / "docker"


@pytest.fixture
def services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]
    return services


# --- the compose file


def test_compose_specification() -> None:
    """The file is valid by the Compose Specification's own schema."""
    schema = resources.files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    jsonschema.validate(
        yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text()), json.loads(schema.read_text())
    )


def test_every_service_is_locked_in(services: dict[str, Any]) -> None:
    """No service may write to its own files, has a capability, or can get one."""
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges=true"]
        assert "privileged" not in service
    for file in DOCKER.glob("Dockerfile.*"):
        assert re.findall(r"^USER (.*)$", file.read_text(), re.MULTILINE)[-1] != "root"


def test_what_is_published(services: dict[str, Any]) -> None:
    """Phones reach SIP and sound from everywhere, the API is for this machine, the manager interface for nobody."""
    assert services["asterisk"]["ports"] == [
        "${SIP_PORT:-5060}:5060/udp",
        "${RTP_PORTS:-10000-10099}:${RTP_PORTS:-10000-10099}/udp",
    ]
    assert services["bridge"]["ports"] == ["127.0.0.1:${HTTP_PORT:-8080}:8080"]


def test_every_long_running_service_has_a_health_check(services: dict[str, Any]) -> None:
    """An engine can tell whether Asterisk has booted and whether the bridge is in sync with it."""
    checks = {
        name: " ".join(one["healthcheck"]["test"]) for name, one in services.items() if "restart" in one
    }
    assert checks.keys() == {"asterisk", "bridge"}
    assert "core waitfullybooted" in checks["asterisk"]
    assert "/readyz" in checks["bridge"]


def test_no_registry_and_no_secret_is_named(services: dict[str, Any]) -> None:
    """Base images are build arguments without a registry, and no file has a secret in it."""
    assert {service["build"]["args"]["BASE"] for service in services.values()} == {
        "${BRIDGE_BASE:-debian:trixie-slim}",
        "${ASTERISK_BASE:-debian:forky-slim}",
    }
    for file in DOCKER.glob("Dockerfile.*"):
        bases = re.findall(r"^FROM (\S+)", file.read_text(), re.MULTILINE)
        assert bases[0] == "${BASE}"
        assert not [base for base in bases if "." in base or "/" in base]
    texts = [
        path.read_text() for path in (REPOSITORY / "docker-compose.yml", *DOCKER.iterdir()) if path.is_file()
    ]
    assert not [
        text
        for text in texts
        if re.search(r"(?i)^\s*\w*(secret|password|token)\w*\s*[:=]\s*[\"']?\w", text, re.MULTILINE)
    ]


def test_only_what_an_image_needs_is_sent() -> None:
    """What the Dockerfiles copy is what .dockerignore lets through."""
    let_through = set(re.findall(r"^!(.+)$", (REPOSITORY / ".dockerignore").read_text(), re.MULTILINE))
    copied = {
        source.split("/")[0]
        for file in DOCKER.glob("Dockerfile.*")
        for line in re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", file.read_text(), re.MULTILINE)
        for source in line.split()
    }
    assert copied == let_through
    assert all((REPOSITORY / name).exists() for name in let_through)


def test_what_an_image_has_is_found_by_its_name() -> None:
    """What a Dockerfile puts into a folder of programs, the container's PATH leads to."""
    for file in DOCKER.glob("Dockerfile.*"):
        text = file.read_text()
        programs = re.findall(r"^COPY --chmod=0755 \S+ (\S*/bin)/\S+$", text, re.MULTILINE)
        assert programs
        for path in re.findall(r"^ENV PATH=(\S+)", text, re.MULTILINE):
            assert set(programs) <= set(path.split(":")), file.name


def test_the_image_has_what_was_tested() -> None:
    """The image's lock has all that the package depends on, in the versions of requirements.lock."""
    pattern = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
    tested = dict(pattern.findall((REPOSITORY / "requirements.lock").read_text()))
    inside = dict(pattern.findall((DOCKER / "requirements.lock").read_text()))
    assert inside.items() <= tested.items()
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = {re.match(r"[\w.-]+", line)[0].lower() for line in project["dependencies"]}  # type: ignore[index]
    assert wanted <= inside.keys()


# --- the first start


def _first_start(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(DOCKER / "first_start.py"), "--folder", str(folder), *arguments],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def _files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_first_start(tmp_path: Path) -> None:
    """The secrets are made once, long and of one's own; of the token only the hash stays; another can be made."""
    said = _first_start(tmp_path)
    made = _files(tmp_path)
    [token] = re.findall(r"^API token: (\S+)$", said, re.MULTILINE)
    assert made.keys() == {"ami.secret", "phone.password", "token.sha256"}
    assert made["token.sha256"].strip() == hashlib.sha256(token.encode()).hexdigest()
    assert f"phone password: {made['phone.password']}" in said
    assert made["ami.secret"].strip() not in said
    assert len(made["ami.secret"].strip()) == 64
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}
    assert token not in _first_start(tmp_path)
    assert _files(tmp_path) == made
    assert "API token: " in _first_start(tmp_path, "--new-token")
    again = _files(tmp_path)
    assert again.pop("token.sha256") != made.pop("token.sha256")
    assert again == made


def test_bridge_of_the_compose_file(tmp_path: Path) -> None:
    """The bridge's configuration is in order once the entry point has added the secrets, and refused without them."""
    _first_start(tmp_path)
    program = tmp_path / "bin/uapi-bridge"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nenv -0\n")
    program.chmod(0o755)
    done = subprocess.run(
        ["sh", str(DOCKER / "bridge-entrypoint.sh"), "serve"],
        env={"PATH": f"{program.parent}:{os.environ['PATH']}", "SECRETS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    environment = dict(line.split("=", 1) for line in done.stdout.split("\0") if line)
    settings = load(DOCKER / "bridge.toml", environment)
    assert settings.ami.secret.get_secret_value() == (tmp_path / "ami.secret").read_text().strip()
    assert settings.apps[0].tokens_sha256 == ((tmp_path / "token.sha256").read_text().strip(),)
    assert not [line for line in warnings(settings) if line.startswith("apps")]
    with pytest.raises(Exception, match=r"ami\.secret"):
        load(DOCKER / "bridge.toml", {})


# --- Asterisk's entry point


def _configure(folder: Path, *, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Asterisk's entry point with a network that ip(8) would tell of."""
    ip = folder / "bin/ip"
    ip.parent.mkdir(exist_ok=True)
    ip.write_text("#!/bin/sh\necho '172.20.0.0/16 dev eth0 proto kernel scope link src 172.20.0.3'\n")
    ip.chmod(0o755)
    return subprocess.run(
        ["sh", str(DOCKER / "asterisk-entrypoint.sh"), "echo", "started"],
        env={
            "PATH": f"{ip.parent}:{os.environ['PATH']}",
            "SHIPPED": str(REPOSITORY / "asterisk-conf"),
            "SECRETS": str(folder / "secrets"),
            "PLACE": str(folder / "place"),
        }
        | variables,
        capture_output=True,
        text=True,
        check=check,
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "secrets").mkdir()
    _first_start(tmp_path / "secrets")
    return tmp_path


def _settings(path: Path, *keys: str) -> list[str]:
    lines = [line.partition(";")[0].strip() for line in path.read_text().splitlines()]
    return [line for line in lines if line.partition("=")[0].strip() in keys]


def test_asterisk_gets_this_installations_secrets(place: Path) -> None:
    """Nothing keeps a default secret; the manager user is for this network alone; few ports are used for sound."""
    assert _configure(place).stdout == "started\n"
    etc, secrets = place / "place/etc", _files(place / "secrets")
    assert not [
        path
        for path in etc.rglob("*.conf")
        if re.search(r"^[^;\n]*change-me", path.read_text(), re.MULTILINE)
    ]
    assert _settings(etc / "manager.d/uapi.conf", "secret", "deny", "permit") == [
        f"secret = {secrets['ami.secret'].strip()}",
        "deny = 0.0.0.0/0.0.0.0",
        "deny = ::/0",
        "permit = 172.20.0.0/16",
    ]
    assert _settings(etc / "manager.conf", "bindaddr") == ["bindaddr = 0.0.0.0"]
    assert _settings(etc / "pjsip.conf", "password") == [f"password = {secrets['phone.password'].strip()}"]
    assert _settings(etc / "rtp.conf", "rtpstart", "rtpend") == ["rtpstart = 10000", "rtpend = 10099"]
    assert _settings(etc / "pjsip.conf", "external_media_address") == []


def test_asterisk_behind_an_address(place: Path) -> None:
    """With EXTERNAL_ADDRESS phones are told that address; with RTP_PORTS other ports are used; twice is as once."""
    for _ in range(2):
        _configure(place, EXTERNAL_ADDRESS="192.0.2.7", RTP_PORTS="20000-20019")
    etc = place / "place/etc"
    assert _settings(etc / "pjsip.conf", "bind", "external_media_address", "external_signaling_address") == [
        "bind = 0.0.0.0:5060",
        "external_media_address = 192.0.2.7",
        "external_signaling_address = 192.0.2.7",
    ]
    assert _settings(etc / "rtp.conf", "rtpstart", "rtpend") == ["rtpstart = 20000", "rtpend = 20019"]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"SECRETS": "/nowhere"}, "has the service first-start run?"),
        ({"RTP_PORTS": "10000"}, "RTP_PORTS must be like"),
        ({"RTP_PORTS": "10000-10099; rm"}, "RTP_PORTS must be like"),
        ({"EXTERNAL_ADDRESS": "192.0.2.7\nbind = x"}, "EXTERNAL_ADDRESS must be"),
    ],
)
def test_asterisk_does_not_start(place: Path, variables: dict[str, str], said: str) -> None:
    """Without secrets, or with settings that make no sense, Asterisk does not start, and the log says why."""
    done = _configure(place, check=False, **variables)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr


def test_asterisk_with_a_changed_configuration(place: Path) -> None:
    """A configuration in which a secret could not be set is not started."""
    shipped = place / "shipped"
    subprocess.run(["cp", "-R", str(REPOSITORY / "asterisk-conf"), str(shipped)], check=True)
    pjsip = shipped / "pjsip.conf"
    pjsip.write_text(pjsip.read_text() + "\n[extra]\ntype = auth\npassword = change-me\n")
    done = _configure(place, check=False, SHIPPED=str(shipped))
    assert (done.returncode, done.stdout) == (1, "")
    assert "pjsip.conf must set password exactly once" in done.stderr


def test_the_softphones_table_is_true() -> None:
    """Every number of docs/deploy.md is one that asterisk-conf has: phones of [phone], the queue with its two, the slots."""
    page = (REPOSITORY / "docs/deploy.md").read_text()
    told = page[page.index("Register two or three softphones") : page.index("Phones on **other** machines")]
    conf = {path.name: path.read_text() for path in (REPOSITORY / "asterisk-conf").glob("*.conf")}
    phones = set(re.findall(r"^\[(\d{4}\*\d{3})\]\(phone\)$", conf["pjsip.conf"], re.MULTILINE))
    assert set(re.findall(r"0003\*\d{3}", told)) == {one for one in phones if one[:4] == "0003"} | {
        "0003*900"
    }
    for phone in phones:
        assert f"[{phone}](phone-auth)\nusername = {phone}\n" in conf["pjsip.conf"]

    assert "`0003*900` is a queue that rings 210 and 211" in told
    assert re.search(r"^exten => 0003\*900,1,.*\n.*Queue\(support,", conf["extensions.conf"], re.MULTILINE)
    assert re.findall(r"^member => PJSIP/0003\*(\d+)$", conf["queues.conf"], re.MULTILINE) == ["210", "211"]
    slots = dict(re.findall(r"^(parkext|parkpos) = (\S+)", conf["res_parking.conf"], re.MULTILINE))
    assert slots == {"parkext": "700", "parkpos": "701-720"}
    assert re.search(r"700\s+parks a call, and 701 to 720 fetch it", told)
    assert "| port, transport | 5060, UDP |" in told
    assert "protocol = udp\nbind = 0.0.0.0:5060\n" in conf["pjsip.conf"]
    assert "| codec | PCMU or PCMA (G.711) |" in told
    assert "disallow = all\nallow = ulaw,alaw\n" in conf["pjsip.conf"]
