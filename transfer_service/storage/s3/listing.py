"""What an installation has in a bucket, blob by blob. It is read as it is listed, so nothing grows with it.

A blob is what rows say, or the object at its own name. A piece that no row names belongs to the blob in whose place it
lies: it may be on its way, or have been left by somebody who was killed.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice
from operator import methodcaller

from sqlalchemy import func, select

from transfer_service.models.pieces import StoredPiece
from transfer_service.storage.blobs import AnyKey, BlobFacts, Key
from transfer_service.storage.s3.backing import Backing
from transfer_service.storage.s3.objects import ObjectFacts

LISTED_AT_ONCE = 500
_pieces = StoredPiece.__table__
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def batches(backing: Backing) -> Iterator[Sequence[BlobFacts]]:
    """Every blob, or every group, in no order that counts. The times are by our clock, whatever the store's says."""
    behind = datetime.now(UTC) - backing.objects.now()
    for found in (_in_pieces(backing, behind), _in_one(backing, behind), _unnamed(backing, behind)):
        while batch := list(islice(found, LISTED_AT_ONCE)):
            yield batch


def _in_pieces(backing: Backing, behind: timedelta) -> Iterator[BlobFacts]:
    """The blobs that have rows. A blob is as old as its last piece."""
    after = ""
    while page := _page_of_rows(backing, after):
        after = page[-1][0]
        waits = [backing.objects.begin(methodcaller("head", name)) for _, name, _, _ in page]
        for (key, _, length, stored_bytes), wait in zip(page, waits, strict=True):
            facts = wait()
            modified_at = facts.modified_at + behind if facts else _LONG_AGO
            yield BlobFacts(backing.layout.listed_key(key), modified_at, stored_bytes, length)


def _page_of_rows(backing: Backing, after: str) -> list[tuple[str, str, int, int]]:
    """The next keys, each with the object of its last piece, where the blob ends, and how many bytes it has."""
    of_room = _pieces.c.room == backing.layout.name
    sums = (
        select(
            _pieces.c.key,
            func.max(_pieces.c.start).label("last"),
            func.sum(_pieces.c.stop - _pieces.c.start).label("bytes"),
        )
        .where(of_room, _pieces.c.key > after)
        .group_by(_pieces.c.key)
        .order_by(_pieces.c.key)
        .limit(LISTED_AT_ONCE)
        .subquery()
    )
    is_last = (_pieces.c.key == sums.c.key) & (_pieces.c.start == sums.c.last) & of_room
    page = select(sums.c.key, _pieces.c.object, _pieces.c.stop, sums.c.bytes).join(_pieces, is_last)
    with backing.database.read() as session:
        return [(key, name, stop, int(size)) for key, name, stop, size in session.execute(page.order_by(sums.c.key))]


def _in_one(backing: Backing, behind: timedelta) -> Iterator[BlobFacts]:
    """The blobs that are one object each."""
    layout = backing.layout
    for page in backing.objects.list(layout.own_prefix):
        keys = [layout.key_at(facts.name) for facts in page]
        have_rows = _with_rows(backing, {key for key in keys if key is not None})
        alone = [(key, facts) for key, facts in zip(keys, page, strict=True) if key and key not in have_rows]
        for listed, group in groupby(alone, key=lambda each: layout.listed_key(each[0])):
            yield _facts_of(listed, [facts for _, facts in group], behind)


def _unnamed(backing: Backing, behind: timedelta) -> Iterator[BlobFacts]:
    """Pieces that are nobody's, where there is nothing else of a blob."""
    for place, group in groupby(unnamed_pieces(backing), key=lambda facts: backing.layout.place_of_piece(facts.name)):
        found = list(group)
        if place is None:
            continue
        key = backing.layout.key_at_place(place)
        if not keys_of(backing, key) and not any(own_objects_of(backing, key)):
            yield _facts_of(key, found, behind)


def _facts_of(key: str, found: Sequence[ObjectFacts], behind: timedelta) -> BlobFacts:
    stored_bytes = sum(facts.size for facts in found)
    return BlobFacts(key, max(facts.modified_at for facts in found) + behind, stored_bytes, stored_bytes)


def unnamed_pieces(backing: Backing, prefix: str = "") -> Iterator[ObjectFacts]:
    """The pieces, of all blobs or of those below a prefix, that no row names."""
    for page in backing.objects.list(prefix or backing.layout.piece_prefix):
        named = named_of(backing, [facts.name for facts in page])
        yield from (facts for facts in page if facts.name not in named)


def named_of(backing: Backing, names: Collection[str], *, but_by: Collection[str] = ()) -> set[str]:
    """Those of the objects that rows name, other rows than those of some blobs."""
    by_these = (_pieces.c.room == backing.layout.name) & _pieces.c.key.in_(but_by)
    with backing.database.read() as session:
        return set(session.scalars(select(_pieces.c.object).where(_pieces.c.object.in_(names), ~by_these)))


def _with_rows(backing: Backing, keys: Collection[str]) -> set[str]:
    of_these = (_pieces.c.room == backing.layout.name) & _pieces.c.key.in_(keys)
    with backing.database.read() as session:
        return set(session.scalars(select(_pieces.c.key).where(of_these).distinct()))


def keys_of(backing: Backing, key: Key) -> list[str]:
    """The blobs that have rows, of a group or the one."""
    if not backing.layout.is_group(key):
        name = backing.layout.key_of(key)
        return [name] if backing.find_end(name) is not None else []
    with backing.database.read_rows() as rows:
        return backing.rows.keys_of_group(rows, str(key))


def own_objects_of(backing: Backing, key: Key) -> Iterator[ObjectFacts]:
    """The object that a blob is, or those of a group."""
    if backing.layout.is_group(key):
        for page in backing.objects.list(backing.layout.group_prefix_of(key)):
            yield from page
    elif facts := backing.objects.head(backing.layout.own_name(key)):
        yield facts


def find_lacking(backing: Backing, keys: Sequence[AnyKey]) -> list[AnyKey]:
    """Those of some blobs or groups of which bytes, or all, are not there.

    Blobs of one object are looked for in a listing of all from the first to the last: a hundredth of what it costs to
    ask for each.
    """
    by_place = {backing.layout.room.place_of(key): key for key in keys}
    there = _places_between(backing, min(by_place), max(by_place)) if by_place else set()
    absent = [key for place, key in by_place.items() if place not in there]
    return [key for key in absent if not _is_whole_in_pieces(backing, key) and not any(own_objects_of(backing, key))]


def _places_between(backing: Backing, first: str, last: str) -> set[str]:
    """The places of all objects at names of their own, from the first place to the last."""
    layout = backing.layout
    found: set[str] = set()
    for page in backing.objects.list(layout.own_prefix, after=f"{layout.own_prefix}{first}"[:-1]):
        keys = [key for facts in page if (key := layout.key_at(facts.name)) is not None]
        places = [layout.room.place_of(key) for key in keys]
        found.update(place for place in places if first <= place <= last)
        if places and places[-1] > last:
            break
    return found


def _is_whole_in_pieces(backing: Backing, key: Key) -> bool:
    """Whether there are pieces, and the objects of all of them are there."""
    keys = keys_of(backing, key)
    with backing.database.read_rows() as rows:
        named = {piece.object for each in keys for piece in backing.rows.find(rows, each)}
    if not named:
        return False
    there = {facts.name for page in backing.objects.list(backing.layout.piece_prefix_of(key)) for facts in page}
    waits = [backing.objects.begin(methodcaller("head", name)) for name in sorted(named - there)]
    found = [wait() for wait in waits]  # all of them must be waited for
    return all(found)
