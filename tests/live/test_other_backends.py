"""PostgreSQL and Redis in place of the embedded defaults, each by one setting."""

import hashlib
import os
import random
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import requests

from tests.live.chunks import send_chunk
from tests.live.server import LiveServer, running
from tests.missing import missing
from tests.ports import free_port

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
    program = shutil.which("redis-server")
    if program is None:
        missing("redis-server is not installed")
    port = free_port()
    process = subprocess.Popen(
        [program, "--port", str(port), "--save", "", "--dir", str(tmp_path)], stdout=subprocess.DEVNULL
    )
    client = redis.Redis(port=port, socket_connect_timeout=10, retry_on_error=[redis.ConnectionError])
    while True:
        try:
            client.ping()
            break
        except redis.ConnectionError:
            assert process.poll() is None
    client.close()
    yield f"redis://127.0.0.1:{port}/0"
    process.kill()
    process.wait()


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
