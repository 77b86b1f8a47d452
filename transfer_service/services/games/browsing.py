"""The catalogue as clients look through it: pages of games, sorted and searched, and single ones."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Any, Final

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from transfer_service.errors import BlobMissing, NotFound
from transfer_service.models.files import folded
from transfer_service.models.games import DownloadState, Game, GameData, RemoteDownload
from transfer_service.services.core import Core
from transfer_service.services.games.job_rows import archive_key, is_active, jobs

_FACTS = (
    Game.id, Game.title, Game.platform, Game.developer, Game.publisher, Game.release_date, Game.description,
    Game.launch_command, Game.tags,
)  # fmt: skip
IS_DOWNLOADED: Final = exists().where(
    RemoteDownload.game_data_id == GameData.id,
    RemoteDownload.state == DownloadState.COMPLETED,
    RemoteDownload.removed_at.is_(None),
    RemoteDownload.sha256 == GameData.sha256,
)
"""Whether an archive has been fetched as the catalogue names it, and was not removed since."""


class GameSort(StrEnum):
    """What games are sorted by: any case of the title, the text of the release date, the latest date of an archive."""

    TITLE = "title"
    RELEASE_DATE = "releaseDate"
    DATE_ADDED = "dateAdded"


_KEYS: Final[dict[GameSort, Any]] = {
    GameSort.TITLE: Game.title_key,
    GameSort.RELEASE_DATE: Game.release_key,
    GameSort.DATE_ADDED: Game.added_at,
}


@dataclass(frozen=True, slots=True)
class GameQuery:
    """Which games, in which order; pages count from 1. `search` is a part of title, developer or publisher in any case.

    Games without what they are sorted by come last, whatever the direction.
    """

    page: int
    limit: int
    sort: GameSort = GameSort.TITLE
    is_ascending: bool = True
    search: str = ""


@dataclass(frozen=True, slots=True)
class GameDataRecord:
    """An archive of a game. `size` in bytes."""

    id: int
    title: str
    added_at: datetime
    size: int
    sha256: str
    is_downloaded: bool


@dataclass(frozen=True, slots=True)
class GameRecord:
    """A game, None for what the catalogue does not tell, and its archives, the oldest first."""

    id: uuid.UUID
    title: str
    platform: str | None
    developer: str | None
    publisher: str | None
    release_date: str | None
    description: str | None
    launch_command: str | None
    tags: list[str] | None
    is_downloading: bool
    data: tuple[GameDataRecord, ...]

    @property
    def is_downloaded(self) -> bool:
        """Whether any of its archives is here."""
        return any(each.is_downloaded for each in self.data)


@dataclass(frozen=True, slots=True)
class GamePage:
    """Some games, and how many there are in all."""

    games: tuple[GameRecord, ...]
    total: int


class GameBrowsing:
    """Pages of the catalogue, and single games."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._store = core.games
        self._offload = core.offload

    def list_page(self, query: GameQuery) -> GamePage:
        """A page of games; one past the end is empty.

        An archive that an operator has removed by hand is told of as such where the store is a disk: an object store
        would have to be asked for each of them.
        """
        with self._database.read() as session:
            total, ids = self._offload(lambda: self._find(session, query))  # a search looks at all of them
            games = self._load(session, ids, asks_store=not self._store.is_remote)
        return GamePage(games=tuple(games[each] for each in ids), total=total)

    def get(self, game_id: uuid.UUID) -> GameRecord:
        """One of them. Raises NotFound."""
        with self._database.read() as session:
            games = self._load(session, [game_id], asks_store=True)
        if game_id not in games:
            raise NotFound("Game not found")
        return games[game_id]

    def _find(self, session: Session, query: GameQuery) -> tuple[int, list[uuid.UUID]]:
        found: list[ColumnElement[bool]] = []
        if query.search:
            find = func.instr if self._database.is_sqlite else func.strpos
            found.append(find(Game.search_text, folded(query.search)) > 0)
        total = session.scalars(select(func.count()).select_from(Game).where(*found)).one()
        skipped = (query.page - 1) * query.limit
        if skipped >= total:  # it may be more than a database can count
            return total, []
        columns = (_KEYS[query.sort], Game.id)
        order = [column.asc() if query.is_ascending else column.desc() for column in columns]
        if query.sort is not GameSort.TITLE:
            order[0] = order[0].nulls_last()
        page = select(Game.id).where(*found).order_by(*order).limit(query.limit).offset(skipped)
        return total, list(session.scalars(page))

    def _load(
        self, session: Session, game_ids: Collection[uuid.UUID], *, asks_store: bool
    ) -> dict[uuid.UUID, GameRecord]:
        facts = {row.id: row for row in session.execute(select(*_FACTS).where(Game.id.in_(game_ids)))}
        active = set(session.scalars(select(jobs.c.game_id).where(is_active)))
        archives = (
            select(
                GameData.game_id, GameData.id, GameData.title, GameData.added_at, GameData.size, GameData.sha256,
                IS_DOWNLOADED,
            )
            .where(GameData.game_id.in_(game_ids))
            .order_by(GameData.game_id, GameData.added_at, GameData.id)
        )  # fmt: skip
        rows = session.execute(archives).all()
        data = {
            game_id: tuple(self._record(row, asks_store=asks_store) for row in group)
            for game_id, group in groupby(rows, key=lambda row: row.game_id)
        }
        return {
            game_id: GameRecord(*row, is_downloading=game_id in active, data=data.get(game_id, ()))
            for game_id, row in facts.items()
        }

    def _record(self, row: Any, *, asks_store: bool) -> GameDataRecord:
        _game_id, number, title, added_at, size, sha256, is_downloaded = row
        is_there = is_downloaded and (not asks_store or self._has(number, size))
        return GameDataRecord(number, title, added_at, size, sha256, is_downloaded=is_there)

    def _has(self, game_data_id: int, size: int) -> bool:
        try:
            return self._store.size(archive_key(game_data_id)) == size
        except BlobMissing:
            return False
