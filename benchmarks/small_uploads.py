"""Small files that arrive whole, one after the other on a few connections: the ways in which servers take them."""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from urllib.parse import urlsplit

from benchmarks.connection import Answer, Connection
from benchmarks.contenders import Contenders
from benchmarks.lines import Side, Spent, spend
from benchmarks.payload import Payload
from benchmarks.processes import Start, together
from benchmarks.servers import Server
from transfer_service.wire.chunk_frames import LONG_FRAME

CONNECTIONS = 4
WARM_UP_SECONDS = 0.3
BOUNDARY = "a-boundary-that-does-not-occur"
OCTETS, TUS_OCTETS = "application/octet-stream", "application/offset+octet-stream"

_series = count()


@dataclass(frozen=True)
class Way:
    """A request that sends a file. `{name}` and `{length}` are filled in.

    `find` tells by its answer where the file is: the path of a download, or without a slash in front that of a file.
    """

    method: str
    path: str
    status: int
    find: Callable[[Answer], str]
    media_type: str = OCTETS
    fields: Callable[[str, int], str] | None = None
    wrap: Callable[[bytes], bytes] = bytes

    def request(self, connection: Connection, name: str, data: bytes) -> bytes:
        """The request, ready to be sent."""
        path, body = self.path.format(name=name, length=len(data)), self.wrap(data)
        more = self.fields(name, len(data)) if self.fields else ""
        return connection.head(self.method, path, len(body), self.media_type, more) + body


def _tus_fields(name: str, length: int) -> str:
    metadata = base64.b64encode(name.encode()).decode()
    return f"Tus-Resumable: 1.0.0\r\nUpload-Length: {length}\r\nUpload-Metadata: filename {metadata}\r\n"


def _as_form(data: bytes) -> bytes:
    disposition = 'Content-Disposition: form-data; name="file"; filename="small.bin"'
    opening = f"--{BOUNDARY}\r\n{disposition}\r\nContent-Type: {OCTETS}\r\n\r\n".encode()
    return opening + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def _path(answer: Answer) -> str:
    return urlsplit(answer.field("Location")).path


def _download_of_id(answer: Answer) -> str:
    return f"/api/files/{answer.json()['file_id']}/download"


def _record_path(answer: Answer) -> str:
    record = answer.json()
    return f"/api/files/{record['collectionId']}/{record['id']}/{record['file']}"


RAW = Way("POST", "/api/files?filename={name}", 201, _download_of_id)
FRAME = Way(
    "POST",
    "/api/files/upload?filename={name}&total_size={length}",
    200,
    _download_of_id,
    wrap=lambda data: LONG_FRAME.format(0, data),
)
TUS = Way(
    "POST",
    "/api/uploads",
    201,
    lambda answer: f"/api/files/{_path(answer).rpartition('/')[2]}/download",
    TUS_OCTETS,
    _tus_fields,
)
PEER_TUS = Way("POST", "/files", 201, lambda answer: _path(answer)[1:], TUS_OCTETS, _tus_fields)
RECORD = Way(
    "POST",
    "/api/collections/files/records",
    200,
    _record_path,
    f"multipart/form-data; boundary={BOUNDARY}",
    wrap=_as_form,
)
PUT = Way("PUT", "/{name}", 201, _path)


def small_side(contenders: Contenders, name: str, way: Way, payload: Payload, *, seconds: float, flushes: str) -> Side:
    """One server that takes the file again and again."""
    return Side(name, flushes, lambda: measure(contenders[name], way, bytes(payload.view), seconds))


def measure(server: Server, way: Way, data: bytes, seconds: float) -> Spent:
    """What it costs to send a small file again and again, on four connections. A unit is a file."""

    def send_all(seconds: float = seconds) -> tuple[float, float]:
        series = next(_series)
        names = [f"small-{series}-{number}" for number in range(CONNECTIONS)]
        results = together([partial(_send_for, server, way, data, seconds, name) for name in names])
        took = max(stop for _, _, stop in results) - min(start for _, start, _ in results)
        return sum(sent for sent, _, _ in results), took

    send_all(WARM_UP_SECONDS)
    return spend(server, send_all)


def _send_for(
    server: Server, way: Way, data: bytes, seconds: float, series: str, start_together: Start
) -> tuple[int, float, float]:
    """In a process of its own: send it again and again under new names; how often, and when that began and ended.

    Raises RuntimeError where the last one is not there as it was sent.
    """
    with Connection(server.port, server.token) as connection:
        start_together()
        began, sent = time.monotonic(), 0
        while (now := time.monotonic()) < began + seconds:
            answer = connection.exchange(way.request(connection, f"{series}-{sent}.bin", data)).expect(way.status)
            sent += 1
        path = way.find(answer)
        is_file = not path.startswith("/")
        stored = (server.folder / path).read_bytes() if is_file else connection.request("GET", path).expect(200).body
        if stored != data:
            raise RuntimeError(f"{server.name} stored other bytes than were sent")
    return sent, began, now
