"""Resumable uploads and the parts of which some are put together."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "resumable_uploads",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("account_id", sa.Uuid(), sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
        sa.Column("protocol", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("upload_metadata", sa.Text()),
        sa.Column("concat_header", sa.Text()),
        sa.Column("repr_digest", sa.Text()),
        sa.Column("overwrite", sa.Boolean(), nullable=False),
        sa.Column("ends", sa.Boolean(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
    )
    op.create_index("ix_resumable_uploads_account_id_kind", "resumable_uploads", ["account_id", "kind"])
    op.create_index("ix_resumable_uploads_ended_at", "resumable_uploads", ["ended_at"])
    op.create_table(
        "upload_parts",
        sa.Column("final_id", sa.Uuid(), sa.ForeignKey("resumable_uploads.id", ondelete="CASCADE"), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("final_id", "position"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_upload_parts_part_id", "upload_parts", ["part_id"])
