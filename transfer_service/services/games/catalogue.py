"""The catalogue of games: what may be downloaded."""

import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy import Table, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from transfer_service.db.database import Database
from transfer_service.models.games import Game, GameData, game_keys
from transfer_service.services.events.actions import Action
from transfer_service.services.events.audit import record
from transfer_service.services.games.browsing import IS_DOWNLOADED
from transfer_service.wire.game_catalogue import Catalogue, GameDataEntry, GameEntry, InvalidCatalogue

IDS_A_QUERY = 1000

Entry = TypeVar("Entry", GameEntry, GameDataEntry)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """How many rows an import made and changed; the others were there and are the same."""

    games_added: int
    games_changed: int
    data_added: int
    data_changed: int


@dataclass(frozen=True, slots=True)
class GameDataFacts:
    """An archive of a game. `size` in bytes; `is_downloaded` once one has been fetched and verified."""

    id: int
    title: str
    size: int
    is_downloaded: bool


@dataclass(frozen=True, slots=True)
class GameFacts:
    """A game and its archives, the oldest first."""

    id: uuid.UUID
    title: str
    data: tuple[GameDataFacts, ...]


class GameService:
    """Imports and lists the catalogue."""

    def __init__(self, *, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def import_catalogue(self, catalogue: Catalogue) -> ImportReport:
        """Add what is new and change what is different, all of it or, raising InvalidCatalogue, nothing.

        Games and archives that the catalogue does not name stay.
        """
        try:
            return self._import(catalogue)
        except IntegrityError:  # another import was adding the same rows: they are there by now
            return self._import(catalogue)

    def _import(self, catalogue: Catalogue) -> ImportReport:
        with self._database.write() as session:
            _check_games_known(session, catalogue)
            games_added, games_changed = _store(session, Game, catalogue.games)
            data_added, data_changed = _store(session, GameData, catalogue.game_data)
            _date(session, {entry.game_id for entry in catalogue.game_data})
            report = ImportReport(
                games_added=games_added, games_changed=games_changed, data_added=data_added, data_changed=data_changed
            )
            if any(asdict(report).values()):
                record(session, Action.GAMES_IMPORTED, "catalogue", asdict(report), at=self._now())
        return report

    def list_games(self) -> list[GameFacts]:
        """Every game by title."""
        rows = (
            select(Game.id, Game.title, GameData.id, GameData.title, GameData.size, IS_DOWNLOADED)
            .outerjoin(GameData, GameData.game_id == Game.id)
            .order_by(Game.title, Game.id, GameData.added_at, GameData.id)
        )
        with self._database.read() as session:
            found = session.execute(rows).all()
        return [
            GameFacts(*game, data=tuple(GameDataFacts(*row[2:]) for row in group if row[2] is not None))
            for game, group in groupby(found, key=lambda row: (row[0], row[1]))
        ]


def _check_games_known(session: Session, catalogue: Catalogue) -> None:
    """Raises InvalidCatalogue for archives of games that neither the catalogue nor the database has, or that change
    their game: it may be downloading them.
    """
    named = {game.id for game in catalogue.games}
    asked = {entry.game_id for entry in catalogue.game_data} - named
    named.update(_stored(session, Game.__table__, ["id"], asked))
    wanted = {entry.id for entry in catalogue.game_data}
    owners = {key: row[1] for key, row in _stored(session, GameData.__table__, ["id", "game_id"], wanted).items()}
    mistakes = []
    for place, entry in enumerate(catalogue.game_data):
        if entry.game_id not in named:
            mistakes.append(f"gameData[{place}].gameId: there is no game {entry.game_id}")
        elif owners.get(entry.id, entry.game_id) != entry.game_id:
            mistakes.append(f"gameData[{place}].gameId: {entry.id} belongs to the game {owners[entry.id]}")
    if mistakes:
        raise InvalidCatalogue(mistakes)


def _store(session: Session, model: type[Game | GameData], entries: Sequence[Entry]) -> tuple[int, int]:
    """Make the rows of `entries` true; how many were added and how many changed.

    In the order of their ids, so that two imports at once wait for each other and do not block each other.
    """
    table = model.__table__
    wanted = {entry.id: _row(entry) for entry in sorted(entries, key=lambda entry: entry.id)}
    names = list(next(iter(wanted.values()), {}))
    stored = _stored(session, table, names, wanted)
    added = [row for key, row in wanted.items() if key not in stored]
    changed = [row for key, row in wanted.items() if key in stored and stored[key] != tuple(row.values())]
    if added:
        session.execute(insert(table), added)
    if changed:
        one = update(table).where(table.c.id == bindparam("new_id"))  # a column's own name is taken in an UPDATE
        one = one.values({name: bindparam(f"new_{name}") for name in names if name != "id"})
        session.execute(one, [{f"new_{name}": value for name, value in row.items()} for row in changed])
    return len(added), len(changed)


def _row(entry: GameEntry | GameDataEntry) -> dict[str, Any]:
    """The columns of an entry, which are named like its fields, and those that follow them."""
    row = {name: getattr(entry, name) for name in type(entry).__slots__}
    if isinstance(entry, GameEntry):
        row |= game_keys(entry.title, entry.developer, entry.publisher, entry.release_date)
    return row


def _date(session: Session, game_ids: Collection[uuid.UUID]) -> None:
    """Let games have the latest date of their archives."""
    latest = select(func.max(GameData.added_at)).where(GameData.game_id == Game.id).scalar_subquery()
    ordered = sorted(game_ids)
    for start in range(0, len(ordered), IDS_A_QUERY):
        some = ordered[start : start + IDS_A_QUERY]
        dated = update(Game).where(Game.id.in_(some), Game.added_at.is_distinct_from(latest))
        session.execute(dated.values(added_at=latest), execution_options={"synchronize_session": False})


def _stored(session: Session, table: Table, names: Sequence[str], ids: Collection[Any]) -> dict[Any, tuple[Any, ...]]:
    """The rows that are there already, by id.

    Asks for ranges, not for lists: PostgreSQL compares every row with every id of a list where its statistics are old,
    as they are after a first import.
    """
    rows = select(*(table.c[name] for name in names))
    wanted, ordered = set(ids), sorted(ids)
    found: dict[Any, tuple[Any, ...]] = {}
    for start in range(0, len(ordered), IDS_A_QUERY):
        some = ordered[start : start + IDS_A_QUERY]
        for row in session.execute(rows.where(table.c.id.between(some[0], some[-1]))):
            if row.id in wanted:
                found[row.id] = tuple(row)
    return found
