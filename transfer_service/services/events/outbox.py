"""What webhooks are told: written in the transaction of the fact, delivered by the worker."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from transfer_service.db.database import Executor


class Event(StrEnum):
    """What a webhook may listen to."""

    FILE_COMPLETED = "file.completed"
    FILE_DELETED = "file.deleted"
    MESSAGE_CREATED = "message.created"
    DOWNLOAD_COMPLETED = "download.completed"
    DOWNLOAD_FAILED = "download.failed"
    LINK_DOWNLOADED = "link.downloaded"
    LINK_RECEIVED = "link.received"


def publish(
    rows: Executor, event: Event, *, account_id: uuid.UUID | None, subject: str, data: Mapping[str, Any], at: datetime
) -> None:
    """Write down, in the caller's transaction, what is to be told to each webhook that listens.

    `account_id` is whose it is, None where it is nobody's; events of one `subject` arrive in their order. As long as
    there are no webhooks nobody listens, and nothing is written.
    """
