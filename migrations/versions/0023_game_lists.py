"""What games are sorted and searched by, and archives that were removed on request."""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

BATCH = 1000


def upgrade() -> None:
    collation = "C" if op.get_bind().dialect.name == "postgresql" else None
    title_key = sa.String(200, collation=collation)
    op.add_column("games", sa.Column("title_key", title_key, nullable=False, server_default=sa.text("''")))
    op.add_column("games", sa.Column("release_key", sa.String(40, collation=collation)))
    op.add_column("games", sa.Column("search_text", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("games", sa.Column("added_at", sa.DateTime(timezone=True)))
    op.add_column("remote_downloads", sa.Column("removed_at", sa.DateTime(timezone=True)))
    _fill()
    op.execute("UPDATE games SET added_at = (SELECT max(added_at) FROM game_data WHERE game_data.game_id = games.id)")
    for column in ("title_key", "release_key", "added_at"):
        op.create_index(f"ix_games_{column}_id", "games", [column, "id"])


def _fill() -> None:
    """Fill the new columns, as `models.games.game_keys` does."""
    names = ("title", "developer", "publisher", "release_date", "title_key", "release_key", "search_text")
    games = sa.table("games", sa.column("id", sa.Uuid()), *map(sa.column, names))
    fill = (
        sa.update(games)
        .where(games.c.id == sa.bindparam("of"))
        .values({name: sa.bindparam(f"new_{name}") for name in names[4:]})
    )
    told = sa.select(games.c.id, games.c.title, games.c.developer, games.c.publisher, games.c.release_date)
    connection = op.get_bind()
    last = None
    while True:
        page = told.order_by(games.c.id).limit(BATCH)
        rows = connection.execute(page if last is None else page.where(games.c.id > last)).all()
        if not rows:
            return
        connection.execute(fill, [_keys(row) for row in rows])
        last = rows[-1].id


def _keys(row: sa.Row) -> dict[str, object]:
    searched = [_folded(each) for each in (row.title, row.developer, row.publisher) if each]
    return {
        "of": row.id,
        "new_title_key": _folded(row.title)[:200],
        "new_release_key": row.release_date[:40] if row.release_date else None,
        "new_search_text": "\n".join(searched),
    }


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
