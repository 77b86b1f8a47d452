"""The part of a remote download together with the digest of what is in it."""

import hashlib
from collections.abc import Sequence

from transfer_service.storage.blobs import BlobWriter
from transfer_service.threads import Offload
from transfer_service.wire.ranges import Span

READ_BYTES = 1024 * 1024


class HashedPart:
    """Takes the bytes of a source in their order. `length` counts those that are stored and hashed."""

    def __init__(self, part: BlobWriter, *, offload: Offload) -> None:
        self._part = part
        self._offload = offload
        self._hasher = hashlib.sha256()
        self.length = 0

    def catch_up(self) -> None:
        """Hash what an earlier run has left in the part."""
        while count := self._offload(self._hash_next):
            self.length += count

    def _hash_next(self) -> int:
        block = self._part.read(Span(self.length, self.length + READ_BYTES))
        self._hasher.update(block)
        return len(block)

    def append(self, blocks: Sequence[bytes]) -> None:
        """Store and hash the next bytes. Raises StorageFull; then none of them counts."""
        self._offload(lambda: self._append(blocks))
        self.length += sum(map(len, blocks))

    def _append(self, blocks: Sequence[bytes]) -> None:
        self._part.write(self.length, blocks)
        for block in blocks:
            self._hasher.update(block)

    def restart(self) -> None:
        """Forget everything."""
        self._part.trim(0)
        self._hasher = hashlib.sha256()
        self.length = 0

    def sync(self) -> None:
        """Return when the bytes survive power loss. Raises StorageFull."""
        self._part.sync()

    def sha256(self) -> str:
        """The digest so far, in hexadecimal."""
        return self._hasher.hexdigest()
