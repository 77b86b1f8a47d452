"""What the sending function has to know of stored bytes, whatever they belong to."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from transfer_service.storage.blobs import Body

INERT = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
"""For what cannot run: a browser's own page around a picture or a film may show it, and nothing else.

Not a sandbox, which gives the page an origin of its own: then Chromium refuses to play the film.
"""
REVALIDATED = "private, no-cache"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Bytes with a name, a type and validators. `sha256` in hexadecimal, `modified_at` aware.

    `open` raises BlobMissing and ReadFailed; `still_exists` tells a deleted file from a damaged one; `find_location`
    gives the place under nginx's internal locations, None where nginx must not send it. An inline file comes with
    `content_security_policy`; `cache_control` is told with the bytes.
    """

    name: str
    media_type: str
    length: int
    etag: str
    modified_at: datetime
    open: Callable[[], Body]
    still_exists: Callable[[], bool]
    find_location: Callable[[], str | None]
    is_inline: bool = False
    content_security_policy: str = INERT
    cache_control: str = REVALIDATED
