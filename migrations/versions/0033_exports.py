"""Exports of accounts, and the CRC-32 of attachments, which archives of them need."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exports",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("account_id", sa.Uuid(), sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
        sa.Column("size", sa.BigInteger()),
        sa.Column("member_count", sa.BigInteger(), nullable=False),
        sa.Column("text_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    for column in ("account_id", "expires_at"):
        op.create_index(f"ix_exports_{column}", "exports", [column])
    places = ("start", "stop", "entries_start", "entries_stop")
    _create_part(
        "export_sections",
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in places),
        sa.Column("members", sa.LargeBinary(), nullable=False),
    )
    _create_part("export_texts", sa.Column("data", sa.LargeBinary(), nullable=False))
    op.add_column("messages", sa.Column("crc32", sa.BigInteger()))


def _create_part(table: str, *columns: "sa.Column[int] | sa.Column[bytes]") -> None:
    op.create_table(
        table,
        sa.Column("export_id", sa.Uuid(), sa.ForeignKey("exports.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        *columns,
        sqlite_with_rowid=False,
    )
