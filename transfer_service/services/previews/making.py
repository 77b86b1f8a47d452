"""Making previews: which one is next, its bytes to the maker, and what comes back to its place.

A preview is taken by a lease that is longer than the maker may work on it. Whoever has lost it, or whose file has gone,
changes nothing any more.
"""

import hashlib
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from typing import IO

import structlog

from transfer_service.db.database import Executor
from transfer_service.errors import BlobMissing, TransferError
from transfer_service.faults import fault_of, faults_named
from transfer_service.logs import log_error
from transfer_service.previewer.protocol import SECONDS, Job, Made
from transfer_service.services.core import Core
from transfer_service.services.previews import rows as preview_rows
from transfer_service.services.previews.maker import Maker, MakerDied, MakerMissing, MakerStopped
from transfer_service.services.previews.rows import URGENT, PreviewRecord
from transfer_service.services.previews.waiting import MADE
from transfer_service.storage.blobs import WHOLE, BlobStore, Key
from transfer_service.storage.bodies import BlobReader
from transfer_service.wire.media_signatures import HEAD_BYTES, Medium, medium_of
from transfer_service.wire.ranges import Span

LEASE = timedelta(seconds=SECONDS + 10)
MOST_DEATHS = 2
MOST_TRIES = 10
STOPS_AT_ONCE, MOST_PAUSES = 5, 5
FIRST_PAUSE, MISSING_PAUSE = timedelta(seconds=2), timedelta(seconds=60)
"""After a fault of the machine, then twice as long each time; and where there is no maker."""
LOOKED_AT = 50
"""Of so many that wait the first bytes are looked at, at a time."""
BROUGHT_BYTES = 256 * 1024**2
"""What is not longer is brought from a store on other machines whole; of a longer film its beginning and its end."""
BEGINNING_BYTES, END_BYTES = 64 * 1024**2, 16 * 1024**2
BLOCK_BYTES = 1024 * 1024
BLOCKS_A_PROLONGATION = 8


