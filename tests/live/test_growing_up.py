"""One machine becomes several, by the steps of docs/growing.md, with its files, sign-ins and unfinished uploads."""

import hashlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.conftest import SECRET
from tests.live.server import REPOSITORY, LiveServer, started, wait_until

pytestmark = [pytest.mark.long, pytest.mark.one_machine("it begins on one")]

HALF = b"the first half of an upload, " * 9000
REST = b"and the second one" * 40_000
APPEND = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}


@contextmanager
def uploading(server: LiveServer, session: requests.Session, stored: dict[str, str]) -> Iterator[None]:
    """Somebody sends file after file until the block ends; `stored` gets their SHA-256 by their paths."""
    is_over = threading.Event()

    def send() -> None:
        number = 0
        while not is_over.wait(0.05):
            data = f"file {number} ".encode() * (1 + number * 3000 % 90_000)
            stored[server.store(session, f"while it moves/{number}.bin", data)] = hashlib.sha256(data).hexdigest()
            number += 1

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def begin_upload(server: LiveServer, session: requests.Session) -> str:
    """The path of an upload of which half has come."""
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(HALF + REST))}
    location = session.post(f"{server.url}/api/uploads", headers=headers, timeout=30).headers["Location"]
    path = location.removeprefix(server.url)
    sent = session.patch(f"{server.url}{path}", headers={**APPEND, "Upload-Offset": "0"}, data=HALF, timeout=30)
    assert sent.status_code == 204
    return path


def kill_a_move(server: LiveServer, *arguments: str) -> None:
    """`kill -9` of the command as soon as something has been brought."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]
    process = subprocess.Popen(command, cwd=REPOSITORY, env=server._environment(), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "brought" in process.stderr.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def digest_of(server: LiveServer, session: requests.Session, path: str) -> str:
    answer = session.get(f"{server.url}{path}", timeout=30)
    assert answer.status_code == 200, path
    return hashlib.sha256(answer.content).hexdigest()


def test_one_machine_becomes_several(tmp_path: Path, postgres_url: str, object_store_url: str) -> None:
    data_dir, stored = tmp_path / "data", dict[str, str]()
    move = ("storage", "move", f"file:{data_dir}/blobs", object_store_url)
    server = LiveServer(data_dir, {"SECRET_KEY": SECRET})
    server.prepare("alice")
    with started(server):
        session = server.sign_in("alice")
        with uploading(server, session, stored):
            wait_until(lambda: len(stored) > 10)
            upload = begin_upload(server, session)
            kill_a_move(server, *move)
            moving = threading.Thread(target=lambda: _run(server, *move))
            moving.start()
            wait_until(lambda: len(stored) > 40, seconds=120)
        moving.join()

    reading = LiveServer(data_dir, {"SECRET_KEY": SECRET, "TRANSFER_READ_ONLY": "true"})
    with started(reading):
        refused = session.post(f"{reading.url}/api/files", params={"filename": "x"}, data=b"x", timeout=30)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "60")
        assert "verified" in reading.command(*move)
        url = postgres_url.replace("postgresql+psycopg:", "postgresql:")
        source = f"sqlite:///{data_dir}/transfer.sqlite3"
        assert "TRANSFER_DATABASE_URL=postgresql://" in reading.command(
            "database", "move", source, "-", stdin=f"{url}\n"
        )
        path, digest = next(iter(stored.items()))
        assert digest_of(reading, session, path) == digest

    shared = {"SECRET_KEY": SECRET, "TRANSFER_DATABASE_URL": url, "TRANSFER_STORAGE_URL": object_store_url}
    with (
        started(LiveServer(tmp_path / "first", shared)) as first,
        started(LiveServer(tmp_path / "second", shared)) as second,
    ):
        for number, (path, digest) in enumerate(stored.items()):
            assert digest_of((first, second)[number % 2], session, path) == digest
        sent = session.patch(
            f"{first.url}{upload}", headers={**APPEND, "Upload-Offset": str(len(HALF))}, data=REST, timeout=60
        )
        assert sent.status_code == 204, sent.text
        wait_until(lambda: "X-File-Id" in session.head(f"{second.url}{upload}", headers=APPEND, timeout=30).headers)
        file_id = upload.rpartition("/")[2]
        whole = hashlib.sha256(HALF + REST).hexdigest()
        assert digest_of(second, session, f"/api/files/{file_id}/download") == whole
        assert "All is well" in first.command("verify")


def _run(server: LiveServer, *arguments: str) -> None:
    """Call a command that may end with words only: while much is changing a move does not come to its end."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]
    ended = subprocess.run(
        command, cwd=REPOSITORY, env=server._environment(), capture_output=True, text=True, check=False
    )
    assert "Traceback" not in ended.stderr, ended.stderr
