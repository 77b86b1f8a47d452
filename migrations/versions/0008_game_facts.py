"""What the catalogue tells of a game beside its title."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("platform", "developer", "publisher", "release_date"):
        op.add_column("games", sa.Column(name, sa.String(1000)))
    for name in ("description", "launch_command"):
        op.add_column("games", sa.Column(name, sa.Text()))
    op.add_column("games", sa.Column("tags", sa.JSON()))
