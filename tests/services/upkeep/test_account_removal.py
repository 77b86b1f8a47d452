"""Removing an account with all its data."""

import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import select

from tests.conftest import PASSWORD
from tests.services.chat.bench import Chat
from tests.services.conftest import Bench
from tests.stores import put
from transfer_service.errors import AccountGone, LastAdmin, NotFound, NotParticipant, TransferError, UploadGone
from transfer_service.models.accounts import DELETED_ACCOUNT, Account
from transfer_service.models.base import Base
from transfer_service.models.chat import Message
from transfer_service.services.upkeep import account_removal
from transfer_service.wire.attachments import Attachment

PHOTO = Attachment(filename="photo.jpg", media_type="image/jpeg", length=5, sha256="ab" * 32)


@pytest.fixture
def bob(any_bench: Bench) -> Bench:
    """The same services in the hands of `bob`, who is there before and after."""
    any_bench.services.accounts.create("bob", PASSWORD)
    return replace(any_bench, account_id=any_bench.services.accounts.get("bob").account_id)


def remove(bench: Bench, name: str = "alice") -> None:
    bench.services.account_removal.remove(name)


def send_photo(chat: Chat, bench: Bench, conversation_id: str) -> str:
    """A message of `alice` with an attachment whose bytes are there."""
    message_id = bench.services.messages.new_id()
    store = bench.services.core.attachments
    put(store, f"{message_id}/{PHOTO.filename}", b"hello")
    chat.post(conversation_id, None, message_id=message_id, attachment=PHOTO)
    return message_id


def mentions(bench: Bench, account_id: uuid.UUID) -> list[str]:
    """The tables that still name an account."""
    columns = [
        column
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if any(key.column.table.name == "accounts" for key in column.foreign_keys)
    ]
    with bench.services.database.read() as session:
        return [
            f"{column.table.name}.{column.name}"
            for column in columns
            if session.execute(select(column).where(column == account_id).limit(1)).first() is not None
        ]


def test_files_and_uploads_go_with_their_account_and_nobody_elses(any_bench: Bench, bob: Bench) -> None:
    any_bench.store(b"whole", "whole.bin")
    any_bench.append(0, b"part", "part.bin", total=9)
    bob.store(b"his", "his.bin")
    remove(any_bench)
    assert (any_bench.rows(), len(any_bench.blobs()), bob.names()) == (1, 1, ["his.bin"])
    assert mentions(any_bench, any_bench.account_id) == []
    with pytest.raises(NotFound):
        any_bench.services.accounts.get("alice")


def test_messages_keep_their_rows_and_say_nothing_more(any_bench: Bench) -> None:
    chat = Chat(any_bench)
    group = chat.group("bob", "carol")
    chat.post(group, "my secret")
    photo_id = send_photo(chat, any_bench, group)
    chat.post(group, "his own", sender="bob")
    remove(any_bench)
    messages = [(each.sender, each.content, each.attachment, each.is_deleted) for each in chat.history(group, "bob")]
    assert messages == [
        ("bob", "his own", None, False),
        (DELETED_ACCOUNT, None, None, True),
        (DELETED_ACCOUNT, None, None, True),
    ]
    assert any_bench.services.core.attachments.stored_bytes(photo_id) is None
    info = chat.info(group, "bob")
    assert (info.owner, info.participants) == ("bob", ("bob", "carol"))


def test_a_new_account_of_that_name_inherits_nothing(any_bench: Bench) -> None:
    chat = Chat(any_bench)
    conversation_id = chat.direct()
    chat.post(conversation_id, "my secret")
    any_bench.store(b"whole", "whole.bin")
    old = any_bench.services.sign_ins.begin(account_id=any_bench.account_id, name="alice")
    remove(any_bench)
    any_bench.services.accounts.create("alice", PASSWORD)
    new = replace(any_bench, account_id=any_bench.services.accounts.get("alice").account_id)
    assert (new.names(), new.used_bytes(), new.services.accounts.get("alice").permissions) == ([], 0, ())
    assert any_bench.services.sign_ins.find_identity(old.sign_in_id, name="alice") is None
    with pytest.raises(NotParticipant):
        chat.history(conversation_id)


def test_a_large_account_goes_in_batches(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_removal, "BATCH", 2)
    chat = Chat(bench)
    conversation_id = chat.direct()
    for number in range(5):
        bench.store(b"x", f"{number}.bin")
        chat.post(conversation_id, f"message {number}")
    remove(bench)
    assert (bench.rows(), bench.blobs()) == (0, set())
    assert {each.content for each in chat.history(conversation_id, "bob")} == {None}


def test_a_removal_that_was_killed_locks_out_and_is_done_by_doing_it_again(bench: Bench) -> None:
    bench.store(b"whole", "whole.bin")
    grant = bench.services.sign_ins.begin(account_id=bench.account_id, name="alice")
    files, removal = bench.services.files, bench.services.account_removal

    class Killed:
        def forget(self, _file_id: uuid.UUID) -> None:
            raise KeyboardInterrupt

    removal._files = Killed()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        remove(bench)
    assert bench.services.accounts.get("alice").disabled
    assert bench.services.sign_ins.find_identity(grant.sign_in_id, name="alice") is None
    removal._files = files
    remove(bench)
    assert mentions(bench, bench.account_id) == []
    assert bench.services.cleanup.run().removed.unfinished_deletions.count == 1
    assert bench.blobs() == set()


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(lambda bench, meanwhile: bench.append(0, b"x", total=9, before_the_end=meanwhile), id="chunk"),
        pytest.param(lambda bench, meanwhile: bench.store(b"x", before_the_end=meanwhile), id="whole-file"),
    ],
)
def test_a_request_under_way_ends_and_leaves_nothing(
    any_bench: Bench, send: Callable[[Bench, Callable[[], None]], object]
) -> None:
    with pytest.raises((UploadGone, AccountGone)):
        send(any_bench, lambda: remove(any_bench))
    assert (any_bench.rows(), any_bench.blobs()) == (0, set())


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda bench: bench.append(0, b"x", total=9), id="chunk"),
        pytest.param(lambda bench: bench.store(b"x"), id="whole-file"),
        pytest.param(
            lambda bench: bench.services.sign_ins.begin(account_id=bench.account_id, name="alice"), id="sign-in"
        ),
        pytest.param(lambda bench: bench.services.conversations.create_group(bench.account_id, "team", []), id="group"),
    ],
)
def test_a_request_that_was_let_in_before_is_refused_in_words(any_bench: Bench, act: Callable[[Bench], object]) -> None:
    remove(any_bench)
    with pytest.raises(TransferError):
        act(any_bench)
    assert (any_bench.rows(), any_bench.blobs()) == (0, set())
    assert mentions(any_bench, any_bench.account_id) == []


def test_the_last_enabled_administrator_is_not_removed(any_bench: Bench) -> None:
    accounts = any_bench.services.accounts
    accounts.create("root", PASSWORD, is_admin=True)
    with pytest.raises(LastAdmin):
        remove(any_bench, "root")
    assert not accounts.get("root").disabled
    accounts.create("boss", PASSWORD, is_admin=True)
    remove(any_bench, "root")
    assert [account.name for account in accounts.list_accounts()] == ["alice", "boss"]


def test_deleting_twice_or_nobody_is_told(bench: Bench) -> None:
    remove(bench)
    for name in ("alice", "nobody"):
        with pytest.raises(NotFound, match=f"There is no account {name}"):
            remove(bench, name)
    with bench.services.database.read() as session:
        assert session.scalars(select(Account.id)).all() == []
        assert session.scalars(select(Message.id)).all() == []
