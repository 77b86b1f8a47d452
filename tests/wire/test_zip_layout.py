"""The layout of archives: every span is a part of one whole, and every reader takes that whole."""

import hashlib
import io
import random
import struct
import time
import zipfile
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer_service.wire.ranges import Span
from transfer_service.wire.zip_layout import DataSpan, ZipLayout, ZipMember, ZipMembers

AT = 1_795_244_401  # 2026-11-21T07:00:01Z
GIBIBYTE = 1 << 30
LARGE = (1 << 32) - 1
"""The first size that does not fit into 32 bits: the largest number there means that it stands elsewhere."""


def member(path: str, data: bytes = b"", *, at: int = AT, number: int = 1) -> ZipMember:
    return ZipMember(path, len(data), zlib.crc32(data), at, number.to_bytes(16, "big"))


def read(layout: ZipLayout, contents: Sequence[bytes], span: Span | None = None) -> bytes:
    """The bytes of a span, of all without one."""
    pieces = layout.segments(span or Span(0, layout.size))
    return b"".join(
        each if isinstance(each, bytes) else contents[each.member][each.start : each.stop] for each in pieces
    )


def archive(*contents: tuple[str, bytes]) -> tuple[ZipLayout, bytes]:
    layout = ZipLayout(ZipMembers(member(path, data) for path, data in contents))
    return layout, read(layout, [data for _, data in contents])


NAMES = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\\/:"), min_size=1, max_size=20
).map(lambda name: f"x{name}")
CONTENTS = st.dictionaries(NAMES, st.binary(max_size=300), max_size=12)


@settings(max_examples=80, deadline=None)
@given(contents=CONTENTS, seed=st.integers(0, 2**32))
def test_every_span_is_a_part_of_the_whole_that_others_read(contents: dict[str, bytes], seed: int) -> None:
    layout, whole = archive(*contents.items())
    assert len(whole) == layout.size
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == contents
    chance = random.Random(seed)
    for _ in range(30):
        start = chance.randrange(layout.size)
        span = Span(start, chance.randint(start + 1, layout.size))
        assert read(layout, list(contents.values()), span) == whole[span.start : span.stop]


def test_byte_by_byte_it_is_the_same() -> None:
    contents = [("a", b"hello"), ("b/c", b""), ("d", b"x" * 30)]
    layout, whole = archive(*contents)
    data = [each for _, each in contents]
    assert b"".join(read(layout, data, Span(at, at + 1)) for at in range(layout.size)) == whole


def test_nothing_makes_the_end_record_alone() -> None:
    assert archive()[1] == b"PK\x05\x06" + bytes(18)


def test_the_same_members_are_the_same_bytes_in_every_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for zone in ("UTC", "Pacific/Kiritimati", "America/Anchorage"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        layout, whole = archive(("photo.jpg", b"bytes"), ("leer/", b""))
        made.append((layout.etag(), whole))
    monkeypatch.undo()
    time.tzset()
    assert made == [made[0]] * 3


def test_it_says_utf8_and_stored_and_what_unix_and_its_clock_want() -> None:
    _, whole = archive(("文件.bin", b"bytes"), ("leer/", b""))
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        file, folder = opened.infolist()
    assert (file.filename, file.flag_bits, file.compress_type) == ("文件.bin", 1 << 11, zipfile.ZIP_STORED)
    assert (file.external_attr >> 16, folder.external_attr >> 16) == (0o100644, 0o40755)
    assert (file.date_time, file.extra) == ((2026, 11, 21, 7, 0, 0), struct.pack("<2HBl", 0x5455, 5, 1, AT))
    assert (file.create_system, folder.is_dir(), folder.file_size) == (3, True, 0)


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        pytest.param(-1, (1980, 1, 1, 0, 0, 0), id="before-unix"),
        pytest.param(0, (1980, 1, 1, 0, 0, 0), id="before-dos"),
        pytest.param(1 << 31, (2038, 1, 19, 3, 14, 8), id="after-32-bits"),
        pytest.param(1 << 40, (2107, 12, 31, 23, 59, 58), id="after-dos"),
    ],
)
def test_times_out_of_range_are_the_nearest(at: int, shown: tuple[int, ...]) -> None:
    layout = ZipLayout(ZipMembers([member("a", b"x", at=at)]))
    with zipfile.ZipFile(io.BytesIO(read(layout, [b"x"]))) as opened:
        assert opened.infolist()[0].date_time == shown


