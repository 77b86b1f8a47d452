"""Conversations, their participants and messages."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def _conversation_id() -> sa.Column[object]:
    key = sa.ForeignKey("conversations.id", ondelete="CASCADE")
    return sa.Column("conversation_id", sa.String(24), key, nullable=False)


def _account_id(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.String(24), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("group_name", sa.String(255)),
        sa.Column("owner_id", sa.Uuid(), sa.ForeignKey("accounts.id", ondelete="SET NULL")),
        sa.Column("pair_key", sa.String(65), unique=True),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_message_at", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False),
    )
    op.create_table(
        "participants",
        _conversation_id(),
        _account_id("account_id"),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("joined_at", INSTANT, nullable=False),
        sa.Column("read_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "account_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_participants_account_id", "participants", ["account_id"])
    op.create_table(
        "messages",
        sa.Column("id", sa.String(24), primary_key=True),
        _conversation_id(),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        _account_id("sender_id"),
        sa.Column("content", sa.Text()),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("filename", sa.String(255)),
        sa.Column("media_type", sa.String(255)),
        sa.Column("length", sa.BigInteger()),
        sa.Column("sha256", sa.String(64)),
        sa.Column("reply_to", sa.String(24)),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("edited_at", INSTANT),
        sa.Column("deleted_at", INSTANT),
        sa.Column("pinned_at", INSTANT),
        sa.UniqueConstraint("conversation_id", "seq"),
    )
    op.create_index(
        "ix_messages_conversation_id_pinned_at",
        "messages",
        ["conversation_id", "pinned_at"],
        sqlite_where=sa.text("pinned_at IS NOT NULL"),
        postgresql_where=sa.text("pinned_at IS NOT NULL"),
    )
