"""The activities become the audit log: also of commands, without a queue of all who add to it, and with filters."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("activities") as activities:
        activities.drop_constraint("uq_activities_number", type_="unique")
        activities.drop_column("number")
        activities.alter_column("username", existing_type=sa.String(255), nullable=True)
        activities.alter_column("resource_id", existing_type=sa.String(64), type_=sa.String(255))
    op.create_index("ix_activities_created_at", "activities", ["created_at", "id"])
    for column in ("username", "action", "resource"):
        op.create_index(f"ix_activities_{column}", "activities", [column, "created_at", "id"])
    op.drop_table("activity_total")
