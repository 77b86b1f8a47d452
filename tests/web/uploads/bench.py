"""Resumable uploads on an app: requests in the words of tus and of the IETF draft, and what they leave behind."""

import base64
import hashlib
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import func, select
from werkzeug.test import TestResponse

from tests.conftest import Device
from tests.stores import listed
from transfer_service.bootstrap import Services
from transfer_service.models.accounts import Account
from transfer_service.models.files import File
from transfer_service.models.uploads import ResumableUpload
from transfer_service.storage.blobs import END
from transfer_service.web.context import EXTENSION
from transfer_service.wire.ranges import Span

ROOT = "/api/uploads"
UNKNOWN = f"{ROOT}/2f1f9c2e-6f57-4c7b-8a53-1c9d0c3e7b11"
TUS = {"Tus-Resumable": "1.0.0"}
TUS_BYTES = "application/offset+octet-stream"
DRAFT_BYTES = "application/partial-upload"
VERSIONS = [3, 5, 6, 8]
PROBLEMS = "https://iana.org/assignments/http-problem-types#"
PLAIN_TEXT = "text/plain; charset=utf-8"

Headers = Mapping[str, str | None]


class Left(NamedTuple):
    """What is stored on an app: rows of uploads and files, the bytes that count and those that are reserved."""

    uploads: int
    files: int
    received_bytes: int
    used_bytes: int
    blobs: int


def left_on(device: Device) -> Left:
    """The state that a refused request must not change."""
    services = services_of(device)
    with services.database.read() as session:
        return Left(
            session.scalars(
                select(func.count()).select_from(ResumableUpload).where(ResumableUpload.ended_at.is_(None))
            ).one(),
            session.scalars(select(func.count()).select_from(File)).one(),
            session.scalars(select(func.coalesce(func.sum(File.received_bytes), 0))).one(),
            session.scalars(select(func.sum(Account.used_bytes))).one(),
            len(listed(services.store)),
        )


def services_of(device: Device) -> Services:
    """The services of the app that a device talks to."""
    found: Services = device.client.application.extensions[EXTENSION]
    return found


@contextmanager
def receiving(device: Device, location: str, offset: int = 0) -> Iterator[None]:
    """As long as another request holds the upload from `offset` on."""
    span = Span(offset, END)
    with services_of(device).store.open_writer(id_of(location), span, create=True, wait_seconds=0):
        yield


def id_of(location: str) -> uuid.UUID:
    """The upload that a URL names."""
    return uuid.UUID(location.rpartition("/")[2])


def path_of(location: str) -> str:
    """The path of the absolute URL in a Location."""
    parts = urlsplit(location)
    assert (parts.scheme, parts.netloc) != ("", "")
    return parts.path


def b64(value: str | bytes) -> str:
    """Base64, as Upload-Metadata and Upload-Checksum have it."""
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def metadata(**values: str) -> dict[str, str]:
    """An Upload-Metadata."""
    return {"Upload-Metadata": ",".join(f"{key} {b64(value)}" for key, value in values.items())}


def digest(data: bytes, algorithm: str = "sha-256") -> str:
    """The value of a Content-Digest or Repr-Digest."""
    return f"{algorithm}=:{b64(hashlib.new(algorithm.replace('-', ''), data).digest())}:"


def merged(defaults: Headers, changes: Headers | None) -> dict[str, str]:
    """Headers with some changed; None takes one away."""
    return {name: value for name, value in {**defaults, **(changes or {})}.items() if value is not None}


@dataclass(frozen=True)
class Tus:
    """An account that speaks tus 1.0.0."""

    device: Device

    def send(self, method: str, path: str, headers: Headers | None = None, **arguments: Any) -> TestResponse:
        """Any request."""
        return self.device.request(method, path, headers=merged(TUS, headers), **arguments)

    def post(self, headers: Headers | None = None, data: bytes | None = None, **arguments: Any) -> TestResponse:
        """A creation of an upload of 5 bytes, with the first of them if there are any."""
        defaults = {"Upload-Length": "5", **({"Content-Type": TUS_BYTES} if data is not None else {})}
        return self.send("POST", ROOT, merged(defaults, headers), data=data, **arguments)

    def begin(self, headers: Headers | None = None, data: bytes | None = None, **names: str) -> str:
        """The path of a new upload."""
        response = self.post({**(metadata(**names) if names else {}), **(headers or {})}, data)
        assert response.status_code == 201, response.text
        return path_of(response.headers["Location"])

    def patch(
        self, location: str, data: bytes = b"hello", headers: Headers | None = None, *, offset: int = 0, **more: Any
    ) -> TestResponse:
        """An append."""
        defaults = {"Upload-Offset": str(offset), "Content-Type": TUS_BYTES}
        return self.send("PATCH", location, merged(defaults, headers), data=data, **more)

    def head(self, location: str, headers: Headers | None = None) -> TestResponse:
        return self.send("HEAD", location, headers)

    def offset(self, location: str) -> str | None:
        """Where an upload is, None where HEAD does not tell."""
        return self.head(location).headers.get("Upload-Offset")

    def delete(self, location: str, headers: Headers | None = None) -> TestResponse:
        return self.send("DELETE", location, headers)


