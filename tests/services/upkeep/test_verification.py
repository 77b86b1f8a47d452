"""Every stored byte against its digest."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.services.chat.bench import Chat
from tests.services.conftest import Bench
from tests.services.games.bench import Downloads
from tests.stores import path_of, put
from transfer_service.services.upkeep.promises import Kind
from transfer_service.services.upkeep.verification import Fault, Problem, Verdict, Verification
from transfer_service.threads import T
from transfer_service.wire.attachments import Attachment

DATA = b"precious bytes" * 1000


def verify(bench: Bench) -> Verdict:
    return bench.services.verification.run()


def flip_a_bit(path: Path, offset: int = 5000) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def test_of_a_sound_store_everything_is_counted_and_nothing_complained_of(any_bench: Bench) -> None:
    for number in range(250):
        any_bench.store(b"%d" % number, f"file {number}")
    any_bench.store(b"", "empty")
    any_bench.append(0, b"abc", "begun", total=10)
    verdict = verify(any_bench)
    assert verdict.faults == []
    assert (verdict.checked[Kind.FILE].count, verdict.checked[Kind.UPLOAD].count) == (251, 1)
    assert verdict.checked[Kind.FILE].bytes == sum(len(b"%d" % number) for number in range(250))


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        pytest.param(flip_a_bit, Problem.DAMAGED, id="bit"),
        pytest.param(truncate, Problem.DAMAGED, id="short"),
        pytest.param(Path.unlink, Problem.MISSING, id="gone"),
        pytest.param(lambda path: (path.unlink(), path.mkdir()), Problem.UNREADABLE, id="unreadable"),
        pytest.param(lambda path: (path.unlink(), path.symlink_to("/etc/passwd")), Problem.MISSING, id="link"),
    ],
)
def test_a_harmed_file_is_named_with_its_owner(any_bench: Bench, harm: Any, problem: Problem) -> None:
    any_bench.store(b"sound", "sound")
    file_id = any_bench.store(DATA, "photo.jpg").id
    harm(path_of(any_bench.services.store, file_id))
    assert verify(any_bench).faults == [Fault(Kind.FILE, problem, "alice", "photo.jpg", str(file_id))]


def test_bytes_behind_the_end_are_nobodys(bench: Bench) -> None:
    file_id = bench.store(DATA).id
    with path_of(bench.services.store, file_id).open("ab") as blob:
        blob.write(b"of a refused chunk")
    assert verify(bench).faults == []


@pytest.mark.parametrize(("harm", "problem"), [(truncate, Problem.DAMAGED), (Path.unlink, Problem.MISSING)])
def test_an_upload_that_has_lost_acknowledged_bytes_is_named(bench: Bench, harm: Any, problem: Problem) -> None:
    file_id = bench.append(0, b"abc", total=10).id
    bench.append(5, b"def")
    harm(path_of(bench.services.store, file_id))
    assert verify(bench).faults == [Fault(Kind.UPLOAD, problem, "alice", "log.bin", str(file_id))]


def test_what_is_deleted_meanwhile_is_no_fault(bench: Bench) -> None:
    """Between the look at the bytes and the second look at the row."""
    for name in ("a", "b"):
        flip_a_bit(path_of(bench.services.store, bench.store(DATA, name).id))
    services = bench.services

    def look_and_lose(work: Callable[[], T], /) -> T:
        outcome = work()
        for name in bench.names():
            services.files.delete(bench.account_id, name)
        return outcome

    verification = Verification(replace(services.core, offload=look_and_lose))
    assert len(bench.blobs()) == 2
    assert (verification.run().faults, bench.blobs()) == ([], set())


@pytest.mark.parametrize(
    ("harm", "problem"),
    [pytest.param(flip_a_bit, Problem.DAMAGED, id="bit"), pytest.param(Path.unlink, Problem.MISSING, id="gone")],
)
def test_a_harmed_attachment_is_named(any_bench: Bench, harm: Any, problem: Problem) -> None:
    chat = Chat(any_bench)
    store, message_id = any_bench.services.attachments._store, chat.messages.new_id()
    put(store, f"{message_id}/film.mp4", DATA)
    sha256 = hashlib.sha256(DATA).hexdigest()
    attachment = Attachment("film.mp4", "video/mp4", len(DATA), sha256)
    any_bench.services.messages.post(
        chat.id_of("alice"), chat.direct(), content=None, message_id=message_id, attachment=attachment
    )
    assert verify(any_bench).checked[Kind.ATTACHMENT].count == 1
    harm(path_of(store, f"{message_id}/film.mp4"))
    assert verify(any_bench).faults == [Fault(Kind.ATTACHMENT, problem, "alice", "film.mp4", message_id)]


def test_a_harmed_archive_is_named_and_one_that_was_removed_by_hand_is_not(any_bench: Bench) -> None:
    root = path_of(any_bench.services.verification._rooms["archives"], "1.zip").parent
    downloads = Downloads(any_bench.services.database, root, any_bench.clock)
    game = downloads.add_game()
    downloads.work(downloads.claim(downloads.start(game)))
    assert verify(any_bench).checked[Kind.ARCHIVE].count == 1
    flip_a_bit(root / f"{game[1]}.zip", 0)
    (fault,) = verify(any_bench).faults
    assert (fault.kind, fault.problem, fault.id) == (Kind.ARCHIVE, Problem.DAMAGED, str(game[1]))
    (root / f"{game[1]}.zip").unlink()
    verdict = verify(any_bench)
    assert (verdict.faults, verdict.checked[Kind.ARCHIVE].count) == ([], 0)
