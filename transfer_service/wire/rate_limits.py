"""What clients are told of their quota of requests: `RateLimit` and `RateLimit-Policy`.

By draft-ietf-httpapi-ratelimit-headers-11, whose sections are named here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"


@dataclass(frozen=True, slots=True)
class Allowance:
    """One policy and what is left of it; `resets_in_seconds` is known once it has been exceeded."""

    policy: str
    quota: int
    window_seconds: int
    left: int
    resets_in_seconds: int | None

    @property
    def is_exceeded(self) -> bool:
        """Whether the request was one too many."""
        return self.resets_in_seconds is not None


def format_policies(allowances: Sequence[Allowance]) -> str:
    """The value of `RateLimit-Policy` (section 3)."""
    return ", ".join(f'"{each.policy}";q={each.quota};w={each.window_seconds}' for each in allowances)


def format_allowances(allowances: Sequence[Allowance]) -> str:
    """The value of `RateLimit` (section 4)."""
    return ", ".join(
        f'"{each.policy}";r={each.left}' + (f";t={each.resets_in_seconds}" if each.is_exceeded else "")
        for each in allowances
    )


def retry_after_seconds(allowances: Sequence[Allowance]) -> int:
    """When the last of the exceeded policies lets requests through again, not earlier (section 6)."""
    return max((each.resets_in_seconds or 1 for each in allowances), default=1)
