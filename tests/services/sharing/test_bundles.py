"""Bundles: what is collected, how long it stays readable, and that its bytes are those of the files."""

import io
import random
import threading
import uuid
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import select, update

from tests.live.server import wait_until
from tests.services.conftest import Bench
from tests.storage.memory import MemoryStore
from tests.stores import path_of
from transfer_service import bootstrap
from transfer_service.db.database import Executor
from transfer_service.errors import ChecksumsPending, InvalidRequest, NameTaken, NotComplete, NotFound, ReadFailed
from transfer_service.models.accounts import Account
from transfer_service.models.bundles import Bundle
from transfer_service.models.files import File, FileState
from transfer_service.services.sharing import bundle_rows, checksums
from transfer_service.services.sharing import bundles as module
from transfer_service.services.sharing.bundle_rows import FoundFile
from transfer_service.services.sharing.bundles import LIFE, BundleRecord
from transfer_service.storage.blobs import WHOLE
from transfer_service.storage.rooms import Room
from transfer_service.wire.ranges import Span
from transfer_service.wire.zip_layout import ZipLayout, ZipMembers

BIG = bytes(range(256)) * 1000


@pytest.fixture
def remote_bench(make_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """On a store whose files are opened ahead."""

    @cache
    def in_memory(_root: Path, room: Room) -> MemoryStore:
        return MemoryStore(room, is_remote=True)

    monkeypatch.setattr(bootstrap, "DiskStore", in_memory)
    return make_bench()


def collect(bench: Bench, *file_ids: uuid.UUID, folders: tuple[str, ...] = (), is_lenient: bool = False) -> ZipMembers:
    return bench.services.sharing.bundles.collect(bench.account_id, file_ids, folders, is_lenient=is_lenient)


def bytes_of(bench: Bench, members: ZipMembers) -> bytes:
    layout = ZipLayout(members)
    body = bench.services.sharing.bundles.open(layout)
    whole = b"".join(body.blocks(Span(0, layout.size)))
    assert len(whole) == layout.size == body.size
    for start in range(0, layout.size, max(layout.size // 7, 1)):
        span = Span(start, min(start + 100_000, layout.size))
        assert b"".join(body.blocks(span)) == whole[span.start : span.stop]
    return whole


def unpacked(bench: Bench, members: ZipMembers) -> dict[str, bytes]:
    """What others find in the archive."""
    with zipfile.ZipFile(io.BytesIO(bytes_of(bench, members))) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def make(bench: Bench, *file_ids: uuid.UUID, folders: tuple[str, ...] = ()) -> BundleRecord:
    return bench.services.sharing.bundles.create(bench.account_id, file_ids, folders, "files.zip")


def get(bench: Bench, bundle: BundleRecord) -> BundleRecord:
    return bench.services.sharing.bundles.get(bench.account_id, bundle.id)


def test_files_lie_in_it_under_their_last_labels_in_the_order_asked_for(any_bench: Bench) -> None:
    one, two = any_bench.store(b"one", "a/photo.jpg"), any_bench.store(b"two", "b/photo.jpg")
    big, empty = any_bench.store(BIG, "big.bin"), any_bench.store(b"", "empty")
    found = unpacked(any_bench, collect(any_bench, two.id, big.id, one.id, empty.id, two.id))
    assert list(found.items()) == [("photo.jpg", b"two"), ("big.bin", BIG), ("photo (2).jpg", b"one"), ("empty", b"")]


def test_folders_bring_all_that_is_whole_in_them_and_empty_folders(any_bench: Bench) -> None:
    for name in ("x/trip/1.jpg", "x/trip/day/2.jpg", "x/trip.jpg", "x/tripod/3.jpg", "y/trip/1.jpg"):
        any_bench.store(name.encode(), name)
    any_bench.append(0, b"some", "x/trip/unfinished.bin", total=100)
    any_bench.services.folders.create(any_bench.account_id, "x/trip/none/at all")
    found = unpacked(any_bench, collect(any_bench, folders=("x/trip", "y/trip", "x/trip")))
    assert found == {
        "trip/1.jpg": b"x/trip/1.jpg",
        "trip/day/2.jpg": b"x/trip/day/2.jpg",
        "trip/none/at all/": b"",
        "trip (2)/1.jpg": b"y/trip/1.jpg",
    }


def test_a_file_and_a_folder_of_one_name_both_come_out(bench: Bench) -> None:
    file, inside = bench.store(b"file", "a/trip"), bench.store(b"inside", "b/trip/c:")
    found = unpacked(bench, collect(bench, file.id, inside.id, folders=("b/trip",)))
    assert found == {"trip (2)": b"file", "c_": b"inside", "trip/c_": b"inside"}


def test_what_is_not_there_or_not_whole_is_refused_and_left_out_of_a_link(any_bench: Bench) -> None:
    file, part = any_bench.store(b"one", "a.bin"), any_bench.append(0, b"x", "part.bin", total=10)
    others = any_bench.another_account().store(b"other", "b.bin")
    for wrong, error in ((uuid.uuid4(), NotFound), (others.id, NotFound), (part.id, NotComplete)):
        with pytest.raises(error):
            collect(any_bench, file.id, wrong)
    with pytest.raises(NotFound, match="Folder"):
        collect(any_bench, folders=("nowhere",))
    lenient = collect(any_bench, uuid.uuid4(), others.id, part.id, file.id, folders=("nowhere",), is_lenient=True)
    assert unpacked(any_bench, lenient) == {"a.bin": b"one"}


def test_a_file_that_a_crash_has_left_before_its_last_step_is_in_it(any_bench: Bench) -> None:
    file, inside = any_bench.store(b"one", "a.bin"), any_bench.store(b"two", "f/b.bin")
    with any_bench.services.database.write() as session:
        session.execute(update(File).where(File.length.is_not(None)).values(
            state=FileState.RECEIVING, sha256=None, crc32=None, completed_at=None
        ))  # fmt: skip
    assert unpacked(any_bench, collect(any_bench, file.id, folders=("f",))) == {"a.bin": b"one", "f/b.bin": b"two"}
    assert unpacked(any_bench, collect(any_bench, inside.id)) == {"b.bin": b"two"}


def test_no_more_than_a_limit_go_into_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LISTED", 3)
    files = [bench.store(b"x", f"f/{number}.bin") for number in range(3)]
    assert len(collect(bench, folders=("f",))) == 3
    bench.services.folders.create(bench.account_id, "f/empty")
    for selection in ({"folders": ("f",)}, {"folders": ("f/empty", "f")}):
        with pytest.raises(InvalidRequest, match="at most"):
            collect(bench, **selection)
    assert len(collect(bench, files[0].id, folders=("f",), is_lenient=True)) == 3


def test_folders_in_folders_are_not_read_again_and_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each brings all that is below it: sixteen levels would make sixteen times everything of it, in memory."""
    monkeypatch.setattr(module, "MAX_LISTED", 20)
    path = ""
    for level in range(15):
        path = f"{path}/{level}" if path else f"{level}"
        for number in range(2):
            bench.store(b"x", f"{path}/{number}.bin")
    labels = path.split("/")
    nested = tuple("/".join(labels[: level + 1]) for level in range(15))[::-1]
    looks, look = list[str](), bundle_rows.find_files_below

    def counted(rows: Executor, account_id: uuid.UUID, path: str, *, limit: int) -> list[FoundFile]:
        looks.append(path)
        return look(rows, account_id, path, limit=limit)

    monkeypatch.setattr(bundle_rows, "find_files_below", counted)
    with pytest.raises(InvalidRequest, match="at most"):
        collect(bench, folders=nested)
    assert len(looks) < 6
    assert len(collect(bench, folders=nested, is_lenient=True)) == 20


def test_a_bundle_stays_what_it_was_to_the_byte(any_bench: Bench) -> None:
    file = any_bench.store(BIG, "f/a.bin")
    bundle = make(any_bench, file.id, folders=("f",))
    before, etag = bytes_of(any_bench, bundle.members), ZipLayout(bundle.members).etag()
    any_bench.services.renaming.rename(any_bench.account_id, file.id, "other/name.bin")
    any_bench.services.folders.move(any_bench.account_id, "f", "g")
    any_bench.store(b"new", "g/new.bin")
    after = get(any_bench, bundle)
    assert (bytes_of(any_bench, after.members), ZipLayout(after.members).etag()) == (before, etag)
    assert (after.name, after.created_at) == ("files.zip", any_bench.clock())


def test_it_is_read_as_long_as_all_its_files_are(make_bench: Callable[..., Bench], database_url: str) -> None:
    bench = make_bench(database_url=database_url, trash_days=7)
    kept, gone, replaced = (bench.store(b"x", name) for name in ("kept.bin", "gone.bin", "replaced.bin"))
    one, other, third = make(bench, kept.id, gone.id), make(bench, kept.id), make(bench, replaced.id)
    bench.services.files.delete(bench.account_id, "gone.bin")
    bench.store(b"y", "replaced.bin", overwrite=True)
    for bundle in (one, third):
        with pytest.raises(NotFound):
            get(bench, bundle)
    assert get(bench, other).id == other.id
    bench.services.trash.restore(bench.account_id, gone.id)
    assert get(bench, one).id == one.id


def test_files_that_a_power_loss_has_put_in_doubt_are_looked_at_first(any_bench: Bench) -> None:
    files = [any_bench.store(BIG, "one.bin"), any_bench.store(b"two", "two.bin")]
    bundle = make(any_bench, *[each.id for each in files])
    in_doubt = update(File).where(File.id.in_([each.id for each in files])).values(state=FileState.RECEIVING)
    with any_bench.services.database.write() as session:
        session.execute(in_doubt)
    assert unpacked(any_bench, get(any_bench, bundle).members) == {"one.bin": BIG, "two.bin": b"two"}
    with any_bench.services.database.write() as session:
        session.execute(in_doubt)
    path_of(any_bench.services.store, files[1].id).write_bytes(b"twx")
    after = bootstrap.build_services(any_bench.services.core.settings, now=any_bench.clock)  # which knows no hash yet
    with pytest.raises(NotFound):
        after.sharing.bundles.get(any_bench.account_id, bundle.id)
    after.database.dispose()


def test_it_is_its_accounts_alone_and_for_a_day(any_bench: Bench) -> None:
    bundle = make(any_bench, any_bench.store(b"x").id)
    with pytest.raises(NotFound):
        get(any_bench.another_account(), bundle)
    any_bench.clock.at += LIFE - timedelta(seconds=1)
    assert get(any_bench, bundle).expires_at == bundle.expires_at
    assert any_bench.services.cleanup.run().removed.expired_bundles.count == 0
    any_bench.clock.at += timedelta(seconds=1)
    with pytest.raises(NotFound):
        get(any_bench, bundle)
    assert any_bench.services.cleanup.run(dry_run=True).removed.expired_bundles.count == 1
    assert any_bench.services.cleanup.run().removed.expired_bundles.count == 1
    assert rows(any_bench) == []


def rows(bench: Bench) -> list[uuid.UUID]:
    with bench.services.database.read() as session:
        return list(session.scalars(select(Bundle.id)))


def test_it_goes_with_its_account(any_bench: Bench) -> None:
    other = any_bench.another_account()
    make(other, other.store(b"x").id)
    with any_bench.services.database.read() as session:
        name = session.scalars(select(Account.name).where(Account.id == other.account_id)).one()
    any_bench.services.account_removal.remove(name)
    assert rows(any_bench) == []


def test_files_from_before_get_their_checksums_once(any_bench: Bench) -> None:
    files = [any_bench.store(data, f"f/{number}.bin") for number, data in enumerate((b"one", BIG, b""))]
    forget_checksums(any_bench)
    expected = {"f/0.bin": b"one", "f/1.bin": BIG, "f/2.bin": b""}
    assert unpacked(any_bench, collect(any_bench, folders=("f",))) == expected
    path_of(any_bench.services.store, files[1].id).write_bytes(BIG[::-1])  # and nothing reads it for them again
    assert [each.size for each in collect(any_bench, folders=("f",))] == [3, len(BIG), 0]
    assert [fault.name for fault in any_bench.services.verification.run().faults] == ["f/1.bin"]


def forget_checksums(bench: Bench) -> None:
    """As a version before has left them."""
    with bench.services.database.write() as session:
        session.execute(update(File).values(crc32=None))


def test_a_damaged_file_gets_no_checksum_that_would_vouch_for_it(any_bench: Bench) -> None:
    file = any_bench.store(BIG, "a.bin")
    forget_checksums(any_bench)
    path_of(any_bench.services.store, file.id).write_bytes(b"x" * len(BIG))
    with pytest.raises(ReadFailed):
        collect(any_bench, file.id)
    assert any_bench.find("a.bin") is not None
    path_of(any_bench.services.store, file.id).write_bytes(BIG)
    assert unpacked(any_bench, collect(any_bench, file.id)) == {"a.bin": BIG}


def test_who_would_wait_for_long_comes_again_and_it_goes_on(
    remote_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [remote_bench.store(BIG, f"{number}.bin") for number in range(3)]
    forget_checksums(remote_bench)
    monkeypatch.setattr(checksums, "ANSWER_SECONDS", 0.05)
    store = remote_bench.services.store
    assert isinstance(store, MemoryStore)
    store.may_read.clear()
    with pytest.raises(ChecksumsPending):
        collect(remote_bench, *[each.id for each in files])
    store.may_read.set()
    monkeypatch.setattr(checksums, "ANSWER_SECONDS", 30)
    found = unpacked(remote_bench, collect(remote_bench, *[each.id for each in files]))
    assert found == {f"{number}.bin": BIG for number in range(3)}


def test_two_instances_that_need_a_checksum_read_the_file_once(remote_bench: Bench) -> None:
    file = remote_bench.store(BIG, "a.bin")
    forget_checksums(remote_bench)
    services = remote_bench.services
    other = Bench(
        bootstrap.build_services(services.core.settings, now=remote_bench.clock), remote_bench.clock,
        remote_bench.account_id,
    )  # fmt: skip
    store = services.store
    assert isinstance(store, MemoryStore)
    store.reads.clear()
    store.may_read.clear()
    found: list[int] = []
    asking = [
        threading.Thread(target=lambda bench=each: found.append(collect(bench, file.id)[0].crc32))
        for each in (remote_bench, other)
    ]
    for each in asking:
        each.start()
    wait_until(lambda: len([lock for lock in store.claims.locks if lock.name.startswith("hash-")]) == 2)
    store.may_read.set()
    for each in asking:
        each.join()
    other.services.database.dispose()
    assert found == [zlib.crc32(BIG)] * 2
    assert sum(span.size for span in store.reads) == len(BIG)


def test_from_a_remote_store_files_are_opened_ahead_in_their_order(remote_bench: Bench) -> None:
    data = {f"{number}.bin": bytes([number]) * (number * 1000) for number in range(40)}
    ids = [remote_bench.store(content, name).id for name, content in data.items()]
    members = collect(remote_bench, *ids)
    assert unpacked(remote_bench, members) == data
    body = remote_bench.services.sharing.bundles.open(ZipLayout(members))
    blocks = body.blocks(Span(0, body.size))
    assert next(blocks)
    blocks.close()  # type: ignore[attr-defined] # a generator: who stops reading leaves nothing open


def test_what_is_gone_meanwhile_ends_it_and_no_other_byte_takes_its_place(bench: Bench) -> None:
    files = [bench.store(BIG, f"{number}.bin") for number in range(3)]
    whole = bytes_of(bench, members := collect(bench, *[each.id for each in files]))
    body, got = bench.services.sharing.bundles.open(ZipLayout(members)), b""
    bench.services.files.delete(bench.account_id, "1.bin")
    with pytest.raises(ReadFailed):
        for block in body.blocks(Span(0, body.size)):
            got += block
    assert got == whole[: len(got)]
    assert len(BIG) <= len(got) < 2 * len(BIG)


def test_a_file_that_has_become_shorter_ends_it(bench: Bench) -> None:
    file = bench.store(BIG, "a.bin")
    body = bench.services.sharing.bundles.open(ZipLayout(collect(bench, file.id)))
    path_of(bench.services.store, file.id).write_bytes(BIG[:-1])
    with pytest.raises(ReadFailed):
        list(body.blocks(Span(0, body.size)))


def test_whatever_happens_to_its_files_an_archive_is_right_or_ends_early(
    make_bench: Callable[..., Bench], database_url: str
) -> None:
    """While files are replaced, deleted, restored, renamed and moved, archives of them are made and sent."""
    bench = make_bench(database_url=database_url, trash_days=7)
    names = [f"f/{number}.bin" for number in range(6)]
    versions: dict[str, set[bytes]] = {name: set() for name in names}
    stop, ends, chance = threading.Event(), Counter[str](), random.Random(7)

    def store(name: str) -> uuid.UUID:
        data = chance.randbytes(chance.choice([10, 70_000, 200_000]))
        versions[name].add(data)
        return bench.store(data, name, overwrite=True).id

    def change() -> None:
        while not stop.is_set():
            name = chance.choice(names)
            with suppress(NotFound, NameTaken):
                if chance.random() < 0.5:
                    store(name)
                elif chance.random() < 0.5:
                    bench.services.files.delete(bench.account_id, name)
                else:
                    gone = bench.services.trash.list_files(bench.account_id, limit=10)
                    for each in gone[:1]:
                        bench.services.trash.restore(bench.account_id, each.id)

    for name in names:
        store(name)
    changing = threading.Thread(target=change)
    changing.start()
    try:
        for _ in range(40):
            try:
                bundle = make(bench, folders=("f",))
                got = b"".join(bench.services.sharing.bundles.open(ZipLayout(get(bench, bundle).members)).blocks(WHOLE))
            except (NotFound, ReadFailed) as error:
                ends[type(error).__name__] += 1
                continue
            ends["whole"] += 1
            with zipfile.ZipFile(io.BytesIO(got)) as opened:
                assert opened.testzip() is None
                for name in opened.namelist():
                    assert opened.read(name) in set().union(*versions.values())
    finally:
        stop.set()
        changing.join()
    assert ends["whole"]
