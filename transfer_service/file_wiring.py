"""Building the services that receive, keep and remove files, by whichever door they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from transfer_service.offload import begin_offload, offload
from transfer_service.services.appends import Appends
from transfer_service.services.completion import Completion
from transfer_service.services.concatenation import Concatenation
from transfer_service.services.displacement import Displacement
from transfer_service.services.file_listing import FileListing
from transfer_service.services.files import FileService
from transfer_service.services.finishing import Finishing
from transfer_service.services.renaming import Renaming
from transfer_service.services.resumable_uploads import ResumableUploadService
from transfer_service.services.running_digests import RunningDigests
from transfer_service.services.unfinished_uploads import UnfinishedUploads
from transfer_service.services.upload_cleanup import UploadCleanup
from transfer_service.services.upload_completion import UploadCompletion
from transfer_service.services.upload_events import ProgressNews
from transfer_service.services.upload_lookup import UploadLookup
from transfer_service.services.uploads import UploadService
from transfer_service.services.whole_files import WholeFileService

if TYPE_CHECKING:
    from collections.abc import Callable

    from transfer_service.ground import Ground
    from transfer_service.services.upload_events import UploadProgress


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


def build_file_services(ground: Ground, *, tell: Callable[[UploadProgress], None]) -> FileServices:
    """The services, each with what it needs. `tell` gets the progress of uploads."""
    completion = _build_completion(ground)
    files = FileService(
        database=ground.database, store=ground.store, space=ground.space, completion=completion, offload=offload
    )
    concatenation = _build_concatenation(ground, files)
    news = ProgressNews(tell)
    upload_completion = _build_upload_completion(ground, files, completion, concatenation, news)
    return FileServices(
        files=files,
        file_listing=FileListing(database=ground.database, offload=offload),
        renaming=Renaming(database=ground.database, files=files, now=ground.now),
        uploads=_build_uploads(ground, files, completion),
        whole_files=_build_whole_files(ground, files),
        resumable_uploads=_build_resumable_uploads(ground, files, upload_completion, news),
        concatenation=concatenation,
        unfinished_uploads=UnfinishedUploads(database=ground.database, now=ground.now, stale_after=ground.stale_after),
        completion=completion,
        cleanup=_build_upload_cleanup(ground, files, upload_completion),
    )


def _build_completion(ground: Ground) -> Completion:
    return Completion(
        database=ground.database,
        store=ground.store,
        digests=RunningDigests(store=ground.store, offload=offload),
        offload=offload,
        now=ground.now,
        durability=ground.durability,
    )


def _build_uploads(ground: Ground, files: FileService, completion: Completion) -> UploadService:
    return UploadService(
        database=ground.database,
        store=ground.store,
        space=ground.space,
        files=files,
        completion=completion,
        offload=offload,
        now=ground.now,
        durability=ground.durability,
    )


def _build_whole_files(ground: Ground, files: FileService) -> WholeFileService:
    return WholeFileService(
        database=ground.database,
        store=ground.store,
        space=ground.space,
        files=files,
        offload=offload,
        now=ground.now,
        durability=ground.durability,
    )


def _build_concatenation(ground: Ground, files: FileService) -> Concatenation:
    return Concatenation(
        database=ground.database,
        store=ground.store,
        space=ground.space,
        files=files,
        offload=offload,
        now=ground.now,
        durability=ground.durability,
    )


def _build_upload_completion(
    ground: Ground, files: FileService, completion: Completion, concatenation: Concatenation, news: ProgressNews
) -> UploadCompletion:
    return UploadCompletion(
        database=ground.database,
        store=ground.store,
        space=ground.space,
        files=files,
        completion=completion,
        concatenation=concatenation,
        news=news,
        offload=offload,
        now=ground.now,
    )


def _build_resumable_uploads(
    ground: Ground, files: FileService, completion: UploadCompletion, news: ProgressNews
) -> ResumableUploadService:
    lookup = UploadLookup(database=ground.database, now=ground.now, stale_after=ground.stale_after)
    displacement = Displacement(store=ground.store, offload=offload)
    appends = Appends(
        database=ground.database,
        store=ground.store,
        space=ground.space,
        files=files,
        lookup=lookup,
        displacement=displacement,
        completion=completion,
        news=news,
        offload=offload,
        begin_offload=begin_offload,
        now=ground.now,
        durability=ground.durability,
    )
    return ResumableUploadService(
        database=ground.database,
        store=ground.store,
        space=ground.space,
        files=files,
        lookup=lookup,
        displacement=displacement,
        appends=appends,
        completion=completion,
        finishing=Finishing(completion=completion),
        now=ground.now,
    )


def _build_upload_cleanup(ground: Ground, files: FileService, completion: UploadCompletion) -> UploadCleanup:
    return UploadCleanup(
        database=ground.database,
        store=ground.store,
        space=ground.space,
        files=files,
        completion=completion,
        offload=offload,
        now=ground.now,
        stale_after=ground.stale_after,
    )
