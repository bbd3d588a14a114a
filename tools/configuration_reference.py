"""Write the table of all keys into docs/configuration.md, from the settings model; with --check only compare.

The words are the model's own (``bridge/settings/sections.py``), so nothing is said twice.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, get_args

from pydantic.fields import FieldInfo

from bridge.settings import Settings, described

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
BEGIN = "<!-- made by tools/configuration_reference.py: begin -->\n"
END = "<!-- made by tools/configuration_reference.py: end -->\n"


def page(text: str) -> str:
    """The page with its reference made anew."""
    head, found, rest = text.partition(BEGIN)
    _, closed, tail = rest.partition(END)
    if not found or not closed:
        raise ValueError("the page has lost the lines that the reference stands between")
    return f"{head}{BEGIN}\n{reference()}\n{END}{tail}"


def reference() -> str:
    """A section for each section of the file, with a table of its keys."""
    return "\n".join(_sections())


def _sections() -> Iterator[str]:
    for section, keys in groupby(described(), key=lambda one: one.key.partition(".")[0].removesuffix("[]")):
        field = Settings.model_fields[section]
        many = get_args(field.annotation)
        model: Any = many[0] if many else field.annotation
        yield f"### {section}\n"
        yield " ".join((model.__doc__ or "").split())
        yield f"Written as `[[{section}]]`, once for each.\n" if many else f"Written as `[{section}]`.\n"
        yield "| key | default | in the environment | what it is |"
        yield "| --- | --- | --- | --- |"
        for key in keys:
            name = key.key.partition(".")[2]
            default = "required" if key.default is None else f"`{key.default}`"
            words = f"{key.description}{_limits(model.model_fields[name])}"
            yield f"| `{name}` | {default} | `{key.variable}` | {_escaped(words)} |"
        yield ""


def _escaped(text: str) -> str:
    """A text whose stars and bars mean nothing to Markdown."""
    return re.sub(r"([*|])", r"\\\1", text)


def _limits(field: FieldInfo) -> str:
    """What a number may be, as a sentence; empty where anything goes."""
    found: dict[str, Any] = {}
    for one in field.metadata:
        found |= {name: getattr(one, name) for name in ("gt", "ge", "le") if hasattr(one, name)}
    low = f"above {found['gt']}" if "gt" in found else f"from {found['ge']}" if "ge" in found else ""
    high = f"to {found['le']}" if "le" in found else ""
    words = " ".join(part for part in (low, high) if part)
    return f" {words[0].upper()}{words[1:]}." if words else ""


def main() -> int:
    """Write the page, or say that it is not current."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="only say whether the page is current")
    options = parser.parse_args()
    text = PAGE.read_text()
    made = page(text)
    if options.check:
        if made != text:
            print(
                "docs/configuration.md is not current: run tools/configuration_reference.py", file=sys.stderr
            )
        return int(made != text)
    PAGE.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
