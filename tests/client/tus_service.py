"""A service of a few dozen lines for tests of uploads: it stores in memory, and fails where a test says so."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

Fault = Callable[[httpx.Request], httpx.Response | None]


@dataclass
class TusService:
    """`faults` are asked in turn, one for each PATCH or PUT; None lets it pass."""

    faults: list[Fault | None] = field(default_factory=list)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    requests: list[tuple[str, int]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """What httpx.MockTransport calls."""
        if request.method in {"PATCH", "PUT"} and self.faults:
            fault = self.faults.pop(0)
            told = fault(request) if fault else None
            if told is not None:
                return told
        self.requests.append((request.method, int(request.headers.get("Content-Length", 0))))
        upload_id = request.url.path.rpartition("/")[2]
        if request.method == "POST":
            return self._create(request)
        if request.method == "PUT":
            return self._put(request)
        if upload_id not in self.uploads:
            return httpx.Response(404, json={"detail": "Upload not found"})
        if request.method == "DELETE":
            del self.uploads[upload_id]
            self.cancelled.append(upload_id)
            return httpx.Response(204)
        return self._append(upload_id, request) if request.method == "PATCH" else self._told(upload_id, 200)

    def _create(self, request: httpx.Request) -> httpx.Response:
        upload_id = f"u{len(self.lengths)}"
        pairs = dict(pair.split(" ") for pair in request.headers["Upload-Metadata"].split(","))
        self.names[upload_id] = base64.b64decode(pairs["filename"]).decode()
        self.uploads[upload_id], self.lengths[upload_id] = bytearray(), int(request.headers["Upload-Length"])
        return httpx.Response(201, headers={"Location": f"http://elsewhere.example/api/uploads/{upload_id}"})

    def _append(self, upload_id: str, request: httpx.Request) -> httpx.Response:
        data = self.uploads[upload_id]
        if int(request.headers["Upload-Offset"]) != len(data):
            return httpx.Response(409, headers={"Upload-Offset": str(len(data))}, json={"detail": "Wrong offset"})
        body = request.read()
        promised = request.headers.get("Upload-Checksum")
        if promised and promised != f"sha256 {base64.b64encode(hashlib.sha256(body).digest()).decode()}":
            return httpx.Response(460, json={"detail": "Checksum mismatch"})
        data += body
        if len(data) == self.lengths[upload_id]:
            if request.headers["Repr-Digest"] != _digest(data):
                return httpx.Response(400, json={"detail": "The digest does not match the content"})
            self.finished.add(upload_id)
            self.files[self.names[upload_id]] = bytes(data)
        return self._told(upload_id, 204)

    def _told(self, upload_id: str, status: int) -> httpx.Response:
        headers = {"Upload-Offset": str(len(self.uploads[upload_id])), "Tus-Resumable": "1.0.0"}
        if upload_id in self.finished:
            headers |= {"X-File-Id": upload_id, "X-File-Name": self.names[upload_id]}
        return httpx.Response(status, headers=headers)

    def _put(self, request: httpx.Request) -> httpx.Response:
        name, body = request.url.path.removeprefix("/api/files/"), request.read()
        if request.headers["Repr-Digest"] != _digest(body):
            return httpx.Response(400, json={"detail": "The digest does not match the content"})
        self.files[name] = body
        sha256 = hashlib.sha256(body).hexdigest()
        return httpx.Response(201, json={"file_id": "f", "filename": name, "sha256": sha256})

    def cut_after(self, count: int) -> Fault:
        """Take this many bytes of an append, then lose the connection."""

        def fault(request: httpx.Request) -> httpx.Response:
            self.uploads[request.url.path.rpartition("/")[2]] += request.read()[:count]
            raise httpx.ReadError("cut")

        return fault

    def damage(self) -> Fault:
        """Flip a bit of an append on its way."""

        def fault(request: httpx.Request) -> None:
            body = bytearray(request.read())
            body[0] ^= 1
            request._content = bytes(body)

        return fault


def _digest(data: bytes | bytearray) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"
