"""The trash: a finished file is there or among the files, whoever does what at the same moment."""

import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from config import Settings
from tests.services.conftest import Bench
from tests.stores import path_of
from transfer_service.bootstrap import build_services
from transfer_service.errors import (
    NameTaken,
    NotFound,
    QuotaExceeded,
    ReadFailed,
    StorageFull,
    TransferError,
    UploadEnded,
    UploadGone,
)
from transfer_service.models.files import File, FileState, ReceivedRange, TrashedFile, TrashReason
from transfer_service.models.uploads import UploadProtocol
from transfer_service.services.files.trash_rows import TrashedRecord
from transfer_service.services.upkeep.cleanup import Report
from transfer_service.services.uploads.resumable import UploadDraft

DAYS = 30


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench(trash_days=DAYS)


@pytest.fixture
def any_bench(make_bench: Callable[..., Bench], unmade_database_url: str) -> Bench:
    return make_bench(trash_days=DAYS, database_url=unmade_database_url)


def delete(bench: Bench, name: str = "log.bin", **how: Any) -> None:
    bench.services.files.delete(bench.account_id, name, **how)


def trash(bench: Bench, name: str | None = None) -> list[TrashedRecord]:
    return bench.services.trash.list_files(bench.account_id, name, limit=1000)


def trashed(bench: Bench) -> list[str]:
    return [each.name for each in trash(bench)]


def restore(bench: Bench, file_id: uuid.UUID, name: str | None = None) -> Any:
    return bench.services.trash.restore(bench.account_id, file_id, name)


def check(bench: Bench) -> None:
    """Every finished file is in one place, with its bytes; nobody else's bytes are there; and the quota is right."""
    with bench.services.database.read() as session:
        of_account = (File.account_id == bench.account_id, File.state != FileState.FOLDER)
        here = set(session.scalars(select(File.id).where(*of_account)))
        gone = set(session.scalars(select(TrashedFile.id).where(TrashedFile.account_id == bench.account_id)))
        ranges = set(session.scalars(select(ReceivedRange.file_id)))
    assert not here & gone
    assert not ranges & gone
    assert bench.blobs() == here | gone
    assert bench.used_bytes() == bench.reserved_bytes()
    assert bench.services.verification.run().faults == []


def test_what_is_deleted_leaves_everything_but_the_trash(any_bench: Bench) -> None:
    file = any_bench.store(b"hello", "a/b/log.bin")
    delete(any_bench, "a/b/log.bin")
    files, account_id = any_bench.services.files, any_bench.account_id
    assert (any_bench.names(), any_bench.find("a/b/log.bin")) == ([], None)
    assert files.find_by_name_or_id(account_id, str(file.id)) is None
    for look in (
        lambda: files.get(account_id, file.id),
        lambda: files.get_readable(account_id, str(file.id)),
        lambda: files.get_readable_by_name_or_id(account_id, str(file.id)),
        lambda: files.get_readable_by_id(account_id, str(file.id)),
        lambda: any_bench.services.renaming.rename(account_id, file.id, "new"),
        lambda: delete(any_bench, str(file.id)),
    ):
        with pytest.raises(NotFound):
            look()
    at = any_bench.clock()
    found = trash(any_bench)[0]
    assert (found.name, found.length, found.sha256) == ("a/b/log.bin", 5, file.sha256)
    assert (found.deleted_at, found.expires_at) == (at, at + timedelta(days=DAYS))
    assert (found.reason, any_bench.used_bytes()) == (TrashReason.DELETED, 5)
    check(any_bench)


def test_what_is_restored_is_the_same_file_but_for_its_dates(any_bench: Bench) -> None:
    file = any_bench.store(b"hello", "a/b/log.bin")
    delete(any_bench, "a/b/log.bin")
    any_bench.services.folders.delete(any_bench.account_id, "a", is_recursive=True)
    any_bench.clock.advance(hours=1)
    restored = restore(any_bench, file.id)
    at = any_bench.clock()
    assert restored == replace(file, updated_at=at, completed_at=at, folder_id=restored.folder_id, next_expected=5)
    assert any_bench.content(restored) == b"hello"
    assert (any_bench.names(), trashed(any_bench)) == (["a/b/log.bin"], [])
    any_bench.services.folders.delete(any_bench.account_id, "a", is_recursive=True)
    assert trashed(any_bench) == ["a/b/log.bin"]
    check(any_bench)


