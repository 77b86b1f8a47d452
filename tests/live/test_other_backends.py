"""PostgreSQL and Redis in place of the embedded defaults, each by one setting."""

import hashlib
import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.live.chunks import send_chunk
from tests.live.server import LiveServer, running
from tests.redis_server import running_redis

pytestmark = pytest.mark.one_machine("it has backends of its own")

PART = 64 * 1024


def test_postgresql_takes_over_by_its_url_alone(data_dir: Path, postgres_url: str) -> None:
    url = postgres_url.replace("postgresql+psycopg:", "postgresql:")
    data = os.urandom(64 * PART)
    with running(data_dir, "alice", TRANSFER_DATABASE_URL=url) as first:
        second = LiveServer(first.data_dir, first.environment)
        second.start()
        starts = list(range(0, len(data), PART))
        random.Random(3).shuffle(starts)
        threads = [
            threading.Thread(target=_send_all, args=(server, starts[number::4], data))
            for number, server in enumerate([first, second, first, second])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        status = second.sign_in("alice").get(f"{second.url}/api/files/status/log.bin", timeout=30).json()
        second.stop()
        assert (status["status"], status["sha256"]) == ("complete", hashlib.sha256(data).hexdigest())
        assert not (data_dir / "transfer.sqlite3").exists()


def _send_all(server: LiveServer, starts: list[int], data: bytes) -> None:
    session = server.sign_in("alice")
    for start in starts:
        answer = send_chunk(session, server, "log.bin", start, data[start : start + PART], total=len(data))
        assert answer.status_code == 200, answer.text


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A Redis server of the test's own."""
    with running_redis(tmp_path) as server:
        yield server.url


def test_two_instances_count_wrong_passwords_together_in_redis(data_dir: Path, redis_url: str) -> None:
    with running(data_dir, "alice", TRANSFER_REDIS_URL=redis_url) as first:
        second = LiveServer(first.data_dir, first.environment)
        second.start()
        statuses = [_guess(server) for _ in range(6) for server in (first, second)]
        second.stop()
    assert statuses == [401] * 10 + [429] * 2


def _guess(server: LiveServer) -> int:
    credentials = {"username": "alice", "password": "wrong"}
    return requests.post(f"{server.url}/auth/token", json=credentials, timeout=30).status_code


@pytest.mark.alone
def test_an_instance_starts_and_signs_in_without_its_redis(data_dir: Path) -> None:
    """One that accepts and never answers: worse than one that is down."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with running(data_dir, "alice", TRANSFER_REDIS_URL=url) as server:
            began = time.monotonic()
            session = server.sign_in("alice")
            statuses = [_guess(server) for _ in range(12)]
            took = time.monotonic() - began
            assert session.get(f"{server.url}/auth/me", timeout=30).json()["name"] == "alice"
    assert statuses == [401] * 10 + [429] * 2
    assert took < 10  # thirteen sign-ins, of which few wait for a second
