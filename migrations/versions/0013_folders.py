"""Folders: in one namespace with files, and above them."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

HOLDS_NAME = {"sqlite": "holds_name = 1", "postgresql": "holds_name"}


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    path = sa.String(1025, collation="C" if dialect == "postgresql" else None)
    op.create_table(
        "folders",
        sa.Column("id", sa.Uuid(), sa.ForeignKey("files.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("account_id", sa.Uuid(), sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
        sa.Column("path", path, nullable=False),
        sa.Column("folded_path", sa.Text(), nullable=False),
        sa.Column("is_kept", sa.Boolean(), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True)),
    )
    op.create_index("uq_folders_account_id_path", "folders", ["account_id", "path"], unique=True)
    # Alembic adds a column without its key in SQLite, which takes it: what is there lies in no folder.
    kind = "CHAR(32)" if dialect == "sqlite" else "UUID"
    op.execute(f"ALTER TABLE files ADD COLUMN folder_id {kind} CONSTRAINT fk_files_folder_id REFERENCES folders (id)")
    op.drop_index("uq_files_account_id_name", "files")
    holds_name = HOLDS_NAME[dialect]
    _index("uq_files_account_id_name", "account_id", "name", where=f"{holds_name} AND folder_id IS NULL", unique=True)
    _index("uq_files_folder_id_name", "folder_id", "name", where=f"{holds_name} AND folder_id IS NOT NULL", unique=True)
    _index("ix_files_folder_id_created_at_id", "folder_id", "created_at", "id", where="folder_id IS NOT NULL")
    _index("ix_files_top", "account_id", "created_at", "id", where="folder_id IS NULL")
    _index("ix_files_folders", "account_id", "folder_id", "name", where="state = 'folder'")
    with op.batch_alter_table("retired_dates") as retired_dates:
        retired_dates.alter_column("name", existing_type=sa.String(255), type_=sa.String(1025))


def _index(name: str, *columns: str, where: str, unique: bool = False) -> None:
    where_ = sa.text(where)
    op.create_index(name, "files", columns, unique=unique, sqlite_where=where_, postgresql_where=where_)
