"""Listings of many objects: what they cost in memory, and what they tell."""

import random
import tracemalloc
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.storage.s3.rig import Rig
from transfer_service.db.database import Database
from transfer_service.services.upkeep.orphans import Orphans
from transfer_service.storage.blobs import BlobFacts
from transfer_service.storage.s3 import listing
from transfer_service.storage.s3.layout import RoomLayout
from transfer_service.storage.s3.objects import ObjectFacts, Objects
from transfer_service.wire.ranges import Span
from transfer_service.wire.store_addresses import StoreAddress

MANY = 30_000
OLD = datetime.now(UTC) - timedelta(days=2)


class EndlessObjects:
    """A bucket with very many files, which are made as they are listed."""

    layout: RoomLayout

    def now(self) -> datetime:
        return datetime.now(UTC)

    def list(self, prefix: str, *, after: str = "") -> Iterator[list[ObjectFacts]]:
        if prefix != self.layout.own_prefix:
            yield []
            return
        for start in range(0, MANY, 1000):
            keys = [uuid.UUID(int=(start + number) << 100) for number in range(1000)]
            page = [ObjectFacts(self.layout.own_name(key), 10, '"e"', OLD) for key in keys]
            if page[-1].name > after:
                yield page

    def head(self, _name: str) -> None:
        return None

    def begin(self, work: Callable[[Any], Any]) -> Callable[[], Any]:
        return lambda: work(self)


@pytest.fixture
def many(database: Database) -> Rig:
    objects = EndlessObjects()
    rig = Rig(objects, database)  # type: ignore[arg-type]
    objects.layout = rig.layout
    return rig


class Shelf:
    """Very many blobs, of which some are known."""

    must_be_there = True

    def __init__(self, rig: Rig, known: Callable[[Collection[str]], set[str]]) -> None:
        self.rig, self.known = rig, known
        self.store: Any = self
        self.claims = self.quarantine = self

    def batches(self) -> Iterator[Sequence[BlobFacts]]:
        return listing.batches(self.rig.backing)

    def expected(self) -> Iterator[Sequence[str]]:
        return iter(())

    def set_aside(self, _key: str, *, now: datetime) -> bool:  # noqa: ARG002
        return True

    def is_in_use(self, _key: str) -> bool:
        return False

    def items(self) -> Sequence[Any]:
        return []


@pytest.mark.alone
@pytest.mark.parametrize("is_known", [True, False], ids=["known", "orphans"])
def test_any_number_of_objects_is_swept_in_bounded_memory(
    many: Rig, is_known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transfer_service.services.upkeep.orphans.MOST_KEPT", 1000)
    shelf: Any = Shelf(many, lambda keys: {*keys} if is_known else set())
    orphans = Orphans(shelves={"blobs": shelf}, now=lambda: datetime.now(UTC), kept_for=timedelta(days=7))
    tracemalloc.start()
    try:
        findings = orphans.sweep(dry_run=False, even_many=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (findings.left.count, findings.set_aside["blobs"].count) == (0 if is_known else MANY, 0)
    assert peak < 5 * 1024 * 1024  # all of them would take 10 MiB


def test_what_lacks_is_found_by_listing_from_the_first_to_the_last(many: Rig) -> None:
    chance = random.Random(1)
    numbers = sorted(chance.sample(range(20_000, 21_000), 200))
    there = [uuid.UUID(int=number << 100) for number in numbers]
    lost = [uuid.UUID(int=(number << 100) + 1) for number in numbers[::40]]
    assert set(listing.find_lacking(many.backing, sorted([*there, *lost]))) == set(lost)
    assert listing.find_lacking(many.backing, there[:1]) == []
    assert listing.find_lacking(many.backing, lost[:1]) == lost[:1]
    none: list[uuid.UUID] = []
    assert listing.find_lacking(many.backing, none) == []


def test_pieces_that_another_blob_shares_or_was_moved_to_are_its_own(
    objects: Objects, store_address: StoreAddress, database: Database
) -> None:
    rig = Rig(objects, database, prefix=store_address.prefix)
    first, second = uuid.uuid4(), uuid.uuid4()
    rig.put(first, b"abc")
    with rig.writer(second) as writer:
        writer.copy(first, Span(0, 3), to=0)
        rig.record(writer)
    with rig.database.write_rows() as rows:
        rig.rows.remove(rows, first.hex)
    found = {facts.key: facts.length for batch in listing.batches(rig.backing) for facts in batch}
    assert first.hex not in found
    assert found[second.hex] == 3
    assert list(listing.unnamed_pieces(rig.backing)) == []
    assert listing.find_lacking(rig.backing, [first, second]) == [first]
