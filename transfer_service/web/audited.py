"""What leaves which row in the audit log: one line for each way to change something, or a reason why it leaves none.

`tests/web/events/test_audited.py` holds it against openapi.yaml, the events of sockets and the commands: a new one
without a line here fails. The rows themselves are written where the change is, in its transaction.
"""

from typing import TypeAlias

from transfer_service.services.events.actions import Action

Told: TypeAlias = tuple[Action, ...] | str
"""What it may leave, or why it leaves nothing."""

_MESSAGES = "messages tell of themselves: who said, edited, pinned or deleted what, and when, is in the conversation"
_READING = "it changes nothing but how far somebody has read"
_GRANT = "it only makes an address of what is there, and keeps nothing"
_ACCOUNT_CHANGES = (
    Action.ACCOUNT_CHANGED, Action.ACCOUNT_DISABLED, Action.ACCOUNT_ENABLED, Action.ACCOUNT_PASSWORD_CHANGED,
    Action.KEY_REVOKED,
)  # fmt: skip
_UPLOADED = (Action.FILE_UPLOADED,)
_CLEANUP = (Action.FILE_UPLOADED, Action.FILE_PURGED, Action.UPLOAD_CANCELLED, Action.CONVERSATION_DELETED)

ROUTES: dict[str, Told] = {
    "account_removal.delete_account": (Action.ACCOUNT_DELETED, Action.DOWNLOAD_CANCELLED),
    "accounts.change_account": _ACCOUNT_CHANGES,
    "accounts.create_account": (Action.ACCOUNT_CREATED,),
    "auth.change_password": (Action.ACCOUNT_PASSWORD_CHANGED, Action.ACCOUNT_SIGN_IN_FAILED),
    "auth.device_token": (Action.ACCOUNT_SIGNED_IN, Action.ACCOUNT_SIGN_IN_FAILED),
    "auth.login": (Action.ACCOUNT_SIGNED_IN, Action.ACCOUNT_SIGN_IN_FAILED),
    "auth.logout": (Action.ACCOUNT_SIGNED_OUT,),
    "auth.refresh": (Action.ACCOUNT_SESSION_ENDED,),
    "auth.token": (Action.ACCOUNT_SIGNED_IN, Action.ACCOUNT_SIGN_IN_FAILED),
    "bundles.create": "a bundle is only a list of files for a day, and gives nobody anything",
    "cleanup.cleanup": _CLEANUP,
    "content_range.upload_chunk": _UPLOADED,
    "conversations.add_participant": (Action.CONVERSATION_JOINED,),
    "conversations.create_direct": (Action.CONVERSATION_CREATED, Action.CONVERSATION_JOINED),
    "conversations.create_group": (Action.CONVERSATION_CREATED,),
    "conversations.mark_read": _READING,
    "conversations.remove_participant": (Action.CONVERSATION_LEFT,),
    "device_frames.upload_chunk": _UPLOADED,
    "folders.create_folder": (Action.FOLDER_CREATED,),
    "folders.delete_folder": (Action.FOLDER_DELETED, Action.FILE_DELETED, Action.UPLOAD_CANCELLED),
    "folders.move_folder": (Action.FOLDER_MOVED,),
    "keys.create_key": (Action.KEY_CREATED,),
    "keys.revoke_key": (Action.KEY_REVOKED,),
    "link_uploads.append": _UPLOADED,
    "link_uploads.cancel": (Action.UPLOAD_CANCELLED,),
    "link_uploads.create": _UPLOADED,
    "links.create_link": (Action.LINK_CREATED,),
    "links.revoke_link": (Action.LINK_REVOKED, Action.UPLOAD_CANCELLED),
    "messages.change": _MESSAGES,
    "messages.delete": _MESSAGES,
    "messages.post_attachment": _MESSAGES,
    "messages.post_text": (Action.FILE_ATTACHED,),
    "remote_downloads.cancel": (Action.DOWNLOAD_CANCELLED,),
    "remote_downloads.remove_archive": (Action.ARCHIVE_DELETED,),
    "remote_downloads.start": (Action.DOWNLOAD_STARTED,),
    "resumable.append": _UPLOADED,
    "resumable.cancel": (Action.UPLOAD_CANCELLED,),
    "resumable.create": _UPLOADED,
    "sessions.end_session": (Action.ACCOUNT_SESSION_ENDED,),
    "shared_links.unlock": "it only opens a link for whoever knows its password; downloads are told of",
    "signed_addresses.sign_attachment": _GRANT,
    "signed_addresses.sign_file": _GRANT,
    "stored_files.delete_file": (Action.FILE_DELETED, Action.UPLOAD_CANCELLED),
    "stored_files.rename_file": (Action.FILE_RENAMED,),
    "transfers.cancel_transfer": (Action.UPLOAD_CANCELLED, Action.DOWNLOAD_CANCELLED),
    "trash.empty_trash": (Action.FILE_PURGED,),
    "trash.remove_file": (Action.FILE_PURGED,),
    "trash.restore_file": (Action.FILE_RESTORED,),
    "webhooks.add_webhook": (Action.WEBHOOK_CREATED,),
    "webhooks.redeliver": (Action.WEBHOOK_REDELIVERED,),
    "webhooks.remove_webhook": (Action.WEBHOOK_DELETED,),
    "webhooks.test_webhook": (Action.WEBHOOK_TESTED,),
    "whole_file.put_file": _UPLOADED,
    "whole_file.upload_file": _UPLOADED,
}
"""Every endpoint with a method that changes something."""

