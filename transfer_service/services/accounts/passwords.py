"""Password hashing: argon2id, off the event loop and few at a time; and how often one may be guessed.

Ten times for an account from one address, fifty times from one address.
"""

import threading
from contextlib import AbstractContextManager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from limits import RateLimitItemPerMinute

from transfer_service.errors import BadCredentials, InvalidName, InvalidRequest, TooManyAttempts
from transfer_service.services.guesses import Guesses
from transfer_service.services.shared_windows import Limit, network_of
from transfer_service.threads import Offload
from transfer_service.wire.filenames import parse_label

PER_ACCOUNT = RateLimitItemPerMinute(10, 15, namespace="sign-in-account")
PER_ADDRESS = RateLimitItemPerMinute(50, 15, namespace="sign-in-address")

MIN_PASSWORD_CHARACTERS, MAX_PASSWORD_BYTES = 8, 1024
# OWASP's first recommendation (19 MiB, 2 passes, 1 lane): small enough for a field gateway. Two at a time bound it all.
_MEMORY_KIB, _PASSES, _LANES, _AT_ONCE = 19 * 1024, 2, 1, 2
# The hash of no password. Verifying against it takes as long as against a real one, and it is not made at the start.
_DECOY = f"$argon2id$v=19$m={_MEMORY_KIB},t={_PASSES},p={_LANES}${'A' * 22}${'A' * 43}"


class Passwords:
    """Hashes and verifies passwords; what is no hash takes as long to verify as a real one."""

    def __init__(self, *, offload: Offload) -> None:
        self._hasher = PasswordHasher(memory_cost=_MEMORY_KIB, time_cost=_PASSES, parallelism=_LANES)
        self._offload = offload
        self.turns = threading.BoundedSemaphore(_AT_ONCE)

    def hash(self, password: str, *, least: int = MIN_PASSWORD_CHARACTERS) -> str:
        """The argon2 hash of a new password of `least` characters or more. Raises InvalidRequest."""
        check_new_password(password, least=least)
        with self.turns:
            return self._offload(lambda: self._hasher.hash(_encode(password)))

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password belongs to the hash; False, after as long a time, where there is none, or no argon2."""
        encoded = _encode(password)[:MAX_PASSWORD_BYTES]
        genuine = password_hash is not None and len(_encode(password)) <= MAX_PASSWORD_BYTES
        return self._offload(lambda: self._matches(password_hash or _DECOY, encoded)) and genuine

    def _matches(self, password_hash: str, encoded: bytes) -> bool:
        try:
            return self._hasher.verify(password_hash, encoded)
        except InvalidHashError:  # of an account without a password: a quick answer would tell that there is one
            self._matches(_DECOY, encoded)
        except VerificationError:
            pass
        return False


def check_new_password(password: str, *, least: int = MIN_PASSWORD_CHARACTERS) -> None:
    """Raises InvalidRequest where it has too few characters or too many bytes. Older passwords count as they are."""
    if len(password) < least or len(_encode(password)) > MAX_PASSWORD_BYTES:
        raise InvalidRequest(f"A password has at least {least} characters and at most {MAX_PASSWORD_BYTES} bytes")


def _encode(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


class LoginThrottle:
    """Counts wrong passwords of sign-ins, in Redis too, for several instances."""

    def __init__(self, redis_url: str | None) -> None:
        self._guesses = Guesses(redis_url, used_for="wrong passwords")

    def attempt(self, *, name: str, address: str) -> AbstractContextManager[None]:
        """One sign-in: a BadCredentials that leaves the block counts. Raises TooManyAttempts before it runs."""
        network = network_of(address)
        limits: list[Limit] = [(PER_ACCOUNT, (_account_key(name), network)), (PER_ADDRESS, (network,))]
        return self._guesses.attempt(limits, wrong=BadCredentials, refusal=TooManyAttempts)


def _account_key(name: str) -> str:
    """One text for every way of writing the name of one account. Names that nobody can have count together."""
    try:
        return " ".join(parse_label(name).split())
    except InvalidName:
        return ""
