"""Remote downloads with a catalogue, a network that does as it is told, and views of what is left behind."""

import hashlib
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import insert, select, update

from config import GameDataSource, Settings
from tests.conftest import SECRET, Clock
from tests.services.conftest import Bench
from transfer_service.bootstrap import build_core
from transfer_service.db.database import Database
from transfer_service.errors import SourceFailed
from transfer_service.models.accounts import Account
from transfer_service.models.events import Activity
from transfer_service.models.games import DownloadState, Game, GameData, RemoteDownload
from transfer_service.services.core import Core
from transfer_service.services.events.actors import Actor
from transfer_service.services.games.downloads import RemoteDownloadService
from transfer_service.services.games.fetching import Fetching
from transfer_service.services.games.job_rows import DownloadRecord, jobs
from transfer_service.services.games.leases import FetchLeases, HashedPart, LeaseLost, Run
from transfer_service.services.games.member_rows import Hold
from transfer_service.storage.blobs import BlobWriter
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.rooms import ARCHIVES

CONTENT = b"the bytes of the catalogue " * 1000
WRONG = b"the bytes of somebody else " * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SOURCES = ("first", "second", "third")
MAX_ACTIVE = 3
ADDED_AT = datetime(2024, 5, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Request:
    """One call of the network."""

    source: str
    sink: HashedPart
    start: int
    size: int
    validator: str | None
    deadline: float
    remember_validator: Callable[[str | None], None]


Answer = Callable[[Request], object]


def gives(data: bytes, *, validator: str | None = '"v1"') -> Answer:
    """What is missing of these bytes."""

    def answer(request: Request) -> None:
        if not request.sink.length:
            request.remember_validator(validator)
        request.sink.append([data[request.sink.length :]])

    return answer


def fails(detail: str = "The source is down", *, after: bytes = b"") -> Answer:
    """A failure, after some bytes."""

    def answer(request: Request) -> None:
        request.sink.append([after])
        raise SourceFailed(detail)

    return answer


def raises(error: Exception, *, after: bytes = b"") -> Answer:
    """Any error, after some bytes."""

    def answer(request: Request) -> None:
        request.sink.append([after])
        raise error

    return answer


@dataclass
class Network:
    """Every source gives its answers one after the other, and then the right bytes."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def __call__(self, url: str, sink: HashedPart, **arguments: Any) -> None:
        source = url.split("/")[2].removesuffix(".example")
        request = Request(source, sink, sink.length, **arguments)
        self.requests.append(request)
        waiting = self.answers.get(source)
        answer = waiting.pop(0) if waiting else gives(CONTENT)
        answer(request)

    def asked(self) -> list[tuple[str, int]]:
        """The sources in the order in which they were asked, and from which byte on."""
        return [(request.source, request.start) for request in self.requests]


@dataclass
class FakeIndexer:
    """`meanwhile` happens while it looks into an archive."""

    meanwhile: Callable[[], object] = lambda: None
    indexed: list[int] = field(default_factory=list)

    def index(self, game_data_id: int, *, hold: Hold) -> int | None:  # noqa: ARG002 - it writes nothing
        self.meanwhile()
        self.indexed.append(game_data_id)
        return 7


def run_inline(work: Callable[[], Any], /) -> Any:
    return work()


def core_of(
    database: Database, clock: Callable[[], datetime], folder: Path, *, parts: Mapping[str, Any], **settings: Any
) -> Core:
    """A core over a database that is there already. `parts` are others of its fields."""
    made = Settings(data_dir=folder, database_url=database.url, secret_key=SecretStr(SECRET), **settings)
    return replace(build_core(made, clock), **{"database": database, "offload": run_inline, **parts})


class Downloads:
    """`alice` starts downloads here. Games are added with the ids that their data gets."""

    def __init__(self, database: Database, root: Path, clock: Clock) -> None:
        self.database, self.root, self.clock = database, root, clock
        self.store = DiskStore(root, ARCHIVES)
        self.network, self.indexer = Network(), FakeIndexer()
        self._starters: dict[str, Actor] = {}
        self.alice = self.starter("alice")
        self.service = self.make_service()
        self.leases = self.make_leases()
        self.fetching = self.make_fetching()
        self._last_data_id = 0

    def core(self, *, max_active: int = MAX_ACTIVE, sources: Sequence[str] = SOURCES, **parts: Any) -> Core:
        """What one process stands on; keyword arguments take the place of the bench's own things."""
        return core_of(
            self.database, self.clock, self.root.parent / "core", max_remote_downloads=max_active,
            game_data_sources=[
                GameDataSource(type="raw", name=name, arguments=[f"https://{name}.example/"]) for name in sources
            ],
            parts={"games": self.store, **parts},
        )  # fmt: skip

    def make_service(self, **parts: Any) -> RemoteDownloadService:
        """The rules as one process has them."""
        return RemoteDownloadService(self.core(**parts))

    def make_leases(self, **parts: Any) -> FetchLeases:
        return FetchLeases(self.core(**parts), monotonic=lambda: self.clock().timestamp())

    def make_fetching(
        self, *, sources: Sequence[str] = SOURCES, store: DiskStore | None = None, **others: Any
    ) -> Fetching:
        """A worker's; keyword arguments take the place of the bench's own things."""
        arguments = {"leases": self.leases, "archives": self.indexer, "fetch": self.network, **others}
        core = self.core(sources=sources, games=store or self.store)
        return Fetching(core, monotonic=lambda: self.clock().timestamp(), **arguments)

    def starter(self, name: str) -> Actor:
        """An account, made if there is none of that name."""
        if name not in self._starters:
            account_id = self._find_or_add_account(name)
            self._starters[name] = Actor(account_id=account_id, name=name, ip_address="192.0.2.7")
        return self._starters[name]

    def _find_or_add_account(self, name: str) -> uuid.UUID:
        with self.database.write() as session:
            account_id = session.scalars(select(Account.id).where(Account.name == name)).first()
            if account_id is None:
                account_id = uuid.uuid4()
                session.add(Account(id=account_id, name=name, password_hash="!", created_at=self.clock()))
        return account_id

    def add_games(self, number: int) -> list[tuple[uuid.UUID, int]]:
        """Games with one archive each."""
        added = []
        with self.database.write() as session:
            for _ in range(number):
                self._last_data_id += 1
                game = (uuid.uuid4(), self._last_data_id)
                added.append(game)
                session.execute(insert(Game).values(id=game[0], title=f"Game {game[1]}"))
                session.execute(insert(GameData).values(_data(*game)))
        return added

    def add_game(self) -> tuple[uuid.UUID, int]:
        return self.add_games(1)[0]

    def add_data(self, game_id: uuid.UUID) -> int:
        """A further archive of a game."""
        self._last_data_id += 1
        with self.database.write() as session:
            session.execute(insert(GameData).values(_data(game_id, self._last_data_id)))
        return self._last_data_id

    def start(self, game: tuple[uuid.UUID, int] | None = None, name: str = "alice") -> int:
        """A pending job, of a new game if it is not said of which."""
        return self.service.start(self.starter(name), *(game or self.add_game()))

    def claim(self, job_id: int | None = None) -> Run:
        """A run that holds the lease of a job, of a new one if it is not said of which."""
        run = self.leases.claim(self.start() if job_id is None else job_id)
        assert run is not None
        return run

    def take_over(self, run: Run) -> Run:
        """Another run of the job, as if the first one had given no sign for too long."""
        self.clock.advance(seconds=16)
        return self.claim(run.job_id)

    def open_part(self, run: Run) -> AbstractContextManager[BlobWriter]:
        """The part of a job in the hands of a run that has its lease."""
        return self.fetching.open_part(run)

    def work(self, run: Run, **others: Any) -> None:
        """All that a worker does with a run. Raises what the work raises."""
        self._work_by(self.make_fetching(**others), run)

    def work_or_lose(self, run: Run, *, fetching: Fetching | None = None, **others: Any) -> None:
        """The same for a run that may lose its lease."""
        with suppress(LeaseLost):
            self._work_by(fetching or self.make_fetching(**others), run)

    def _work_by(self, fetching: Fetching, run: Run) -> None:
        try:
            fetching.work(run)
        finally:
            fetching.tidy(run)

    def cancel(self, game_id: uuid.UUID) -> None:
        self.service.cancel(self.alice, game_id, may_cancel_any=False)

    def put(self, job_id: int, **values: Any) -> None:
        """Make columns of a job what they are said to be."""
        with self.database.write() as session:
            session.execute(update(RemoteDownload).where(RemoteDownload.id == job_id).values(**values))

    def bring_to(self, run: Run, state: DownloadState) -> None:
        """Bring a job into a state, as a run does, or as who cancels it."""
        if state is DownloadState.CANCELLED:
            self.cancel(run.game_id)
        elif state is DownloadState.ERROR:
            self.leases.fail(run, "no more")
        elif state is not DownloadState.PENDING:
            for step in (DownloadState.DOWNLOADING, DownloadState.VERIFYING):
                self.leases.advance(run, step)
                if step is state:
                    return
            self.leases.complete(run, member_count=1)

    def job(self, job_id: int) -> RemoteDownload:
        """A job as it is stored."""
        with self.database.read() as session:
            return session.get_one(RemoteDownload, job_id)

    def state(self, job_id: int) -> DownloadState:
        return self.job(job_id).state

    def facts(self, game_id: uuid.UUID) -> DownloadRecord:
        return self.service.find_progress([game_id])[game_id]

    def slots(self) -> list[int]:
        """Those that are held."""
        with self.database.read() as session:
            return sorted(session.scalars(select(jobs.c.slot).where(jobs.c.slot.is_not(None))).all())

    def activities(self) -> list[Activity]:
        with self.database.read() as session:
            return list(session.scalars(select(Activity).where(Activity.resource == "games").order_by(Activity.id)))

    def actions(self) -> list[str]:
        """What was done, without `download.`."""
        return [activity.action.removeprefix("download.") for activity in self.activities()]

    def actions_by_game(self) -> dict[str, Counter[str]]:
        counted: dict[str, Counter[str]] = {}
        for activity in self.activities():
            counted.setdefault(activity.resource_id, Counter())[activity.action.removeprefix("download.")] += 1
        return counted

    def files(self) -> set[str]:
        """The names in the folder of archives."""
        return {path.name for path in self.root.iterdir() if path.is_file()}

    def archive(self, game_data_id: int) -> bytes | None:
        path = self.root / f"{game_data_id}.zip"
        return path.read_bytes() if path.exists() else None

    def leave_part(self, job_id: int, data: bytes) -> Path:
        """What a run that was killed leaves behind."""
        path = self.root / f"{job_id}.part"
        path.write_bytes(data)
        return path


def _data(game_id: uuid.UUID, game_data_id: int) -> dict[str, Any]:
    return {
        "id": game_data_id,
        "game_id": game_id,
        "title": f"Data {game_data_id}",
        "added_at": ADDED_AT,
        "sha256": SHA256,
        "size": len(CONTENT),
    }


@pytest.fixture
def downloads(prepared_database: Path, tmp_path: Path, clock: Clock) -> Iterator[Downloads]:
    """On SQLite."""
    shutil.copyfile(prepared_database, tmp_path / "downloads.sqlite3")
    database = Database(f"sqlite:///{tmp_path / 'downloads.sqlite3'}")
    yield Downloads(database, tmp_path / "games", clock)
    database.dispose()


@pytest.fixture
def any_downloads(any_bench: Bench, tmp_path: Path) -> Downloads:
    """On each of both databases."""
    return Downloads(any_bench.services.database, tmp_path / "games", any_bench.clock)
