"""Two processes that make, move, delete and restore the same names: nothing is lost, and nothing is in two places."""

from pathlib import Path

import pytest

from tests.prepared import migrate
from tests.torture import folders

RACES, SEED = 20, 20261129


@pytest.mark.alone
def test_races_leave_everything_in_one_place(database_url: str, tmp_path: Path) -> None:
    migrate(database_url)
    assert folders.race(tmp_path / "data", database_url, histories=RACES, seed=SEED) == []
