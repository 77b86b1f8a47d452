"""What a key or an upload link has brought is counted wherever bytes are reserved or given back."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.services.conftest import Bench, Body, plan_of
from tests.services.sharing.allotments import allot, counted, miscounted
from tests.services.uploads.bench import Append, Uploads, announced, any_uploads, make_uploads
from transfer_service.bootstrap import build_services
from transfer_service.errors import LinkGone, LinkUsedUp, NotFound, QuotaExceeded
from transfer_service.models.uploads import UploadKind, UploadProtocol
from transfer_service.services.sharing import allotments
from transfer_service.services.sharing.link_uploads import under_way
from transfer_service.services.uploads.incoming import Place
from transfer_service.services.uploads.resumable import UploadDraft
from transfer_service.services.uploads.whole_files import Draft
from transfer_service.storage.blobs import END
from transfer_service.wire.ranges import Span

__all__ = ["any_uploads", "make_uploads"]

LARGE = b"x" * 700_000
BOTH = pytest.mark.parametrize("gives_back", [pytest.param(True, id="key"), pytest.param(False, id="link")])


def store(bench: Bench, data: bytes, origin_id: uuid.UUID, name: str = "a.bin", **draft: Any) -> uuid.UUID:
    """A whole file in one request that comes by an origin."""
    body = {key: draft.pop(key) for key in ("failure", "is_slow") if key in draft}
    new = Draft(**{"name": name, "media_type": "text/plain", "length": len(data), "overwrite": False, **draft})
    new = replace(new, origin_id=origin_id)
    return bench.services.whole_files.receive(bench.account_id, new, Body([data], **body)).file.id


def chunk(bench: Bench, start: int, data: bytes, origin_id: uuid.UUID, **body: Any) -> uuid.UUID:
    place = Place(bench.account_id, "log.bin", origin_id)
    span = Span(start, start + len(data))
    return bench.services.uploads.append(place, span=span, incoming=Body([data], **body)).id


@BOTH
@pytest.mark.parametrize("data", [pytest.param(b"hello", id="small"), pytest.param(LARGE, id="large")])
@pytest.mark.parametrize("knows_length", [True, False], ids=["length", "no-length"])
def test_a_whole_file_counts(any_bench: Bench, *, gives_back: bool, data: bytes, knows_length: bool) -> None:
    origin = allot(any_bench.services, any_bench.account_id, gives_back=gives_back, quota_bytes=10**6)
    store(any_bench, data, origin, length=len(data) if knows_length else None)
    assert counted(any_bench.services, origin) == (len(data), 1)
    assert not miscounted(any_bench.services)


@BOTH
@pytest.mark.parametrize("length", [100, None])
def test_what_breaks_counts_no_more(any_bench: Bench, *, gives_back: bool, length: int | None) -> None:
    origin = allot(any_bench.services, any_bench.account_id, gives_back=gives_back)
    with pytest.raises(NotFound):
        store(any_bench, b"half", origin, length=length, failure=NotFound())
    assert counted(any_bench.services, origin) == (0, 0)
    assert not miscounted(any_bench.services)


@pytest.mark.parametrize("data", [pytest.param(b"hello", id="small"), pytest.param(LARGE, id="large")])
@pytest.mark.parametrize("length", ["known", "unknown"])
def test_more_than_its_bytes_is_refused_and_leaves_nothing(any_bench: Bench, data: bytes, length: str) -> None:
    origin = allot(any_bench.services, any_bench.account_id, quota_bytes=len(data) - 1)
    with pytest.raises(QuotaExceeded):
        store(any_bench, data, origin, length=len(data) if length == "known" else None)
    assert (any_bench.rows(), any_bench.blobs(), counted(any_bench.services, origin)) == (0, set(), (0, 0))


@pytest.mark.parametrize("length", [5, 0, None])
def test_a_link_that_has_all_its_files_takes_none(any_bench: Bench, length: int | None) -> None:
    origin = allot(any_bench.services, any_bench.account_id, quota_files=1)
    store(any_bench, b"first", origin)
    with pytest.raises(LinkUsedUp):
        store(any_bench, b"12345"[: length or 0], origin, "b.bin", length=length)
    assert any_bench.names() == ["a.bin"]


def test_what_leaves_makes_room_for_a_key_and_not_for_a_link(any_bench: Bench) -> None:
    services, account_id = any_bench.services, any_bench.account_id
    key, link = (allot(services, account_id, gives_back=each, quota_bytes=9) for each in (True, False))
    for origin in (key, link):
        file_id = store(any_bench, b"12345", origin, f"{origin}.bin")
        services.files.delete(account_id, str(file_id))
    assert (counted(services, key), counted(services, link)) == ((0, 0), (5, 1))
    assert not miscounted(services)


@BOTH
def test_the_trash_keeps_room_until_it_is_emptied(make_bench: Callable[..., Bench], *, gives_back: bool) -> None:
    bench = make_bench(trash_days=1)
    services, account_id = bench.services, bench.account_id
    origin = allot(services, account_id, gives_back=gives_back)
    kept, restored = (store(bench, b"12345", origin, name) for name in ("kept", "restored"))
    for file_id in (kept, restored):
        services.files.delete(account_id, str(file_id))
    services.trash.restore(account_id, restored)
    bench.store(b"of nobody", "mine")
    services.files.delete(account_id, "mine")
    assert counted(services, origin) == (10, 2)
    services.trash.empty(account_id)
    assert counted(services, origin) == ((5, 1) if gives_back else (10, 2))
    assert not miscounted(services)


@BOTH
def test_a_file_that_is_replaced_leaves_and_its_successor_comes(any_bench: Bench, *, gives_back: bool) -> None:
    services, account_id = any_bench.services, any_bench.account_id
    old, new = (allot(services, account_id, gives_back=gives_back) for _ in range(2))
    store(any_bench, b"12345", old)
    store(any_bench, b"123", new, overwrite=True)
    assert (counted(services, old), counted(services, new)) == ((0, 0) if gives_back else (5, 1), (3, 1))
    assert not miscounted(services)


def test_chunks_count_as_they_make_a_file_larger(any_bench: Bench) -> None:
    services = any_bench.services
    key = allot(services, any_bench.account_id, gives_back=True, quota_bytes=10)
    chunk(any_bench, 4, b"e", key)
    chunk(any_bench, 0, b"abcd", key)
    chunk(any_bench, 5, b"fgh", key)  # it was finished for all that was known
    assert counted(services, key) == (8, 1)
    with pytest.raises(QuotaExceeded):
        chunk(any_bench, 8, b"ijk", key)
    with pytest.raises(QuotaExceeded):
        chunk(any_bench, 8, b"i", key, total=11)
    assert (counted(services, key), miscounted(services)) == ((8, 1), [])


def test_a_first_chunk_that_is_refused_leaves_nothing(any_bench: Bench) -> None:
    key = allot(any_bench.services, any_bench.account_id, gives_back=True, quota_bytes=2_000_000)
    with pytest.raises(NotFound):
        chunk(any_bench, 0, b"a" * 1_500_000, key, failure=NotFound())
    assert (counted(any_bench.services, key), any_bench.rows()) == ((0, 0), 0)


@BOTH
@pytest.mark.parametrize("ending", ["finished", "cancelled", "expired"])
def test_an_upload_counts_what_it_promises(any_uploads: Uploads, *, gives_back: bool, ending: str) -> None:
    services = any_uploads.services
    origin = allot(services, any_uploads.account_id, gives_back=gives_back, quota_bytes=10)
    upload = any_uploads.begin(10, origin_id=origin)
    assert counted(services, origin) == (10, 1)
    if ending == "finished":
        any_uploads.send(upload, 0, b"0123456789")
    elif ending == "cancelled":
        any_uploads.cancel(upload)
    else:
        any_uploads.clock.advance(days=2)
        services.cleanup.run()
    assert counted(services, origin) == ((10, 1) if ending == "finished" else (0, 0))
    assert not miscounted(services)


@BOTH
def test_a_length_that_comes_late_is_reserved_when_it_comes(any_uploads: Uploads, *, gives_back: bool) -> None:
    services = any_uploads.services
    origin = allot(services, any_uploads.account_id, gives_back=gives_back, quota_bytes=10)
    upload = any_uploads.begin(None, origin_id=origin)
    any_uploads.stream(upload, 0, b"0123", ends=False)
    assert counted(services, origin) == (4, 1)
    assert any_uploads.error_of(lambda: any_uploads.send(upload, 4, b"4", length=11)) is QuotaExceeded
    assert any_uploads.error_of(lambda: any_uploads.stream(upload, 4, b"4567890", ends=False)) is QuotaExceeded
    any_uploads.send(any_uploads.get(upload), 4, b"456789", length=10)
    assert (counted(services, origin), miscounted(services)) == ((10, 1), [])


@BOTH
def test_a_small_upload_in_one_step_counts(any_uploads: Uploads, *, gives_back: bool) -> None:
    services, account_id = any_uploads.services, any_uploads.account_id
    origin = allot(services, account_id, gives_back=gives_back, quota_bytes=5, quota_files=None if gives_back else 1)
    draft = UploadDraft(UploadProtocol.TUS, "a.bin", None, length=5, overwrite=False, origin_id=origin)
    assert services.resumable_uploads.begin_whole(account_id, draft, announced(b"hello")) is not None
    with pytest.raises(QuotaExceeded if gives_back else LinkUsedUp):
        services.resumable_uploads.begin_whole(account_id, draft, announced(b"hello"))
    assert (counted(services, origin), miscounted(services)) == ((5, 1), [])


@BOTH
def test_parts_are_bytes_and_no_files(any_uploads: Uploads, *, gives_back: bool) -> None:
    services = any_uploads.services
    origin = allot(services, any_uploads.account_id, gives_back=gives_back, quota_bytes=10, quota_files=1)
    parts = [any_uploads.begin(5, kind=UploadKind.PARTIAL, concat_header="partial", origin_id=origin) for _ in range(2)]
    assert counted(services, origin) == (10, 0)
    final = any_uploads.concatenate(*parts, origin_id=origin)
    assert counted(services, origin) == (10, 1)
    for part in parts:
        any_uploads.send(part, 0, b"01234")
    assert any_uploads.get(final).is_finished
    assert (counted(services, origin), miscounted(services)) == ((10, 1), [])


@BOTH
def test_a_final_upload_that_can_never_be_whole_counts_no_more(any_uploads: Uploads, *, gives_back: bool) -> None:
    services = any_uploads.services
    origin = allot(services, any_uploads.account_id, gives_back=gives_back)
    part = any_uploads.begin(5, kind=UploadKind.PARTIAL, concat_header="partial", origin_id=origin)
    final = any_uploads.concatenate(part, origin_id=origin)
    any_uploads.cancel(part)
    assert any_uploads.error_of(lambda: any_uploads.get(final)) is not None
    assert (counted(services, origin), miscounted(services)) == ((0, 0), [])


def test_what_was_whole_before_a_power_loss_was_received(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(durability="process")
    link = allot(bench.services, bench.account_id)
    file_id = store(bench, b"12345", link)
    bench.services.store.delete(file_id)  # as a power loss may
    services = build_services(bench.services.core.settings, now=bench.clock, boot="another")
    services.recovery.ensure()
    assert services.files.find(bench.account_id, "a.bin") is None
    assert (bench.rows(), counted(services, link), miscounted(services)) == (0, (5, 1), [])
    services.database.dispose()


@pytest.mark.parametrize(
    "bring",
    [
        pytest.param(lambda uploads, origin: uploads.begin(5, origin_id=origin), id="upload"),
        pytest.param(lambda uploads, origin: uploads.begin(None, origin_id=origin), id="upload-of-unknown-length"),
        pytest.param(lambda uploads, origin: uploads.begin(0, origin_id=origin), id="upload-of-nothing"),
        pytest.param(lambda uploads, origin: store(uploads, b"12345", origin), id="file"),
        pytest.param(lambda uploads, origin: store(uploads, b"", origin), id="empty-file"),
        pytest.param(lambda uploads, origin: store(uploads, LARGE, origin, length=None), id="large-file"),
    ],
)
def test_nothing_comes_by_a_link_that_has_ended(
    any_uploads: Uploads, bring: Callable[[Uploads, uuid.UUID], object]
) -> None:
    services, now = any_uploads.services, any_uploads.clock()
    link = allot(services, any_uploads.account_id, ends_at=now + timedelta(hours=1))
    any_uploads.clock.advance(hours=1)
    with pytest.raises(LinkGone):
        bring(any_uploads, link)
    assert (any_uploads.rows(), counted(services, link), any_uploads.used_bytes()) == (0, (0, 0), 0)


@pytest.mark.parametrize("size", [5, 10], ids=["a-part", "the-rest"])
def test_no_byte_counts_after_the_end_of_a_link(any_uploads: Uploads, size: int) -> None:
    services = any_uploads.services
    link = allot(services, any_uploads.account_id)
    upload = any_uploads.begin(10, origin_id=link)

    def end() -> None:
        with services.database.write_rows() as rows:
            allotments.end(rows, link, now=any_uploads.clock())

    body = Append([end, b"0123456789"[:size]], announced=size)
    assert any_uploads.error_of(lambda: any_uploads.put(upload, body, offset=0)) is LinkGone
    assert any_uploads.get(upload).offset == 0
    assert not miscounted(services)


def test_parts_that_were_whole_when_their_link_expired_are_put_together(any_uploads: Uploads) -> None:
    services = any_uploads.services
    link = allot(services, any_uploads.account_id, ends_at=any_uploads.clock() + timedelta(hours=1))
    parts = [any_uploads.begin(3, kind=UploadKind.PARTIAL, concat_header="partial", origin_id=link) for _ in range(2)]
    final = any_uploads.concatenate(*parts, origin_id=link)
    any_uploads.send(parts[0], 0, b"abc")
    with services.store.open_writer(final.id, Span(0, END), create=True, wait_seconds=0):
        any_uploads.send(parts[1], 0, b"def")  # whoever is about to put them together is killed
    any_uploads.clock.advance(hours=2)
    services.cleanup.run()
    assert any_uploads.file("joined.bin") == b"abcdef"
    assert (any_uploads.used_bytes(), miscounted(services)) == (6, [])


def test_an_account_that_goes_takes_its_allotments_along(any_uploads: Uploads) -> None:
    services = any_uploads.services
    link = allot(services, any_uploads.account_id)
    any_uploads.begin(10, origin_id=link)
    store(any_uploads, b"12345", link)
    services.accounts.create("root", "password of root", is_admin=True)
    services.account_removal.remove("alice")
    with services.database.read_rows() as rows:
        assert allotments.find(rows, link) is None
    assert (any_uploads.rows(), any_uploads.blobs()) == (0, set())


def test_files_of_an_origin_that_is_gone_are_limited_by_their_account(any_uploads: Uploads) -> None:
    upload = any_uploads.begin(10, origin_id=uuid.uuid4())
    any_uploads.send(upload, 0, b"0123456789")
    assert any_uploads.file() == b"0123456789"


def test_nobody_without_an_origin_pays(bench: Bench) -> None:
    run: list[str] = []
    with bench.services.database.read_rows() as rows:
        driver: Any = rows.connection.driver_connection  # the last one that was used is the next
    driver.set_trace_callback(run.append)
    bench.store(b"x", "a")
    bench.append(0, b"y", "b", total=2)
    bench.services.files.delete(bench.account_id, "a")
    driver.set_trace_callback(None)
    assert any("INSERT INTO files" in each for each in run)
    assert not [each for each in run if "allotments" in each]


def test_what_is_under_way_by_a_link_is_found_in_its_index(any_bench: Bench) -> None:
    assert "ix_files_origin_id" in plan_of(any_bench.services.database, under_way)
