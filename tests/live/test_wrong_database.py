"""A service beside somebody else's store, and one that was started before its database was migrated."""

import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.conftest import PASSWORD
from tests.live.server import REPOSITORY, LiveServer, running, wait_until
from transfer_service.db.schema import upgrade

pytestmark = pytest.mark.one_machine("it changes the database under one data folder")

DATA = b"nobody's orphan"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_with_another_database_nothing_starts_and_nothing_is_lost(data_dir: Path, tmp_path: Path) -> None:
    with running(data_dir, "alice") as server:
        path = server.store(server.sign_in("alice"), "log.bin", DATA)
    url = f"sqlite:///{tmp_path / 'other.sqlite3'}"
    upgrade(url)
    stranger = LiveServer(data_dir, {"TRANSFER_DATABASE_URL": url})
    for command in (["gunicorn"], ["flask", "--app", "wsgi", "worker"], ["flask", "--app", "wsgi", "cleanup"]):
        ended = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=REPOSITORY, env=stranger._environment(), capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert ended.returncode == (3 if command == ["gunicorn"] else 1), ended.stderr
        assert "The database and the store do not belong together: " in ended.stderr
        assert "flask --app wsgi database adopt" in ended.stderr
        assert "Traceback" not in ended.stderr
    server.start()
    try:
        assert server.sign_in("alice").get(server.url + path, timeout=30).content == DATA
    finally:
        server.stop()


def test_an_instance_that_is_up_before_its_database_is_migrated_works_afterwards(data_dir: Path) -> None:
    server = LiveServer(data_dir)
    log = server.log_path.open("ab")
    server.process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn"], cwd=REPOSITORY, env=server._environment(), stdout=log, stderr=log
    )
    try:
        wait_until(lambda: status(server, "/healthz") == 200)
        assert (status(server, "/readyz"), status(server, "/cleanup", "POST")) == (503, 503)
        server.command("database", "upgrade")
        server.command("accounts", "create", "alice", "--password-stdin", stdin=f"{PASSWORD}\n")
        wait_until(lambda: status(server, "/readyz") == 200)
        path = server.store(server.sign_in("alice"), "log.bin", DATA)
        assert server.sign_in("alice").get(server.url + path, timeout=30).content == DATA
    finally:
        server.stop()
        log.close()


def status(server: LiveServer, path: str, method: str = "GET") -> int:
    try:
        return requests.request(method, server.url + path, timeout=60).status_code
    except requests.ConnectionError:
        return 0
