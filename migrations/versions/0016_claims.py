"""Claims on blobs of an object store, by any number of processes on any number of machines."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    unlogged = ["UNLOGGED"] if is_postgresql else []  # what a crash takes is claimed again
    op.create_table(
        "claim_processes",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("expires_at", sa.Double(), nullable=False),
        prefixes=unlogged,
    )
    op.create_table(
        "claims",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("process_id", sa.String(32), nullable=False),
        sa.Column("room", sa.String(16), nullable=False),
        sa.Column("unit", sa.String(320), nullable=False),
        sa.Column("name", sa.String(320), nullable=False),
        sa.Column("mode", sa.String(8), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("stop", sa.BigInteger(), nullable=False),
        sa.Column("turn", sa.BigInteger()),
        sa.Column("is_held", sa.Boolean(), nullable=False),
        prefixes=unlogged,
    )
    op.create_index("ix_claims_room_unit", "claims", ["room", "unit"])
    op.create_index("ix_claims_process_id", "claims", ["process_id"])
