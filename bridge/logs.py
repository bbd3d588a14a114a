"""The one place that says how logs look: a JSON line an event, or coloured lines on a terminal. On standard error.

It is also where structlog is imported first, and without rich, which it would import wherever there is one: that takes
a tenth of a start, for traces that show local variables, secrets among them.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def _hidden(library: str) -> Iterator[None]:
    """Have a library be missing to whoever asks for it now, unless it is imported already."""
    if library in sys.modules:
        yield
        return
    sys.modules[library] = None  # type: ignore[assignment]  # what the import system takes for missing
    try:
        yield
    finally:
        del sys.modules[library]


with _hidden("rich"):
    import structlog
    from structlog.typing import Processor


def configure(level: str = "info", out: TextIO | None = None) -> None:
    """Set logging up, for structlog and for the libraries that use the standard one.

    Args:
        level: The least that is logged: debug, info, warning or error.
        out: Where to; standard error where None.
    """
    out = out or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    final: list[Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if out.isatty()
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *final],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(out),
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries speak of their own workings below a warning; panoramisk would even show a login.
    root.setLevel(max(number, logging.WARNING))
    # What uvicorn warns of is what clients send, and each can send a lot of it.
    logging.getLogger("uvicorn").setLevel(max(number, logging.ERROR))
