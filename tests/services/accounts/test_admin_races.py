"""Administrators who change each other, and requests that had begun before somebody lost his rights."""

from collections.abc import Callable
from functools import partial
from threading import Barrier, Thread

import pytest

from config import Settings
from tests.conftest import PASSWORD, Clock
from tests.prepared import migrate
from transfer_service.bootstrap import Services, build_services
from transfer_service.errors import BadCredentials, Forbidden, LastAdmin, TransferError
from transfer_service.services.accounts.accounts import AccountDraft
from transfer_service.services.accounts.changes import Changes
from transfer_service.services.accounts.sign_ins import Identity

ADMINS = ("ada", "ben", "cy")
ROUNDS = 12


@pytest.fixture
def services(make_settings: Callable[..., Settings], database_url: str, clock: Clock) -> Services:
    migrate(database_url)
    services = build_services(make_settings(database_url=database_url), now=clock)
    for name in (*ADMINS, "dora"):
        services.accounts.add(AccountDraft(name, is_admin=name in ADMINS), PASSWORD)
    return services


def signed_in(services: Services, name: str) -> Identity:
    """Who is let in when his request begins."""
    account_id = services.accounts.get(name).account_id
    grant = services.sign_ins.begin(account_id=account_id, name=name)
    identity = services.sign_ins.find_identity(grant.sign_in_id, name=name)
    assert identity is not None
    return identity


def at_once(calls: list[Callable[[], object]]) -> list[type[BaseException] | None]:
    """What each call raises, when all begin at one moment."""
    barrier, raised = Barrier(len(calls)), list[type[BaseException] | None]([None] * len(calls))

    def run(place: int) -> None:
        barrier.wait()
        try:
            calls[place]()
        except BaseException as error:  # noqa: BLE001 - all of them are looked at
            raised[place] = type(error)

    threads = [Thread(target=run, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def admins(services: Services) -> set[str]:
    """The enabled administrators."""
    return {each.name for each in services.accounts.list_accounts() if each.is_admin and not each.disabled}


@pytest.mark.parametrize("taking", [Changes(is_admin=False), Changes(is_disabled=True)], ids=["flag", "disabled"])
def test_administrators_who_remove_each_other_leave_one(services: Services, taking: Changes) -> None:
    for _ in range(ROUNDS):
        for name in ADMINS:
            services.accounts.change(name, Changes(is_admin=True, is_disabled=False))
        who = {name: signed_in(services, name) for name in ADMINS}
        targets = [(ADMINS[place], ADMINS[(place + 1) % len(ADMINS)]) for place in range(len(ADMINS))]
        calls = [partial(services.accounts.change, target, taking, by=who[name]) for name, target in targets]
        raised = at_once([*calls])
        left = admins(services)
        assert left, raised
        assert len(left) == len(ADMINS) - raised.count(None)
        assert set(raised) <= {None, Forbidden, BadCredentials, LastAdmin}


def test_who_lost_the_flag_meanwhile_changes_nothing_more(services: Services) -> None:
    ada = signed_in(services, "ada")
    services.accounts.change("ada", Changes(is_admin=False))
    calls: list[Callable[[], object]] = [
        lambda: services.accounts.change("dora", Changes(is_admin=True), by=ada),
        lambda: services.accounts.change("ada", Changes(is_admin=True), by=ada),
        lambda: services.accounts.add(AccountDraft("eve", is_admin=True), PASSWORD, by=ada),
        lambda: services.account_removal.remove("dora", by=ada),
    ]
    for call in calls:
        with pytest.raises(Forbidden):
            call()
    assert admins(services) == {"ben", "cy"}
    assert [each.name for each in services.accounts.list_accounts()] == ["ada", "ben", "cy", "dora"]


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(lambda services, _by: services.accounts.set_password("ada", "another horse"), id="password"),
        pytest.param(lambda services, by: services.sessions.end(by.account_id, by.sign_in_id), id="session"),
        pytest.param(lambda services, _by: services.accounts.disable("ada"), id="disabled"),
    ],
)
def test_whose_sign_in_has_ended_meanwhile_changes_nothing_more(
    services: Services, ending: Callable[[Services, Identity], object]
) -> None:
    ada = signed_in(services, "ada")
    ending(services, ada)
    with pytest.raises(TransferError) as raised:
        services.accounts.change("dora", Changes(is_admin=True), by=ada)
    assert isinstance(raised.value, BadCredentials)
    assert not services.accounts.get("dora").is_admin


def test_parallel_grants_lose_none(services: Services) -> None:
    permissions = [f"right.{number}" for number in range(6)]
    raised = at_once([partial(services.accounts.grant, "dora", each) for each in permissions])
    assert (raised, services.accounts.get("dora").permissions) == ([None] * 6, tuple(permissions))


def test_one_name_is_given_once(services: Services) -> None:
    raised = at_once([lambda: services.accounts.add(AccountDraft("new"), PASSWORD)] * 4)
    assert raised.count(None) == 1
    assert [each.name for each in services.accounts.list_accounts()].count("new") == 1
