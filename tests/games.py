"""Games and their archives, put where a download leaves them."""

import hashlib
import io
import uuid
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from tests.stores import put
from transfer_service.bootstrap import Services
from transfer_service.db.database import Executor
from transfer_service.models.games import DownloadState, Game, GameData, RemoteDownload

FINISHED_AT = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


def unhindered(_rows: Executor) -> None:
    """Nobody else works on the archive."""


def make_zip(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip with these members in this order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def add_game(services: Services, *game_data_ids: int, title: str = "A game") -> uuid.UUID:
    """A game of the catalogue with archives of these ids; their size and digest are not known yet."""
    game_id = uuid.uuid4()
    with services.database.write() as session:
        session.add(Game(id=game_id, title=title))
        session.flush()
        for each in game_data_ids:
            session.add(GameData(id=each, game_id=game_id, title=title, added_at=FINISHED_AT, sha256="0" * 64, size=0))
    return game_id


def complete_archive(
    services: Services, data_dir: Path, game_data_id: int, content: bytes, *, finished_at: datetime = FINISHED_AT
) -> int | None:
    """What a worker leaves behind that has downloaded `content`. Gives the number of its members, as indexed."""
    if services.core.games.is_remote:
        put(services.core.games, f"{game_data_id}.zip", content)
    else:
        (data_dir / "games").mkdir(parents=True, exist_ok=True)
        (data_dir / "games" / f"{game_data_id}.zip").write_bytes(content)
    count = services.game_archives.index(game_data_id, hold=unhindered)
    digest = hashlib.sha256(content).hexdigest()
    with services.database.write() as session:
        data = session.get_one(GameData, game_data_id)
        data.sha256, data.size = digest, len(content)
        session.add(
            RemoteDownload(
                game_id=data.game_id,
                game_data_id=game_data_id,
                username="alice",
                state=DownloadState.COMPLETED,
                sha256=digest,
                total_bytes=len(content),
                bytes_downloaded=len(content),
                member_count=count,
                started_at=finished_at,
                updated_at=finished_at,
                finished_at=finished_at,
            )
        )
    return count


def add_archive(
    services: Services,
    data_dir: Path,
    content: bytes,
    *,
    game_data_id: int = 1,
    finished_at: datetime = FINISHED_AT,
) -> uuid.UUID:
    """A game whose only archive was downloaded."""
    game_id = add_game(services, game_data_id)
    complete_archive(services, data_dir, game_data_id, content, finished_at=finished_at)
    return game_id
