"""Previews where the bytes are in an object store, and where notices tell of them."""

import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Queue

import pytest

from tests.previewer.samples import RED, film, picture
from tests.previewer.working import working
from tests.services.conftest import Bench
from tests.services.previews.conftest import Previews
from transfer_service.bootstrap import build_services
from transfer_service.errors import NoPreview, PreviewPending
from transfer_service.models.previews import PreviewState
from transfer_service.previewer.protocol import Facts, Job, Made
from transfer_service.services.previews import making, waiting
from transfer_service.services.previews import rows as preview_rows
from transfer_service.services.previews.maker import Maker
from transfer_service.services.previews.making import PreviewMaking, parts_to_bring
from transfer_service.services.previews.previews import PreviewService
from transfer_service.services.previews.waiting import MADE
from transfer_service.storage.s3.objects import Objects
from transfer_service.wire.media_signatures import Medium
from transfer_service.wire.ranges import Span
from transfer_service.wire.store_addresses import StoreAddress

MIB = 1024 * 1024


@pytest.fixture
def remote(make_bench: Callable[..., Bench], object_store_url: str, maker: Maker) -> Previews:
    bench = make_bench(storage_url=object_store_url)
    return Previews(bench, PreviewMaking(bench.services.core, maker))


def objects_of(objects: Objects, address: StoreAddress) -> list[str]:
    prefix = f"{address.prefix}/previews/"
    return [each.name.removeprefix(prefix) for page in objects.list(prefix) for each in page]


def test_a_preview_is_one_object_and_goes_with_its_file(
    remote: Previews, objects: Objects, store_address: StoreAddress
) -> None:
    made = remote.made(picture("BMP", 500, 400))
    assert (made.state, made.width) == (PreviewState.READY, 500)
    assert objects_of(objects, store_address) == [f"{made.subject[:2]}/{made.subject}"]
    assert remote.shown(made, 160).startswith(b"RIFF")
    remote.bench.services.files.delete(remote.bench.account_id, "a.jpg")
    remote.work()
    assert objects_of(objects, store_address) == []
    assert list(remote.bench.services.core.settings.data_dir.glob("tmp*")) == []


def test_a_film_is_brought_to_a_file_without_a_name(remote: Previews) -> None:
    seen: list[list[Path]] = []
    folder = remote.bench.services.core.settings.data_dir

    class Looking(Maker):
        def make(self, descriptor: int, job: Job) -> Made | None:
            seen.append([path for path in folder.iterdir() if path.name.startswith("tmp")])
            status = Path(f"/proc/self/fd/{descriptor}").stat()
            assert (status.st_nlink, status.st_size) == (0, job.length)
            return None

    subject = remote.send(film("mp4", (RED,) * 30, width=640, height=480))
    PreviewMaking(remote.bench.services.core, Looking()).make(subject)
    assert seen == [[]]


def test_the_data_folder_need_not_be_there(
    make_bench: Callable[..., Bench], object_store_url: str, maker: Maker, tmp_path: Path
) -> None:
    """Where the database is elsewhere too nobody has made it, and it may vanish."""
    bench = make_bench(storage_url=object_store_url, database_url=f"sqlite:///{tmp_path / 'elsewhere.sqlite3'}")
    remote, folder = Previews(bench, PreviewMaking(bench.services.core, maker)), bench.services.core.settings.data_dir
    for _ in range(2):
        assert not folder.exists()
        assert remote.made(picture()).state is PreviewState.READY
        assert [*folder.iterdir()] == []
        folder.rmdir()


def test_it_is_made_anew_where_its_object_was_lost(remote: Previews) -> None:
    made = remote.made(picture())
    remote.bench.services.core.previews.delete(made.subject)
    with pytest.raises(Exception, match="not made yet"):
        remote.bench.services.previews.open(made)
    remote.work()
    again = remote.find(made.subject)
    assert again is not None
    assert remote.shown(again, 1280).startswith(b"RIFF")


@pytest.mark.parametrize(
    ("length", "medium", "spans"),
    [
        (10 * MIB, Medium.JPEG, [(0, 10 * MIB)]),
        (256 * MIB, Medium.QUICKTIME, [(0, 256 * MIB)]),
        (300 * MIB, Medium.JPEG, []),
        (300 * MIB, None, []),
        (2048 * MIB, Medium.QUICKTIME, [(0, 64 * MIB), (2032 * MIB, 2048 * MIB)]),
    ],
)
def test_no_more_is_brought_than_is_looked_at(length: int, medium: Medium | None, spans: list[tuple[int, int]]) -> None:
    assert parts_to_bring(length, medium) == [Span(*span) for span in spans]


