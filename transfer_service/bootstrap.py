"""The composition root: the services, each with what it needs, for the app, for commands, for the download worker.

Here, and nowhere else, it is decided which kind of store the bytes are in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from transfer_service.db import schema
from transfer_service.db.database import Database
from transfer_service.maintenance import build_shelves, list_object_sweeps, list_parts, list_sweeps
from transfer_service.services.accounts.accounts import AccountService
from transfer_service.services.accounts.identities import Identities
from transfer_service.services.accounts.keys import KeyService
from transfer_service.services.accounts.openid import OpenId, build_openid
from transfer_service.services.accounts.passwords import Passwords
from transfer_service.services.accounts.sessions import Sessions
from transfer_service.services.accounts.sign_ins import SignInService
from transfer_service.services.chat.attached_files import AttachedFiles
from transfer_service.services.chat.attachments import AttachmentService
from transfer_service.services.chat.conversations import ConversationService
from transfer_service.services.chat.messages import MessageService
from transfer_service.services.core import Core, Space, utc_now
from transfer_service.services.digests import RunningDigests
from transfer_service.services.durability import Durability, present_boot
from transfer_service.services.events.activities import ActivityService
from transfer_service.services.events.webhooks import WebhookService
from transfer_service.services.files.files import FileService
from transfer_service.services.files.finishing import Completion
from transfer_service.services.files.folders import FolderService
from transfer_service.services.files.listing import FileListing
from transfer_service.services.files.naming import Renaming
from transfer_service.services.files.small_files import SmallFiles
from transfer_service.services.files.trash import Trash
from transfer_service.services.games.archives import GameArchives
from transfer_service.services.games.browsing import GameBrowsing
from transfer_service.services.games.catalogue import GameService
from transfer_service.services.games.downloads import RemoteDownloadService
from transfer_service.services.idempotency import IdempotencyKeys
from transfer_service.services.previews.noting import find_missing
from transfer_service.services.previews.previews import PreviewService
from transfer_service.services.request_limits import RequestLimits
from transfer_service.services.running import Running
from transfer_service.services.shared_windows import RedisProbe
from transfer_service.services.sharing.sharing import Sharing, build_sharing
from transfer_service.services.upkeep.account_removal import AccountRemoval
from transfer_service.services.upkeep.account_traces import AccountTraces
from transfer_service.services.upkeep.administration import Administration, build_administration
from transfer_service.services.upkeep.cleanup import CleanupService
from transfer_service.services.upkeep.installation import Installation, StartGate
from transfer_service.services.upkeep.orphans import Orphans
from transfer_service.services.upkeep.recovery import Recovery
from transfer_service.services.upkeep.signing_key import SigningKey
from transfer_service.services.upkeep.uploads import UploadCleanup
from transfer_service.services.upkeep.verification import Verification
from transfer_service.services.uploads.appends import Appends
from transfer_service.services.uploads.chunks import UploadService
from transfer_service.services.uploads.concatenation import Concatenation
from transfer_service.services.uploads.finishing import UploadCompletion
from transfer_service.services.uploads.listing import UnfinishedUploads
from transfer_service.services.uploads.lookup import Displacement, UploadLookup
from transfer_service.services.uploads.progress import ProgressNews
from transfer_service.services.uploads.resumable import ResumableUploadService
from transfer_service.services.uploads.whole_files import WholeFileService
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.rooms import ARCHIVES, ATTACHMENTS, FILES, PREVIEWS
from transfer_service.threads import offload

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from transfer_service.config import Settings
    from transfer_service.services.chat.events import ChatEvent
    from transfer_service.services.uploads.progress import UploadProgress
    from transfer_service.storage.blobs import BlobStore


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a door may need."""

    core: Core
    accounts: AccountService
    account_removal: AccountRemoval
    administration: Administration
    sign_ins: SignInService
    sessions: Sessions
    keys: KeyService
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
    previews: PreviewService
    attached_files: AttachedFiles
    remote_downloads: RemoteDownloadService
    games: GameService
    game_browsing: GameBrowsing
    game_archives: GameArchives
    activities: ActivityService
    webhooks: WebhookService
    idempotency_keys: IdempotencyKeys
    cleanup: CleanupService
    orphans: Orphans
    installation: Installation
    signing_key: SigningKey
    verification: Verification
    gate: StartGate
    recovery: Recovery
    sharing: Sharing
    openid: OpenId | None
    identities: Identities
    request_limits: RequestLimits
    running: Running
    redis: RedisProbe

    @property
    def database(self) -> Database:
        """The core's."""
        return self.core.database

    @property
    def store(self) -> BlobStore:
        """The core's, of files."""
        return self.core.store

    @property
    def space(self) -> Space:
        """The core's."""
        return self.core.space


def _nobody_listens(_event: object) -> None:
    """For processes without sockets, such as commands."""


def build_core(settings: Settings, now: Callable[[], datetime], *, boot: str | None = None) -> Core:
    """The core that `settings` describe. `now` is the clock of every service, `boot` the machine's present one."""
    database = Database(settings.resolved_database_url, run_blocking=offload, is_read_only=settings.read_only)
    store, attachments, games, previews = _build_rooms(settings, database)
    return Core(
        settings=settings,
        database=database,
        store=store,
        attachments=attachments,
        games=games,
        previews=previews,
        space=Space(max_file_bytes=settings.max_file_bytes, quota_bytes=settings.quota_bytes, now=now),
        now=now,
        durability=Durability(
            boot=boot or present_boot(),
            flush=store.is_remote or settings.durability != "process",
            flush_chunks=store.is_remote or settings.durability == "ack",
        ),
        stale_after=timedelta(hours=settings.stale_upload_hours),
        makes_previews=settings.previews and not find_missing(),
    )


