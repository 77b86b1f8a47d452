"""The part of a remote download together with the digest of what is in it."""

import hashlib
from collections.abc import Sequence

from transfer_service.storage.archives import Part
from transfer_service.threads import Offload


class HashedPart:
    """Takes the bytes of a source in their order. `length` counts those that are stored and hashed."""

    def __init__(self, part: Part, *, offload: Offload) -> None:
        self._part = part
        self._offload = offload
        self._hasher = hashlib.sha256()
        self.length = 0

    def catch_up(self) -> None:
        """Hash what an earlier run has left in the part."""
        blocks = self._part.read_all()
        while count := self._offload(lambda: self._hash_next(next(blocks, b""))):
            self.length += count

    def _hash_next(self, block: bytes) -> int:
        self._hasher.update(block)
        return len(block)

    def append(self, blocks: Sequence[bytes]) -> None:
        """Store and hash the next bytes. Raises StorageFull."""
        self._offload(lambda: self._append(blocks))
        self.length = self._part.length

    def _append(self, blocks: Sequence[bytes]) -> None:
        self._part.append(blocks)
        for block in blocks:
            self._hasher.update(block)

    def restart(self) -> None:
        """Forget everything."""
        self._part.clear()
        self._hasher = hashlib.sha256()
        self.length = 0

    def sync(self) -> None:
        """Return when the bytes survive power loss. Raises StorageFull."""
        self._offload(self._part.sync)

    def sha256(self) -> str:
        """The digest so far, in hexadecimal."""
        return self._hasher.hexdigest()
