"""Archives in sections: the same bytes as those that are laid out as a whole."""

import io
import zipfile
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_service.wire import zip_sections
from transfer_service.wire.ranges import Span
from transfer_service.wire.zip_layout import DataSpan, ZipLayout, ZipMember, ZipMembers
from transfer_service.wire.zip_sections import SectionedZip, SectionPlace, place_of

AT = 1_790_000_000


def sectioned(members: Sequence[ZipMember], size: int, loads: list[int] | None = None) -> SectionedZip:
    """The archive in sections of `size` members."""
    sections = [ZipMembers(members[at : at + size]) for at in range(0, len(members), size)]
    places: list[SectionPlace] = []
    for section in sections:
        start, entries = (places[-1].stop, places[-1].entries_stop) if places else (0, 0)
        places.append(place_of(ZipLayout(section, start=start), start=start, entries_start=entries))

    def load(number: int) -> ZipMembers:
        if loads is not None:
            loads.append(number)
        return sections[number]

    return SectionedZip(places, len(members), load)


def member(number: int, data: bytes) -> ZipMember:
    return ZipMember(f"folder/{number}.bin", len(data), zlib.crc32(data), AT + number, bytes([number % 256]) * 16)


def read(layout: SectionedZip | ZipLayout, contents: Sequence[bytes], span: Span) -> bytes:
    return b"".join(
        contents[each.member][each.start : each.stop] if isinstance(each, DataSpan) else each
        for each in layout.segments(span)
    )


@pytest.fixture(autouse=True)
def _small_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_sections, "SECTION", 3)


@given(st.lists(st.binary(max_size=40), max_size=12), st.data())
def test_any_span_is_that_of_the_whole(contents: list[bytes], data: st.DataObject) -> None:
    zip_sections.SECTION = 3  # type: ignore[misc] # the fixture does so once for all examples
    members = [member(number, each) for number, each in enumerate(contents)]
    whole, layout = ZipLayout(ZipMembers(members)), sectioned(members, 3)
    assert layout.size == whole.size
    start = data.draw(st.integers(0, whole.size))
    span = Span(start, data.draw(st.integers(start, whole.size)))
    assert read(layout, contents, span) == read(whole, contents, span)


def test_it_is_read_as_an_archive() -> None:
    contents = [bytes([number]) * number for number in range(10)]
    layout = sectioned([member(number, each) for number, each in enumerate(contents)], 3)
    with zipfile.ZipFile(io.BytesIO(read(layout, contents, Span(0, layout.size)))) as archive:
        assert archive.testzip() is None
        assert [archive.read(name) for name in archive.namelist()] == contents


def test_each_member_has_its_source() -> None:
    members = [member(number, b"x" * number) for number in range(10)]
    layout = sectioned(members, 3)
    spans = [each for each in layout.segments(Span(0, layout.size)) if isinstance(each, DataSpan)]
    assert [layout.source_of(each) for each in spans] == [(each.source, each.size) for each in members if each.size]


def test_only_what_a_span_is_about_is_loaded() -> None:
    loads: list[int] = []
    members = [member(number, b"x" * 100) for number in range(30)]
    layout = sectioned(members, 3, loads)
    end = list(layout.segments(Span(layout.size - 1, layout.size)))
    assert (loads, len(end)) == ([], 1)
    list(layout.segments(Span(0, 10)))
    assert loads == [0]


def test_an_archive_of_more_than_four_gibibytes_is_that_of_the_whole() -> None:
    members = [ZipMember(f"{number}", 1 << 31, 7, AT, bytes(16)) for number in range(9)]
    whole, layout = ZipLayout(ZipMembers(members)), sectioned(members, 3)
    span = Span(whole.directory_start, whole.size)
    assert b"".join(map(bytes, whole.segments(span))) == b"".join(map(bytes, layout.segments(span)))
