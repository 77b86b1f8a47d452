"""Backups under load, with kills of the service, of backups and of restores: a sample of `scripts/torture backup`."""

import pytest

from benchmarks.servers import NotInstalled
from tests.missing import missing
from tests.torture.backup import torture

SEED = 20261129

pytestmark = pytest.mark.one_machine("it brings engines of its own")


@pytest.mark.alone
@pytest.mark.heavy
@pytest.mark.parametrize(("grown", "cycles"), [pytest.param(False, 2, id="disk"), pytest.param(True, 1, id="grown")])
def test_what_was_acknowledged_before_a_backup_is_there_after_a_restore(grown: bool, cycles: int) -> None:
    try:
        assert torture(cycles, SEED, print, grown=grown) == []
    except NotInstalled as error:
        missing(str(error))
