"""`/auth/keys`: keys of one's own for devices and programs (docs/devices.md)."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify

from transfer_service.errors import InvalidRequest, NotFound
from transfer_service.models.keys import Scope
from transfer_service.services.accounts.keys import KeyDraft, KeyRecord, scope_names
from transfer_service.services.files.files import parse_file_id
from transfer_service.web.context import current, guard, services
from transfer_service.web.query import MAX_PAGE, PAGING, Key, read_page, takes
from transfer_service.web.requests import json_object
from transfer_service.wire.instants import format_second, parse_second
from transfer_service.wire.titles import parse_title

MAX_DRAFT_BYTES = 16 * 1024
MOST_BYTES = 2**63 - 1

blueprint = Blueprint("keys", __name__, url_prefix="/auth/keys")
blueprint.before_request(guard)


@blueprint.post("")
def create_key() -> tuple[Response, int]:
    """A new key. Its text is in this answer, and nowhere else."""
    draft = _draft(json_object(MAX_DRAFT_BYTES))
    record, text = services().keys.create(current().account_id, draft, by=current())
    return jsonify({**_key_json(record), "key": text}), HTTPStatus.CREATED


@blueprint.get("")
@takes(*PAGING)
def list_keys() -> Response:
    """The account's keys, the newest first; without `limit` the first thousand."""
    page = read_page(_place_of, datetime, uuid.UUID, default=MAX_PAGE)
    found = services().keys.list_keys(current().account_id, limit=page.wanted, after=page.after)
    shown, next_cursor = page.cut(found)
    return jsonify({"keys": [_key_json(record) for record in shown], "next_cursor": next_cursor})


@blueprint.delete("/<key_id>")
def revoke_key(key_id: str) -> Response:
    """End a key at once."""
    parsed = parse_file_id(key_id)
    if parsed is None:
        raise NotFound("Key not found")
    services().keys.revoke(current().account_id, parsed)
    return Response(status=HTTPStatus.NO_CONTENT)


def _draft(fields: Mapping[str, Any]) -> KeyDraft:
    return KeyDraft(
        name=parse_title(fields.get("name"), what="name"),
        scopes=_scopes(fields.get("scopes")),
        expires_at=_expiry(fields.get("expires_at")),
        quota_bytes=_quota(fields.get("quota_bytes")),
    )


def _scopes(value: object) -> frozenset[Scope]:
    if not isinstance(value, list) or not value:
        raise InvalidRequest("scopes must be a list of scopes")
    try:
        scopes = [Scope(each) for each in value]
    except ValueError as error:
        raise InvalidRequest(f"scopes must be some of {', '.join(Scope)}") from error
    if len(scopes) > len(set(scopes)):
        raise InvalidRequest("Scope given more than once")
    return frozenset(scopes)


def _expiry(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        at = parse_second(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None:
        raise InvalidRequest("expires_at must be UTC, like 2026-01-31T12:00:00Z")
    if at <= services().core.now():
        raise InvalidRequest("expires_at is over")
    return at


def _quota(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_BYTES:
        raise InvalidRequest("quota_bytes must be a number of bytes from 1 on")
    return value


def _place_of(record: KeyRecord) -> Key:
    return record.created_at, record.id


def _key_json(record: KeyRecord) -> dict[str, Any]:
    return {
        "id": str(record.id),
        "name": record.name,
        "scopes": scope_names(record.scopes),
        "created_at": format_second(record.created_at),
        "expires_at": _second(record.expires_at),
        "last_used_at": _second(record.last_used_at),
        "quota_bytes": record.quota_bytes,
        "used_bytes": record.used_bytes,
    }


def _second(at: datetime | None) -> str | None:
    return None if at is None else format_second(at)
