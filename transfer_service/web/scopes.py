"""What a key must be for to call a route (docs/devices.md): one line for every route that there is.

`check` is asked where it is found out who sends a request, so no view can forget it; a route without a line is closed
to keys. What depends on more than the route is asked for by `require_scope` in `web/context.py`.
"""

from enum import Enum, auto
from typing import TypeAlias

from transfer_service.errors import BadCredentials, KeyLacksScope, NotForKeys
from transfer_service.models.keys import Scope
from transfer_service.services.accounts.sign_ins import KeyGrant


class Rule(Enum):
    """What is not a matter of scopes."""

    OPEN = auto()
    """Nobody is asked who he is, or something else than a token decides."""
    ANY = auto()
    """Whatever the key is for."""
    NOT_FOR_KEYS = auto()
    """What people do when they are signed in: 403."""
    TOKENS_ONLY = auto()
    """What is about the token itself, and a key is none: 401."""


Needed: TypeAlias = Rule | tuple[Scope, ...]
"""A rule, or scopes of which one is enough; a refusal names the first."""

_UPLOAD, _FILES, _DOWNLOAD, _CHAT, _GAMES = ((scope,) for scope in Scope)
_STATUS = (Scope.FILES, Scope.UPLOAD)

NEEDED: dict[str, Needed] = {
    "account_removal.delete_account": Rule.NOT_FOR_KEYS,
    "accounts.change_account": Rule.NOT_FOR_KEYS,
    "accounts.create_account": Rule.NOT_FOR_KEYS,
    "accounts.list_accounts": Rule.NOT_FOR_KEYS,
    "activities.list_activities": Rule.NOT_FOR_KEYS,
    "cleanup.cleanup": Rule.NOT_FOR_KEYS,
    "attachments.download": _CHAT,
    "attachments.thumbnail": _CHAT,
    "auth.change_password": Rule.NOT_FOR_KEYS,
    "auth.device_token": Rule.OPEN,
    "auth.login": Rule.OPEN,
    "auth.logout": Rule.TOKENS_ONLY,
    "auth.me": Rule.ANY,
    "auth.refresh": Rule.TOKENS_ONLY,
    "auth.token": Rule.OPEN,
    "bundles.create": _DOWNLOAD,
    "bundles.download": _DOWNLOAD,
    "content_range.status": _STATUS,
    "content_range.upload_chunk": _UPLOAD,
    "conversations.add_participant": _CHAT,
    "conversations.create_direct": _CHAT,
    "conversations.create_group": _CHAT,
    "conversations.info": _CHAT,
    "conversations.list_conversations": _CHAT,
    "conversations.mark_read": _CHAT,
    "conversations.remove_participant": _CHAT,
    "device_frames.upload_chunk": _UPLOAD,
    "export.export_account": Rule.NOT_FOR_KEYS,
    "files.download_by_id": _DOWNLOAD,
    "files.download_by_name": _DOWNLOAD,
    "files.download_by_name_or_id": _DOWNLOAD,
    "folders.create_folder": _FILES,
    "folders.delete_folder": _FILES,
    "folders.move_folder": _FILES,
    "folders.show_folder": _FILES,
    "console.asset": Rule.OPEN,
    "console.home": Rule.OPEN,
    "console.place": Rule.OPEN,
    "game_zip.by_name": _GAMES,
    "game_zip.by_url": _GAMES,
    "games.launch": _GAMES,
    "games.list_games": _GAMES,
    "games.show_game": _GAMES,
    "health.alive": Rule.OPEN,
    "health.docs": Rule.OPEN,
    "health.openapi": Rule.OPEN,
    "health.ready": Rule.OPEN,
    "health.static": Rule.OPEN,
    "keys.create_key": Rule.NOT_FOR_KEYS,
    "keys.list_keys": Rule.NOT_FOR_KEYS,
    "keys.revoke_key": Rule.NOT_FOR_KEYS,
    "links.create_link": Rule.NOT_FOR_KEYS,
    "links.list_links": Rule.NOT_FOR_KEYS,
    "links.revoke_link": Rule.NOT_FOR_KEYS,
    "links.show_link": Rule.NOT_FOR_KEYS,
    "messages.change": _CHAT,
    "messages.changes": _CHAT,
    "messages.delete": _CHAT,
    "messages.history": _CHAT,
    "messages.post_attachment": _CHAT,
    "messages.post_text": _CHAT,
    "people.find_accounts": Rule.NOT_FOR_KEYS,
    "remote_downloads.cancel": _GAMES,
    "remote_downloads.list_downloads": _GAMES,
    "remote_downloads.progress": _GAMES,
    "remote_downloads.remove_archive": _GAMES,
    "remote_downloads.start": _GAMES,
    "resumable.append": _UPLOAD,
    "resumable.cancel": _UPLOAD,
    "resumable.create": _UPLOAD,
    "resumable.list_uploads": _UPLOAD,
    "resumable.look": _UPLOAD,
    "resumable.options": Rule.OPEN,
    "resumable.show": _UPLOAD,
    "oidc.callback": Rule.OPEN,
    "oidc.login": Rule.OPEN,
    "sessions.end_session": Rule.NOT_FOR_KEYS,
    "sessions.list_sessions": Rule.NOT_FOR_KEYS,
    "link_uploads.append": Rule.OPEN,
    "link_uploads.cancel": Rule.OPEN,
    "link_uploads.create": Rule.OPEN,
    "link_uploads.look": Rule.OPEN,
    "link_uploads.options": Rule.OPEN,
    "link_uploads.show": Rule.OPEN,
    "shared_links.download": Rule.OPEN,
    "shared_links.download_all": Rule.OPEN,
    "shared_links.show": Rule.OPEN,
    "shared_links.thumbnail": Rule.OPEN,
    "shared_links.unlock": Rule.OPEN,
    "signed_addresses.sign_attachment": _CHAT,
    "signed_addresses.sign_file": _DOWNLOAD,
    "stored_files.delete_file": _FILES,
    "stored_files.list_files": _FILES,
    "stored_files.rename_file": _FILES,
    "stored_files.show_file": _STATUS,
    "stored_files.status": _STATUS,
    "thumbnails.of_file": _DOWNLOAD,
    "trash.empty_trash": _FILES,
    "trash.list_trash": _FILES,
    "trash.remove_file": _FILES,
    "trash.restore_file": _FILES,
    "transfers.cancel_transfer": Rule.NOT_FOR_KEYS,
    "transfers.list_transfers": Rule.NOT_FOR_KEYS,
    "usage.show_usage": Rule.NOT_FOR_KEYS,
    "webhooks.add_webhook": Rule.NOT_FOR_KEYS,
    "webhooks.list_failed": Rule.NOT_FOR_KEYS,
    "webhooks.list_webhooks": Rule.NOT_FOR_KEYS,
    "webhooks.redeliver": Rule.NOT_FOR_KEYS,
    "webhooks.remove_webhook": Rule.NOT_FOR_KEYS,
    "webhooks.test_webhook": Rule.NOT_FOR_KEYS,
    "whole_file.put_file": _UPLOAD,
    "whole_file.upload_file": _UPLOAD,
}
"""By endpoint."""


def check(key: KeyGrant, endpoint: str | None) -> None:
    """Raises BadCredentials, NotForKeys, KeyLacksScope where this key may not call this endpoint."""
    needed = NEEDED.get(endpoint or "", Rule.NOT_FOR_KEYS)
    if needed is Rule.TOKENS_ONLY:
        raise BadCredentials
    if needed is Rule.NOT_FOR_KEYS:
        raise NotForKeys
    if not isinstance(needed, Rule) and key.scopes.isdisjoint(needed):
        raise KeyLacksScope(needed[0].value)


def check_scope(key: KeyGrant, scope: Scope) -> None:
    """Raises KeyLacksScope where this key is not for that."""
    if scope not in key.scopes:
        raise KeyLacksScope(scope.value)
