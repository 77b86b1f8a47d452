"""The shape of log lines: JSON, without messages, values or paths of failures."""

import logging
import sys
import traceback
from pathlib import Path
from typing import Any

import structlog

ENVIRON_KEY = "transfer.log"
"""Where in the WSGI environ a request collects the facts for its line."""

_PACKAGE = Path(__file__).parent


def configure_logging() -> None:
    """Make structlog write one JSON object a line to standard output."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )


class JsonHandler(logging.Handler):
    """Sends records of the standard library to structlog; of an exception only its kind and place."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        facts: dict[str, Any] = {"logger": record.name}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            facts.update(error=type(error).__name__, where=locate(error))
        log = structlog.get_logger()
        getattr(log, record.levelname.lower(), log.info)(record.getMessage(), **facts)


def locate(error: BaseException) -> str:
    """The innermost place in our own code that an exception passed, as `module:line`."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _PACKAGE in Path(frame.filename).parents]
    frame = (own or frames or [None])[-1]  # type: ignore[list-item]
    return f"{Path(frame.filename).stem}:{frame.lineno}" if frame else "unknown"
