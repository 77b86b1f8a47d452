"""Webhooks, and what is to be told to them."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.String(255), nullable=False),
        sa.Column("account_id", sa.Uuid(), sa.ForeignKey("accounts.id", ondelete="CASCADE")),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("sealed_secret", sa.String(128), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("runner", sa.Uuid()),
        sa.Column("runs_until", sa.DateTime(timezone=True)),
    )
    op.create_index("ix_webhooks_account_id", "webhooks", ["account_id"])
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", _SERIAL, primary_key=True),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.String(16)),
        sa.Column("failed_at", sa.DateTime(timezone=True)),
    )
    _index("due", ["webhook_id", "due_at", "id"], where="due_at IS NOT NULL")
    _index("subject", ["webhook_id", "subject", "id"], where="failed_at IS NULL")
    _index("failed_at", ["failed_at", "id"], where="failed_at IS NOT NULL")
    _index("message_id", ["message_id"], where="failed_at IS NOT NULL", unique=True)


def _index(name: str, columns: list[str], *, where: str, unique: bool = False) -> None:
    op.create_index(
        f"ix_webhook_deliveries_{name}", "webhook_deliveries", columns, unique=unique,
        sqlite_where=sa.text(where), postgresql_where=sa.text(where),
    )  # fmt: skip
