"""Whatever is killed between a change and its commit, and behind it: the log and what there is agree."""

import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.proofs import length
from tests.services.conftest import Bench
from tests.services.events import ledger
from transfer_service.models.accounts import Account

REPOSITORY = Path(__file__).parents[3]
KILLS = length(3, whole=20)
"""Of each kind of change, spread evenly over its steps."""
KINDS = 8
Change = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def killing() -> Iterator[Change]:
    """Has a program make one kind of change, up to the last step that it may take."""
    command = [sys.executable, "-m", "tests.services.events.killed_changes"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None and program.stdout is not None
        stdin, stdout = program.stdin, program.stdout

        def change(bench: Bench, kind: int, *, last: int | None = None) -> dict[str, Any]:
            settings = bench.services.core.settings
            order = {"data_dir": str(settings.data_dir), "database_url": settings.resolved_database_url}
            stdin.write(json.dumps({**order, "account_id": str(bench.account_id), "kind": kind, "last": last}) + "\n")
            stdin.flush()
            answer: dict[str, Any] = json.loads(stdout.readline())
            return answer

        yield change
        stdin.close()


@pytest.mark.parametrize("kind", range(KINDS))
def test_a_kill_at_any_step_leaves_one_row_for_each_change_that_counts(
    any_bench: Bench, killing: Change, kind: int
) -> None:
    services = any_bench.services
    with services.database.write() as session:
        session.add(Account(id=uuid.uuid4(), name="bob", password_hash="!", created_at=any_bench.clock()))
    beginning = len(ledger.entries(services))
    first = killing(any_bench, kind)
    assert first["status"] == 0
    steps, counts = int(first["steps"]), set()
    whole = len(ledger.entries(services)) - beginning
    for number in range(1, KILLS + 1):
        before = len(ledger.entries(services))
        killing(any_bench, kind, last=steps * number // (KILLS + 1))
        counts.add(len(ledger.entries(services)) - before)
        ledger.check(services)
    assert whole and max(counts) <= whole
    assert 0 in counts  # killed before the first commit
    any_bench.clock.advance(days=2)
    services.cleanup.run()
    ledger.check(services)
