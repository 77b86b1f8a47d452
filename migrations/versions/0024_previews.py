"""Previews of pictures and films."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    waiting, gone = sa.text("state = 'waiting'"), sa.text("state = 'gone'")
    op.create_table(
        "previews",
        sa.Column("subject", sa.String(32), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("rank", sa.BigInteger(), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("runner", sa.Uuid()),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.Column("deaths", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.BigInteger()),
        sa.Column("height", sa.BigInteger()),
        sa.Column("duration", sa.Double()),
        sa.Column("blurhash", sa.String(64)),
        sa.Column("length_160", sa.BigInteger()),
        sa.Column("length_480", sa.BigInteger()),
        sa.Column("length_1280", sa.BigInteger()),
        sa.Column("sha256", sa.String(64)),
        sa.Column("made_at", sa.DateTime(timezone=True)),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_previews_waiting", "previews", ["rank", "queued_at"], sqlite_where=waiting, postgresql_where=waiting
    )
    op.create_index("ix_previews_gone", "previews", ["due_at"], sqlite_where=gone, postgresql_where=gone)
