"""Password hashing: argon2id, off the event loop and few at a time."""

import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from transfer_service.errors import InvalidRequest
from transfer_service.threads import Offload

MIN_PASSWORD_CHARACTERS, MAX_PASSWORD_BYTES = 8, 1024
# OWASP's first recommendation (19 MiB, 2 passes, 1 lane): small enough for a field gateway. Two at a time bound it all.
_MEMORY_KIB, _PASSES, _LANES, _AT_ONCE = 19 * 1024, 2, 1, 2
# The hash of no password. Verifying against it takes as long as against a real one, and it is not made at the start.
_DECOY = f"$argon2id$v=19$m={_MEMORY_KIB},t={_PASSES},p={_LANES}${'A' * 22}${'A' * 43}"


class Passwords:
    """Hashes and verifies passwords; a missing hash takes as long to verify as a real one."""

    def __init__(self, *, offload: Offload) -> None:
        self._hasher = PasswordHasher(memory_cost=_MEMORY_KIB, time_cost=_PASSES, parallelism=_LANES)
        self._offload = offload
        self.turns = threading.BoundedSemaphore(_AT_ONCE)

    def hash(self, password: str) -> str:
        """The argon2 hash of a new password. Raises InvalidRequest where it is too short or too long."""
        check_new_password(password)
        with self.turns:
            return self._offload(lambda: self._hasher.hash(_encode(password)))

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password belongs to the hash; False, after as long a time, where there is no hash."""
        encoded = _encode(password)[:MAX_PASSWORD_BYTES]
        genuine = password_hash is not None and len(_encode(password)) <= MAX_PASSWORD_BYTES
        return self._offload(lambda: self._matches(password_hash or _DECOY, encoded)) and genuine

    def _matches(self, password_hash: str, encoded: bytes) -> bool:
        try:
            return self._hasher.verify(password_hash, encoded)
        except (VerificationError, InvalidHashError):
            return False


def check_new_password(password: str) -> None:
    """Raises InvalidRequest where it has too few characters or too many bytes. Older passwords count as they are."""
    if len(password) < MIN_PASSWORD_CHARACTERS or len(_encode(password)) > MAX_PASSWORD_BYTES:
        raise InvalidRequest(
            f"A password has at least {MIN_PASSWORD_CHARACTERS} characters and at most {MAX_PASSWORD_BYTES} bytes"
        )


def _encode(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
