"""Conditional requests (RFC 9110 section 13), decided from the headers and the file's validators alone."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from transfer_service.wire.entity_tags import EntityTag, parse_http_date, parse_tag, parse_tag_list


@dataclass(frozen=True, slots=True)
class Validators:
    """What identifies the selected representation; `modified_at` has whole seconds.

    Whoever gives the date vouches that no other version ever has the same (section 8.8.2.2): it counts as strong.
    """

    etag: EntityTag
    modified_at: datetime


class Verdict(Enum):
    """What the conditions say about a GET or HEAD."""

    PROCEED = 200
    NOT_MODIFIED = 304
    PRECONDITION_FAILED = 412


class FieldValues(Protocol):
    """Header fields by name, in any case."""

    def get(self, name: str, /) -> str | None:
        """The value of a field, None if it is absent."""


def evaluate(headers: FieldValues, validators: Validators) -> Verdict:
    """Weigh the preconditions in the order of RFC 9110 section 13.2.2 (without If-Range)."""
    if_match, unmodified_since = headers.get("If-Match"), headers.get("If-Unmodified-Since")
    if if_match is not None:
        if not _any_tag(if_match, validators.etag.matches_strongly):
            return Verdict.PRECONDITION_FAILED
    elif unmodified_since is not None:
        limit = parse_http_date(unmodified_since)
        if limit is not None and validators.modified_at > limit:
            return Verdict.PRECONDITION_FAILED
    if_none_match, modified_since = headers.get("If-None-Match"), headers.get("If-Modified-Since")
    if if_none_match is not None:
        if _any_tag(if_none_match, validators.etag.matches_weakly):
            return Verdict.NOT_MODIFIED
    elif modified_since is not None:
        since = parse_http_date(modified_since)
        if since is not None and validators.modified_at <= since:
            return Verdict.NOT_MODIFIED
    return Verdict.PROCEED


def range_applies(if_range: str | None, validators: Validators) -> bool:
    """Whether `Range` counts: no If-Range, a strongly equal tag, or exactly the date (section 13.1.5)."""
    if if_range is None:
        return True
    tag = parse_tag(if_range)
    if tag is not None:
        return tag.matches_strongly(validators.etag)
    return parse_http_date(if_range) == validators.modified_at


def _any_tag(value: str, matches: Callable[[EntityTag], bool]) -> bool:
    return value.strip(" \t") == "*" or any(matches(tag) for tag in parse_tag_list(value))
