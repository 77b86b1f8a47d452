"""Pieces of blobs in an object store, and the names of objects that are to go."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_KEY = sa.String(320).with_variant(sa.String(320, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "stored_pieces",
        sa.Column("room", sa.String(16), primary_key=True),
        sa.Column("key", _KEY, primary_key=True),
        sa.Column("start", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("stop", sa.BigInteger(), nullable=False),
        sa.Column("object", sa.String(512), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_stored_pieces_object", "stored_pieces", ["object"])
    op.create_table(
        "scattered_blobs",
        sa.Column("room", sa.String(16), primary_key=True),
        sa.Column("key", _KEY, primary_key=True),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_scattered_blobs_since", "scattered_blobs", ["since"])
    op.create_table(
        "discarded_objects",
        sa.Column("name", sa.String(512), primary_key=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_discarded_objects_due_at", "discarded_objects", ["due_at"])
