"""What answers say besides the bytes of files: JSON, errors, and when to come again.

Whatever answers may be broken or hostile, so nothing of it is read without a bound.
"""

import time
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from transfer_service_client.errors import ApiError, SignInNeeded, TransferError, api_error, as_expected

ANSWER_BYTES = 64 * 1024 * 1024
"""More than the longest page of a list. Files are not read as one answer."""
REPLACED = frozenset({"transfer-encoding", "content-encoding", "content-length"})
"""The fields, in lower case, that say nothing any more once a body was read."""
_ERROR_BYTES, _DETAIL_CHARACTERS = 64 * 1024, 1000


def whole(answer: httpx.Response) -> httpx.Response:
    """An answer with its body, which is read now. Raises TransferError for an endless one, httpx.RequestError."""
    return _with_body(answer, ANSWER_BYTES, request=answer.request)


def _with_body(answer: httpx.Response, most_bytes: int, request: httpx.Request | None = None) -> httpx.Response:
    body = bytearray()
    for block in answer.iter_bytes():
        body += block
        if len(body) > most_bytes:
            raise endless()
    fields = [(name, value) for name, value in answer.headers.raw if name.decode("latin-1").lower() not in REPLACED]
    return httpx.Response(answer.status_code, headers=fields, content=bytes(body), request=request)


def endless() -> TransferError:
    """The error for an answer that is longer than any of the service."""
    return TransferError("What answered is no Transfer Service: its answer does not end")


def refuse_nested_coding(answer: httpx.Response) -> None:
    """Raises TransferError: a few bytes that were compressed more than once become more than any memory holds."""
    if "," in answer.headers.get("Content-Encoding", ""):
        raise TransferError("What answered is no Transfer Service: its answer is compressed more than once")


def json_of(answer: httpx.Response) -> Any:
    """The object in an answer. Raises TransferError where it is none."""
    with as_expected():
        told = answer.json()
        told.items()
        return told


def error_of(answer: httpx.Response) -> ApiError:
    """The error that an answer tells of, in any of the service's shapes."""
    detail = _detail_of(answer)
    if answer.status_code == httpx.codes.UNAUTHORIZED and not detail:
        return SignInNeeded(401, "Not signed in")
    error = api_error(answer.status_code, detail)
    error.retry_after_seconds = retry_after_of(answer)
    return error


def _detail_of(answer: httpx.Response) -> str:
    try:
        told = _with_body(answer, _ERROR_BYTES)
    except (httpx.HTTPError, TransferError):  # it broke off, or says too much: the status tells enough
        return ""
    return _words_of(told)[:_DETAIL_CHARACTERS]


def _words_of(answer: httpx.Response) -> str:
    try:
        told = answer.json()
        error = told.get("detail") or told.get("error") or told.get("message") or ""
        return str(error.get("message", "") if isinstance(error, dict) else error)
    except (ValueError, AttributeError, RecursionError):
        return answer.text.strip() if answer.headers.get("Content-Type", "").startswith("text/plain") else ""


def retry_after_of(answer: httpx.Response) -> float | None:
    """The seconds that an answer asks to wait, where it does (RFC 9110 section 10.2.3)."""
    text = answer.headers.get("Retry-After", "")
    if text.isdecimal() and text.isascii():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:  # "-0000"
        until = until.replace(tzinfo=timezone.utc)
    return max(until.timestamp() - time.time(), 0.0)
