"""Changes of messages are numbered, so that clients hear what they missed.

Every message counts as changed when it was posted: no cursor is older than this. What an instance of the version before
posts meanwhile has no number until it changes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("conversations", _number("last_change"))
    op.execute("UPDATE conversations SET last_change = last_seq")
    op.add_column("messages", _number("change"))
    op.execute("UPDATE messages SET change = seq")
    op.create_index("ix_messages_conversation_id_change", "messages", ["conversation_id", "change"])


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False, server_default=sa.text("0"))
