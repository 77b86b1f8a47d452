"""Signing what a webhook is told, by the published examples."""

import base64
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.vectors import VECTORS, named
from transfer_service.wire.webhooks import format_secret, headers_of


@pytest.mark.parametrize("example", named(VECTORS["webhooks"]))
def test_published_signatures(example: Any) -> None:
    secret = base64.b64decode(example["secret"].removeprefix("whsec_"))
    assert format_secret(secret) == example["secret"]
    made = headers_of(
        uuid.UUID(example["webhook-id"]),
        bytes.fromhex(example["body"]),
        secret=secret,
        at=datetime.fromtimestamp(int(example["webhook-timestamp"]), UTC),
    )
    assert made == {name: example[name] for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
