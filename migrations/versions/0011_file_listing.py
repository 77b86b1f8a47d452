"""What sorting, searching and dating the files of an account needs."""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ROWS_AT_ONCE = 1000
RECEIVING = sa.text("state = 'receiving'")


def upgrade() -> None:
    connection = op.get_bind()
    op.add_column("files", sa.Column("folded_name", sa.Text(), nullable=False, server_default=sa.text("''")))
    _fold_names(connection)
    if connection.dialect.name == "postgresql":  # SQLite compares bytes by itself
        op.execute('ALTER TABLE files ALTER COLUMN name TYPE VARCHAR(255) COLLATE "C"')
    op.create_index("ix_files_account_id_reserved_bytes_id", "files", ["account_id", "reserved_bytes", "id"])
    op.create_index("ix_files_account_id_updated_at_id", "files", ["account_id", "updated_at", "id"])
    op.create_index(
        "ix_files_receiving",
        "files",
        ["account_id", "created_at", "id"],
        sqlite_where=RECEIVING,
        postgresql_where=RECEIVING,
    )
    op.create_table(
        "retired_dates",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("account_id", sa.Uuid(), sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_retired_dates_account_id_name", "retired_dates", ["account_id", "name"])
    op.create_index("ix_retired_dates_modified_at", "retired_dates", ["modified_at"])


def _fold_names(connection: sa.Connection) -> None:
    """Fill the new column, as `models.folded` does."""
    files = sa.table("files", sa.column("id", sa.Uuid()), sa.column("name"), sa.column("folded_name"))
    fill = sa.update(files).where(files.c.id == sa.bindparam("of")).values(folded_name=sa.bindparam("folded"))
    last = None
    while True:
        page = sa.select(files.c.id, files.c.name).order_by(files.c.id).limit(ROWS_AT_ONCE)
        rows = connection.execute(page if last is None else page.where(files.c.id > last)).all()
        if not rows:
            return
        connection.execute(fill, [{"of": row.id, "folded": _folded(row.name)} for row in rows])
        last = rows[-1].id


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
