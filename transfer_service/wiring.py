"""Building the services, each with what it needs, for whoever runs them: the app, commands, the download worker."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from transfer_service.file_wiring import FileServices, build_file_services
from transfer_service.ground import Ground, lay_ground, utc_now
from transfer_service.offload import offload
from transfer_service.services.account_removal import AccountRemoval
from transfer_service.services.accounts import AccountService
from transfer_service.services.activities import ActivityService
from transfer_service.services.attachments import AttachmentService
from transfer_service.services.conversations import ConversationService
from transfer_service.services.game_archives import GameArchives
from transfer_service.services.games import GameService
from transfer_service.services.login_throttle import LoginThrottle
from transfer_service.services.messages import MessageService
from transfer_service.services.passwords import Passwords
from transfer_service.services.recovery import Recovery, flush_file_system
from transfer_service.services.redis_link import RedisProbe
from transfer_service.services.remote_downloads import RemoteDownloadService
from transfer_service.services.request_limits import RequestLimits
from transfer_service.services.sign_ins import SignInService
from transfer_service.upkeep_wiring import build_upkeep
from transfer_service.web.services import Services

if TYPE_CHECKING:
    from collections.abc import Callable

    from config import Settings
    from transfer_service.services.chat_events import ChatEvent
    from transfer_service.services.upload_events import UploadProgress


def _nobody_listens(_event: object) -> None:
    """For processes without sockets, such as commands."""


def build_services(
    settings: Settings,
    *,
    now: Callable[[], datetime] = utc_now,
    publish: Callable[[ChatEvent], None] = _nobody_listens,
    tell: Callable[[UploadProgress], None] = _nobody_listens,
    boot: str | None = None,
) -> Services:
    """The services, each with what it needs. `publish` gets what happens in conversations, `tell` uploads' progress.

    `boot` names the machine's present boot for who has a reason not to ask the machine.
    """
    ground = lay_ground(settings, now, boot=boot)
    database, store, space = ground.database, ground.store, ground.space
    files = build_file_services(ground, tell=tell)
    upkeep = build_upkeep(ground, files)
    messages = MessageService(database=database, space=space, now=now, publish=publish)
    conversations = ConversationService(database=database, now=now)
    return Services(
        database=database,
        store=store,
        space=space,
        files=files.files,
        file_listing=files.file_listing,
        renaming=files.renaming,
        accounts=_build_accounts(ground),
        account_removal=_build_account_removal(ground, files, conversations),
        sign_ins=_build_sign_ins(ground),
        uploads=files.uploads,
        whole_files=files.whole_files,
        resumable_uploads=files.resumable_uploads,
        concatenation=files.concatenation,
        unfinished_uploads=files.unfinished_uploads,
        conversations=conversations,
        messages=messages,
        attachments=_build_attachments(ground, messages),
        remote_downloads=_build_remote_downloads(ground),
        games=GameService(database=database),
        game_archives=_build_game_archives(ground),
        activities=ActivityService(database=database),
        cleanup=upkeep.cleanup,
        orphans=upkeep.orphans,
        installation=upkeep.installation,
        verification=upkeep.verification,
        gate=upkeep.gate,
        recovery=_build_recovery(ground),
        request_limits=RequestLimits(settings.rate_limits, redis_url=settings.redis_url),
        redis=RedisProbe(settings.redis_url),
    )


def _build_accounts(ground: Ground) -> AccountService:
    return AccountService(
        database=ground.database,
        passwords=Passwords(offload=offload),
        throttle=LoginThrottle(ground.settings.redis_url),
        now=ground.now,
    )


def _build_account_removal(ground: Ground, files: FileServices, conversations: ConversationService) -> AccountRemoval:
    return AccountRemoval(
        database=ground.database,
        files=files.files,
        conversations=conversations,
        attachments=ground.attachments,
        space=ground.space,
        offload=offload,
        now=ground.now,
    )


def _build_sign_ins(ground: Ground) -> SignInService:
    access = timedelta(minutes=ground.settings.access_token_expire_minutes)
    refresh = timedelta(days=ground.settings.refresh_token_days)
    return SignInService(database=ground.database, now=ground.now, refresh_lifetime=max(refresh, access))


def _build_attachments(ground: Ground, messages: MessageService) -> AttachmentService:
    return AttachmentService(messages=messages, store=ground.attachments, space=ground.space, offload=offload)


def _build_game_archives(ground: Ground) -> GameArchives:
    return GameArchives(
        database=ground.database,
        store=ground.games,
        offload=offload,
        max_member_bytes=ground.settings.max_file_bytes,
    )


def _build_recovery(ground: Ground) -> Recovery:
    return Recovery(
        database=ground.database,
        boot=ground.durability.boot,
        marks=ground.settings.data_dir / "running",
        flush=lambda: flush_file_system(ground.settings.blob_dir),
    )


def _build_remote_downloads(ground: Ground) -> RemoteDownloadService:
    settings = ground.settings
    return RemoteDownloadService(
        database=ground.database,
        store=ground.games,
        now=ground.now,
        max_active=settings.max_remote_downloads,
        source_names=[source.name for source in settings.game_data_sources],
    )
