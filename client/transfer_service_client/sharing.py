"""Links: addresses for people without an account, to fetch files or to send some. A key cannot make them.

Whoever knows an address may use it, so it belongs in no log; passwords go in the body of a request alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from transfer_service_client.connection.addresses import encode_label
from transfer_service_client.connection.answers import json_of
from transfer_service_client.connection.session import Session
from transfer_service_client.errors import NotFound, as_expected
from transfer_service_client.models import parse_instant, text_of

if TYPE_CHECKING:
    from transfer_service_client.client import TransferClient

_PAGE = 100


@dataclass(frozen=True)
class Link:
    """A link; `is_upload` where people send by it. Limits are None where there is none.

    `url` is None where the service cannot tell it any more, because its secret key was changed since.
    """

    link_id: str
    url: str | None = field(repr=False)
    is_upload: bool
    title: str | None
    names: Sequence[str]
    expires_at: datetime
    created_at: datetime
    has_password: bool
    downloads: int
    max_downloads: int | None
    received_files: int
    max_files: int | None
    received_bytes: int
    max_bytes: int | None

    @classmethod
    @as_expected()
    def from_json(cls, fields: Mapping[str, Any]) -> "Link":
        """The link in an answer of `/api/links`."""
        counts = ("downloads", "max_downloads", "received_files", "max_files", "received_bytes", "max_bytes")
        return cls(
            link_id=text_of(fields["id"]),
            url=None if fields["url"] is None else text_of(fields["url"]),
            is_upload=fields["kind"] == "upload",
            title=fields["name"],
            names=[each["filename"] for each in fields["files"]],
            expires_at=parse_instant(fields["expires_at"]),
            created_at=parse_instant(fields["created_at"]),
            has_password=fields["has_password"],
            **{name: fields[name] for name in counts},
        )


@dataclass(frozen=True)
class LinkLimits:
    """What a link is bound by; None leaves it to the service (7 days, no password, no other limit).

    A password has 6 characters or more, and a link lives for 1 second to 365 days.
    """

    title: str | None = None
    expires_in: timedelta | None = None
    password: str | None = field(default=None, repr=False)
    max_downloads: int | None = None
    max_files: int | None = None
    max_bytes: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields of a request, without those that are not given."""
        seconds = None if self.expires_in is None else int(self.expires_in.total_seconds())
        fields = {
            "name": self.title,
            "expires_in": seconds,
            "password": self.password,
            "max_downloads": self.max_downloads,
            "max_files": self.max_files,
            "max_bytes": self.max_bytes,
        }
        return {name: value for name, value in fields.items() if value is not None}


NO_LIMITS = LinkLimits()


def share(client: "TransferClient", names: Iterable[str], limits: LinkLimits = NO_LIMITS) -> Link:
    """Make a link to files and folders. Raises NotFound where one of the names is not there, ApiError."""
    file_ids: list[str] = []
    folders: list[str] = []
    for name in names:
        path = name.strip("/")
        file = None if name.endswith("/") else client.find(path)
        if file is not None:
            file_ids.append(file.file_id)
        elif client.is_folder(path):
            folders.append(path)
        else:
            raise NotFound(404, f"There is no file and no folder {path!r}")
    wanted = {"file_ids": file_ids, "folders": folders}
    return _make(client.session, {name: value for name, value in wanted.items() if value}, limits)


def share_for_uploads(session: Session, folder: str | None, limits: LinkLimits = NO_LIMITS) -> Link:
    """Make a link by which people send files, into a folder or to the top. Raises ApiError."""
    wanted = {"upload": True} if folder is None else {"upload": True, "folder": folder}
    return _make(session, wanted, limits)


def links(session: Session) -> Iterator[Link]:
    """The links of the account that still work, the newest first."""
    for page in session.get_pages("/api/links", "links", limit=_PAGE):
        yield from (Link.from_json(each) for each in page["links"])


def revoke_link(session: Session, link_id: str) -> None:
    """End a link. Raises NotFound."""
    session.request("DELETE", f"/api/links/{encode_label(link_id)}")


def _make(session: Session, wanted: Mapping[str, Any], limits: LinkLimits) -> Link:
    # Not sent again where the answer is lost: nobody would know of the first link.
    return Link.from_json(json_of(session.request("POST", "/api/links", json={**wanted, **limits.to_json()})))
