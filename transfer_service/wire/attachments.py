"""What hangs on a message: hostile file names made safe, and the type that an extension stands for."""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from transfer_service.wire.media_types import guess_media_type, stored_media_type

MAX_SAFE_NAME_BYTES = 200
FALLBACK_NAME = "file"
THUMBNAIL_NAME = "thumbnail"
"""The end of the address of a preview, which is beside that of the attachment."""
_MOST_CHARACTERS = 8192
_COMPOSED_CHARACTERS = 3 * MAX_SAFE_NAME_BYTES

_SEPARATORS = re.compile(r"[/\\]+")
# Control characters (C0, DEL, C1), everything Unicode counts as a bidirectional control, and lone surrogates.
_REMOVED = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


class MessageType(StrEnum):
    """What a client has to show."""

    TEXT = "text"
    IMAGE = "image"
    VIDEO = "video"
    FILE = "file"


_TYPES = {
    **dict.fromkeys(("jpg", "jpeg", "png", "gif", "webp", "bmp"), MessageType.IMAGE),
    **dict.fromkeys(("mp4", "webm", "mov", "avi", "mkv", "flv"), MessageType.VIDEO),
}


_SHOWN_TYPES = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "bmp": "image/bmp",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
    "avi": "video/x-msvideo",
    "mkv": "video/x-matroska",
    "flv": "video/x-flv",
}


_SHOWN_KINDS = frozenset({"image", "video", "audio"})
_ACTIVE = ("xml", "mpegurl")
"""What ends the names of pictures with scripts in them (SVG), and of lists of films elsewhere."""
_READ_TYPES = frozenset({"application/pdf", "text/plain"})
_RUN = (*_ACTIVE, "html", "javascript", "ecmascript", "css")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A stored attachment. `filename` is safe, `sha256` in hexadecimal."""

    filename: str
    media_type: str
    length: int
    sha256: str


def message_type(filename: str, media_type: str) -> MessageType:
    """The type of a message with this attachment: by the extension in any case, without one by the media type."""
    _stem, dot, extension = filename.rpartition(".")
    if dot:
        return _TYPES.get(extension.lower(), MessageType.FILE)
    return next(
        (_TYPES[known] for known, shown in _SHOWN_TYPES.items() if shown == _bare(media_type)), MessageType.FILE
    )


def is_inert(filename: str, media_type: str) -> bool:
    """Whether this is a raster picture, a film or a sound, by the same rule: nothing in it can run in a browser."""
    return _is_shown(media_type) and ("." not in filename or _is_shown(attachment_media_type(None, filename)))


def may_be_shown(filename: str, media_type: str) -> bool:
    """Whether a browser may show this where somebody wants that: pictures, films, sounds, PDF and plain text.

    Nothing whose name stands for what runs in a browser, as some of them would go by it.
    """
    is_text = _bare(media_type) in _READ_TYPES
    return (is_text or _is_shown(media_type)) and not _bare(guess_media_type(filename)).endswith(_RUN)


def _is_shown(media_type: str) -> bool:
    bare = _bare(media_type)
    return bare.partition("/")[0] in _SHOWN_KINDS and not bare.endswith(_ACTIVE)


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def safe_filename(name: str | None) -> str:
    """The last component of `name` without anything that could mislead a file system or a reader, never empty.

    The result is in NFC, has at most 200 bytes of UTF-8, does not begin with a dot and is not that of a preview: paths
    count capitals, so only in small letters. Making it safe again changes nothing.
    """
    components = _SEPARATORS.split(_REMOVED.sub("", _manageable(name or "")))
    last = next((component for component in reversed(components) if component), "").lstrip(".")
    if len(last) > _COMPOSED_CHARACTERS:  # composing takes the square of a name's length
        stem, dot, extension = last.rpartition(".")
        is_kept = dot and len(extension) < MAX_SAFE_NAME_BYTES
        last = (stem if is_kept else last)[:_COMPOSED_CHARACTERS] + (dot + extension if is_kept else "")
    safe = _shortened(unicodedata.normalize("NFC", last).lstrip("."))
    if safe == THUMBNAIL_NAME:
        return f"_{safe}"
    return safe if safe.strip() else FALLBACK_NAME


def _manageable(name: str) -> str:
    """Of a name without measure no more than what can be in the end: both ends of its last component."""
    if len(name) <= _MOST_CHARACTERS:
        return name
    trimmed = name.rstrip("/\\")
    start = max(trimmed.rfind("/"), trimmed.rfind("\\")) + 1
    if len(trimmed) - start <= _MOST_CHARACTERS:
        return trimmed[start:]
    return trimmed[start : start + _MOST_CHARACTERS // 2] + trimmed[-_MOST_CHARACTERS // 2 :]


def _shortened(name: str) -> str:
    """At most 200 bytes of `name`: the stem is cut, and the extension only where it leaves no room for a stem."""
    if len(name.encode()) <= MAX_SAFE_NAME_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    suffix = dot + extension
    room = MAX_SAFE_NAME_BYTES - len(suffix.encode())
    return _cut(stem, room) + suffix if room > 0 and _cut(stem, room) else _cut(name, MAX_SAFE_NAME_BYTES)


def _cut(text: str, size: int) -> str:
    """The first characters that fit into `size` bytes."""
    return text.encode()[:size].decode(errors="ignore")


def attachment_media_type(declared: str | None, filename: str) -> str:
    """The type an attachment is sent with: of what browsers show it is the extension's, whatever the client says."""
    _stem, dot, extension = filename.rpartition(".")
    guessed = _SHOWN_TYPES.get(extension.lower()) or guess_media_type(filename)
    if dot and _is_shown(guessed):
        return guessed
    return stored_media_type(declared, filename)
