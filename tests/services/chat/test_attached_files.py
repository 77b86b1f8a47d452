"""Files of an account that become attachments without being moved."""

import os
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import func, select, update

from tests.services.chat.bench import UNKNOWN_ID
from tests.services.conftest import Bench
from tests.stores import content, listed, path_of
from transfer_service.bootstrap import build_compaction, build_services
from transfer_service.errors import (
    FileUnfinished,
    InvalidRequest,
    NotFound,
    NotParticipant,
    QuotaExceeded,
    RangeBusy,
    StoreUnavailable,
    TransferError,
)
from transfer_service.models.accounts import Account
from transfer_service.models.chat import Message as MessageRow
from transfer_service.models.files import File, FileState, TrashedFile
from transfer_service.models.upkeep import DiscardedBytes
from transfer_service.services.chat import attached_files
from transfer_service.services.chat.attached_files import AttachedFiles
from transfer_service.services.chat.attachments import Post
from transfer_service.services.chat.message_rows import Message
from transfer_service.services.files.rows import FileRecord
from transfer_service.wire.attachments import MessageType
from transfer_service.wire.ranges import Span

DATA = os.urandom(1000)
AT_ONCE, ROUNDS = 20, 4
MIB = 1024 * 1024


@dataclass
class Sender:
    """An account with files, and a conversation to send them to."""

    bench: Bench
    conversation_id: str

    def post(self, file_id: uuid.UUID, *, is_kept: bool = False, content: object = None) -> Message:
        post = Post(self.conversation_id, content=content, reply_to=None)
        return self.bench.services.attached_files.post(self.bench.account_id, post, file_id=file_id, is_kept=is_kept)

    def content(self, message: Message) -> bytes:
        assert message.attachment is not None
        return content(self.bench.services.core.attachments, f"{message.id}/{message.attachment.filename}")

    def messages(self, limit: int = 1_000_000) -> list[Message]:
        """The newest messages."""
        return self.bench.services.messages.history(self.bench.account_id, self.conversation_id, limit=limit)

    def check(self) -> None:
        """All bytes are somebody's, nothing is noted to go, and the quota is right."""
        core, account_id = self.bench.services.core, self.bench.account_id
        with core.database.read() as session:
            sent = select(func.coalesce(func.sum(MessageRow.length), 0)).where(MessageRow.sender_id == account_id)
            sent_bytes = session.scalars(sent).one() or 0
            files = set(session.scalars(select(File.id).where(File.state != FileState.FOLDER))) | set(
                session.scalars(select(TrashedFile.id))
            )
            noted = session.scalars(select(DiscardedBytes.name)).all()
        attached = {message.id for message in self.messages() if message.attachment}
        assert {each.key for each in listed(core.attachments)} == attached
        assert self.bench.blobs() == files
        rooms = {24: core.attachments, 32: core.store}
        assert [name for name in noted if rooms[len(name)].stored_bytes(name) is not None] == []
        assert self.bench.used_bytes() == self.bench.reserved_bytes() + sent_bytes
        assert self.bench.services.verification.run().faults == []


def sender_on(bench: Bench) -> Sender:
    services = bench.services
    return Sender(bench, services.conversations.create_group(bench.account_id, "team", []))


@pytest.fixture(params=["one-machine", "several"])
def make_sender(request: pytest.FixtureRequest, make_bench: Callable[..., Bench]) -> Callable[..., Sender]:
    """Senders on what one machine has, SQLite and a disk, and on what several share."""
    shared = {"database_url": "postgres_url", "storage_url": "object_store_url"}
    given = shared if request.param == "several" else {}
    settings = {name: request.getfixturevalue(fixture) for name, fixture in given.items()}
    return lambda **more: sender_on(make_bench(**settings, **more))


@pytest.fixture
def sender(make_sender: Callable[..., Sender]) -> Sender:
    return make_sender()


@pytest.fixture
def local(bench: Bench) -> Sender:
    """On SQLite and a disk."""
    return sender_on(bench)


def refused(sender: Sender, error: type[TransferError], file_id: uuid.UUID, **more: bool) -> None:
    """Nothing comes of it."""
    before = (sender.messages(), sender.bench.names(), sender.bench.used_bytes())
    with pytest.raises(error):
        sender.post(file_id, **more)
    assert (sender.messages(), sender.bench.names(), sender.bench.used_bytes()) == before
    sender.check()


