"""The secret in a link's address, and the cookies that a link gives out.

A token is 192 random bits. The database has its SHA-256, by which it is found, and the token itself sealed, because
owners are shown the address again: XORed with a pad that is derived from `SECRET_KEY` and the link's id, and used for
nothing else. Neither opens anything for who has the database alone.
"""

import base64
import hashlib
import hmac
import re
import secrets
import uuid
from collections.abc import Sequence

TOKEN_BYTES = 24
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}", re.ASCII)
_COOKIE = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{64})", re.ASCII)
_SEALING, _COOKIES = b"transfer-service link addresses", b"transfer-service link cookies"


def hash_token(token: str) -> str | None:
    """What a token is found by, None for what no token looks like."""
    return hashlib.sha256(token.encode()).hexdigest() if _TOKEN.fullmatch(token) else None


class LinkTokens:
    """Makes tokens and cookies by the first of the secrets, and reads them by all: the others are those before it."""

    def __init__(self, own_secrets: Sequence[bytes]) -> None:
        self._sealing = [hmac.digest(secret, _SEALING, "sha256") for secret in own_secrets]
        self._cookies = [hmac.digest(secret, _COOKIES, "sha256") for secret in own_secrets]

    def make(self, link_id: uuid.UUID) -> tuple[str, str]:
        """A new token for a link, and the same sealed."""
        token = _text(secrets.token_bytes(TOKEN_BYTES))
        return token, _seal(token, self._sealing[0], link_id)

    def open(self, link_id: uuid.UUID, sealed: str, token_hash: str) -> str | None:
        """The token of a link, None where the secret that it was sealed with is none of these."""
        for key in self._sealing:
            token = _text(_xor(bytes.fromhex(sealed), _pad(key, link_id)))
            if hash_token(token) == token_hash:
                return token
        return None

    def reseal(self, link_id: uuid.UUID, sealed: str, token_hash: str) -> str | None:
        """The token of a link sealed with the first of the secrets, None where it cannot be opened."""
        token = self.open(link_id, sealed, token_hash)
        return None if token is None else _seal(token, self._sealing[0], link_id)

    def make_cookie(self, link_id: uuid.UUID, password_hash: str | None) -> str:
        """A cookie for a new client of a link: it proves that this service gave it out, under this password."""
        client = secrets.token_hex(16)
        return f"{client}.{_signature(self._cookies[0], link_id, password_hash, client)}"

    def read_cookie(self, link_id: uuid.UUID, password_hash: str | None, value: str) -> str | None:
        """The client that a cookie was given to, None where it is not one of this link and this password."""
        match = _COOKIE.fullmatch(value)
        if match is None:
            return None
        client, given = match[1], match[2]
        # All are compared, so that the time tells nothing of which.
        fits = [hmac.compare_digest(_signature(key, link_id, password_hash, client), given) for key in self._cookies]
        return client if any(fits) else None


def _text(token: bytes) -> str:
    return base64.urlsafe_b64encode(token).decode("ascii")


def _seal(token: str, key: bytes, link_id: uuid.UUID) -> str:
    return _xor(base64.urlsafe_b64decode(token), _pad(key, link_id)).hex()


def _pad(key: bytes, link_id: uuid.UUID) -> bytes:
    return hmac.digest(key, link_id.bytes, "sha256")[:TOKEN_BYTES]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(left, right, strict=True))


def _signature(key: bytes, link_id: uuid.UUID, password_hash: str | None, client: str) -> str:
    text = f"{link_id}\n{client}\n{password_hash or ''}"
    return hmac.digest(key, text.encode(), "sha256").hex()
