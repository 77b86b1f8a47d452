"""The work behind a remote download: from one source after the other, until one has given the catalogue's bytes."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from typing import Protocol

from transfer_service.errors import BlobMissing, RangeBusy, ReadFailed, SourceFailed, StorageFull
from transfer_service.logs import tidying
from transfer_service.models.games import DownloadState
from transfer_service.services.core import Core
from transfer_service.services.digests import hash_all
from transfer_service.services.games.archives import ArchiveRemoval
from transfer_service.services.games.job_rows import archive_key, part_key
from transfer_service.services.games.leases import FetchLeases, HashedPart, LeaseLost, Run
from transfer_service.services.games.member_rows import Hold
from transfer_service.services.read_back import read_back
from transfer_service.storage.blobs import WHOLE, BlobWriter
from transfer_service.wire.game_catalogue import Source
from transfer_service.wire.ranges import Span

LONGEST_SECONDS = 24 * 3600.0
WRONG_BYTES = "The bytes of the source are not the catalogue's"
NO_SOURCES = "No sources are configured"


class Fetch(Protocol):
    """How bytes are fetched (`remote.fetcher`)."""

    def __call__(
        self,
        url: str,
        sink: HashedPart,
        *,
        size: int,
        validator: str | None,
        deadline: float,
        remember_validator: Callable[[str | None], None],
    ) -> None:
        """Append to `sink` until it holds `size` bytes. Raises SourceFailed, StorageFull."""


class Indexer(Protocol):
    """Who looks into verified archives (`game_archives`)."""

    def index(self, game_data_id: int, *, hold: Hold) -> int | None:
        """Learn the members and tell their number, None where it is no readable zip. `hold` raises in each transaction
        of a run that has lost its lease.
        """


class Fetching:
    """Brings claimed jobs to their end."""

    def __init__(
        self, core: Core, *, leases: FetchLeases, archives: Indexer, fetch: Fetch, monotonic: Callable[[], float]
    ) -> None:
        self._leases = leases
        self._store = core.games
        self._archives = archives
        self._removal = ArchiveRemoval(core)
        self._sources = [Source(each.name, each.base_url) for each in core.settings.game_data_sources]
        self._fetch = fetch
        self._offload = core.offload
        self._now = core.now
        self._monotonic = monotonic

    def work(self, run: Run) -> DownloadState:
        """Fetch, verify, publish; how it ended. Raises LeaseLost, and StoreUnavailable: then another run goes on."""
        try:
            self._removal.wait_for_others(run.game_data_id)
            with self.open_part(run) as part:
                if not self._is_published(run, part):
                    self._fetch_verified(run, part)
            members = self._archives.index(run.game_data_id, hold=partial(self._leases.hold, run))
        except BlobMissing as error:  # what was this run's belongs to another one by now
            raise LeaseLost from error
        except (SourceFailed, StorageFull, ReadFailed) as failure:
            self._leases.fail(run, failure.detail)
            return DownloadState.ERROR
        if not self._leases.complete(run, member_count=members):
            raise LeaseLost
        return DownloadState.COMPLETED

    @contextmanager
    def open_part(self, run: Run) -> Iterator[BlobWriter]:
        """The bytes of a job so far. One run has them at a time: another one begins anew, if it has the lease.

        Raises BlobMissing where it has not, RangeBusy where several want that at once, StorageFull.
        """
        key = part_key(run.job_id)
        open_writer = partial(self._store.open_writer, key, WHOLE, create=True, wait_seconds=0)
        with ExitStack() as opened:
            try:
                part = opened.enter_context(open_writer())
            except (BlobMissing, RangeBusy):
                # A run that has lost its lease still holds the part: from now on it writes into a blob without a key.
                if not self._leases.beat(run):
                    raise BlobMissing from None
                self._store.delete(key)
                part = opened.enter_context(open_writer())
            yield part

    def tidy(self, run: Run) -> None:
        """Remove what a job that has ended leaves: its part, and its archive unless that was completed."""
        if self._leases.has_ended(run):
            self._store.delete(part_key(run.job_id))
            if run.has_published:
                self._removal.remove_unneeded(run.game_data_id, sha256=run.sha256)

    def _is_published(self, run: Run, part: BlobWriter) -> bool:
        """Whether an earlier run came as far as naming the archive. It is verified again: the name can be stale."""
        key = archive_key(run.game_data_id)
        if part.length or self._store.stored_bytes(key) is None:
            return False
        hasher = hashlib.sha256()
        with closing(self._store.open_reader(key)) as archive:
            length = hash_all(archive, hasher, self._offload)
        if (length, hasher.hexdigest()) != (run.size, run.sha256):
            return False
        run.has_published = True
        self._leases.advance(run, DownloadState.DOWNLOADING)
        self._leases.advance(run, DownloadState.VERIFYING)
        return True

    def _fetch_verified(self, run: Run, part: BlobWriter) -> None:
        """Fetch from the first source that gives the right bytes, and publish them. Raises SourceFailed, LeaseLost."""
        with closing(HashedPart(part, offload=self._offload)) as sink:
            is_far = self._store.is_remote and part.length > 0
            sink.catch_up(read_back(self._store, part_key(run.job_id), Span(0, part.length)) if is_far else None)
            run.part = sink
            with self._left_to_the_next(run, sink):
                self._fetch_from_one(run, sink)
            part.publish(archive_key(run.game_data_id))
            run.has_published = True

    @contextmanager
    def _left_to_the_next(self, run: Run, sink: HashedPart) -> Iterator[None]:
        """Whoever is stopped from outside, by what is no Exception, leaves behind what it still has in memory."""
        try:
            yield
        except Exception:
            raise
        except BaseException:
            if self._store.is_remote:
                with tidying():
                    if self._leases.beat(run):
                        sink.sync()
                        self._leases.beat(run)
            raise

    def _fetch_from_one(self, run: Run, sink: HashedPart) -> None:
        """Raises SourceFailed where no source gives the right bytes, LeaseLost."""
        failures = []
        first = run.source_index if run.source_index < len(self._sources) else 0  # there may be fewer of them by now
        for index, source in list(enumerate(self._sources))[first:]:
            if index != run.source_index:
                sink.restart()
                run.source_index, run.validator = index, None
            try:
                self._fetch_from(source, run, sink)
            except SourceFailed as failure:
                failures.append(f"{source.name}: {failure.detail}")
            else:
                return
        raise SourceFailed("; ".join(failures) or NO_SOURCES)

    def _fetch_from(self, source: Source, run: Run, sink: HashedPart) -> None:
        """Raises SourceFailed, LeaseLost."""
        was_resumed = sink.length > 0
        if self._fetches_right_bytes(source, run, sink):
            return
        # After a power loss a part may have holes, so one of an earlier run gets a second chance from its beginning.
        if not (was_resumed and self._fetches_right_bytes(source, run, sink)):
            raise SourceFailed(WRONG_BYTES)

    def _fetches_right_bytes(self, source: Source, run: Run, sink: HashedPart) -> bool:
        """Fetch what is missing and compare the digest; wrong bytes are forgotten."""
        self._leases.advance(run, DownloadState.DOWNLOADING, source_index=run.source_index, validator=run.validator)
        if sink.length > run.size:
            sink.restart()
        self._fetch(
            source.url_of(game_id=run.game_id, game_data_id=run.game_data_id, added_at=run.added_at, sha256=run.sha256),
            sink,
            size=run.size,
            validator=run.validator,
            deadline=self._monotonic() + LONGEST_SECONDS - (self._now() - run.started_at).total_seconds(),
            remember_validator=lambda validator: self._leases.remember_validator(run, validator),
        )
        self._leases.advance(run, DownloadState.VERIFYING, bytes_downloaded=sink.length)
        if sink.sha256() == run.sha256:
            sink.seal()
            if not self._leases.beat(run):  # what comes now makes a name, so let it be ours to make
                raise LeaseLost
            return True
        sink.restart()
        run.validator = None
        return False
