"""The rows that belong to an account and to nothing else, removed a few at a time, before the account's own row goes.

Which tables they are in the models say: whatever goes with its account (`ON DELETE CASCADE`), directly or by what it
hangs on. So a table that is new is among them. Left to the database, all of it would go in the one transaction of the
account's row, which nobody could write beside.
"""

import uuid
from functools import cache
from typing import Any, cast

from sqlalchemy import ColumnElement, Delete, Table, bindparam, delete, select, tuple_

from transfer_service.db.database import Database, run_again
from transfer_service.models.accounts import Account
from transfer_service.models.base import Base
from transfer_service.models.files import File, Folder, ReceivedRange, TrashedFile
from transfer_service.models.webhooks import Webhook, WebhookDelivery

BATCH = 500

_accounts, _webhooks, _deliveries = Account.__table__, Webhook.__table__, WebhookDelivery.__table__
WITH_BYTES = frozenset({File.__table__, Folder.__table__, ReceivedRange.__table__, TrashedFile.__table__})
"""These go by rules of their own: bytes, quotas and names hang on them."""
_account_id: Any = bindparam("of_account")


@cache
def statements() -> list[Delete]:
    """One for each table, children before what they hang on, that removes up to BATCH rows `of_account`."""
    owned: dict[Table, ColumnElement[bool]] = {}
    for table in Base.metadata.sorted_tables:  # parents first
        condition = _condition(table, owned)
        if condition is not None:
            owned[table] = condition
    # Its own webhooks' deliveries name them without a key.
    told = _deliveries.c.webhook_id.in_(select(_webhooks.c.id).where(owned[_webhooks]))
    return [_delete(table, condition) for table, condition in [(_deliveries, told), *reversed(owned.items())]]


def _condition(table: Table, owned: dict[Table, ColumnElement[bool]]) -> ColumnElement[bool] | None:
    """Which rows of a table are an account's, None where it has no such rows."""
    if table in WITH_BYTES:
        return None
    keys = [key for key in table.foreign_keys if key.ondelete == "CASCADE"]
    for key in keys:
        if key.column.table is _accounts:
            return cast("ColumnElement[bool]", key.parent == _account_id)
    for key in keys:
        if key.column.table in owned:
            return key.parent.in_(select(key.column).where(owned[key.column.table]))
    return None


def _delete(table: Table, condition: ColumnElement[bool]) -> Delete:
    keys: list[Any] = list(table.primary_key.columns)
    key = keys[0] if len(keys) == 1 else tuple_(*keys)
    return delete(table).where(key.in_(select(*keys).where(condition).limit(BATCH)))


def remove_all(database: Database, account_id: uuid.UUID) -> None:
    """Remove all there is now, in short transactions."""

    @run_again
    def remove_some(statement: Delete) -> int:
        with database.write_rows() as rows:
            return rows.execute(statement, {"of_account": account_id}).rowcount

    for statement in statements():
        while remove_some(statement) >= BATCH:
            pass
