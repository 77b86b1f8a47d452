"""What belongs to links and bundles, put together."""

from dataclasses import dataclass

from transfer_service.services.accounts.passwords import Passwords
from transfer_service.services.core import Core
from transfer_service.services.exports.exports import ExportService
from transfer_service.services.files.files import FileService
from transfer_service.services.files.finishing import Completion
from transfer_service.services.secret_keys import secrets_of
from transfer_service.services.sharing.bundles import BundleService
from transfer_service.services.sharing.checksums import Checksums
from transfer_service.services.sharing.link_access import LinkAccess
from transfer_service.services.sharing.link_downloads import LinkDownloads
from transfer_service.services.sharing.link_tokens import LinkTokens
from transfer_service.services.sharing.link_uploads import LinkUploads
from transfer_service.services.sharing.links import LinkService
from transfer_service.services.uploads.resumable import ResumableUploadService


@dataclass(frozen=True, slots=True)
class Sharing:
    """The services of links and bundles."""

    links: LinkService
    uploads: LinkUploads
    access: LinkAccess
    downloads: LinkDownloads
    bundles: BundleService
    exports: ExportService


def build_sharing(
    core: Core, *, files: FileService, uploads: ResumableUploadService, completion: Completion, passwords: Passwords
) -> Sharing:
    """The services of links and bundles. Without a secret key, in commands, no link is made or opened."""
    tokens = LinkTokens(secrets_of(core.settings))
    link_uploads, checksums = LinkUploads(core, uploads=uploads), Checksums(core, completion=completion)
    return Sharing(
        uploads=link_uploads,
        links=LinkService(core, files=files, uploads=link_uploads, passwords=passwords, tokens=tokens),
        access=LinkAccess(core.settings.redis_url, passwords=passwords, tokens=tokens),
        downloads=LinkDownloads(core),
        bundles=BundleService(core, files=files, checksums=checksums),
        exports=ExportService(core, checksums=checksums),
    )
