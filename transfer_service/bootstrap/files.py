"""Building the services that receive, keep and remove files, by whichever door they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from transfer_service.services.digests import RunningDigests
from transfer_service.services.files.files import FileService
from transfer_service.services.files.finishing import Completion
from transfer_service.services.files.listing import FileListing
from transfer_service.services.files.renaming import Renaming
from transfer_service.services.files.small_files import SmallFiles
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

if TYPE_CHECKING:
    from collections.abc import Callable

    from transfer_service.services.core import Core
    from transfer_service.services.uploads.progress import UploadProgress


@dataclass(frozen=True, slots=True)
class FileServices:
    """The services, and `cleanup`, a part of the cleanup of everything."""

    files: FileService
    small_files: SmallFiles
    file_listing: FileListing
    renaming: Renaming
    uploads: UploadService
    whole_files: WholeFileService
    resumable_uploads: ResumableUploadService
    concatenation: Concatenation
    unfinished_uploads: UnfinishedUploads
    cleanup: UploadCleanup


def build_file_services(core: Core, *, on_progress: Callable[[UploadProgress], None]) -> FileServices:
    """The services, each with what it needs. `on_progress` is called with that of uploads."""
    completion = Completion(core, digests=RunningDigests(store=core.store, offload=core.offload))
    files = FileService(core, completion=completion)
    small_files = SmallFiles(core, files=files)
    concatenation = Concatenation(core, files=files)
    news = ProgressNews(on_progress)
    upload_completion = UploadCompletion(
        core, files=files, completion=completion, concatenation=concatenation, news=news
    )
    return FileServices(
        files=files,
        small_files=small_files,
        file_listing=FileListing(core),
        renaming=Renaming(core, files=files),
        uploads=UploadService(core, files=files, small_files=small_files, completion=completion),
        whole_files=WholeFileService(core, files=files, small_files=small_files),
        resumable_uploads=_build_resumable_uploads(core, files, small_files, upload_completion, news),
        concatenation=concatenation,
        unfinished_uploads=UnfinishedUploads(core),
        cleanup=UploadCleanup(core, files=files, completion=completion, last_step=upload_completion),
    )


def _build_resumable_uploads(
    core: Core, files: FileService, small_files: SmallFiles, completion: UploadCompletion, news: ProgressNews
) -> ResumableUploadService:
    lookup, displacement = UploadLookup(core), Displacement(store=core.store, offload=core.offload)
    appends = Appends(core, files=files, lookup=lookup, displacement=displacement, completion=completion, news=news)
    return ResumableUploadService(
        core,
        files=files,
        small_files=small_files,
        lookup=lookup,
        displacement=displacement,
        appends=appends,
        completion=completion,
        finishing=Finishing(completion=completion),
    )
