"""Requests that are about to use a blob, and who would remove it."""

import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from tests.storage.other_process import REPOSITORY
from transfer_service.errors import RangeBusy
from transfer_service.storage import range_locks
from transfer_service.storage.disk import DiskStore
from transfer_service.wire.ranges import Span

_USE = """
import sys, uuid
from pathlib import Path
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.rooms import FILES

with DiskStore(Path(sys.argv[1]), FILES).claims.in_use(uuid.UUID(sys.argv[2])):
    print("in use", flush=True)
    sys.stdin.read()
"""


def put(store: DiskStore, blob_id: uuid.UUID) -> None:
    with store.open_writer(blob_id, Span(0, 3), create=True, wait_seconds=0) as writer:
        writer.write(0, [b"abc"])


def is_free(store: DiskStore, blob_id: uuid.UUID) -> bool:
    with store.claims.secluded(blob_id) as free:
        return free


def test_what_nobody_uses_is_free(store: DiskStore, blob_id: uuid.UUID) -> None:
    assert is_free(store, blob_id)
    put(store, blob_id)
    assert is_free(store, blob_id)


def test_what_many_use_is_not_free_until_the_last_one_has_ended(store: DiskStore, blob_id: uuid.UUID) -> None:
    put(store, blob_id)
    with store.claims.in_use(blob_id):
        with store.claims.in_use(blob_id):
            assert not is_free(store, blob_id)
        assert not is_free(store, blob_id)
    assert is_free(store, blob_id)


def test_who_uses_it_may_write_too(store: DiskStore, blob_id: uuid.UUID) -> None:
    put(store, blob_id)
    with store.claims.in_use(blob_id):
        assert not store.claims.is_in_use(blob_id)  # nothing is claimed
        put(store, blob_id)


def test_a_claim_alone_is_use_enough(store: DiskStore, blob_id: uuid.UUID) -> None:
    with store.open_writer(blob_id, Span(5, 9), create=True, wait_seconds=0):
        assert not is_free(store, blob_id)


def test_nobody_begins_to_use_what_is_secluded(
    store: DiskStore, blob_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(range_locks, "REMOVAL_SECONDS", 0.1)
    put(store, blob_id)
    with store.claims.secluded(blob_id), pytest.raises(RangeBusy), store.claims.in_use(blob_id):
        pass
    with store.claims.in_use(blob_id):
        pass


def test_who_waited_for_a_removal_finds_nothing(store: DiskStore, blob_id: uuid.UUID) -> None:
    put(store, blob_id)
    found: list[int | None] = []

    def use() -> None:
        with store.claims.in_use(blob_id):
            found.append(store.stored_bytes(blob_id))

    waiting = threading.Thread(target=use)
    with store.claims.secluded(blob_id):
        waiting.start()
        time.sleep(0.1)
        assert found == []
        store.delete(blob_id)
    waiting.join()
    assert found == [None]


def test_the_use_ends_with_the_process(store: DiskStore, root: Path, blob_id: uuid.UUID) -> None:
    put(store, blob_id)
    command = [sys.executable, "-c", _USE, str(root), str(blob_id)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"in use\n"
        assert not is_free(store, blob_id)
        process.kill()
    assert is_free(store, blob_id)
