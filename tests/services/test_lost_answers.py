"""A commit whose answer is lost, and that the server makes a moment later: its bytes are there when it is seen."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection

from tests.conftest import PASSWORD
from tests.live.server import wait_until
from tests.services.conftest import Bench
from tests.stores import content, listed
from transfer_service.db.database import Database
from transfer_service.errors import StoreUnavailable
from transfer_service.services.chat.attachments import AttachmentService, Post
from transfer_service.services.chat.conversations import ConversationService
from transfer_service.services.chat.messages import MessageService
from transfer_service.services.file_digest import digest_of
from transfer_service.services.files.rows import FileRecord
from transfer_service.services.files.small_files import SmallFiles

LATE_SECONDS = 0.5
DATA = b"bytes of a commit that nobody was told of"


class LateDatabase(Database):
    """A database whose connection breaks while the first durable commit is under way to the server, which makes it
    all the same when what was sent arrives there.
    """

    late: threading.Timer | None = None
    connection: Connection | None = None

    @contextmanager
    def write_rows(self, **given: Any) -> Iterator[Connection]:
        if self.late is not None or not given.get("durable"):
            with super().write_rows(**given) as rows:
                yield rows
            return
        connection = self.connection = self._read_engine.connect()
        connection.begin()
        yield connection
        self.late = threading.Timer(LATE_SECONDS, connection.commit)
        self.late.start()
        raise StoreUnavailable

    def settle(self) -> None:
        assert self.late is not None
        self.late.join()
        assert self.connection is not None
        self.connection.close()


@pytest.fixture
def bench(any_bench: Bench) -> Bench:
    return any_bench


@pytest.fixture
def late(postgres_url: str) -> Iterator[LateDatabase]:
    database = LateDatabase(postgres_url)
    yield database
    database.dispose()


@pytest.fixture
def any_bench(make_bench: Any, postgres_url: str) -> Bench:
    """On a server: within one process SQLite makes a commit or does not."""
    made: Bench = make_bench(database_url=postgres_url)
    return made


def test_a_small_file_has_its_bytes(bench: Bench, late: LateDatabase) -> None:
    core, now = replace(bench.services.core, database=late), bench.clock()
    small_files = SmallFiles(core, files=bench.services.files)
    file = FileRecord(uuid.uuid4(), bench.account_id, "log.bin", True, "text/plain", created_at=now, updated_at=now)
    with pytest.raises(StoreUnavailable):
        small_files.store(file, [DATA], digest_of([DATA]))
    late.settle()
    assert (found := bench.find()) is not None
    assert content(bench.services.store, found.id) == DATA


class Sent:
    """An attachment as it arrives."""

    filename, media_type = "a.bin", "text/plain"

    def __init__(self, conversation_id: str) -> None:
        self._conversation_id = conversation_id

    def blocks(self) -> Iterator[bytes]:
        yield DATA

    def post(self) -> Post:
        return Post(self._conversation_id, None, None)


def test_an_attachment_has_its_bytes(bench: Bench, late: LateDatabase) -> None:
    bench.services.accounts.create("bob", PASSWORD)
    core = replace(bench.services.core, database=late)
    conversation_id, _ = ConversationService(bench.services.core).create_direct(bench.account_id, "bob")
    attachments = AttachmentService(core, messages=MessageService(core, publish=lambda _event: None))
    with pytest.raises(StoreUnavailable):
        attachments.receive(bench.account_id, Sent(conversation_id))
    late.settle()
    (message,) = bench.services.messages.history(bench.account_id, conversation_id, limit=9)
    assert content(bench.services.core.attachments, f"{message.id}/a.bin") == DATA


def test_what_the_server_never_heard_of_leaves_nothing(bench: Bench) -> None:
    bench.services.accounts.create("bob", PASSWORD)
    conversation_id, _ = ConversationService(bench.services.core).create_direct(bench.account_id, "bob")
    attachments = AttachmentService(bench.services.core, messages=bench.services.messages)
    with pytest.raises(StoreUnavailable):
        attachments.receive(bench.account_id, Broken(conversation_id))
    wait_until(lambda: listed(bench.services.core.attachments) == [])


class Broken(Sent):
    """One whose last words are lost."""

    def post(self) -> Post:
        raise StoreUnavailable