_AT_THE_PROVIDER = (
    Action.ACCOUNT_SIGNED_IN, Action.ACCOUNT_SIGN_IN_FAILED, Action.ACCOUNT_CREATED, Action.ACCOUNT_CHANGED,
)  # fmt: skip

READING_ROUTES: dict[str, Told] = {
    "export.export_account": (Action.ACCOUNT_EXPORTED,),
    "oidc.callback": _AT_THE_PROVIDER,
    "oidc.login": "it only sends a browser to the provider",
    "shared_links.download": (Action.LINK_DOWNLOADED,),
    "shared_links.download_all": (Action.LINK_DOWNLOADED,),
}
"""Endpoints that leave or change something although their method says that they only read."""

SOCKET_EVENTS: dict[str, Told] = {
    "authenticate": "it shows a token of a sign-in that was told of",
    "join_conversation": "it only lets this socket hear a conversation again",
    "leave_conversation": "it only mutes a conversation for this socket",
    "send_message": _MESSAGES,
    "stop_typing": "it only tells others",
    "typing": "it only tells others",
}
"""Every event that clients may send."""

COMMANDS: dict[str, Told] = {
    "accounts create": (Action.ACCOUNT_CREATED,),
    "accounts create-first-admin": (Action.ACCOUNT_CREATED,),
    "accounts delete": (Action.ACCOUNT_DELETED,),
    "accounts disable": (Action.ACCOUNT_DISABLED,),
    "accounts enable": (Action.ACCOUNT_ENABLED,),
    "accounts grant": (Action.ACCOUNT_CHANGED,),
    "accounts list": "it only reads",
    "accounts revoke": (Action.ACCOUNT_CHANGED,),
    "accounts set-password": (Action.ACCOUNT_PASSWORD_CHANGED,),
    "accounts set-quota": (Action.ACCOUNT_CHANGED,),
    "backup": "it only reads",
    "accounts unlink": (Action.ACCOUNT_CHANGED,),
    "cleanup": _CLEANUP,
    "database adopt": "it joins a database and a store, and changes nothing that accounts have",
    "database move": "it carries the log over as it is",
    "database upgrade": "it changes the schema, not what accounts have",
    "games import": (Action.GAMES_IMPORTED,),
    "games list": "it only reads",
    "restore": "it puts everything back as it was, the log too",
    "rotate-key": "it changes a file with keys, not what accounts have",
    "serve": "it only runs what changes something",
    "instance": "it only runs what changes something",
    "storage move": "it carries bytes over, and changes nothing that accounts have",
    "verify": "it only reads",
    "webhooks add": (Action.WEBHOOK_CREATED,),
    "webhooks failed": (Action.WEBHOOK_REDELIVERED,),
    "webhooks list": "it only reads",
    "webhooks remove": (Action.WEBHOOK_DELETED,),
    "webhooks test": (Action.WEBHOOK_TESTED,),
    "worker": (Action.DOWNLOAD_COMPLETED, Action.DOWNLOAD_FAILED, Action.WEBHOOK_ENDED),
}
"""Every command of `flask --app wsgi`."""
