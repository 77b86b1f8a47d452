"""Blocks as they arrive, in batches worth a hop off the event loop, and placed among what is stored already."""

from collections.abc import Iterator, Sequence

from transfer_service.errors import RangeConflict
from transfer_service.storage.blobs import BlobWriter
from transfer_service.wire.ranges import Span

BATCH_BYTES = 1024 * 1024
OFFLOAD_FROM_BYTES = 256 * 1024
"""Less than this is written where it is, on the event loop."""


def in_batches(blocks: Iterator[bytes], size: int) -> Iterator[list[bytes]]:
    """Group blocks into lists of at least `size` bytes, worth a hop off the event loop; the last one may be smaller."""
    batch: list[bytes] = []
    collected = 0
    for block in blocks:
        batch.append(block)
        collected += len(block)
        if collected >= size:
            yield batch
            batch, collected = [], 0
    if batch:
        yield batch


def write_or_compare(writer: BlobWriter, part: Span, batch: Sequence[bytes], stored: Sequence[Span]) -> None:
    """Write what is new of a batch; what is stored already must be the same. Raises RangeConflict, StorageFull."""
    if not stored:
        writer.write(part.start, batch)
        return
    data = memoryview(b"".join(batch))

    def piece(span: Span) -> memoryview:
        return data[span.start - part.start : span.stop - part.start]

    for span in stored:
        if writer.read(span) != piece(span) and writer.read(span, is_checked=True) != piece(span):
            raise RangeConflict
    offset = part.start
    for gap_stop, next_offset in [*((span.start, span.stop) for span in stored), (part.stop, 0)]:
        if offset < gap_stop:
            writer.write(offset, [bytes(piece(Span(offset, gap_stop)))])
        offset = next_offset
