"""Commands of the README and the manual that are not run here, and who runs them instead.

``test_commands`` runs every other one, so that a new command is either run or gets a line here, with its reason; and
a line here that no page needs any more is an error, too.
"""

from collections.abc import Mapping
from types import MappingProxyType

_IMAGES = "make images: tests/deploy/test_images.py, under a real Docker Engine"
_UNIT = "make unit: tools/unit.sh, under a real systemd"
_PACKAGES = (
    "it installs a package; make unit does so as docs/deploy.md has it, and here it is in .venv already"
)
_RECORDS = (
    "tests/real/test_recording_a_problem.py does; tools/recordings.py has done so for the whole library"
)
_SHOWN = "docs/api.md runs the same, with its replies"

OF_A_PAGE: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("docs/deploy.md", "docker compose "): f"{_IMAGES}, which reads them from the page",
        ("docs/deploy.md", "sudo "): f"{_UNIT}, which reads them from the page",
        ("docs/deploy.md", "TOKEN="): _SHOWN,
        ("docs/deploy.md", "CALLS="): _SHOWN,
        ("docs/deploy.md", "curl "): _SHOWN,
    }
)
"""Page, and how the commands in its blocks begin; and who runs them."""

_LONG = "it takes minutes"
_SETS_UP = "it changes what this very run works with"
_RUNS_THIS = "it is what runs this"

MAKE: Mapping[str, str] = MappingProxyType(
    {
        "bench": _LONG,
        "bench-growth": _LONG,
        "check": _RUNS_THIS,
        "clean": _SETS_UP,
        "demo-down": "it ends what make demo KEEP=1 has left up",
        "docs": "tests/docs/test_site.py builds the same",
        "fuzz": _LONG,
        "fuzz-ami": _LONG,
        "help": "it prints the targets",
        "images": _LONG,
        "latency": _LONG,
        "lock": _SETS_UP,
        "matrix": _LONG,
        "mcp-voipnow": "tests/real/test_mcp_client.py runs it",
        "mutants": _LONG,
        "phone": "it moves a phone of make demo KEEP=1",
        "profile": _LONG,
        "recordings": _LONG,
        "resync-cost": _LONG,
        "setup": _SETS_UP,
        "soak": _LONG,
        "soak-calls": _LONG,
        "test": _RUNS_THIS,
        "test-all": _LONG,
        "unit": _LONG,
    }
)
"""Targets of make, and why they are not run here: all but ``make demo``."""

ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        # README
        "pipx install .": _PACKAGES,
        "docker compose up --build --detach --wait": _IMAGES,
        "docker compose logs first-start": _IMAGES,
        # docs/deploy.md
        "EXTERNAL_ADDRESS=192.0.2.10 docker compose up --detach --wait": _IMAGES,
        "docker compose restart bridge": _IMAGES,
        "docker compose build": _IMAGES,
        "docker compose up --wait": _IMAGES,
        "sudo env UV_TOOL_DIR=/opt/uv UV_TOOL_BIN_DIR=/usr/local/bin uv tool install --python /usr/bin/python3 .": _PACKAGES,
        "docker compose exec bridge bridge-entrypoint doctor --config /etc/uapi-bridge/bridge.toml": _IMAGES,
        "systemctl start": _UNIT,
        "systemctl status": _UNIT,
        "systemctl status uapi-bridge": _UNIT,
        "systemctl restart": _UNIT,
        "systemctl reload uapi-bridge": _UNIT,
        "systemctl daemon-reload": _UNIT,
        "systemctl restart uapi-bridge": _UNIT,
        "systemd-analyze security uapi-bridge": _UNIT,
        "journalctl -u uapi-bridge": _UNIT,
        # docs/operations.md
        "sudo env PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin pipx install --force .": _UNIT,
        "sudo systemd-run --quiet --wait --pipe -p EnvironmentFile=/etc/uapi-bridge/environment uapi-bridge doctor --config /etc/uapi-bridge/bridge.toml": _UNIT,
        # docs/recordings.md
        "uapi-bridge record --config /etc/uapi-bridge/bridge.toml problem.jsonl": _RECORDS,
        "sudo systemd-run --quiet --wait --pty --same-dir -p EnvironmentFile=/etc/uapi-bridge/environment uapi-bridge record --config /etc/uapi-bridge/bridge.toml problem.jsonl": f"{_RECORDS}; systemd-run is with the doctor, {_UNIT}",
        "uapi-bridge record --anonymize --config /etc/uapi-bridge/bridge.toml to-send.jsonl": _RECORDS,
        "python tools/convert_recording.py events.json recording.jsonl": "tests/test_convert.py does",
        # docs/api.md
        "curl -i": "it is only named: every curl of that page runs with -i",
    }
)
"""A command as its page shows it, on one line and without comment, and who runs it."""


def elsewhere(page: str, command: str) -> bool:
    """Whether a command of a page is run by somebody else."""
    program, _, rest = command.partition(" ")
    if program == "make" and rest.partition(" ")[0] in MAKE:
        return True
    return command in ELSEWHERE or any(
        page == where and command.startswith(beginning) for where, beginning in OF_A_PAGE
    )
