"""The shape of log lines: JSON, without messages, values or paths of failures."""

import sys
import traceback
from pathlib import Path

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


def locate(error: BaseException) -> str:
    """The innermost place in our own code that an exception passed, as `module:line`."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _PACKAGE in Path(frame.filename).parents]
    frame = (own or frames or [None])[-1]  # type: ignore[list-item]
    return f"{Path(frame.filename).stem}:{frame.lineno}" if frame else "unknown"