def growing(sender: Sender, data: bytes = DATA, name: str = "log.bin") -> FileRecord:
    """A finished file whose length was only guessed."""
    file = sender.bench.append(0, data, name)
    assert file.is_complete and not file.length_declared
    return file


def test_a_file_leaves_the_account_and_is_in_the_message(sender: Sender) -> None:
    file = sender.bench.store(DATA, "a/b/Film.MP4")
    message = sender.post(file.id, content="look")
    assert message.attachment is not None
    assert (message.attachment.filename, message.attachment.length) == ("Film.MP4", len(DATA))
    assert (message.attachment.sha256, message.attachment.media_type) == (file.sha256, "video/mp4")
    assert (message.type, message.content) == (MessageType.VIDEO, "look")
    assert (sender.messages(), sender.content(message)) == ([message], DATA)
    assert (sender.bench.names(), sender.bench.used_bytes()) == ([], len(DATA))
    refused(sender, NotFound, file.id)


def test_a_file_that_is_kept_is_in_both_and_counts_twice(sender: Sender) -> None:
    file = sender.bench.store(DATA, "a/film.mp4")
    first, second = sender.post(file.id, is_kept=True), sender.post(file.id, is_kept=True)
    found = sender.bench.find("a/film.mp4")
    assert found is not None and found.id == file.id
    assert sender.content(first) == sender.content(second) == sender.bench.content(file) == DATA
    assert sender.bench.used_bytes() == 3 * len(DATA)
    sender.check()
    sender.bench.services.files.delete(sender.bench.account_id, "a/film.mp4")
    sender.bench.services.attachments.delete_message(sender.bench.account_id, first.id)
    assert (sender.content(second), sender.bench.used_bytes()) == (DATA, len(DATA))
    sender.check()


@pytest.mark.parametrize("is_kept", [False, True])
@pytest.mark.parametrize("data", [b"", b"x", os.urandom(300_000)], ids=["empty", "a-byte", "not-small"])
def test_a_file_of_any_size(sender: Sender, data: bytes, is_kept: bool) -> None:
    message = sender.post(sender.bench.store(data).id, is_kept=is_kept)
    assert sender.content(message) == data
    sender.check()


def test_a_disk_has_the_bytes_once(local: Sender) -> None:
    file, other = local.bench.store(DATA), local.bench.store(DATA)
    inodes = [path_of(local.bench.services.store, each.id).stat().st_ino for each in (file, other)]
    sent = [local.post(file.id), local.post(other.id, is_kept=True)]
    attachments = local.bench.services.core.attachments
    assert [path_of(attachments, f"{each.id}/{name}").stat().st_ino for each, name in zip(
        sent, ("log.bin", "log (2).bin"), strict=True
    )] == inodes  # fmt: skip


@pytest.mark.parametrize(
    ("name", "safe"),
    [("a/thumbnail", "_thumbnail"), ("a/.htaccess", "htaccess"), ("\u200fa.b", "a.b"), ("b" * 255, "b" * 200)],
)
def test_its_name_is_made_safe(local: Sender, name: str, safe: str) -> None:
    message = local.post(local.bench.store(DATA, name).id)
    assert message.attachment is not None
    assert (message.attachment.filename, local.content(message)) == (safe, DATA)


def test_what_is_no_finished_file_of_ones_own_is_refused(sender: Sender) -> None:
    another = sender.bench.another_account().store(DATA)
    unfinished = sender.bench.append(0, b"ab", "unfinished", total=3)
    sender.bench.services.folders.create(sender.bench.account_id, "folder")
    with sender.bench.services.database.read() as session:
        folder_id = session.scalars(select(File.id).where(File.name == "folder")).one()
    for is_kept in (False, True):
        for file_id in (uuid.uuid4(), another.id, folder_id):
            refused(sender, NotFound, file_id, is_kept=is_kept)
        refused(sender, FileUnfinished, unfinished.id, is_kept=is_kept)


