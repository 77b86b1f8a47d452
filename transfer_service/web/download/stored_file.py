"""What the sending function has to know of stored bytes, whatever they belong to."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Bytes with a name, a type and validators. `sha256` in hexadecimal, `modified_at` aware.

    `open` raises BlobMissing and ReadFailed; `still_exists` tells a deleted file from a damaged one; `find_accel_path`
    gives the place under nginx's internal locations, None where nginx must not send it.
    """

    name: str
    media_type: str
    length: int
    sha256: str
    modified_at: datetime
    open: Callable[[], BinaryIO]
    still_exists: Callable[[], bool]
    find_accel_path: Callable[[], str | None]
    is_inline: bool = False
