"""The requests of tus 1.0.0 for one upload: begin, ask how far it is, append, cancel."""

import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

import httpx

from transfer_service_client.connection.quick_requests import Block, QuickRequests
from transfer_service_client.connection.session import Session
from transfer_service_client.errors import NotFound, TransferError

_VERSION = {"Tus-Resumable": "1.0.0"}
_DOOR = "/api/uploads"
_ID = re.compile(r"[\w-]{1,200}", re.ASCII)
_OFFSET = re.compile(r"[0-9]{1,19}")
Blocks = Iterable[Block]


@dataclass(frozen=True)
class Position:
    """How many bytes are there, and the file that they became, where they did."""

    offset: int
    file_id: str | None
    name: str | None


class TusRequests:
    """What a client of tus asks."""

    def __init__(self, session: Session, quick: QuickRequests | None = None) -> None:
        """`quick` sends what is appended, where it is given."""
        self._session, self._quick = session, quick

    @property
    def takes_parts(self) -> bool:
        """Whether `append` is best given parts of files."""
        return self._quick is not None and self._quick.takes_parts

    def create(self, name: str, size: int) -> str:
        """The id of a new upload, which takes the place of what has its name. Raises ApiError, Unavailable."""
        metadata = {"filename": name, "overwrite": "true"}
        pairs = (f"{key} {b64encode(value.encode()).decode()}" for key, value in metadata.items())
        headers = {**_VERSION, "Upload-Length": str(size), "Upload-Metadata": ",".join(pairs)}
        # An answer that is lost leaves an upload without bytes, which expires.
        answer = self._session.request("POST", _DOOR, headers=headers, is_repeatable=True)
        # The path of Location only: tokens go to no other host, whatever a proxy makes of it.
        upload_id: str = answer.headers.get("Location", "").partition("?")[0].rpartition("/")[2]
        if not _ID.fullmatch(upload_id):
            raise TransferError("The service did not tell where the upload goes on")
        return upload_id

    def look(self, upload_id: str) -> Position | None:
        """How far it is; None where it is gone. Raises ApiError, Unavailable."""
        try:
            return position_of(self._session.request("HEAD", f"{_DOOR}/{upload_id}", headers=_VERSION))
        except NotFound:
            return None

    def append(
        self, upload_id: str, offset: int, content: Blocks | bytes, length: int, headers: dict[str, str]
    ) -> httpx.Response:
        """One try to send `length` bytes from `offset` on. Raises httpx.RequestError, and what `content` raises."""
        fields = {
            **_VERSION,
            **headers,
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(length),
            "Upload-Offset": str(offset),
        }
        path = f"{_DOOR}/{upload_id}"
        if self._quick is not None:
            return self._quick.try_once("PATCH", path, content=content, headers=fields)
        whole = content if isinstance(content, bytes) else (bytes(block) for block in content)
        return self._session.try_once("PATCH", path, content=whole, headers=fields)

    def cancel(self, upload_id: str) -> None:
        """End it, and free its bytes. One that has ended already is left so. Raises ApiError, Unavailable."""
        try:
            self._session.request("DELETE", f"{_DOOR}/{upload_id}", headers=_VERSION)
        except NotFound:
            return


def position_of(answer: httpx.Response) -> Position:
    """What an answer says about its upload. Raises TransferError where it says nothing."""
    offset = answer.headers.get("Upload-Offset", "")
    if not _OFFSET.fullmatch(offset):
        raise TransferError("The service did not tell how far the upload is")
    name = answer.headers.get("X-File-Name")
    return Position(int(offset), answer.headers.get("X-File-Id"), unquote(name) if name is not None else None)
