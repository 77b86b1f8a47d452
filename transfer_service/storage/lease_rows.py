"""The rows of claims, on PostgreSQL and on SQLite.

Whoever changes the claims on a unit is the only one at that moment, so of two that want the same one has it. On
PostgreSQL each such change is one message to the server: it holds nothing while this process is stopped, or cut off.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select

from transfer_service.db.database import Database, Executor
from transfer_service.db.prepared import PreparedSelect
from transfer_service.models.claims import Claim
from transfer_service.storage import lease_statements as sql

_FENCE = PreparedSelect(
    select(Claim.__table__.c.id).where(Claim.__table__.c.id == bindparam("of_claim")).with_for_update()
)
Values = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a wish for a lock: it is held, or waited for; of a held one, whether somebody wants it already."""

    is_held: bool
    turn: int | None
    is_wanted: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """A row of this process: whether it is held, and whether somebody wants it, or stands in the way of who waits."""

    room: str
    unit: str
    is_held: bool
    is_concerned: bool


def place_values(room: str, unit: str) -> dict[str, object]:
    """What statements about a unit need, and the notice that something of it is free."""
    return {"room": room, "unit": unit, "free": f"free {room} {unit}"}


def keeps(rows: Executor, claim_id: str) -> bool:
    """Whether the claim is there, in the caller's transaction: then it is, for all, until that has ended."""
    return _FENCE.find(rows, {"of_claim": claim_id}) is not None


class LeaseRows:
    """Runs the statements. `values` are those of `LeaseLock.values` and the like. All raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_sqlite = database.is_sqlite
        self._dialect = "sqlite" if database.is_sqlite else "postgresql"

    def take(self, values: Values) -> Outcome | None:
        """Take a lock, or with `waits` begin to wait for it. None: neither."""
        superseded = ([sql.SUPERSEDED if self._is_sqlite else sql.TELL_SUPERSEDED]) if values["takes_over"] else []
        return _outcome(self._change([sql.BURY, sql.ADD, *superseded], [sql.TELL_WANTED], sql.OUTCOME, values))

    def try_again(self, values: Values) -> Outcome | None:
        """Take a lock that is waited for. None: it is not waited for any more."""
        return _outcome(self._change([sql.BURY, sql.TRY_AGAIN], [], sql.OUTCOME, values))

    def remove(self, values: Values) -> None:
        """Give back what is held, or wait no longer, and tell those who wait."""
        self._change([sql.REMOVE], [sql.TELL_FREE], None, values)

    def seclude(self, values: Values) -> bool:
        """Keep a unit to oneself, if nobody uses it."""
        return bool(self._change([sql.BURY, sql.SECLUDE], [], sql.OUTCOME, values))

    def end_all(self, values: Values) -> bool:
        """Take every lock on a blob from its holder. Whether that could be done at once: some may be committing."""
        return not self._change([sql.END_ALL], [sql.TELL_ENDED, sql.TELL_FREE], sql.LEFT, values)[0][0]

    def use(self, values: Values) -> None:
        """Show that a unit is in use."""
        self._change([sql.USE], [], None, values)

    def count_spans(self, values: Values) -> int:
        """How many locks there are that the values describe, once dead ones are buried.

        A process that counts as dead may go on at any moment: whoever is told that nobody has a lock can rely on it.
        """
        with self._database.read_rows() as rows:
            count = int(self._run(rows, [sql.COUNT_SPANS], values)[0][0])
            has_dead = count > 0 and bool(self._run(rows, [sql.FIND_DEAD_SPAN], values))
        return int(self._change([sql.BURY], [], sql.COUNT_SPANS, values)[0][0]) if has_dead else count

    def renew(self, process_id: str) -> None:
        """Let the process live for LEASE_SECONDS from now on."""
        with self._database.write_rows() if self._is_sqlite else self._database.urgent_rows() as rows:
            self._run(rows, [sql.RENEW], {"process": process_id})

    def look(self, process_id: str) -> dict[str, "Seen"]:
        """What the process has, by its id."""
        with self._database.read_rows() if self._is_sqlite else self._database.urgent_rows() as rows:
            found = self._run(rows, [sql.LOOK], {"process": process_id})
        return {each[0]: Seen(each[1], each[2], bool(each[3]), bool(each[4])) for each in found}

    def sweep(self, process_id: str) -> None:
        """Remove what dead processes have left."""
        with self._changing() as rows:
            self._run(rows, sql.SWEEP, {"process": process_id})

    def leave(self, process_id: str) -> None:
        """Remove everything of a process that ends."""
        with self._changing() as rows:
            self._run(rows, sql.LEAVE, {"process": process_id})

    def _changing(self) -> AbstractContextManager[Connection]:
        """A connection for one change: on a server all of it is one message, and needs no more."""
        return self._database.write_rows() if self._is_sqlite else self._database.read_rows()

    def _change(self, changes: Sequence[str], notices: Sequence[str], outcome: str | None, values: Values) -> Any:
        """Run changes of one unit, with what tells others of them, and give the rows of the outcome."""
        statements = [*changes, *([] if self._is_sqlite else notices), *([outcome] if outcome else [])]
        if not self._is_sqlite:
            serial = hashlib.blake2b(f"{values['room']}/{values['unit']}".encode(), digest_size=8).digest()
            values = {**values, "serial": int.from_bytes(serial, signed=True)}
            statements.insert(0, sql.ALONE_IN_IT)
        with self._changing() as rows:
            return self._run(rows, statements, values)

    def _run(self, rows: Connection, statements: Sequence[str], values: Values) -> list[Any]:
        """Run the statements, and give the rows of the last one."""
        own = [sql.in_words_of(self._dialect, each) for each in statements]
        if not self._is_sqlite:
            return _run_as_one(rows, "; ".join(own), values)
        driver: Any = rows.connection.driver_connection
        outcomes: list[list[Any]] = [driver.execute(each, values).fetchall() for each in own]
        return outcomes[-1]


def _outcome(found: Sequence[Any]) -> Outcome | None:
    return Outcome(bool(found[0][0]), found[0][1], bool(found[0][2])) if found else None


def _run_as_one(rows: Connection, statements: str, values: Values) -> list[Any]:
    import psycopg

    driver: Any = rows.connection.driver_connection
    text = psycopg.ClientCursor(driver).mogrify(statements, values)
    cursor: Any = rows.execution_options(no_parameters=True).exec_driver_sql(text).cursor
    if cursor is None:  # the first statement has no rows, and those after it have none either
        return []
    while cursor.nextset():
        pass
    return list(cursor.fetchall()) if cursor.description else []
