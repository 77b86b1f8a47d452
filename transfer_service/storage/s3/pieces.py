"""Rows that say where the bytes of blobs are: in which objects, and in what order.

Pieces of a blob never overlap: what is added later replaces what was there. Services see to it that bytes that count
are not replaced by others. A blob without rows is the object at its own name.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import bindparam, delete, exists, func, insert, or_, select, text, update

from transfer_service.db.database import Database, Executor
from transfer_service.db.prepared import PreparedSelect, PreparedWrite
from transfer_service.models.pieces import ScatteredBlob, StoredPiece
from transfer_service.storage.blobs import END, WHOLE
from transfer_service.storage.s3 import discards
from transfer_service.wire.ranges import Span

_pieces, _scattered = StoredPiece.__table__, ScatteredBlob.__table__
_OF_BLOB = (_pieces.c.room == bindparam("of_room"), _pieces.c.key == bindparam("of_key"))
_OF_SCATTERED = (_scattered.c.room == bindparam("of_room"), _scattered.c.key == bindparam("of_key"))
_COLUMNS = (_pieces.c.start, _pieces.c.stop, _pieces.c.object, _pieces.c.offset)
_LAST_BEFORE = (
    select(func.max(_pieces.c.start)).where(*_OF_BLOB, _pieces.c.start <= bindparam("first")).scalar_subquery()
)
_OVERLAPPING = (
    select(*_COLUMNS)
    .where(
        *_OF_BLOB,
        _pieces.c.start >= func.coalesce(_LAST_BEFORE, 0),
        _pieces.c.start < bindparam("last"),
        or_(_pieces.c.stop > bindparam("first"), _pieces.c.stop == 0),
    )
    .order_by(_pieces.c.start)
)
_FIND = PreparedSelect(_OVERLAPPING)
_HOLD = PreparedSelect(_OVERLAPPING.with_for_update(read=True))
_END = PreparedSelect(select(_pieces.c.stop).where(*_OF_BLOB).order_by(_pieces.c.start.desc()).limit(1))
_ADD = insert(_pieces)
_ADD_FIRST = text(
    'INSERT INTO stored_pieces (room, "key", start, stop, object, "offset")'
    " VALUES (:room, :key, :start, :stop, :object, :offset) ON CONFLICT DO NOTHING"
)
_REMOVE_ONE = PreparedWrite(delete(_pieces).where(*_OF_BLOB, _pieces.c.start == bindparam("first")))
_REMOVE = PreparedWrite(delete(_pieces).where(*_OF_BLOB).returning(_pieces.c.object))
_MOVE = PreparedWrite(update(_pieces).where(*_OF_BLOB).values(key=bindparam("to")))
_OF_GROUP = (
    _pieces.c.room == bindparam("of_room"),
    _pieces.c.key > bindparam("low"),
    _pieces.c.key < bindparam("high"),
)
_KEYS_OF_GROUP = PreparedSelect(select(_pieces.c.key).where(*_OF_GROUP).distinct())
_IS_SCATTERED = text(
    "INSERT INTO scattered_blobs (room, key, length) VALUES (:room, :key, :length)"
    " ON CONFLICT (room, key) DO UPDATE SET length = excluded.length"
)
_IS_NOT_SCATTERED = PreparedWrite(delete(_scattered).where(*_OF_SCATTERED))
_IS_NOT_SO_LONG = PreparedWrite(delete(_scattered).where(*_OF_SCATTERED, _scattered.c.length == bindparam("whole")))


@dataclass(frozen=True, slots=True)
class Piece:
    """A span of a blob: these bytes are those of an object from `offset` on."""

    span: Span
    object: str
    offset: int = 0

    def part(self, span: Span) -> "Piece":
        """The same bytes, of which only those in `span` are meant."""
        return replace(self, span=span, offset=self.offset + span.start - self.span.start)

    def within(self, span: Span) -> "Piece | None":
        """Those of its bytes that lie in a span; None where there are none."""
        both = self.span.overlap(span)
        return self.part(both) if both else None

    def without(self, span: Span) -> list["Piece"]:
        """What is left of it where other bytes have come in `span`."""
        around = (Span(self.span.start, span.start), Span(span.stop, self.span.stop))
        return [self.part(each) for side in around if (each := self.span.overlap(side))]


def hull(spans: Iterable[Span]) -> Span:
    """From where the first of some spans starts to where the last one stops."""
    found = list(spans)
    return Span(min(each.start for each in found), max(each.stop for each in found))


def is_gapless(pieces: Iterable[Piece], span: Span) -> bool:
    """Whether pieces hold all bytes of a span one after the other, and no others."""
    position = span.start
    for piece in pieces:
        if piece.span.start != position:
            return False
        position = piece.span.stop
    return position == span.stop


class PieceRows:
    """The pieces of the blobs of one room. `own_name` tells the object that a blob is where it has no rows."""

    def __init__(self, room: str, own_name: Callable[[str], str]) -> None:
        self.room = room
        self._own_name = own_name

    def find(self, rows: Executor, key: str, span: Span = WHOLE) -> list[Piece]:
        """The pieces that hold any byte of a span, in their order; also one of no length, which an empty blob has."""
        return self._overlapping(_FIND, rows, key, span)

    def hold(self, rows: Executor, key: str, span: Span) -> list[Piece]:
        """Like `find`, and they stay until the transaction ends."""
        return self._overlapping(_HOLD, rows, key, span)

    def _overlapping(self, statement: PreparedSelect, rows: Executor, key: str, span: Span) -> list[Piece]:
        found = statement.find_all(rows, {**self._blob(key), "first": span.start, "last": span.stop})
        return [Piece(Span(row.start, row.stop), row.object, row.offset) for row in found]

    def batches_of_unnoted(self, database: Database) -> Iterator[list[str]]:
        """The keys of blobs in pieces of which the worker was not told: most are not whole yet."""
        is_noted = exists().where(_scattered.c.room == _pieces.c.room, _scattered.c.key == _pieces.c.key)
        unnoted = select(_pieces.c.key).where(_pieces.c.room == self.room, ~is_noted).distinct()
        for batch in database.batches(unnoted):
            yield [row.key for row in batch]

    def find_end(self, rows: Executor, key: str) -> int | None:
        """Where the last piece ends, None where there is none."""
        found = _END.find(rows, self._blob(key))
        return found.stop if found else None

    def keys_of_group(self, rows: Executor, group: str) -> list[str]:
        """The keys of a group that have pieces."""
        limits = {"low": f"{group}/", "high": f"{group}0"}  # the character behind the slash
        return [row.key for row in _KEYS_OF_GROUP.find_all(rows, {"of_room": self.room, **limits})]

    def add(self, rows: Executor, key: str, pieces: Sequence[Piece]) -> set[str]:
        """Write pieces down, which do not overlap each other, in place of what they overlap.

        Like all that takes pieces away it tells, and notes, the objects that may have become nobody's.
        """
        found = self.find(rows, key, hull(each.span for each in pieces))
        known = set(found)
        new = [each for each in pieces if each not in known]
        hidden = [old for old in found if not old.span.size or any(old.span.overlap(each.span) for each in new)]
        left: list[Piece] = []
        for old in hidden:
            parts = [old] if old.span.size else []
            for each in new:
                parts = [part for one in parts for part in one.without(each.span)]
            left += parts
        self._replace(rows, key, hidden, [*left, *new])
        return self._discard(rows, key, {each.object for each in hidden} - {each.object for each in (*left, *new)})

    def add_first(self, rows: Executor, key: str, whole: Piece) -> None:
        """Let a blob that was one object be a piece, if it has none yet; of several who do that at once one has."""
        if self.find_end(rows, key) is None:
            rows.execute(_ADD_FIRST, self._values(key, whole))

    def cut(self, rows: Executor, key: str, length: int) -> set[str]:
        """Cut a blob off at `length`. One that has pieces has some afterwards: of no length where nothing is left."""
        behind = [each for each in self.find(rows, key, Span(length, END)) if each.span.stop > length]
        left = [part for each in behind if (part := each.within(Span(0, length)))]
        if behind and not length:
            left = [Piece(Span(0, 0), self._own_name(key))]
        self._replace(rows, key, behind, left)
        return self._discard(rows, key, {each.object for each in behind} - {each.object for each in left})

    def put_in_place(self, rows: Executor, key: str, pieces: Sequence[Piece]) -> set[str]:
        """Let a blob have these pieces and no others; none: it is the object at its own name."""
        freed = self._take_all(rows, key)
        self._insert(rows, key, pieces)
        return self._discard(rows, key, freed - {each.object for each in pieces})

    def remove(self, rows: Executor, key: str) -> set[str]:
        """Forget all pieces of a blob."""
        freed = self._take_all(rows, key)
        self.forget_scattered(rows, key)
        return self._discard(rows, key, freed)

    def move(self, rows: Executor, key: str, to: str) -> set[str]:
        """Let another blob have these pieces, in place of what it has."""
        freed = self.remove(rows, to)
        self.forget_scattered(rows, key)
        _MOVE.run(rows, {**self._blob(key), "to": to})
        return freed

    def note_scattered(self, rows: Executor, key: str, length: int) -> None:
        """Tell the worker that a blob is whole and in pieces."""
        rows.execute(_IS_SCATTERED, {"room": self.room, "key": key, "length": length})

    def forget_scattered(self, rows: Executor, key: str) -> None:
        """Tell the worker that it is not, or not any more."""
        _IS_NOT_SCATTERED.run(rows, self._blob(key))

    def forget_length(self, rows: Executor, key: str, length: int) -> None:
        """The same of a blob that was told to be whole with that length; of another one it may be told meanwhile."""
        _IS_NOT_SO_LONG.run(rows, {**self._blob(key), "whole": length})

    def _replace(self, rows: Executor, key: str, old: Sequence[Piece], new: Sequence[Piece]) -> None:
        for each in old:
            _REMOVE_ONE.run(rows, {**self._blob(key), "first": each.span.start})
        self._insert(rows, key, new)

    def _take_all(self, rows: Executor, key: str) -> set[str]:
        return {row.object for row in _REMOVE.find_all(rows, self._blob(key))}

    def _insert(self, rows: Executor, key: str, pieces: Sequence[Piece]) -> None:
        if pieces:
            rows.execute(_ADD, [self._values(key, each) for each in pieces])

    def _values(self, key: str, piece: Piece) -> dict[str, Any]:
        place = {"room": self.room, "key": key, "start": piece.span.start, "stop": piece.span.stop}
        return {**place, "object": piece.object, "offset": piece.offset}

    def _discard(self, rows: Executor, key: str, names: set[str]) -> set[str]:
        """Note objects that rows named. The one at the blob's own name goes with the blob only."""
        freed = names - {self._own_name(key)}
        discards.note(rows, freed)
        return freed

    def _blob(self, key: str) -> dict[str, str]:
        return {"of_room": self.room, "of_key": key}
