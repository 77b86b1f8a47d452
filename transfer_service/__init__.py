"""A self-hosted file-transfer service: `create_app` is the one place that wires it together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from flask import Flask
from flask_socketio import SocketIO
from werkzeug.middleware.proxy_fix import ProxyFix

from transfer_service import extensions
from transfer_service.commands import init_commands
from transfer_service.database import Database
from transfer_service.errors import StoreUnavailable
from transfer_service.offload import offload
from transfer_service.services.accounts import AccountService
from transfer_service.services.attachments import AttachmentService
from transfer_service.services.chat_cleanup import ChatCleanup
from transfer_service.services.cleanup import CleanupService
from transfer_service.services.completion import Completion
from transfer_service.services.conversations import ConversationService
from transfer_service.services.files import FileService
from transfer_service.services.login_throttle import LoginThrottle
from transfer_service.services.messages import MessageService
from transfer_service.services.passwords import Passwords
from transfer_service.services.recovery import Recovery, present_boot
from transfer_service.services.running_digests import RunningDigests
from transfer_service.services.sign_ins import SignInService
from transfer_service.services.space import Space
from transfer_service.services.uploads import UploadService
from transfer_service.services.whole_files import WholeFileService
from transfer_service.storage.attachments import AttachmentStore
from transfer_service.storage.disk import DiskStore
from transfer_service.web import admin, auth, health
from transfer_service.web.current_account import init_tokens
from transfer_service.web.download import files as downloads
from transfer_service.web.error_envelopes import init_error_envelopes
from transfer_service.web.messages import attachments, conversations, messages
from transfer_service.web.messages.fanout import Fanout
from transfer_service.web.messages.live import LIVE, init_socketio
from transfer_service.web.request_log import collect_facts, init_request_log
from transfer_service.web.requests import init_requests
from transfer_service.web.services import EXTENSION, Services
from transfer_service.web.upload import content_range, device_frames, whole_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication

    from config import Settings
    from transfer_service.services.chat_events import ChatEvent
    from transfer_service.web.messages.live_sessions import LiveSessions

EXPOSED_HEADERS = [
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Location",
    "Retry-After",
    "X-Request-Id",
]


def utc_now() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


def create_app(settings: Settings, *, now: Callable[[], datetime] = utc_now) -> Flask:
    """The WSGI application for `settings`. `now` is the clock of every service."""
    if settings.secret_key is None:
        raise ValueError("settings need a secret key; load_settings() provides one")
    app = Flask(__name__, static_folder=None, template_folder="web/templates")
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    app.config.update(READ_TIMEOUT_SECONDS=settings.read_timeout_seconds, ACCEL=settings.accel == "nginx")
    init_tokens(
        app,
        secret_key=settings.secret_key.get_secret_value().encode(),
        access_minutes=settings.access_token_expire_minutes,
        refresh_days=settings.refresh_token_days,
    )
    if settings.cors_origins:
        extensions.cors.init_app(
            app,
            origins=settings.cors_origins,
            supports_credentials="*" not in settings.cors_origins,
            expose_headers=EXPOSED_HEADERS,
        )
    socketio = SocketIO()
    services = build_services(settings, now=now, publish=Fanout(socketio))
    app.extensions[EXTENSION] = services
    init_request_log(app)
    init_requests(app)
    init_error_envelopes(app)
    doors = (auth, device_frames, whole_file, content_range, downloads, conversations, messages, attachments)
    for door in (*doors, admin, health):
        app.register_blueprint(door.blueprint)
    init_socketio(
        app,
        socketio,
        sign_ins=services.sign_ins,
        now=now,
        redis_url=settings.redis_url,
        max_message_bytes=settings.socket_max_bytes,
        origins=settings.cors_origins,
    )
    init_commands(app)
    application: WSGIApplication = app.wsgi_app
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        application = ProxyFix(application, x_for=hops, x_proto=hops, x_host=hops, x_prefix=hops)
    app.wsgi_app = collect_facts(application)  # type: ignore[assignment, method-assign] # Flask adds middleware so
    return app


def _nobody_listens(_event: ChatEvent) -> None:
    """For processes without sockets, such as commands."""


def build_services(
    settings: Settings,
    *,
    now: Callable[[], datetime] = utc_now,
    publish: Callable[[ChatEvent], None] = _nobody_listens,
) -> Services:
    """The services, each with what it needs. `publish` gets what happens in conversations."""
    database = Database(settings.resolved_database_url, run_blocking=offload)
    store = DiskStore(settings.blob_dir)
    space = Space(max_file_bytes=settings.max_file_bytes, quota_bytes=settings.quota_bytes)
    flush = settings.durability != "process"
    completion = Completion(
        database=database,
        store=store,
        digests=RunningDigests(store=store, offload=offload),
        offload=offload,
        now=now,
        flush=flush,
    )
    files = FileService(database=database, store=store, space=space, completion=completion, offload=offload)
    messages = MessageService(database=database, space=space, now=now, publish=publish)
    attachment_store = AttachmentStore(settings.data_dir / "uploads" / "chats")
    access = timedelta(minutes=settings.access_token_expire_minutes)
    return Services(
        database=database,
        store=store,
        space=space,
        files=files,
        accounts=AccountService(
            database=database,
            passwords=Passwords(offload=offload),
            throttle=LoginThrottle(settings.redis_url),
            now=now,
        ),
        sign_ins=SignInService(
            database=database, now=now, refresh_lifetime=max(timedelta(days=settings.refresh_token_days), access)
        ),
        uploads=UploadService(
            database=database,
            store=store,
            space=space,
            completion=completion,
            offload=offload,
            now=now,
            flush_chunks=settings.durability == "ack",
        ),
        whole_files=WholeFileService(
            database=database, store=store, space=space, files=files, offload=offload, now=now, flush=flush
        ),
        conversations=ConversationService(database=database, now=now),
        messages=messages,
        attachments=AttachmentService(
            messages=messages, store=attachment_store, space=space, offload=offload, flush=flush
        ),
        cleanup=CleanupService(
            database=database,
            store=store,
            files=files,
            completion=completion,
            space=space,
            chat=ChatCleanup(database=database, store=attachment_store, space=space, offload=offload, now=now),
            offload=offload,
            now=now,
            stale_after=timedelta(hours=settings.stale_upload_hours),
        ),
        recovery=None
        if settings.durability == "ack"
        else Recovery(database=database, folder=settings.data_dir / "running", boot=present_boot()),
    )


def begin_serving(app: Flask) -> None:
    """Called by the server in the process that serves, before the first request."""
    services: Services = app.extensions[EXTENSION]
    if services.recovery is None:
        return
    try:
        restarted = services.recovery.begin()
    except StoreUnavailable:  # not migrated, or down: /readyz says so, and uploads are refused
        return
    if restarted:
        structlog.get_logger().warning("power_loss", restarted_uploads=restarted)


def stop_serving(app: Flask) -> None:
    """Called by the server when it takes no more connections: sockets end, so that clients go to another instance."""
    sessions: LiveSessions = app.extensions[LIVE]
    sessions.close_all()


def end_serving(app: Flask) -> None:
    """Called by the server when the last request has been answered."""
    services: Services = app.extensions[EXTENSION]
    if services.recovery is not None:
        services.recovery.end()
