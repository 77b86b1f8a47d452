"""The same histories over a store that refuses calls, does not hear them, or does them and is not heard."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from tests import faulty_store as faults
from tests.faulty_store import Fault, FaultyStore, faulty_store
from tests.storage.s3.histories import PIECE, History
from transfer_service.db.database import Database
from transfer_service.storage.s3 import connection
from transfer_service.storage.s3.objects import Objects

__all__ = ["faulty_store"]

FAULTS = [
    faults.refusal("503 Slow Down", "SlowDown"),
    faults.refusal("500 Internal Server Error", "InternalError"),
    faults.unheard,
    faults.lost_answer,
]
TRIES = 2


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PAUSES", (0.001,) * (TRIES - 1))
    monkeypatch.setattr(connection, "AWAY_SECONDS", 0.0)


class SameObjects(Objects):
    """Calls of another process over the connections of this one: they are slow to make."""

    def __init__(self, objects: Objects) -> None:
        self.__dict__.update(objects.__dict__)


@dataclass
class FaultyHistory(History):
    """Calls are real ones. A store takes no small parts, so objects are made of one."""

    store: FaultyStore | None = None
    object_bytes: int = PIECE
    steps_with_faults: int = 0
    _faults: int = 0
    _read: dict[str, bytes] = field(default_factory=dict)

    _objects: Objects | None = None

    def _new_objects(self) -> Objects:
        assert self.store is not None
        self._objects = self._objects or Objects(self.store.address)
        return SameObjects(self._objects)

    def stored(self) -> Mapping[str, bytes]:
        objects = self._new_objects()
        found = [each for page in objects.list(f"{self.prefix}/") for each in page]
        for facts in found:
            if facts.name not in self._read or "/pieces/" not in facts.name:  # what pieces have never changes
                self._read[facts.name] = objects.get(facts.name, 0, facts.size)
        return {facts.name: self._read[facts.name] for facts in found}

    def _fault(self) -> Callable[[str, str], None]:
        assert self.store is not None
        fault: Fault = self.random.choice(FAULTS)
        self._faults = self.random.randint(1, 2 * TRIES)
        self.store.faults = deque([*[None] * self.random.randint(0, 6), *[fault] * self._faults])
        return super()._fault()

    def _step(self, fault: Callable[[str, str], None]) -> None:
        assert self.store is not None
        super()._step(fault)
        self.steps_with_faults += len(self.store.faults) < self._faults
        self.store.faults.clear()


@pytest.mark.parametrize("seed", range(3))
def test_no_fault_of_the_store_loses_a_byte_or_leaves_an_object(
    database: Database, faulty_store: FaultyStore, seed: int
) -> None:
    history = FaultyHistory(seed, database, store=faulty_store)
    history.run(25)
    assert history.steps_with_faults > 3
    assert history.made["whole"] + history.made["part"] > 3
