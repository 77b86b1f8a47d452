"""The services that views call, kept on the app by `create_app`."""

from dataclasses import dataclass

from flask import current_app

from transfer_service.database import Database
from transfer_service.services.account_removal import AccountRemoval
from transfer_service.services.accounts import AccountService
from transfer_service.services.activities import ActivityService
from transfer_service.services.attachments import AttachmentService
from transfer_service.services.cleanup import CleanupService
from transfer_service.services.concatenation import Concatenation
from transfer_service.services.conversations import ConversationService
from transfer_service.services.file_listing import FileListing
from transfer_service.services.files import FileService
from transfer_service.services.game_archives import GameArchives
from transfer_service.services.games import GameService
from transfer_service.services.installation import Installation
from transfer_service.services.messages import MessageService
from transfer_service.services.orphans import Orphans
from transfer_service.services.recovery import Recovery
from transfer_service.services.redis_link import RedisProbe
from transfer_service.services.remote_downloads import RemoteDownloadService
from transfer_service.services.renaming import Renaming
from transfer_service.services.request_limits import RequestLimits
from transfer_service.services.resumable_uploads import ResumableUploadService
from transfer_service.services.sign_ins import SignInService
from transfer_service.services.space import Space
from transfer_service.services.start_gate import StartGate
from transfer_service.services.unfinished_uploads import UnfinishedUploads
from transfer_service.services.uploads import UploadService
from transfer_service.services.verification import Verification
from transfer_service.services.whole_files import WholeFileService
from transfer_service.storage.blobs import BlobStore

EXTENSION = "transfer_service"


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a door may need."""

    database: Database
    store: BlobStore
    space: Space
    accounts: AccountService
    account_removal: AccountRemoval
    sign_ins: SignInService
    files: FileService
    file_listing: FileListing
    renaming: Renaming
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


def services() -> Services:
    """The services of the current app."""
    bound: Services = current_app.extensions[EXTENSION]
    return bound
