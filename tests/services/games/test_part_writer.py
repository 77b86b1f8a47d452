"""The part of a download with its digest, and the speed at which it grows."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.storage.memory import MemoryStore
from tests.stores import put
from transfer_service.services.games.leases import AVERAGED_SECONDS, READ_BYTES, HashedPart, SpeedMeter
from transfer_service.services.read_back import read_back
from transfer_service.storage.blobs import WHOLE
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.rooms import ARCHIVES
from transfer_service.wire.ranges import Span

JOB_ID = 5
LEFT = b"0123456789" * (READ_BYTES // 4)  # several blocks, the last of them short


@pytest.fixture
def store(tmp_path: Path) -> DiskStore:
    return DiskStore(tmp_path, ARCHIVES)


@contextmanager
def opened(store: DiskStore) -> Iterator[HashedPart]:
    with store.open_writer(f"{JOB_ID}.part", WHOLE, create=True, wait_seconds=0) as part:
        yield HashedPart(part, offload=lambda work: work())


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def content(tmp_path: Path) -> bytes:
    return (tmp_path / f"{JOB_ID}.part").read_bytes()


def test_bytes_are_stored_and_hashed_in_their_order(store: DiskStore, tmp_path: Path) -> None:
    with opened(store) as sink:
        sink.append([b"abc", b"", b"de"])
        sink.append([])
        sink.append([b"f"])
        assert (sink.length, sink.sha256()) == (6, digest(b"abcdef"))
    assert content(tmp_path) == b"abcdef"


@pytest.mark.parametrize("left", [b"", b"a", LEFT], ids=["nothing", "one-byte", "several-blocks"])
def test_a_later_run_catches_up_and_goes_on(store: DiskStore, tmp_path: Path, left: bytes) -> None:
    (tmp_path / f"{JOB_ID}.part").write_bytes(left)
    with opened(store) as sink:
        sink.catch_up()
        assert (sink.length, sink.sha256()) == (len(left), digest(left))
        sink.append([b"more"])
        assert (sink.length, sink.sha256()) == (len(left) + 4, digest(left + b"more"))
    assert content(tmp_path) == left + b"more"


def test_what_is_left_in_a_remote_store_comes_from_outside() -> None:
    far = MemoryStore(ARCHIVES, is_remote=True)
    put(far, f"{JOB_ID}.part", LEFT)
    with far.open_writer(f"{JOB_ID}.part", WHOLE, create=False, wait_seconds=0) as part:
        sink = HashedPart(part, offload=lambda work: work())
        sink.catch_up(read_back(far, f"{JOB_ID}.part", Span(0, part.length)))
        sink.append([b"more"])
        assert (sink.length, sink.sha256()) == (len(LEFT) + 4, digest(LEFT + b"more"))
    assert sum(span.size for span in far.reads) == len(LEFT)


def test_a_restart_forgets_everything(store: DiskStore, tmp_path: Path) -> None:
    (tmp_path / f"{JOB_ID}.part").write_bytes(LEFT)
    with opened(store) as sink:
        sink.catch_up()
        sink.restart()
        assert (sink.length, sink.sha256(), content(tmp_path)) == (0, digest(b""), b"")
        sink.append([b"new"])
        assert sink.sha256() == digest(b"new")
    assert content(tmp_path) == b"new"


def test_a_synced_part_is_as_it_was(store: DiskStore, tmp_path: Path) -> None:
    with opened(store) as sink:
        sink.append([b"abc"])
        sink.seal()
        assert sink.length == 3
    assert content(tmp_path) == b"abc"


class TestSpeed:
    """Bytes a second, of which a moment's is only a part."""

    def test_the_first_measurement_has_nothing_to_compare_with(self) -> None:
        assert SpeedMeter().measure(10**9, 5.0) == 0

    def test_the_second_one_is_the_speed(self) -> None:
        meter = SpeedMeter()
        meter.measure(500, 10.0)
        assert meter.measure(2500, 12.0) == 1000

    @pytest.mark.parametrize("at", [10.0, 9.0], ids=["no-time", "a-clock-that-goes-back"])
    def test_where_no_time_has_passed_it_is_what_it_was(self, at: float) -> None:
        meter = SpeedMeter()
        meter.measure(0, 8.0)
        meter.measure(2000, 10.0)
        assert meter.measure(9000, at) == 1000

    def test_a_restart_is_no_step_backwards(self) -> None:
        meter = SpeedMeter()
        meter.measure(0, 0.0)
        meter.measure(5000, 1.0)
        assert meter.measure(0, 2.0) >= 0
        assert meter.measure(5000, 3.0) == 5000

    def test_who_stands_still_slows_down_to_nothing(self) -> None:
        meter = SpeedMeter()
        meter.measure(0, 0.0)
        speeds = [meter.measure(10_000, float(second)) for second in range(1, 20 * int(AVERAGED_SECONDS))]
        assert (speeds[0], speeds[-1]) == (10_000, 0)
        assert speeds == sorted(speeds, reverse=True)

    def test_two_looks_at_the_same_moment_are_no_infinite_speed(self) -> None:
        meter = SpeedMeter()
        meter.measure(0, 0.0)
        assert meter.measure(4, 2.2250738585072014e-308) == 4_000_000

    @given(
        steps=st.lists(st.tuples(st.integers(0, 2**53), st.floats(-10, 1000, allow_nan=False)), min_size=1, max_size=30)
    )
    def test_it_is_never_negative_and_never_above_the_fastest_moment(self, steps: list[tuple[int, float]]) -> None:
        meter, at, fastest = SpeedMeter(), 0.0, 0.0
        last: tuple[int, float] | None = None
        for length, seconds in steps:
            at += seconds
            if last is not None and at > last[1] and length >= last[0]:
                fastest = max(fastest, (length - last[0]) / (at - last[1]))
            last = (length, at)
            assert 0 <= meter.measure(length, at) <= fastest * 1.000001 + 1.5

    @given(
        before=st.integers(0, 10**9),
        speed=st.integers(1, 10**9),
        interval=st.floats(0.25, 5),
        start=st.floats(0, 10**6),
    )
    def test_it_comes_to_a_new_steady_speed(self, before: int, speed: int, interval: float, start: float) -> None:
        meter = SpeedMeter()
        meter.measure(0, start)
        meter.measure(before, start + 1)
        at, measured = start + 1, 0
        for number in range(1, int(30 * AVERAGED_SECONDS / interval)):
            measured = meter.measure(before + round(speed * interval * number), at + interval * number)
        assert measured == pytest.approx(speed, rel=0.01, abs=10)
