"""A ZIP archive of any number of members, of which only a section is in memory at a time.

Its bytes are those that `zip_layout` would make of all members together. A section has up to `SECTION` of them; where
each begins and ends is known beforehand, and what is in one is loaded when a span comes to it.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from transfer_service.wire.ranges import Span
from transfer_service.wire.zip_layout import DataSpan, ZipLayout, ZipMembers, end_of_archive

SECTION: Final = 1000
_LOADED: Final = 3
"""So many stay: those that come next are opened while the one before is still sent."""


class SectionPlace(NamedTuple):
    """Where a section has its members, and its entries, which are counted from the beginning of the directory."""

    start: int
    stop: int
    entries_start: int
    entries_stop: int


def place_of(layout: ZipLayout, *, start: int, entries_start: int) -> SectionPlace:
    """The place of a section that `start` was given to."""
    return SectionPlace(start, layout.directory_start, entries_start, entries_start + layout.directory_size)


class SectionedZip:
    """Where everything of it is. `load` gives the members of a section by its number, always the same ones."""

    def __init__(self, places: Sequence[SectionPlace], count: int, load: Callable[[int], ZipMembers]) -> None:
        self._places = places
        self._load = load
        self._loaded: dict[int, ZipLayout] = {}
        self._directory_start = places[-1].stop if places else 0
        self._end = end_of_archive(count, self._directory_start, places[-1].entries_stop if places else 0)
        self._end_start = self._directory_start + (places[-1].entries_stop if places else 0)
        self.size = self._end_start + len(self._end)

    def segments(self, span: Span) -> Iterator[bytes | DataSpan]:
        """What a span consists of, in its order: bytes as they are, and bytes of members."""
        start, stop = span.start, min(span.stop, self.size)
        if start < min(stop, self._directory_start):
            yield from self._members_within(start, min(stop, self._directory_start))
            start = self._directory_start
        if start < min(stop, self._end_start):
            yield from self._entries_within(
                start - self._directory_start, min(stop, self._end_start) - self._directory_start
            )
            start = self._end_start
        if start < stop:
            yield self._end[start - self._end_start : stop - self._end_start]

    def source_of(self, segment: DataSpan) -> tuple[bytes, int]:
        """Who gives the bytes of the member of a segment, and how many it has."""
        number, index = divmod(segment.member, SECTION)
        return self._section(number).source_of(segment._replace(member=index))

    def _members_within(self, start: int, stop: int) -> Iterator[bytes | DataSpan]:
        number = bisect_right(self._places, start, key=lambda place: place.start) - 1
        while start < stop:
            until = min(stop, self._places[number].stop)
            for segment in self._section(number).members_within(start, until):
                if isinstance(segment, DataSpan):
                    segment = segment._replace(member=number * SECTION + segment.member)
                yield segment
            number, start = number + 1, until

    def _entries_within(self, start: int, stop: int) -> Iterator[bytes]:
        number = bisect_right(self._places, start, key=lambda place: place.entries_start) - 1
        while start < stop:
            place, section = self._places[number], self._section(number)
            until, shift = min(stop, place.entries_stop), section.directory_start - place.entries_start
            yield from section.directory_within(start + shift, until + shift)
            number, start = number + 1, until

    def _section(self, number: int) -> ZipLayout:
        found = self._loaded.get(number)
        if found is None:
            found = ZipLayout(self._load(number), start=self._places[number].start)
            while len(self._loaded) >= _LOADED:
                self._loaded.pop(next(iter(self._loaded)))
            self._loaded[number] = found
        return found
