"""`create_app`: the one place that wires the service together, and what its server calls at the start and the end."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Flask, Request
from flask.sessions import SessionInterface, SessionMixin
from werkzeug.middleware.proxy_fix import ProxyFix

from transfer_service.bootstrap import Services, build_services
from transfer_service.cli.accounts import init_commands
from transfer_service.cli.backup import init_backup_commands
from transfer_service.cli.games import init_game_commands
from transfer_service.cli.identities import init_identity_commands
from transfer_service.cli.programs import init_programs
from transfer_service.cli.read_only import refuse_changing_commands
from transfer_service.cli.secret_key import init_key_commands
from transfer_service.cli.storage import init_storage_commands
from transfer_service.cli.upkeep import init_upkeep_commands
from transfer_service.cli.webhooks import init_webhook_commands
from transfer_service.errors import InstallationMismatch, StorageFull, StoreUnavailable
from transfer_service.services.core import utc_now
from transfer_service.services.event_channels import make_channel
from transfer_service.services.previews.noting import tell_missing
from transfer_service.services.secret_keys import secrets_of
from transfer_service.services.upkeep.job_counts import JobCounts
from transfer_service.telemetry.metrics import metrics_of
from transfer_service.telemetry.traces import begin_traces
from transfer_service.web import operations as health
from transfer_service.web.accounts import auth, export, keys, oidc, people, sessions
from transfer_service.web.accounts.tokens import init_tokens
from transfer_service.web.addresses import init_addresses
from transfer_service.web.admin import account_removal, accounts, cleanup, transfers, usage
from transfer_service.web.chat import attachments, conversations, messages
from transfer_service.web.chat.emitters import Fanout, ProgressEvents
from transfer_service.web.chat.socketio import LIVE, SocketIO, init_socketio
from transfer_service.web.console import pages as console
from transfer_service.web.console.pages import init_console
from transfer_service.web.context import EXTENSION, services_of
from transfer_service.web.cors import ORIGINS, Origins, share_with_origins
from transfer_service.web.error_envelopes import init_error_envelopes
from transfer_service.web.events import activities, webhooks
from transfer_service.web.files import folders, stored_files, trash
from transfer_service.web.files import routes as downloads
from transfer_service.web.games import catalogue, game_zip
from transfer_service.web.games import downloads as remote_downloads
from transfer_service.web.games.progress_feed import FEED, ProgressFeed
from transfer_service.web.metrics import init_metrics
from transfer_service.web.middleware import forbid_caching, override_methods
from transfer_service.web.previews import thumbnails
from transfer_service.web.query import check_queries
from transfer_service.web.rate_limits import SOCKETS, init_rate_limits, limit_handshakes
from transfer_service.web.representation import init_representation, refuse_coded_polls
from transfer_service.web.request_log import begin_requests, init_request_log
from transfer_service.web.requests import init_power_loss, init_requests, recover
from transfer_service.web.sharing import bundles, link_uploads, links, shared_links, signed_addresses
from transfer_service.web.sharing.signed import init_signed
from transfer_service.web.uploads import content_range, device_frames, resumable, whole_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from transfer_service.config import Settings
    from transfer_service.telemetry.otlp import Queue
    from transfer_service.web.chat.sessions import LiveSessions


SENDING = "transfer.traces"


class _NoSessions(SessionInterface):
    """No session of Flask, which would be a cookie: who is signed in, tokens say."""

    def open_session(self, app: Flask, request: Request) -> SessionMixin:  # noqa: ARG002 - Flask's signature
        """One that can only be read, and is never saved."""
        return self.make_null_session(app)

    def save_session(self, *_: Any) -> None:
        """There is nothing to save."""


class Application(Flask):
    """Flask, less what nothing here uses and every request would pay for."""

    session_interface = _NoSessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself: no view and no hook is a coroutine."""
        return func


