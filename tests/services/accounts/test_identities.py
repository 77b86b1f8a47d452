"""Whose account it is: sign-ins at a provider that meet, on both databases."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select

from config import Settings
from tests.conftest import PASSWORD
from tests.prepared import migrate
from tests.proofs import length
from transfer_service.bootstrap import Services, build_services
from transfer_service.errors import LastAdmin, SignInRefused
from transfer_service.models.accounts import Account
from transfer_service.models.identities import AccountIdentity
from transfer_service.services.accounts.changes import lock_expendable
from transfer_service.wire.openid import Asserted

ISSUER, NAME = "https://login.example.com", "alice@example.com"
GROUPS = {"heads": ["admin", "activities.read"]}
AT_ONCE, ROUNDS = 4, length(4, whole=30)


@pytest.fixture
def instances(make_settings: Callable[..., Settings], database_url: str) -> Iterator[list[Services]]:
    """Two, on one database."""
    both = [build_services(make_settings(database_url=database_url, oidc_groups=GROUPS)) for _ in range(2)]
    migrate(both[0].database.url)
    yield both
    for services in both:
        services.database.dispose()


def asserted(subject: str, name: str = NAME, *groups: str) -> Asserted:
    return Asserted(ISSUER, subject, name, frozenset(groups))


def outcome(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except (SignInRefused, LastAdmin) as error:
        return type(error)


def at_once(*works: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(outcome, works))


def counts(services: Services) -> list[int]:
    with services.database.read() as session:
        return [session.scalar(select(func.count()).select_from(each)) or 0 for each in (Account, AccountIdentity)]


def signs_in(services: Services, who: Asserted) -> Callable[[], Any]:
    return lambda: services.identities.sign_in(who)


@pytest.mark.parametrize("is_there", [True, False], ids=["linked", "made"])
def test_one_person_who_comes_first_several_times_at_once_has_one_account(
    instances: list[Services], is_there: bool
) -> None:
    for number in range(ROUNDS):
        who = asserted(f"s{number}", f"{number}@example.com")
        if is_there:
            instances[0].accounts.create(str(who.address), PASSWORD)
        found = at_once(*(signs_in(services, who) for services in instances * (AT_ONCE // 2)))
        assert len(set(found)) == 1
        assert found[0][1] == who.address
    assert counts(instances[0]) == [ROUNDS, ROUNDS]


def test_of_several_people_with_one_address_one_has_the_account(instances: list[Services]) -> None:
    for number in range(ROUNDS):
        people = [asserted(f"{number}{letter}", f"{number}@example.com") for letter in "abcd"]
        found = at_once(*map(signs_in, instances * (AT_ONCE // 2), people))
        assert (found.count(SignInRefused), len(set(found))) == (AT_ONCE - 1, 2)
    assert counts(instances[0]) == [ROUNDS, ROUNDS]


def test_administrators_who_lose_the_flag_at_once_leave_one(instances: list[Services]) -> None:
    names = [f"{number}@example.com" for number in range(3)]
    for _ in range(ROUNDS):
        for name in names:
            instances[0].identities.sign_in(asserted(name, name, "heads"))
        leaving = map(signs_in, [*instances, instances[0]], [asserted(name, name) for name in names])
        at_once(*leaving, lambda: _take_the_same_locks(instances[1], names[0]))
        enabled = [each for each in instances[0].accounts.list_accounts() if each.is_admin and not each.disabled]
        assert len(enabled) == 1


def _take_the_same_locks(services: Services, name: str) -> None:
    """As another one does who must leave an administrator."""
    with services.database.write() as session:
        lock_expendable(session, name)


def test_an_account_that_goes_meanwhile_is_made_anew(instances: list[Services]) -> None:
    for _ in range(ROUNDS):
        instances[0].identities.sign_in(asserted("s"))
        found, _ = at_once(signs_in(instances[0], asserted("s")), lambda: instances[1].account_removal.remove(NAME))
        assert found is SignInRefused or found[1] == NAME  # it is locked out before it goes
    assert instances[1].identities.sign_in(asserted("s"))[1] == NAME
    assert counts(instances[0]) == [1, 1]
