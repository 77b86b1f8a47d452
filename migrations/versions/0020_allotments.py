"""By which key or upload link a file came, and how much may come by each."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "allotments",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("account_id", sa.Uuid(), sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
        sa.Column("quota_bytes", sa.BigInteger()),
        sa.Column("used_bytes", sa.BigInteger(), nullable=False),
        sa.Column("quota_files", sa.BigInteger()),
        sa.Column("used_files", sa.BigInteger(), nullable=False),
        sa.Column("received_bytes", sa.BigInteger(), nullable=False),
        sa.Column("received_files", sa.BigInteger(), nullable=False),
        sa.Column("gives_back", sa.Boolean(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True)),
    )
    op.create_index("ix_allotments_account_id", "allotments", ["account_id"])
    op.create_index("ix_allotments_ends_at", "allotments", ["ends_at"])
    for table in ("files", "trashed_files", "resumable_uploads"):
        op.add_column(table, sa.Column("origin_id", sa.Uuid()))
    is_under_way = sa.text("origin_id IS NOT NULL AND state = 'receiving'")
    op.create_index(
        "ix_files_origin_id", "files", ["origin_id"], sqlite_where=is_under_way, postgresql_where=is_under_way
    )
