"""Starting on a disk without a free byte: what is there can be read, and deleted to make room."""

import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.live.server import REPOSITORY, LiveServer, running, wait_until
from tests.small_disk import fill, mounted

pytestmark = pytest.mark.one_machine("the disk of the service is full")

MEBIBYTE = 1024 * 1024


def start_without_waiting(server: LiveServer) -> None:
    with server.log_path.open("ab") as log:
        server.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn"], cwd=REPOSITORY, env=server._environment(), stdout=log, stderr=log
        )
    wait_until(lambda: answers(server))


def answers(server: LiveServer) -> bool:
    try:
        return requests.get(f"{server.url}/healthz", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def test_a_service_starts_without_a_free_byte_and_can_make_room(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", 64 * MEBIBYTE) as disk:
        with running(disk / "data", "alice") as server:
            alice = server.sign_in("alice")
            paths = [server.store(alice, name, name.encode() * MEBIBYTE) for name in ("a", "b", "c")]
        fill(disk)
        server.command("database", "upgrade")
        fill(disk)
        start_without_waiting(server)
        try:
            assert [len(alice.get(server.url + path, timeout=30).content) for path in paths] == [MEBIBYTE] * 3
            assert alice.post(f"{server.url}/api/files?filename=d", data=b"d" * MEBIBYTE, timeout=30).status_code == 507
            for name in ("a", "b"):
                assert alice.delete(f"{server.url}/api/files/{name}", timeout=30).status_code == 200
            (disk / "filler").unlink()
            assert server.store(server.sign_in("alice"), "d", b"d" * MEBIBYTE)
        finally:
            server.stop()
        assert [path.name for path in (disk / "data" / "blobs").glob(".probe*")] == []
