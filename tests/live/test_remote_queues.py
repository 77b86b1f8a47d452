"""How the worker hears of a new download: by a file, by Redis, by PostgreSQL, and by itself where none works."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import redis

from tests.live.bad_source import HONEST
from tests.live.download_worker import working
from tests.live.remote import Site, game_bytes, remote_site
from tests.live.server import LiveServer, started, wait_until
from tests.missing import missing
from tests.ports import free_port

DATA = game_bytes(100_000)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Without a worker: each test has its own."""
    with remote_site(tmp_path_factory.mktemp("queues") / "data", *[DATA] * 10) as site:
        yield site


@dataclass
class Redis:
    """A Redis server of a test's own."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def calls(self) -> int:
        """How many calls wait for a worker."""
        with redis.Redis(port=self.port) as client:
            return int(client.llen("huey.redis.transferdownloads"))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Redis]:
    program = shutil.which("redis-server")
    if program is None:
        missing("redis-server is not installed")
    port = free_port()
    command = [program, "--port", str(port), "--save", "", "--dir", str(tmp_path)]
    server = Redis(port, subprocess.Popen(command, stdout=subprocess.DEVNULL))
    wait_until(lambda: _answers(port))
    yield server
    server.kill()


def _answers(port: int) -> bool:
    try:
        with redis.Redis(port=port) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


def assert_downloads(site: Site) -> None:
    """A new game is fetched, once."""
    game = site.next_game(HONEST)
    site.start(game)
    site.wait_for(game, "completed")
    assert len(site.requests_for(game)) == 1
    assert (site.archive(game), site.actions(game)) == (DATA, ["started", "completed"])


@pytest.fixture
def by_redis(site: Site, own_redis: Redis) -> Iterator[Site]:
    """Another instance on the same data folder, whose queue is in Redis."""
    environment = {**site.server.environment, "TRANSFER_REDIS_URL": own_redis.url}
    with started(LiveServer(site.server.data_dir, environment)) as server:
        yield Site(server, site.source, site.carol, site.unused)


def test_a_call_by_redis_is_taken_by_the_worker(by_redis: Site, own_redis: Redis) -> None:
    game = by_redis.next_game(HONEST)
    by_redis.start(game)
    calls = own_redis.calls()
    with working(by_redis.server.data_dir, **by_redis.server.environment):
        by_redis.wait_for(game, "completed")
        wait_until(lambda: own_redis.calls() == 0)
        assert_downloads(by_redis)
    assert calls == 1


def test_workers_do_without_redis_when_it_dies_and_from_their_start(by_redis: Site, own_redis: Redis) -> None:
    with working(by_redis.server.data_dir, **by_redis.server.environment):
        assert_downloads(by_redis)
        own_redis.kill()
        assert_downloads(by_redis)
    with working(by_redis.server.data_dir, **by_redis.server.environment) as later:
        assert_downloads(by_redis)
        assert later.poll() is None


def test_a_call_by_postgresql_is_taken_by_the_worker(data_dir: Path, postgres_url: str) -> None:
    def calls() -> int:
        with psycopg.connect(postgres_url.replace("postgresql+psycopg:", "postgresql:")) as connection:
            rows = connection.execute("SELECT count(*) FROM huey_task").fetchall()
            return int(rows[0][0])

    with remote_site(data_dir, DATA, DATA, TRANSFER_DATABASE_URL=postgres_url) as site:
        game = site.next_game(HONEST)
        site.start(game)
        before = calls()
        with working(data_dir, **site.server.environment):
            site.wait_for(game, "completed")
            wait_until(lambda: calls() == 0)
            assert_downloads(site)
    assert before == 1
    assert not list(data_dir.glob("*.sqlite3"))


@pytest.fixture
def queue_files(site: Site) -> Iterator[Callable[[], None]]:
    """Removes the file of the queue, which is also done in the end."""

    def remove() -> None:
        for path in site.server.data_dir.glob("queue.sqlite3*"):
            path.unlink()

    yield remove
    remove()


def test_a_queue_file_that_is_damaged_delays_downloads_only(site: Site, queue_files: Callable[[], None]) -> None:
    queue_files()
    (site.server.data_dir / "queue.sqlite3").write_bytes(b"this is no database " * 1000)
    with working(site.server.data_dir, **site.server.environment) as worker:
        assert_downloads(site)
        assert worker.poll() is None


def test_a_worker_that_has_lost_its_queue_file_finds_downloads_by_itself(
    site: Site, queue_files: Callable[[], None]
) -> None:
    with working(site.server.data_dir, **site.server.environment):
        assert_downloads(site)
        queue_files()
        assert_downloads(site)
