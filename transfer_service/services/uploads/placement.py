"""The bytes of a chunk in their place: what is stored already is compared, what is new is written."""

from collections.abc import Sequence

from transfer_service.errors import RangeConflict
from transfer_service.storage.blobs import BlobWriter
from transfer_service.wire.ranges import Span


class Placement:
    """Compares the stored parts of a batch and writes the others. Raises RangeConflict, StorageFull when called."""

    def __init__(self, writer: BlobWriter, part: Span, batch: Sequence[bytes], stored: Sequence[Span]) -> None:
        self._writer, self._part, self._batch, self._stored = writer, part, batch, stored

    def __call__(self) -> None:
        """Do it."""
        if not self._stored:
            self._writer.write(self._part.start, self._batch)
            return
        data = memoryview(b"".join(self._batch))
        for span in self._stored:
            if self._writer.read(span) != self._slice(data, span):
                raise RangeConflict
        offset = self._part.start
        for gap_stop, next_offset in [*((span.start, span.stop) for span in self._stored), (self._part.stop, 0)]:
            if offset < gap_stop:
                self._writer.write(offset, [bytes(self._slice(data, Span(offset, gap_stop)))])
            offset = next_offset

    def _slice(self, data: memoryview, span: Span) -> memoryview:
        return data[span.start - self._part.start : span.stop - self._part.start]