@dataclass(frozen=True)
class Draft:
    """An account that speaks the draft in one interop version, which it names."""

    device: Device
    version: int = 8

    def progress(self, *, complete: bool | None) -> dict[str, str]:
        """The field of completeness, if it is told."""
        if complete is None:
            return {}
        inverted = self.version == 3
        return {self.completeness_field: "?1" if complete != inverted else "?0"}

    @property
    def completeness_field(self) -> str:
        return "Upload-Incomplete" if self.version == 3 else "Upload-Complete"

    def told(self, response: TestResponse) -> bool | None:
        """Whether an answer says that the upload is complete, None where it says nothing."""
        value = response.headers.get(self.completeness_field)
        return None if value is None else (value == "?1") != (self.version == 3)

    def send(self, method: str, path: str, headers: Headers | None = None, **arguments: Any) -> TestResponse:
        """Any request."""
        named = {"Upload-Draft-Interop-Version": str(self.version)}
        return self.device.request(method, path, headers=merged(named, headers), **arguments)

    def post(
        self, data: bytes = b"", headers: Headers | None = None, *, complete: bool | None = False, **arguments: Any
    ) -> TestResponse:
        """A creation."""
        return self.send("POST", ROOT, merged(self.progress(complete=complete), headers), data=data, **arguments)

    def begin(self, data: bytes = b"", headers: Headers | None = None) -> str:
        """The path of a new upload that is to go on."""
        response = self.post(data, headers)
        assert response.status_code == 201, response.text
        return path_of(response.headers["Location"])

    def finish(self, data: bytes = b"hello", headers: Headers | None = None) -> str:
        """The path of an upload that is whole."""
        response = self.post(data, headers, complete=True)
        assert response.status_code == 201, response.text
        return path_of(response.headers["Location"])

    def patch(
        self,
        location: str,
        data: bytes = b"hello",
        headers: Headers | None = None,
        *,
        offset: int = 0,
        complete: bool | None = False,
        **arguments: Any,
    ) -> TestResponse:
        """An append."""
        defaults = {"Upload-Offset": str(offset), "Content-Type": DRAFT_BYTES, **self.progress(complete=complete)}
        return self.send("PATCH", location, merged(defaults, headers), data=data, **arguments)

    def head(self, location: str, headers: Headers | None = None) -> TestResponse:
        return self.send("HEAD", location, headers)

    def state(self, location: str) -> tuple[str | None, bool | None]:
        """The offset of an upload and whether it is complete."""
        response = self.head(location)
        return response.headers.get("Upload-Offset"), self.told(response)

    def delete(self, location: str, headers: Headers | None = None) -> TestResponse:
        return self.send("DELETE", location, headers)


def tus_refusal(response: TestResponse) -> tuple[int, str]:
    """Status and reason of a refusal in tus: plain text, with the version, and never the answer of a success."""
    assert response.headers["Content-Type"] == PLAIN_TEXT
    assert response.headers["Tus-Resumable"] == "1.0.0"
    assert not {"Location", "X-File-Id", "Upload-Expires"} & set(response.headers.keys())
    return response.status_code, response.text.strip()


def problem(response: TestResponse) -> tuple[int, str]:
    """Status and type of a problem document (RFC 9457)."""
    assert response.headers["Content-Type"] == "application/problem+json"
    assert "Tus-Resumable" not in response.headers
    fields = response.get_json()
    assert fields["status"] == response.status_code
    assert fields["title"]
    assert fields["detail"]
    return response.status_code, fields["type"].removeprefix(PROBLEMS)
