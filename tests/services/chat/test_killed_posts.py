"""Files that become attachments while the service is killed: there is the file or the message, and nothing else."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.live.server import wait_until
from tests.proofs import length
from tests.services.chat.test_attached_files import Sender, sender_on
from tests.services.conftest import Bench
from transfer_service.models.upkeep import DiscardedBytes
from transfer_service.services.files.rows import FileRecord

pytestmark = pytest.mark.long

REPOSITORY = Path(__file__).parents[3]
EVERY = length(61, whole=1)
EVERY_REMOTE = 4 * EVERY
"""Not every step of some hundreds; 1 for all of them."""
LATE = (96, 48, 24, 12)
"""Steps before the end: how many there are behind the commit is another number for each store."""
MESSAGE_ID_LENGTH = 24
Post = Callable[..., dict[str, Any]]


@pytest.fixture
def post() -> Iterator[Post]:
    """Has a program post a file of somebody, up to the last step that it may take."""
    command = [sys.executable, "-m", "tests.services.chat.killed_posts"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None and program.stdout is not None
        stdin, stdout = program.stdin, program.stdout

        def post(sender: Sender, file: FileRecord, *, keep: bool, last: int | None = None) -> dict[str, Any]:
            settings = sender.bench.services.core.settings
            given = {"data_dir": str(settings.data_dir), "storage_url": settings.storage_url, "file_id": str(file.id)}
            given |= {"conversation_id": sender.conversation_id, "account_id": str(sender.bench.account_id)}
            stdin.write(json.dumps({**given, "keep": keep, "last": last}) + "\n")
            stdin.flush()
            answer: dict[str, Any] = json.loads(stdout.readline())
            return answer

        yield post
        stdin.close()


@pytest.mark.parametrize("keep", [False, True])
def test_a_kill_at_any_step_leaves_the_file_or_the_message(bench: Bench, post: Post, keep: bool) -> None:
    sender = sender_on(bench)
    outcomes = set()
    for file, data in killed(sender, post, sender.bench.store, EVERY, keep=keep):
        outcomes.add(outcome := judged(sender, file, data))
        if outcome == "file":  # whoever sends it again
            sender.post(file.id, content=str(file.id), is_kept=keep)
            assert judged(sender, file, data) == ("both" if keep else "message")
    assert outcomes == ({"file", "both"} if keep else {"file", "message"})
    cleaned(sender)


@pytest.mark.parametrize("is_in_pieces", [False, True])
@pytest.mark.parametrize("keep", [False, True])
def test_so_it_is_on_an_object_store(
    make_bench: Callable[..., Bench], object_store_url: str, post: Post, keep: bool, is_in_pieces: bool
) -> None:
    sender = sender_on(make_bench(storage_url=object_store_url))

    def in_pieces(data: bytes, name: str) -> FileRecord:
        sender.bench.append(0, data[:1], name, total=len(data))
        return sender.bench.append(1, data[1:], name, total=len(data))

    store = in_pieces if is_in_pieces else sender.bench.store
    outcomes = {judged(sender, *each) for each in killed(sender, post, store, EVERY_REMOTE, keep=keep)}
    assert outcomes == ({"file", "both"} if keep else {"file", "message"})
    cleaned(sender)


def killed(
    sender: Sender, post: Post, store: Callable[[bytes, str], FileRecord], every: int, *, keep: bool
) -> Iterator[tuple[FileRecord, bytes]]:
    """Files that were being posted when a kill came, one at each of some steps, and at late ones, behind the commit."""
    steps = int(post(sender, store(b"the first one", "first"), keep=keep)["steps"])
    for last in [*range(1, steps - max(LATE), every), *(steps - back for back in LATE)]:
        data = b"bytes %d" % last
        file = store(data, f"{last}.bin")
        is_killed = post(sender, file, keep=keep, last=last)["killed"]
        assert is_killed or last > steps - max(LATE) - every  # not every post takes as many
        yield file, data


def cleaned(sender: Sender) -> None:
    """After a cleanup, which knew everything that was left by its name, all bytes are somebody's."""
    claims, database = sender.bench.services.core.attachments.claims, sender.bench.services.database
    with database.read() as session:
        noted = [name for name in session.scalars(select(DiscardedBytes.name)) if len(name) == MESSAGE_ID_LENGTH]
    wait_until(lambda: not any(map(claims.is_in_use, noted)))  # whoever was killed holds its claims for seconds
    sender.bench.clock.advance(hours=2)
    report = sender.bench.services.cleanup.run()
    assert report.removed.orphaned_blobs.count == report.removed.orphaned_attachments.count == 0
    sender.check()


def judged(sender: Sender, file: FileRecord, data: bytes) -> str:
    """Where the bytes are, all of which are right."""
    found = sender.bench.find(file.name)
    sent = [message for message in sender.messages(limit=2) if message.content == str(file.id)]
    assert len(sent) <= 1
    assert {*map(sender.content, sent), *([sender.bench.content(found)] if found else [])} == {data}
    return "both" if found and sent else "file" if found else "message"