class PreviewMaking:
    """Makes previews, one for each call of `make`, from any number of greenlets and processes at once."""

    def __init__(self, core: Core, maker: Maker, *, lease: timedelta = LEASE) -> None:
        self._core = core
        self._database = core.database
        self._room = core.previews
        self._now = core.now
        self._maker = maker
        self._lease = lease
        self._is_missing = False

    def choose(self, most: int) -> list[str]:
        """What is next, at most so many. What is no picture and no film by its first bytes is passed over for good."""
        with self._database.read_rows() as rows:
            waiting = preview_rows.find_waiting(rows, self._now(), limit=LOOKED_AT)
        chosen: list[str] = []
        others: list[str] = []
        for subject in waiting:
            if len(chosen) == most:
                break
            (chosen if self._may_be_shown(subject) else others).append(subject)
        if others:
            with self._database.write_rows() as rows:
                self._tell(rows, others)
                preview_rows.drop(rows, others)
        return chosen

    def _may_be_shown(self, subject: str) -> bool:
        """Whether its first bytes are those of a medium; also where that cannot be told now."""
        try:
            with self._opened(subject) as found:
                return found is not None and medium_of(found[0].read(0, HEAD_BYTES)) is not None
        except TransferError:
            return True  # `make` will have the same trouble, and count it

    def make(self, subject: str) -> bool:
        """Make one preview, if nobody else is doing so. Whether there is anything to do now."""
        runner = uuid.uuid4()
        with self._database.write_rows() as rows:
            preview = preview_rows.claim(rows, subject, runner, self._now(), self._lease)
        if preview is None:
            return False
        try:
            return self._work(preview, runner)
        except Exception as error:  # noqa: BLE001 - the preview must not stay as it is
            fault = error if isinstance(error, TransferError) else fault_of(error)
            log_error(error)
            self._give_up(preview, runner, is_final=fault is None or preview.tries >= MOST_TRIES)
        except BaseException:  # this process is stopped
            self._put_back(preview, runner, timedelta(0), tries=preview.tries - 1)
            raise
        return True

    def _work(self, preview: PreviewRecord, runner: uuid.UUID) -> bool:
        subject = preview.subject
        try:
            with self._opened(subject) as found:
                if found is None:
                    raise BlobMissing
                reader, length = found
                with self._descriptor(reader, length, partial(self._keep, subject, runner)) as descriptor:
                    made = self._maker.make(descriptor, Job(length, is_urgent=preview.rank == URGENT))
        except BlobMissing:
            made = None
        except MakerDied:
            structlog.get_logger().warning("preview_maker_killed", subject=subject, deaths=preview.deaths + 1)
            if preview.deaths + 1 < MOST_DEATHS:
                self._put_back(preview, runner, timedelta(0), deaths=preview.deaths + 1)
                return True
            made = None
        except MakerStopped:
            self._put_back(preview, runner, _pause_after_stops(preview.tries))
            return True
        except MakerMissing as error:
            self._tell_missing(error)
            self._put_back(preview, runner, MISSING_PAUSE, tries=preview.tries - 1)
            return False
        if made is None:
            self._give_up(preview, runner, is_final=True)
        else:
            self._store(preview, runner, made)
        return True

    def _store(self, preview: PreviewRecord, runner: uuid.UUID, made: Made) -> None:
        """Put the pictures where they belong, and let them count, unless the file has gone meanwhile."""
        subject, data = preview.subject, b"".join(made.pictures)
        digest = hashlib.sha256(data).hexdigest()
        if not self._is_mine(subject, runner):
            return
        if self._room.stored_bytes(subject) is not None:  # of an earlier time: who reads it reads on
            self._room.delete(subject)
        with self._room.open_writer(subject, WHOLE, create=True, wait_seconds=0) as writer:
            if not self._is_mine(subject, runner):  # the last word: whoever else makes it needs this claim too
                return
            writer.make_room(len(data))
            writer.write(0, [data])
            writer.seal(len(data), flush=True)
            with self._database.write_rows() as rows:
                is_ready = preview_rows.set_ready(rows, subject, runner, made, sha256=digest, now=self._now())
                if is_ready:
                    writer.record(rows)
                self._tell(rows, [subject])
        if not is_ready:
            self._remove_nobodys(subject)

    def _is_mine(self, subject: str, runner: uuid.UUID) -> bool:
        with self._database.read_rows() as rows:
            return preview_rows.is_mine(rows, subject, runner)

    def _remove_nobodys(self, subject: str) -> None:
        """Remove what was just stored, where its row has gone; one that is there knows what is to become of it."""
        with self._database.read_rows() as rows:
            is_known = preview_rows.is_known(rows, subject)
        if not is_known:
            self._room.delete(subject)

    def _give_up(self, preview: PreviewRecord, runner: uuid.UUID, *, is_final: bool) -> None:
        """There is no preview of this; or not now, and it is tried again later."""
        if not is_final:
            self._put_back(preview, runner, FIRST_PAUSE * 2 ** min(preview.tries, MOST_TRIES))
            return
        with self._database.write_rows() as rows:
            preview_rows.set_none(rows, preview.subject, runner)
            self._tell(rows, [preview.subject])

    def _tell(self, rows: Executor, subjects: list[str]) -> None:
        """Tell who waits that these are not to be made any more; somebody may have come since they were begun."""
        if not self._database.is_sqlite:
            for subject in preview_rows.find_urgent(rows, subjects):
                self._database.notices.notify(rows, MADE, subject)

    def _put_back(self, preview: PreviewRecord, runner: uuid.UUID, pause: timedelta, **counts: int) -> None:
        with self._database.write_rows() as rows:
            preview_rows.put_back(rows, preview.subject, runner, due_at=self._now() + pause, **counts)

    def _keep(self, subject: str, runner: uuid.UUID) -> None:
        with self._database.write_rows() as rows:
            preview_rows.prolong(rows, subject, runner, self._now() + self._lease)

    def _tell_missing(self, error: MakerMissing) -> None:
        if not self._is_missing:
            self._is_missing = True
            structlog.get_logger().error("preview_maker_missing", reason=str(error))

    @contextmanager
    def _opened(self, subject: str) -> Iterator[tuple[BlobReader, int] | None]:
        """The bytes that a preview is made of, and how many they are; None where they are gone. Raises BlobMissing."""
        with self._database.read_rows() as rows:
            source = preview_rows.find_source(rows, subject)
        if source is None:
            yield None
            return
        filename, length = source
        room, key = self._place_of(subject, filename)
        with closing(room.open_reader(key)) as reader:
            yield reader, length

    def _place_of(self, subject: str, filename: str) -> tuple[BlobStore, Key]:
        if filename:
            return self._core.attachments, f"{subject}/{filename}"
        return self._core.store, uuid.UUID(hex=subject)

    @contextmanager
    def _descriptor(self, reader: BlobReader, length: int, keep: Callable[[], None]) -> Iterator[int]:
        """An open file that has these bytes from its beginning: where they are, or a nameless one that they are
        brought to. `keep` is called now and then meanwhile.
        """
        local = reader.local(Span(0, length))
        if local is not None and local.offset == 0:
            yield local.descriptor
            return
        with faults_named(), self._nameless_file() as brought:
            os.truncate(brought.fileno(), length)
            for span in parts_to_bring(length, medium_of(reader.read(0, HEAD_BYTES))):
                self._bring(reader, span, brought.fileno(), keep)
            yield brought.fileno()

    def _nameless_file(self) -> IO[bytes]:
        folder = self._core.settings.data_dir
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)  # beside an object store nobody else has made it
        return tempfile.TemporaryFile(dir=folder)

    def _bring(self, reader: BlobReader, span: Span, descriptor: int, keep: Callable[[], None]) -> None:
        for number, start in enumerate(range(span.start, span.stop, BLOCK_BYTES), start=1):
            block = reader.read(start, min(BLOCK_BYTES, span.stop - start))
            self._core.offload(partial(os.pwrite, descriptor, block, start))
            if number % BLOCKS_A_PROLONGATION == 0:
                keep()


def _pause_after_stops(tries: int) -> timedelta:
    """None at first: who ends the process does so once; but one that always ends is not started without a pause."""
    return FIRST_PAUSE * 2 ** min(tries, MOST_PAUSES) if tries > STOPS_AT_ONCE else timedelta(0)


def parts_to_bring(length: int, medium: Medium | None) -> list[Span]:
    """What is brought of a file. Of a long picture nothing, which then cannot be read: no picture is so long."""
    if length <= BROUGHT_BYTES:
        return [Span(0, length)]
    if medium is None or not medium.is_film:
        return []
    return [Span(0, BEGINNING_BYTES), Span(length - END_BYTES, length)]
