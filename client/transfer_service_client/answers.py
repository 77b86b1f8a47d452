"""What answers of the service say besides their content: errors, and when to come again."""

import time
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from transfer_service_client.errors import ApiError, SignInNeeded, api_error, as_expected


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
        answer.read()
        told = answer.json()
        error = told.get("detail") or told.get("error") or told.get("message") or ""
        return str(error.get("message", "") if isinstance(error, dict) else error)
    except httpx.HTTPError:  # it broke off: the status tells enough
        return ""
    except (ValueError, AttributeError):
        return answer.text.strip() if answer.headers.get("Content-Type", "").startswith("text/plain") else ""


def retry_after_of(answer: httpx.Response) -> float | None:
    """The seconds that an answer asks to wait, where it does (RFC 9110 section 10.2.3)."""
    text = answer.headers.get("Retry-After", "")
    if text.isdecimal() and text.isascii():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:  # "-0000"
        until = until.replace(tzinfo=timezone.utc)
    return max(until.timestamp() - time.time(), 0.0)
