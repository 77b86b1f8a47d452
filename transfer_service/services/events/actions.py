"""What can be told of: everything that changes something, or signs in."""

from enum import StrEnum

_RESOURCES = {
    "account": "accounts",
    "archive": "games",
    "conversation": "conversations",
    "download": "games",
    "file": "files",
    "folder": "folders",
    "game": "games",
    "key": "keys",
    "link": "links",
    "upload": "files",
    "webhook": "webhooks",
}


class Action(StrEnum):
    """An action: what it is about, a dot, and what happened. docs/audit.md says of each what its details are."""

    ACCOUNT_SIGNED_IN = "account.signed_in"
    ACCOUNT_SIGN_IN_FAILED = "account.sign_in_failed"
    ACCOUNT_SIGNED_OUT = "account.signed_out"
    ACCOUNT_SESSION_ENDED = "account.session_ended"
    ACCOUNT_CREATED = "account.created"
    ACCOUNT_CHANGED = "account.changed"
    ACCOUNT_DISABLED = "account.disabled"
    ACCOUNT_ENABLED = "account.enabled"
    ACCOUNT_DELETED = "account.deleted"
    ACCOUNT_PASSWORD_CHANGED = "account.password_changed"  # noqa: S105 - not one
    ACCOUNT_EXPORTED = "account.exported"

    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"

    FILE_UPLOADED = "file.uploaded"
    FILE_RENAMED = "file.renamed"
    FILE_DELETED = "file.deleted"
    FILE_RESTORED = "file.restored"
    FILE_PURGED = "file.purged"
    FILE_ATTACHED = "file.attached"
    UPLOAD_CANCELLED = "upload.cancelled"

    FOLDER_CREATED = "folder.created"
    FOLDER_MOVED = "folder.moved"
    FOLDER_DELETED = "folder.deleted"

    LINK_CREATED = "link.created"
    LINK_REVOKED = "link.revoked"
    LINK_DOWNLOADED = "link.downloaded"

    CONVERSATION_CREATED = "conversation.created"
    CONVERSATION_DELETED = "conversation.deleted"
    CONVERSATION_JOINED = "conversation.participant_added"
    CONVERSATION_LEFT = "conversation.participant_removed"

    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_DELETED = "webhook.deleted"
    WEBHOOK_ENDED = "webhook.ended"
    WEBHOOK_TESTED = "webhook.tested"
    WEBHOOK_REDELIVERED = "webhook.redelivered"

    DOWNLOAD_STARTED = "download.started"
    DOWNLOAD_COMPLETED = "download.completed"
    DOWNLOAD_FAILED = "download.failed"
    DOWNLOAD_CANCELLED = "download.cancelled"
    ARCHIVE_DELETED = "archive.deleted"
    GAMES_IMPORTED = "game.imported"

    @property
    def resource(self) -> str:
        """What it is about, as filters name it."""
        return _RESOURCES[self.value.partition(".")[0]]
