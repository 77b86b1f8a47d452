"""`kill -9` of the download worker at random moments: each job ends once, and nothing is left behind."""

import hashlib
import random
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from config import Settings
from tests.conftest import SECRET
from tests.live.bad_source import BadSource, Behaviour, Drip
from tests.live.download_worker import Zygote, zygote
from tests.prepared import migrate
from tests.proofs import length
from transfer_service.bootstrap import Services, build_services
from transfer_service.errors import NotFound
from transfer_service.models.events import Activity
from transfer_service.models.games import DownloadState, Game, GameData, RemoteDownload
from transfer_service.services.events.actors import Actor

KILLS = length(16, whole=200)
SEED = 20261121
DATA = random.Random(SEED).randbytes(2 * 1024 * 1024)
SLOWLY = Behaviour(drip=Drip(128 * 1024, 0.02))
LONGEST_LIFE_SECONDS = 0.7
PATIENCE_SECONDS = 120.0

pytestmark = [
    pytest.mark.alone,
    pytest.mark.heavy,
    pytest.mark.one_machine("it kills workers on a folder of their own"),
]


@dataclass
class Farm:
    """A data folder with a catalogue, a slow source, and workers to be killed."""

    data_dir: Path
    services: Services
    source: BadSource
    zygote: Zygote
    starter: Actor
    killed: int = 0

    def start(self) -> int:
        """Begin with a new game and give the id of the job."""
        game_id, number = uuid.uuid4(), uuid.uuid4().int % 2**40
        digest = hashlib.sha256(DATA).hexdigest()
        with self.services.database.write() as session:
            session.add(Game(id=game_id, title="Game"))
            session.flush()
            added_at = datetime(2024, 1, 1, tzinfo=UTC)
            session.add(
                GameData(id=number, game_id=game_id, title="Data", added_at=added_at, sha256=digest, size=len(DATA))
            )
        self.source.serve(f"/{number}.zip", DATA, SLOWLY)
        return self.services.remote_downloads.start(self.starter, game_id, number)

    def job(self, job_id: int) -> RemoteDownload:
        with self.services.database.read() as session:
            return session.scalars(select(RemoteDownload).where(RemoteDownload.id == job_id)).one()

    def kill_until_it_ends(self, job_id: int, lives: random.Random) -> None:
        """Let one worker after the other work on the job for a moment, until one of them is quick enough."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.job(job_id).state.is_active:
            assert time.monotonic() < deadline, self.job(job_id).state
            worker = self.zygote.fork()
            self.sleep_while_active(job_id, lives.uniform(0, LONGEST_LIFE_SECONDS))
            self.zygote.kill(worker)
            self.killed += 1

    def sleep_while_active(self, job_id: int, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.job(job_id).state.is_active:
            time.sleep(0.005)

    def activities(self) -> Counter[tuple[str, str]]:
        """How often each action was logged for each game."""
        with self.services.database.read() as session:
            of_games = select(Activity.resource_id, Activity.action).where(Activity.resource == "games")
            return Counter((row[0], row[1]) for row in session.execute(of_games))

    def files(self) -> set[str]:
        return {path.name for path in (self.data_dir / "games").glob("[!.]*")}


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Farm]:
    monkeypatch.chdir(tmp_path)
    data_dir = tmp_path / "data"
    with BadSource() as source:
        base = f"{source.url}/{{gameDataId}}.zip"
        sources = [{"type": "raw", "name": "slow", "arguments": [base]}]
        settings = Settings(data_dir=data_dir, secret_key=SecretStr(SECRET), game_data_sources=sources)  # type: ignore[arg-type]
        services = build_services(settings)
        migrate(services.database.url)
        services.accounts.create("alice", "correct horse")
        starter = Actor(services.accounts.get("alice").account_id, "alice", None)
        environment = {
            "SECRET_KEY": SECRET,
            "TRANSFER_GAME_DATA_SOURCES": f'[{{"type": "raw", "name": "slow", "arguments": ["{base}"]}}]',
            "TRANSFER_ALLOW_PRIVATE_SOURCES": "true",
        }
        with zygote(data_dir, **environment) as workers:
            yield Farm(data_dir, services, source, workers, starter)
        services.database.dispose()


def test_killed_workers_leave_one_end_for_each_job_and_nothing_else(farm: Farm) -> None:
    lives, jobs = random.Random(SEED), []
    while farm.killed < KILLS:
        jobs.append(farm.start())
        farm.kill_until_it_ends(jobs[-1], lives)
    ended = [farm.job(job_id) for job_id in jobs]
    assert [job.state for job in ended] == [DownloadState.COMPLETED] * len(jobs)
    assert [(job.slot, job.active_game_id, job.lease_owner) for job in ended] == [(None, None, None)] * len(jobs)
    logged = {(str(job.game_id), action): 1 for job in ended for action in ("download.started", "download.completed")}
    assert farm.activities() == logged
    assert farm.files() >= {f"{job.game_data_id}.zip" for job in ended}
    for job in ended:
        archive = (farm.data_dir / "games" / f"{job.game_data_id}.zip").read_bytes()
        assert hashlib.sha256(archive).hexdigest() == job.sha256
    resumed = [request for request in farm.source.requests if request.range is not None]
    assert resumed, "no download was ever resumed"


def test_workers_that_are_killed_while_jobs_are_cancelled_leak_no_slot(farm: Farm) -> None:
    lives = random.Random(SEED)
    for _ in range(30):
        job_id = farm.start()
        worker = farm.zygote.fork()
        farm.sleep_while_active(job_id, lives.uniform(0.1, 0.6))
        with suppress(NotFound):  # it may be completed
            farm.services.remote_downloads.cancel(farm.starter, farm.job(job_id).game_id, may_cancel_any=False)
        farm.zygote.kill(worker)
        assert not farm.job(job_id).state.is_active
    assert set(farm.activities().values()) == {1}
    ends = Counter(action for _, action in farm.activities() if action != "download.started")
    assert (sum(ends.values()), ends["download.cancelled"] > 0) == (30, True)


def test_a_worker_that_is_stopped_in_order_gives_its_jobs_back_at_once(farm: Farm) -> None:
    job_id = farm.start()
    worker = farm.zygote.fork()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not farm.job(job_id).bytes_downloaded:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert farm.zygote.stop(worker) == 0
    job = farm.job(job_id)
    assert (job.state, job.lease_owner) == (DownloadState.DOWNLOADING, None)
