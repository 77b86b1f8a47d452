"""Requests with an Idempotency-Key, and their answers."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    account = sa.ForeignKey("accounts.id", ondelete="CASCADE")
    op.create_table(
        "idempotent_requests",
        sa.Column("account_id", sa.Uuid(), account, primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("holder", sa.Uuid(), nullable=False),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_wanted", sa.Boolean(), nullable=False),
        sa.Column("fingerprint", sa.String(64)),
        sa.Column("status", sa.BigInteger()),
        sa.Column("body", sa.Text()),
        sa.Column("location", sa.Text()),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
    )
    _index("answered_at", where="answered_at IS NOT NULL")
    _index("held_until", where="answered_at IS NULL")


def _index(column: str, *, where: str) -> None:
    op.create_index(
        f"ix_idempotent_requests_{column}", "idempotent_requests", [column],
        sqlite_where=sa.text(where), postgresql_where=sa.text(where),
    )  # fmt: skip
