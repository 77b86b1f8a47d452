"""Any history of files, folders and uploads under way agrees with a model, on both databases."""

from collections.abc import Callable

import pytest

from tests.proofs import length
from tests.services.files import folder_engine
from tests.services.uploads.bench import Uploads, make_uploads

pytestmark = pytest.mark.long

__all__ = ["make_uploads"]

STEPS = {True: length(2_000, whole=5_000), False: 300}  # SQLite is in this process, PostgreSQL a server
SEED = 20261129


@pytest.mark.unmeasured
@pytest.mark.parametrize("trash_days", [0, 0.01])
def test_any_history_agrees_with_the_model(
    make_uploads: Callable[..., Uploads], database_url: str, trash_days: float
) -> None:
    bench = make_uploads(database_url=database_url, durability="process", trash_days=trash_days)
    steps = STEPS[bench.services.database.is_sqlite]
    assert folder_engine.run(bench, steps=steps, number=SEED) > steps / 2