def test_what_is_replaced_goes_there_by_every_way(any_bench: Bench) -> None:
    first = any_bench.store(b"1")
    any_bench.clock.advance(seconds=1)
    any_bench.store(b"22", overwrite=True)
    any_bench.clock.advance(seconds=1)
    any_bench.store(b"3" * 300_000, overwrite=True)  # not small
    any_bench.clock.advance(seconds=1)
    draft = UploadDraft(UploadProtocol.TUS, "log.bin", None, length=0, overwrite=True)
    any_bench.services.resumable_uploads.begin(any_bench.account_id, draft)
    assert [(each.length, each.reason) for each in trash(any_bench)] == [
        (300_000, TrashReason.REPLACED),
        (2, TrashReason.REPLACED),
        (1, TrashReason.REPLACED),
    ]
    assert restore(any_bench, first.id).name == "log (2).bin"
    check(any_bench)


def test_only_what_was_finished_goes_there(any_bench: Bench) -> None:
    any_bench.append(0, b"abc", "part", total=10)
    any_bench.append(0, b"abc", "log.bin", total=10)
    upload = any_bench.services.resumable_uploads.begin(
        any_bench.account_id, UploadDraft(UploadProtocol.TUS, "a/b", None, length=5, overwrite=False)
    )
    any_bench.store(b"x", overwrite=True)
    delete(any_bench, "part")
    any_bench.services.resumable_uploads.cancel(any_bench.account_id, upload.id)
    with pytest.raises(NameTaken):
        any_bench.store(b"y", "half", failure=NameTaken())
    assert (trashed(any_bench), any_bench.names()) == ([], ["log.bin"])
    check(any_bench)


@pytest.mark.parametrize("kept", [DAYS, 0])
def test_permanent_passes_it_by(make_bench: Callable[..., Bench], kept: float) -> None:
    bench = make_bench(trash_days=kept)
    for name in ("x", "a/1", "a/2"):
        bench.store(b"x", name)
    bench.append(0, b"abc", "a/part", total=10)
    delete(bench, "x", is_permanent=True)
    bench.services.folders.delete(bench.account_id, "a", is_recursive=True, is_permanent=True)
    assert (trashed(bench), bench.names(), bench.blobs(), bench.used_bytes()) == ([], [], set(), 0)


