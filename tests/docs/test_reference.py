"""What the manual says of keys, codes and alerts is all that there is, and no more."""

import re
import subprocess
import sys

import yaml

from bridge.settings import described
from bridge.uapi.errors import CODES
from docs.pages import REPOSITORY, blocks

NOT_PROVOKED = {"request_timeout", "internal_server_error"}
"""Codes that no command of the guide gets: one takes half a minute, the other a fault. Its prose explains them."""


def test_the_table_of_keys_is_current() -> None:
    """The page is what the tool makes of the settings, and has each key."""
    tool = [sys.executable, "tools/configuration_reference.py", "--check"]
    done = subprocess.run(tool, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (REPOSITORY / "docs/configuration.md").read_text()
    assert [key.variable for key in described() if f"`{key.variable}`" not in page] == []


def test_the_guide_shows_every_code() -> None:
    """Each code is in a reply that a command of the guide got, with its status; the few others are explained."""
    page = REPOSITORY / "docs/api.md"
    shown: set[tuple[str, int]] = set()
    for block in blocks(page):
        if block.language == "http" and (code := re.search(r'"error": \{\s*"code": "(\w+)"', block.text)):
            shown.add((code[1], int(block.text.split()[1])))
    assert shown == {(code, status) for code, (status, _) in CODES.items() if code not in NOT_PROVOKED}
    text = page.read_text()
    assert [code for code in NOT_PROVOKED if f"`{CODES[code][0]} {code}`" not in text] == []


def test_the_table_of_alerts_has_every_alert() -> None:
    """In the order of the rules."""
    rules = yaml.safe_load((REPOSITORY / "packaging/alerts.yml").read_text())
    names = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    page = (REPOSITORY / "docs/operations.md").read_text()
    assert re.findall(r"^\| `(Uapi\w+)` \|", page, re.MULTILINE) == names


def test_the_table_of_log_lines_names_what_is_logged() -> None:
    """A line that is called otherwise by now would be looked for in vain."""
    page = (REPOSITORY / "docs/operations.md").read_text()
    table = page[page.index("| line | what to do |") : page.index("## Metrics")]
    source = "".join(path.read_text() for path in (REPOSITORY / "bridge").rglob("*.py"))
    lines = re.findall(
        r"`([a-z_. ]+)`", " ".join(row.split("|")[1] for row in table.splitlines() if row.count("|") > 2)
    )
    assert len(lines) > 5
    assert [line for line in lines if f'"{line}"' not in source] == []
