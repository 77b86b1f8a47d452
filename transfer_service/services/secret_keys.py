"""The keys of the service: the present one, and those that it had before, or will have (docs/operations.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transfer_service.config import Settings


def secrets_of(settings: Settings) -> list[bytes]:
    """The keys, each once. The first one signs and seals; all of them verify and open. Empty where there is none."""
    if settings.secret_key is None:
        return []
    keys = [settings.secret_key, *settings.previous_secret_keys]
    return list(dict.fromkeys(key.get_secret_value().encode() for key in keys))
