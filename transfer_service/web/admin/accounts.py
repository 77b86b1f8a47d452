"""`/api/admin/accounts`: who there is, new accounts, and what they may do (docs/administration.md)."""

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify

from transfer_service.errors import InvalidRequest
from transfer_service.services.accounts.accounts import AccountDraft, new_password
from transfer_service.services.accounts.changes import Changes
from transfer_service.services.accounts.listing import PLACE_TYPES, AccountQuery, ListedAccount, Sort, place_of
from transfer_service.services.accounts.rows import MOST_BYTES, AccountRecord
from transfer_service.web.admin.doors import guard_for_admins
from transfer_service.web.context import current, services
from transfer_service.web.query import PAGING, Order, Page, choice_of, read_page, takes, text_of
from transfer_service.web.requests import known_fields, text_field
from transfer_service.wire.instants import format_second

_OF_NEW = ("name", "password", "is_admin", "permissions", "quota_bytes")
_OF_CHANGES = ("is_admin", "is_disabled", "permissions", "quota_bytes", "password", "end_keys")

blueprint = Blueprint("accounts", __name__, url_prefix="/api/admin/accounts")
guard_for_admins(blueprint)


@blueprint.get("")
@takes("search", "sort", "order", *PAGING)
def list_accounts() -> Response:
    """Accounts in pages; by name unless another order is asked for."""
    sort = choice_of("sort", Sort) or Sort.NAME
    order = choice_of("order", Order) or (Order.ASCENDING if sort is Sort.NAME else Order.DESCENDING)
    query = AccountQuery(text_of("search"), sort, order is Order.ASCENDING)
    page: Page[ListedAccount] = read_page(partial(place_of, sort), *PLACE_TYPES[sort])
    found = services().administration.accounts.list_accounts(query, limit=page.wanted, after=page.after)
    shown, next_cursor = page.cut(found)
    listed = [account_json(each.account, files=each.files) for each in shown]
    return jsonify({"accounts": listed, "next_cursor": next_cursor})


@blueprint.post("")
def create_account() -> tuple[Response, int]:
    """A new account. A password that is made here is in this answer, and nowhere else."""
    fields = known_fields(_OF_NEW)
    draft = AccountDraft(
        text_field(fields, "name"),
        is_admin=_flag(fields, "is_admin") or False,
        permissions=_permissions(fields) or frozenset(),
        quota_bytes=_quota(fields),
    )
    password = text_field(fields, "password") if "password" in fields else None
    chosen = password or new_password()
    account = services().accounts.add(draft, chosen, by=current())
    made = {} if password else {"password": chosen}
    return jsonify({**account_json(account, files=0), **made}), HTTPStatus.CREATED


@blueprint.patch("/<name>")
def change_account(name: str) -> Response:
    """Change what is given, all of it or nothing."""
    fields = known_fields(_OF_CHANGES)
    if not fields:
        raise InvalidRequest(f"Nothing to change: give some of {', '.join(_OF_CHANGES)}")
    password = text_field(fields, "password") if "password" in fields else None
    changes = Changes(
        is_admin=_flag(fields, "is_admin"),
        is_disabled=_flag(fields, "is_disabled"),
        permissions=_permissions(fields),
        sets_quota="quota_bytes" in fields,
        quota_bytes=_quota(fields),
        password_hash=services().accounts.hash_of(password) if password is not None else None,
        end_keys=_flag(fields, "end_keys") or False,
    )
    account = services().accounts.change(name, changes, by=current())
    return jsonify(account_json(account, files=services().administration.accounts.count_files(account.account_id)))


def _flag(fields: Mapping[str, Any], name: str) -> bool | None:
    value = fields.get(name)
    if name in fields and not isinstance(value, bool):
        raise InvalidRequest(f"{name} must be true or false")
    return value


def _permissions(fields: Mapping[str, Any]) -> frozenset[str] | None:
    if "permissions" not in fields:
        return None
    value = fields["permissions"]
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InvalidRequest("permissions must be a list of strings")
    if len(set(value)) < len(value):
        raise InvalidRequest("Permission given more than once")
    return frozenset(value)


def _quota(fields: Mapping[str, Any]) -> int | None:
    value = fields.get("quota_bytes")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_BYTES:
        raise InvalidRequest("quota_bytes must be a number of bytes from 0 on, or null for the general quota")
    return value


def account_json(account: AccountRecord, *, files: int) -> dict[str, Any]:
    """Everything that may be told of an account.

    `quota_bytes` is its own, null where the general one counts; `effective_quota_bytes` is the one in force.
    """
    return {
        "id": str(account.account_id),
        "name": account.name,
        "is_admin": account.is_admin,
        "is_disabled": account.disabled,
        "permissions": list(account.permissions),
        "files": files,
        "used_bytes": account.used_bytes,
        "quota_bytes": account.own_quota_bytes,
        "effective_quota_bytes": services().space.quota_of(account.own_quota_bytes),
        "last_sign_in_at": format_second(account.last_sign_in_at) if account.last_sign_in_at else None,
        "created_at": format_second(account.created_at),
    }
