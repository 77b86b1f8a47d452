"""Who sends uploads: an account, or whoever has an upload link, for the account that has given it out.

The doors of resumable uploads stand at two addresses, `/api/uploads` and `/s/TOKEN/uploads`. They ask here whose the
uploads are, and where. A guest, who came by a link, finds what came by that link and nothing else, and is told no
name that a file got in the end: a number in it would tell what others have sent.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import g

from transfer_service.errors import NotFound
from transfer_service.services.files.rows import FileRecord
from transfer_service.services.uploads.rows import UploadRecord
from transfer_service.web.context import current, origin_id, services
from transfer_service.wire.filenames import parse_name

OWN_PATH = "/api/uploads"


@dataclass(frozen=True, slots=True)
class GuestPass:
    """What a link lets its guests do: files arrive in `folder`, until `ends_at`. `token` is that of its address."""

    link_id: uuid.UUID
    token: str
    folder: str
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Sender:
    """For which account a request sends, and below which path it finds its uploads.

    `origin_id` is the key or link by which new files come.
    """

    account_id: uuid.UUID
    path: str = OWN_PATH
    origin_id: uuid.UUID | None = None
    guest: GuestPass | None = None

    @property
    def link_id(self) -> uuid.UUID | None:
        """The link by which a guest has come."""
        return self.guest.link_id if self.guest else None

    @property
    def folder(self) -> str:
        """Where new files lie, empty for the top."""
        return self.guest.folder if self.guest else ""

    def place(self, name: str | None) -> str | None:
        """The whole name of a file that this sender calls `name`. Raises InvalidName."""
        if not self.folder:
            return name
        placed = parse_name(f"{self.folder}/{name or uuid.UUID(int=0)}")
        return None if name is None else placed

    def shown_name(self, file: FileRecord) -> str | None:
        """What a file is called for this sender. A guest hears no more of the name once it may have a number."""
        if self.guest is None:
            return file.name
        return None if file.is_complete else file.name.removeprefix(f"{self.folder}/")

    def check(self, upload_id: uuid.UUID) -> uuid.UUID:
        """The id of an upload that this sender may know of. Raises NotFound."""
        if self.guest and services().resumable_uploads.origin_of(upload_id) != self.link_id:
            raise NotFound("Upload not found")
        return upload_id

    def expires_at(self, upload: UploadRecord) -> datetime | None:
        """When an unfinished upload expires unless it goes on; at the end of its link in any case."""
        return self.end_of(services().resumable_uploads.expires_at(upload))

    def end_of(self, expires_at: datetime | None) -> datetime | None:
        """The same, where it is known when it would expire without a link."""
        return min(expires_at, self.guest.ends_at) if self.guest and expires_at else expires_at

    def seconds_left(self, upload: UploadRecord) -> int | None:
        """How long an unfinished upload may rest from now on."""
        expires_at = self.expires_at(upload)
        return None if expires_at is None else max(0, (expires_at - services().core.now()) // timedelta(seconds=1))

    def stored_concat(self, header: str) -> str:
        """An `Upload-Concat` as it is kept: without the secret of a link."""
        return header.replace(f"/s/{self.guest.token}/", _ANY_LINK) if self.guest else header

    def shown_concat(self, header: str | None) -> str | None:
        """The same as it was sent."""
        return header.replace(_ANY_LINK, f"/s/{self.guest.token}/") if self.guest and header else header


_ANY_LINK = "/s/*/"


def sender() -> Sender:
    """Who sends the present request."""
    found: Sender | None = g.get("sender")
    if found is None:
        found = g.sender = Sender(current().account_id, origin_id=origin_id())
    return found