def test_what_is_in_the_trash_is_no_file_and_what_is_posted_does_not_go_there(
    make_sender: Callable[..., Sender],
) -> None:
    sender = make_sender(trash_days=30)
    deleted, posted = sender.bench.store(DATA, "deleted"), sender.bench.store(DATA, "posted")
    sender.bench.services.files.delete(sender.bench.account_id, "deleted")
    refused(sender, NotFound, deleted.id)
    sender.post(posted.id)
    trashed = sender.bench.services.trash.list_files(sender.bench.account_id, limit=9)
    assert [each.id for each in trashed] == [deleted.id]
    sender.check()


@pytest.mark.parametrize(
    ("post", "error"),
    [
        pytest.param(Post("0" * 24, None, None), NotFound, id="unknown-conversation"),
        pytest.param(Post("", None, UNKNOWN_ID), NotFound, id="unknown-reply"),
        pytest.param(Post("", 5, None), InvalidRequest, id="a-bad-caption"),
    ],
)
def test_a_refused_message_leaves_the_file(local: Sender, post: Post, error: type[TransferError]) -> None:
    file, services = local.bench.store(DATA), local.bench.services
    post = Post(post.conversation_id or local.conversation_id, post.content, post.reply_to)
    with pytest.raises(error):
        services.attached_files.post(local.bench.account_id, post, file_id=file.id, is_kept=False)
    assert local.bench.find() == file
    local.check()


def test_who_has_left_posts_nothing(local: Sender) -> None:
    other = local.bench.another_account()
    file = other.store(DATA)
    with pytest.raises(NotParticipant):
        Sender(other, local.conversation_id).post(file.id)
    assert other.find() == file


def test_a_file_that_leaves_needs_no_room_and_one_that_is_kept_does(make_sender: Callable[..., Sender]) -> None:
    sender = make_sender(quota_bytes=2 * len(DATA) - 1)
    file = sender.bench.store(DATA)
    refused(sender, QuotaExceeded, file.id, is_kept=True)
    sender.post(file.id)
    sender.check()


def test_a_file_leaves_also_where_less_is_allowed_by_now(local: Sender) -> None:
    file, core = local.bench.store(DATA), local.bench.services.core
    lower = replace(core, space=replace(core.space, quota_bytes=1))
    posting = AttachedFiles(lower, messages=local.bench.services.messages, files=local.bench.services.files)
    posting.post(local.bench.account_id, Post(local.conversation_id, None, None), file_id=file.id, is_kept=False)
    local.check()