def test_a_long_film_is_shown_by_its_beginning_and_its_end(remote: Previews, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies between is not brought: here all but the first and the last 64 KiB."""
    monkeypatch.setattr(making, "BROUGHT_BYTES", 200_000)
    monkeypatch.setattr(making, "BEGINNING_BYTES", 65_536)
    monkeypatch.setattr(making, "END_BYTES", 65_536)
    head = film("mov", (RED,) * 20)
    start = head.index(b"mdat") - 4
    size = int.from_bytes(head[start : start + 4])
    padding = bytes(400_000)
    data = head[: start + size] + (len(padding) + 8).to_bytes(4) + b"free" + padding + head[start + size :]
    made = remote.made(data)
    assert (made.state, made.width) == (PreviewState.READY, 320)


def test_who_waits_hears_of_it_from_another_process(any_bench: Bench, maker: Maker) -> None:
    """The service and the worker know each other by the database alone: here two sets of services."""
    other = build_services(any_bench.services.core.settings, now=any_bench.clock)
    any_bench.services.database.notices.begin()
    other.database.notices.begin()
    try:
        file = any_bench.store(picture(), "a.jpg")
        with working(other.core, maker):
            began = time.monotonic()
            preview = any_bench.services.previews.get(
                file.id.hex, lambda: any_bench.services.store.open_reader(file.id)
            )
        assert preview.state is PreviewState.READY
        assert time.monotonic() - began < any_bench.services.previews.wait_seconds
    finally:
        other.database.dispose()


@pytest.fixture
def by_notices(
    make_bench: Callable[..., Bench], postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[Bench, "Queue[str | None]"]:
    """A bench whose waits look only when they are told, and what they are told."""
    monkeypatch.setattr(waiting, "LOOK_SECONDS_WITH_NOTICES", 600)
    bench, told = make_bench(database_url=postgres_url), Queue[str | None]()
    notices = bench.services.database.notices
    notices.listen(MADE, told.put)
    notices.begin()
    assert told.get(timeout=30) is None
    return bench, told


class Hurried(Maker):
    """Of what it makes somebody asks for it just then."""

    def __init__(self, bench: Bench, made: Made | None) -> None:
        super().__init__()
        self.bench, self.made, self.subjects = bench, made, list[str]()

    def make(self, descriptor: int, job: Job) -> Made | None:  # noqa: ARG002
        with self.bench.services.database.write_rows() as rows:
            for subject in self.subjects:
                assert preview_rows.hurry(rows, subject)
        return self.made


@pytest.mark.parametrize("made", [None, Made(Facts(1, 1, None, "L"), (b"a", b"", b""))], ids=["none", "made"])
def test_who_asks_while_it_is_being_made_is_told_too(
    by_notices: tuple[Bench, "Queue[str | None]"], made: Made | None
) -> None:
    bench, told = by_notices
    maker = Hurried(bench, made)
    previews = Previews(bench, PreviewMaking(bench.services.core, maker))
    previews.made(picture())  # nobody asks for this one, and nobody is told
    maker.subjects = [previews.send(picture(), "b.jpg")]
    previews.work()
    assert told.get(timeout=30) == maker.subjects[0]
    assert told.empty()


def test_who_waits_for_what_is_no_picture_is_told_so(by_notices: tuple[Bench, "Queue[str | None]"]) -> None:
    bench, told = by_notices
    previews = Previews(bench, PreviewMaking(bench.services.core, Maker()))
    subject = previews.send(b"a text" * 100_000)
    with bench.services.database.write_rows() as rows:
        assert preview_rows.hurry(rows, subject)
    previews.work()
    assert (told.get(timeout=30), previews.find(subject)) == (subject, None)


def test_who_comes_while_another_one_waits_is_told_at_once(by_notices: tuple[Bench, "Queue[str | None]"]) -> None:
    bench, _ = by_notices
    previews = Previews(bench, PreviewMaking(bench.services.core, Hurried(bench, None)))
    service, other = PreviewService(bench.services.core, wait_seconds=20), previews.send(picture(), "other.jpg")
    ended = Queue[str]()

    def ask(subject: str) -> None:
        with suppress(NoPreview, PreviewPending):
            service.get(subject, lambda: bench.services.store.open_reader(uuid.UUID(hex=subject)))
        ended.put(subject)

    mine = previews.send(picture(), "mine.jpg")
    threads = [threading.Thread(target=ask, args=[subject]) for subject in (other, mine)]
    for thread in threads:
        thread.start()
        time.sleep(0.5)  # now it waits, and looks
    previews.making.make(mine)
    assert ended.get(timeout=10) == mine
    previews.making.make(other)
    assert ended.get(timeout=10) == other
    for thread in threads:
        thread.join()


def test_many_who_wait_hold_nothing_and_are_all_told(bench: Bench) -> None:
    """They hold no connection: there are not so many."""
    bench.services.previews.wait_seconds = 1.0
    ids = [bench.store(picture("GIF", 8, 8), f"{number}.gif").id for number in range(3)]
    refused: list[type[Exception]] = []

    def ask(file_id: uuid.UUID) -> None:
        try:
            bench.services.previews.get(file_id.hex, lambda: bench.services.store.open_reader(file_id))
        except Exception as error:  # noqa: BLE001
            refused.append(type(error))

    threads = [threading.Thread(target=ask, args=[ids[number % 3]]) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {each.__name__ for each in refused} == {"PreviewPending"}
    assert len(refused) == len(threads)
