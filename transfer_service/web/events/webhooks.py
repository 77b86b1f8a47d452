"""`/api/webhooks`, for administrators (docs/webhooks.md)."""

import uuid
from datetime import datetime
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, request

from transfer_service.errors import InvalidRequest, NotFound
from transfer_service.services.events.webhook_rows import FailedDelivery, WebhookRecord
from transfer_service.services.events.webhooks import UNKNOWN, UNKNOWN_FAILED, WebhookDraft
from transfer_service.services.files.files import parse_file_id
from transfer_service.web.context import guard, require_admin, services
from transfer_service.web.query import PAGING, Key, read_page, takes
from transfer_service.web.requests import known_fields
from transfer_service.wire.instants import format_second
from transfer_service.wire.webhooks import parse_events, parse_url

MAX_DRAFT_BYTES = 16 * 1024

blueprint = Blueprint("webhooks", __name__, url_prefix="/api/webhooks")
blueprint.before_request(guard)


@blueprint.before_request
def _require_admin() -> None:
    if request.method != "OPTIONS":
        require_admin()


@blueprint.post("")
def add_webhook() -> tuple[Response, int]:
    """A new webhook. Its secret is in this answer, and nowhere else."""
    fields = known_fields(("url", "events", "account"), MAX_DRAFT_BYTES)
    account = fields.get("account")
    if account is not None and not isinstance(account, str):
        raise InvalidRequest("account must be the name of an account")
    draft = WebhookDraft(url=parse_url(fields.get("url")), events=parse_events(fields.get("events")), account=account)
    record, secret = services().webhooks.add(draft)
    return jsonify({**webhook_json(record), "secret": secret}), HTTPStatus.CREATED


@blueprint.get("")
def list_webhooks() -> Response:
    """All webhooks, the newest first."""
    return jsonify({"webhooks": list(map(webhook_json, services().webhooks.list_webhooks()))})


@blueprint.delete("/<webhook_id>")
def remove_webhook(webhook_id: str) -> Response:
    """Remove a webhook with all that it was to be told."""
    services().webhooks.remove(_id(webhook_id, UNKNOWN))
    return Response(status=HTTPStatus.NO_CONTENT)


@blueprint.post("/<webhook_id>/test")
def test_webhook(webhook_id: str) -> tuple[Response, int]:
    """Send `webhook.test`."""
    services().webhooks.test(_id(webhook_id, UNKNOWN))
    return jsonify({"message": "A test is on its way"}), HTTPStatus.ACCEPTED


@blueprint.get("/failed")
@takes(*PAGING)
def list_failed() -> Response:
    """What has not arrived, the latest first."""
    page = read_page(_place_of, datetime, int)
    found = services().webhooks.list_failed(limit=page.wanted, after=page.after)
    shown, next_cursor = page.cut(found)
    return jsonify({"failed": list(map(failed_json, shown)), "next_cursor": next_cursor})


@blueprint.post("/failed/<delivery_id>/redeliver")
def redeliver(delivery_id: str) -> tuple[Response, int]:
    """Try what has failed anew."""
    services().webhooks.redeliver(_id(delivery_id, UNKNOWN_FAILED))
    return jsonify({"message": "It is tried again"}), HTTPStatus.ACCEPTED


def _id(text: str, unknown: str) -> uuid.UUID:
    parsed = parse_file_id(text)
    if parsed is None:
        raise NotFound(unknown)
    return parsed


def _place_of(failed: FailedDelivery) -> Key:
    return failed.failed_at, failed.number


def webhook_json(record: WebhookRecord) -> dict[str, Any]:
    """A webhook, without its secret."""
    return {
        "id": str(record.id),
        "url": record.url,
        "events": [event.value for event in record.events],
        "account": record.account,
        "state": record.state.value,
        "created_at": format_second(record.created_at),
    }


def failed_json(failed: FailedDelivery) -> dict[str, Any]:
    """An event that has not arrived."""
    return {
        "id": str(failed.id),
        "webhook_id": str(failed.webhook_id),
        "event": failed.event,
        "tries": failed.tries,
        "error": failed.error,
        "failed_at": format_second(failed.failed_at),
    }
