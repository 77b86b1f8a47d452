"""What administration needs: quotas of accounts, their names as they are searched for, facts about sign-ins."""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

ROWS_AT_ONCE = 1000


def upgrade() -> None:
    connection = op.get_bind()
    # With defaults of the database: an instance of the former version may still add accounts meanwhile.
    op.add_column("accounts", sa.Column("folded_name", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("accounts", sa.Column("quota_bytes", sa.BigInteger()))
    op.add_column(
        "accounts", sa.Column("signing_generation", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )
    _fold_names(connection)
    if connection.dialect.name == "postgresql":  # SQLite compares bytes by itself
        op.execute('ALTER TABLE accounts ALTER COLUMN name TYPE VARCHAR(255) COLLATE "C"')
    op.create_index("ix_accounts_last_sign_in_at_id", "accounts", ["last_sign_in_at", "id"])
    op.add_column("sign_ins", sa.Column("renewed_at", sa.DateTime(timezone=True)))
    op.add_column("sign_ins", sa.Column("ip_address", sa.String(64)))
    op.add_column("sign_ins", sa.Column("user_agent", sa.String(255)))


def _fold_names(connection: sa.Connection) -> None:
    """Fill the new column, as `models.folded` does."""
    accounts = sa.table("accounts", sa.column("id", sa.Uuid()), sa.column("name"), sa.column("folded_name"))
    fill = sa.update(accounts).where(accounts.c.id == sa.bindparam("of")).values(folded_name=sa.bindparam("folded"))
    last = None
    while True:
        page = sa.select(accounts.c.id, accounts.c.name).order_by(accounts.c.id).limit(ROWS_AT_ONCE)
        rows = connection.execute(page if last is None else page.where(accounts.c.id > last)).all()
        if not rows:
            return
        connection.execute(fill, [{"of": row.id, "folded": _folded(row.name)} for row in rows])
        last = rows[-1].id


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
