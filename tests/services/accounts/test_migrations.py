"""What was there before sign-ins had several refresh tokens and messages outlived their senders comes through."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Uuid, column, create_engine, delete, insert, inspect, select, table
from sqlalchemy.exc import IntegrityError

from config import Settings
from tests.conftest import Clock
from transfer_service.bootstrap import Services, build_services
from transfer_service.db.schema import upgrade
from transfer_service.errors import BadCredentials
from transfer_service.models.accounts import Account
from transfer_service.models.base import UtcDateTime
from transfer_service.models.chat import Message
from transfer_service.services.accounts.sign_ins import Identity

BEFORE = "0006"
ACCOUNT, SIGN_IN, JTI = uuid.uuid4(), uuid.uuid4(), str(uuid.uuid4())
CONVERSATION, MESSAGE = "c" * 24, "d" * 24
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ROWS: dict[str, dict[str, Any]] = {
    "accounts": {
        "id": ACCOUNT, "name": "alice", "password_hash": "!", "is_admin": False, "used_bytes": 0, "created_at": AT,
    },
    "sign_ins": {
        "id": SIGN_IN, "account_id": ACCOUNT, "refresh_jti": JTI,
        "created_at": AT, "expires_at": AT + timedelta(days=9999),
    },
    "conversations": {"id": CONVERSATION, "kind": "group", "group_name": "team", "last_seq": 1, "created_at": AT},
    "messages": {
        "id": MESSAGE, "conversation_id": CONVERSATION, "seq": 1, "sender_id": ACCOUNT, "content": "hello",
        "type": "text", "created_at": AT, "pinned_at": AT,
    },
}  # fmt: skip


@pytest.fixture
def services(make_settings: Callable[..., Settings], database_url: str, clock: Clock) -> Iterator[Services]:
    """A database of the former version with rows in it, brought up to date."""
    upgrade(database_url, BEFORE)
    engine = create_engine(database_url)
    with engine.begin() as connection:
        for name, values in ROWS.items():
            columns = [column(key, _type(value)) for key, value in values.items()]
            connection.execute(insert(table(name, *columns)).values(values))
    engine.dispose()
    upgrade(database_url)
    services = build_services(make_settings(database_url=database_url), now=clock)
    yield services
    services.database.dispose()


def _type(value: object) -> Any:
    return Uuid() if isinstance(value, uuid.UUID) else UtcDateTime() if isinstance(value, datetime) else None


def test_an_old_refresh_token_renews(services: Services) -> None:
    identity = services.sign_ins.find_identity(SIGN_IN, name="alice")
    assert identity == Identity(ACCOUNT, "alice", is_admin=False, sign_in_id=SIGN_IN)
    assert services.sign_ins.renew(identity, refresh_jti=JTI).sign_in_id == SIGN_IN
    with pytest.raises(BadCredentials):
        services.sign_ins.renew(identity, refresh_jti=str(uuid.uuid4()))


def test_the_last_sign_in_is_the_last_that_is_known(services: Services) -> None:
    assert services.accounts.get("alice").last_sign_in_at == AT


def test_messages_are_as_they_were_and_outlive_their_sender(services: Services) -> None:
    with services.database.write() as session:
        message = session.get_one(Message, MESSAGE)
        assert (message.sender_id, message.content, message.pinned_at) == (ACCOUNT, "hello", AT)
        session.expunge_all()
        session.execute(delete(Account).where(Account.id == ACCOUNT))
        assert session.scalars(select(Message.sender_id)).all() == [None]


def test_messages_keep_their_keys_and_indexes(services: Services) -> None:
    twin = {**ROWS["messages"], "id": "e" * 24}
    with pytest.raises(IntegrityError), services.database.write() as session:
        session.execute(insert(Message).values(twin))
    engine = create_engine(services.database.url)
    assert "ix_messages_conversation_id_pinned_at" in {
        index["name"] for index in inspect(engine).get_indexes("messages")
    }
    engine.dispose()
