"""Beginning, renewing, checking and ending sign-ins."""

import threading
import uuid
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from tests.conftest import PASSWORD
from tests.services.conftest import Bench
from transfer_service.db.database import Database
from transfer_service.errors import BadCredentials
from transfer_service.models.accounts import RefreshToken
from transfer_service.services.accounts.sign_ins import FamilyGrant, Identity, SignInService


def begin(bench: Bench) -> FamilyGrant:
    return bench.services.sign_ins.begin(account_id=bench.account_id, name="alice")


def identity(bench: Bench, grant: FamilyGrant) -> Identity | None:
    return bench.services.sign_ins.find_identity(grant.sign_in_id, name=grant.name)


def renew(bench: Bench, grant: FamilyGrant) -> FamilyGrant:
    who = Identity(bench.account_id, grant.name, is_admin=False, sign_in_id=grant.sign_in_id)
    return bench.services.sign_ins.renew(who, refresh_jti=grant.refresh_jti)


def test_a_sign_in_speaks_for_its_account(any_bench: Bench) -> None:
    grant = begin(any_bench)
    assert identity(any_bench, grant) == Identity(any_bench.account_id, "alice", False, grant.sign_in_id)


def test_a_renewal_keeps_the_family_and_changes_the_token(any_bench: Bench) -> None:
    grant = begin(any_bench)
    renewed = renew(any_bench, grant)
    assert renewed.sign_in_id == grant.sign_in_id
    assert renewed.refresh_jti != grant.refresh_jti
    assert identity(any_bench, renewed) is not None


@pytest.mark.parametrize("seconds", [0, 30])
def test_a_second_use_soon_after_the_first_gives_another_pair_that_works(any_bench: Bench, seconds: float) -> None:
    grant = begin(any_bench)
    first = renew(any_bench, grant)
    any_bench.clock.advance(seconds=seconds)
    second = renew(any_bench, grant)
    assert {first.sign_in_id, second.sign_in_id} == {grant.sign_in_id}
    any_bench.clock.advance(days=1)
    assert len({renew(any_bench, each).refresh_jti for each in (first, second)}) == 2
    assert identity(any_bench, grant) is not None


def test_reuse_does_not_prolong_the_time_for_reuse(bench: Bench) -> None:
    grant = begin(bench)
    for _ in range(4):
        renew(bench, grant)
        bench.clock.advance(seconds=10)
    with pytest.raises(BadCredentials):
        renew(bench, grant)
    assert identity(bench, grant) is None


@pytest.mark.parametrize("renewals", [1, 2], ids=["spent", "spent-and-forgotten"])
def test_a_second_use_later_ends_the_family(any_bench: Bench, renewals: int) -> None:
    grant = renewed = begin(any_bench)
    for _ in range(renewals):
        renewed = renew(any_bench, renewed)
        any_bench.clock.advance(seconds=31)
    with pytest.raises(BadCredentials):
        renew(any_bench, grant)
    assert identity(any_bench, grant) is None
    with pytest.raises(BadCredentials):
        renew(any_bench, renewed)


def test_reuse_leaves_the_accounts_other_sign_ins_alone(bench: Bench) -> None:
    stolen, other = begin(bench), begin(bench)
    renew(bench, stolen)
    bench.clock.advance(minutes=1)
    with pytest.raises(BadCredentials):
        renew(bench, stolen)
    assert identity(bench, other) is not None
    assert renew(bench, other).sign_in_id == other.sign_in_id


def test_renewals_at_once_by_two_instances_all_work(any_bench: Bench) -> None:
    services = any_bench.services
    database = Database(services.database.url)
    sign_ins = SignInService(replace(services.core, database=database))
    another = replace(any_bench, services=replace(services, sign_ins=sign_ins))
    grant = begin(any_bench)
    renewed: list[FamilyGrant] = []
    threads = [
        threading.Thread(target=lambda instance=instance: renewed.append(renew(instance, grant)))
        for instance in [any_bench, another] * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    any_bench.clock.advance(days=1)
    assert len({renew(another, each).refresh_jti for each in renewed}) == 8
    database.dispose()


def test_spent_tokens_leave_no_rows_behind(bench: Bench) -> None:
    grant = begin(bench)
    for _ in range(5):
        grant = renew(bench, grant)
        bench.clock.advance(minutes=30)
    with bench.services.database.read() as session:
        assert session.scalar(select(func.count()).select_from(RefreshToken)) == 2


def test_signing_out_ends_one_sign_in(bench: Bench) -> None:
    grant, other = begin(bench), begin(bench)
    bench.services.sign_ins.end(grant.sign_in_id)
    assert (identity(bench, grant), identity(bench, other) is None) == (None, False)
    with pytest.raises(BadCredentials):
        renew(bench, grant)


def test_a_disabled_account_is_out_at_once_and_enabling_revives_nothing(any_bench: Bench) -> None:
    grant = begin(any_bench)
    any_bench.services.accounts.disable("alice")
    with pytest.raises(BadCredentials):
        begin(any_bench)
    any_bench.services.accounts.enable("alice")
    assert identity(any_bench, grant) is None
    with pytest.raises(BadCredentials):
        renew(any_bench, grant)


def test_a_new_password_ends_every_sign_in(bench: Bench) -> None:
    grants = [begin(bench), begin(bench)]
    bench.services.accounts.set_password("alice", PASSWORD + "!")
    assert [identity(bench, grant) for grant in grants] == [None, None]
    assert identity(bench, begin(bench)) is not None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"sign_in_id": uuid.UUID(int=1)}, id="unknown-family"),
        pytest.param({"name": "bob"}, id="another-name"),
    ],
)
def test_a_token_that_does_not_fit_speaks_for_nobody(bench: Bench, change: dict[str, object]) -> None:
    grant = begin(bench)
    assert identity(bench, replace(grant, **change)) is None  # type: ignore[arg-type]
    assert identity(bench, grant) is not None


def test_a_spent_sign_in_is_removed_and_stays_ended(bench: Bench) -> None:
    ended, alive = begin(bench), begin(bench)
    bench.services.sign_ins.end(ended.sign_in_id)
    assert bench.services.cleanup.run().removed.spent_sign_ins.count == 1
    assert (identity(bench, ended), identity(bench, alive) is None) == (None, False)


def test_a_renewal_prolongs_the_family(bench: Bench) -> None:
    grant = begin(bench)
    bench.clock.advance(days=29)
    renew(bench, grant)
    bench.clock.advance(days=29)
    assert bench.services.cleanup.run().removed.spent_sign_ins.count == 0
    bench.clock.advance(days=2)
    assert bench.services.cleanup.run().removed.spent_sign_ins.count == 1
