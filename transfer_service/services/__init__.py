"""The rules of the service: what `bootstrap` builds once for each process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transfer_service.db.database import Database
    from transfer_service.services.accounts.accounts import AccountService
    from transfer_service.services.accounts.sign_ins import SignInService
    from transfer_service.services.chat.attachments import AttachmentService
    from transfer_service.services.chat.conversations import ConversationService
    from transfer_service.services.chat.messages import MessageService
    from transfer_service.services.core import Core, Space
    from transfer_service.services.files.files import FileService
    from transfer_service.services.files.folders import FolderService
    from transfer_service.services.files.listing import FileListing
    from transfer_service.services.files.renaming import Renaming
    from transfer_service.services.files.small_files import SmallFiles
    from transfer_service.services.files.trash import Trash
    from transfer_service.services.games.activities import ActivityService
    from transfer_service.services.games.archives import GameArchives
    from transfer_service.services.games.catalogue import GameService
    from transfer_service.services.games.downloads import RemoteDownloadService
    from transfer_service.services.request_limits import RequestLimits
    from transfer_service.services.shared_windows import RedisProbe
    from transfer_service.services.upkeep.account_removal import AccountRemoval
    from transfer_service.services.upkeep.cleanup import CleanupService
    from transfer_service.services.upkeep.installation import Installation, StartGate
    from transfer_service.services.upkeep.orphans import Orphans
    from transfer_service.services.upkeep.recovery import Recovery
    from transfer_service.services.upkeep.verification import Verification
    from transfer_service.services.uploads.chunks import UploadService
    from transfer_service.services.uploads.concatenation import Concatenation
    from transfer_service.services.uploads.listing import UnfinishedUploads
    from transfer_service.services.uploads.resumable import ResumableUploadService
    from transfer_service.services.uploads.whole_files import WholeFileService
    from transfer_service.storage.blobs import BlobStore


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a door may need."""

    core: Core
    database: Database
    store: BlobStore
    space: Space
    accounts: AccountService
    account_removal: AccountRemoval
    sign_ins: SignInService
    files: FileService
    small_files: SmallFiles
    file_listing: FileListing
    renaming: Renaming
    folders: FolderService
    trash: Trash
    uploads: UploadService
    whole_files: WholeFileService
    resumable_uploads: ResumableUploadService
    concatenation: Concatenation
    unfinished_uploads: UnfinishedUploads
    conversations: ConversationService
    messages: MessageService
    attachments: AttachmentService
    remote_downloads: RemoteDownloadService
    games: GameService
    game_archives: GameArchives
    activities: ActivityService
    cleanup: CleanupService
    orphans: Orphans
    installation: Installation
    verification: Verification
    gate: StartGate
    recovery: Recovery
    request_limits: RequestLimits
    redis: RedisProbe
