"""Building the services that receive, keep and remove files, by whichever door they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from transfer_service.services.digests import RunningDigests
from transfer_service.services.files.files import FileService
from transfer_service.services.files.finishing import Completion
from transfer_service.services.files.listing import FileListing
from transfer_service.services.files.renaming import Renaming
from transfer_service.services.upkeep.uploads import UploadCleanup
from transfer_service.services.uploads.appends import Appends
from transfer_service.services.uploads.chunks import UploadService
from transfer_service.services.uploads.concatenation import Concatenation
from transfer_service.services.uploads.displacement import Displacement
from transfer_service.services.uploads.finishing import UploadCompletion
from transfer_service.services.uploads.last_steps import Finishing
from transfer_service.services.uploads.listing import UnfinishedUploads
from transfer_service.services.uploads.lookup import UploadLookup
from transfer_service.services.uploads.progress import ProgressNews
from transfer_service.services.uploads.resumable import ResumableUploadService
from transfer_service.services.uploads.whole_files import WholeFileService
from transfer_service.threads import begin_offload, offload

if TYPE_CHECKING:
    from collections.abc import Callable

    from transfer_service.services.core import Core
    from transfer_service.services.uploads.progress import UploadProgress


@dataclass(frozen=True, slots=True)
class FileServices:
    """The services, and `completion` and `cleanup`, of which the cleanup of everything is made."""

    files: FileService
    file_listing: FileListing
    renaming: Renaming
    uploads: UploadService
    whole_files: WholeFileService
    resumable_uploads: ResumableUploadService
    concatenation: Concatenation
    unfinished_uploads: UnfinishedUploads
    completion: Completion
    cleanup: UploadCleanup


def build_file_services(core: Core, *, tell: Callable[[UploadProgress], None]) -> FileServices:
    """The services, each with what it needs. `tell` gets the progress of uploads."""
    completion = _build_completion(core)
    files = FileService(
        database=core.database, store=core.store, space=core.space, completion=completion, offload=offload
    )
    concatenation = _build_concatenation(core, files)
    news = ProgressNews(tell)
    upload_completion = _build_upload_completion(core, files, completion, concatenation, news)
    return FileServices(
        files=files,
        file_listing=FileListing(database=core.database, offload=offload),
        renaming=Renaming(database=core.database, files=files, now=core.now),
        uploads=_build_uploads(core, files, completion),
        whole_files=_build_whole_files(core, files),
        resumable_uploads=_build_resumable_uploads(core, files, upload_completion, news),
        concatenation=concatenation,
        unfinished_uploads=UnfinishedUploads(database=core.database, now=core.now, stale_after=core.stale_after),
        completion=completion,
        cleanup=_build_upload_cleanup(core, files, upload_completion),
    )


def _build_completion(core: Core) -> Completion:
    return Completion(
        database=core.database,
        store=core.store,
        digests=RunningDigests(store=core.store, offload=offload),
        offload=offload,
        now=core.now,
        durability=core.durability,
    )


def _build_uploads(core: Core, files: FileService, completion: Completion) -> UploadService:
    return UploadService(
        database=core.database,
        store=core.store,
        space=core.space,
        files=files,
        completion=completion,
        offload=offload,
        now=core.now,
        durability=core.durability,
    )


def _build_whole_files(core: Core, files: FileService) -> WholeFileService:
    return WholeFileService(
        database=core.database,
        store=core.store,
        space=core.space,
        files=files,
        offload=offload,
        now=core.now,
        durability=core.durability,
    )


def _build_concatenation(core: Core, files: FileService) -> Concatenation:
    return Concatenation(
        database=core.database,
        store=core.store,
        space=core.space,
        files=files,
        offload=offload,
        now=core.now,
        durability=core.durability,
    )


def _build_upload_completion(
    core: Core, files: FileService, completion: Completion, concatenation: Concatenation, news: ProgressNews
) -> UploadCompletion:
    return UploadCompletion(
        database=core.database,
        store=core.store,
        space=core.space,
        files=files,
        completion=completion,
        concatenation=concatenation,
        news=news,
        offload=offload,
        now=core.now,
    )


def _build_resumable_uploads(
    core: Core, files: FileService, completion: UploadCompletion, news: ProgressNews
) -> ResumableUploadService:
    lookup = UploadLookup(database=core.database, now=core.now, stale_after=core.stale_after)
    displacement = Displacement(store=core.store, offload=offload)
    appends = Appends(
        database=core.database,
        store=core.store,
        space=core.space,
        files=files,
        lookup=lookup,
        displacement=displacement,
        completion=completion,
        news=news,
        offload=offload,
        begin_offload=begin_offload,
        now=core.now,
        durability=core.durability,
    )
    return ResumableUploadService(
        database=core.database,
        store=core.store,
        space=core.space,
        files=files,
        lookup=lookup,
        displacement=displacement,
        appends=appends,
        completion=completion,
        finishing=Finishing(completion=completion),
        now=core.now,
    )


def _build_upload_cleanup(core: Core, files: FileService, completion: UploadCompletion) -> UploadCleanup:
    return UploadCleanup(
        database=core.database,
        store=core.store,
        space=core.space,
        files=files,
        completion=completion,
        offload=offload,
        now=core.now,
        stale_after=core.stale_after,
    )
