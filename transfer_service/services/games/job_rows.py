"""The rows of remote downloads: the one place that changes a job's state, together with the activity about it."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, false, func, literal_column, or_, select, union_all, update
from sqlalchemy.orm import Session

from transfer_service.models.games import ACTIVE_STATES, DownloadState, Game, GameData, RemoteDownload
from transfer_service.services.events import facts
from transfer_service.services.events.actors import Actor

jobs = RemoteDownload.__table__
is_active = jobs.c.slot >= 0  # for IS NOT NULL SQLite takes no index
is_completed = jobs.c.state == literal_column("'completed'")
"""In the words of the index `ix_remote_downloads_finished_at`: with a parameter it is not used."""
is_kept = and_(is_completed, jobs.c.removed_at.is_(None))
"""Whether a job has completed an archive that was not removed since."""
_ENDS = {
    DownloadState.COMPLETED: facts.download_completed,
    DownloadState.ERROR: facts.download_failed,
    DownloadState.CANCELLED: facts.download_cancelled,
}

_ARCHIVE = ".zip"


def archive_key(game_data_id: int) -> str:
    """The key of an archive in the store."""
    return f"{game_data_id}{_ARCHIVE}"


def is_archive(key: str) -> bool:
    """Whether something in the store is an archive, and not the part of a job."""
    return key.endswith(_ARCHIVE)


def archive_id(key: str) -> int:
    """The number in the key of an archive, or of a part."""
    return int(key.partition(".")[0])


def part_key(job_id: int) -> str:
    """The key of the bytes of a job until they are an archive."""
    return f"{job_id}.part"


@dataclass(frozen=True, slots=True)
class DownloadRecord:
    """A job as clients see it. Sizes in bytes, `speed` in bytes a second."""

    job_id: int
    game_id: uuid.UUID
    game_data_id: int
    title: str
    account_id: uuid.UUID | None
    state: DownloadState
    bytes_downloaded: int
    total_bytes: int
    speed: int
    error: str | None
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    username: str

    @property
    def progress(self) -> int:
        """How much is here, in whole percent, rounded down; 100 only for what is completed."""
        if self.state is DownloadState.COMPLETED:
            return 100
        return min(100 * self.bytes_downloaded // self.total_bytes, 99) if self.total_bytes else 0


_RECORDS = select(
    jobs.c.id.label("job_id"),
    jobs.c.game_id,
    jobs.c.game_data_id,
    Game.title,
    jobs.c.account_id,
    jobs.c.state,
    jobs.c.bytes_downloaded,
    jobs.c.total_bytes,
    jobs.c.speed,
    jobs.c.error,
    jobs.c.started_at,
    jobs.c.updated_at,
    jobs.c.finished_at,
    jobs.c.username,
).join_from(jobs, Game, jobs.c.game_id == Game.id)


def find_latest(session: Session, game_ids: Collection[uuid.UUID]) -> list[DownloadRecord]:
    """The last job of each of the games that ever had one."""
    of_game = jobs.alias()
    latest = select(func.max(of_game.c.id)).where(of_game.c.game_id == Game.id).scalar_subquery()
    return [DownloadRecord(*row) for row in session.execute(_RECORDS.where(Game.id.in_(game_ids), jobs.c.id == latest))]


def list_active(session: Session) -> list[DownloadRecord]:
    """The active jobs."""
    return [DownloadRecord(*row) for row in session.execute(_RECORDS.where(is_active))]


def list_jobs(session: Session, limit: int, after: tuple[bool, int] | None = None) -> list[DownloadRecord]:
    """Active jobs, then the others, the latest first; behind the one that had ended or not, and has that id.

    The few active ones and one page of the others are all that is sorted.
    """
    active = select(jobs.c.id).where(is_active)
    ended = select(jobs.c.id).where(jobs.c.slot.is_(None)).order_by(jobs.c.id.desc()).limit(limit)
    had_ended, job_id = after or (False, None)
    if job_id is not None and had_ended:
        active, ended = active.where(false()), ended.where(jobs.c.id < job_id)
    elif job_id is not None:
        active = active.where(jobs.c.id < job_id)
    listed = union_all(active, select(ended.subquery().c.id))
    statement = _RECORDS.where(jobs.c.id.in_(listed)).order_by(jobs.c.slot.is_(None), jobs.c.id.desc()).limit(limit)
    return [DownloadRecord(*row) for row in session.execute(statement)]


def is_archive_needed(session: Session, game_data_id: int, *, sha256: str | None = None) -> bool:
    """Whether a job works on the archive, or has completed it (with that digest), in the caller's transaction.

    Until that ends no job of a game in the catalogue begins.
    """
    session.execute(select(Game.id).join(GameData).where(GameData.id == game_data_id).with_for_update(of=Game))
    is_this = is_kept if sha256 is None else and_(is_kept, jobs.c.sha256 == sha256)
    needed = select(jobs.c.id).where(jobs.c.game_data_id == game_data_id, or_(is_active, is_this))
    return session.scalars(needed.limit(1)).first() is not None


def is_being_fetched(session: Session, game_data_id: int) -> bool:
    """Whether a job works on the archive."""
    active = select(jobs.c.id).where(jobs.c.game_data_id == game_data_id, is_active)
    return session.scalars(active.limit(1)).first() is not None


def note_removed(session: Session, game_data_id: int, *, at: datetime) -> bool:
    """Nobody has the archive any more, whoever completed it. Whether anybody had."""
    kept = update(jobs).where(jobs.c.game_data_id == game_data_id, is_kept)
    return bool(session.execute(kept.values(removed_at=at).returning(jobs.c.id)).all())


@dataclass(frozen=True, slots=True)
class _Subject:
    """What an activity tells of a job."""

    game_id: uuid.UUID
    title: str
    game_data_id: int
    sha256: str
    sources: Sequence[str]

    def details(self, error: str | None = None) -> dict[str, Any]:
        """The same as the log has it."""
        details: dict[str, Any] = {
            "gameDataId": self.game_data_id,
            "gameTitle": self.title,
            "sha256": self.sha256,
            "sources": list(self.sources),
        }
        return details if error is None else {**details, "error": error}


def begin(
    session: Session, game: Game, data: GameData, *, slot: int, actor: Actor, sources: Sequence[str], at: datetime
) -> int:
    """Make a job, log that, and give its id. Raises IntegrityError where its slot or its game is taken."""
    job = RemoteDownload(
        game_id=game.id,
        game_data_id=data.id,
        account_id=actor.account_id,
        username=actor.name or "",
        ip_address=actor.ip_address,
        state=DownloadState.PENDING,
        slot=slot,
        active_game_id=game.id,
        sha256=data.sha256,
        total_bytes=data.size,
        started_at=at,
        updated_at=at,
    )
    session.add(job)
    session.flush()
    subject = _Subject(game.id, game.title, data.id, data.sha256, sources)
    facts.download_started(session, game.id, subject.details(), at=at, actor=actor)
    return job.id


def advance(session: Session, job_id: int, state: DownloadState, *, owner: uuid.UUID, **values: Any) -> bool:
    """Bring a job into a state that is not final, if it is not there already. False where `owner` does not hold it."""
    before = [each for each in ACTIVE_STATES if each is state or each.may_become(state)]
    statement = update(jobs).where(jobs.c.id == job_id, jobs.c.lease_owner == owner, jobs.c.state.in_(before))
    return session.execute(statement.values(state=state, **values).returning(jobs.c.id)).one_or_none() is not None


def _finished_at(session: Session, state: DownloadState, at: datetime) -> datetime:
    """When a job counts as finished: archives in different seconds, for that is the date of their members.

    One member may stand for the same address as one of another archive (`GET /game-zip/http://…`), and two versions of
    an address must not share a date (RFC 9110 section 8.8.2.2).
    """
    if state is not DownloadState.COMPLETED:
        return at
    latest = select(func.max(jobs.c.finished_at, type_=jobs.c.finished_at.type))
    before: datetime | None = session.scalar(latest.where(is_completed))
    if before is None or before < at.replace(microsecond=0):
        return at
    return before.replace(microsecond=0) + timedelta(seconds=1)


def finish(
    session: Session,
    job_id: int,
    state: DownloadState,
    *,
    at: datetime,
    sources: Sequence[str],
    actor: Actor | None = None,
    owner: uuid.UUID | None = None,
    unchanged_since: datetime | None = None,
    error: str | None = None,
    **values: Any,
) -> bool:
    """Bring a job to its end, free its slot, and log that; False, and nothing is changed, where it has ended already.

    With `owner` only that run may do it; with `unchanged_since` only if nobody has worked on it since. Without an
    `actor` it is told of who started it.
    """
    before = [each for each in ACTIVE_STATES if each.may_become(state)]
    statement = update(jobs).where(jobs.c.id == job_id, jobs.c.state.in_(before))
    if owner is not None:
        statement = statement.where(jobs.c.lease_owner == owner)
    if unchanged_since is not None:
        statement = statement.where(jobs.c.updated_at <= unchanged_since)
    ended = session.execute(
        statement.values(
            state=state, slot=None, active_game_id=None, lease_owner=None, lease_until=None, validator=None,
            speed=0, error=error, updated_at=at, finished_at=_finished_at(session, state, at), **values,
        ).returning(
            jobs.c.account_id, jobs.c.username, jobs.c.ip_address, jobs.c.game_id, jobs.c.game_data_id, jobs.c.sha256
        )
    ).one_or_none()  # fmt: skip
    if ended is None:
        return False
    title = session.scalars(select(Game.title).where(Game.id == ended.game_id)).one()
    starter = Actor(ended.account_id, ended.username, ended.ip_address)
    subject = _Subject(ended.game_id, title, ended.game_data_id, ended.sha256, sources)
    _ENDS[state](session, ended.game_id, subject.details(error), at=at, actor=actor or starter)
    return True
