"""What lies in the stores without records: set aside for some days, never removed at once, and put back when missed.

A row is committed before its bytes are made, and goes before they do. So bytes without a row belong to nobody, or the
database is an older one, a new one, or another installation's. Nobody can tell from here. Therefore they move to a
quarantine first, whoever has a row again gets them back, and many at once stay where they are.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from transfer_service.storage.blobs import BlobFacts, BlobStore
from transfer_service.storage.room_upkeep import KeptOrphan

ORPHAN_AGE = timedelta(hours=1)
MANY_SHARE = 0.1
MANY_BYTES = 1024**3
MOST_KEPT = 10_000
"""So many are kept in memory; if there are more, they are looked for once more."""


@dataclass(slots=True)
class Tally:
    """How many things of one kind there were, and how many bytes of disk they take."""

    count: int = 0
    bytes: int = 0

    def add(self, stored_bytes: int) -> None:
        """Count one more."""
        self.count += 1
        self.bytes += stored_bytes


class Shelf(Protocol):
    """One room of the store, and the records that belong to what is in it."""

    @property
    def store(self) -> BlobStore:
        """The room."""

    @property
    def must_be_there(self) -> bool:
        """Whether a record without its bytes is a loss."""

    def batches(self) -> Iterator[Sequence[BlobFacts]]:
        """All that is stored and should have records, in no order."""

    def known(self, keys: Collection[str]) -> set[str]:
        """Those that have records."""

    def expected(self) -> Iterator[Sequence[str]]:
        """The keys that records need bytes for."""

    def set_aside(self, key: str, *, now: datetime) -> bool:
        """Move it to the quarantine, unless it has records by now. Whether it went."""


@dataclass(slots=True)
class Findings:
    """What came of one look at every shelf. `set_aside` has the tally of each shelf, by its name."""

    set_aside: dict[str, Tally] = field(default_factory=dict)
    restored: Tally = field(default_factory=Tally)
    expired: Tally = field(default_factory=Tally)
    left: Tally = field(default_factory=Tally)
    in_quarantine: Tally = field(default_factory=Tally)


@dataclass(slots=True)
class _Found:
    """Orphans, each with the name of its shelf: the first ones, and the tally of all beside how many things there are.

    A store may hold millions of them, where the database is another one's.
    """

    first: list[tuple[str, BlobFacts]] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    length: int = 0
    total: int = 0

    def add(self, name: str, orphan: BlobFacts) -> None:
        """One more."""
        self.tally.add(orphan.stored_bytes)
        self.length += orphan.length
        if len(self.first) < MOST_KEPT:
            self.first.append((name, orphan))

    @property
    def are_many(self) -> bool:
        """Whether they are rather a sign that the database is not the right one."""
        return self.tally.count > MANY_SHARE * self.total or self.length > MANY_BYTES


class Orphans:
    """Sets orphans aside, puts them back and removes them when their days are over."""

    def __init__(self, *, shelves: dict[str, Shelf], now: Callable[[], datetime], kept_for: timedelta) -> None:
        self._shelves = shelves
        self._now = now
        self._kept_for = kept_for

    def sweep(self, *, dry_run: bool, even_many: bool) -> Findings:
        """Put back what is missed, remove what is past its days, set aside what is new, unless that is too much.

        `even_many` sets aside also more than MANY_SHARE of all that is stored, or MANY_BYTES.
        """
        findings = Findings(set_aside={name: Tally() for name in self._shelves})
        self.restore(findings, dry_run=dry_run)
        self._remove_expired(findings, dry_run)
        found = self._look()
        if found.are_many and not even_many:
            findings.left = found.tally
        else:
            for name, orphan in found.first if found.tally.count == len(found.first) else self._orphans():
                if dry_run or self._set_aside(self._shelves[name], orphan):
                    findings.set_aside[name].add(orphan.stored_bytes)
        for _, item in self._kept():
            findings.in_quarantine.add(item.stored_bytes)
        return findings

    def restore(self, findings: Findings | None = None, *, dry_run: bool = False) -> int:
        """Put everything back that has records again. How many things that were."""
        restored = Tally()
        for shelf in self._shelves.values():
            for batch in _batches(shelf.store.quarantine.items()):
                known = shelf.known({item.key for item in batch})
                for item in batch:
                    kept = shelf.store.quarantine
                    if item.key in known and kept.is_missed(item) and (dry_run or kept.take_back(item)):
                        restored.add(item.stored_bytes)
        if findings is not None:
            findings.restored = restored
        return restored.count

    def _remove_expired(self, findings: Findings, dry_run: bool) -> None:
        youngest = self._now() - self._kept_for
        for shelf, item in list(self._kept()):
            if item.since < youngest and not (dry_run and self._is_missed(shelf, item)):
                findings.expired.add(item.stored_bytes)
                if not dry_run:
                    shelf.store.quarantine.remove(item)

    @staticmethod
    def _is_missed(shelf: Shelf, item: KeptOrphan) -> bool:
        return bool(shelf.known({item.key})) and shelf.store.quarantine.is_missed(item)

    def _look(self) -> "_Found":
        """Count everything, and keep the orphans as long as they are few."""
        found = _Found()
        for name, orphan in self._orphans(found):
            found.add(name, orphan)
        return found

    def _orphans(self, found: "_Found | None" = None) -> Iterator[tuple[str, BlobFacts]]:
        """Every orphan, with the name of its shelf. What there is at all is counted in `found`."""
        youngest = self._now() - ORPHAN_AGE
        for name, shelf in self._shelves.items():
            for batch in shelf.batches():
                if found is not None:
                    found.total += len(batch)
                unknown = _unknown(shelf, [each for each in batch if each.modified_at < youngest])
                free = [each for each in unknown if not shelf.store.claims.is_in_use(each.key)]
                # Asked again: what was posted while we looked is not in use any more, but known.
                yield from ((name, each) for each in _unknown(shelf, free))

    def _set_aside(self, shelf: Shelf, orphan: BlobFacts) -> bool:
        return not shelf.store.claims.is_in_use(orphan.key) and shelf.set_aside(orphan.key, now=self._now())

    def _kept(self) -> Iterator[tuple[Shelf, KeptOrphan]]:
        for shelf in self._shelves.values():
            for item in shelf.store.quarantine.items():
                yield shelf, item


def _unknown(shelf: Shelf, things: Sequence[BlobFacts]) -> list[BlobFacts]:
    known = shelf.known({each.key for each in things}) if things else set()
    return [each for each in things if each.key not in known]


def _batches(items: Sequence[KeptOrphan], size: int = 500) -> Iterator[Sequence[KeptOrphan]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
