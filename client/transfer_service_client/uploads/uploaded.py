"""A file that the service has now, and what it says of the bytes and the name."""

import unicodedata
from base64 import b64encode
from dataclasses import dataclass

from transfer_service_client.errors import ApiError, DigestMismatch, TransferError

_MISMATCH = "The digest does not match the content"


@dataclass(frozen=True)
class Uploaded:
    """A file that is at the service now; not `was_sent`: the same bytes were there already."""

    file_id: str
    name: str
    size: int
    sha256: str
    was_sent: bool


def check_name(name: str, told: object) -> None:
    """Raises TransferError where the service took another name: one that was damaged on its way."""
    if told != unicodedata.normalize("NFC", name):
        raise TransferError(f"The service has {name} under another name: {told}")


def kind_of(error: ApiError, name: str) -> TransferError:
    """What a refusal means for the file of that name: DigestMismatch, or the refusal itself."""
    return DigestMismatch(f"{name} was damaged on its way") if _MISMATCH in error.detail else error


def structured(digest: bytes) -> str:
    """The value of Repr-Digest (RFC 9530 section 2)."""
    return f"sha-256=:{b64encode(digest).decode()}:"
