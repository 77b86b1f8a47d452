"""The trace that an event for a webhook belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("webhook_deliveries", sa.Column("traceparent", sa.String(55)))


def downgrade() -> None:
    op.drop_column("webhook_deliveries", "traceparent")
