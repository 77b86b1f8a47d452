"""What is on the disk before a resumable upload's facts say that it is there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.services.uploads.bench import Append, Client, Uploads, make_uploads
from transfer_service.bootstrap import build_core
from transfer_service.models.files import File, FileState
from transfer_service.services.digests import RunningDigests
from transfer_service.services.durability import Durability
from transfer_service.services.files.files import FileService
from transfer_service.services.files.finishing import Completion
from transfer_service.services.uploads.appends import Appends, Piece
from transfer_service.services.uploads.concatenation import Concatenation
from transfer_service.services.uploads.finishing import UploadCompletion
from transfer_service.services.uploads.lookup import Displacement, UploadLookup
from transfer_service.services.uploads.progress import ProgressNews
from transfer_service.storage.blobs import Key
from transfer_service.storage.disk import DiskStore, DiskWriter
from transfer_service.storage.rooms import FILES
from transfer_service.wire.ranges import Span

pytestmark = pytest.mark.long

__all__ = ["make_uploads"]


class WatchedStore(DiskStore):
    """A store that notes, when a blob is flushed, how long it is and what the facts say at that moment."""

    def __init__(self, root: Path, uploads: Uploads) -> None:
        super().__init__(root, FILES)
        self.uploads = uploads
        self.flushes: list[tuple[int, int, FileState]] = []

    def sync(self, key: Key) -> None:
        super().sync(key)
        self.note(key)

    @contextmanager
    def take_over(self, key: Key, span: Span, *, create: bool, wait_seconds: float) -> Iterator[DiskWriter]:
        with super().take_over(key, span, create=create, wait_seconds=wait_seconds) as writer:
            yield WatchedWriter(writer, partial(self.note, key))

    def note(self, key: Key) -> None:
        with self.uploads.services.database.read() as session:
            file = session.get_one(File, key)
        self.flushes.append((self.size(key), file.received_bytes, file.state))


class WatchedWriter(DiskWriter):
    """The same writer, which tells when it has flushed."""

    def __init__(self, writer: DiskWriter, note: Callable[[], None]) -> None:
        super().__init__(writer._files, writer._key, writer._lock)
        self._note = note

    def sync(self) -> None:
        super().sync()
        self._note()


def appends_on(store: WatchedStore, *, durability: Durability) -> Appends:
    """As the service is wired, on that store."""
    uploads = store.uploads
    core = replace(
        build_core(uploads.settings, uploads.clock),
        database=uploads.services.database,
        store=store,
        durability=durability,
    )
    completion = Completion(core, digests=RunningDigests(store=store, offload=core.offload))
    files = FileService(core, completion=completion)
    news = ProgressNews(uploads.told.append)
    upload_completion = UploadCompletion(
        core, files=files, completion=completion, concatenation=Concatenation(core, files=files), news=news
    )
    displacement = Displacement(claims=store.claims)
    return Appends(
        core,
        files=files,
        lookup=UploadLookup(core),
        displacement=displacement,
        completion=upload_completion,
        news=news,
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
