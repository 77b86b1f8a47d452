"""Who was locked out stays out: a power loss must not bring back what let him in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection

from tests.conftest import PASSWORD
from tests.services.conftest import Bench
from transfer_service.db.database import Database
from transfer_service.errors import BadCredentials
from transfer_service.services.accounts.sign_ins import REUSE_SECONDS, Identity

NEW_PASSWORD = "another long password"


def end_a_sign_in(bench: Bench) -> None:
    grant = bench.services.sign_ins.begin(account_id=bench.account_id, name="alice")
    bench.services.sign_ins.end(grant.sign_in_id)


def use_a_spent_token(bench: Bench) -> None:
    sign_ins = bench.services.sign_ins
    grant = sign_ins.begin(account_id=bench.account_id, name="alice")
    who = Identity(bench.account_id, "alice", is_admin=False, sign_in_id=grant.sign_in_id)
    sign_ins.renew(who, refresh_jti=grant.refresh_jti)
    bench.clock.advance(seconds=REUSE_SECONDS + 1)
    with pytest.raises(BadCredentials):
        sign_ins.renew(who, refresh_jti=grant.refresh_jti)


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda bench: bench.services.accounts.set_password("alice", NEW_PASSWORD), id="new-password"),
        pytest.param(lambda bench: bench.services.accounts.disable("alice"), id="disabled"),
        pytest.param(lambda bench: bench.services.accounts.revoke("alice", "games.download"), id="permission"),
        pytest.param(end_a_sign_in, id="signed-out"),
        pytest.param(use_a_spent_token, id="spent-token"),
    ],
)
def test_a_lock_out_is_on_the_disk(bench: Bench, act: Callable[[Bench], None], monkeypatch: pytest.MonkeyPatch) -> None:
    bench.services.accounts.create("bob", PASSWORD, is_admin=True)
    bench.services.accounts.grant("alice", "games.download")
    commits = []
    write = Database.write_rows

    @contextmanager
    def noted_write(self: Database, *, durable: bool = False, joins: bool = True) -> Iterator[Connection]:
        with write(self, durable=durable, joins=joins) as rows:
            yield rows
        commits.append(durable)

    monkeypatch.setattr(Database, "write_rows", noted_write)
    act(bench)
    assert commits[-1] is True
