"""Building the services, each with what it needs, for whoever runs them: the app, commands, the download worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from transfer_service.database import Database
from transfer_service.offload import begin_offload, offload
from transfer_service.remote.wake_ups import WakeUps
from transfer_service.services.accounts import AccountService
from transfer_service.services.activities import ActivityService
from transfer_service.services.appends import Appends
from transfer_service.services.attachments import AttachmentService
from transfer_service.services.chat_cleanup import ChatCleanup
from transfer_service.services.cleanup import CleanupService
from transfer_service.services.completion import Completion
from transfer_service.services.concatenation import Concatenation
from transfer_service.services.conversations import ConversationService
from transfer_service.services.files import FileService
from transfer_service.services.game_archives import GameArchives
from transfer_service.services.game_cleanup import GameCleanup
from transfer_service.services.games import GameService
from transfer_service.services.login_throttle import LoginThrottle
from transfer_service.services.messages import MessageService
from transfer_service.services.passwords import Passwords
from transfer_service.services.recovery import Recovery, present_boot
from transfer_service.services.remote_downloads import RemoteDownloadService
from transfer_service.services.resumable_uploads import ResumableUploadService
from transfer_service.services.running_digests import RunningDigests
from transfer_service.services.sign_ins import SignInService
from transfer_service.services.space import Space
from transfer_service.services.unfinished_uploads import UnfinishedUploads
from transfer_service.services.upload_cleanup import UploadCleanup
from transfer_service.services.upload_completion import UploadCompletion
from transfer_service.services.upload_events import ProgressNews
from transfer_service.services.upload_lookup import UploadLookup
from transfer_service.services.uploads import UploadService
from transfer_service.services.whole_files import WholeFileService
from transfer_service.storage.attachments import AttachmentStore
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.games import GameStore
from transfer_service.web.services import Services

if TYPE_CHECKING:
    from collections.abc import Callable

    from config import Settings
    from transfer_service.services.chat_events import ChatEvent
    from transfer_service.services.upload_events import UploadProgress


def utc_now() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


def _nobody_listens(_event: object) -> None:
    """For processes without sockets, such as commands."""


@dataclass(frozen=True, slots=True)
class _Ground:
    """What most services stand on."""

    settings: Settings
    database: Database
    store: DiskStore
    attachments: AttachmentStore
    games: GameStore
    space: Space
    now: Callable[[], datetime]
    flush: bool
    flush_chunks: bool
    stale_after: timedelta


def build_services(
    settings: Settings,
    *,
    now: Callable[[], datetime] = utc_now,
    publish: Callable[[ChatEvent], None] = _nobody_listens,
    tell: Callable[[UploadProgress], None] = _nobody_listens,
) -> Services:
    """The services, each with what it needs. `publish` gets what happens in conversations, `tell` uploads' progress."""
    ground = _lay_ground(settings, now)
    database, store, space = ground.database, ground.store, ground.space
    completion = _build_completion(ground)
    files = FileService(database=database, store=store, space=space, completion=completion, offload=offload)
    concatenation = _build_concatenation(ground, files)
    news = ProgressNews(tell)
    upload_completion = _build_upload_completion(ground, files, completion, concatenation, news)
    messages = MessageService(database=database, space=space, now=now, publish=publish)
    return Services(
        database=database,
        store=store,
        space=space,
        files=files,
        accounts=_build_accounts(ground),
        sign_ins=_build_sign_ins(ground),
        uploads=_build_uploads(ground, completion),
        whole_files=_build_whole_files(ground, files),
        resumable_uploads=_build_resumable_uploads(ground, files, upload_completion, news),
        concatenation=concatenation,
        unfinished_uploads=UnfinishedUploads(database=database, now=now, stale_after=ground.stale_after),
        conversations=ConversationService(database=database, now=now),
        messages=messages,
        attachments=_build_attachments(ground, messages),
        remote_downloads=_build_remote_downloads(ground),
        games=GameService(database=database),
        game_archives=_build_game_archives(ground),
        activities=ActivityService(database=database),
        cleanup=_build_cleanup(ground, files, completion, upload_completion),
        recovery=_build_recovery(ground),
    )


def _lay_ground(settings: Settings, now: Callable[[], datetime]) -> _Ground:
    return _Ground(
        settings=settings,
        database=Database(settings.resolved_database_url, run_blocking=offload),
        store=DiskStore(settings.blob_dir),
        attachments=AttachmentStore(settings.data_dir / "uploads" / "chats"),
        games=GameStore(settings.data_dir / "games"),
        space=Space(max_file_bytes=settings.max_file_bytes, quota_bytes=settings.quota_bytes),
        now=now,
        flush=settings.durability != "process",
        flush_chunks=settings.durability == "ack",
        stale_after=timedelta(hours=settings.stale_upload_hours),
    )


def _build_accounts(ground: _Ground) -> AccountService:
    return AccountService(
        database=ground.database,
        passwords=Passwords(offload=offload),
        throttle=LoginThrottle(ground.settings.redis_url),
        now=ground.now,
    )


