"""The id of the installation."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "installation",
        sa.Column("id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("installation_id", sa.String(36), nullable=False),
        sa.Column("is_joined", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