@pytest.mark.parametrize(
    "other",
    [
        pytest.param([("a", b"hellp"), ("b", b"x")], id="bytes"),
        pytest.param([("A", b"hello"), ("b", b"x")], id="name"),
        pytest.param([("b", b"x"), ("a", b"hello")], id="order"),
        pytest.param([("a", b"hello")], id="fewer"),
        pytest.param([], id="none"),
    ],
)
def test_other_members_have_another_etag(other: list[tuple[str, bytes]]) -> None:
    assert archive(*other)[0].etag() != archive(("a", b"hello"), ("b", b"x"))[0].etag()


def test_other_bytes_with_one_checksum_have_another_etag() -> None:
    one, two = (ZipLayout(ZipMembers([member("a", b"x", number=number)])) for number in (1, 2))
    assert one.etag() != two.etag()


def test_what_is_packed_comes_out_again() -> None:
    members = ZipMembers([member("a/ä", b"x"), ZipMember("b/", 0, 0, -5), ZipMember("c", 1 << 40, LARGE, 1 << 40)])
    again = ZipMembers.unpack(members.pack())
    assert list(again) == list(members)
    assert again.pack() == members.pack()
    assert members.sources() == [(1).to_bytes(16, "big")]


@pytest.mark.parametrize("data", [b"", b"zm1\0", b"zm1\0" + bytes(12) + b"x", bytes(16)])
def test_what_was_not_packed_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"pack|short"):
        ZipMembers.unpack(data)


class SparseArchive(io.RawIOBase):
    """An archive whose members are zeros, read as a file, of which only what is asked for is made."""

    def __init__(self, layout: ZipLayout) -> None:
        self._layout, self._at = layout, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._layout.size)[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        stop = self._layout.size if size < 0 else min(self._at + size, self._layout.size)
        pieces = self._layout.segments(Span(self._at, stop)) if self._at < stop else ()
        self._at = max(stop, self._at)
        return b"".join(bytes(each.stop - each.start) if isinstance(each, DataSpan) else each for each in pieces)


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param([LARGE - 1], id="just-not"),
        pytest.param([LARGE], id="a-size"),
        pytest.param([GIBIBYTE] * 5, id="an-offset"),
        pytest.param([5 * GIBIBYTE, 1, 7 * GIBIBYTE, 0], id="both"),
        pytest.param([LARGE - 30 - 9 - 6, 3], id="an-offset-just-so"),
    ],
)
def test_numbers_that_do_not_fit_are_in_zip64_fields(sizes: list[int]) -> None:
    members = [ZipMember(f"{number:06}", size, zlib.crc32(bytes(size & 7)), AT) for number, size in enumerate(sizes)]
    layout = ZipLayout(ZipMembers(members))
    with zipfile.ZipFile(SparseArchive(layout)) as opened:
        found = opened.infolist()
        assert [(each.filename, each.file_size) for each in found] == [(each.path, each.size) for each in members]
        for each in found:  # its local header is where the directory says, and agrees with it
            with opened.open(each) as data:
                assert data.read(10) == bytes(min(each.file_size, 10))
    needed = {each.extract_version for each in found if each.file_size >= LARGE or each.header_offset >= LARGE}
    assert needed <= {45}
    assert {each.extract_version for each in found if each.file_size < LARGE and each.header_offset < LARGE} <= {10}
    assert (b"PK\x06\x06" in end_of(layout)) == (layout.size > LARGE)


def end_of(layout: ZipLayout) -> bytes:
    """The last bytes, which hold all end records."""
    return b"".join(each for each in layout.segments(Span(layout.size - 98, layout.size)) if isinstance(each, bytes))


@pytest.mark.parametrize("count", [65_534, 65_535, 70_000])
def test_more_members_than_16_bits_count_are_in_the_zip64_end(count: int) -> None:
    layout = ZipLayout(ZipMembers(ZipMember(f"{number:06}", 0, 0, AT) for number in range(count)))
    with zipfile.ZipFile(SparseArchive(layout)) as opened:
        assert len(opened.infolist()) == count
    assert (b"PK\x06\x06" in end_of(layout)) == (count >= 65_535)


def test_ten_thousand_members_are_found_at_once_and_kept_small() -> None:
    """Any span of an archive of 10 GiB begins without what stands before it."""
    members = ZipMembers(ZipMember(f"dir/{number:05}.jpg", 1_000_000 + number, number, AT) for number in range(10_000))
    layout = ZipLayout(members)
    chance = random.Random(1)
    for _ in range(200):
        start = chance.randrange(layout.size - 10)
        assert sum(_size(each) for each in layout.segments(Span(start, start + 10))) == 10
    assert len(members.pack()) < 800_000
    assert hashlib.sha256(members.pack()).digest() == hashlib.sha256(ZipMembers(list(members)).pack()).digest()


def _size(segment: bytes | DataSpan) -> int:
    return len(segment) if isinstance(segment, bytes) else segment.stop - segment.start
