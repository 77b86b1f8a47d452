"""A sample of `scripts/torture webhooks`, on both databases."""

import pytest

from tests.proofs import length
from tests.torture.webhooks import torture

KILLS = length(2, whole=6)
SEED = 20261129

pytestmark = [
    pytest.mark.alone,
    pytest.mark.heavy,
    pytest.mark.one_machine("it kills workers on a folder of their own"),
]


def test_every_event_arrives_whatever_is_killed(database_url: str) -> None:
    is_sqlite = database_url.startswith("sqlite")
    assert torture(KILLS, SEED, print, database_url=None if is_sqlite else database_url) == []
