"""What is said to the database about claims, in SQL that PostgreSQL and SQLite share. `:names` are filled in."""

import re
from functools import cache

CHANNEL = "claims"
LEASE_SECONDS = 4.0
_NOW = {
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) AS double precision)",
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
}
_SKIP_LOCKED = {"postgresql": "FOR UPDATE SKIP LOCKED", "sqlite": ""}
"""A dead one's row that is locked is one of a commit that is just about to happen: it counts until that has ended."""

# A process whose clock says that it lives for long has lived before the database's clock was set back.
_ALIVE = f"SELECT id FROM claim_processes WHERE expires_at > {{now}} AND expires_at <= {{now}} + {2 * LEASE_SECONDS}"
_HERE = "room = :room AND unit = :unit"
ALONE_IN_IT = "SELECT pg_advisory_xact_lock(:serial)"
BURY = (
    f"DELETE FROM claims WHERE id IN (SELECT id FROM claims WHERE {_HERE} AND process_id NOT IN ({_ALIVE}) "
    "{skip_locked})"
)
_IN_THE_WAY = (
    f"EXISTS (SELECT 1 FROM claims WHERE {_HERE} AND id <> :id AND is_held AND ("
    "(mode = 'alone' AND process_id <> :process) OR (mode = 'span' AND name = :name AND "
    "((start < :stop AND stop > :start) OR (:takes_over AND turn IS NOT NULL)))))"
)
SUPERSEDED = f"DELETE FROM claims WHERE {_HERE} AND name = :name AND id <> :id AND turn IS NOT NULL AND NOT is_held"
TELL_SUPERSEDED = f"WITH gone AS ({SUPERSEDED} RETURNING id) SELECT pg_notify('{CHANNEL}', 'gone ' || id) FROM gone"
_NEXT_TURN = (
    f"(SELECT max(turn) FROM (SELECT max(turn) + 1 AS turn FROM claims WHERE {_HERE} AND name = :name "
    "UNION ALL SELECT CAST({now} * 1000000 AS BIGINT)) AS turns)"
)
"""After those that are there, and also after those that are gone: a notice of theirs may still be on its way."""
ADD = (
    "INSERT INTO claims (id, process_id, room, unit, name, mode, start, stop, turn, is_held) "
    "SELECT :id, :process, :room, :unit, :name, 'span', :start, :stop, CASE WHEN :takes_over THEN "
    f"{_NEXT_TURN} END, NOT {_IN_THE_WAY} "
    f"WHERE :waits OR NOT {_IN_THE_WAY}"
)
TELL_WANTED = (
    f"SELECT pg_notify('{CHANNEL}', concat_ws(' ', 'wanted', id, start, stop, coalesce(turn, 0), room, name)) "
    "FROM claims WHERE id = :id AND NOT is_held"
)
_WANTS = (
    "o.mode = 'span' AND o.name = mine.name AND CASE WHEN mine.turn IS NULL "
    "THEN NOT o.is_held AND o.start < mine.stop AND o.stop > mine.start ELSE coalesce(o.turn, 0) > mine.turn END"
)
OUTCOME = (
    "SELECT is_held, turn, EXISTS (SELECT 1 FROM claims o WHERE o.room = mine.room AND o.unit = mine.unit "
    f"AND o.id <> mine.id AND {_WANTS}) FROM claims mine WHERE id = :id"
)
TRY_AGAIN = f"UPDATE claims SET is_held = TRUE WHERE id = :id AND NOT is_held AND NOT {_IN_THE_WAY}"
REMOVE = "DELETE FROM claims WHERE id = :id"
END_ALL = (
    f"DELETE FROM claims WHERE id IN (SELECT id FROM claims WHERE {_HERE} AND (:whole_unit OR name = :name) "
    "AND mode = 'span' AND is_held {skip_locked})"
)
LEFT = f"SELECT count(*) FROM claims WHERE {_HERE} AND (:whole_unit OR name = :name) AND mode = 'span' AND is_held"
TELL_FREE = f"SELECT pg_notify('{CHANNEL}', :free) WHERE EXISTS (SELECT 1 FROM claims WHERE {_HERE} AND NOT is_held)"
TELL_ENDED = f"SELECT pg_notify('{CHANNEL}', :ended)"
SECLUDE = (
    "INSERT INTO claims (id, process_id, room, unit, name, mode, start, stop, turn, is_held) "
    "SELECT :id, :process, :room, :unit, :unit, 'alone', 0, 0, NULL, TRUE "
    f"WHERE NOT EXISTS (SELECT 1 FROM claims WHERE {_HERE})"
)
USE = (
    "INSERT INTO claims (id, process_id, room, unit, name, mode, start, stop, turn, is_held) "
    "VALUES (:id, :process, :room, :unit, :unit, 'use', 0, 0, NULL, TRUE)"
)
RENEW = (
    f"INSERT INTO claim_processes (id, expires_at) VALUES (:process, {{now}} + {LEASE_SECONDS}) "
    "ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at"
)
LOOK = (
    "SELECT mine.id, mine.room, mine.unit, mine.is_held, EXISTS (SELECT 1 FROM claims o "
    "WHERE o.room = mine.room AND o.unit = mine.unit "
    f"AND o.id <> mine.id AND o.process_id IN ({_ALIVE}) AND CASE WHEN mine.is_held THEN {_WANTS} "
    "ELSE o.is_held AND ((o.mode = 'alone' AND o.process_id <> mine.process_id) OR (o.mode = 'span' AND "
    "o.name = mine.name AND ((o.start < mine.stop AND o.stop > mine.start) OR "
    "(mine.turn IS NOT NULL AND o.turn IS NOT NULL)))) END) FROM claims mine "
    "WHERE mine.process_id = :process"
)
SWEEP = (
    "DELETE FROM claims WHERE id IN (SELECT id FROM claims WHERE process_id <> :process "
    f"AND process_id NOT IN ({_ALIVE}) {{skip_locked}})",
    "DELETE FROM claim_processes WHERE id <> :process AND "
    f"(expires_at < {{now}} - 3600.0 OR expires_at > {{now}} + {2 * LEASE_SECONDS})",
)
LEAVE = (REMOVE.replace("id = :id", "process_id = :process"), "DELETE FROM claim_processes WHERE id = :process")
_SPANS = (
    f"FROM claims WHERE {_HERE} AND (:whole_unit OR name = :name) AND mode = 'span' AND (:any_state OR is_held) "
    "AND start < :stop AND stop > :start"
)
COUNT_SPANS = f"SELECT count(*) {_SPANS}"
FIND_DEAD_SPAN = f"SELECT 1 {_SPANS} AND process_id NOT IN ({_ALIVE})"


@cache
def in_words_of(dialect: str, statement: str) -> str:
    """A statement as a database, and its driver, understands it."""
    own = statement.format(now=_NOW[dialect], skip_locked=_SKIP_LOCKED[dialect])
    return own if dialect == "sqlite" else re.sub(r":(\w+)", r"%(\1)s", own)
