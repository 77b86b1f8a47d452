"""`Idempotency-Key`: a request that comes again gets the first answer, and nothing is done twice.

A request takes its key by a row, in a transaction of its own. Its answer goes into that row in the transaction of what
it does, and only while it still holds the key: so there is one fact and one answer to each key, whoever is killed, and
whatever gets lost. What was refused leaves no row. A holder that is killed loses the key when its lease has run out;
one that lives and takes long renews it. In a transaction the row comes last, behind the account's.
"""

import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import repeat
from typing import Any, cast

from sqlalchemy import CursorResult, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from transfer_service.db.database import Executor, run_again
from transfer_service.errors import KeyInUse, TransferError
from transfer_service.logs import tidying
from transfer_service.models.idempotency import IdempotentRequest
from transfer_service.services.clocks import shared_now
from transfer_service.services.core import Core
from transfer_service.threads import run_beside

KEPT = timedelta(hours=24)
LEASE = timedelta(seconds=10)
"""So long a key stays taken by a request whose process was killed."""
RENEW_SECONDS = 2.5
CLOSE_SECONDS = 5.0
REMOVED_AT_ONCE = 1000

_requests = IdempotentRequest.__table__
_is_this = and_(_requests.c.account_id == bindparam("of_account"), _requests.c.key == bindparam("of_key"))
_is_mine = and_(_is_this, _requests.c.holder == bindparam("of_holder"), _requests.c.answered_at.is_(None))
_FIND = select(_requests).where(_is_this).with_for_update()
_ADD = insert(_requests)
_WANT = update(_requests).where(_is_this).values(is_wanted=True)
_TAKE = (
    update(_requests)
    .where(_is_this)
    .values(
        holder=bindparam("new_holder"), held_until=bindparam("new_until"), is_wanted=False,
        fingerprint=None, status=None, body=None, location=None, answered_at=None,
    )
)  # fmt: skip
_RENEW = update(_requests).where(_is_mine).values(held_until=bindparam("new_until")).returning(_requests.c.is_wanted)
_ANSWER = (
    update(_requests)
    .where(_is_mine)
    .values({name: bindparam(f"new_{name}") for name in ("fingerprint", "status", "body", "location", "answered_at")})
)
_RELEASE = delete(_requests).where(_is_mine)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a request with this fingerprint: its status, its body as it was sent, and its Location."""

    fingerprint: str
    status: int
    body: str
    location: str | None


class HeldKey:
    """The key of one request, while that is under way."""

    def __init__(self, keys: "IdempotencyKeys", account_id: uuid.UUID, key: str) -> None:
        self._keys = keys
        self.holder = uuid.uuid4()
        self.values = {"of_account": account_id, "of_key": key, "of_holder": self.holder}
        self.is_wanted = False
        """Whether the request has come again, so that this one is not waited for for long."""
        self.answer: Answer | None = None

    def record(self, rows: Executor, answer: Answer) -> None:
        """Keep the answer, last in the transaction of what it tells. Raises KeyInUse where another one has the key."""
        self._keys.record(rows, self, answer)
        self.answer = answer

    def end(self) -> None:
        """The request has ended, and was answered as recorded."""
        self._keys.end(self)

    def release(self) -> None:
        """The request has failed: unless its answer was committed all the same, the key is free."""
        self._keys.release(self)


class IdempotencyKeys:
    """The keys of all accounts."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._now = core.now
        self._held: dict[uuid.UUID, HeldKey] = {}
        self._is_renewing = False
        self._guard = threading.Lock()  # held for a moment only
        self._ending, self._has_ended = threading.Event(), threading.Event()
        self._has_ended.set()
        core.database.at_rest(self._close)

    def begin(self, account_id: uuid.UUID, key: str) -> HeldKey | Answer:
        """Take the key for a request, or give the answer that the first one got.

        Raises KeyInUse while that is under way, AccountGone.
        """
        held = HeldKey(self, account_id, key)
        try:
            found = self._take(held)
        except IntegrityError:  # another one was taking it
            found = self._take(held)
        if isinstance(found, Answer):
            return found
        if not found:
            raise KeyInUse
        self._keep(held)
        return held

    @run_again
    def _take(self, held: HeldKey) -> bool | Answer:
        """Whether it has the key from now on, or the answer that there is."""
        with self._database.write_rows() as rows:
            now = shared_now(rows, self._now)
            row = rows.execute(_FIND, held.values).one_or_none()
            if row is None:
                self._add(rows, held, {"held_until": now + LEASE})
                return True
            if row.answered_at is not None and row.answered_at > now - KEPT:
                return Answer(row.fingerprint, row.status, row.body, row.location)
            if row.answered_at is None and row.held_until > now:
                if not row.is_wanted:
                    rows.execute(_WANT, held.values)
                return False
            rows.execute(_TAKE, {**held.values, "new_holder": held.holder, "new_until": now + LEASE})
            return True

    @staticmethod
    def _add(rows: Executor, held: HeldKey, others: dict[str, Any]) -> None:
        row = {"account_id": held.values["of_account"], "key": held.values["of_key"], "holder": held.holder}
        rows.execute(_ADD, {**row, "is_wanted": False, **others})

    def record(self, rows: Executor, held: HeldKey, answer: Answer) -> None:
        """See `HeldKey.record`."""
        values = {f"new_{name}": getattr(answer, name) for name in Answer.__slots__}
        values["new_answered_at"] = shared_now(rows, self._now)
        done = cast(CursorResult[Any], rows.execute(_ANSWER, {**held.values, **values}))
        if not done.rowcount:
            raise KeyInUse

    def release(self, held: HeldKey) -> None:
        """See `HeldKey.release`. Where the database is away the lease runs out by itself."""
        self.end(held)
        with tidying(), self._database.write_rows() as rows:
            rows.execute(_RELEASE, held.values)

    def end(self, held: HeldKey) -> None:
        """See `HeldKey.end`."""
        with self._guard:
            self._held.pop(held.holder, None)

    def _keep(self, held: HeldKey) -> None:
        with self._guard:
            self._held[held.holder] = held
            if self._is_renewing:
                return
            self._is_renewing = True
            self._has_ended.clear()
        run_beside(self._renew_all)

    def _close(self) -> None:
        self._ending.set()
        self._has_ended.wait(CLOSE_SECONDS)

    def _renew_all(self) -> None:
        """Renew the leases of all that take long, until none does."""
        seen: set[uuid.UUID] = set()
        while True:
            self._ending.wait(RENEW_SECONDS)
            with self._guard:
                if not self._held or self._ending.is_set():
                    self._is_renewing = False
                    self._has_ended.set()
                    return
                held = list(self._held.values())
            for each in held:
                if each.holder in seen:  # each by itself: nobody waits for two of them at once
                    with suppress(TransferError):
                        self._renew(each)
            seen = {each.holder for each in held}

    def _renew(self, held: HeldKey) -> None:
        with self._database.write_rows() as rows:
            until = shared_now(rows, self._now) + LEASE
            row = rows.execute(_RENEW, {**held.values, "new_until": until}).one_or_none()
        if row is not None:
            held.is_wanted = row.is_wanted

    def remove_spent(self, *, dry_run: bool) -> Iterator[int]:
        """Remove the keys that count no more, and of requests that were killed. For each of them the bytes: none."""
        while True:
            removed = self._remove_some(dry_run=dry_run)
            yield from repeat(0, removed)
            if dry_run or removed < REMOVED_AT_ONCE:
                return

    def _remove_some(self, *, dry_run: bool) -> int:
        with self._database.read_rows() if dry_run else self._database.write_rows() as rows:
            before = shared_now(rows, self._now) - KEPT
            is_spent = or_(
                _requests.c.answered_at <= before,
                and_(_requests.c.answered_at.is_(None), _requests.c.held_until <= before),
            )
            if dry_run:
                count = select(func.count()).select_from(_requests).where(is_spent)
                return int(rows.execute(count).scalar_one())
            spent = select(_requests.c.account_id, _requests.c.key).where(is_spent)
            found = rows.execute(spent.limit(REMOVED_AT_ONCE).with_for_update(skip_locked=True)).all()
            for row in found:
                rows.execute(delete(_requests).where(_is_this), {"of_account": row.account_id, "of_key": row.key})
            return len(found)
