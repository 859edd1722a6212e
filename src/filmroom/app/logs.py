"""Where this process writes what it does: one line an event, to the standard error."""

import logging
import sys

import structlog


def log_to_stderr(level: str) -> None:
    """One JSON object a line, or on a terminal something for people. Patient data has no place in it."""
    if structlog.is_configured():
        return
    lowest = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_rendering(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _rendering() -> list[structlog.typing.Processor]:
    if sys.stderr.isatty():
        # Its own tracebacks show local variables, and patients with them.
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
