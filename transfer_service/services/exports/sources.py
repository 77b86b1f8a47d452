"""Who gives the bytes of a member of an export, in the 16 bytes that its archive has for that."""

import struct
import uuid
from typing import Final, NamedTuple, TypeAlias

_OTHER: Final = 6
"""Of a file this byte is never 0: its id is a UUID of version 4, and has the version there."""
_ATTACHMENT, _TEXT = ord("A"), ord("T")
_OFFSET = struct.Struct(">Q")


class FileSource(NamedTuple):
    """A file of the account, or one in its trash."""

    file_id: uuid.UUID


class AttachmentSource(NamedTuple):
    """The attachment of a message."""

    message_id: str


class TextSource(NamedTuple):
    """What was written for the export, from this byte of all its texts on."""

    offset: int


Source: TypeAlias = FileSource | AttachmentSource | TextSource


def pack(source: Source) -> bytes:
    """The 16 bytes that stand for it."""
    if isinstance(source, FileSource):
        return source.file_id.bytes
    if isinstance(source, TextSource):
        return bytes([0] * _OTHER + [0, _TEXT]) + _OFFSET.pack(source.offset)
    message_id = bytes.fromhex(source.message_id)
    return message_id[:_OTHER] + bytes([0, _ATTACHMENT]) + message_id[_OTHER:] + bytes(2)


def unpack(packed: bytes) -> Source:
    """What 16 bytes stand for."""
    if packed[_OTHER]:
        return FileSource(uuid.UUID(bytes=packed))
    if packed[_OTHER + 1] == _TEXT:
        return TextSource(*_OFFSET.unpack(packed[_OTHER + 2 :]))
    return AttachmentSource((packed[:_OTHER] + packed[_OTHER + 2 : _OTHER + 8]).hex())
