"""What is on the disk before a resumable upload's facts say that it is there."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from tests.services.uploads.bench import Append, Client, Uploads, make_uploads
from transfer_service.models.files import File, FileState
from transfer_service.services.digests import RunningDigests
from transfer_service.services.durability import Durability
from transfer_service.services.files.files import FileService
from transfer_service.services.files.finishing import Completion
from transfer_service.services.uploads.appends import Appends, Piece
from transfer_service.services.uploads.concatenation import Concatenation
from transfer_service.services.uploads.displacement import Displacement
from transfer_service.services.uploads.finishing import UploadCompletion
from transfer_service.services.uploads.lookup import UploadLookup
from transfer_service.services.uploads.progress import ProgressNews
from transfer_service.storage.disk import DiskStore
from transfer_service.threads import begin_offload, offload

__all__ = ["make_uploads"]


class WatchedStore(DiskStore):
    """A store that notes, when a blob is flushed, how long it is and what the facts say at that moment."""

    def __init__(self, root: Path, uploads: Uploads) -> None:
        super().__init__(root)
        self.uploads = uploads
        self.flushes: list[tuple[int, int, FileState]] = []

    def sync(self, blob_id: UUID) -> None:
        super().sync(blob_id)
        with self.uploads.services.database.read() as session:
            file = session.get_one(File, blob_id)
        self.flushes.append((self.size(blob_id), file.received_bytes, file.state))


def appends_on(store: WatchedStore, *, durability: Durability) -> Appends:
    """As the service is wired, on that store."""
    services, now = store.uploads.services, store.uploads.clock
    database, space = services.database, services.space
    digests = RunningDigests(store=store, offload=offload)
    completion = Completion(
        database=database, store=store, digests=digests, offload=offload, now=now, durability=durability
    )
    files = FileService(database=database, store=store, space=space, completion=completion, offload=offload)
    news = ProgressNews(store.uploads.told.append)
    concatenation = Concatenation(
        database=database, store=store, space=space, files=files, offload=offload, now=now, durability=durability
    )
    upload_completion = UploadCompletion(
        database=database,
        store=store,
        space=space,
        files=files,
        completion=completion,
        concatenation=concatenation,
        news=news,
        offload=offload,
        now=now,
    )
    return Appends(
        database=database,
        store=store,
        space=space,
        files=files,
        lookup=UploadLookup(database=database, now=now, stale_after=timedelta(hours=24)),
        displacement=Displacement(store=store, offload=offload),
        completion=upload_completion,
        news=news,
        offload=offload,
        begin_offload=begin_offload,
        now=now,
        durability=durability,
    )


BEGUN = FileState.RECEIVING


@pytest.mark.parametrize(
    ("durability", "flushes"),
    [
        pytest.param("process", [], id="process"),
        pytest.param("complete", [(9, 6, BEGUN)], id="complete"),
        pytest.param("ack", [(3, 0, BEGUN), (6, 3, BEGUN), (9, 6, BEGUN)], id="ack"),
    ],
)
def test_bytes_are_flushed_before_the_fact_that_tells_of_them(
    make_uploads: Callable[..., Uploads], durability: str, flushes: list[tuple[int, int, FileState]]
) -> None:
    uploads = make_uploads(durability=durability)
    store = WatchedStore(uploads.settings.blob_dir, uploads)
    levels = Durability(boot="boot", flush=durability != "process", flush_chunks=durability == "ack")
    appends = appends_on(store, durability=levels)
    upload = uploads.begin(9)
    appends.append(upload, Piece(offset=0), Append([b"abc", Client.PAUSES, b"def"]))
    appends.append(uploads.get(upload), Piece(offset=6), Append([b"ghi"]))
    assert store.flushes == flushes
    assert uploads.file() == b"abcdefghi"
