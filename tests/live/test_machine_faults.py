"""A machine that breaks: 503 with `Retry-After` at every door, nothing stored, and all well when it is whole again."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest
import requests

from tests.conftest import PASSWORD
from tests.live.broken_machine import BrokenCalls, LoopDisk, ServerOfDisk, loop_disk
from tests.live.chunks import send_chunk
from tests.live.server import LiveServer, started
from transfer_service.wire.chunk_frames import SHORT_FRAME

pytestmark = pytest.mark.one_machine("the disk of the service is broken")

DATA = b"stored before the machine broke"
TUS = {"Tus-Resumable": "1.0.0"}


@dataclass(frozen=True)
class Machine:
    """One instance on a disk of its own, with `alice`, a conversation of hers and a file that holds DATA."""

    server: LiveServer
    disk: LoopDisk
    calls: BrokenCalls
    alice: requests.Session
    conversation_id: str
    stored: str
    attachment: str

    def request(self, method: str, path: str, **arguments: object) -> requests.Response:
        return self.alice.request(method, self.server.url + path, timeout=60, **arguments)  # type: ignore[arg-type]

    def failures(self) -> list[dict[str, object]]:
        """What the log calls a fault of the program."""
        lines = [json.loads(line) for line in self.server.log_path.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == "failure" or line.get("level") == "error"]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    calls = BrokenCalls(folder)
    with loop_disk(folder) as disk:
        server = ServerOfDisk(disk.folder / "data", calls.environment)
        server.prepare("alice", "bob")
        with started(server):
            yield _prepared(server, disk, calls)


def _prepared(server: LiveServer, disk: LoopDisk, calls: BrokenCalls) -> Machine:
    alice = server.sign_in("alice")
    made = alice.post(f"{server.url}/conversations/create", json={"email": "bob"}, timeout=30).json()
    form = {"conversation_id": made["conversation_id"]}
    posted = alice.post(f"{server.url}/messages/upload", data=form, files={"file": ("a.txt", DATA)}, timeout=30)
    stored = server.store(alice, "stored.bin", DATA)
    url = posted.json()["message"]["media_url"]
    return Machine(server, disk, calls, alice, made["conversation_id"], stored, url)


def chunk(machine: Machine) -> requests.Response:
    return send_chunk(machine.alice, machine.server, f"{uuid.uuid4()}.bin", 0, b"x" * 100, total=100)


def ranged_chunk(machine: Machine) -> requests.Response:
    headers = {"Content-Range": "bytes 0-99/100"}
    return machine.request("POST", f"/upload/{uuid.uuid4()}", data=SHORT_FRAME.format(0, b"x" * 100), headers=headers)


def whole_file(machine: Machine) -> requests.Response:
    return machine.request("POST", "/api/files", params={"filename": f"{uuid.uuid4()}"}, data=b"x" * 100)


def form(machine: Machine) -> requests.Response:
    return machine.request("POST", "/api/files", files={"file": (f"{uuid.uuid4()}.bin", b"x" * 2_000_000)})


def tus(machine: Machine) -> requests.Response:
    headers = {**TUS, "Upload-Length": "100", "Content-Type": "application/offset+octet-stream"}
    return machine.request("POST", "/api/uploads", data=b"x" * 100, headers=headers)


def draft(machine: Machine) -> requests.Response:
    return machine.request("POST", "/api/uploads", data=b"x" * 3_000_000, headers={"Upload-Complete": "?1"})


def attachment(machine: Machine) -> requests.Response:
    fields = {"conversation_id": machine.conversation_id}
    return machine.request("POST", "/messages/upload", data=fields, files={"file": ("b.bin", b"x" * 100)})


def sign_in(machine: Machine) -> requests.Response:
    return machine.request("POST", "/auth/token", json={"username": "alice", "password": PASSWORD})


def message(machine: Machine) -> requests.Response:
    return machine.request("POST", "/messages", json={"conversation_id": machine.conversation_id, "content": "hello"})


def readiness(machine: Machine) -> requests.Response:
    return machine.request("GET", "/readyz")


def download(machine: Machine) -> requests.Response:
    return machine.request("GET", machine.stored)


def media(machine: Machine) -> requests.Response:
    return machine.request("GET", machine.attachment)


Call = Callable[[Machine], requests.Response]
Fault = Callable[[Machine], AbstractContextManager[None]]
UPLOADS: list[Call] = [chunk, ranged_chunk, whole_file, form, tus, draft, attachment]
MEDIA_TYPES: dict[Call, str] = {tus: "text/plain", draft: "application/problem+json"}
DATABASE: list[Call] = [sign_in, message]


def broken(*calls: str) -> Fault:
    return lambda machine: machine.calls.failing(*calls)


def immutable(machine: Machine) -> AbstractContextManager[None]:
    data = machine.server.data_dir
    folders = [*sorted((data / "blobs").iterdir()), data / "blobs", data / "uploads" / "chats"]
    return machine.disk.immutable(*folders)


def moved_away(machine: Machine) -> AbstractContextManager[None]:
    return machine.disk.without(machine.server.data_dir)


def read_only(machine: Machine) -> AbstractContextManager[None]:
    return machine.disk.read_only()


def state(machine: Machine) -> tuple[list[str], int]:
    """What alice has, and how many messages."""
    files = machine.request("GET", "/api/files").json()["files"]
    got = machine.request("GET", "/messages/get", params={"conversation_id": machine.conversation_id}).json()
    return sorted(file["filename"] for file in files if file["status"] == "complete"), got["count"]


CASES: list[tuple[Fault, str, list[Call]]] = [
    (broken("pwrite"), "write", UPLOADS),
    (broken("fsync"), "fsync", UPLOADS),
    (broken("open"), "open", [*UPLOADS, readiness]),
    (immutable, "chattr", [*UPLOADS, readiness]),
    (moved_away, "moved", [*UPLOADS, readiness, download, media]),
    (read_only, "read-only", [*UPLOADS, *DATABASE, readiness]),  # the last: it stays so
]


def test_bytes_whose_flush_failed_are_sent_again_as_chunks(machine: Machine) -> None:
    name, halves = f"{uuid.uuid4()}.bin", (b"a" * 100, b"b" * 100)
    first = send_chunk(machine.alice, machine.server, name, 0, halves[0], total=200)
    with machine.calls.failing("fsync"):
        refused = send_chunk(machine.alice, machine.server, name, 100, halves[1], total=200)
    status = machine.request("GET", f"/api/files/status/{name}").json()
    for start, half in zip((0, 100), halves, strict=True):
        last = send_chunk(machine.alice, machine.server, name, start, half, total=200)
    assert (first.status_code, refused.status_code) == (200, 503)
    assert (status["status"], status["bytes_received"], status["next_expected_byte"]) == ("pending", 0, 0)
    assert last.json()["status"] == "complete"
    assert machine.request("GET", f"/api/files/download/{name}").content == halves[0] + halves[1]


def test_bytes_whose_flush_failed_are_sent_again_to_a_resumable_upload(machine: Machine) -> None:
    headers = {**TUS, "Content-Type": "application/offset+octet-stream"}
    begun = machine.request("POST", "/api/uploads", headers={**TUS, "Upload-Length": "200"})
    path = "/api/uploads/" + begun.headers["Location"].rpartition("/")[2]

    def append(offset: int, data: bytes) -> int:
        return machine.request("PATCH", path, data=data, headers={**headers, "Upload-Offset": str(offset)}).status_code

    first = append(0, b"a" * 100)
    with machine.calls.failing("fsync"):
        refused = append(100, b"b" * 100)
    offset = machine.request("HEAD", path, headers=TUS).headers["Upload-Offset"]
    again = append(0, b"a" * 100 + b"b" * 100)
    assert (first, refused, offset, again) == (204, 503, "0", 204)
    file_id = path.rpartition("/")[2]
    assert machine.request("GET", f"/api/files/{file_id}/download").content == b"a" * 100 + b"b" * 100


@pytest.mark.parametrize("call", [download, media], ids=lambda call: call.__name__)
def test_a_download_that_cannot_be_read_says_so(machine: Machine, call: Call) -> None:
    with machine.calls.failing("open"):
        answer = call(machine)
    assert (answer.status_code, "Error reading file" in answer.text) == (500, True)
    assert machine.failures() == []


@pytest.mark.parametrize(
    ("fault", "call"),
    [pytest.param(fault, call, id=f"{name}-{call.__name__}") for fault, name, calls in CASES for call in calls],
)
def test_a_broken_machine_is_503_stores_nothing_and_is_no_failure_of_the_program(
    machine: Machine, fault: Fault, call: Call
) -> None:
    before = state(machine)
    with fault(machine):
        answer = call(machine)
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "5"), answer.text
    assert answer.headers["Content-Type"].partition(";")[0] == MEDIA_TYPES.get(call, "application/json")
    assert (state(machine), machine.failures()) == (before, [])


def test_a_disk_that_became_read_only_still_gives_what_it_has(machine: Machine) -> None:
    with machine.disk.read_only():
        assert (download(machine).content, media(machine).content) == (DATA, DATA)
