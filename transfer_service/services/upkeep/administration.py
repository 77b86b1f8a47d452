"""What administrators do with an installation as a whole, put together."""

from dataclasses import dataclass
from functools import partial

from transfer_service.services.accounts.listing import AccountListing
from transfer_service.services.core import Core
from transfer_service.services.files.files import FileService
from transfer_service.services.upkeep.usage import UsageReport, free_bytes_of
from transfer_service.services.uploads.transfers import UnfinishedOfAll


@dataclass(frozen=True, slots=True)
class Administration:
    """The services of it."""

    accounts: AccountListing
    usage: UsageReport
    uploads: UnfinishedOfAll


def build_administration(core: Core, *, files: FileService) -> Administration:
    """The services of administration. An object store does not tell how much room it has."""
    free_bytes = _nobody_tells if core.store.is_remote else partial(free_bytes_of, core.settings.blob_dir)
    return Administration(
        accounts=AccountListing(core),
        usage=UsageReport(core, free_bytes=free_bytes),
        uploads=UnfinishedOfAll(core, files=files),
    )


def _nobody_tells() -> None:
    """There is no such limit, or none that can be asked for."""
