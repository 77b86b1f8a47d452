"""The boot of the machine in which a file was given bytes that were not flushed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KNOWN = sa.text("unflushed_boot IS NOT NULL")


def upgrade() -> None:
    op.add_column("files", sa.Column("unflushed_boot", sa.String(64)))
    op.create_index("ix_files_unflushed_boot", "files", ["unflushed_boot"], sqlite_where=KNOWN, postgresql_where=KNOWN)
    # Nobody knows of these: the next start judges by the marks of earlier versions (services/recovery.py).
    op.execute("UPDATE files SET unflushed_boot = 'before' WHERE state = 'receiving' AND received_bytes > 0")
