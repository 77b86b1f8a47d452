"""Requests on one resumable upload at once, from two instances: one of them wins, and nothing is mixed or lost."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.live.server import wait_until
from tests.services.uploads.bench import Append, Client, Uploads, announced, any_uploads, make_uploads
from transfer_service.errors import (
    BodyCutShort,
    OffsetMismatch,
    RangeBusy,
    StorageFull,
    Superseded,
    TransferError,
    UploadEnded,
    UploadFinished,
)
from transfer_service.services.uploads.appends import Appends
from transfer_service.services.uploads.concatenation import Concatenation
from transfer_service.services.uploads.finishing import UploadCompletion
from transfer_service.services.uploads.rows import UploadRecord

__all__ = ["any_uploads", "make_uploads"]

RACES = 12  # of each kind and on each database
Racer = Callable[[], object]
Result = type[TransferError] | None


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as pool:
        yield pool


def race(pool: ThreadPoolExecutor, turn: int, *racers: Racer) -> list[Result]:
    """All at once, another one first each time; what each was refused with."""
    barrier = threading.Barrier(len(racers))

    def go(racer: Racer) -> Result:
        barrier.wait(30)
        return Uploads.error_of(racer)

    first = turn % len(racers)
    order = [*range(first, len(racers)), *range(first)]
    futures = {place: pool.submit(go, racers[place]) for place in order}
    return [futures[place].result(30) for place in range(len(racers))]


def check_room(uploads: Uploads) -> None:
    """That the quota counter is true, and that there is no blob without a row."""
    assert uploads.used_bytes() == uploads.reserved_bytes()
    assert uploads.blobs() <= uploads.row_ids()


def halves(character: bytes) -> Append:
    """Ten equal bytes in two blocks."""
    return Append([character * 5, character * 5])


def test_of_two_appends_at_one_offset_one_wins(any_uploads: Uploads, pool: ThreadPoolExecutor) -> None:
    other, winners = any_uploads.another_instance(), Counter[str]()
    for turn in range(RACES):
        upload = any_uploads.begin(20, "raced.bin", overwrite=True)
        results = race(
            pool,
            turn,
            lambda: any_uploads.put(upload, halves(b"a"), offset=0),  # noqa: B023
            lambda: other.put(upload, halves(b"b"), offset=0),  # noqa: B023
        )
        assert Counter(results) in [{None: 1, other: 1} for other in (OffsetMismatch, RangeBusy, Superseded)]
        winner = b"ab"[results.index(None) :][:1]
        winners[winner.decode()] += 1
        assert (any_uploads.get(upload).offset, any_uploads.stored(upload)) == (10, winner * 10)
        any_uploads.send(upload, 10, b"c" * 10)
        assert any_uploads.file("raced.bin") == winner * 10 + b"c" * 10
    assert winners.total() == RACES
    check_room(any_uploads)


def test_of_two_appends_that_finish_one_wins(any_uploads: Uploads, pool: ThreadPoolExecutor) -> None:
    other = any_uploads.another_instance()
    for turn in range(RACES):
        upload = any_uploads.begin(10, f"{turn}.bin")
        results = race(
            pool,
            turn,
            lambda: any_uploads.put(upload, halves(b"a"), offset=0),  # noqa: B023
            lambda: other.put(upload, halves(b"b"), offset=0),  # noqa: B023
        )
        assert results.count(None) == 1
        assert {*results} - {None} <= {OffsetMismatch, RangeBusy, Superseded, UploadFinished}
        assert any_uploads.file(f"{turn}.bin") == b"ab"[results.index(None) :][:1] * 10
    check_room(any_uploads)


def test_empty_appends_at_the_end_finish_it_once(any_uploads: Uploads, pool: ThreadPoolExecutor) -> None:
    """Each says that the upload ends here; none of them may undo what another one has finished."""
    other = any_uploads.another_instance()
    for turn in range(RACES):
        upload = any_uploads.begin_ietf(3, name=f"{turn}.bin")
        any_uploads.send(upload, 0, b"abc")
        results = race(
            pool,
            turn,
            lambda: any_uploads.send(upload, 3, is_last=True),  # noqa: B023
            lambda: other.send(upload, 3, is_last=True),  # noqa: B023
        )
        assert {*results} <= {None, Superseded}  # the later one ends the other
        assert results != [Superseded, Superseded]
        assert any_uploads.get(upload).is_finished
    assert any_uploads.names() == sorted(f"{turn}.bin" for turn in range(RACES))
    assert {any_uploads.file(f"{turn}.bin") for turn in range(RACES)} == {b"abc"}
    check_room(any_uploads)


@pytest.mark.parametrize("length", [pytest.param(20, id="more-to-come"), pytest.param(10, id="the-last-bytes")])
def test_a_cancelled_upload_is_gone_or_has_become_a_file(
    any_uploads: Uploads, pool: ThreadPoolExecutor, length: int
) -> None:
    other, kept = any_uploads.another_instance(), set[str]()
    for turn in range(RACES * 2):
        upload = any_uploads.begin(length, f"{turn}.bin")
        appended, cancelled = race(
            pool,
            turn,
            lambda: any_uploads.put(upload, halves(b"a"), offset=0),  # noqa: B023
            lambda: later(other, turn, lambda: other.cancel(upload)),  # noqa: B023
        )
        assert appended in (None, UploadEnded, Superseded)
        assert cancelled is None
        assert any_uploads.error_of(lambda: any_uploads.get(upload)) is UploadEnded  # noqa: B023
        if any_uploads.find(f"{turn}.bin") is not None:
            assert any_uploads.file(f"{turn}.bin") == b"a" * 10
            kept.add(f"{turn}.bin")
    assert {*any_uploads.names()} == kept
    assert len(any_uploads.blobs()) == any_uploads.rows() == len(kept)
    assert any_uploads.used_bytes() == 10 * len(kept)


def later(uploads: Uploads, turn: int, action: Racer) -> None:
    """Act after a few reads of the database: the measure of time of these races."""
    for _ in range(turn % 12):
        uploads.find("none")
    action()


def test_an_expired_upload_goes_or_has_gone_on(any_uploads: Uploads, pool: ThreadPoolExecutor) -> None:
    """The append began in time; the cleanup comes when the upload has expired by its own clock."""
    other = any_uploads.another_instance()
    for turn in range(RACES):
        upload = any_uploads.begin(20, f"{turn}.bin")
        any_uploads.clock.advance(hours=23.99)
        begun = threading.Event()

        def append() -> None:
            any_uploads.put(upload, Append([b"aaaaa", begun.set, b"aaaaa"]), offset=0)  # noqa: B023

        def clean() -> None:
            if turn % 2:  # noqa: B023
                begun.wait(10)  # noqa: B023
            any_uploads.clock.advance(hours=0.1)
            other.services.cleanup.run()

        appended, cleaned = race(pool, turn, append, clean)
        assert (appended in (None, UploadEnded), cleaned) == (True, None)
        if appended is None:
            assert any_uploads.get(upload).offset == 10
            assert any_uploads.stored(upload) == b"a" * 10
            any_uploads.cancel(upload)
        assert (any_uploads.rows(), any_uploads.blobs(), any_uploads.used_bytes()) == (0, set(), 0)


@pytest.mark.parametrize("same_order", [True, False])
def test_of_two_final_uploads_of_the_same_parts_one_is_made(
    any_uploads: Uploads, pool: ThreadPoolExecutor, same_order: bool
) -> None:
    other, contents = any_uploads.another_instance(), set[bytes]()
    for turn in range(RACES):
        parts = [any_uploads.part(b"one"), any_uploads.part(b"two")]
        race(
            pool,
            turn,
            lambda: any_uploads.concatenate(*parts, name=f"{turn}.bin"),  # noqa: B023
            lambda: other.concatenate(*(parts if same_order else reversed(parts)), name=f"{turn}.bin"),  # noqa: B023
        )
        contents.add(any_uploads.file(f"{turn}.bin"))
    assert any_uploads.names() == sorted(f"{turn}.bin" for turn in range(RACES))
    assert contents <= ({b"onetwo"} if same_order else {b"onetwo", b"twoone"})
    any_uploads.clock.advance(hours=25)
    any_uploads.services.cleanup.run()
    assert (any_uploads.rows(), any_uploads.used_bytes()) == (RACES, 6 * RACES)
    check_room(any_uploads)


def test_the_last_part_and_a_look_at_the_final_upload_make_it_once(
    any_uploads: Uploads, pool: ThreadPoolExecutor
) -> None:
    other = any_uploads.another_instance()
    for turn in range(RACES):
        last = any_uploads.part(length=3)
        final = any_uploads.concatenate(any_uploads.part(b"one"), last, name=f"{turn}.bin")
        results = race(
            pool,
            turn,
            lambda: any_uploads.send(last, 0, b"two"),  # noqa: B023
            lambda: later(other, turn, lambda: other.look(final)),  # noqa: B023
            lambda: other.look(final),  # noqa: B023
        )
        assert results == [None, None, None]
        assert any_uploads.get(final).is_finished
        assert any_uploads.file(f"{turn}.bin") == b"onetwo"
    assert (any_uploads.rows(), len(any_uploads.blobs()), any_uploads.used_bytes()) == (RACES, RACES, 6 * RACES)


@pytest.mark.parametrize("fails", [False, True], ids=["goes-on", "fails"])
def test_the_last_part_is_answered_when_the_final_upload_is_made_though_another_one_began_it(
    any_uploads: Uploads, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """A look at another instance has the claim, and takes its time: nobody may have to look again."""
    other, last = any_uploads.another_instance(), any_uploads.part(length=3)
    final = any_uploads.concatenate(any_uploads.part(b"one"), last)
    begun, goes_on = threading.Event(), threading.Event()
    copy, find_finals = Concatenation._copy, UploadCompletion.finals_waiting_for

    def copy_slowly(*arguments: Any) -> None:
        monkeypatch.setattr(Concatenation, "_copy", copy)
        begun.set()
        assert goes_on.wait(30)
        if fails:
            raise StorageFull
        copy(*arguments)

    def find_after_the_look(*arguments: Any) -> list[UploadRecord]:
        pool.submit(other.look, final)
        assert begun.wait(30)
        threading.Timer(0.3, goes_on.set).start()
        return find_finals(*arguments)

    monkeypatch.setattr(Concatenation, "_copy", copy_slowly)
    monkeypatch.setattr(UploadCompletion, "finals_waiting_for", find_after_the_look)
    any_uploads.send(last, 0, b"two")
    found = any_uploads.services.files.find(any_uploads.account_id, "joined.bin")
    assert found is not None
    assert found.is_complete
    assert any_uploads.file("joined.bin") == b"onetwo"
    check_room(any_uploads)


def test_a_final_upload_that_is_cancelled_before_it_is_made_leaves_nothing(
    any_uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, last = any_uploads.another_instance(), any_uploads.part(length=3)
    final, find_parts = any_uploads.concatenate(any_uploads.part(b"one"), last), Concatenation._parts

    def find_and_cancel(*arguments: Any) -> list[UploadRecord]:
        monkeypatch.setattr(Concatenation, "_parts", find_parts)
        found = find_parts(*arguments)
        other.cancel(final)
        return found

    monkeypatch.setattr(Concatenation, "_parts", find_and_cancel)
    assert any_uploads.send(last, 0, b"two").offset == 3
    assert any_uploads.error_of(lambda: any_uploads.get(final)) is UploadEnded
    check_room(any_uploads)


@pytest.mark.parametrize(("blocks", "outcome"), [([], None), ([b"more"], UploadFinished)], ids=["nothing", "bytes"])
@pytest.mark.parametrize("is_streamed", [True, False], ids=["streamed", "announced"])
def test_what_is_brought_to_an_upload_that_has_just_been_finished(
    any_uploads: Uploads, monkeypatch: pytest.MonkeyPatch, blocks: list[bytes], outcome: Result, is_streamed: bool
) -> None:
    """It is finished between the look and the claim: bytes are refused then too, and who brings none finds it done."""
    other, upload = any_uploads.another_instance(), any_uploads.begin_ietf()
    any_uploads.send(upload, 0, b"abc")
    check = Appends._check

    def check_early(*arguments: Any) -> UploadRecord:
        monkeypatch.setattr(Appends, "_check", check)
        checked = check(*arguments)
        assert other.send(upload, 3, is_last=True).is_finished
        return checked

    monkeypatch.setattr(Appends, "_check", check_early)
    body = Append(blocks) if is_streamed else announced(*blocks)
    assert any_uploads.error_of(lambda: any_uploads.put(upload, body, offset=3, is_last=True)) is outcome
    assert any_uploads.file() == b"abc"


@pytest.mark.parametrize("against", ["append", "delete", "chunk"])
def test_a_file_that_is_replaced_has_the_bytes_of_one_of_them(
    any_uploads: Uploads, pool: ThreadPoolExecutor, against: str
) -> None:
    other = any_uploads.another_instance()

    def begin() -> UploadRecord:
        return any_uploads.begin(10, overwrite=True)

    for turn in range(RACES):
        one, two = begin(), begin()
        if against == "append":
            rival: Racer = lambda: other.put(two, halves(b"b"), offset=0)  # noqa: B023, E731
        elif against == "delete":
            any_uploads.store(b"old", overwrite=True)
            rival = lambda: later(other, turn, lambda: other.services.files.delete(other.account_id, "log.bin"))  # noqa: B023, E731
        else:
            any_uploads.error_of(lambda: any_uploads.services.files.delete(any_uploads.account_id, "log.bin"))
            any_uploads.append(0, b"c" * 5)
            rival = lambda: later(other, turn, lambda: other.append(5, b"c" * 5))  # noqa: B023, E731
        finished, _ = race(pool, turn, lambda: any_uploads.put(one, halves(b"a"), offset=0), rival)  # noqa: B023
        assert finished is None
        found = any_uploads.find()
        assert found is None or any_uploads.content(found)[:1] in (b"a", b"b", b"c")
        assert len(any_uploads.names()) <= 1
        any_uploads.error_of(lambda: any_uploads.cancel(two))  # noqa: B023
    check_room(any_uploads)


def test_many_uploads_of_one_name_get_a_name_each(any_uploads: Uploads, pool: ThreadPoolExecutor) -> None:
    other = any_uploads.another_instance()
    for turn in range(RACES):
        one, two = any_uploads.begin(10), any_uploads.begin(10)
        results = race(
            pool,
            turn,
            lambda: any_uploads.put(one, halves(b"a"), offset=0),  # noqa: B023
            lambda: other.put(two, halves(b"b"), offset=0),  # noqa: B023
        )
        assert results == [None, None]
    assert any_uploads.names() == sorted(["log.bin", *(f"log ({number}).bin" for number in range(2, 2 * RACES + 1))])
    check_room(any_uploads)


def test_all_who_look_at_once_are_told_the_same(any_uploads: Uploads, pool: ThreadPoolExecutor) -> None:
    """The last of them ends the append; the others wait for that instead of being refused."""
    other = any_uploads.another_instance()
    for _ in range(3):
        upload = any_uploads.begin(10, overwrite=True)
        appending = pool.submit(any_uploads.error_of, lambda: any_uploads.stream(upload, 0, b"0123", Client.STALLS))  # noqa: B023
        wait_until(lambda: other.get(upload).offset == 4)  # noqa: B023
        looks = [pool.submit(each.look, upload) for each in (any_uploads, other)]
        assert [look.result(20).offset for look in looks] == [4, 4]
        assert appending.result(20) is BodyCutShort
