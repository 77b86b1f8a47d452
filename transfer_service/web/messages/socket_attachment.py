"""A file inside a Socket.IO event: base64 with or without a `data:` prefix, decoded piece by piece."""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from transfer_service.errors import InvalidRequest
from transfer_service.services.attachments import Post
from transfer_service.wire.attachments import attachment_media_type, safe_filename

PIECE_CHARACTERS = 256 * 1024  # a multiple of four
_PREFIX = re.compile(r"data:([^,;]{0,100})(?:;[^,;]{0,100}){0,4};base64,", re.IGNORECASE)
_BLANKS = str.maketrans("", "", " \t\r\n")


class SocketAttachment:
    """The AttachmentBody of a `send_message` event."""

    def __init__(self, encoded: str, post: Post, *, filename: str, media_type: str) -> None:
        self._encoded = encoded
        self._post = post
        self.filename = filename
        self.media_type = media_type

    @classmethod
    def of(cls, data: dict[str, Any], *, conversation_id: str, reply_to: str | None) -> "SocketAttachment":
        """The file of an event. Raises InvalidRequest where it has no name or its data cannot be base64."""
        encoded, name = data["file_data"], data.get("file_name")
        if not isinstance(encoded, str):
            raise InvalidRequest("Invalid file_data")
        if not isinstance(name, str) or not name:
            raise InvalidRequest("Missing file_name")
        prefix = _PREFIX.match(encoded)
        if prefix is not None:
            encoded = encoded[prefix.end() :]
        encoded = encoded.translate(_BLANKS)  # Android's encoder breaks lines
        if len(encoded) % 4:
            raise InvalidRequest("Invalid base64")
        filename = safe_filename(name)
        media_type = attachment_media_type(prefix[1] if prefix else None, filename)
        post = Post(conversation_id, content=data.get("content"), reply_to=reply_to)
        return cls(encoded, post, filename=filename, media_type=media_type)

    @property
    def length(self) -> int:
        """The size of the decoded file, known before anything is decoded."""
        return len(self._encoded) // 4 * 3 - self._encoded[-2:].count("=")

    def blocks(self) -> Iterator[bytes]:
        """The decoded file. Raises InvalidRequest."""
        for start in range(0, len(self._encoded), PIECE_CHARACTERS):
            piece = self._encoded[start : start + PIECE_CHARACTERS]
            try:
                decoded = base64.b64decode(piece, validate=True)
            except (binascii.Error, ValueError) as error:
                raise InvalidRequest("Invalid base64") from error
            if (
                len(piece) == PIECE_CHARACTERS
                and len(decoded) < PIECE_CHARACTERS // 4 * 3
                and (start + PIECE_CHARACTERS < len(self._encoded))
            ):
                raise InvalidRequest("Invalid base64")  # padding in the middle
            yield decoded

    def post(self) -> Post:
        """What is said with the file."""
        return self._post
