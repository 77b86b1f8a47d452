"""What an operator sees: starting, stopping, logs, a full disk, cleanup beside traffic."""

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from sqlalchemy import select

from tests.conftest import PASSWORD
from tests.live.bad_source import BadSource
from tests.live.bare_socket import BareClient
from tests.live.chunks import send_chunk
from tests.live.download_worker import working
from tests.live.server import LiveServer, running
from tests.missing import missing
from transfer_service.models.files import File

pytestmark = pytest.mark.measured

MEBIBYTE = 1024 * 1024


@pytest.mark.one_machine("it stops one process")
def test_a_graceful_stop_lets_a_running_upload_finish_and_drops_idle_connections(data_dir: Path) -> None:
    with running(data_dir, "alice") as server:
        session = server.sign_in("alice")
        with BareClient(server, session) as busy, BareClient(server, session) as idle:
            idle.send_head("GET", "/healthz")
            idle.receive()
            busy.send_head("POST", "/api/files?filename=last.bin", f"Content-Length: {2 * MEBIBYTE}")
            busy.send(b"x" * MEBIBYTE)
            assert server.process is not None
            server.process.terminate()
            assert idle.is_closed()
            busy.send(b"x" * MEBIBYTE)
            answer = busy.receive()
        assert (answer.status, answer.headers["connection"]) == (201, "close")
        started = time.monotonic()
        server.process.wait(timeout=30)
        assert time.monotonic() - started < 10


@pytest.mark.one_machine("nginx is one more proxy there")
def test_a_sign_in_is_logged_with_its_address_and_a_failed_one_with_a_hash_of_the_name(data_dir: Path) -> None:
    with running(data_dir, "alice", TRANSFER_TRUSTED_PROXIES="1") as server:
        for name, password in [
            ("alice", PASSWORD),
            ("alice", "wrong"),
            ("  alice", "wrong"),
            ("correct horse", "oops"),
        ]:
            body = {"username": name, "password": password}
            headers = {"X-Forwarded-For": "203.0.113.9, 192.0.2.7"}
            requests.post(f"{server.url}/auth/token", json=body, headers=headers, timeout=30)
        with server.services() as services:
            account_id = str(services.accounts.get("alice").account_id)
        text = server.log_path.read_text()
    lines = [line for line in map(json.loads, text.splitlines()) if line.get("route") == "/auth/token"]
    assert [(line["sign_in"], line.get("account"), line["address"]) for line in lines] == [
        ("ok", account_id, "192.0.2.7"),
        *[("failed", None, "192.0.2.7")] * 3,
    ]
    hashes = [line.get("name_hash") for line in lines]
    assert (hashes[0], hashes[1] == hashes[2], hashes[3] not in {None, hashes[1]}) == (None, True, True)
    assert not [word for word in ("alice", "correct horse", "oops", "wrong") if word in text]


@pytest.mark.one_machine("it looks into one folder and the log of one process")
def test_the_log_is_json_without_secrets_names_or_paths(data_dir: Path) -> None:
    with running(data_dir, "alice") as server:
        session = server.sign_in("alice")
        sent = send_chunk(session, server, "private-name.bin", 0, b"hello", total=10)
        session.get(f"{server.url}/api/files/download/private-name.bin?token=in-the-url", timeout=30)
        requests.post(f"{server.url}/auth/token", json={"username": "alice", "password": "wrong-secret"}, timeout=30)
        shutil.rmtree(server.data_dir / "blobs")  # faults must not talk either
        assert send_chunk(session, server, "other.bin", 0, b"hello").status_code == 503
        text = server.log_path.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    (upload,) = [line for line in lines if line.get("id") == sent.headers["X-Request-Id"]]
    assert {"account", "file", "received_bytes", "seconds", "status"} <= upload.keys()
    token = str(session.headers["Authorization"]).split()[1]
    for secret in (token, PASSWORD, "wrong-secret", "private-name", "in-the-url", str(server.data_dir), "Traceback"):
        assert secret not in text


def test_the_workers_log_is_json_without_names_or_addresses(data_dir: Path) -> None:
    title, game = "A private title", "0b8bd5ab-2f5c-4b3c-a3d5-2f2fd2c6d1f0"
    with BadSource() as source, running(data_dir, "alice", **sources_at(source)) as server:
        catalogue = data_dir.parent / "private-catalogue.json"
        rows = {"gameId": game, "title": title, "dateAdded": "2024-05-01", "sha256": "0" * 64, "size": 9}
        catalogue.write_text(json.dumps({"games": [{"id": game, "title": title}], "gameData": [{"id": 1, **rows}]}))
        server.command("games", "import", str(catalogue))
        server.command("accounts", "grant", "alice", "games.download")
        session, url = server.sign_in("alice"), f"{server.url}/api/downloads/{game}/download"
        with working(data_dir, **server.environment):
            started = session.post(url, json={"gameDataId": 1}, timeout=30).status_code
            progress = session.get(f"{url}/progress", timeout=60).text
        text = (data_dir.parent / "worker.log").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert (started, "private-source: The source answered 404" in progress) == (202, True)
    told = [(line["event"], line.get("job"), line.get("state")) for line in lines]
    begun, ended = ("worker_started", None, None), ("worker_stopped", None, None)
    assert told == [begun, ("fetching", 1, None), ("ended", 1, "error"), ended]
    for secret in (title, game, "private-source", source.url, str(data_dir), "alice", "Traceback"):
        assert secret not in text


