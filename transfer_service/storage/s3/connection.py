"""boto3's clients, and calls by them that are tried again, or refused at once while the store is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from gevent.monkey import get_original

from transfer_service.errors import ServerAway
from transfer_service.logs import Outage
from transfer_service.patience import jitter
from transfer_service.storage.s3.call_pool import CallPool
from transfer_service.storage.s3.failures import Failure, judge
from transfer_service.telemetry import traces
from transfer_service.wire.store_addresses import StoreAddress

T = TypeVar("T")

CALLS = 16
"""So many calls at once in a process: each is a thread with a connection of its own."""
CONNECT_SECONDS = 2.0
SILENCE_SECONDS = 8.0
"""How long a store may say nothing, or take nothing."""
LONG_SILENCE_SECONDS = 120.0
"""The same where it copies, or joins what may be thousands of parts."""
PAUSES = (0.1, 0.4, 1.2)
PATIENCE_SECONDS = 6.0
"""A call is not tried again so long after its beginning."""
AWAY_SECONDS = 2.0
"""Between two looks at a store that has not answered; all other calls are refused meanwhile."""
DEFAULT_REGION = "us-east-1"

_allocate_lock: Callable[[], Any] = get_original("_thread", "allocate_lock")
_local: Callable[[], Any] = get_original("threading", "local")


class Connection:
    """Clients for one store. Makes none, loads no boto3 and starts no thread before the first call."""

    def __init__(self, address: StoreAddress) -> None:
        self.address = address
        self._pool = CallPool(CALLS)
        self._own = _local()
        self._lock = _allocate_lock()
        self._loader: Any = None
        self._age = 0
        self._answered_at = 0.0
        self._away_until = 0.0
        self._outage = Outage("object_store")

    def begin(self, call: Callable[[Any], T], *, name: str, is_long: bool = False) -> Callable[[], T]:
        """Begin `call` with a client in a thread of its own; the function that comes back waits, and must be called.

        `call` may be done more than once. Raises the errors of `failures.judge`: StoreUnavailable where the store does
        not answer.
        """
        end = traces.open_step(f"store {name}")
        if end is None:
            return self._pool.begin(lambda: self._insist(call, name, is_long))

        def traced() -> T:
            failed = True
            try:
                result = self._insist(call, name, is_long)
                failed = False
                return result
            finally:
                end(failed)

        return self._pool.begin(traced)

    def begin_work(self, work: Callable[[], T]) -> Callable[[], T]:
        """Like `begin`, of what calls `run` itself, several times perhaps."""
        return self._pool.begin(work)

    def run(self, call: Callable[[Any], T], *, name: str, is_long: bool = False) -> T:
        """Like `begin`, and wait."""
        return self.begin(call, name=name, is_long=is_long)()

    def _insist(self, call: Callable[[Any], T], name: str, is_long: bool) -> T:
        began = time.monotonic()
        self._refuse_while_away(began)
        pauses = iter(PAUSES)
        while True:
            age = self._age
            try:
                result = call(self._client(is_long=is_long))
            except Exception as error:
                failure = judge(error)
                if failure is None:
                    raise
                pause = next(pauses, None)
                elapsed = time.monotonic() - began
                is_over = pause is None or not failure.may_pass or elapsed + pause > PATIENCE_SECONDS
                self._note_failure(failure, name, age, began=began if is_over else None)
                if pause is None or is_over:
                    raise failure.error from error
            else:
                self._note_answer()
                return result
            time.sleep(pause * jitter(0.5, 1.5))

    def _client(self, *, is_long: bool) -> Any:
        """The client of this thread, a new one where connections have turned out to be dead since it was made."""
        if getattr(self._own, "age", None) != self._age:
            for client in getattr(self._own, "clients", {}).values():
                client.close()
            self._own.clients, self._own.age = {}, self._age
        if is_long not in self._own.clients:
            self._own.clients[is_long] = self._make_client(LONG_SILENCE_SECONDS if is_long else SILENCE_SECONDS)
        return self._own.clients[is_long]

    def _make_client(self, silence_seconds: float) -> Any:
        import boto3  # here, since urllib3 opens a socket when it is loaded: not before a fork
        from botocore.config import Config
        from botocore.session import Session

        with self._lock:
            session = Session()
            # The description of S3 is 9 MiB in memory and takes 50 ms to read: all clients share it.
            self._loader = self._loader or session.get_component("data_loader")
            session.register_component("data_loader", self._loader)
            client = boto3.Session(botocore_session=session).client(
                "s3",
                endpoint_url=self.address.endpoint,
                region_name=self.address.region or session.get_config_variable("region") or DEFAULT_REGION,
                config=Config(
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=silence_seconds,
                    retries={"total_max_attempts": 1},
                    signature_version="s3v4",
                    s3={"addressing_style": "path" if self.address.endpoint else "auto"},
                    max_pool_connections=1,
                ),
            )
        client.meta.events.register("before-call.s3.HeadBucket", _do_not_ask_again)
        return client

    def _refuse_while_away(self, now: float) -> None:
        """Lets one call at a time find out whether the store is back. Raises ServerAway for all others."""
        with self._lock:
            if now < self._away_until:
                raise ServerAway
            if self._away_until:
                self._away_until = now + AWAY_SECONDS

    def _note_answer(self) -> None:
        self._answered_at, self._away_until = time.monotonic(), 0.0
        self._outage.end()

    def _note_failure(self, failure: Failure, name: str, age: int, *, began: float | None) -> None:
        """`began`: when the call did, where it is not tried again; `age` is that of the clients that failed."""
        if not failure.is_silence:
            self._note_answer()
        else:
            with self._lock:
                self._age = max(self._age, age + 1)  # what other threads have open leads nowhere either
                if began is not None and self._answered_at < began:
                    self._away_until = time.monotonic() + AWAY_SECONDS
                    self._outage.begin(reason=failure.reason)
        if began is not None and failure.is_worth_a_line and not self._outage.is_on:
            structlog.get_logger().warning("object_store", call=name, reason=failure.reason)


def _do_not_ask_again(context: dict[str, Any], **_given: object) -> None:
    """Where a store leads elsewhere, boto3 asks it for the bucket's region, and for each such answer once more."""
    context.setdefault("s3_redirect", {})["redirected"] = True
