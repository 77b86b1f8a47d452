"""Blocks of a body, grouped so that one hop off the event loop is worth its price."""

from collections.abc import Iterator

BATCH_BYTES = 1024 * 1024
OFFLOAD_FROM_BYTES = 256 * 1024
"""Less than this is written where it is, on the event loop."""


def in_batches(blocks: Iterator[bytes], size: int) -> Iterator[list[bytes]]:
    """Group blocks into lists of at least `size` bytes; the last one may be smaller."""
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
