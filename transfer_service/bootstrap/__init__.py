"""Building the services, each with what it needs, for whoever runs them: the app, commands, the download worker."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from transfer_service.bootstrap.files import build_file_services
from transfer_service.bootstrap.upkeep import build_upkeep
from transfer_service.services import Services
from transfer_service.services.accounts.accounts import AccountService
from transfer_service.services.accounts.passwords import Passwords
from transfer_service.services.accounts.sign_ins import SignInService
from transfer_service.services.chat.attachments import AttachmentService
from transfer_service.services.chat.conversations import ConversationService
from transfer_service.services.chat.messages import MessageService
from transfer_service.services.core import build_core, utc_now
from transfer_service.services.games.activities import ActivityService
from transfer_service.services.games.archives import GameArchives
from transfer_service.services.games.catalogue import GameService
from transfer_service.services.games.downloads import RemoteDownloadService
from transfer_service.services.redis_link import RedisProbe
from transfer_service.services.request_limits import RequestLimits
from transfer_service.services.upkeep.account_removal import AccountRemoval
from transfer_service.services.upkeep.recovery import Recovery

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
    on_progress: Callable[[UploadProgress], None] = _nobody_listens,
    boot: str | None = None,
) -> Services:
    """The services, each with what it needs.

    `publish` is called with what happens in conversations, `on_progress` with how far resumable uploads are.
    `boot` names the machine's present boot for who has a reason not to ask the machine.
    """
    core = build_core(settings, now, boot=boot)
    database, store, space = core.database, core.store, core.space
    files = build_file_services(core, on_progress=on_progress)
    sign_ins = SignInService(core)
    upkeep = build_upkeep(core, files, sign_ins)
    messages = MessageService(core, publish=publish)
    conversations = ConversationService(core)
    return Services(
        core=core,
        database=database,
        store=store,
        space=space,
        files=files.files,
        small_files=files.small_files,
        file_listing=files.file_listing,
        renaming=files.renaming,
        accounts=AccountService(core, passwords=Passwords(offload=core.offload)),
        account_removal=AccountRemoval(core, files=files.files, conversations=conversations),
        sign_ins=sign_ins,
        uploads=files.uploads,
        whole_files=files.whole_files,
        resumable_uploads=files.resumable_uploads,
        concatenation=files.concatenation,
        unfinished_uploads=files.unfinished_uploads,
        conversations=conversations,
        messages=messages,
        attachments=AttachmentService(core, messages=messages),
        remote_downloads=RemoteDownloadService(core),
        games=GameService(database=database),
        game_archives=GameArchives(core),
        activities=ActivityService(database=database),
        cleanup=upkeep.cleanup,
        orphans=upkeep.orphans,
        installation=upkeep.installation,
        verification=upkeep.verification,
        gate=upkeep.gate,
        recovery=Recovery(core),
        request_limits=RequestLimits(settings.rate_limits, redis_url=settings.redis_url),
        redis=RedisProbe(settings.redis_url),
    )
