"""The secrets that webhooks are signed with, as the database keeps them.

A secret is 192 random bits. It is sealed because every try signs with it: XORed with a pad that is derived from
`SECRET_KEY` and the webhook's id, and used for nothing else; a tag behind it tells by which key it can be opened.
Neither opens anything for who has the database alone.
"""

import hmac
import secrets
import uuid
from collections.abc import Sequence

SECRET_BYTES, _TAG_BYTES = 24, 16
_SEALING = b"transfer-service webhook secrets"


class WebhookSecrets:
    """Seals by the first of the service's own secrets, and opens by all: the others are those before it."""

    def __init__(self, own_secrets: Sequence[bytes]) -> None:
        self._keys = [hmac.digest(secret, _SEALING, "sha256") for secret in own_secrets]

    def make(self, webhook_id: uuid.UUID) -> tuple[bytes, str]:
        """A new secret for a webhook, and the same sealed."""
        secret = secrets.token_bytes(SECRET_BYTES)
        return secret, self._seal(webhook_id, secret)

    def open(self, webhook_id: uuid.UUID, sealed: str) -> bytes | None:
        """The secret of a webhook, None where it was sealed by none of these."""
        stored = bytes.fromhex(sealed)
        for key in self._keys:
            secret = _xor(stored[:SECRET_BYTES], _pad(key, webhook_id))
            if hmac.compare_digest(_tag(key, webhook_id, secret), stored[SECRET_BYTES:]):
                return secret
        return None

    def reseal(self, webhook_id: uuid.UUID, sealed: str) -> str | None:
        """A secret sealed with the first of the service's own, None where it cannot be opened."""
        secret = self.open(webhook_id, sealed)
        return None if secret is None else self._seal(webhook_id, secret)

    def _seal(self, webhook_id: uuid.UUID, secret: bytes) -> str:
        key = self._keys[0]
        return (_xor(secret, _pad(key, webhook_id)) + _tag(key, webhook_id, secret)).hex()


def _pad(key: bytes, webhook_id: uuid.UUID) -> bytes:
    return hmac.digest(key, b"pad" + webhook_id.bytes, "sha256")[:SECRET_BYTES]


def _tag(key: bytes, webhook_id: uuid.UUID, secret: bytes) -> bytes:
    return hmac.digest(key, b"tag" + webhook_id.bytes + secret, "sha256")[:_TAG_BYTES]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(left, right, strict=True))
