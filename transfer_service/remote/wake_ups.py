"""Wake-up calls for the download worker, carried by Huey.

Huey delivers at most once, and a call may be lost with the worker that took it: so a call says nothing but the id of a
job, whose row in the database is the truth, and the worker looks for forgotten rows itself.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from huey import PostgresHuey, RedisHuey, SqliteHuey
from huey.consumer import Consumer
from huey.serializer import SignedSerializer
from redis import ConnectionPool

NAME = "transfer-downloads"
LONGEST_DELAY_SECONDS = 0.5
PATIENCE_SECONDS = 2
_TAKEN_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # by a consumer that starts


class WakeUps:
    """The calls of one installation: in Redis if there is one, in PostgreSQL if that is the database, else in a file.

    Messages are signed, because Huey unpickles them. Nothing is connected before it is needed. Huey's locks are
    gevent's: calls are sent by greenlets of one thread, never from a pool.
    """

    def __init__(self, *, redis_url: str | None, database_url: str, path: Path, secret_key: str) -> None:
        self._redis_url = redis_url
        self._database_url = database_url
        self._path = path
        self._secret_key = secret_key
        self._sending = threading.Lock()
        self._huey: Any = None
        self._task: Any = None
        self._wake: Callable[[int], None] | None = None
        logging.getLogger("huey").setLevel(logging.CRITICAL)  # its lines hold messages, values and tracebacks

    def send(self, job_id: int) -> None:
        """Call the worker. Raises whatever the queue raises where it cannot be reached."""
        with self._sending:  # they share a connection
            self._connect()
            try:
                self._task(job_id)
            finally:
                self._huey.storage.close()

    @contextmanager
    def received_by(self, wake: Callable[[int], None]) -> Iterator[None]:
        """Call `wake` with the id in every call until the block ends. Needs gevent's patches.

        A queue that cannot be opened is logged: its calls are only shortcuts.
        """
        self._wake = wake
        try:
            consumer = self._start_consumer()
        except Exception as error:  # noqa: BLE001 - of any queue
            structlog.get_logger().warning("queue_unusable", error=type(error).__name__)
            yield
            return
        try:
            yield
        finally:
            consumer.stop()

    def _start_consumer(self) -> Any:
        self._connect()
        options = {"periodic": False, "max_delay": LONGEST_DELAY_SECONDS, "check_worker_health": False}
        consumer = Consumer(self._huey, worker_type="greenlet", **options)
        handlers = {number: signal.getsignal(number) for number in _TAKEN_SIGNALS}
        try:
            consumer.start()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler or signal.SIG_DFL)
        return consumer

    def _connect(self) -> None:
        if self._huey is None:
            huey = self._make_huey()
            self._task = huey.task(name="fetch")(self._deliver)
            self._huey = huey

    def _make_huey(self) -> Any:
        options: dict[str, Any] = {"results": False, "serializer": SignedSerializer(secret=self._secret_key)}
        if self._redis_url is not None:
            pool = ConnectionPool.from_url(
                self._redis_url, socket_connect_timeout=PATIENCE_SECONDS, socket_timeout=2 * PATIENCE_SECONDS
            )
            return RedisHuey(NAME, connection_pool=pool, **options)
        if not self._database_url.startswith("sqlite"):
            dsn = self._database_url.replace("postgresql+psycopg:", "postgresql:", 1)
            return PostgresHuey(NAME, dsn=dsn, blocking=False, connect_timeout=PATIENCE_SECONDS, **options)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        # No flushes, on the event loop: a call that a power loss takes is as good as any lost one.
        return SqliteHuey(NAME, filename=str(self._path), fsync=False, timeout=PATIENCE_SECONDS, **options)

    def _deliver(self, job_id: int) -> None:
        if self._wake is not None:
            self._wake(job_id)
