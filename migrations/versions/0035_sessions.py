"""The sign-ins of an account in the order in which it sees them."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_sign_ins_account_id_created_at_id", "sign_ins", ["account_id", "created_at", "id"])
    op.drop_index("ix_sign_ins_account_id", "sign_ins")