def create_app(settings: Settings, *, now: Callable[[], datetime] = utc_now, boot: str | None = None) -> Flask:
    """The WSGI application for `settings`. `now` is the clock of every service, `boot` as for `build_services`.

    One list of what the app is made of, so it is longer than other functions.
    """
    if settings.secret_key is None:
        raise ValueError("settings need a secret key; load_settings() provides one")
    app = Application("transfer_service", static_folder=None, template_folder="web/templates")
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    app.config.update(READ_TIMEOUT_SECONDS=settings.read_timeout_seconds, ACCEL=settings.accel == "nginx")
    app.config.update(REDIRECT=settings.s3_redirect and settings.store_address is not None)
    own_secrets = secrets_of(settings)
    init_tokens(
        app,
        secrets=own_secrets,
        access_minutes=settings.access_token_expire_minutes,
        refresh_days=settings.refresh_token_days,
    )
    init_signed(app, secrets=own_secrets, now=now)
    app.extensions[ORIGINS] = origins = Origins(settings.cors_origins)
    socketio = SocketIO()
    services = build_services(
        settings, now=now, publish=Fanout(socketio), on_progress=ProgressEvents(socketio), boot=boot
    )
    app.extensions[EXTENSION] = services
    init_request_log(app)
    init_metrics(app)
    init_requests(app)
    init_addresses(app, settings.public_url)
    init_representation(app)
    init_power_loss(app)
    init_error_envelopes(app)
    init_rate_limits(app)
    files = (device_frames, whole_file, stored_files, folders, trash, content_range, resumable, downloads, thumbnails)
    chat = (conversations, messages, attachments)
    games = (catalogue, remote_downloads, game_zip)
    events = (activities, webhooks)
    sharing = (bundles, signed_addresses, links, shared_links, link_uploads)
    admin = (cleanup, accounts, account_removal, usage, transfers)
    own = (auth, oidc, keys, sessions, people, export)
    for door in (*own, *files, *chat, *games, *sharing, *events, *admin, health, console):
        app.register_blueprint(door.blueprint)
    init_console(app, settings)
    init_socketio(
        app,
        socketio,
        sign_ins=services.sign_ins,
        keys=services.keys,
        now=now,
        channel=make_channel(settings.redis_url, services.database),
        max_message_bytes=settings.socket_max_bytes,
        origins=origins,
    )
    app.extensions[FEED] = ProgressFeed(
        find_progress=services.remote_downloads.find_progress, find_alive=services.sign_ins.find_alive, now=now
    )
    check_queries(app, except_for={"health.static"})
    init_commands(app)
    init_identity_commands()
    init_programs(app)
    init_game_commands(app)
    init_upkeep_commands(app)
    init_webhook_commands(app)
    init_storage_commands(app)
    init_key_commands(app)
    init_backup_commands(app)
    if settings.read_only:
        refuse_changing_commands(app)
    _add_middleware(app, origins=origins, trusted_proxies=settings.trusted_proxies)
    return app


def _add_middleware(app: Flask, *, origins: Origins, trusted_proxies: int) -> None:
    services = services_of(app)
    sockets = limit_handshakes(refuse_coded_polls(app.wsgi_app), services.request_limits)
    doors = override_methods(partial(Flask.wsgi_app, app))  # past Socket.IO, which copies what it passes on

    def by_path(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        is_socket = environ.get("PATH_INFO", "").startswith(SOCKETS)
        return (sockets if is_socket else doors)(environ, start_response)

    application: WSGIApplication = share_with_origins(forbid_caching(by_path), origins)
    if trusted_proxies:
        hops = trusted_proxies
        application = ProxyFix(application, x_for=hops, x_proto=hops, x_host=hops, x_prefix=hops)
    app.wsgi_app = begin_requests(  # type: ignore[assignment, method-assign] # Flask adds middleware so
        application, behind_proxy=trusted_proxies > 0
    )


def begin_serving(app: Flask) -> None:
    """Called by the server in the process that serves, before the first request. Raises InstallationMismatch."""
    services = services_of(app)
    settings = services.core.settings
    metrics = metrics_of(settings.data_dir, settings.metrics_bind)
    if metrics is not None:
        metrics.count("service")
        metrics.answer(JobCounts(services.database).find)
    sending = begin_traces(settings.otlp_endpoint, tells=True)
    if sending is not None:
        app.extensions[SENDING] = sending
    services.database.notices.begin()
    tell_missing(services.core.settings)
    if services.openid is not None:
        services.openid.client.provider.warm_up()
    services.gate.add(services.database.take_reserve)
    if not services.database.is_read_only:
        services.gate.add(lambda: _restore(services))
    try:
        services.gate.enter()
        recover(app)
    except InstallationMismatch:
        raise
    except (StoreUnavailable, StorageFull):  # not migrated, or down: then before the first request that can
        return


def _restore(services: Services) -> None:
    """What the right database misses comes back at once, and not with the next cleanup only."""
    with suppress(OSError):
        services.orphans.restore()


def stop_serving(app: Flask) -> None:
    """Called by the server when it takes no more connections: live ones end, so that clients go to another instance."""
    feed: ProgressFeed = app.extensions[FEED]
    feed.stop()
    sessions: LiveSessions = app.extensions[LIVE]
    sessions.close_all()


def end_serving(app: Flask) -> None:
    """Called by the server when the last request has been answered."""
    services = services_of(app)
    with suppress(StoreUnavailable, StorageFull):  # the database is away: only a power loss would ask for this note
        services.recovery.note_flushed()
    services.database.rest()
    sending: Queue | None = app.extensions.get(SENDING)
    if sending is not None:
        sending.shutdown()
