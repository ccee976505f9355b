"""How the process logs: one event a line on stderr, coloured for people or JSON for machines.

What callers and agents say is never logged at info or above.
"""

import logging
import sys
from typing import Final

import structlog

LEVELS: Final = ("debug", "info", "warning", "error")
FORMATS: Final = ("auto", "colored", "json")


def set_up_logging(level: str, log_format: str) -> None:
    """Configures structlog; `auto` is coloured on a terminal and JSON elsewhere."""
    colored = log_format == "colored" or (log_format == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if colored:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    # Local variables hold what people say: no traceback shows them.
    told = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    tracebacks: list[structlog.typing.Processor] = [] if colored else [structlog.processors.ExceptionRenderer(told)]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *tracebacks,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