def _build_sign_ins(ground: _Ground) -> SignInService:
    access = timedelta(minutes=ground.settings.access_token_expire_minutes)
    refresh = timedelta(days=ground.settings.refresh_token_days)
    return SignInService(database=ground.database, now=ground.now, refresh_lifetime=max(refresh, access))


def _build_completion(ground: _Ground) -> Completion:
    return Completion(
        database=ground.database,
        store=ground.store,
        digests=RunningDigests(store=ground.store, offload=offload),
        offload=offload,
        now=ground.now,
        flush=ground.flush,
    )


def _build_uploads(ground: _Ground, completion: Completion) -> UploadService:
    return UploadService(
        database=ground.database,
        store=ground.store,
        space=ground.space,
        completion=completion,
        offload=offload,
        now=ground.now,
        flush_chunks=ground.flush_chunks,
    )


def _build_whole_files(ground: _Ground, files: FileService) -> WholeFileService:
    return WholeFileService(
        database=ground.database,
        store=ground.store,
        space=ground.space,
        files=files,
        offload=offload,
        now=ground.now,
        flush=ground.flush,
    )


def _build_concatenation(ground: _Ground, files: FileService) -> Concatenation:
    return Concatenation(
        database=ground.database,
        store=ground.store,
        space=ground.space,
        files=files,
        offload=offload,
        now=ground.now,
        flush=ground.flush,
    )


def _build_upload_completion(
    ground: _Ground, files: FileService, completion: Completion, concatenation: Concatenation, news: ProgressNews
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
    ground: _Ground, files: FileService, completion: UploadCompletion, news: ProgressNews
) -> ResumableUploadService:
    lookup = UploadLookup(database=ground.database, now=ground.now, stale_after=ground.stale_after)
    appends = Appends(
        database=ground.database,
        store=ground.store,
        space=ground.space,
        files=files,
        lookup=lookup,
        completion=completion,
        news=news,
        offload=offload,
        begin_offload=begin_offload,
        now=ground.now,
        flush_chunks=ground.flush_chunks,
    )
    return ResumableUploadService(
        database=ground.database,
        store=ground.store,
        space=ground.space,
        files=files,
        lookup=lookup,
        appends=appends,
        completion=completion,
        offload=offload,
        now=ground.now,
    )


def _build_attachments(ground: _Ground, messages: MessageService) -> AttachmentService:
    return AttachmentService(
        messages=messages, store=ground.attachments, space=ground.space, offload=offload, flush=ground.flush
    )


def _build_game_archives(ground: _Ground) -> GameArchives:
    return GameArchives(
        database=ground.database,
        store=ground.games,
        offload=offload,
        max_member_bytes=ground.settings.max_file_bytes,
    )


def _build_cleanup(
    ground: _Ground, files: FileService, completion: Completion, upload_completion: UploadCompletion
) -> CleanupService:
    database, space, now = ground.database, ground.space, ground.now
    uploads = UploadCleanup(
        database=database,
        store=ground.store,
        space=space,
        files=files,
        completion=upload_completion,
        offload=offload,
        now=now,
        stale_after=ground.stale_after,
    )
    return CleanupService(
        database=database,
        store=ground.store,
        files=files,
        completion=completion,
        space=space,
        uploads=uploads,
        chat=ChatCleanup(database=database, store=ground.attachments, space=space, offload=offload, now=now),
        games=GameCleanup(database=database, store=ground.games, offload=offload, now=now),
        offload=offload,
        now=now,
        stale_after=ground.stale_after,
    )


def _build_recovery(ground: _Ground) -> Recovery | None:
    if ground.settings.durability == "ack":
        return None
    folder = ground.settings.data_dir / "running"
    return Recovery(database=ground.database, folder=folder, boot=present_boot())


def _build_remote_downloads(ground: _Ground) -> RemoteDownloadService:
    settings, wake_ups = ground.settings, wake_ups_of(ground.settings)

    def wake(job_id: int) -> None:
        try:
            wake_ups.send(job_id)
        except Exception as error:  # noqa: BLE001 - of any queue; the worker finds the row itself, a little later
            structlog.get_logger().warning("wake_up_lost", job=job_id, error=type(error).__name__)

    return RemoteDownloadService(
        database=ground.database,
        store=ground.games,
        now=ground.now,
        max_active=settings.max_remote_downloads,
        source_names=[source.name for source in settings.game_data_sources],
        wake=wake,
    )


def wake_ups_of(settings: Settings) -> WakeUps:
    """The wake-up calls between the service and the download worker. Raises ValueError without a secret key."""
    if settings.secret_key is None:
        raise ValueError("wake-up calls are signed: settings need a secret key")
    return WakeUps(
        redis_url=settings.redis_url,
        database_url=settings.resolved_database_url,
        path=settings.data_dir / "queue.sqlite3",
        secret_key=settings.secret_key.get_secret_value(),
    )
