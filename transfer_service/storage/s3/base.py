"""What a blob was before a writer came to it."""

from transfer_service.db.database import Executor
from transfer_service.storage.s3.backing import Backing
from transfer_service.storage.s3.pieces import Piece
from transfer_service.wire.ranges import Span


class Base:
    """Asked for once, when it is needed, and never within a transaction: it may take a request to the store."""

    def __init__(self, backing: Backing, key: str, *, is_new: bool) -> None:
        self._backing = backing
        self._key = key
        self._is_known = is_new
        self._end: int | None = None
        self._whole: Piece | None = None

    def find_end(self) -> int | None:
        """Where the blob ended, None where there was none. Raises StoreUnavailable."""
        if not self._is_known:
            self._end = self._backing.find_end(self._key)
            self._whole = self._backing.find_whole(self._key) if self._end is None else None
            self._end = self._whole.span.stop if self._whole else self._end
            self._is_known = True
        return self._end

    def forget(self) -> None:
        """Ask again."""
        self._is_known = False

    def become_whole(self, length: int) -> None:
        """The blob is the object at its own name now."""
        self._whole = Piece(Span(0, length), self._backing.layout.own_name(self._key))
        self._is_known, self._end = True, length

    def record(self, rows: Executor) -> None:
        """Before a blob that was one object gets its first row, let one say where its bytes are."""
        if self._whole is not None:
            self._backing.rows.add_first(rows, self._key, self._whole)

    def is_cut_by(self, length: int) -> bool:
        """Whether the one object that the blob was is longer."""
        return self._whole is not None and self._whole.span.stop > length
