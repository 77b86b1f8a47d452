"""`RateLimit` and `RateLimit-Policy`, and networks of addresses."""

from transfer_service.wire.rate_limits import Allowance, format_allowances, format_policies, retry_after_seconds

PLENTY = Allowance("minute", 600, 60, left=599, resets_in_seconds=None)
SPENT = Allowance("hour", 10, 3600, left=0, resets_in_seconds=1200)


def test_policies_and_what_is_left_of_them_are_lists_of_items() -> None:
    assert format_policies([PLENTY, SPENT]) == '"minute";q=600;w=60, "hour";q=10;w=3600'
    assert format_allowances([PLENTY, SPENT]) == '"minute";r=599, "hour";r=0;t=1200'


def test_the_last_window_to_end_says_when_to_come_again() -> None:
    sooner = Allowance("minute", 1, 60, left=0, resets_in_seconds=7)
    assert (retry_after_seconds([sooner, SPENT]), retry_after_seconds([PLENTY, sooner])) == (1200, 7)
