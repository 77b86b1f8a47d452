"""An open blob of a disk: read here, or sent by the kernel."""

import os
from collections.abc import Iterator
from typing import BinaryIO

from transfer_service.errors import ReadFailed
from transfer_service.faults import read_fault_of, read_faults_named
from transfer_service.storage.blobs import PIECE_BYTES
from transfer_service.storage.bodies import LocalBytes
from transfer_service.wire.ranges import Span


class DiskReader:
    """An open blob (the BlobReader of `blobs`)."""

    is_made = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    @property
    def size(self) -> int:
        """How many bytes there are. Raises ReadFailed."""
        with read_faults_named():
            return os.fstat(self._file.fileno()).st_size

    def read(self, start: int, size: int) -> bytes:
        """At most `size` bytes from `start` on, fewer only where the blob ends. Raises ReadFailed."""
        try:
            return os.pread(self._file.fileno(), size, start)
        except OSError as error:
            raise read_fault_of(error) from error

    def blocks(self, span: Span) -> Iterator[bytes]:
        """The bytes of a span, in pieces. Raises ReadFailed, also where they end before it."""
        for start in range(span.start, span.stop, PIECE_BYTES):
            size = min(PIECE_BYTES, span.stop - start)
            block = self.read(start, size)
            if len(block) < size:
                raise ReadFailed
            yield block

    def local(self, span: Span) -> LocalBytes:
        """Where the kernel can send the span from."""
        return LocalBytes(self._file.fileno(), span.start)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
