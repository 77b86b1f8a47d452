"""Prepared INSERT, UPDATE and DELETE, and the connection that is kept for writing."""

import uuid
from collections.abc import Callable

import pytest
from sqlalchemy import bindparam, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from tests.services.conftest import Bench
from transfer_service.db.database import Database
from transfer_service.db.prepared import PreparedSelect, PreparedWrite
from transfer_service.errors import AccountGone, StoreUnavailable
from transfer_service.models.accounts import Account, AccountPermission, SignIn
from transfer_service.models.files import File

_permissions, _accounts = AccountPermission.__table__, Account.__table__
_GRANT = PreparedWrite(insert(_permissions))
_RENAME = PreparedWrite(
    update(_permissions)
    .where(_permissions.c.permission == bindparam("old"))
    .values(permission=bindparam("new"))
    .returning(_permissions.c.account_id, _permissions.c.permission)
)
_REVOKE = PreparedWrite(delete(_permissions).where(_permissions.c.permission == bindparam("name")))
_ALL = PreparedSelect(select(_permissions.c.permission).order_by(_permissions.c.permission))


def permissions(bench: Bench) -> list[str]:
    with bench.services.database.read_rows() as rows:
        return [row.permission for row in _ALL.find_all(rows, {})]


def grant(bench: Bench, *names: str, account_id: uuid.UUID | None = None) -> None:
    with bench.services.database.write_rows() as rows:
        for name in names:
            _GRANT.run(rows, {"account_id": account_id or bench.account_id, "permission": name})


def test_rows_are_inserted_changed_told_and_deleted(any_bench: Bench) -> None:
    grant(any_bench, "a", "b")
    with any_bench.services.database.write_rows() as rows:
        (changed,) = _RENAME.find_all(rows, {"old": "a", "new": "c"})
        assert tuple(changed) == (any_bench.account_id, "c")
        assert _RENAME.find(rows, {"old": "a", "new": "d"}) is None
        assert [_REVOKE.run(rows, {"name": name}) for name in ("b", "b")] == [1, 0]
    assert permissions(any_bench) == ["c"]


@pytest.mark.parametrize("durable", [False, True])
def test_what_an_error_interrupts_is_undone_and_the_next_transaction_works(any_bench: Bench, durable: bool) -> None:
    with pytest.raises(ZeroDivisionError), any_bench.services.database.write_rows(durable=durable) as rows:
        _GRANT.run(rows, {"account_id": any_bench.account_id, "permission": "a"})
        _ = 1 / 0
    grant(any_bench, "b")
    assert permissions(any_bench) == ["b"]


def test_a_row_that_is_there_already_is_one_error_on_both_databases(any_bench: Bench) -> None:
    with pytest.raises(IntegrityError):
        grant(any_bench, "a", "a")
    assert permissions(any_bench) == []


def test_a_row_of_an_account_that_is_gone_is_refused_by_name(any_bench: Bench) -> None:
    with pytest.raises(AccountGone):
        grant(any_bench, "a", account_id=uuid.uuid4())
    assert permissions(any_bench) == []


def test_a_parameter_that_is_missing_is_no_null(bench: Bench) -> None:
    with pytest.raises(KeyError), bench.services.database.write_rows() as rows:
        _RENAME.run(rows, {"old": "a"})


def test_values_that_only_sqlalchemy_would_compute_are_refused(bench: Bench) -> None:
    some = PreparedWrite(insert(File.__table__).values(id=bindparam("id"), name=bindparam("name")))
    with pytest.raises(TypeError, match="Python"), bench.services.database.write_rows() as rows:
        some.run(rows, {"id": uuid.uuid4(), "name": "a"})


def test_sessions_and_rows_take_turns_on_one_connection(bench: Bench) -> None:
    database, ids = bench.services.database, set()
    for use in (database.write_rows, database.write) * 2:
        opened: Callable[..., object] = use
        with opened() as rows:  # type: ignore[attr-defined]
            connection = rows if use == database.write_rows else rows.connection()
            ids.add(id(connection.connection.driver_connection))
            connection.execute(update(_accounts).values(used_bytes=_accounts.c.used_bytes + 1))
    assert (len(ids), bench.used_bytes()) == (1, 4)


def test_objects_of_a_session_are_written_with_the_rows_and_undone_with_them(any_bench: Bench) -> None:
    now, sign_in_id = any_bench.clock(), uuid.uuid4()
    with pytest.raises(ZeroDivisionError), any_bench.services.database.write() as session:
        session.add(SignIn(id=sign_in_id, account_id=any_bench.account_id, created_at=now, expires_at=now))
        session.flush()
        _ = 1 / 0
    with any_bench.services.database.write() as session:
        assert session.get(SignIn, sign_in_id) is None
        session.add(SignIn(id=sign_in_id, account_id=any_bench.account_id, created_at=now, expires_at=now))
    with any_bench.services.database.read() as session:
        assert session.get(SignIn, sign_in_id) is not None


def test_a_commit_that_fails_is_named_and_leaves_nothing(bench: Bench) -> None:
    def broken(commit: Callable[[], None]) -> None:
        del commit
        raise StoreUnavailable

    database = Database(bench.services.database.url, run_blocking=broken)
    with pytest.raises(StoreUnavailable), database.write_rows(durable=True) as rows:
        _GRANT.run(rows, {"account_id": bench.account_id, "permission": "a"})
    with database.write_rows() as rows:  # nobody holds the lock any more
        rows.execute(text("UPDATE accounts SET used_bytes = 7"))
    assert (permissions(bench), bench.used_bytes()) == ([], 7)
    database.dispose()


def test_a_disposed_database_opens_again(bench: Bench) -> None:
    bench.services.database.dispose()
    grant(bench, "a")
    assert permissions(bench) == ["a"]
