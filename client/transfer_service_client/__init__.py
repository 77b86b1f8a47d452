"""A client of Transfer Service: `TransferClient`, and the command `transfer` on top of it."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transfer_service_client.chat.chat import Attachment, Conversation, Message
    from transfer_service_client.client import TransferClient
    from transfer_service_client.connection.credentials import Key, Tokens
    from transfer_service_client.downloads.placing import UnsafeName
    from transfer_service_client.errors import (
        ApiError,
        Conflict,
        DigestMismatch,
        FileChanged,
        NoRoom,
        NotFound,
        SignInNeeded,
        Stopped,
        TransferError,
        Unavailable,
    )
    from transfer_service_client.folders.outcome import Outcome
    from transfer_service_client.folders.sync_plans import Plan
    from transfer_service_client.folders.syncing import Verification
    from transfer_service_client.importers.importing import Import, ImportPlan
    from transfer_service_client.importers.origin import Origin
    from transfer_service_client.models import Account, File, Folder, Listing
    from transfer_service_client.progress import Progress
    from transfer_service_client.sharing import Link
    from transfer_service_client.uploads.uploaded import Uploaded
    from transfer_service_client.version import VERSION

__all__ = [
    "VERSION",
    "Account",
    "ApiError",
    "Attachment",
    "Conflict",
    "Conversation",
    "DigestMismatch",
    "File",
    "FileChanged",
    "Folder",
    "Import",
    "ImportPlan",
    "Key",
    "Link",
    "Listing",
    "Message",
    "NoRoom",
    "NotFound",
    "Origin",
    "Outcome",
    "Plan",
    "Progress",
    "SignInNeeded",
    "Stopped",
    "Tokens",
    "TransferClient",
    "TransferError",
    "Unavailable",
    "UnsafeName",
    "Uploaded",
    "Verification",
]

# A name is loaded when it is used: whoever wants errors alone, or the help of the command, waits for no network.
_PLACES = {
    "chat.chat": ("Attachment", "Conversation", "Message"),
    "client": ("TransferClient",),
    "connection.credentials": ("Key", "Tokens"),
    "errors": (
        "ApiError",
        "Conflict",
        "DigestMismatch",
        "FileChanged",
        "NoRoom",
        "NotFound",
        "SignInNeeded",
        "Stopped",
        "TransferError",
        "Unavailable",
    ),
    "importers.importing": ("Import", "ImportPlan"),
    "importers.origin": ("Origin",),
    "models": ("Account", "File", "Folder", "Listing"),
    "folders.outcome": ("Outcome",),
    "downloads.placing": ("UnsafeName",),
    "progress": ("Progress",),
    "sharing": ("Link",),
    "folders.sync_plans": ("Plan",),
    "folders.syncing": ("Verification",),
    "uploads.uploaded": ("Uploaded",),
    "version": ("VERSION",),
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """What `__all__` names. Raises AttributeError."""
        for module, names in _PLACES.items():
            if name in names:
                value = getattr(import_module(f"{__name__}.{module}"), name)
                globals()[name] = value
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
