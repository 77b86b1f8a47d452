"""The trash: finished files that were deleted or replaced, and can be brought back."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trashed_files",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("account_id", sa.Uuid(), sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.String(1024), nullable=False),
        sa.Column("media_type", sa.String(255), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("length_declared", sa.Boolean(), nullable=False),
        sa.Column("reserved_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("unflushed_boot", sa.String(64)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
    )
    _index("account_id", "deleted_at", "id")
    _index("account_id", "name", "deleted_at", "id")
    _index("expires_at")
    _index("unflushed_boot", where=sa.text("unflushed_boot IS NOT NULL"))


def _index(*columns: str, where: sa.TextClause | None = None) -> None:
    name = f"ix_trashed_files_{'_'.join(columns)}"
    op.create_index(name, "trashed_files", columns, sqlite_where=where, postgresql_where=where)
