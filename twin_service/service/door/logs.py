"""Structured log lines. What could identify a patient does not enter them: names of twins are shown as digests."""

from __future__ import annotations

import hashlib
import logging
import sys
from typing import Any

import structlog

from twin_service.settings import Settings


def configure(settings: Settings) -> None:
    """Set up logging of this process: one line an event on standard error."""
    level = getattr(logging, settings.log_level)
    json_lines = settings.log_format == "json"
    last: Any = structlog.processors.JSONRenderer() if json_lines else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *args: _StandardError(),
        cache_logger_on_first_use=False,
    )


class _StandardError:
    """Writes lines to whatever standard error is now; a line that cannot be written never ends a call."""

    def msg(self, line: str) -> None:
        try:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            pass

    log = debug = info = warning = error = critical = msg


def log() -> Any:
    return structlog.get_logger("twin_service")


def pseudonym(name: object) -> str:
    """A short digest that lets lines about one twin be joined, and its operator find it by `twin verify`'s naming."""
    return f"twin {hashlib.sha256(str(name).encode()).hexdigest()[:12]}"


def where(error: BaseException) -> str:
    """Type and place of an error without its message, which could quote data."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    at = f"{place.tb_frame.f_code.co_filename.rpartition('twin_service/')[2]}:{place.tb_lineno}" if place else "?"
    return f"{type(error).__name__} at {at}"


def trace(error: BaseException) -> list[str]:
    """The frames of an error, outermost first, without any value."""
    frames, place = [], error.__traceback__
    while place is not None:
        frames.append(f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno} {place.tb_frame.f_code.co_name}")
        place = place.tb_next
    return frames
