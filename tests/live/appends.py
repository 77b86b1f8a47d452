"""Appends to resumable uploads that stall, break off or race: by tus or by the draft, on a socket of their own."""

import base64
import fcntl
import hashlib
import socket
import struct
import termios
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import requests
from sqlalchemy import select

from tests.growing.installations import engines, is_without_disk
from tests.growing.stock import stored_objects
from tests.live.bare_socket import BareClient, Listening
from tests.live.server import LiveServer, running_one, started, wait_until
from transfer_service.errors import BlobMissing
from transfer_service.models.files import File
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.rooms import FILES

KIB, MIB = 1024, 1024 * 1024
DATA = np.random.default_rng(61).bytes(4 * MIB)
UPLOADS = "/api/uploads"
DEAD_HOLDER_SECONDS = 1.7 if engines() is None else 6.5
"""The kernel frees at once what a killed process held; over machines its lease has to run out, which takes five."""


def path_of(location: str) -> str:
    """The path of the whole URL in a Location."""
    parts = urlsplit(location)
    assert parts.netloc
    return parts.path


class Protocol(Enum):
    """The two that are spoken at `/api/uploads`."""

    TUS = "tus"
    DRAFT = "draft"

    @property
    def busy_status(self) -> int:
        """What an append is told that another request has ended."""
        return 423 if self is Protocol.TUS else 503

    @property
    def look_status(self) -> int:
        """Of a HEAD that is answered."""
        return 200 if self is Protocol.TUS else 204

    @property
    def gone_status(self) -> int:
        """Of a HEAD about an upload that has ended."""
        return 404 if self is Protocol.TUS else 410

    @property
    def named(self) -> dict[str, str]:
        """What makes a GET one of the protocol; nothing creates by it, so there is no 104."""
        return self.headers if self is Protocol.TUS else {"Upload-Draft-Interop-Version": "8"}

    @property
    def last_status(self) -> int:
        """Of the append that finishes an upload."""
        return 204 if self is Protocol.TUS else 200

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries. Of the draft nothing: `requests` takes the 104 to a version for the answer."""
        return {"Tus-Resumable": "1.0.0"} if self is Protocol.TUS else {}

    def creation(self, length: int) -> dict[str, str]:
        """Of an upload that is empty so far."""
        return (
            self.headers | {"Upload-Length": str(length)} | ({} if self is Protocol.TUS else {"Upload-Complete": "?0"})
        )

    def append(self, offset: int, *, is_last: bool = False) -> dict[str, str]:
        """Of a PATCH."""
        if self is Protocol.TUS:
            told = {"Content-Type": "application/offset+octet-stream"}
        else:
            told = {"Content-Type": "application/partial-upload", "Upload-Complete": "?1" if is_last else "?0"}
        return self.headers | told | {"Upload-Offset": str(offset)}

    def promise(self, data: bytes) -> str:
        """The header that makes an append of `data` count as a whole or not at all."""
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        is_tus = self is Protocol.TUS
        return f"Upload-Checksum: sha256 {digest}" if is_tus else f"Content-Digest: sha-256=:{digest}:"


@dataclass(frozen=True)
class Door:
    """An account's way to its uploads: at one port, in one protocol."""

    listening: Listening
    session: requests.Session
    protocol: Protocol = Protocol.TUS

    def at(self, listening: Listening) -> "Door":
        """The same at another port."""
        return Door(listening, self.session, self.protocol)

    def request(
        self, method: str, path: str, headers: dict[str, str], data: bytes | Iterator[bytes] | None = None
    ) -> requests.Response:
        """One request on a connection of its own, with the account's token."""
        token = {"Authorization": str(self.session.headers["Authorization"])}
        url = f"http://127.0.0.1:{self.listening.port}{path}"
        return requests.request(method, url, headers=token | headers, data=data, timeout=30)

    def create(self, length: int) -> str:
        """Begin an upload; its path."""
        answer = self.request("POST", UPLOADS, self.protocol.creation(length))
        assert answer.status_code == 201, answer.text
        return path_of(answer.headers["Location"])

    def look(self, path: str) -> requests.Response:
        """HEAD."""
        return self.request("HEAD", path, self.protocol.headers)

    def offset(self, path: str) -> int:
        """What HEAD says has arrived."""
        answer = self.look(path)
        assert answer.status_code == self.protocol.look_status, answer.headers
        return int(answer.headers["Upload-Offset"])

    def offset_after_a_kill(self, path: str) -> int:
        """The same when a process was killed that held it: at once, over machines when its lease has run out."""
        if engines() is not None:
            wait_until(lambda: self.look(path).status_code not in (423, 503), seconds=DEAD_HOLDER_SECONDS)
        return self.offset(path)

    def watched(self, path: str) -> int:
        """What counts, for who disturbs nobody."""
        answer = self.request("GET", path, {})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["offset"])

    def patch(self, path: str, offset: int, data: bytes, *, is_last: bool = False, **headers: str) -> requests.Response:
        """Append; `headers` in the names of Python."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("PATCH", path, self.protocol.append(offset, is_last=is_last) | more, data)

    def delete(self, path: str) -> requests.Response:
        """DELETE."""
        return self.request("DELETE", path, self.protocol.headers)

    def finish(self, path: str, data: bytes, *, offset: int | None = None) -> bytes:
        """Append what is missing of `data`; the file as it can be downloaded then."""
        offset = self.offset(path) if offset is None else offset
        answer = self.patch(path, offset, data[offset:], is_last=True)
        assert answer.status_code == self.protocol.last_status, (answer.status_code, answer.text, answer.headers)
        assert answer.headers["X-File-Id"] == path.rpartition("/")[2]
        return self.download(path)

    def download(self, path: str) -> bytes:
        """The file of a finished upload."""
        answer = self.request("GET", f"/api/files/{path.rpartition('/')[2]}/download", {})
        assert answer.status_code == 200, answer.text
        return answer.content

    @contextmanager
    def appending(
        self, path: str, offset: int, *headers: str, length: int | None = None, is_last: bool = True
    ) -> Iterator["Append"]:
        """An append whose head has been sent: of `length` bytes, or by chunked coding."""
        with BareClient(self.listening) as client:
            client.send(self.append_head(path, offset, *headers, length=length, is_last=is_last))
            yield Append(client, is_chunked=length is None)

    def append_head(
        self, path: str, offset: int, *headers: str, length: int | None = None, is_last: bool = True
    ) -> bytes:
        """The head of such an append."""
        told = self.protocol.append(offset, is_last=is_last) | {"Authorization": self.session.headers["Authorization"]}
        lines = [f"PATCH {path} HTTP/1.1", "Host: test", *(f"{name}: {value!s}" for name, value in told.items())]
        body = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        return "\r\n".join([*lines, body, *headers, "", ""]).encode()


@dataclass
class Append:
    """The body of a PATCH on its way."""

    client: BareClient
    is_chunked: bool
    sent: int = field(default=0)

    def send(self, data: bytes) -> None:
        """Send some of it, by chunked coding as one chunk."""
        self.client.send(f"{len(data):x}\r\n".encode() + data + b"\r\n" if self.is_chunked else data)
        self.sent += len(data)

    def end_chunks(self, *trailers: str) -> None:
        """The last chunk, and what is said behind it."""
        self.client.send("\r\n".join(["0", *trailers, "", ""]).encode())

    def shut(self) -> None:
        """Send a FIN, with the other direction still open."""
        self.client.socket.shutdown(socket.SHUT_WR)

    def wait_until_received(self) -> None:
        """Return when the other side's kernel has confirmed everything (TIOCOUTQ, tcp(7))."""
        wait_until(lambda: self._unconfirmed_bytes() == 0)

    def _unconfirmed_bytes(self) -> int:
        answer = fcntl.ioctl(self.client.socket.fileno(), termios.TIOCOUTQ, bytes(4))
        return int(struct.unpack("i", answer)[0])

    def has_ended(self) -> bool:
        """Whether the server has closed the connection; what it said before is thrown away."""
        self.client.socket.settimeout(0.01)
        try:
            while self.client.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True


