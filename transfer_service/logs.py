"""The shape of log lines: JSON, without messages, values or paths of failures."""

import logging
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import structlog

from transfer_service.errors import ServerAway, TransferError
from transfer_service.faults import errno_name, fault_of

ENVIRON_KEY = "transfer.log"
"""Where in the WSGI environ a request collects the fields of its line."""

_PACKAGE = Path(__file__).parent


def configure_logging() -> None:
    """Make structlog write one JSON object a line to standard output."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=LineLogger,
        cache_logger_on_first_use=True,
    )


class LineLogger:
    """Writes lines to standard output, and loses those that it does not take: a full disk there ends no request."""

    def __init__(self, *_names: Any) -> None:
        self._stream = sys.stdout

    def msg(self, line: str) -> None:
        """Write one line."""
        with suppress(OSError, ValueError):  # ValueError: of a closed stream
            self._stream.write(line + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = msg


class JsonHandler(logging.Handler):
    """Sends records of the standard library to structlog; of an exception only its kind and place."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        fields: dict[str, Any] = {"logger": record.name}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            fields.update(error=type(error).__name__, where=locate(error))
        log = structlog.get_logger()
        getattr(log, record.levelname.lower(), log.info)(record.getMessage(), **fields)


def locate(error: BaseException) -> str:
    """The innermost place in our own code that an exception passed, as `module:line`."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _PACKAGE in Path(frame.filename).parents]
    frame = (own or frames or [None])[-1]  # type: ignore[list-item]
    return f"{Path(frame.filename).stem}:{frame.lineno}" if frame else "unknown"


def log_error(error: BaseException, **fields: Any) -> None:
    """Log what went wrong without messages, values or paths: only its kind and where it happened.

    `failure` is a fault of the program, which should be reported. `machine_fault` is one of the disk, the database or
    what else the service stands on: those who run it can mend that. A server that is away was told of when it went
    (`Outage`), and has no line here.
    """
    if isinstance(error, ServerAway):
        return
    cause = error.__cause__
    fields.update(error=type(error).__name__, cause=type(cause).__name__ if cause else None)
    fields["where"] = locate(cause or error)
    if isinstance(error, TransferError) or fault_of(error) is not None:
        structlog.get_logger().warning("machine_fault", errno=errno_name(cause or error), **fields)
    else:
        structlog.get_logger().error("failure", **fields)


@contextmanager
def failures_logged() -> Iterator[None]:
    """Log what goes wrong within, for work that comes again by itself: the next time it is tried again."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whoever works must live on
        log_error(error)


@contextmanager
def tidying() -> Iterator[None]:
    """Around what is done about a failure that is told: where that fails too it has a line, and the first one is told.

    What is left behind then counts for nobody, and cleanup finds it.
    """
    try:
        yield
    except (OSError, TransferError) as error:
        log_error(error)


class Outage:
    """One line when something goes that the service stands on, and one when it is back; none for what fails meanwhile.

    The lines are `<name>_away` and `<name>_back`.
    """

    def __init__(self, name: str, **fields: Any) -> None:
        self._name = name
        self._fields = fields
        self._began_at: float | None = None

    @property
    def is_on(self) -> bool:
        """Whether it is away."""
        return self._began_at is not None

    def begin(self, error: BaseException | None = None, *, reason: str | None = None) -> None:
        """It is away. `reason` is the kind of the error where there is a better word for it."""
        if self._began_at is None:
            self._began_at = time.monotonic()
            kind = reason or (type(error).__name__ if error else None)
            structlog.get_logger().warning(f"{self._name}_away", error=kind, **self._fields)

    def end(self) -> None:
        """It is there."""
        began_at, self._began_at = self._began_at, None
        if began_at is not None:
            seconds = round(time.monotonic() - began_at, 1)
            structlog.get_logger().warning(f"{self._name}_back", seconds=seconds, **self._fields)
