"""Marks in the audit log, by which a page far down is found; the first says that nothing of it was removed yet."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    marks = op.create_table(
        "activity_marks",
        sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activity_id", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_activity_marks_created_at", "activity_marks", ["created_at"])
    op.bulk_insert(marks, [{"position": 0, "created_at": datetime(1970, 1, 1, tzinfo=UTC), "activity_id": 0}])
