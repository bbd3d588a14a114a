"""Every command in the README and the manual does what its page says; for one that cannot run here a table says who runs it.

``WRITE_DOCS=1`` writes the replies that have changed into the pages instead of failing.
"""

import os
import re
import shlex
import time
from pathlib import Path

import pytest

from bridge.cli import _parser
from docs.elsewhere import ELSEWHERE, MAKE, elsewhere
from docs.likeness import alike, reply, same_reply
from docs.office import CONFIG
from docs.pages import OUTPUT, PAGES, REPOSITORY, SHELL, Block, blocks, indented, inline, name_of, words
from docs.shell import PATIENCE, Said
from docs.stage import Stage
from lab import Lab
from lab.fixtures import VERSION, NewBridge

LANGUAGES = SHELL | OUTPUT | {"ini", "json", "python", "toml", "yaml"}
OWN_PBX = frozenset({"README.md", "docs/beside-your-asterisk.md"})
"""Pages that begin with a PBX of the reader's own; the others have the lab's office and a bridge on it."""

WRITE = os.environ.get("WRITE_DOCS") == "1"


TARGETS = frozenset(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))


def _to_run(block: Block) -> list[str]:
    return [one for one in block.commands if not elsewhere(block.page, words(one))]


def _pages() -> list[Path]:
    return [
        path for path in PAGES if any(block.language in SHELL and _to_run(block) for block in blocks(path))
    ]


@pytest.mark.anyio
@pytest.mark.real
@pytest.mark.skipif(VERSION != 22, reason="the pages show what Asterisk 22 does")
@pytest.mark.parametrize("path", _pages(), ids=name_of)
async def test_every_command_of_a_page_does_what_it_says(
    path: Path, tmp_path: Path, lab: Lab, new_bridge: NewBridge
) -> None:
    """From the top of the page to its end, in one shell; replies and outputs are those that the page shows."""
    if name_of(path) in OWN_PBX:
        stage = Stage(tmp_path)
    else:
        stage = Stage(tmp_path, lab, await new_bridge(config=CONFIG))
    wrong: dict[Block, tuple[str, str]] = {}
    async with stage:
        for block in blocks(path):
            if block.language in SHELL and (commands := _to_run(block)):
                await _play(stage, block, commands, wrong)
    if wrong and WRITE:
        _write(path, {output: shown for output, (shown, _) in wrong.items()})
    else:
        for output, (_, said) in wrong.items():
            assert f"{output}\n{output.text}" == f"{output}\n{said}"


async def _play(stage: Stage, block: Block, commands: list[str], wrong: dict[Block, tuple[str, str]]) -> None:
    """Run a block's commands, and compare the last one's reply, or all that they print, with the block behind it."""
    await stage.direct(block)
    said = await _run(stage, block, commands)
    try:
        await stage.settle()
    except TimeoutError as trouble:
        raise AssertionError(f"{block}: {trouble}\n{commands[-1]}\n{said[-1].out}") from None
    if block.output is None:
        return
    shown = _difference(stage, block.output, said)
    if block.directed("again"):  # what is logged comes a moment after what is answered
        late = time.monotonic() + PATIENCE
        while shown is not None and not WRITE and time.monotonic() < late:
            shown = _difference(stage, block.output, await _run(stage, block, commands))
    if shown is not None:
        wrong[block.output] = shown


async def _run(stage: Stage, block: Block, commands: list[str]) -> list[Said]:
    said = []
    for command in commands:
        assert words(command).partition(" ")[0] != "make" or words(command) == "make demo", (
            f"{block}: {command}"
        )
        status = int(next(iter(block.directed("exit")), "0")) if command == commands[-1] else 0
        got = await stage.play(block, command)
        assert got.status == status, f"{block}: {command}\nended with {got.status}:\n{got.out}"
        said.append(got)
    return said


def _difference(stage: Stage, output: Block, said: list[Said]) -> tuple[str, str] | None:
    """None where the page is right; else how it should be, and what came."""
    if output.language == "http":
        came = said[-1].out
        if same_reply(output.text, came, stage.names):
            return None
        right = stage.names.to_shown(reply(output.text, came))
        return right, right
    came = "".join(one.out.rstrip("\n") + "\n" for one in said if one.out.strip())
    if alike(output.text, came, stage.names):
        return None
    return stage.names.to_shown(came), came


def _write(path: Path, outputs: dict[Block, str]) -> None:
    lines = path.read_text().splitlines()
    for output, text in sorted(outputs.items(), key=lambda one: -one[0].line):
        first = output.line
        last = next(number for number in range(first, len(lines)) if lines[number].strip().startswith("```"))
        indent = lines[first - 1][: len(lines[first - 1]) - len(lines[first - 1].lstrip())]
        lines[first:last] = [f"{indent}{line}".rstrip() for line in text.splitlines()]
    path.write_text("\n".join(lines) + "\n")


# ---------------------------------------------------------------- nothing is left out


def test_every_block_is_fenced_and_says_what_it_is() -> None:
    """Code that is only indented, or whose language is not known, would be run by nobody."""
    for path in PAGES:
        assert indented(path) == [], f"{name_of(path)}: code without a fence"
        for block in blocks(path):
            assert block.language in LANGUAGES, f"{block}: is it sh, http, text ...?"


def test_every_reply_stands_behind_its_request() -> None:
    """A reply that no command gave could say anything."""
    for path in PAGES:
        shown = blocks(path)
        behind = {block.output for block in shown if block.output}
        for block in shown:
            assert block.language != "http" or block in behind, f"{block}: the reply to what?"


def test_every_command_that_does_not_run_here_is_still_shown() -> None:
    """A line of the table that no page needs any more is taken out."""
    shown = {
        words(command)
        for path in PAGES
        for block in blocks(path)
        if block.language in SHELL
        for command in block.commands
    }
    prose = {command for path in PAGES for command in inline(path)}
    assert [command for command in ELSEWHERE if command not in shown | prose] == []


def test_every_target_of_make_in_a_page_is_run_here_or_by_somebody_else() -> None:
    """One that is new to the pages gets a line in the table: it may take hours. None stays there that is gone."""
    assert MAKE.keys() <= TARGETS
    shown = [words(command).split() for path in PAGES for block in blocks(path) for command in block.commands]
    targets = {command[1] for command in shown if command[:1] == ["make"]}
    assert targets <= MAKE.keys() | {"demo"}


def test_every_command_in_the_prose_is_one_that_there_is() -> None:
    """Make has such a target, uapi-bridge such a subcommand with such options, and the table names the rest."""
    for path in PAGES:
        for command in inline(path):
            program, *rest = shlex.split(command)
            if program == "make":
                assert rest[0] in TARGETS, f"{name_of(path)}: {command}"
            elif program == "uapi-bridge":
                assert _is_understood(rest), f"{name_of(path)}: {command}"
            else:
                assert command in ELSEWHERE, f"{name_of(path)}: neither run nor in the table: {command}"


def _is_understood(words_: list[str]) -> bool:
    """Whether the command line takes these words. One that is only named is asked for its help."""
    asked = words_ if len(words_) > 1 else [*words_, "--help"]
    try:
        _parser(asked).parse_args(asked)
    except SystemExit as ended:
        return ended.code == 0
    return True