def sources_at(source: BadSource) -> dict[str, str]:
    """Settings by which `source` is the one source of remote downloads."""
    sources = [{"type": "raw", "name": "private-source", "arguments": [f"{source.url}/"]}]
    return {"TRANSFER_GAME_DATA_SOURCES": json.dumps(sources), "TRANSFER_ALLOW_PRIVATE_SOURCES": "true"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        missing("mounting a small file system needs root")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], check=False)
    if mounted.returncode != 0:
        missing("this machine does not let us mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_an_upload_survives_a_full_disk_and_resumes_once_there_is_room(tmp_path: Path, small_disk: Path) -> None:
    with running(tmp_path / "data", "alice", TRANSFER_STORAGE_URL=f"file:{small_disk}") as server:
        session, data = server.sign_in("alice"), os.urandom(12 * MEBIBYTE)
        ballast = small_disk / "ballast"
        ballast.write_bytes(b"x" * 16 * MEBIBYTE)
        answers = [_send(session, server, data, index) for index in range(12)]
        full = next(answer for answer in answers if answer.status_code != 200)
        status = session.get(f"{server.url}/api/files/status/log.bin", timeout=30).json()
        assert (full.status_code, full.json()) == (507, {"detail": "Storage is full"})
        assert status["bytes_received"] == MEBIBYTE * sum(answer.status_code == 200 for answer in answers) > 0
        whole = session.post(f"{server.url}/api/files?filename=whole.bin", data=data, timeout=30)
        ballast.unlink()
        for gap in status["missing"]:
            for start in range(gap["start"], gap["end"], MEBIBYTE):
                assert _send(session, server, data, start // MEBIBYTE).status_code == 200
        assert whole.status_code == 507
        assert session.get(f"{server.url}/api/files/download/log.bin", timeout=30).content == data


def _send(session: requests.Session, server: LiveServer, data: bytes, index: int) -> requests.Response:
    part = data[index * MEBIBYTE : (index + 1) * MEBIBYTE]
    return send_chunk(session, server, "log.bin", index * MEBIBYTE, part, total=len(data))


def test_cleanup_beside_uploads_takes_nothing_that_is_in_use(data_dir: Path) -> None:
    with running(data_dir, "alice", "root", TRANSFER_STALE_UPLOAD_HOURS="0.0001") as server:
        session, admin = server.sign_in("alice"), server.sign_in("root")
        send_chunk(session, server, "abandoned.bin", 0, b"x", total=10)
        done = threading.Event()
        removed: list[int] = []

        def sweep() -> None:
            while not done.is_set():
                report = admin.post(f"{server.url}/cleanup", timeout=30).json()
                removed.append(report["removed"]["stale_uploads"]["count"])

        sweeper = threading.Thread(target=sweep)
        sweeper.start()
        with BareClient(server, session) as slow:
            slow.send_head("POST", "/api/files?filename=slow.bin", f"Content-Length: {4 * MEBIBYTE}")
            for _ in range(4):
                slow.send(b"s" * MEBIBYTE)
                time.sleep(0.4)  # longer than "stale": only the writer's claim protects it
            answer = slow.receive()
        done.set()
        sweeper.join()
        assert answer.status == 201
        assert sum(removed) == 1
        assert session.get(f"{server.url}/api/files/status/abandoned.bin", timeout=30).json()["status"] == "pending"


def test_a_disabled_account_is_locked_out_at_once(data_dir: Path) -> None:
    with running(data_dir, "alice") as server:
        session = server.sign_in("alice")
        before = session.get(f"{server.url}/api/files", timeout=30).status_code
        server.command("accounts", "disable", "alice")
        disabled = session.get(f"{server.url}/api/files", timeout=30).status_code
        server.command("accounts", "enable", "alice")
        assert (before, disabled) == (200, 401)
        assert session.get(f"{server.url}/api/files", timeout=30).status_code == 401


def test_wrong_settings_stop_the_start_with_every_mistake(data_dir: Path) -> None:
    server = LiveServer(data_dir, {"TRANSFER_DURABILITY": "maybe", "TRANSFER_TYPO": "1", "SECRET_KEY": "short"})
    with pytest.raises(AssertionError) as failure:
        server.command("accounts", "list")
    for mistake in ("TRANSFER_DURABILITY", "TRANSFER_TYPO: unknown setting", "SECRET_KEY"):
        assert mistake in str(failure.value)


def test_a_start_after_a_power_loss_asks_for_unfinished_uploads_again(data_dir: Path) -> None:
    with running(data_dir, "alice") as server:
        send_chunk(server.sign_in("alice"), server, "log.bin", 0, b"hello", total=10)
        server.kill()
        with server.services() as services, services.database.write() as session:
            (file,) = session.scalars(select(File))
            file.unflushed_boot = "an earlier boot"
        server.start()
        status = server.sign_in("alice").get(f"{server.url}/api/files/status/log.bin", timeout=30).json()
        assert status["status"] == "pending"
        assert '"power_loss"' in server.log_path.read_text()
