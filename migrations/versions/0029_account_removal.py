"""What an account that goes has said, and the groups that it owns, found by an index and not by reading everything."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _index("messages", "sender_id", "id")
    _index("conversations", "owner_id")


def _index(table: str, *columns: str) -> None:
    where = sa.text(f"{columns[0]} IS NOT NULL")
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns), sqlite_where=where, postgresql_where=where)
