"""Who uses what, without a lock on it yet: shown to other processes when it has lasted a second.

A request that is shorter costs no row: to whoever removes what rests it is one that came a second later, and finds
nothing.
"""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from transfer_service.errors import RangeBusy, TransferError
from transfer_service.storage.lease_rows import place_values

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from transfer_service.storage.lease_keeper import Leases

SHOWN_AFTER_SECONDS = 1.0
REMOVAL_SECONDS = 5.0
"""Nobody has a unit alone for longer than a removal takes."""
POLL_SECONDS = 0.02


@dataclass(slots=True)
class _Use:
    """Requests of this process that use a unit, since when, and by which row others see it."""

    count: int
    since: float
    row_id: str | None = None


class Presence:
    """The units that this process uses, and those that it has alone."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._uses: dict[tuple[str, str], _Use] = {}
        self._alone: set[tuple[str, str]] = set()
        self.row_ids: set[str] = set()
        self._guard = Lock()

    @property
    def is_needed(self) -> bool:
        """Whether anything must be renewed."""
        return bool(self._uses or self._alone)

    @contextmanager
    def in_use(self, room: str, unit: str) -> Iterator[None]:
        """Show that the unit is in use. Raises RangeBusy where this process is just removing it, for long."""
        place, deadline = (room, unit), time.monotonic() + REMOVAL_SECONDS
        while not self._begin_use(place):
            if time.monotonic() > deadline:
                raise RangeBusy
            time.sleep(POLL_SECONDS)
        self._leases.run()
        try:
            yield
        finally:
            self._end_use(place)

    def _begin_use(self, place: tuple[str, str]) -> bool:
        with self._guard:
            if place not in self._alone:
                self._uses.setdefault(place, _Use(0, time.monotonic())).count += 1
            return place not in self._alone

    def _end_use(self, place: tuple[str, str]) -> None:
        with self._guard:
            use = self._uses[place]
            use.count -= 1
            if not use.count:
                del self._uses[place]
            shown = None if use.count else use.row_id
        if shown is not None:
            self._hide(place, shown)

    def _hide(self, place: tuple[str, str], row_id: str) -> None:
        self.row_ids.discard(row_id)
        self._leases.remove(self._values(place, row_id))

    @contextmanager
    def alone(self, room: str, unit: str) -> Iterator[bool]:
        """Whether nobody uses the unit: then no other process locks it, and nobody here uses it, until the block ends.

        This process itself may lock it: who removes something does.
        """
        place = (room, unit)
        with self._guard:
            is_free = place not in self._uses and place not in self._alone
            if is_free:
                self._alone.add(place)
        if not is_free:
            yield False
            return
        try:
            with self._secluded(place) as is_alone:
                yield is_alone
        finally:
            self._alone.discard(place)

    @contextmanager
    def _secluded(self, place: tuple[str, str]) -> Iterator[bool]:
        self._leases.begin()
        values = self._values(place, row_id := uuid.uuid4().hex)
        self.row_ids.add(row_id)
        is_alone = True
        try:
            is_alone = self._leases.rows.seclude(values)
            yield is_alone
        finally:
            self.row_ids.discard(row_id)
            if is_alone:
                self._leases.remove(values)

    def renew(self, found: Container[str]) -> None:
        """Show what has been in use for a while, and again what others have taken for a dead process's."""
        youngest = time.monotonic() - SHOWN_AFTER_SECONDS
        for place, use in list(self._uses.items()):
            if use.since > youngest or (use.row_id is not None and use.row_id in found):
                continue
            row_id = uuid.uuid4().hex
            self.row_ids = (self.row_ids - {use.row_id or ""}) | {row_id}
            try:
                self._leases.rows.use(self._values(place, row_id))
            except TransferError:
                self.row_ids.discard(row_id)  # should there be one nevertheless, it is a stray
                raise
            with self._guard:
                is_over = self._uses.get(place) is not use
                if not is_over:
                    use.row_id = row_id
            if is_over:
                self._hide(place, row_id)

    def _values(self, place: tuple[str, str], row_id: str) -> dict[str, object]:
        return {"id": row_id, "process": self._leases.process_id, **place_values(*place)}
