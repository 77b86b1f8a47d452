"""Many files at once, against a service in memory."""

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from transfer_service_client import TransferClient
from transfer_service_client.errors import SignInNeeded
from transfer_service_client.progress import Silent

from tests.client.tus_service import TusService


class Account(TusService):
    """Tells besides who is signed in and what is there."""

    def answer(self, request: httpx.Request) -> httpx.Response:
        """What httpx.MockTransport calls."""
        path = request.url.path
        if path == "/auth/me":
            me = {"id": "a", "name": "alice", "is_admin": False, "used_bytes": 0, "quota_bytes": None}
            return httpx.Response(200, json=me)
        if request.method == "GET" and path.startswith("/api/files/status/"):
            name = path.removeprefix("/api/files/status/")
            return httpx.Response(200, json=_shown(name, self.files[name]) if name in self.files else {})
        if request.method == "GET":
            files = [_shown(name, data) for name, data in self.files.items()]
            return httpx.Response(200, json={"files": files, "folders": [], "next_cursor": None})
        if path == "/api/folders":
            self.requests.append(("folder", 0))
            return httpx.Response(201, json={})
        return super().answer(request)


def _shown(name: str, data: bytes) -> dict[str, object]:
    return {
        "file_id": "f", "filename": name, "total_bytes": len(data), "content_type": "x/y", "status": "complete",
        "sha256": hashlib.sha256(data).hexdigest(),
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip


@pytest.fixture
def service() -> Account:
    return Account()


@pytest.fixture
def client(service: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TransferClient]:
    monkeypatch.setenv("http_proxy", "http://proxy.example")  # so that httpx sends the small ones too
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with TransferClient("http://service.example", key="tsk_x", patience_seconds=1, verify=False) as client:
        transport = httpx.MockTransport(service.answer)
        client.session._http = httpx.Client(base_url="http://service.example", transport=transport)
        yield client


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    (folder / "empty").mkdir(parents=True)
    for number in range(40):
        (folder / f"{number:03}").write_bytes(os.urandom(number))
    return folder


def test_a_folder_is_sent_and_the_second_time_nothing_of_it(
    client: TransferClient, service: Account, album: Path
) -> None:
    outcome = client.upload_all([str(album)], to="x")
    assert (outcome.done, outcome.same, outcome.failed) == (40, 0, 0)
    assert service.files == {f"x/album/{each.name}": each.read_bytes() for each in album.iterdir() if each.is_file()}
    assert ("folder", 0) in service.requests
    (album / "007").write_bytes(b"other!!")
    service.requests.clear()
    outcome = client.upload_all([str(album)], to="x")
    assert (outcome.done, outcome.same) == (1, 39)
    assert sorted(service.requests) == [("PUT", 7), ("folder", 0)]
    assert service.files["x/album/007"] == b"other!!"


def test_a_folder_of_the_service_is_the_same_in_other_characters_for_its_letters(
    client: TransferClient, service: Account, album: Path
) -> None:
    for folder in ("caf\u00e9", "/cafe\u0301/"):
        outcome = client.upload_all([str(album)], to=folder)
        assert outcome.done + outcome.same == 40
    assert outcome.same == 40
    assert all(name.startswith("caf\u00e9/album/") for name in service.files)


def test_one_that_fails_keeps_no_other_back(client: TransferClient, service: Account, album: Path) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        return httpx.Response(400, json={"detail": "Invalid file name"})

    service.faults = [refuse]
    (album / "gone").symlink_to("nowhere")
    outcome = client.upload_all([str(album)])
    assert (outcome.done, outcome.failed) == (39, 2)
    assert {str(error) for _, error in outcome.errors} == {"Invalid file name", "No such file or directory"}


def test_nobody_goes_on_once_the_key_does_not_count(client: TransferClient, service: Account, album: Path) -> None:
    service.faults = [lambda _: httpx.Response(401, json={})]
    with pytest.raises(SignInNeeded):
        client.upload_all([str(album)])


def test_an_interruption_stops_all_threads(client: TransferClient, service: Account, album: Path) -> None:
    class Interrupting(Silent):
        def begin(self, _name: str, _size: int) -> None:
            pass

        def failed(self, _name: str, _error: Exception) -> None:
            raise KeyboardInterrupt

    (album / "020b").symlink_to("nowhere")
    for number in range(40, 400):
        (album / f"{number:03}").write_bytes(b"x")
    with pytest.raises(KeyboardInterrupt):
        client.upload_all([str(album)], progress=Interrupting())
    for thread in [each for each in threading.enumerate() if each.name == "transfer"]:
        thread.join(20)
        assert not thread.is_alive()
    assert len(service.files) <= 21


def test_a_progress_that_fails_is_told_and_nobody_waits_for_ever(client: TransferClient, album: Path) -> None:
    class Broken(Silent):
        def begin(self, _name: str, _size: int) -> None:
            raise RuntimeError("broken")

        def failed(self, _name: str, error: Exception) -> None:
            raise error

    for number in range(40, 400):
        (album / f"{number:03}").write_bytes(b"x")
    with pytest.raises(RuntimeError, match="broken"):
        client.upload_all([str(album)], progress=Broken())


def test_a_single_file_is_looked_for_and_sent(client: TransferClient, service: Account, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a")
    assert client.upload(tmp_path / "a.txt").was_sent
    assert not client.upload(tmp_path / "a.txt").was_sent
    assert client.upload(tmp_path / "a.txt", to="b/c.txt").name == "b/c.txt"
    assert service.files == {"a.txt": b"a", "b/c.txt": b"a"}
