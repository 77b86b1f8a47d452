"""Keys in the database: on both, and over two instances, of which each remembers keys that the other one ends."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.services.sharing.allotments import miscounted
from tests.services.sharing.test_allotment_races import at_once
from tests.services.uploads.bench import Uploads, any_uploads, make_uploads
from transfer_service.errors import BadCredentials, NotFound, QuotaExceeded
from transfer_service.models.keys import AccountKey, Scope
from transfer_service.models.sharing import Allotment
from transfer_service.services.accounts.keys import KEY_CHARACTERS, KeyDraft, KeyRecord
from transfer_service.services.accounts.sign_ins import Identity, KeyGrant

__all__ = ["any_uploads", "make_uploads"]

BOTH = frozenset({Scope.UPLOAD, Scope.CHAT})


def create(uploads: Uploads, **more: Any) -> tuple[KeyRecord, str]:
    fields: dict[str, Any] = {"name": "camera", "scopes": BOTH, "expires_at": None, "quota_bytes": None, **more}
    return uploads.services.keys.create(uploads.account_id, KeyDraft(**fields))


def listed(uploads: Uploads) -> list[KeyRecord]:
    return uploads.services.keys.list_keys(uploads.account_id, limit=100, after=None)


def rows(uploads: Uploads) -> tuple[int, int]:
    """How many keys and allotments there are."""
    with uploads.services.database.read() as session:
        counts = (session.scalars(select(func.count()).select_from(table)).one() for table in (AccountKey, Allotment))
        return next(counts), next(counts)


def test_a_key_speaks_for_its_account_with_its_scopes(any_uploads: Uploads) -> None:
    ends_at = any_uploads.clock.at.replace(microsecond=0) + timedelta(days=1)
    record, text = create(any_uploads, expires_at=ends_at, quota_bytes=5)
    grant = KeyGrant(record.id, BOTH, ends_at, has_quota=True)
    expected = Identity(any_uploads.account_id, "alice", is_admin=False, sign_in_id=record.id, key=grant)
    for _ in range(2):  # looked up, and remembered
        assert any_uploads.services.keys.find_identity(text) == expected
    assert any_uploads.services.keys.find_again(record.id) == expected
    assert any_uploads.services.sign_ins.find_alive({record.id}) == {record.id}
    assert listed(any_uploads) == [record]


def test_only_its_hash_is_stored(any_uploads: Uploads) -> None:
    _, text = create(any_uploads)
    with any_uploads.services.database.read() as session:
        stored = str([*session.execute(select(AccountKey.__table__)).one()])
    assert text[4:] not in stored
    assert len(text) == KEY_CHARACTERS


def test_a_key_that_another_instance_remembers_ends_at_once(any_uploads: Uploads) -> None:
    other = any_uploads.another_instance()
    record, text = create(any_uploads)
    assert other.services.keys.find_identity(text) is not None
    any_uploads.services.keys.revoke(any_uploads.account_id, record.id)
    assert other.services.keys.find_identity(text) is None
    assert other.services.keys.find_again(record.id) is None
    assert other.services.sign_ins.find_alive({record.id}) == set()


def test_a_remembered_key_rests_with_its_account_and_expires(any_uploads: Uploads) -> None:
    other = any_uploads.another_instance()
    _, text = create(any_uploads, expires_at=any_uploads.clock.at + timedelta(hours=1))
    assert other.services.keys.find_identity(text) is not None
    any_uploads.services.accounts.disable("alice")
    assert other.services.keys.find_identity(text) is None
    any_uploads.services.accounts.enable("alice")
    assert other.services.keys.find_identity(text) is not None
    any_uploads.clock.advance(hours=1)
    assert other.services.keys.find_identity(text) is None


def test_keys_go_with_their_account(any_uploads: Uploads) -> None:
    _, text = create(any_uploads, quota_bytes=5)
    assert any_uploads.services.keys.find_identity(text) is not None
    any_uploads.services.account_removal.remove("alice")
    assert (rows(any_uploads), any_uploads.services.keys.find_identity(text)) == ((0, 0), None)


@pytest.mark.parametrize("change", ["disable", "remove"])
def test_an_account_that_is_going_gets_no_key(any_uploads: Uploads, change: str) -> None:
    if change == "disable":
        any_uploads.services.accounts.disable("alice")
    else:
        any_uploads.services.account_removal.remove("alice")
    with pytest.raises(BadCredentials):
        create(any_uploads, quota_bytes=5)
    assert rows(any_uploads) == (0, 0)


def test_another_account_neither_sees_nor_ends_it(any_uploads: Uploads) -> None:
    record, text = create(any_uploads)
    other = any_uploads.another_account()
    assert listed(other) == []
    with pytest.raises(NotFound):
        other.services.keys.revoke(other.account_id, record.id)
    assert any_uploads.services.keys.find_identity(text) is not None


def test_a_revoked_key_leaves_no_allotment(any_uploads: Uploads) -> None:
    record, _ = create(any_uploads, quota_bytes=5)
    assert rows(any_uploads) == (1, 1)
    any_uploads.services.keys.revoke(any_uploads.account_id, record.id)
    assert rows(any_uploads) == (0, 0)


@pytest.mark.parametrize("text", ["", "tsk_", "tsk_" + "\ud800" * 43, "tsk_" + "\0" * 43, "tsk_" + "é" * 43])
def test_odd_texts_are_no_keys(any_uploads: Uploads, text: str) -> None:
    assert any_uploads.services.keys.find_identity(text) is None


def test_the_latest_use_at_any_instance_is_told(any_uploads: Uploads) -> None:
    other, clock = any_uploads.another_instance(), any_uploads.clock
    _, text = create(any_uploads)
    any_uploads.services.keys.find_identity(text)
    clock.advance(seconds=1)
    other.services.keys.find_identity(text)
    for each in (other, any_uploads):
        each.services.keys.uses.write()
    assert listed(any_uploads)[0].last_used_at == clock.at


def test_instances_that_write_many_uses_at_once_do_not_wait_for_each_other(any_uploads: Uploads) -> None:
    instances = [any_uploads, any_uploads.another_instance(), any_uploads.another_instance()]
    texts = [create(any_uploads)[1] for _ in range(30)]

    def use(number: int) -> None:
        keys = instances[number].services.keys
        for _ in range(5):
            for text in texts if number % 2 else reversed(texts):
                keys.find_identity(text)
            keys.uses.write()

    assert at_once([lambda number=number: use(number) for number in range(3)]) == []  # type: ignore[misc] # the number
    assert {each.last_used_at for each in listed(any_uploads)} == {any_uploads.clock.at}


def test_a_key_that_is_revoked_while_it_sends_leaves_everything_counted(any_uploads: Uploads) -> None:
    """Whatever comes first: the files stay, the account counts them, nobody waits for ever and nothing breaks."""
    instances = [any_uploads, any_uploads.another_instance()]
    for attempt in range(5):
        record, _ = create(any_uploads, quota_bytes=40)

        def send(number: int, attempt: int = attempt, key_id: uuid.UUID = record.id) -> None:
            instances[number % 2].begin(5, f"{attempt}/{number}", origin_id=key_id)

        def revoke(key_id: uuid.UUID = record.id) -> None:
            any_uploads.services.keys.revoke(any_uploads.account_id, key_id)

        raised = at_once([*(lambda number=number: send(number) for number in range(10)), revoke])
        assert {type(each) for each in raised} <= {QuotaExceeded}
    assert rows(any_uploads) == (0, 0)
    assert any_uploads.used_bytes() == any_uploads.reserved_bytes()
    assert not miscounted(any_uploads.services)
