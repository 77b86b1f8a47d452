"""The tables. All are loaded together: a foreign key has the type of what it points at, which must be known by then."""

from transfer_service.models import (
    accounts,
    bundles,
    chat,
    claims,
    events,
    files,
    games,
    idempotency,
    keys,
    links,
    pieces,
    previews,
    sharing,
    upkeep,
    uploads,
    webhooks,
)

__all__ = [
    "accounts",
    "bundles",
    "chat",
    "claims",
    "events",
    "files",
    "games",
    "idempotency",
    "keys",
    "links",
    "pieces",
    "previews",
    "sharing",
    "upkeep",
    "uploads",
    "webhooks",
]