class TestWhatMayGrow:
    """A later chunk goes on with a finished file, where nobody has said how long it is."""

    def test_a_kept_one_grows_and_the_attachment_does_not(self, sender: Sender) -> None:
        message = sender.post(growing(sender).id, is_kept=True)
        file = sender.bench.append(len(DATA), b"more")
        assert (sender.content(message), sender.bench.content(file)) == (DATA, DATA + b"more")
        sender.check()

    def test_after_one_that_left_a_new_one_begins(self, sender: Sender) -> None:
        gone = growing(sender)
        message = sender.post(gone.id)
        file = sender.bench.append(len(DATA), b"more")
        assert (file.id != gone.id, file.is_complete, sender.content(message)) == (True, False, DATA)
        sender.check()

    def test_it_does_not_leave_while_somebody_appends(self, sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(attached_files, "CLAIM_WAIT_SECONDS", 0.2)
        file = growing(sender)
        span = Span(len(DATA), len(DATA) + 10)
        store = sender.bench.services.store
        with store.open_writer(file.id, span, create=False, wait_seconds=0):
            message = sender.post(file.id, is_kept=True)
            if store.is_remote:
                sender.post(file.id)  # nobody writes into its objects
            else:
                refused(sender, RangeBusy, file.id)
        assert sender.content(message) == DATA
        sender.check()

    def test_who_comes_to_append_while_it_leaves_begins_a_new_one(
        self, local: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file, appended = growing(local), list[FileRecord]()
        appending = threading.Thread(target=lambda: appended.append(local.bench.append(len(DATA), b"more")))
        adopt = local.bench.services.core.attachments.adopt

        def adopt_late(*given: object, **more: object) -> object:
            appending.start()
            appending.join(0.5)  # it waits for the claim
            assert not appended
            return adopt(*given, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(local.bench.services.core.attachments, "adopt", adopt_late)
        message = local.post(file.id)
        appending.join(20)
        assert (local.content(message), appended[0].id == file.id) == (DATA, False)
        local.check()

    def test_what_has_grown_before_it_is_claimed_leaves_as_it_is_then(
        self, sender: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file, find = growing(sender), sender.bench.services.files.get
        found: list[FileRecord] = []

        def find_early(account_id: uuid.UUID, file_id: uuid.UUID) -> FileRecord:
            found.append(find(account_id, file_id))
            if len(found) == 1:
                sender.bench.append(len(DATA), b"more")
            return found[-1]

        monkeypatch.setattr(sender.bench.services.files, "get", find_early)
        message = sender.post(file.id)
        assert (len(found), sender.content(message)) == (2, DATA + b"more")
        sender.check()


class TestManyAtOnce:
    """What others do with the same file at the same moment."""

    def at_once(self, works: Sequence[Callable[[], object]]) -> list[object]:
        """What comes of each, or the error."""
        together = threading.Barrier(len(works))

        def run(work: Callable[[], object]) -> object:
            together.wait(20)
            try:
                return work()
            except TransferError as error:
                return type(error)

        with ThreadPoolExecutor(len(works)) as pool:
            return [each.result(60) for each in [pool.submit(run, work) for work in works]]

    def test_one_gets_a_file_that_leaves(self, sender: Sender) -> None:
        file = sender.bench.store(DATA)
        came = self.at_once([lambda: sender.post(file.id)] * AT_ONCE)
        sent = [each for each in came if isinstance(each, Message)]
        assert (len(sent), came.count(NotFound) + came.count(RangeBusy)) == (1, AT_ONCE - 1)
        assert [each.id for each in sender.messages()] == [sent[0].id]
        sender.check()

    @pytest.mark.parametrize("is_kept", [False, True])
    def test_instances_agree_who_gets_it(self, sender: Sender, is_kept: bool) -> None:
        services = build_services(sender.bench.services.core.settings, now=sender.bench.clock)
        other = replace(sender, bench=replace(sender.bench, services=services))
        file = sender.bench.store(DATA)
        posts = [lambda each=each: each.post(file.id, is_kept=is_kept) for each in (sender, other) * 4]
        came = self.at_once(posts)
        services.database.dispose()
        sent = [each for each in came if isinstance(each, Message)]
        assert len(sent) == (8 if is_kept else 1)
        assert is_kept or came.count(NotFound) + came.count(RangeBusy) == 7
        assert {sender.content(each) for each in sent} == {DATA}
        sender.check()

    def test_all_get_a_file_that_is_kept(self, sender: Sender) -> None:
        file = sender.bench.store(DATA)
        came = self.at_once([lambda: sender.post(file.id, is_kept=True)] * AT_ONCE)
        assert [sender.content(each) for each in came if isinstance(each, Message)] == [DATA] * AT_ONCE
        sender.check()

    @pytest.mark.parametrize("trash_days", [0, 30])
    def test_it_is_deleted_or_posted(self, make_sender: Callable[..., Sender], trash_days: int) -> None:
        sender = make_sender(trash_days=trash_days)
        for number in range(ROUNDS):
            file = sender.bench.store(DATA, f"{number}")
            delete_it = sender.bench.services.files.delete
            account_id = sender.bench.account_id
            came = self.at_once([lambda: sender.post(file.id), lambda: delete_it(account_id, f"{number}")])  # noqa: B023
            assert came.count(NotFound) == 1
        assert sender.bench.names() == []
        sender.check()

    def test_it_is_replaced_or_posted(self, sender: Sender) -> None:
        for number in range(ROUNDS):
            file = sender.bench.store(DATA, f"{number}")
            came = self.at_once(
                [
                    lambda: sender.post(file.id),  # noqa: B023
                    lambda: sender.bench.store(b"new", f"{number}", overwrite=True),  # noqa: B023
                ]
            )
            new = sender.bench.find(f"{number}")
            assert new is not None
            assert (sender.bench.content(new), isinstance(came[1], FileRecord)) == (b"new", True)
        sender.check()

    def test_it_is_renamed_and_posted(self, sender: Sender) -> None:
        for number in range(ROUNDS):
            file = sender.bench.store(DATA, f"{number}")
            rename = sender.bench.services.renaming.rename
            account_id = sender.bench.account_id
            self.at_once([lambda: sender.post(file.id), lambda: rename(account_id, file.id, f"a/{number}")])  # noqa: B023
        assert (sender.bench.names(), len(sender.messages())) == ([], ROUNDS)
        sender.check()


def test_what_a_power_loss_may_have_taken_is_not_posted(local: Sender) -> None:
    file = local.bench.store(DATA)
    with local.bench.services.database.write() as session:
        session.execute(update(File).values(unflushed_boot="another"))
    refused(local, StoreUnavailable, file.id)


def test_a_file_that_a_crash_left_one_step_before_its_end_takes_that_step(
    local: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(local.bench.services.files._completion, "finish_within", lambda *_: None)
        killed.setattr(local.bench.services.uploads._completion, "finish_within", lambda *_: None)
        local.bench.append(0, bytes(MIB), total=2 * MIB)
        file = local.bench.append(MIB, bytes(MIB), total=2 * MIB)
        assert file.is_due
    assert local.content(local.post(file.id)) == bytes(2 * MIB)
    local.check()


def test_bytes_that_are_gone_are_not_posted(sender: Sender) -> None:
    file = sender.bench.store(DATA)
    sender.bench.services.store.delete(file.id)
    for is_kept in (False, True):
        with pytest.raises(NotFound):
            sender.post(file.id, is_kept=is_kept)
    assert (sender.messages(), sender.bench.names()) == ([], ["log.bin"])


def test_an_account_that_goes_meanwhile_leaves_nothing(local: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    other = local.bench.another_account()
    conversation_id = local.bench.services.conversations.create_group(other.account_id, "team", [])
    file, adopt = other.store(DATA), local.bench.services.core.attachments.adopt

    def adopt_late(*given: object, **more: object) -> object:
        with local.bench.services.database.read() as session:
            name = session.scalars(select(Account.name).where(Account.id == other.account_id)).one()
        local.bench.services.account_removal.remove(name)
        return adopt(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(local.bench.services.core.attachments, "adopt", adopt_late)
    with pytest.raises(NotFound):
        Sender(other, conversation_id).post(file.id)
    local.check()


class TestOnAnObjectStore:
    """Pieces that are not one object yet, and those that become one meanwhile."""

    @pytest.fixture
    def remote(self, make_bench: Callable[..., Bench], object_store_url: str) -> Iterator[Sender]:
        yield sender_on(make_bench(storage_url=object_store_url))

    def compact(self, sender: Sender) -> int:
        work = build_compaction(sender.bench.services.core)
        assert work is not None
        return work()

    def in_pieces(self, sender: Sender, data: bytes) -> FileRecord:
        """A finished file in three pieces."""
        for start in range(0, len(data), 1000):
            file = sender.bench.append(start, data[start : start + 1000], total=len(data))
        assert file.is_complete
        return file

    @pytest.mark.parametrize("is_kept", [False, True])
    @pytest.mark.parametrize("is_compacted", [False, True])
    def test_a_file_in_pieces(self, remote: Sender, is_compacted: bool, is_kept: bool) -> None:
        data = os.urandom(3000)
        file = self.in_pieces(remote, data)
        assert not is_compacted or self.compact(remote) == 1
        message = remote.post(file.id, is_kept=is_kept)
        assert remote.content(message) == data
        self.compact(remote)
        assert remote.content(message) == data
        remote.bench.clock.advance(hours=2)
        remote.bench.services.cleanup.run()
        assert (remote.content(message), bool(remote.bench.names())) == (data, is_kept)
        remote.check()

    def test_pieces_that_become_one_object_on_the_way_are_looked_for_again(
        self, remote: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = os.urandom(3000)
        file, post = self.in_pieces(remote, data), remote.bench.services.messages.post
        looks: list[int] = []

        def post_late(*given: object, **more: object) -> object:
            if not looks:
                looks.append(self.compact(remote))
            return post(*given, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(remote.bench.services.messages, "post", post_late)
        message = remote.post(file.id, is_kept=True)
        assert (looks, remote.content(message)) == ([1], data)
        remote.check()
