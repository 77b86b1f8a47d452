"""Bytes whose facts were deleted, until they are gone."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "discarded_bytes",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sqlite_with_rowid=False,
    )
