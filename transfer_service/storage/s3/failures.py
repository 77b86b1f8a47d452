"""What an object store refuses or fails to do, in the words of the rules. No message of boto3 gets any further."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transfer_service.errors import BlobMissing, ReadFailed, ServerAway, StorageFull, StoreUnavailable, TransferError

_MISSING = {"NoSuchKey", "NoSuchUpload", "404", "NotFound"}
_FULL = {"InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "507"}
_CHANGED = {"PreconditionFailed", "412"}
_PAST_THE_END = {"InvalidRange", "416"}
_PASSING = {"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "Throttling", "ThrottlingException"}
_PASSING |= {"TooManyRequests", "OperationAborted", "ConditionalRequestConflict", "BadDigest"}
_PASSING_STATUSES = {429, 500, 502, 503, 504}
_EXPECTED = _MISSING | _CHANGED | _PAST_THE_END


class ObjectChanged(TransferError):
    """An object is another one than that which was asked for: it was replaced, or there is one already."""


class PastTheEnd(TransferError):
    """A range begins where the object ends, or later."""


class WrongBytes(Exception):
    """What came is shorter than it said: the next try may bring all of it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How a call to the store went wrong.

    `may_pass`: the same call may well be taken in a moment. `is_silence`: the store has not answered at all. `reason`
    is the store's own word, such as SlowDown, or the kind of the error: never what it says, which may hold an address.
    """

    error: TransferError
    reason: str
    may_pass: bool = False
    is_silence: bool = False

    @property
    def is_worth_a_line(self) -> bool:
        """Whether those who run the service should see it."""
        return self.reason not in _EXPECTED


def judge(error: Exception) -> Failure | None:
    """What an exception of boto3 amounts to. None for what is a fault of ours."""
    from botocore import exceptions as kinds  # here, since urllib3 opens a socket when it is loaded, before a fork
    from urllib3.exceptions import HTTPError

    reason = type(error).__name__
    if isinstance(error, kinds.ClientError):
        return _refusal(error)
    if isinstance(error, kinds.FlexibleChecksumError):
        return Failure(ReadFailed(), reason, may_pass=True)
    if isinstance(error, (kinds.IncompleteReadError, HTTPError, WrongBytes)):
        return Failure(StoreUnavailable(), reason, may_pass=True)
    if isinstance(error, (kinds.HTTPClientError, kinds.ConnectionError, OSError)):
        is_certificate = isinstance(error, kinds.SSLError)
        return Failure(ServerAway(), reason, may_pass=not is_certificate, is_silence=True)
    if isinstance(error, (kinds.ParamValidationError, kinds.UnknownClientMethodError)):
        return None
    return Failure(StoreUnavailable(), reason) if isinstance(error, kinds.BotoCoreError) else None


def _refusal(error: Any) -> Failure:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _MISSING:
        return Failure(BlobMissing(), code)
    if code in _FULL or status == 507:
        return Failure(StorageFull(), code)
    if code in _CHANGED:
        return Failure(ObjectChanged(), code)
    if code in _PAST_THE_END:
        return Failure(PastTheEnd(), code)
    return Failure(StoreUnavailable(), code, may_pass=code in _PASSING or status in _PASSING_STATUSES)
