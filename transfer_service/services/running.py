"""The requests that run in this process, and the end of those that run for nobody any more.

An account that is disabled or deleted, an upload that is cancelled: whoever does that says so in the database alone.
Each process looks for itself, every TICK_SECONDS, what has become of whatever its longer requests are about. So nobody
has to be told, and nobody can miss it: an instance that was cut off for a while sees it when it is back.
"""

import time
import uuid
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, suppress
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from transfer_service.db.database import Database
from transfer_service.errors import TransferError
from transfer_service.logs import failures_logged
from transfer_service.models.accounts import Account
from transfer_service.models.files import File
from transfer_service.threads import run_beside

TICK_SECONDS = 0.5
ENDED_WITHIN_SECONDS = 1.5
"""So long after the commit that ends an account no request of it runs any more, at any instance that is not cut off."""
_IDS_A_QUERY = 500

_accounts, _files = Account.__table__, File.__table__
_ids: Any = bindparam("ids", expanding=True)
_ALIVE = select(_accounts.c.id).where(_accounts.c.id.in_(_ids), _accounts.c.disabled_at.is_(None))
_STORED = select(_files.c.id).where(_files.c.id.in_(_ids))


class RunningRequest:
    """A request for an account. `cut` ends it at once, whatever it waits for; `is_spared` is one that is never cut.

    `file_ids` are those that it brings bytes for. `is_lost` once one of them is gone: then nobody wants the rest.
    """

    def __init__(self, account_id: uuid.UUID, cut: Callable[[], None]) -> None:
        self.account_id = account_id
        self.cut = cut
        self.began_at = time.monotonic()
        self.file_ids: set[uuid.UUID] = set()
        self.is_lost = False
        self.is_spared = False


_current: ContextVar[RunningRequest | None] = ContextVar("running_request", default=None)


def current_request() -> RunningRequest | None:
    """The one that this is a part of, if any process would have to end it."""
    return _current.get()


def works_on(file_id: uuid.UUID) -> None:
    """Note, before the bytes of the present request are read, which upload they are for."""
    request = _current.get()
    if request is not None:
        request.file_ids.add(file_id)


class Running:
    """Knows the requests of this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._requests: set[RunningRequest] = set()
        self._is_watching = False

    def begin(self, account_id: uuid.UUID, cut: Callable[[], None]) -> RunningRequest:
        """A request has begun, in this greenlet. Call `end` there at its end, whatever that is."""
        request = RunningRequest(account_id, cut)
        _current.set(request)
        self._requests.add(request)
        if not self._is_watching:
            self._is_watching = True
            run_beside(self._watch)
        return request

    def end(self, request: RunningRequest) -> None:
        """It is over."""
        self._requests.discard(request)
        _current.set(None)

    def _watch(self) -> None:
        try:
            while self._requests:
                time.sleep(TICK_SECONDS)
                with failures_logged(), suppress(TransferError):  # while the database is away nobody is judged
                    self._look()
        finally:
            self._is_watching = False

    def _look(self) -> None:
        since = time.monotonic() - TICK_SECONDS / 2
        longer = [each for each in self._requests if each.began_at <= since]
        asked = [(each, frozenset(each.file_ids)) for each in longer]
        alive = self._find(_ALIVE, {each.account_id for each in longer})
        stored = self._find(_STORED, {file_id for _, file_ids in asked for file_id in file_ids})
        for request, file_ids in asked:
            if request not in self._requests:
                continue
            request.is_lost = not file_ids <= stored
            if request.account_id not in alive and not request.is_spared:
                with suppress(OSError):
                    request.cut()

    def _find(self, statement: Select[Any], ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
        found: set[uuid.UUID] = set()
        listed = list(ids)
        for start in range(0, len(listed), _IDS_A_QUERY):
            with self._rows_at_once() as rows:
                found.update(rows.execute(statement, {"ids": listed[start : start + _IDS_A_QUERY]}).scalars())
        return found

    def _rows_at_once(self) -> AbstractContextManager[Connection]:
        """A connection that does not wait behind the very requests that are to end."""
        return self._database.read_rows() if self._database.is_sqlite else self._database.urgent_rows()