@dataclass(frozen=True)
class Pair:
    """Two processes on one data folder, or on engines."""

    first: LiveServer
    second: LiveServer
    alice: requests.Session

    def doors(self, protocol: Protocol) -> tuple[Door, Door]:
        """Alice's, at each."""
        return Door(self.first, self.alice, protocol), Door(self.second, self.alice, protocol)


@contextmanager
def running_pair(folder: Path, **environment: str) -> Iterator[Pair]:
    """Both, with `alice` and `bob`."""
    with (
        running_one(folder, "alice", "bob", **environment) as first,
        started(LiveServer(folder, environment)) as second,
    ):
        yield Pair(first, second, first.sign_in("alice"))


def blob_path(server: LiveServer, path: str) -> Path:
    """Where the bytes of an upload lie."""
    name = path.rpartition("/")[2].replace("-", "")
    return server.data_dir / "blobs" / name[:2] / name


def stored_end(server: LiveServer, path: str) -> int:
    """Where the bytes of an upload end in the store, whether they count or not; 0 where there are none."""
    if not is_without_disk(server.shared_settings()):
        blob = blob_path(server, path)
        return blob.stat().st_size if blob.exists() else 0
    with server.services() as services, suppress(BlobMissing):
        return services.store.size(uuid.UUID(path.rpartition("/")[2]))
    return 0


def is_held(server: LiveServer, path: str) -> bool:
    """Whether any process appends to an upload, or is about to."""
    upload_id = uuid.UUID(path.rpartition("/")[2])
    if is_without_disk(server.shared_settings()):
        with server.services() as services:
            return services.store.claims.is_in_use(upload_id)
    return DiskStore(server.data_dir / "blobs", FILES).claims.is_in_use(upload_id)


def file_ids(server: LiveServer, name: str) -> list[uuid.UUID]:
    """The files of a name that are in the records, finished or not."""
    with server.services() as services, services.database.read() as session:
        return [*session.scalars(select(File.id).where(File.name == name))]


def is_written(server: LiveServer, name: str) -> bool:
    """Whether any process writes to a file of this name, or is about to."""
    return any(is_held(server, str(file_id)) for file_id in file_ids(server, name))


def stored_names(server: LiveServer) -> set[str]:
    """The names of all blobs, or objects."""
    if not is_without_disk(server.shared_settings()):
        return {str(path) for path in (server.data_dir / "blobs").glob("*/*")}
    with server.services() as services:
        return stored_objects(services)


def tell(measured: str) -> None:
    """Show what was measured to who runs the tests with `-s`."""
    print(f"\n{measured}")  # noqa: T201
