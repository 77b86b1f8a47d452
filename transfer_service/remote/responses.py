"""What the head of a source's answer means: a whole file, the rest of one, a break, or the end."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from urllib3 import HTTPHeaderDict

from transfer_service.errors import InvalidRequest, SourceFailed
from transfer_service.wire.conditions import format_http_date, parse_http_date, parse_tag
from transfer_service.wire.ranges import parse_content_range

REDIRECTS = frozenset({301, 302, 303, 307, 308})
ANOTHER_SIZE = "The source sent another size"
ENCODED = "The source sent a content encoding"
NO_LOCATION = "The source redirects without saying where"
SEVERAL_RANGES = "The source sent several ranges"

MAX_VALIDATOR_CHARACTERS = 512
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_CLOCK_DIFFERENCE = timedelta(seconds=60)


class SourceBroke(Exception):
    """A transfer broke off in a way that may not happen again. `retry_after_seconds` is what the source asks for."""

    def __init__(self, detail: str, *, retry_after_seconds: float = 0) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds


class SourceRefused(SourceBroke):
    """There is no source at that address. It may be starting again, if it has given bytes before."""


@dataclass(frozen=True, slots=True)
class Head:
    """Status and fields of an answer."""

    status: int
    headers: HTTPHeaderDict

    def location(self) -> str:
        """Where a redirect leads. Raises SourceFailed where that is not said, or said twice."""
        locations = self.headers.getlist("Location")
        if len(locations) != 1:
            raise SourceFailed(NO_LOCATION)
        return locations[0]

    def raise_for_status(self, *, now: datetime) -> None:
        """Let 200 and 206 pass. Raises SourceBroke where another try may help, else SourceFailed."""
        if self.status in (200, 206):
            return
        detail = f"The source answered {self.status}"
        if self.status in (408, 429) or 500 <= self.status < 600:
            raise SourceBroke(detail, retry_after_seconds=self._retry_after_seconds(now))
        raise SourceFailed(detail)

    def refuse_encodings(self) -> None:
        """Raise SourceFailed unless the bytes are the file's own ones."""
        contents = {value.strip(" \t").lower() for value in self.headers.get("Content-Encoding", "").split(",")}
        transfer = self.headers.get("Transfer-Encoding", "chunked").strip(" \t").lower()
        if contents - {"", "identity"} or transfer not in ("chunked", "identity"):
            raise SourceFailed(ENCODED)

    def check_length(self, expected: int) -> None:
        """Raise SourceFailed if the announced length is another one; none at all is fine."""
        for value in self.headers.getlist("Content-Length"):
            if _NUMBER.fullmatch(value.strip(" \t")) is None or int(value) != expected:
                raise SourceFailed(ANOTHER_SIZE)

    def find_stop(self, *, start: int, size: int, validator: str) -> int | None:
        """Where the bytes of a 206 end if they continue the same file at `start`, None if they do not.

        Raises SourceFailed where the file has another size, and for several ranges.
        """
        if self.headers.get("Content-Type", "").strip(" \t").lower().startswith("multipart/"):
            raise SourceFailed(SEVERAL_RANGES)
        try:
            answer = parse_content_range(self.headers.get("Content-Range", ""))
        except InvalidRequest:
            return None
        if answer.total is not None and answer.total != size:
            raise SourceFailed(ANOTHER_SIZE)
        if answer.total is None or answer.span.start != start or not self._is_still(validator):
            return None
        self.check_length(answer.span.size)
        return answer.span.stop

    def _is_still(self, validator: str) -> bool:
        """Whether nothing here contradicts the validator (a 206 should repeat it, RFC 9110 section 15.3.7)."""
        field = "Last-Modified" if parse_tag(validator) is None else "ETag"
        return self.headers.get(field, validator).strip(" \t") == validator

    def find_validator(self) -> str | None:
        """What `If-Range` may name (RFC 9110 sections 13.1.5 and 8.8.2.2): a strong tag, or without any a strong date.

        A date is strong if it was old enough, when it was sent, for no second change to hide behind it: a minute also
        outweighs two clocks that disagree a little.
        """
        etag = self.headers.get("ETag")
        if etag is not None:
            tag = parse_tag(etag) if len(etag) <= MAX_VALIDATOR_CHARACTERS else None
            return str(tag) if tag is not None and not tag.weak else None
        modified = self.headers.get("Last-Modified", "").strip(" \t")
        modified_at, sent_at = parse_http_date(modified), parse_http_date(self.headers.get("Date", ""))
        if modified_at is None or sent_at is None or sent_at - modified_at < _CLOCK_DIFFERENCE:
            return None
        return modified if modified == format_http_date(modified_at) else None

    def _retry_after_seconds(self, now: datetime) -> float:
        value = self.headers.get("Retry-After", "").strip(" \t")
        if _NUMBER.fullmatch(value):
            return float(value)
        at = parse_http_date(value)
        return max((at - now).total_seconds(), 0.0) if at is not None else 0.0
