"""Accounts as administrators see them."""

from typing import Any

from transfer_service.services.accounts.accounts import AccountFacts
from transfer_service.wire.instants import format_second


def account_json(account: AccountFacts, *, files: int, quota_bytes: int | None) -> dict[str, Any]:
    """Everything that may be told of an account. `quota_bytes` is the quota in force, None without one."""
    return {
        "id": str(account.account_id),
        "name": account.name,
        "is_admin": account.is_admin,
        "is_disabled": account.disabled,
        "permissions": list(account.permissions),
        "files": files,
        "used_bytes": account.used_bytes,
        "quota_bytes": quota_bytes,
        "last_sign_in_at": format_second(account.last_sign_in_at) if account.last_sign_in_at else None,
        "created_at": format_second(account.created_at),
    }
