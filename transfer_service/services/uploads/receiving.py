"""A body on its way to the disk: written and hashed in batches, off the event loop where that pays."""

import hashlib
from collections.abc import Callable, Iterator

from transfer_service.services.uploads.batches import BATCH_BYTES, OFFLOAD_FROM_BYTES, in_batches
from transfer_service.storage.blobs import BlobWriter
from transfer_service.threads import Offload


def write_hashed(
    writer: BlobWriter, blocks: Iterator[bytes], *, make_room: Callable[[int], None], offload: Offload
) -> tuple[int, bytes]:
    """Write the blocks from the start on. The length and the SHA-256. Raises StorageFull, and what `make_room` raises.

    `make_room` is called before each batch, with the length that there will be.
    """
    hasher = hashlib.sha256()
    length = 0

    def store_batch() -> None:
        writer.write(length, batch)
        for block in batch:
            hasher.update(block)

    for batch in in_batches(blocks, BATCH_BYTES):
        size = sum(map(len, batch))
        make_room(length + size)
        if size >= OFFLOAD_FROM_BYTES:
            offload(store_batch)
        else:
            store_batch()
        length += size
    return length, hasher.digest()
