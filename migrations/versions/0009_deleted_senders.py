"""A message outlives its sender's account."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SENDER = "fk_messages_sender_id"


def upgrade() -> None:
    with op.batch_alter_table("messages") as messages:
        messages.alter_column("sender_id", nullable=True)
        messages.drop_constraint(SENDER, type_="foreignkey")
        messages.create_foreign_key(SENDER, "accounts", ["sender_id"], ["id"], ondelete="SET NULL")
