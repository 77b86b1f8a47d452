"""A room of an object store that a move brings blobs to: each as one object under its own name, which needs no rows."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress

from transfer_service.errors import BlobMissing, StorageFull, StoreUnavailable
from transfer_service.storage.blobs import Key
from transfer_service.storage.room_upkeep import Mark
from transfer_service.storage.rooms import ARCHIVES, ATTACHMENTS, FILES, PREVIEWS
from transfer_service.storage.s3.layout import RoomLayout
from transfer_service.storage.s3.objects import MAX_PARTS, Objects, Part
from transfer_service.storage.s3.store import RemoteMark
from transfer_service.wire.store_addresses import StoreAddress

PART_BYTES = 8 * 1024 * 1024
PARTS_UNDER_WAY = 2


class RemoteLanding:
    """One room (the Landing of `landing`)."""

    def __init__(self, objects: Objects, layout: RoomLayout, mark: Mark) -> None:
        self._objects = objects
        self._layout = layout
        self.mark = mark

    def put(self, key: Key, blocks: Iterator[bytes], *, length: int) -> None:
        """Store the blob by one call, or in equal parts where it is large."""
        name = self._layout.own_name(key)
        size = part_bytes(length)
        parts = _parts_of(blocks, size)
        if length <= size:
            self._objects.put(name, next(parts, []))
            return
        for left in self._objects.multiparts(name):  # by a move that was killed here
            for each in left:
                if each.name == name:
                    self._objects.abort(name, each.upload_id)
        upload_id = self._objects.begin_multipart(name)
        try:
            self._objects.complete(name, upload_id, list(self._put_parts(name, upload_id, parts)))
        except BaseException:
            self._objects.abort(name, upload_id)
            raise

    def _put_parts(self, name: str, upload_id: str, parts: Iterator[list[bytes]]) -> Iterator[Part]:
        waiting: deque[Callable[[], Part]] = deque()
        try:
            for number, blocks in enumerate(parts, start=1):
                waiting.append(self._objects.begin(_putting(name, upload_id, number, blocks)))
                if len(waiting) >= PARTS_UNDER_WAY:
                    yield waiting.popleft()()
            while waiting:
                yield waiting.popleft()()
        finally:
            for wait in waiting:  # where one has failed: none may arrive after the upload is given up
                with suppress(StoreUnavailable, StorageFull, BlobMissing):
                    wait()

    def read(self, key: Key, start: int, size: int) -> bytes:
        """At most `size` bytes from `start` on."""
        return self._objects.get(self._layout.own_name(key), start, start + size)

    def size(self, key: Key) -> int | None:
        """Where the blob ends, None where there is none."""
        facts = self._objects.head(self._layout.own_name(key))
        return facts.size if facts else None

    def delete(self, key: Key) -> None:
        """Remove the object."""
        self._objects.delete([self._layout.own_name(key)])

    def is_empty(self) -> bool:
        """Whether nothing lies under the prefix of the room, or of its pieces."""
        return not any(
            batch
            for prefix in (self._layout.own_prefix, self._layout.piece_prefix)
            for batch in self._objects.list(prefix)
        )


def build_landings(address: StoreAddress) -> list[RemoteLanding]:
    """The rooms below an address: files, attachments, archives, previews."""
    objects = Objects(address)
    layouts = [RoomLayout(address.prefix, room) for room in (FILES, ATTACHMENTS, ARCHIVES, PREVIEWS)]
    return [RemoteLanding(objects, layout, RemoteMark(objects, layout)) for layout in layouts]


def part_bytes(length: int) -> int:
    """How large each part of a blob is, but for the last one: stores take so many and no more."""
    needed = -(-length // MAX_PARTS)
    return max(PART_BYTES, -(-needed // PART_BYTES) * PART_BYTES)


def _parts_of(blocks: Iterator[bytes], size: int) -> Iterator[list[bytes]]:
    """The same bytes in lists of `size` of them. Blocks are not larger than that."""
    held: list[bytes] = []
    missing = size
    for block in blocks:
        held.append(block[:missing])
        if len(block) >= missing:
            yield held
            held, missing = [block[missing:]] if block[missing:] else [], size + missing - len(block)
        else:
            missing -= len(block)
    if held:
        yield held


def _putting(name: str, upload_id: str, number: int, blocks: list[bytes]) -> Callable[[Objects], Part]:
    return lambda objects: objects.put_part(name, upload_id, number, blocks)
