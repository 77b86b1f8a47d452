"""What is made when, by whom, and how often it is tried."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.live.server import wait_until
from tests.previewer.samples import picture
from tests.services.conftest import Bench, plan_of
from tests.services.previews.conftest import Previews
from transfer_service.errors import StoreUnavailable
from transfer_service.models.previews import PreviewState
from transfer_service.previewer.protocol import Job, Made
from transfer_service.services.previews import maker as maker_module
from transfer_service.services.previews import rows as preview_rows
from transfer_service.services.previews.maker import Maker, MakerDied, MakerMissing, MakerStopped
from transfer_service.services.previews.making import LEASE, MOST_TRIES, STOPS_AT_ONCE, PreviewMaking
from transfer_service.services.previews.rows import URGENT, USUAL

A_PICTURE = picture()
A_LARGE_PICTURE = picture("BMP", 400, 300)


class Scripted(Maker):
    """A maker that fails as it is told, and else makes nothing."""

    def __init__(self, *failures: BaseException) -> None:
        super().__init__()
        self.failures = list(failures)
        self.asked: list[Job] = []

    def make(self, descriptor: int, job: Job) -> Made | None:  # noqa: ARG002
        self.asked.append(job)
        if self.failures:
            raise self.failures.pop(0)
        return None


def state_of(previews: Previews, subject: str) -> PreviewState | None:
    found = previews.find(subject)
    return found.state if found else None


def scripted(bench: Bench, *failures: BaseException) -> tuple[Previews, Scripted]:
    maker = Scripted(*failures)
    return Previews(bench, PreviewMaking(bench.services.core, maker)), maker


def test_a_small_file_that_is_no_picture_gets_no_row(any_previews: Previews) -> None:
    assert noted(any_previews, b"a text") is None


def noted(previews: Previews, data: bytes) -> PreviewState | None:
    return state_of(previews, previews.send(data))


@pytest.mark.parametrize("data", [b"a text" * 100_000, b""], ids=["large", "empty"])
def test_what_turns_out_to_be_none_loses_its_row(any_previews: Previews, data: bytes) -> None:
    subject = any_previews.send(data)
    any_previews.work()
    assert state_of(any_previews, subject) is None


def test_a_large_picture_is_made_from_where_it_lies(any_previews: Previews) -> None:
    assert any_previews.made(A_LARGE_PICTURE).state is PreviewState.READY


@pytest.mark.parametrize("cut", [70, 400, len(A_PICTURE) // 2])
def test_what_cannot_be_read_has_none(previews: Previews, cut: int) -> None:
    assert previews.made(A_PICTURE[:cut]).state is PreviewState.NONE


def test_chunks_and_resumable_uploads_are_shown_too(any_previews: Previews) -> None:
    bench, half = any_previews.bench, len(A_PICTURE) // 2
    bench.append(half, A_PICTURE[half:], "chunks.jpg", total=len(A_PICTURE))
    whole = bench.append(0, A_PICTURE[:half], "chunks.jpg", total=len(A_PICTURE))
    any_previews.work()
    assert state_of(any_previews, whole.id.hex) is PreviewState.READY


def test_a_file_that_grows_is_shown_anew(any_previews: Previews) -> None:
    bench = any_previews.bench
    first = bench.append(0, A_PICTURE[:300], "a.jpg")
    any_previews.work()
    assert state_of(any_previews, first.id.hex) is PreviewState.NONE
    grown = bench.append(300, A_PICTURE[300:], "a.jpg")
    assert grown.id == first.id
    assert state_of(any_previews, first.id.hex) is PreviewState.WAITING
    any_previews.work()
    assert state_of(any_previews, first.id.hex) is PreviewState.READY


def test_what_somebody_waits_for_comes_first(any_previews: Previews) -> None:
    subjects = []
    for _ in range(3):
        subjects.append(any_previews.send(A_PICTURE))
        any_previews.bench.clock.advance(seconds=1)
    with any_previews.bench.services.database.write_rows() as rows:
        assert preview_rows.hurry(rows, subjects[2])
        assert not preview_rows.hurry(rows, subjects[2])
    assert any_previews.making.choose(3) == [subjects[2], subjects[0], subjects[1]]
    found = [any_previews.find(subject) for subject in subjects]
    assert [each.rank for each in found if each] == [USUAL, USUAL, URGENT]


def test_two_workers_do_nothing_twice(any_bench: Bench) -> None:
    previews, maker = scripted(any_bench)
    subjects = [previews.send(A_PICTURE) for _ in range(12)]
    others = [PreviewMaking(any_bench.services.core, maker) for _ in range(4)]
    together = threading.Barrier(4)

    def work(making: PreviewMaking) -> None:
        together.wait()
        for subject in subjects:
            making.make(subject)

    threads = [threading.Thread(target=work, args=[each]) for each in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(maker.asked) == len(subjects)


def test_a_worker_that_stops_leaves_it_to_the_next_one(any_bench: Bench) -> None:
    previews, _ = scripted(any_bench, KeyboardInterrupt())
    subject = previews.send(A_PICTURE)
    with pytest.raises(KeyboardInterrupt):
        previews.making.make(subject)
    assert previews.making.choose(1) == [subject]
    found = previews.find(subject)
    assert found is not None
    assert (found.runner, found.tries, found.deaths) == (None, 0, 0)


def test_one_whose_worker_was_killed_is_made_when_its_lease_is_over(any_previews: Previews) -> None:
    subject, core = any_previews.send(A_PICTURE), any_previews.bench.services.core
    with core.database.write_rows() as rows:
        assert preview_rows.claim(rows, subject, uuid.uuid4(), core.now(), LEASE) is not None
    assert (any_previews.making.choose(1), any_previews.making.make(subject)) == ([], False)
    any_previews.bench.clock.advance(seconds=LEASE.total_seconds())
    any_previews.work()
    assert state_of(any_previews, subject) is PreviewState.READY


def test_who_has_lost_the_lease_changes_nothing(any_previews: Previews, maker: Maker) -> None:
    """A worker that was frozen while another one made the preview."""
    subject, bench = any_previews.send(A_PICTURE), any_previews.bench
    bytes_of_the_other: list[bytes] = []

    class Frozen(Maker):
        def make(self, descriptor: int, job: Job) -> Made | None:
            bench.clock.advance(seconds=LEASE.total_seconds())
            any_previews.work()
            found = any_previews.find(subject)
            assert found is not None
            bytes_of_the_other.append(any_previews.shown(found, 1280))
            made = maker.make(descriptor, job)
            assert made is not None
            return Made(made.facts, (b"another", b"", b""))

    PreviewMaking(bench.services.core, Frozen()).make(subject)
    found = any_previews.find(subject)
    assert found is not None
    assert (found.state, any_previews.shown(found, 1280)) == (PreviewState.READY, bytes_of_the_other[0])


def test_a_file_that_kills_its_maker_twice_has_none(any_bench: Bench) -> None:
    previews, maker = scripted(any_bench, MakerDied(), MakerDied())
    subject = previews.send(A_PICTURE)
    previews.work()
    assert (state_of(previews, subject), len(maker.asked)) == (PreviewState.NONE, 2)


def test_one_that_was_in_work_when_another_one_killed_it_is_not_blamed(any_bench: Bench) -> None:
    previews, maker = scripted(any_bench, MakerStopped(), MakerStopped(), MakerDied())
    subject = previews.send(A_PICTURE)
    previews.work()
    found = previews.find(subject)
    assert found is not None
    assert (found.deaths, len(maker.asked)) == (1, 4)


def test_a_maker_that_always_ends_is_started_with_pauses(any_bench: Bench) -> None:
    previews, maker = scripted(any_bench, *[MakerStopped()] * 50)
    subject = previews.send(A_PICTURE)
    previews.work()
    assert (state_of(previews, subject), len(maker.asked)) == (PreviewState.WAITING, STOPS_AT_ONCE + 1)
    any_bench.clock.advance(minutes=2)
    previews.work()
    assert (state_of(previews, subject), len(maker.asked)) == (PreviewState.WAITING, STOPS_AT_ONCE + 2)


@pytest.mark.parametrize(("program", "error"), [("", MakerStopped), ("import socket, sys; ", MakerMissing)])
def test_a_maker_that_ends_before_it_is_ready_is_not_taken_for_missing(
    monkeypatch: pytest.MonkeyPatch, program: str, error: type[Exception]
) -> None:
    says = "socket.socket(fileno=int(sys.argv[-1])).send(b'missing Pillow'); " if program else ""
    monkeypatch.setattr(maker_module, "_PROGRAM", program + says + "raise SystemExit")
    with pytest.raises(error):
        Maker().make(0, Job(1, is_urgent=False))


def test_faults_of_the_machine_are_waited_out_and_not_for_ever(any_bench: Bench) -> None:
    previews, maker = scripted(any_bench, *[StoreUnavailable()] * 50)
    subject, pauses = previews.send(A_PICTURE), []
    for _ in range(30):
        previews.work()
        found = previews.find(subject)
        assert found is not None
        if found.state is not PreviewState.WAITING:
            break
        pauses.append(found.due_at - any_bench.clock())
        any_bench.clock.advance(seconds=pauses[-1].total_seconds())
    assert (state_of(previews, subject), len(maker.asked)) == (PreviewState.NONE, MOST_TRIES)
    assert all(later >= sooner for sooner, later in pairwise(pauses))
    assert sum(pauses, timedelta()) > timedelta(minutes=30)


def test_without_a_maker_it_waits(any_bench: Bench) -> None:
    previews, maker = scripted(any_bench, *[MakerMissing("Pillow")] * 30)
    subject = previews.send(A_PICTURE)
    for _ in range(2 * MOST_TRIES):
        assert not previews.making.make(subject)
        any_bench.clock.advance(minutes=5)
    assert (state_of(previews, subject), len(maker.asked)) == (PreviewState.WAITING, 2 * MOST_TRIES)


@pytest.mark.parametrize("setting", [False, True])
def test_switched_off_nothing_is_noted(make_bench: Callable[..., Bench], setting: bool) -> None:
    bench: Bench = make_bench(previews=setting)
    previews, _ = scripted(bench)
    assert (noted(previews, A_PICTURE) is PreviewState.WAITING) is setting


@pytest.mark.parametrize(("statement", "index"), [("_WAITING", "ix_previews_waiting"), ("_GONE", "ix_previews_gone")])
def test_a_look_costs_the_same_however_many_previews_there_are(any_bench: Bench, statement: str, index: str) -> None:
    assert index in plan_of(any_bench.services.database, getattr(preview_rows, statement)._statement)


def test_nobody_looks_any_more_once_the_database_is_closed(make_bench: Callable[..., Bench], postgres_url: str) -> None:
    """The one who looks for those who wait would open a connection that nobody closes."""
    bench = make_bench(database_url=postgres_url)
    waits, database = bench.services.previews._waits, bench.services.database
    waiting = threading.Thread(target=waits.until_made, args=("0" * 32, 1.0))
    waiting.start()
    wait_until(lambda: waits._is_running)
    database.dispose()
    assert not waits._is_running
    waiting.join()
