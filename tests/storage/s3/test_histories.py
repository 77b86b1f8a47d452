"""Seeded histories against a model: what counts is read to the byte, and what does not is gone after a cleanup."""

from collections import Counter

import pytest

from tests.storage.s3.histories import History
from transfer_service.db.database import Database

KINDS = {"part", "whole", "joined", "compacted", "overtaken", "woken", "killed"}


@pytest.mark.parametrize("first", range(0, 200, 40))
def test_no_history_loses_a_byte_or_leaves_an_object(database: Database, first: int) -> None:
    made: Counter[str] = Counter()
    for seed in range(first, first + 40):
        history = History(seed, database)
        history.run(30)
        made += history.made
    assert made.keys() == KINDS
