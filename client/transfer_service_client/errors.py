"""What may go wrong. Every error of this package is a TransferError, and its text is for people."""

from collections.abc import Iterator
from contextlib import contextmanager


class TransferError(Exception):
    """Anything that this package raises on purpose."""


class Unavailable(TransferError):
    """The service did not answer, or said that it cannot now, for longer than the client is patient."""


class DigestMismatch(TransferError):
    """Bytes that arrived are not those that were sent."""


class FileChanged(TransferError):
    """A local file was changed while it was sent; nothing of it is kept."""


class Stopped(TransferError):
    """The caller has asked for an end; what can be resumed goes on the next time."""


class ApiError(TransferError):
    """The service refused a request: `status` of HTTP, its words in `detail`, and when it asks to come again."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail or f"HTTP {status}")
        self.status = status
        self.detail = detail
        self.retry_after_seconds: float | None = None


class SignInNeeded(ApiError):
    """There are no credentials, or they do not count any more (401)."""


class KeyLacksScope(ApiError):
    """The key is not for calls of this kind (403)."""


class NotFound(ApiError):
    """What was asked for is not there (404, 410)."""


class Conflict(ApiError):
    """Something else is in the way (409)."""


class NoRoom(ApiError):
    """The file is larger than what is allowed, or there is no room for it (413, 507)."""


ENDS_ALL = (SignInNeeded, KeyLacksScope)
"""What one transfer is refused for, every other one would be refused for too: it is told once."""
_FORBIDDEN = 403
_KINDS: dict[int, type[ApiError]] = {
    401: SignInNeeded,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    413: NoRoom,
    507: NoRoom,
}


def api_error(status: int, detail: str) -> ApiError:
    """The error for an answer of the service."""
    if status == _FORBIDDEN and detail.startswith("Key lacks scope"):
        return KeyLacksScope(status, detail)
    return _KINDS.get(status, ApiError)(status, detail)


@contextmanager
def as_expected() -> Iterator[None]:
    """Reads an answer. Raises TransferError where that lacks something, or has something else in its place."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise TransferError("What answered is no Transfer Service, or its answer was damaged") from error
