"""Accounts, sign-ins, files and their received ranges."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def _account_id() -> sa.Column[object]:
    return sa.Column("account_id", sa.Uuid(), sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("is_admin", sa.Boolean(), nullable=False),
        sa.Column("disabled_at", INSTANT),
        sa.Column("used_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
    )
    op.create_table(
        "account_permissions",
        _account_id(),
        sa.Column("permission", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "permission"),
    )
    op.create_table(
        "sign_ins",
        sa.Column("id", sa.Uuid(), primary_key=True),
        _account_id(),
        sa.Column("refresh_jti", sa.String(36), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT),
    )
    op.create_index("ix_sign_ins_account_id", "sign_ins", ["account_id"])
    op.create_index("ix_sign_ins_expires_at", "sign_ins", ["expires_at"])
    op.create_table(
        "files",
        sa.Column("id", sa.Uuid(), primary_key=True),
        _account_id(),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("holds_name", sa.Boolean(), nullable=False),
        sa.Column("media_type", sa.String(255), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("length", sa.BigInteger()),
        sa.Column("length_declared", sa.Boolean(), nullable=False),
        sa.Column("received_bytes", sa.BigInteger(), nullable=False),
        sa.Column("reserved_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64)),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("completed_at", INSTANT),
    )
    op.create_index(
        "uq_files_account_id_name",
        "files",
        ["account_id", "name"],
        unique=True,
        sqlite_where=sa.text("holds_name = 1"),
        postgresql_where=sa.text("holds_name"),
    )
    op.create_index("ix_files_account_id_created_at_id", "files", ["account_id", "created_at", "id"])
    op.create_index("ix_files_state_updated_at", "files", ["state", "updated_at"])
    op.create_table(
        "received_ranges",
        sa.Column("file_id", sa.Uuid(), sa.ForeignKey("files.id", ondelete="CASCADE"), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("stop", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("file_id", "start"),
        sqlite_with_rowid=False,
    )
