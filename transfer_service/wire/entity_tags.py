"""Entity tags and HTTP dates (RFC 9110 sections 8.8 and 5.6.7)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

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
