"""What the log line of a sign-in says besides the client's address: how it ended, and for which name."""

import hashlib
import hmac
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app

from transfer_service.errors import BadCredentials, TooManyAttempts
from transfer_service.web.request_log import note

_PURPOSE = b"transfer-service log names"
_HASH_CHARACTERS = 16


@contextmanager
def logged_sign_in(name: str) -> Iterator[None]:
    """Note on the log line of this request how a sign-in went, and a hash of the name where it failed.

    People type passwords into the field of the name. So it is a keyed hash: the same name gives the same text, but
    nobody who has only the log can try words.
    """
    try:
        yield
    except TooManyAttempts:
        note(sign_in="throttled", name_hash=_hash(name))
        raise
    except BadCredentials:
        note(sign_in="failed", name_hash=_hash(name))
        raise
    note(sign_in="ok")


def _hash(name: str) -> str:
    secret: bytes = current_app.config["JWT_SECRET_KEY"]
    key = hmac.digest(secret, _PURPOSE, hashlib.sha256)
    text = " ".join(unicodedata.normalize("NFC", name).split()).encode("utf-8", "surrogatepass")
    return hmac.new(key, text, hashlib.sha256).hexdigest()[:_HASH_CHARACTERS]
