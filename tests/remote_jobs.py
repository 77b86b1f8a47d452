"""Jobs of remote downloads, changed behind the service's back as a worker changes them."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from tests.growing.installations import settings_of
from transfer_service.db.database import Database
from transfer_service.models.games import DownloadState, Game, GameData, RemoteDownload

SIZE = 1000


class Jobs:
    """Games with one archive of SIZE bytes, and what becomes of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_game(self, title: str = "A game") -> uuid.UUID:
        """A game that was never downloaded."""
        game_id = uuid.uuid4()
        added_at = datetime(2026, 5, 1, tzinfo=UTC)
        with self._database.write() as session:
            data_id = 1 + (session.scalar(select(func.max(GameData.id))) or 0)
            session.add(Game(id=game_id, title=title))
            session.flush()
            session.add(
                GameData(id=data_id, game_id=game_id, title=title, added_at=added_at, sha256="0" * 64, size=SIZE)
            )
        return game_id

    def data_id(self, game_id: uuid.UUID) -> int:
        """The id of a game's archive."""
        with self._database.read() as session:
            return session.scalars(select(GameData.id).where(GameData.game_id == game_id)).one()

    def begin(self, game_id: uuid.UUID) -> int:
        """A pending job, and its id."""
        at = datetime.now(UTC)
        with self._database.write() as session:
            job = RemoteDownload(
                game_id=game_id,
                game_data_id=self.data_id(game_id),
                username="alice",
                state=DownloadState.PENDING,
                slot=_free_slot(session),
                active_game_id=game_id,
                sha256="0" * 64,
                total_bytes=SIZE,
                started_at=at,
                updated_at=at,
            )
            session.add(job)
            session.flush()
            return job.id

    def add_job(self) -> tuple[uuid.UUID, int]:
        """A game with a pending job."""
        game_id = self.add_game()
        return game_id, self.begin(game_id)

    def state_of(self, job_id: int) -> DownloadState:
        """Where a job is."""
        with self._database.read() as session:
            return session.scalars(select(RemoteDownload.state).where(RemoteDownload.id == job_id)).one()

    def leases(self) -> list[datetime]:
        """Until when active jobs belong to a worker."""
        held = select(RemoteDownload.lease_until).where(RemoteDownload.lease_until.is_not(None))
        with self._database.read() as session:
            return [each for each in session.scalars(held) if each is not None]

    def change(self, job_id: int, state: DownloadState, **values: Any) -> None:
        """Bring a job into a state; a final one frees its slot."""
        at = datetime.now(UTC)
        if not state.is_active:
            values = {"slot": None, "active_game_id": None, "speed": 0, "finished_at": at, **values}
        job = update(RemoteDownload).where(RemoteDownload.id == job_id)
        with self._database.write() as session:
            session.execute(job.values(state=state, updated_at=at, **values))


def _free_slot(session: Session) -> int:
    taken = set(session.scalars(select(RemoteDownload.slot)))
    return next(slot for slot in range(1000) if slot not in taken)


@contextmanager
def jobs_of(data_dir: Path) -> Iterator[Jobs]:
    """The jobs in the data folder of an instance that runs."""
    own = f"sqlite:///{data_dir / 'transfer.sqlite3'}"
    database = Database(settings_of(data_dir).get("TRANSFER_DATABASE_URL", own))
    try:
        yield Jobs(database)
    finally:
        database.dispose()
