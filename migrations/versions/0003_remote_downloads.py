"""The games catalogue, remote downloads, members of their archives, activities."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _game_id() -> sa.Column[object]:
    return sa.Column("game_id", sa.Uuid(), sa.ForeignKey("games.id"), nullable=False)


def _create_catalogue() -> None:
    op.create_table(
        "games",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("title", sa.String(1000), nullable=False),
    )
    op.create_table(
        "game_data",
        sa.Column("id", sa.BigInteger(), primary_key=True, autoincrement=False),
        _game_id(),
        sa.Column("title", sa.String(1000), nullable=False),
        sa.Column("added_at", INSTANT, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_game_data_game_id", "game_data", ["game_id"])


def _create_downloads() -> None:
    op.create_table(
        "remote_downloads",
        sa.Column("id", SERIAL, primary_key=True),
        _game_id(),
        sa.Column("game_data_id", sa.BigInteger(), sa.ForeignKey("game_data.id"), nullable=False),
        sa.Column("account_id", sa.Uuid(), sa.ForeignKey("accounts.id", ondelete="SET NULL")),
        sa.Column("username", sa.String(255), nullable=False),
        sa.Column("ip_address", sa.String(64)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("slot", sa.BigInteger(), unique=True),
        sa.Column("active_game_id", sa.Uuid(), unique=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.Column("bytes_downloaded", sa.BigInteger(), nullable=False),
        sa.Column("speed", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("source_index", sa.BigInteger(), nullable=False),
        sa.Column("validator", sa.Text()),
        sa.Column("member_count", sa.BigInteger()),
        sa.Column("lease_owner", sa.Uuid()),
        sa.Column("lease_until", INSTANT),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT),
    )
    op.create_index("ix_remote_downloads_game_id_id", "remote_downloads", ["game_id", "id"])
    op.create_index("ix_remote_downloads_game_data_id", "remote_downloads", ["game_data_id"])


def upgrade() -> None:
    _create_catalogue()
    _create_downloads()
    op.create_table(
        "archive_members",
        sa.Column("game_data_id", sa.BigInteger(), sa.ForeignKey("game_data.id"), nullable=False),
        sa.Column("name_digest", sa.LargeBinary(16), nullable=False),
        sa.Column("header_offset", sa.BigInteger(), nullable=False),
        sa.Column("compressed_bytes", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("crc32", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.BigInteger(), nullable=False),
        sa.Column("flaw", sa.String(16)),
        sa.PrimaryKeyConstraint("game_data_id", "name_digest"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_archive_members_name_digest", "archive_members", ["name_digest"])
    op.create_table(
        "activities",
        sa.Column("id", SERIAL, primary_key=True),
        sa.Column("username", sa.String(255), nullable=False),
        sa.Column("action", sa.String(50), nullable=False),
        sa.Column("resource", sa.String(50), nullable=False),
        sa.Column("resource_id", sa.String(64), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("ip_address", sa.String(64)),
        sa.Column("created_at", INSTANT, nullable=False),
    )
