"""Resumable uploads and a disk that is full: refused with the truth, and continued when there is room."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live.appends import DATA, MIB, UPLOADS, Door, Protocol, blob_path, is_held, path_of
from tests.live.server import LiveServer, running, wait_until
from tests.missing import missing

pytestmark = pytest.mark.one_machine("a disk of the service is full")

DISK_BYTES = 64 * MIB
protocols = pytest.mark.parametrize("protocol", list(Protocol), ids=lambda protocol: protocol.value)


@dataclass(frozen=True)
class SmallDisk:
    """A file system that holds everything: database, store and ballast."""

    folder: Path

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def free_bytes(self) -> int:
        """What is left."""
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize

    def leave(self, size: int) -> None:
        """Fill it up but for so much."""
        self.empty()
        self._ballast.write_bytes(bytes(self.free_bytes() - size))

    def empty(self) -> None:
        """Take the ballast away."""
        self._ballast.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    folder = tmp_path_factory.mktemp("small")
    if os.geteuid() != 0 or shutil.which("mount") is None:
        missing("mounting a small file system needs root")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False).returncode != 0:
        missing("this machine does not let us mount a tmpfs")
    yield SmallDisk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def crowded(disk: SmallDisk) -> Iterator[LiveServer]:
    """An instance on it."""
    with running(disk.folder / "data", "alice") as server:
        yield server


@pytest.fixture(autouse=True)
def _room(disk: SmallDisk) -> Iterator[None]:
    yield
    disk.empty()


LARGE = DATA * 4
HEADROOM_BYTES = DISK_BYTES // 16


@pytest.mark.parametrize("length", [len(LARGE), None], ids=["length", "chunked"])
@protocols
def test_an_append_that_does_not_fit_keeps_what_did(
    crowded: LiveServer, disk: SmallDisk, protocol: Protocol, length: int | None
) -> None:
    door = Door(crowded, crowded.sign_in("alice"), protocol)
    path = door.create(len(LARGE))
    disk.leave(HEADROOM_BYTES + 10 * MIB)
    with door.appending(path, 0, length=length) as append:
        append.send(LARGE)
        if length is None:
            append.end_chunks()
        answer = append.client.receive()
    offset = door.offset(path)
    assert (answer.status, "x-file-id" in answer.headers) == (507, False)
    assert 5 * MIB < offset < 11 * MIB
    again = door.patch(path, offset, LARGE[offset:])
    disk.empty()
    assert (again.status_code, door.offset(path) >= offset) == (507, True)
    assert door.finish(path, LARGE) == LARGE
    door.request("DELETE", f"/api/files/{path.rpartition('/')[2]}", {})


def test_a_full_disk_refuses_a_checked_append_as_a_whole(crowded: LiveServer, disk: SmallDisk) -> None:
    door = Door(crowded, crowded.sign_in("alice"), Protocol.DRAFT)
    path = door.create(len(LARGE))
    assert door.patch(path, 0, LARGE[:1000]).ok
    disk.leave(HEADROOM_BYTES + 5 * MIB)
    before = disk.free_bytes()
    answer = door.patch(path, 1000, LARGE[1000:], Content_Digest=f"sha-256=:{'A' * 43}=:")
    wait_until(lambda: not is_held(crowded, path))
    assert (answer.status_code, door.offset(path)) == (507, 1000)
    assert blob_path(crowded, path).stat().st_size == 1000
    assert disk.free_bytes() > before - MIB
    assert door.delete(path).status_code == 204


def test_cancelling_makes_room_on_a_full_disk(crowded: LiveServer, disk: SmallDisk) -> None:
    door = Door(crowded, crowded.sign_in("alice"))
    path = door.create(len(LARGE))
    assert door.patch(path, 0, LARGE[: 6 * MIB]).ok
    disk.leave(0)
    assert door.delete(path).status_code == 204
    assert disk.free_bytes() > 5 * MIB
    assert door.look(path).status_code == door.protocol.gone_status


def test_parts_stay_whole_while_there_is_no_room_for_what_they_make(crowded: LiveServer, disk: SmallDisk) -> None:
    door, size = Door(crowded, crowded.sign_in("alice")), 5 * MIB
    contents = [LARGE[:size], LARGE[size : 2 * size]]
    parts = [_partial(door, content) for content in contents]
    disk.leave(HEADROOM_BYTES + 7 * MIB)
    before, creation = disk.free_bytes(), {"Tus-Resumable": "1.0.0", "Upload-Concat": f"final;{' '.join(parts)}"}
    refused = door.request("POST", UPLOADS, creation)
    left = disk.free_bytes()
    assert (refused.status_code, [door.offset(part) for part in parts]) == (507, [size, size])
    assert [blob_path(crowded, part).read_bytes() for part in parts] == contents
    assert left > before - MIB  # nothing of the attempt stays in the way
    disk.empty()
    final = door.request("POST", UPLOADS, creation)
    assert final.status_code == 201
    path = path_of(final.headers["Location"])
    assert door.look(path).headers["Upload-Length"] == str(2 * size)
    assert door.download(path) == b"".join(contents)


def _partial(door: Door, content: bytes) -> str:
    creation = {"Tus-Resumable": "1.0.0", "Upload-Concat": "partial", "Upload-Length": str(len(content))}
    path = path_of(door.request("POST", UPLOADS, creation).headers["Location"])
    assert door.patch(path, 0, content).status_code == 204
    return path
