"""Conditional requests (RFC 9110 section 13), decided from the headers and the file's validators alone."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Protocol

from werkzeug.http import http_date, parse_date

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_LIST = re.compile(r'[ \t,]*(?:(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,[ \t,]*|$))')


@dataclass(frozen=True, slots=True)
class EntityTag:
    """A validator; only strong ones promise the same bytes."""

    opaque: str
    weak: bool = False

    def __str__(self) -> str:
        return f'{"W/" if self.weak else ""}"{self.opaque}"'

    def matches_strongly(self, other: "EntityTag") -> bool:
        """Strong comparison: both strong and the same."""
        return not self.weak and not other.weak and self.opaque == other.opaque

    def matches_weakly(self, other: "EntityTag") -> bool:
        """Weak comparison: the same opaque part."""
        return self.opaque == other.opaque


def parse_tag(value: str) -> EntityTag | None:
    """One entity tag, or None if `value` is none."""
    match = _TAG.fullmatch(value.strip(" \t"))
    return EntityTag(match[2], weak=match[1] is not None) if match else None


def parse_tag_list(value: str) -> list[EntityTag]:
    """The tags of a list; what follows the first malformed member is ignored, so it can match nothing."""
    tags, position = [], 0
    while (match := _LIST.match(value, position)) is not None:
        tags.append(EntityTag(match[2], weak=match[1] is not None))
        position = match.end()
    return tags


def parse_http_date(value: str) -> datetime | None:
    """An HTTP date as an aware instant, or None if `value` is none."""
    try:
        return parse_date(value)
    except OverflowError:  # Werkzeug lets it out for years and zones beyond all measure
        return None


def format_http_date(at: datetime) -> str:
    """IMF-fixdate."""
    return http_date(at.astimezone(UTC))


@dataclass(frozen=True, slots=True)
class Validators:
    """What identifies the selected representation; `modified_at` has whole seconds.

    Whoever gives the date vouches that no other version ever has the same (section 8.8.2.2): it counts as strong. One
    that is not `is_dated` has a date that tells nothing of its version: conditions on dates find it changed.
    `alias` is what another server calls the very same bytes: a client may know them by either.
    """

    etag: EntityTag
    modified_at: datetime
    alias: "Validators | None" = None
    is_dated: bool = True

    @property
    def all_names(self) -> "list[Validators]":
        """Both."""
        return [self] if self.alias is None else [self, self.alias]


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
        if not any(_any_tag(if_match, each.etag.matches_strongly) for each in validators.all_names):
            return Verdict.PRECONDITION_FAILED
    elif unmodified_since is not None:
        limit = parse_http_date(unmodified_since)
        is_newer = limit is not None and all(each.modified_at > limit for each in validators.all_names)
        if is_newer or (limit is not None and not validators.is_dated):
            return Verdict.PRECONDITION_FAILED
    if_none_match, modified_since = headers.get("If-None-Match"), headers.get("If-Modified-Since")
    if if_none_match is not None:
        if any(_any_tag(if_none_match, each.etag.matches_weakly) for each in validators.all_names):
            return Verdict.NOT_MODIFIED
    elif modified_since is not None:
        since = parse_http_date(modified_since)
        if (
            since is not None
            and validators.is_dated
            and any(each.modified_at <= since for each in validators.all_names)
        ):
            return Verdict.NOT_MODIFIED
    return Verdict.PROCEED


def range_applies(if_range: str | None, validators: Validators) -> bool:
    """Whether `Range` counts: no If-Range, a strongly equal tag, or exactly the date, if all are ours (13.1.5)."""
    if if_range is None:
        return True
    tag = parse_tag(if_range)
    if tag is not None:
        return any(tag.matches_strongly(each.etag) for each in validators.all_names)
    # The other server's dates are not strong, and who gives ours may know it from there, of another version.
    return validators.alias is None and validators.is_dated and parse_http_date(if_range) == validators.modified_at


def _any_tag(value: str, matches: Callable[[EntityTag], bool]) -> bool:
    return value.strip(" \t") == "*" or any(matches(tag) for tag in parse_tag_list(value))
