"""Rows of pieces: what was added last counts, and whatever nobody names any more is noted."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.prepared import migrate
from transfer_service.db.database import Database
from transfer_service.models.pieces import DiscardedObject, ScatteredBlob
from transfer_service.storage.blobs import END, WHOLE
from transfer_service.storage.s3 import discards
from transfer_service.storage.s3.discards import Discards
from transfer_service.storage.s3.pieces import Piece, PieceRows
from transfer_service.wire.ranges import Span

ROWS = PieceRows("blobs", lambda key: f"own-{key}")
KEY = "k"
LATER = datetime.now(UTC) + timedelta(hours=2)


class Objects:
    """Names that were removed, in place of a store."""

    def __init__(self) -> None:
        self.removed: list[str] = []

    def delete(self, names: Sequence[str], /) -> None:
        self.removed += names


def piece(start: int, stop: int, name: str, offset: int = 0) -> Piece:
    return Piece(Span(start, stop), name, offset)


def add(database: Database, *pieces: Piece, key: str = KEY) -> set[str]:
    with database.write_rows() as rows:
        return ROWS.add(rows, key, pieces)


def found(database: Database, span: Span = WHOLE, key: str = KEY) -> list[Piece]:
    with database.read_rows() as rows:
        return ROWS.find(rows, key, span)


def noted(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(DiscardedObject.name)))


def test_pieces_are_found_by_any_byte_that_they_hold_and_in_their_order(any_database: Database) -> None:
    first, second, third = piece(0, 8, "a"), piece(8, 10, "b", 3), piece(100, 200, "c")
    add(any_database, third, first)
    add(any_database, second)
    add(any_database, piece(0, 50, "z"), key="other")
    assert found(any_database) == [first, second, third]
    assert found(any_database, Span(7, 9)) == [first, second]
    assert found(any_database, Span(150, 151)) == [third]
    assert found(any_database, Span(10, 100)) == found(any_database, Span(200, END)) == []
    with any_database.read_rows() as rows:
        assert (ROWS.find_end(rows, KEY), ROWS.find_end(rows, "none")) == (200, None)


A, B = piece(0, 10, "a"), piece(20, 25, "b")


@pytest.mark.parametrize(
    ("new", "left", "gone"),
    [
        pytest.param(piece(2, 6, "n"), [piece(0, 2, "a"), piece(2, 6, "n"), piece(6, 10, "a", 6), B], "", id="inside"),
        pytest.param(piece(0, 10, "n"), [piece(0, 10, "n"), B], "a", id="all"),
        pytest.param(piece(0, 30, "n"), [piece(0, 30, "n")], "ab", id="more"),
        pytest.param(piece(5, 25, "n"), [piece(0, 5, "a"), piece(5, 25, "n")], "b", id="end-and-all-of-another"),
        pytest.param(piece(10, 20, "n"), [A, piece(10, 20, "n"), B], "", id="gap"),
        pytest.param(A, [A, B], "", id="the-same-again"),
    ],
)
def test_what_is_added_replaces_what_it_overlaps(
    any_database: Database, new: Piece, left: list[Piece], gone: str
) -> None:
    add(any_database, A, B)
    assert add(any_database, new) == set(gone)
    assert (found(any_database), noted(any_database)) == (left, set(gone))


def test_cutting_leaves_a_blob_that_is_there_and_empty(any_database: Database) -> None:
    add(any_database, piece(0, 10, "a"), piece(10, 20, "b"))
    with any_database.write_rows() as rows:
        assert ROWS.cut(rows, KEY, 15) == set()
        assert ROWS.cut(rows, KEY, 4) == {"b"}
    assert found(any_database) == [piece(0, 4, "a")]
    with any_database.write_rows() as rows:
        assert ROWS.cut(rows, KEY, 0) == {"a"}
    assert found(any_database) == [piece(0, 0, f"own-{KEY}")]
    add(any_database, piece(0, 3, "c"))
    assert (found(any_database), noted(any_database)) == ([piece(0, 3, "c")], {"a", "b"})


def test_pieces_move_to_another_blob_in_place_of_its_own(any_database: Database) -> None:
    add(any_database, piece(0, 10, "a"))
    add(any_database, piece(0, 5, "old"), key="target")
    with any_database.write_rows() as rows:
        ROWS.note_scattered(rows, "target", 5)
        assert ROWS.move(rows, KEY, "target") == {"old"}
    assert (found(any_database), found(any_database, key="target")) == ([], [piece(0, 10, "a")])
    with any_database.read() as session:
        assert session.scalars(select(ScatteredBlob.key)).all() == []


def test_a_group_is_its_keys_and_no_others(any_database: Database) -> None:
    for key in ("ab/x", "ab/ä", "ab", "ab0", "abc/x", "aB/x", "ab.x"):
        add(any_database, piece(0, 1, key), key=key)
    with any_database.read_rows() as rows:
        assert sorted(ROWS.keys_of_group(rows, "ab")) == ["ab/x", "ab/ä"]


def test_the_object_at_the_own_name_goes_with_the_blob_only(any_database: Database) -> None:
    add(any_database, piece(0, 10, f"own-{KEY}"))
    assert add(any_database, piece(0, 10, "a")) == set()
    with any_database.write_rows() as rows:
        assert ROWS.remove(rows, KEY) == {"a"}
    assert noted(any_database) == {"a"}


def test_only_what_nobody_names_is_removed_and_what_is_in_doubt_not_yet(any_database: Database) -> None:
    objects, now = Objects(), datetime.now(UTC)
    removing = Discards(any_database, objects)
    add(any_database, piece(0, 10, "a"))
    add(any_database, piece(0, 5, "shared"), key="one")
    add(any_database, piece(0, 5, "shared"), key="other")
    with any_database.write_rows() as rows:
        freed = ROWS.remove(rows, "one") | ROWS.remove(rows, KEY)
    removing.note(["doubtful", "a"], due_at=now + discards.IN_DOUBT)
    assert removing.remove(freed) == 1
    assert objects.removed == ["a"]
    assert (removing.finish(now=now), noted(any_database)) == (0, {"doubtful"})
    assert removing.finish(now=LATER, dry_run=True) == removing.finish(now=LATER) == 1
    assert (objects.removed, noted(any_database)) == (["a", "doubtful"], set())


def test_one_note_by_two_transactions_at_once_is_one_note(any_database: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def note_slowly() -> None:
        with any_database.write_rows() as rows:
            discards.note(rows, ["a", "b"])
            begun.set()
            go_on.wait(20)

    first = threading.Thread(target=note_slowly)
    first.start()
    assert begun.wait(20)
    second = threading.Thread(target=lambda: Discards(any_database, Objects()).note(["b", "a"]))
    second.start()
    go_on.set()
    first.join(20)
    second.join(20)
    assert noted(any_database) == {"a", "b"}


def test_what_is_shared_stays_until_the_transaction_that_shares_it_has_ended(postgres_url: str) -> None:
    migrate(postgres_url)
    database = Database(postgres_url)
    add(database, piece(0, 5, "a"), key="source")
    with database.write_rows() as rows:
        assert ROWS.hold(rows, "source", WHOLE) == [piece(0, 5, "a")]
        removal = threading.Thread(target=lambda: _remove(database, "source"))
        removal.start()
        removal.join(0.3)
        assert removal.is_alive()
        ROWS.add(rows, KEY, [piece(0, 5, "a")])
    removal.join(20)
    objects = Objects()
    assert Discards(database, objects).remove(["a"]) == 0
    assert (found(database, key="source"), found(database)) == ([], [piece(0, 5, "a")])
    database.dispose()


def _remove(database: Database, key: str) -> None:
    with database.write_rows() as rows:
        ROWS.remove(rows, key)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 30), st.integers(1, 12)),
        st.tuples(st.just("cut"), st.integers(0, 40), st.just(0)),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_any_steps_leave_what_a_list_of_bytes_would(database: Database, steps: list[tuple[str, int, int]]) -> None:
    """Each byte of the model knows the object and the place in it that it has come from."""
    with database.write_rows() as rows:
        ROWS.remove(rows, KEY)
    model: dict[int, tuple[str, int]] = {}
    for number, (step, start, size) in enumerate(steps):
        with database.write_rows() as rows:
            if step == "add":
                ROWS.add(rows, KEY, [piece(start, start + size, f"o{number}", 7)])
                model |= {start + place: (f"o{number}", 7 + place) for place in range(size)}
            else:
                ROWS.cut(rows, KEY, start)
                model = {place: origin for place, origin in model.items() if place < start}
    pieces = found(database)
    assert all(first.span.stop <= second.span.start for first, second in pairwise(pieces))
    assert {
        place: (each.object, each.offset + place - each.span.start)
        for each in pieces
        for place in range(each.span.start, each.span.stop)
    } == model
    assert {name for name, _ in model.values()}.isdisjoint(_freed(database, len(steps)))


def _freed(database: Database, count: int) -> set[str]:
    """What a removal would take, of those names."""
    objects = Objects()
    Discards(database, objects).remove([f"o{number}" for number in range(count)])
    return set(objects.removed)