def _build_rooms(settings: Settings, database: Database) -> tuple[BlobStore, BlobStore, BlobStore, BlobStore]:
    """The rooms of files, attachments, archives and previews."""
    if settings.store_address is None:
        return build_folders(settings)
    from transfer_service.storage.s3.store import build_rooms  # only where it is used

    rooms = build_rooms(settings.store_address, database)
    return rooms.files, rooms.attachments, rooms.archives, rooms.previews


def build_folders(settings: Settings) -> tuple[DiskStore, DiskStore, DiskStore, DiskStore]:
    """The rooms where they are folders."""
    return (
        DiskStore(settings.blob_dir, FILES),
        DiskStore(settings.data_dir / "uploads" / "chats", ATTACHMENTS),
        DiskStore(settings.data_dir / "games", ARCHIVES),
        DiskStore(settings.data_dir / "previews", PREVIEWS),
    )


def build_services(
    settings: Settings,
    *,
    now: Callable[[], datetime] = utc_now,
    publish: Callable[[ChatEvent], None] = _nobody_listens,
    on_progress: Callable[[UploadProgress], None] = _nobody_listens,
    boot: str | None = None,
) -> Services:
    """The services, each with what it needs.

    `publish` is called with what happens in conversations, `on_progress` with how far resumable uploads are.
    `boot` names the machine's present boot for who has a reason not to ask the machine. One list without a
    branch, so it is longer than other functions.
    """
    core = build_core(settings, now, boot=boot)
    completion = Completion(core, digests=RunningDigests(store=core.store, offload=core.offload))
    files = FileService(core, completion=completion)
    trash = Trash(core, files=files)
    small_files, concatenation = SmallFiles(core, files=files), Concatenation(core, files=files)
    news = ProgressNews(on_progress)
    last_step = UploadCompletion(core, files=files, completion=completion, concatenation=concatenation, news=news)
    lookup, displacement = UploadLookup(core), Displacement(claims=core.store.claims)
    appends = Appends(core, files=files, lookup=lookup, displacement=displacement, completion=last_step, news=news)
    resumable = ResumableUploadService(
        core, files=files, small_files=small_files, appends=appends, completion=last_step
    )
    uploads = UploadCleanup(core, files=files, completion=completion, last_step=last_step)
    sign_ins, conversations, webhooks = SignInService(core), ConversationService(core), WebhookService(core)
    messages, passwords = MessageService(core, publish=publish), Passwords(offload=core.offload)
    sharing = build_sharing(core, files=files, uploads=resumable, completion=completion, passwords=passwords)
    idempotency_keys, activities = IdempotencyKeys(core), ActivityService(core)
    remote_downloads = RemoteDownloadService(core)
    by_name = build_shelves(core)
    installation, signing_key = Installation(core, parts=list_parts(by_name)), SigningKey(core)
    kept_for = timedelta(days=settings.quarantine_days)
    orphans = Orphans(shelves=by_name, now=now, kept_for=kept_for)
    return Services(
        core=core,
        files=files,
        small_files=small_files,
        file_listing=FileListing(core),
        renaming=Renaming(core, files=files),
        folders=FolderService(core, files=files),
        trash=trash,
        accounts=AccountService(core, passwords=passwords),
        account_removal=AccountRemoval(core, files=files, traces=AccountTraces(core, downloads=remote_downloads)),
        administration=build_administration(core, files=files),
        sign_ins=sign_ins,
        sessions=Sessions(core, sign_ins=sign_ins),
        keys=KeyService(core),
        uploads=UploadService(core, files=files, small_files=small_files, completion=completion),
        whole_files=WholeFileService(core, files=files, small_files=small_files),
        resumable_uploads=resumable,
        concatenation=concatenation,
        unfinished_uploads=UnfinishedUploads(core),
        conversations=conversations,
        messages=messages,
        attachments=AttachmentService(core, messages=messages),
        previews=PreviewService(core),
        attached_files=AttachedFiles(core, messages=messages, files=files),
        remote_downloads=remote_downloads,
        games=GameService(database=core.database, now=now),
        game_browsing=GameBrowsing(core),
        game_archives=GameArchives(core),
        webhooks=webhooks,
        activities=activities,
        idempotency_keys=idempotency_keys,
        cleanup=CleanupService(
            core,
            installation=installation,
            orphans=orphans,
            sweeps=[
                *list_sweeps(core, uploads, trash, sign_ins, sharing),
                ("spent_idempotency_keys", idempotency_keys.remove_spent),
                ("failed_deliveries", webhooks.remove_old),
                ("old_activities", activities.remove_old),
                *list_object_sweeps(core, by_name),
            ],
        ),
        orphans=orphans,
        installation=installation,
        signing_key=signing_key,
        verification=Verification(core),
        gate=StartGate([partial(schema.check, core.database), installation.ensure, signing_key.ensure]),
        recovery=Recovery(core),
        sharing=sharing,
        running=Running(core.database),
        openid=build_openid(core),
        identities=Identities(core),
        request_limits=RequestLimits(settings.rate_limits, redis_url=settings.redis_url),
        redis=RedisProbe(settings.redis_url),
    )


def build_compaction(core: Core) -> Callable[[], int] | None:
    """What the worker does beside downloads: one round of it, that tells how many things it has done."""
    if not core.store.is_remote:
        return None
    from transfer_service.storage.s3.upkeep import compaction_of

    return compaction_of([core.store, core.attachments, core.games, core.previews]).work
