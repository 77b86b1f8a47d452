"""What was there before folders, the trash, the audit log and changes is what it was, and goes on."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import JSON, Uuid, column, create_engine, insert, table

from config import Settings
from tests.conftest import Clock
from transfer_service.bootstrap import Services, build_services
from transfer_service.db.schema import upgrade
from transfer_service.models.base import UtcDateTime
from transfer_service.services.events.actions import Action
from transfer_service.services.events.audit import record
from transfer_service.services.files.listing import FileQuery

BEFORE = "0011"
ACCOUNT, FILE, PART = (uuid.uuid4() for _ in range(3))
CONVERSATION = "c" * 24
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SLASH_OF_OLD = "2026\uff0fclip.mp4"
FACTS = {
    "account_id": ACCOUNT, "holds_name": True, "media_type": "video/mp4", "length": 10, "length_declared": True,
    "reserved_bytes": 10, "created_at": AT, "updated_at": AT,
}  # fmt: skip
NAMES = {"name": SLASH_OF_OLD, "folded_name": SLASH_OF_OLD}
ROWS: list[tuple[str, dict[str, Any]]] = [
    ("accounts", {
        "id": ACCOUNT, "name": "alice", "password_hash": "!", "is_admin": False, "used_bytes": 20, "created_at": AT,
    }),
    ("files", {
        **FACTS, **NAMES, "id": FILE, "state": "complete", "received_bytes": 10, "sha256": "0" * 64, "completed_at": AT,
    }),
    ("files", {**FACTS, "id": PART, "name": "part", "folded_name": "part", "state": "receiving", "received_bytes": 4}),
    ("received_ranges", {"file_id": FILE, "start": 0, "stop": 10}),
    ("received_ranges", {"file_id": PART, "start": 0, "stop": 4}),
    ("retired_dates", {"id": uuid.uuid4(), "account_id": ACCOUNT, "name": "gone", "modified_at": AT}),
    *(
        ("activities", {
            "id": id_, "username": "alice", "action": "download.started", "resource": "games", "resource_id": str(id_),
            "details": {}, "created_at": AT,
        })
        for id_ in (7, 3, 40)
    ),
    ("conversations", {"id": CONVERSATION, "kind": "group", "owner_id": ACCOUNT, "last_seq": 2, "created_at": AT}),
    ("participants", {
        "conversation_id": CONVERSATION, "account_id": ACCOUNT, "position": 1, "joined_at": AT, "read_seq": 0,
    }),
    *(
        ("messages", {
            "id": str(seq) * 24, "conversation_id": CONVERSATION, "seq": seq, "sender_id": ACCOUNT, "type": "text",
            "content": str(seq), "created_at": AT,
        })
        for seq in (1, 2)
    ),
]  # fmt: skip


@pytest.fixture
def services(make_settings: Callable[..., Settings], database_url: str, clock: Clock) -> Iterator[Services]:
    """A database of the former version with rows in it, brought up to date."""
    upgrade(database_url, BEFORE)
    engine = create_engine(database_url)
    with engine.begin() as connection:
        for name, values in ROWS:
            columns = [column(key, _type(value)) for key, value in values.items()]
            connection.execute(insert(table(name, *columns)).values(values))
    engine.dispose()
    upgrade(database_url)
    services = build_services(make_settings(database_url=database_url), now=clock)
    yield services
    services.database.dispose()


def _type(value: object) -> Any:
    types = {uuid.UUID: Uuid(), datetime: UtcDateTime(), dict: JSON()}
    return types.get(type(value))


def test_files_are_what_they_were_at_the_top(services: Services) -> None:
    files = services.file_listing.list_files(ACCOUNT, FileQuery(folder=""), limit=10)
    assert {(file.id, file.name, file.folder_id, file.received_bytes) for file in files} == {
        (FILE, SLASH_OF_OLD, None, 10),
        (PART, "part", None, 4),
    }
    assert {file.next_expected for file in files} == {10, 4}


def test_an_old_name_is_still_taken_and_can_be_moved_into_a_folder(services: Services) -> None:
    services.renaming.rename(ACCOUNT, FILE, "2026/clip.mp4")
    files = services.file_listing.list_files(ACCOUNT, FileQuery(folder="2026"), limit=10)
    assert [(file.id, file.name) for file in files] == [(FILE, "2026/clip.mp4")]


def test_activities_of_old_are_in_their_order_and_the_next_one_goes_on(services: Services) -> None:
    with services.database.write() as session:
        record(session, Action.FILE_DELETED, "new", {}, at=AT + timedelta(days=1))
    page = services.activities.list_page(page=1, limit=10)
    assert (page.total, [row.resource_id for row in page.rows]) == (4, ["new", "40", "7", "3"])


def test_messages_of_old_have_changed_in_their_order_and_the_next_change_goes_on(services: Services) -> None:
    def changes(since: int | None) -> tuple[list[str | None], int]:
        found, last = services.messages.changes(ACCOUNT, CONVERSATION, since=since, limit=10)
        return [each.content for each in found], last

    assert (changes(0), changes(None)) == ((["1", "2"], 2), ([], 2))
    services.messages.edit(ACCOUNT, "1" * 24, "new")
    assert changes(1) == (["2", "new"], 3)
