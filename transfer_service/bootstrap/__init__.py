"""Building the services, each with what it needs, for whoever runs them: the app, commands, the download worker."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from transfer_service.bootstrap.files import FileServices, build_file_services
from transfer_service.bootstrap.upkeep import build_upkeep
from transfer_service.services import Services
from transfer_service.services.accounts.accounts import AccountService
from transfer_service.services.accounts.login_throttle import LoginThrottle
from transfer_service.services.accounts.passwords import Passwords
from transfer_service.services.accounts.sign_ins import SignInService
from transfer_service.services.chat.attachments import AttachmentService
from transfer_service.services.chat.conversations import ConversationService
from transfer_service.services.chat.messages import MessageService
from transfer_service.services.core import Core, build_core, utc_now
from transfer_service.services.games.activities import ActivityService
from transfer_service.services.games.archives import GameArchives
from transfer_service.services.games.catalogue import GameService
from transfer_service.services.games.downloads import RemoteDownloadService
from transfer_service.services.redis_link import RedisProbe
from transfer_service.services.request_limits import RequestLimits
from transfer_service.services.upkeep.account_removal import AccountRemoval
from transfer_service.services.upkeep.recovery import Recovery, flush_file_system
from transfer_service.threads import offload

if TYPE_CHECKING:
    from collections.abc import Callable

    from config import Settings
    from transfer_service.services.chat.events import ChatEvent
    from transfer_service.services.uploads.progress import UploadProgress


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
    core = build_core(settings, now, boot=boot)
    database, store, space = core.database, core.store, core.space
    files = build_file_services(core, tell=tell)
    upkeep = build_upkeep(core, files)
    messages = MessageService(database=database, space=space, now=now, publish=publish)
    conversations = ConversationService(database=database, now=now)
    return Services(
        database=database,
        store=store,
        space=space,
        files=files.files,
        file_listing=files.file_listing,
        renaming=files.renaming,
        accounts=_build_accounts(core),
        account_removal=_build_account_removal(core, files, conversations),
        sign_ins=_build_sign_ins(core),
        uploads=files.uploads,
        whole_files=files.whole_files,
        resumable_uploads=files.resumable_uploads,
        concatenation=files.concatenation,
        unfinished_uploads=files.unfinished_uploads,
        conversations=conversations,
        messages=messages,
        attachments=_build_attachments(core, messages),
        remote_downloads=_build_remote_downloads(core),
        games=GameService(database=database),
        game_archives=_build_game_archives(core),
        activities=ActivityService(database=database),
        cleanup=upkeep.cleanup,
        orphans=upkeep.orphans,
        installation=upkeep.installation,
        verification=upkeep.verification,
        gate=upkeep.gate,
        recovery=_build_recovery(core),
        request_limits=RequestLimits(settings.rate_limits, redis_url=settings.redis_url),
        redis=RedisProbe(settings.redis_url),
    )


def _build_accounts(core: Core) -> AccountService:
    return AccountService(
        database=core.database,
        passwords=Passwords(offload=offload),
        throttle=LoginThrottle(core.settings.redis_url),
        now=core.now,
    )


def _build_account_removal(core: Core, files: FileServices, conversations: ConversationService) -> AccountRemoval:
    return AccountRemoval(
        database=core.database,
        files=files.files,
        conversations=conversations,
        attachments=core.attachments,
        space=core.space,
        offload=offload,
        now=core.now,
    )


def _build_sign_ins(core: Core) -> SignInService:
    access = timedelta(minutes=core.settings.access_token_expire_minutes)
    refresh = timedelta(days=core.settings.refresh_token_days)
    return SignInService(database=core.database, now=core.now, refresh_lifetime=max(refresh, access))


def _build_attachments(core: Core, messages: MessageService) -> AttachmentService:
    return AttachmentService(messages=messages, store=core.attachments, space=core.space, offload=offload)


def _build_game_archives(core: Core) -> GameArchives:
    return GameArchives(
        database=core.database,
        store=core.games,
        offload=offload,
        max_member_bytes=core.settings.max_file_bytes,
    )


def _build_recovery(core: Core) -> Recovery:
    return Recovery(
        database=core.database,
        boot=core.durability.boot,
        marks=core.settings.data_dir / "running",
        flush=lambda: flush_file_system(core.settings.blob_dir),
    )


def _build_remote_downloads(core: Core) -> RemoteDownloadService:
    settings = core.settings
    return RemoteDownloadService(
        database=core.database,
        store=core.games,
        now=core.now,
        max_active=settings.max_remote_downloads,
        source_names=[source.name for source in settings.game_data_sources],
    )