def test_a_folder_goes_there_file_by_file(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfer_service.services.files.folders.BATCH", 2)
    for name in ("a/1", "a/2", "a/b/c/3", "a/b/4", "z"):
        bench.store(b"x", name)
    bench.append(0, b"abc", "a/part", total=10)
    bench.services.folders.delete(bench.account_id, "a", is_recursive=True)
    assert sorted(trashed(bench)) == ["a/1", "a/2", "a/b/4", "a/b/c/3"]
    assert bench.names() == ["z"]
    for each in trash(bench):
        restore(bench, each.id)
    assert bench.names() == ["a/1", "a/2", "a/b/4", "a/b/c/3", "z"]
    check(bench)


def test_another_name_must_be_free_and_its_own_is_numbered(any_bench: Bench) -> None:
    file = any_bench.store(b"old", "a/x")
    delete(any_bench, "a/x")
    any_bench.store(b"new", "a/x")
    any_bench.store(b"new", "a/x (2)/y")
    any_bench.store(b"new", "plain")
    for name, what in [
        ("a/x", "A file has this name"),
        ("a/x (2)", "A folder has this name"),
        ("a", "A folder has this name"),
        ("plain/x", "A file has this name"),
    ]:
        with pytest.raises(NameTaken, match=what):
            restore(any_bench, file.id, name)
    assert trashed(any_bench) == ["a/x"]
    assert any_bench.used_bytes() == any_bench.reserved_bytes()
    assert restore(any_bench, file.id).name == "a/x (3)"
    delete(any_bench, "a/x (3)")
    assert restore(any_bench, file.id, "new/place/x").name == "new/place/x"
    check(any_bench)


def test_a_file_where_its_folder_was_keeps_it_in_the_trash(bench: Bench) -> None:
    file = bench.store(b"old", "a/b/x")
    bench.services.folders.delete(bench.account_id, "a", is_recursive=True)
    bench.store(b"new", "a")
    with pytest.raises(NameTaken, match="A file has this name"):
        restore(bench, file.id)
    assert trashed(bench) == ["a/b/x"]
    assert restore(bench, file.id, "elsewhere/x").name == "elsewhere/x"
    check(bench)


def test_others_have_no_part_in_it(bench: Bench) -> None:
    file = bench.store(b"mine")
    delete(bench)
    other = bench.another_account()
    for attempt in (
        lambda: restore(other, file.id),
        lambda: other.services.trash.remove(other.account_id, file.id),
    ):
        with pytest.raises(NotFound):
            attempt()
    other.services.trash.empty(other.account_id)
    assert (trash(other), trashed(bench)) == ([], ["log.bin"])


def test_two_versions_of_a_name_never_share_a_date(any_bench: Bench) -> None:
    """Nor does one come back with the date that it had before another was seen in its place."""
    dates = []

    def note(name: str = "log.bin") -> None:
        found = any_bench.find(name)
        assert found is not None
        assert found.completed_at is not None
        dates.append(found.completed_at.replace(microsecond=0))

    first = any_bench.store(b"1")
    note()
    any_bench.store(b"2", overwrite=True)
    note()
    delete(any_bench)
    restore(any_bench, first.id)
    note()
    delete(any_bench)
    any_bench.store(b"3", str(first.id))
    note(str(first.id))
    delete(any_bench, str(first.id))
    restore(any_bench, first.id)
    note()
    assert dates == sorted(set(dates))


def test_a_name_that_is_the_id_of_one_in_the_trash(bench: Bench) -> None:
    file = bench.store(b"old")
    delete(bench)
    named = bench.store(b"named like it", str(file.id))
    assert bench.services.files.get_readable(bench.account_id, str(file.id)).id == named.id
    assert restore(bench, file.id, str(uuid.uuid4())).id == file.id
    assert bench.services.files.get_readable(bench.account_id, str(file.id)).id == named.id
    delete(bench, str(file.id))  # the name goes first
    assert [each.id for each in trash(bench)] == [named.id]
    check(bench)


def test_a_full_quota_hinders_no_restoring_but_what_is_new(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(trash_days=DAYS, quota_bytes=10)
    file = bench.store(b"12345")
    delete(bench)
    bench.store(b"12345", "other")
    with pytest.raises(QuotaExceeded):
        bench.store(b"1", "third")
    with pytest.raises(QuotaExceeded):
        bench.store(b"1", "other", overwrite=True)
    restore(bench, file.id)
    assert (bench.names(), bench.used_bytes()) == (["log.bin", "other"], 10)
    delete(bench)
    bench.services.trash.empty(bench.account_id)
    assert bench.used_bytes() == 5
    check(bench)


def test_it_comes_in_pages_newest_first(any_bench: Bench) -> None:
    for number in range(7):
        any_bench.store(b"x", f"f{number % 2}")
        delete(any_bench, f"f{number % 2}")
        if number % 3:
            any_bench.clock.advance(seconds=1)
    whole = trash(any_bench)
    assert [each.place for each in whole] == sorted((each.place for each in whole), reverse=True)
    list_files = any_bench.services.trash.list_files
    found, after = [], None
    while page := list_files(any_bench.account_id, limit=2, after=after):
        found += page
        after = page[-1].place
    assert found == whole
    assert [each.name for each in trash(any_bench, "f1")] == ["f1"] * 3
    assert trash(any_bench, "f") == []


def test_removing_and_emptying_free_the_bytes(any_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfer_service.services.files.trash.BATCH", 2)
    files = [any_bench.store(b"x", f"f{number}") for number in range(6)]
    kept = any_bench.store(b"kept")
    for file in files:
        delete(any_bench, file.name)
    any_bench.services.trash.remove(any_bench.account_id, files[0].id)
    with pytest.raises(NotFound):
        any_bench.services.trash.remove(any_bench.account_id, files[0].id)
    assert len(trashed(any_bench)) == 5
    any_bench.services.trash.empty(any_bench.account_id)
    assert (trashed(any_bench), any_bench.blobs()) == ([], {kept.id})
    check(any_bench)


def clean(bench: Bench, **how: Any) -> Report:
    return bench.services.cleanup.run(**how)


def test_cleanup_removes_what_is_past_its_day_and_nothing_else(any_bench: Bench) -> None:
    old = any_bench.store(b"o" * 5000, "old")
    delete(any_bench, "old")
    other = any_bench.another_account()
    other.store(b"x", "theirs")
    delete(other, "theirs")
    any_bench.clock.advance(days=DAYS - 1)
    delete(any_bench, any_bench.store(b"young", "young").name)
    assert clean(any_bench).removed.expired_trash.count == 0
    any_bench.clock.advance(days=1)
    dry = clean(any_bench, dry_run=True)
    assert dry.removed.expired_trash.count == 2
    assert dry.removed.expired_trash.bytes >= 5001
    assert old.id in any_bench.blobs()
    report = clean(any_bench)
    assert report.removed.expired_trash == dry.removed.expired_trash
    assert (trashed(any_bench), trashed(other)) == (["young"], [])
    assert any_bench.blobs() == {trash(any_bench)[0].id}
    assert (report.removed.orphaned_blobs.count, report.in_quarantine.count) == (0, 0)
    check(any_bench)


def test_cleanup_looks_again_before_it_removes(any_bench: Bench) -> None:
    benches = [any_bench, any_bench.another_account()]
    for each in benches:
        delete(each, each.store(b"x").name)
    any_bench.clock.advance(days=DAYS)
    removing = any_bench.services.trash.remove_expired(dry_run=False)
    next(removing)
    late = next(each for each in benches if trash(each))
    restore(late, trash(late)[0].id)
    delete(late)
    assert list(removing) == []
    assert trashed(late) == ["log.bin"]
    check(late)


def test_what_lies_there_is_no_orphan_and_comes_back_from_the_quarantine(bench: Bench) -> None:
    file = bench.store(b"hello")
    delete(bench)
    bench.clock.advance(hours=2)
    report = clean(bench, even_many=True)
    assert (report.removed.orphaned_blobs.count, bench.blobs()) == (0, {file.id})
    bench.services.store.quarantine.put(file.id.hex, now=bench.clock())
    assert bench.blobs() == set()
    assert bench.services.orphans.restore() == 1
    assert bench.content(restore(bench, file.id)) == b"hello"


def test_verify_reads_it(bench: Bench) -> None:
    files = [bench.store(b"hello", f"a/{number}") for number in range(2)]
    for file in files:
        delete(bench, file.name)
    path_of(bench.services.store, files[0].id).write_bytes(b"hullo")
    bench.services.store.delete(files[1].id)
    verdict = bench.services.verification.run()
    assert verdict.checked["trashed_file"].count == 2  # type: ignore[index] # a StrEnum's value
    assert {(each.kind, each.problem, each.name, each.account) for each in verdict.faults} == {
        ("trashed_file", "damaged", "a/0", "alice"),
        ("trashed_file", "missing", "a/1", "alice"),
    }


def test_an_account_goes_with_its_trash(any_bench: Bench) -> None:
    other = any_bench.another_account()
    for number in range(3):
        delete(other, other.store(b"x", f"a/{number}").name)
    kept = any_bench.store(b"kept")
    delete(any_bench)
    name = next(each.name for each in other.services.accounts.list_accounts() if each.account_id == other.account_id)
    other.services.account_removal.remove(name)
    assert (trash(other), any_bench.blobs()) == ([], {kept.id})


def test_what_is_there_outlives_the_setting(make_settings: Callable[..., Settings], bench: Bench) -> None:
    first, second = bench.store(b"1", "1"), bench.store(b"2", "2")
    for file in (first, second):
        delete(bench, file.name)
    later = Bench(build_services(make_settings(), now=bench.clock), bench.clock, bench.account_id)
    delete(later, later.store(b"3", "3").name)
    assert sorted(trashed(later)) == ["1", "2"]
    assert later.content(restore(later, first.id)) == b"1"
    later.services.trash.remove(later.account_id, second.id)
    check(later)
    later.services.database.dispose()


def test_an_upload_of_it_is_gone_and_comes_back_with_it(any_bench: Bench) -> None:
    uploads, account_id = any_bench.services.resumable_uploads, any_bench.account_id
    upload = uploads.begin(account_id, UploadDraft(UploadProtocol.TUS, "up", None, length=0, overwrite=False))
    delete(any_bench, "up")
    with pytest.raises(UploadEnded):
        uploads.get(account_id, upload.id)
    restore(any_bench, upload.id)
    assert uploads.get(account_id, upload.id).is_finished
    delete(any_bench, "up")
    any_bench.clock.advance(days=DAYS - 1, hours=23)
    clean(any_bench)
    restore(any_bench, upload.id)
    check(any_bench)


def at_once(*calls: Callable[[], object], expected: tuple[type[Exception], ...] = (TransferError,)) -> list[object]:
    """What came of calls that began at the same moment: results, or errors of the expected kinds."""
    start, results = threading.Barrier(len(calls)), list[object]()

    def run(call: Callable[[], object]) -> None:
        start.wait()
        try:
            results.append(call())
        except expected as error:
            results.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == len(calls)
    return results


def test_of_many_who_restore_or_remove_it_one_has_it(any_bench: Bench) -> None:
    services, account_id = any_bench.services, any_bench.account_id
    for number in range(12):
        file = any_bench.store(b"hello", f"f{number}")
        delete(any_bench, file.name)
        restores = [lambda file=file: restore(any_bench, file.id)] * 3
        removals = [lambda file=file: services.trash.remove(account_id, file.id)] * (number % 3)
        results = at_once(*restores, *removals, expected=(NotFound,))
        assert sum(not isinstance(each, NotFound) for each in results) == 1
        check(any_bench)


def test_a_hundred_that_replace_each_other_all_stay(any_bench: Bench) -> None:
    first = any_bench.store(b"first")

    def replace_some(number: int) -> None:
        for turn in range(10):
            any_bench.store(f"{number} {turn}".encode(), overwrite=True)

    results = at_once(*[lambda number=number: replace_some(number) for number in range(10)], expected=())
    assert results == [None] * 10
    contents = {any_bench.content(restore(any_bench, each.id, f"r/{each.id}")) for each in trash(any_bench)}
    current = any_bench.find()
    assert current is not None
    contents.add(any_bench.content(current))
    assert contents == {b"first"} | {f"{number} {turn}".encode() for number in range(10) for turn in range(10)}
    assert any_bench.find(f"r/{first.id}") is not None
    check(any_bench)


def test_all_that_happens_to_a_few_names_at_once(any_bench: Bench) -> None:
    """Deleting, replacing, restoring, removing, emptying, moving and cleanup: nothing lost, no error of ours."""
    services, account_id, names = any_bench.services, any_bench.account_id, ["a/x", "a/y", "z"]
    any_bench.clock.advance(days=-1)

    def again(call: Callable[[int], object]) -> Callable[[], object]:
        def run() -> None:
            for turn in range(15):
                with suppress(NotFound, NameTaken, UploadGone):
                    call(turn)

        return run

    def some(turn: int) -> uuid.UUID:
        found = trash(any_bench)
        return found[turn % len(found)].id if found else uuid.uuid4()

    calls: list[Callable[[int], object]] = [
        lambda turn: any_bench.store(b"x" * turn, names[turn % 3], overwrite=True),
        lambda turn: any_bench.store(b"y" * turn, names[turn % 3]),
        lambda turn: delete(any_bench, names[turn % 3]),
        lambda turn: restore(any_bench, some(turn)),
        lambda turn: restore(any_bench, some(turn), names[turn % 3]),
        lambda turn: services.trash.remove(account_id, some(turn)),
        lambda turn: services.folders.delete(account_id, "a", is_recursive=True) if turn % 4 == 0 else None,
        lambda turn: services.folders.move(account_id, *("ab" if turn % 2 else "ba")),
        lambda turn: services.trash.empty(account_id) if turn == 14 else clean(any_bench),
    ]
    assert at_once(*map(again, calls), expected=()) == [None] * len(calls)
    check(any_bench)


def test_a_chunk_that_finds_its_file_in_the_trash_leaves_its_bytes_alone(bench: Bench) -> None:
    """Sent again, for a file that is finished already, while somebody deletes it."""
    file = bench.store(b"hello")

    again = bench.append(0, b"hello", total=5, before_the_end=lambda: delete(bench))
    assert (again.id != file.id, trashed(bench)) == (True, ["log.bin"])
    assert bench.content(restore(bench, file.id)) == b"hello"
    check(bench)


def test_a_large_chunk_that_breaks_meanwhile_leaves_them_alone_too(bench: Bench) -> None:
    data = b"h" * 3_000_000
    file = bench.append(0, data)

    def cut_short() -> None:
        delete(bench)

    with pytest.raises(ReadFailed):
        bench.append(0, data + b"more" * 300_000, before_the_end=cut_short, failure=ReadFailed())
    assert bench.content(restore(bench, file.id))[: len(data)] == data
    assert bench.services.verification.run().faults == []
    with pytest.raises(UploadGone):
        bench.append(0, data + b"more" * 300_000, before_the_end=cut_short)
    restored = restore(bench, file.id)
    assert bench.services.verification.run().faults == []
    longer = bench.append(len(data), b"tail")
    assert (longer.id, longer.is_complete, bench.content(longer)) == (restored.id, True, data + b"tail")


def test_a_commit_that_failed_in_telling_does_not_cost_what_was_deleted_since(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer believes that it has failed; the file is there, and its owner is faster than the writer's tidying."""
    discard = type(bench.services.files).discard_if_nobodys

    def late(self: Any, file_id: uuid.UUID) -> None:
        with suppress(NotFound):
            delete(bench)
        discard(self, file_id)

    monkeypatch.setattr(type(bench.services.files), "discard_if_nobodys", late)
    monkeypatch.setattr(
        "transfer_service.services.uploads.whole_files.WholeFileService._remove_unfinished", lambda *_: True
    )
    commit = type(bench.services.whole_files)._commit

    def commit_and_fail(*args: Any, **how: Any) -> Any:
        commit(*args, **how)
        raise StorageFull

    monkeypatch.setattr(type(bench.services.whole_files), "_commit", commit_and_fail)
    with pytest.raises(StorageFull):
        bench.store(b"x" * 300_000)
    assert trashed(bench) == ["log.bin"]
    check(bench)


def on_a_full_disk(monkeypatch: pytest.MonkeyPatch, bench: Bench, *, until: Callable[[], bool]) -> None:
    """Write transactions fail until there is room."""
    write_rows = bench.services.database.write_rows

    def writing(**how: Any) -> Any:
        if not until():
            raise StorageFull
        return write_rows(**how)

    monkeypatch.setattr(bench.services.database, "write_rows", writing)


def test_on_a_full_disk_nothing_is_lost_and_what_goes_for_good_makes_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, gone = bench.store(b"kept"), bench.store(b"gone", "gone")
    delete(bench, "gone")
    before = bench.blobs()
    on_a_full_disk(monkeypatch, bench, until=lambda: bench.blobs() < before)
    with pytest.raises(StorageFull):
        delete(bench)
    assert (bench.names(), bench.blobs()) == (["log.bin"], before)
    bench.services.trash.remove(bench.account_id, gone.id)
    assert (trashed(bench), bench.blobs()) == ([], {file.id})
    delete(bench)
    check(bench)
    restore(bench, file.id)
    on_a_full_disk(monkeypatch, bench, until=lambda: not bench.blobs())
    delete(bench, is_permanent=True)
    check(bench)


def test_a_full_disk_of_the_database_takes_no_bytes_from_a_store_elsewhere(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = bench.store(b"kept")
    gone = bench.store(b"gone", "gone")
    delete(bench, "gone")
    before = bench.blobs()
    with monkeypatch.context() as patch:
        patch.setattr(type(bench.services.store), "is_remote", True)
        on_a_full_disk(patch, bench, until=lambda: False)
        with pytest.raises(StorageFull):
            delete(bench, is_permanent=True)
        with pytest.raises(StorageFull):
            bench.services.trash.remove(bench.account_id, gone.id)
    assert (bench.names(), bench.blobs()) == ([file.name], before)
    check(bench)


def test_on_a_full_disk_what_is_being_restored_is_not_removed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    file = bench.store(b"kept")
    delete(bench)
    with monkeypatch.context() as patch, bench.services.store.claims.in_use(file.id):
        on_a_full_disk(patch, bench, until=lambda: False)
        with pytest.raises(StorageFull):
            bench.services.trash.remove(bench.account_id, file.id)
    assert bench.content(restore(bench, file.id)) == b"kept"


def test_a_download_that_runs_has_the_old_bytes_to_their_end(bench: Bench) -> None:
    file = bench.store(b"old bytes")
    reader = bench.services.store.open_reader(file.id)
    bench.store(b"new", overwrite=True)
    assert reader.read(0, 4) == b"old "
    bench.services.trash.empty(bench.account_id)
    assert reader.read(4, 100) == b"bytes"
    reader.close()


@pytest.mark.parametrize("is_seen", [True, False], ids=["recovered before", "deleted before"])
@pytest.mark.parametrize("is_lost", [True, False], ids=["lost", "kept"])
def test_after_a_power_loss_its_sha256_decides(
    make_settings: Callable[..., Settings], make_bench: Callable[..., Bench], is_seen: bool, is_lost: bool
) -> None:
    """Where nothing is flushed, what was deleted before or after it comes back as it was, or not at all."""
    bench = make_bench(trash_days=DAYS, durability="process")
    file = bench.store(b"hello", "a/x")
    if not is_seen:
        delete(bench, "a/x")
    settings = make_settings(trash_days=DAYS, durability="process")
    after = Bench(build_services(settings, now=bench.clock, boot="another"), bench.clock, bench.account_id)
    if is_lost:
        path_of(bench.services.store, file.id).write_bytes(b"\0" * 5)
    after.services.recovery.ensure()
    if is_seen:
        delete(after, "a/x")  # nobody has looked whether it is whole
    assert [each.sha256 for each in trash(after)] == [file.sha256]
    if is_lost:
        with pytest.raises(NotFound):
            restore(after, file.id)
        assert (after.names(), trashed(after), after.blobs()) == ([], [], set())
    else:
        restored = restore(after, file.id)
        assert (restored.is_complete, after.content(restored)) == (True, b"hello")
    assert after.used_bytes() == after.reserved_bytes()
    after.services.database.dispose()


def test_a_stop_in_order_leaves_no_doubt(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(trash_days=DAYS, durability="process")
    bench.store(b"hello")
    delete(bench)
    assert trash(bench)[0].unflushed_boot is not None
    bench.services.recovery.note_flushed()
    assert trash(bench)[0].unflushed_boot is None
