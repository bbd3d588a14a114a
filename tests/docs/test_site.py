"""The manual as a web site: it is built without a complaint, holds every page, and asks no other host for anything."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from docs.pages import REPOSITORY

_LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}
"""Elements that make a browser ask for something by themselves, and where they say for what."""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as ``make docs`` does."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(build, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class _Assets(HTMLParser):
    """What a page has a browser load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get(_LOADED.get(tag, ""))
        if address and not (tag == "link" and dict(attrs).get("rel") in ("canonical", "edit")):
            self.found.append(address)


def test_nothing_comes_from_another_host(site: Path) -> None:
    """No script, style, image or font of the site has a host in its address, and all of them are there."""
    pages = list(site.rglob("*.html"))
    assert len(pages) > 5
    for page in pages:
        assets = _Assets()
        assets.feed(page.read_text())
        assert assets.found, page
        for address in assets.found:
            assert not re.match(r"(?:[a-z]+:)?//", address), f"{page.name} loads {address}"
            if page.name != "404.html":  # its addresses are those of a site at the root of a host
                assert (page.parent / address.partition("#")[0].partition("?")[0]).exists(), (
                    page.name,
                    address,
                )
    for style in site.rglob("*.css"):
        loaded = re.findall(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", style.read_text())
        assert not [one for one in loaded if re.match(r"(?:https?:)?//", one[0] or one[1])], style
    for script in site.rglob("*.js"):
        text = script.read_text()
        assert not re.search(r"(?:fetch|importScripts|open)\(\s*['\"](?:https?:)?//", text), script


def test_every_page_is_in_the_menu() -> None:
    """A page that nobody finds is read by nobody."""
    settings = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text())
    named = {next(iter(entry.values())) for entry in settings["nav"]}
    assert named == {page.name for page in (REPOSITORY / "docs").glob("*.md")}


def test_the_pictures_need_no_network() -> None:
    """A drawing refers to nothing outside of itself."""
    drawings = list((REPOSITORY / "docs" / "images").glob("*.svg"))
    assert drawings
    for drawing in drawings:
        text = drawing.read_text()
        assert not re.findall(r"(?:href|src)=\"(?!#)|url\((?!#)|@import", text), drawing


def test_a_page_that_refers_to_nothing_is_noticed(tmp_path: Path) -> None:
    """The build is strict: a link to a page or a heading that is not there ends it."""
    for name in ("docs", "mkdocs.yml"):
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, tmp_path / name)
    page = tmp_path / "docs" / "index.md"
    page.write_text(f"{page.read_text()}\n[nowhere](api.md#nowhere)\n")
    build = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--site-dir",
        str(tmp_path / "site"),
    ]
    done = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "nowhere" in done.stdout + done.stderr
