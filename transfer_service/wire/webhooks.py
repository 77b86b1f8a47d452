"""Webhooks as they are asked for, and as they are sent: events, addresses, and the bytes of Standard Webhooks.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hmac
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from transfer_service.errors import InvalidRequest
from transfer_service.wire.instants import format_instant

MOST_URL_CHARACTERS = 2048
SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with
_URL = re.compile(r"https?://[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]+", re.ASCII | re.IGNORECASE)


class Event(StrEnum):
    """What a webhook may be told of."""

    FILE_COMPLETED = "file.completed"
    FILE_DELETED = "file.deleted"
    MESSAGE_CREATED = "message.created"
    DOWNLOAD_COMPLETED = "download.completed"
    DOWNLOAD_FAILED = "download.failed"
    LINK_DOWNLOADED = "link.downloaded"
    LINK_RECEIVED = "link.received"


TEST_EVENT = "webhook.test"
"""What only `test` sends, whatever else a webhook is told of."""


def parse_events(value: object) -> tuple[Event, ...]:
    """Some of the events, in their order; None means all. Raises InvalidRequest."""
    if value is None:
        return tuple(Event)
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise InvalidRequest("events must be a list of events")
    try:
        asked = [Event(each) for each in value]
    except (ValueError, TypeError) as error:
        raise InvalidRequest(f"events must be some of {', '.join(Event)}") from error
    if len(asked) > len(set(asked)):
        raise InvalidRequest("Event given more than once")
    return tuple(each for each in Event if each in asked)


def parse_url(value: object) -> str:
    """The address of a receiver as it was given, if it has the form of one. Raises InvalidRequest."""
    if not isinstance(value, str) or len(value) > MOST_URL_CHARACTERS or _URL.fullmatch(value) is None:
        raise InvalidRequest("url must be an http or https URL without spaces, fragment and unencoded characters")
    try:
        parts = urlsplit(value)
        is_usable = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        is_usable = False
    if not is_usable:
        raise InvalidRequest("url must have a host, and no user name")
    return value


def host_of(url: str) -> str:
    """The host in the address of a receiver, in lower case, without brackets."""
    return urlsplit(url).hostname or ""


def format_body(event: str, at: datetime, data: Mapping[str, Any]) -> str:
    """The body that tells of an event, the same on every try."""
    content = {"type": event, "timestamp": format_instant(at), "data": data}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def format_secret(secret: bytes) -> str:
    """A secret as its receiver gets it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode("ascii")


def headers_of(message_id: uuid.UUID, body: bytes, *, secret: bytes, at: datetime) -> dict[str, str]:
    """What a try at `at` says of its body."""
    seconds = int(at.timestamp())
    signed = f"{message_id}.{seconds}.".encode() + body
    signature = base64.b64encode(hmac.digest(secret, signed, "sha256")).decode("ascii")
    return {
        "webhook-id": str(message_id),
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{signature}",
    }
