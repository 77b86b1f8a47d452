"""A file inside a Socket.IO event: base64 with or without a `data:` prefix, decoded piece by piece."""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from gevent import sleep

from transfer_service.errors import InvalidRequest
from transfer_service.services.chat.attachments import Post
from transfer_service.wire.attachments import attachment_media_type, safe_filename
from transfer_service.wire.socket_packets import LongText

MESSAGE_TYPES = ("text", "image", "video", "file")
PIECE_CHARACTERS = 256 * 1024
_PREFIX = re.compile(r"data:([^,;]{0,100})(?:;[^,;]{0,100}){0,4};base64,", re.IGNORECASE)
_BLANKS = str.maketrans("", "", " \t\r\n")


class SocketAttachment:
    """The AttachmentBody of a `send_message` event. `length` is the size of the decoded file."""

    def __init__(self, encoded: str | LongText, post: Post, *, filename: str, declared: str | None, skip: int) -> None:
        self._encoded = encoded
        self._skip = skip
        self._post = post
        self.filename = filename
        self.media_type = attachment_media_type(declared, filename)
        self.length = self._measure()

    @classmethod
    def of(cls, data: dict[str, Any], *, conversation_id: str, reply_to: str | None) -> "SocketAttachment":
        """The file of an event. Raises InvalidRequest where it has no name or its data cannot be base64."""
        encoded, name = data["file_data"], data.get("file_name")
        if not isinstance(encoded, str | LongText):
            raise InvalidRequest("Invalid file_data")
        if not isinstance(name, str) or not name:
            raise InvalidRequest("Missing file_name")
        prefix = _PREFIX.match(next(_pieces(encoded), ""))
        post = Post(conversation_id, content=data.get("content"), reply_to=reply_to)
        declared, skip = (prefix[1], prefix.end()) if prefix else (None, 0)
        return cls(encoded, post, filename=safe_filename(name), declared=declared, skip=skip)

    def blocks(self) -> Iterator[bytes]:
        """The decoded file. Raises InvalidRequest."""
        left, is_ended = "", False
        for piece in self._without_blanks():
            text = left + piece
            whole = len(text) // 4 * 4
            text, left = text[:whole], text[whole:]
            try:
                block = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError) as error:
                raise InvalidRequest("Invalid base64") from error
            if is_ended and block:
                raise InvalidRequest("Invalid base64")  # padding in the middle
            is_ended = is_ended or len(block) < whole // 4 * 3
            yield block

    def post(self) -> Post:
        """What is said with the file."""
        return self._post

    def _measure(self) -> int:
        characters, end = 0, ""
        for piece in self._without_blanks():
            characters, end = characters + len(piece), (end + piece[-2:])[-2:]
        if characters % 4:
            raise InvalidRequest("Invalid base64")
        return characters // 4 * 3 - end.count("=")

    def _without_blanks(self) -> Iterator[str]:
        """The base64 alone. Others run between two pieces. Raises InvalidRequest."""
        skip = self._skip
        for piece in _pieces(self._encoded):
            yield piece[skip:].translate(_BLANKS)  # Android's encoder breaks lines
            skip = 0
            sleep(0)


def check_announced_type(kind: object, file_name: object, *, has_file: bool) -> None:
    """Refuse a message that names a file and does not bring it: its sender would take the file for sent.

    Of what kind a file is, its name says. Raises InvalidRequest.
    """
    if kind is not None and kind not in MESSAGE_TYPES:
        raise InvalidRequest("Invalid type")
    if not has_file and (kind not in {None, "text"} or file_name is not None):
        raise InvalidRequest("Missing file_data")


def _pieces(encoded: str | LongText) -> Iterator[str]:
    if isinstance(encoded, str):
        yield from (encoded[at : at + PIECE_CHARACTERS] for at in range(0, len(encoded), PIECE_CHARACTERS))
        return
    try:
        yield from encoded.pieces(PIECE_CHARACTERS)
    except ValueError as error:
        raise InvalidRequest("Invalid base64") from error
