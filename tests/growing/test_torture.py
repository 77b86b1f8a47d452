"""A sample of `scripts/torture growing`."""

import pytest

from benchmarks.servers import NotInstalled
from tests.growing.torture import torture
from tests.missing import missing
from tests.proofs import length

HISTORIES, SEED = length(12, whole=18), 15


@pytest.mark.alone
@pytest.mark.heavy
def test_nothing_acknowledged_is_lost_or_doubled_while_instances_die_freeze_and_are_cut_off() -> None:
    said: list[str] = []
    try:
        faults = torture(HISTORIES, SEED, said.append)
    except NotInstalled as error:
        missing(str(error))
    assert not faults, said
    assert "trouble: " in said[-1]
