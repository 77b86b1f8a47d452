"""Who acts, wherever the work is done."""

import uuid

import gevent

from tests.services.conftest import Bench
from tests.services.events import ledger
from transfer_service.services.events.actions import Action
from transfer_service.services.events.actors import NOBODY, Actor, as_actor, present_actor
from transfer_service.services.events.audit import actor_for, record
from transfer_service.services.steps import Steps
from transfer_service.threads import offload

ALICE = Actor(uuid.uuid4(), "alice", "192.0.2.1")
BOB = Actor(uuid.uuid4(), "bob", "192.0.2.2")


def test_work_on_somebodys_behalf_ends_with_its_block() -> None:
    with as_actor(ALICE):
        with as_actor(BOB):
            assert present_actor() == BOB
        assert present_actor() == ALICE
    assert present_actor() == NOBODY


def test_who_acts_goes_with_the_work_into_threads() -> None:
    with as_actor(ALICE):
        assert offload(present_actor) == ALICE
        assert Steps[Actor]().take(uuid.uuid4(), present_actor, seconds=10) == ALICE


def test_one_greenlet_does_not_act_for_another() -> None:
    def act(actor: Actor) -> Actor:
        with as_actor(actor):
            gevent.sleep(0)
            return present_actor()

    tasks = [gevent.spawn(act, each) for each in (ALICE, BOB)]
    gevent.joinall(tasks)
    assert [each.value for each in tasks] == [ALICE, BOB]


def test_what_was_left_undone_is_told_of_whose_it_is(any_bench: Bench) -> None:
    with as_actor(BOB), any_bench.services.database.write_rows() as rows:
        record(rows, Action.FILE_UPLOADED, "id", {}, at=any_bench.clock(), actor=actor_for(any_bench.account_id))
    assert (ledger.entries(any_bench.services)[-1].username, ledger.entries(any_bench.services)[-1].ip_address) == (
        "alice",
        None,
    )


def test_of_an_account_that_is_gone_no_name_is_known(any_bench: Bench) -> None:
    with any_bench.services.database.write_rows() as rows:
        record(rows, Action.FILE_UPLOADED, "id", {}, at=any_bench.clock(), actor=Actor(uuid.uuid4(), None, None))
    assert ledger.entries(any_bench.services)[-1].username is None
