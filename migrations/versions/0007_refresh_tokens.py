"""Several refresh tokens of one sign-in may be alive, and an account remembers its last sign-in."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "refresh_tokens",
        sa.Column("jti", sa.String(36), primary_key=True),
        sa.Column("sign_in_id", sa.Uuid(), sa.ForeignKey("sign_ins.id", ondelete="CASCADE"), nullable=False),
        sa.Column("spent_at", INSTANT),
    )
    op.execute("INSERT INTO refresh_tokens (jti, sign_in_id) SELECT refresh_jti, id FROM sign_ins")
    op.create_index("ix_refresh_tokens_sign_in_id", "refresh_tokens", ["sign_in_id"])
    op.drop_column("sign_ins", "refresh_jti")
    op.add_column("accounts", sa.Column("last_sign_in_at", INSTANT))
    op.execute(
        "UPDATE accounts SET last_sign_in_at ="
        " (SELECT max(sign_ins.created_at) FROM sign_ins WHERE sign_ins.account_id = accounts.id)"
    )
