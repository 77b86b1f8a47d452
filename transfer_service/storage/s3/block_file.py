"""Blocks of bytes as a file, for what sends only files: nothing is joined or copied."""

import os
from collections.abc import Iterator, Sequence

READ_BYTES = 1024 * 1024


class BlockFile:
    """Reads the blocks one after the other."""

    def __init__(self, blocks: Sequence[bytes | memoryview]) -> None:
        self._blocks = [memoryview(block) for block in blocks if len(block)]
        self.size = sum(len(block) for block in self._blocks)
        self._offset = 0

    def __len__(self) -> int:
        return self.size

    def read(self, size: int = -1) -> memoryview | bytes:
        """The next bytes, up to 1 MiB of one block, none at the end.

        More than a `size` that is smaller: http.client would send 16 KiB at a time, and takes what it gets.
        """
        if size is None or size < 0:
            return b"".join(self._rest())
        piece = next(self._rest(), None)
        if piece is None:
            return b""
        piece = piece[: max(size, READ_BYTES)]
        self._offset += len(piece)
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go on from there."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._offset, os.SEEK_END: self.size}
        self._offset = base[whence] + offset
        return self._offset

    def tell(self) -> int:
        """Where the next bytes are."""
        return self._offset

    def _rest(self) -> Iterator[memoryview]:
        """What is left of each block from here on."""
        start = 0
        for block in self._blocks:
            if start + len(block) > self._offset:
                yield block[max(self._offset - start, 0) :]
            start += len(block)

    def seekable(self) -> bool:
        """Yes."""
        return True
