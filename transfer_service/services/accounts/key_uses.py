"""When keys were used last, written down by the way: no request waits for it."""

import time
import uuid
from contextlib import suppress
from datetime import datetime
from threading import Lock, Timer

from sqlalchemy import bindparam, or_, update

from transfer_service.db.database import Database
from transfer_service.db.prepared import PreparedWrite
from transfer_service.errors import TransferError
from transfer_service.models.base import UtcDateTime
from transfer_service.models.keys import AccountKey

WRITE_SECONDS = 4.0
"""How long a use may stay in memory alone, and how often a key is written at the most."""

KEYS_A_TURN = 100

_keys = AccountKey.__table__
_used_at = bindparam("used_at", type_=UtcDateTime)
_NOTE = PreparedWrite(
    update(_keys)
    .where(_keys.c.id == bindparam("key_id"))
    .where(or_(_keys.c.last_used_at.is_(None), _keys.c.last_used_at < _used_at))
    .values(last_used_at=_used_at)
)


class KeyUses:
    """Uses are kept in memory and written together, WRITE_SECONDS after the first of them; a kill may lose those.

    Without uses nothing runs. In read-only mode nothing is kept, and nothing written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()  # held for a moment only, never during a write
        self._writing = Lock()
        self._used: dict[uuid.UUID, datetime] = {}
        self._timer: Timer | None = None
        database.at_rest(self._rest)

    def note(self, key_id: uuid.UUID, now: datetime) -> None:
        """A key is being used."""
        if self._database.is_read_only:
            return
        with self._lock:
            self._used[key_id] = now
            if self._timer is not None:
                return
            self._timer = timer = Timer(WRITE_SECONDS, self._write_in_time)
        timer.daemon = True
        timer.start()

    def write(self) -> None:
        """Write down what is known. Raises StoreUnavailable, StorageFull; then it stays known."""
        with self._lock:
            used, self._used = self._used, {}
        keys = sorted(used)  # in the same order everywhere: else two instances wait for each other
        try:
            while keys:  # in short transactions: nobody else can write meanwhile
                with self._database.write_rows() as rows:
                    for key_id in keys[:KEYS_A_TURN]:
                        _NOTE.run(rows, {"key_id": key_id, "used_at": used[key_id]})
                del keys[:KEYS_A_TURN]
                time.sleep(0)
        except TransferError:
            with self._lock:
                self._used = {**{key_id: used[key_id] for key_id in keys}, **self._used}
            raise

    def _write_in_time(self) -> None:
        with self._writing:
            with self._lock:
                self._timer = None
            with suppress(TransferError):  # the database does not answer: the next use comes to it again
                self.write()

    def _rest(self) -> None:
        with self._lock:
            timer = self._timer
        if timer is not None:
            timer.cancel()
            self._write_in_time()
        with self._writing:  # or the timer was a moment faster, and still writes
            pass
