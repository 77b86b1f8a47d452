"""The CRC-32 of files, which archives of them need. Those from before get theirs when it is first asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("files", "trashed_files"):
        op.add_column(table, sa.Column("crc32", sa.BigInteger()))
