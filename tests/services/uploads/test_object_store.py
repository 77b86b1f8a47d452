"""Uploads over two instances with a real object store: finished at either, and read back once."""

import hashlib
import itertools
from collections.abc import Callable

import pytest

from tests.live.server import wait_until
from tests.object_store import object_store_server, object_store_url
from tests.services.uploads.bench import Client, Uploads, announced, make_uploads
from transfer_service.errors import UploadEnded

__all__ = ["make_uploads", "object_store_server", "object_store_url"]

DATA = hashlib.shake_128(b"far away").digest(9_000_000)
PLACES = (0, 8_500_000, 8_700_000, len(DATA))


@pytest.fixture
def uploads(make_uploads: Callable[..., Uploads], object_store_url: str) -> Uploads:
    return make_uploads(storage_url=object_store_url)


def test_an_upload_goes_on_and_ends_at_another_instance(uploads: Uploads) -> None:
    upload, instances = uploads.begin(len(DATA)), [uploads, uploads.another_instance()]
    for number, (start, stop) in enumerate(itertools.pairwise(PLACES)):
        instance = instances[number % 2]
        instance.put(instance.look(upload), announced(DATA[start:stop], is_atomic=number == 1), offset=start)
    wait_until(lambda: uploads.look(upload).is_finished)
    assert [instance.file() == DATA for instance in instances] == [True, True]


def test_chunks_at_two_instances_become_a_file(uploads: Uploads) -> None:
    other = uploads.another_instance()
    other.append(600_000, DATA[600_000:900_000], total=900_000)
    uploads.append(0, DATA[:600_000], total=900_000)
    wait_until(lambda: (found := other.find()) is not None and found.is_complete)
    assert (uploads.file(), other.file()) == (DATA[:900_000], DATA[:900_000])


def test_nothing_and_little_are_files_too(uploads: Uploads) -> None:
    assert uploads.begin(0, "nothing.bin").is_finished
    uploads.store(b"little", "little.bin", length=6)
    assert [uploads.file(name) for name in ("nothing.bin", "little.bin")] == [b"", b"little"]


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_the_first_append_hears_of_a_cancellation_before_anything_counts(uploads: Uploads, is_elsewhere: bool) -> None:
    upload, other = uploads.begin(len(DATA)), uploads.another_instance() if is_elsewhere else uploads
    stalled = announced(DATA[:1000], lambda: other.cancel(upload), Client.STALLS, announced=len(DATA))
    assert uploads.error_of(lambda: uploads.put(upload, stalled, offset=0)) is UploadEnded
    assert other.services.store.stored_bytes(upload.id) is None
