"""Where an object store keeps what cleanup takes for an orphan (the Quarantine of `room_upkeep`).

`quarantine/<room>/<instant>/<place>/own/…` and `…/pieces/…` are copies of its objects, `…/rows` what its rows said. All
is copied before anything is removed where it was, and the other way round, so whoever is killed has lost nothing.
"""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby
from operator import methodcaller

from transfer_service.errors import BlobMissing
from transfer_service.storage.room_upkeep import KeptOrphan
from transfer_service.storage.s3.backing import Backing
from transfer_service.storage.s3.listing import keys_of, named_of, own_objects_of, unnamed_pieces
from transfer_service.storage.s3.objects import ObjectFacts
from transfer_service.storage.s3.pieces import Piece
from transfer_service.wire.ranges import Span

_INSTANT = "%Y%m%dT%H%M%SZ"
_OWN, _PIECES, _ROWS = "own", "pieces", "rows"
_AT_ONCE = 8
_MOST_BYTES = 1 << 30
Rows = dict[str, list[Piece]]


class RemoteQuarantine:
    """That of one room. Nothing comes here while `is_kept`: what somebody keeps who reads by records of before looks
    like nobody's.
    """

    def __init__(self, backing: Backing, is_kept: Callable[[], bool] = lambda: False) -> None:
        self._backing = backing
        self._is_kept = is_kept
        self._objects = backing.objects
        self._layout = backing.layout

    def put(self, key: str, *, now: datetime) -> bool:
        """Move a blob or a group here. Whether it was still there."""
        if self._is_kept():
            return False
        rows = self._rows_of(key)
        names = self._objects_of(key, rows)
        if not names and not rows:
            return False
        folder = self._folder(key, now.astimezone(UTC).strftime(_INSTANT))
        self._copy([(name, folder + self._kept_name(name)) for name in names])
        if rows:
            self._objects.put(f"{folder}{_ROWS}", [_written(rows)])
            with self._backing.database.write_rows() as transaction:
                freed = set().union(*(self._backing.rows.remove(transaction, each) for each in rows))
            self._backing.discards.remove(freed)
        if names:
            self._objects.delete(names)
        return True

    def put_pieces(self, names: Sequence[str], *, now: datetime) -> None:
        """Move pieces here that no row names, of blobs that stay where they are."""
        places = {name: self._layout.place_of_piece(name) for name in names}
        instant = now.astimezone(UTC).strftime(_INSTANT)
        moved = {
            name: self._folder(self._layout.key_at_place(place), instant) for name, place in places.items() if place
        }
        self._copy([(name, folder + self._kept_name(name)) for name, folder in moved.items()])
        if moved:
            self._objects.delete(list(moved))

    def _rows_of(self, key: str) -> Rows:
        keys = keys_of(self._backing, key)
        with self._backing.database.read_rows() as rows:
            return {each: self._backing.rows.find(rows, each) for each in keys}

    def _objects_of(self, key: str, rows: Rows) -> list[str]:
        """All that is there of a blob or a group, but what others have of it."""
        named = {piece.object for pieces in rows.values() for piece in pieces}
        own = {facts.name for facts in own_objects_of(self._backing, key)}
        named -= named_of(self._backing, named, but_by=list(rows)) if named else set()
        there = {name for name in named - own if self._objects.head(name)}
        left = {facts.name for facts in unnamed_pieces(self._backing, self._layout.piece_prefix_of(key))}
        return sorted(own | there | left)

    def items(self) -> Sequence[KeptOrphan]:
        """Everything that is kept, in no order."""
        found = (each for page in self._objects.list(self._layout.quarantine_prefix) for each in page)
        kept = []
        for (instant, place), group in groupby(found, key=self._parse):
            size = sum(each.size for each in group if not each.name.endswith(f"/{_ROWS}"))
            since, key = _instant_of(instant), self._layout.key_at_place(place)
            if since is not None and self._layout.room.is_listed(key):
                kept.append(KeptOrphan(key, since, size))
        return kept

    def is_missed(self, item: KeptOrphan) -> bool:
        """Whether a record of the blob would want it back: of a blob that stayed in its place, once rows name it."""
        kept = [self._first_name(item, facts.name) for facts in self._kept(item)]
        is_part = all(name.startswith(self._layout.piece_prefix) for name in kept)
        return not is_part or bool(named_of(self._backing, kept))

    def take_back(self, item: KeptOrphan) -> bool:
        """Put it where it was. Whether that could be done: something else may be there by now, or it has gone."""
        kept = {self._first_name(item, facts.name): facts for facts in self._kept(item)}
        rows = self._kept_rows(kept.pop("", None))
        there = self._rows_of(item.key)
        own = any(name.startswith(self._layout.own_prefix) for name in kept)
        if not rows and not own:  # pieces of a blob that stayed in its place
            named = named_of(self._backing, list(kept))
            kept = {name: facts for name, facts in kept.items() if name in named}
        elif there not in ({}, rows):
            return False
        lacking = self._lacking(kept)
        if not kept or lacking is None:
            return False
        self._copy(lacking)
        if not there and rows:
            with self._backing.database.write_rows() as transaction:
                for key, pieces in rows.items():
                    self._backing.rows.put_in_place(transaction, key, pieces)
        self.remove(item)
        return True

    def _lacking(self, kept: dict[str, ObjectFacts]) -> list[tuple[str, str]] | None:
        """Which objects are to be copied back, and to where; None where something else is in a place of theirs."""
        lacking = []
        for name, facts in kept.items():
            there = self._objects.head(name)
            if there is None:
                lacking.append((facts.name, name))
            elif there.size != facts.size or (name.startswith(self._layout.own_prefix) and there.etag != facts.etag):
                return None
        return lacking

    def _kept_rows(self, facts: ObjectFacts | None) -> Rows:
        return _read(self._objects.get(facts.name, 0, _MOST_BYTES)) if facts else {}

    def remove(self, item: KeptOrphan) -> None:
        """Remove it for good."""
        if kept := [facts.name for facts in self._kept(item)]:
            self._objects.delete(kept)

    def drop(self, keys: Collection[str]) -> None:
        """Remove for good what is kept of blobs that are deleted: pieces that nobody came to name while they lived."""
        for item in self.items() if keys else ():
            if item.key in keys:
                self.remove(item)

    def _copy(self, pairs: Sequence[tuple[str, str]]) -> None:
        for start in range(0, len(pairs), _AT_ONCE):
            begun = [
                self._objects.begin(methodcaller("copy", source, target))
                for source, target in pairs[start : start + _AT_ONCE]
            ]
            for wait in begun:
                with suppress(BlobMissing):  # it went by itself, as what was noted to go does
                    wait()

    def _kept(self, item: KeptOrphan) -> Iterator[ObjectFacts]:
        for page in self._objects.list(self._folder(item.key, item.since.strftime(_INSTANT))):
            yield from page

    def _folder(self, key: str, instant: str) -> str:
        return f"{self._layout.quarantine_prefix}{instant}/{self._layout.room.place_of(key)}/"

    def _kept_name(self, name: str) -> str:
        """How an object is called in the folder of its blob."""
        if name.startswith(self._layout.piece_prefix):
            return f"{_PIECES}/{name.removeprefix(self._layout.piece_prefix)}"
        return f"{_OWN}/{name.removeprefix(self._layout.own_prefix)}"

    def _first_name(self, item: KeptOrphan, kept_name: str) -> str:
        """How it was called before; nothing for the rows."""
        rest = kept_name.removeprefix(self._folder(item.key, item.since.strftime(_INSTANT)))
        kind, _, path = rest.partition("/")
        prefixes = {_OWN: self._layout.own_prefix, _PIECES: self._layout.piece_prefix}
        return prefixes[kind] + path if kind in prefixes else ""

    def _parse(self, facts: ObjectFacts) -> tuple[str, str]:
        """Since when an object is here, and the place of its blob."""
        instant, _, rest = facts.name.removeprefix(self._layout.quarantine_prefix).partition("/")
        return instant, "/".join(rest.split("/")[: 2 if self._layout.room.shards else 1])


def _written(rows: Rows) -> bytes:
    listed = {key: [[each.span.start, each.span.stop, each.object, each.offset] for each in rows[key]] for key in rows}
    return json.dumps(listed).encode()


def _read(data: bytes) -> Rows:
    return {
        key: [Piece(Span(start, stop), name, offset) for start, stop, name, offset in pieces]
        for key, pieces in json.loads(data).items()
    }


def _instant_of(text: str) -> datetime | None:
    try:
        since = datetime.strptime(text, _INSTANT).replace(tzinfo=UTC)
    except ValueError:
        return None
    return since if since.strftime(_INSTANT) == text else None
