"""Inflating members on their way, and looking at their data once."""

import bz2
import os
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.storage.zips import BZIP2, DEFLATED, Part, deflate, make
from tests.stores import reader_of
from transfer_service.errors import MemberUnreadable, ReadFailed
from transfer_service.storage.disk_reader import DiskReader
from transfer_service.storage.zip_members import PIECE_BYTES, InflatedMember, MemberPlace, Method, StoredMember
from transfer_service.wire.ranges import Span

T = TypeVar("T")
DATA = b"".join(b"%d\n" % number for number in range(400_000))  # five pieces
PACKED = deflate(DATA)
BZIPPED = bz2.compress(DATA)


def inline(work: Callable[[], T], /) -> T:
    return work()


def place_of(content: bytes, packed: bytes, **changes: Any) -> MemberPlace:
    """The place of the first member, inflated from `packed`."""
    facts = {"compressed_bytes": len(packed), "length": len(content), "crc32": zlib.crc32(content), "method": DEFLATED}
    return MemberPlace(header_offset=0, **{**facts, **changes})


def write(path: Path, packed: bytes) -> Path:
    """An archive whose only member is a local header before `packed`."""
    path.write_bytes(make([Part(b"x", packed)]))
    return path


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The same data by each method."""
    folder = tmp_path_factory.mktemp("zip")
    packed = {DEFLATED: PACKED, BZIP2: BZIPPED}
    return {method: write(folder / f"{method}.zip", each) for method, each in packed.items()}


@pytest.fixture(scope="module")
def archive(archives: dict[int, Path]) -> Path:
    return archives[DEFLATED]


spans = st.tuples(st.integers(0, len(DATA)), st.integers(0, len(DATA))).map(lambda pair: Span(min(pair), max(pair)))


@settings(max_examples=20, deadline=None)
@given(method=st.sampled_from([DEFLATED, BZIP2]), asked=st.lists(spans, max_size=3))
def test_any_spans_in_any_order_are_the_data(archives: dict[int, Path], method: int, asked: list[Span]) -> None:
    place = place_of(DATA, {DEFLATED: PACKED, BZIP2: BZIPPED}[method], method=method)
    with closing(InflatedMember(reader_of(archives[method]), place, inline)) as member:
        for span in asked:
            assert b"".join(member.blocks(span)) == DATA[span.start : span.stop]


def test_no_piece_is_larger_than_the_bound(archive: Path) -> None:
    with closing(InflatedMember(reader_of(archive), place_of(DATA, PACKED), inline)) as member:
        sizes = [len(block) for block in member.blocks(Span(0, len(DATA)))]
    assert max(sizes) == PIECE_BYTES
    assert sum(sizes) == len(DATA)


def test_closing_it_closes_the_archive(archive: Path) -> None:
    file = reader_of(archive)
    InflatedMember(file, place_of(DATA, PACKED), inline).close()
    with pytest.raises(ValueError, match="closed"):
        file.read(0, 1)


@pytest.mark.parametrize(
    ("packed", "changes"),
    [
        pytest.param(PACKED, {}, id="honest"),
        pytest.param(deflate(b""), {"length": 0, "crc32": 0}, id="empty"),
        pytest.param(b"", {"length": 0, "crc32": 0}, id="empty-without-an-end"),
        pytest.param(PACKED + b"more", {}, id="with-something-behind-its-end"),
        pytest.param(PACKED + bytes(1_000_000), {}, id="with-much-behind-its-end"),
        pytest.param(BZIPPED, {"method": BZIP2}, id="bzip2"),
        pytest.param(BZIPPED + b"more", {"method": BZIP2}, id="bzip2-with-something-behind-its-end"),
        pytest.param(bz2.compress(b""), {"method": BZIP2, "length": 0, "crc32": 0}, id="bzip2-empty"),
    ],
)
def test_what_is_as_it_says_passes(tmp_path: Path, packed: bytes, changes: dict[str, int]) -> None:
    path = write(tmp_path / "archive.zip", packed)
    with closing(InflatedMember(reader_of(path), place_of(DATA, packed, **changes), inline)) as member:
        member.check()
        length = changes.get("length", len(DATA))
        assert sum(map(len, member.blocks(Span(0, length)))) == length


@pytest.mark.parametrize(
    ("packed", "changes"),
    [
        pytest.param(PACKED, {"crc32": 1}, id="checksum"),
        pytest.param(PACKED, {"length": len(DATA) - 1}, id="longer-than-it-says"),
        pytest.param(PACKED, {"length": len(DATA) + 1}, id="shorter-than-it-says"),
        pytest.param(PACKED, {"compressed_bytes": len(PACKED) - 1}, id="without-its-end"),
        pytest.param(b"\xff" * 100, {}, id="no-deflate"),
        pytest.param(b"\xff" * 100, {"method": BZIP2}, id="no-bzip2"),
        pytest.param(BZIPPED[:-9], {"method": BZIP2}, id="bzip2-cut-off"),
        pytest.param(BZIPPED, {"method": BZIP2, "length": 9}, id="bzip2-longer-than-it-says"),
        pytest.param(b"", {}, id="nothing"),
        pytest.param(PACKED[:1000], {}, id="cut-off"),
        pytest.param(deflate(bytes(300_000_000)), {"length": 1000, "crc32": zlib.crc32(bytes(1000))}, id="bomb"),
    ],
)
def test_a_lie_is_unreadable(tmp_path: Path, packed: bytes, changes: dict[str, int]) -> None:
    path = write(tmp_path / "archive.zip", packed)
    member = InflatedMember(reader_of(path), place_of(DATA, packed, **changes), inline)
    with closing(member), pytest.raises(MemberUnreadable, match="not what the archive says"):
        member.check()


def test_a_bomb_is_given_up_after_the_length_that_it_tells(tmp_path: Path) -> None:
    path = write(tmp_path / "archive.zip", packed := deflate(bytes(300_000_000)))
    hops = 0

    def count(work: Callable[[], T], /) -> T:
        nonlocal hops
        hops += 1
        return work()

    member = InflatedMember(reader_of(path), place_of(b"", packed, length=1000), count)
    with closing(member), pytest.raises(MemberUnreadable):
        member.check()
    assert hops == 1  # one piece, not three hundred megabytes


def test_an_archive_that_became_shorter_cannot_be_read(tmp_path: Path) -> None:
    path = write(tmp_path / "archive.zip", PACKED)
    with closing(InflatedMember(reader_of(path), place_of(DATA, PACKED), inline)) as member:
        os.truncate(path, 1000)
        with pytest.raises(ReadFailed):
            list(member.blocks(Span(0, len(DATA))))


@pytest.mark.parametrize("offset", [1, 10_000_000], ids=["elsewhere", "beyond-the-end"])
def test_a_place_without_a_header_cannot_be_read(archive: Path, offset: int) -> None:
    place = MemberPlace(offset, len(PACKED), len(DATA), 0, DEFLATED)
    with closing(reader_of(archive)) as file, pytest.raises(ReadFailed):
        InflatedMember(file, place, inline)


@pytest.mark.parametrize(("wrong", "passes"), [(0, True), (1, False)], ids=["honest", "checksum"])
def test_a_stored_member_is_read_once(archive: Path, wrong: int, passes: bool) -> None:
    place = MemberPlace(0, len(PACKED), len(PACKED), zlib.crc32(PACKED) ^ wrong, 0)
    with closing(StoredMember(reader_of(archive), place, inline)) as member:
        try:
            member.check()
        except MemberUnreadable:
            assert not passes
        else:
            assert passes
        assert b"".join(member.blocks(Span(5, 90_000))) == PACKED[5:90_000]
        local = member.local(Span(5, 9))
        assert local is not None
        assert os.pread(local.descriptor, 4, local.offset) == PACKED[5:9]


class FarReader(DiskReader):
    """An archive in a remote store, which keeps what it read last."""

    is_in_pool = False

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb", buffering=0))
        self._window = Span(0, 0)

    def local(self, _span: Span) -> None:  # type: ignore[override]
        """Far away."""

    def read(self, start: int, size: int) -> bytes:
        data = super().read(start, size)
        if not self._window.start <= start <= start + len(data) <= self._window.stop:
            assert not self.is_in_pool, "a thread of the pool waits for the store"
            self._window = Span(start, start + len(data))
        return data


@pytest.mark.parametrize("method", [DEFLATED, BZIP2, Method.STORED])
@pytest.mark.parametrize("content", [DATA, os.urandom(3_000_000)], ids=["text", "noise"])
def test_a_remote_store_is_not_waited_for_in_the_thread_pool(tmp_path: Path, method: int, content: bytes) -> None:
    packed = deflate(content) if method == DEFLATED else bz2.compress(content) if method == BZIP2 else content
    reader = FarReader(write(tmp_path / "far.zip", packed))

    def in_pool(work: Callable[[], T], /) -> T:
        reader.is_in_pool = True
        try:
            return work()
        finally:
            reader.is_in_pool = False

    kind = StoredMember if method == Method.STORED else InflatedMember
    with closing(kind(reader, place_of(content, packed, method=method), in_pool)) as member:
        member.check()
        assert b"".join(member.blocks(Span(5, len(content)))) == content[5:]
