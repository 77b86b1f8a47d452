"""Activities have numbers, so that nobody counts them; and what asks for completed downloads finds them."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

COMPLETED = sa.text("state = 'completed'")


def upgrade() -> None:
    op.add_column("activities", sa.Column("number", sa.BigInteger()))
    op.execute(
        "UPDATE activities SET number = numbered.number"
        " FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM activities) AS numbered"
        " WHERE numbered.id = activities.id"
    )
    with op.batch_alter_table("activities") as activities:
        activities.alter_column("number", nullable=False)
        activities.create_unique_constraint("uq_activities_number", ["number"])
    op.create_table(
        "activity_total",
        sa.Column("id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
    )
    op.execute("INSERT INTO activity_total (id, total) SELECT 1, count(*) FROM activities")
    op.drop_index("ix_remote_downloads_game_data_id", "remote_downloads")
    op.create_index("ix_remote_downloads_game_data_id_state", "remote_downloads", ["game_data_id", "state"])
    op.create_index(
        "ix_remote_downloads_finished_at",
        "remote_downloads",
        ["finished_at"],
        sqlite_where=COMPLETED,
        postgresql_where=COMPLETED,
    )
