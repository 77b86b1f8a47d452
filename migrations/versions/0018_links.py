"""Links, what they give out, and what each client has had of it."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "links",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("account_id", sa.Uuid(), sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(255)),
        sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("sealed_token", sa.String(64), nullable=False),
        sa.Column("password_hash", sa.String(255)),
        sa.Column("folder_id", sa.Uuid()),
        sa.Column("max_downloads", sa.BigInteger()),
        sa.Column("downloads", sa.BigInteger(), nullable=False),
        sa.Column("max_files", sa.BigInteger()),
        sa.Column("max_bytes", sa.BigInteger()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_links_account_id_created_at_id", "links", ["account_id", "created_at", "id"])
    op.create_index("ix_links_expires_at", "links", ["expires_at"])
    _of_link("link_files", _key("file_id"), _number("position"))
    _of_link("link_folders", _key("folder_id"), _number("position"))
    _of_link(
        "link_transfers",
        sa.Column("client", sa.String(64), primary_key=True),
        _key("subject_id"),
        _number("allowed_bytes"),
        _number("sent_bytes"),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )


def _of_link(table: str, *columns: sa.Column) -> None:
    link_id = sa.Column("link_id", sa.Uuid(), sa.ForeignKey("links.id", ondelete="CASCADE"), primary_key=True)
    op.create_table(table, link_id, *columns, sqlite_with_rowid=False)


def _key(name: str) -> sa.Column:
    return sa.Column(name, sa.Uuid(), primary_key=True)


def _number(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=False)
