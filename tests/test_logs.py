"""How logs look, beside what each module logs."""

import io
import logging
from collections.abc import Iterator

import pytest
import structlog

from bridge import logs


class Terminal(io.StringIO):
    """What thinks that a person reads it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _configured_as_before() -> Iterator[None]:
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("out", [Terminal(), io.StringIO()], ids=["terminal", "file"])
def test_a_trace_shows_no_values(out: io.StringIO) -> None:
    """It tells where something failed; what was in the variables there may be a secret."""
    logs.configure(out=out)
    secret = "hush" + "-hush"
    try:
        1 / (len(secret) - 9)
    except ZeroDivisionError:
        structlog.get_logger().exception("it failed")
    assert "it failed" in out.getvalue()
    assert "ZeroDivisionError" in out.getvalue()
    assert secret not in out.getvalue()
