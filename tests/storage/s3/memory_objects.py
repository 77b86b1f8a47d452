"""An object store in memory, in which calls can fail or be the last ones of a process."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from transfer_service.errors import BlobMissing, StoreUnavailable
from transfer_service.storage.s3.objects import Blocks, Multipart, ObjectFacts, Objects, Part
from transfer_service.wire.ranges import Span

T = TypeVar("T")


class Killed(BaseException):
    """The process ends here: nothing runs after it."""


@dataclass
class Bucket:
    """What is stored, and what is done to calls: `fault` may raise before a call has its effect, and after it."""

    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, tuple[str, dict[int, bytes]]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    fault: Callable[[str, str], None] = lambda _call, _moment: None


class MemoryObjects(Objects):
    """Calls of one process."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.is_dead = False

    def _do(self, call: str, work: Callable[[], T]) -> T:
        if self.is_dead:
            raise Killed
        self.bucket.calls.append(call)
        try:
            self.bucket.fault(call, "before")
            result = work()
            self.bucket.fault(call, "after")
        except Killed:
            self.is_dead = True
            raise
        return result

    def begin(self, work: Callable[[Objects], T]) -> Callable[[], T]:
        failure: BaseException | None = None
        try:
            result = work(self)
        except BaseException as error:  # noqa: BLE001 - it is for who waits
            failure = error

        def wait() -> T:
            if failure is not None:
                raise failure
            return result

        return wait

    def put(self, name: str, blocks: Blocks, *, only_new: bool = False) -> bool:
        data = b"".join(blocks)

        def put() -> bool:
            if only_new and name in self.bucket.objects:
                return False
            self.bucket.objects[name] = data
            return True

        return self._do("put", put)

    def get(self, name: str, start: int, stop: int, *, etag: str | None = None) -> bytes:
        assert etag is None
        return self._do("get", lambda: self._bytes_of(name)[start:stop])

    def get_whole(self, name: str, size: int, *, etag: str | None = None) -> bytes | None:
        assert etag is None
        data = self._do("get", lambda: self._bytes_of(name))
        return data if len(data) == size else None

    def _bytes_of(self, name: str) -> bytes:
        try:
            return self.bucket.objects[name]
        except KeyError:
            raise BlobMissing from None

    def head(self, name: str) -> ObjectFacts | None:
        def head() -> ObjectFacts | None:
            data = self.bucket.objects.get(name)
            return None if data is None else ObjectFacts(name, len(data), '"e"', datetime.now(UTC))

        return self._do("head", head)

    def delete(self, names: Sequence[str]) -> None:
        def delete() -> None:
            for name in names:
                self.bucket.objects.pop(name, None)

        self._do("delete", delete)

    def copy(self, source: str, target: str) -> None:
        self._do("copy", lambda: self.bucket.objects.__setitem__(target, self._bytes_of(source)))

    def now(self) -> datetime:
        return datetime.now(UTC)

    def begin_multipart(self, name: str) -> str:
        def begin() -> str:
            upload_id = uuid.uuid4().hex
            self.bucket.uploads[upload_id] = (name, {})
            return upload_id

        return self._do("begin_multipart", begin)

    def _parts_of(self, upload_id: str) -> dict[int, bytes]:
        try:
            return self.bucket.uploads[upload_id][1]
        except KeyError:
            raise BlobMissing from None

    def put_part(self, name: str, upload_id: str, number: int, blocks: Blocks) -> Part:
        data = b"".join(blocks)
        self._do("put_part", lambda: self._parts_of(upload_id).__setitem__(number, data))
        return Part(number, len(data), f"{name} {number}", None)

    def copy_part(
        self, name: str, upload_id: str, number: int, source: str, span: Span, *, etag: str | None = None
    ) -> Part:
        assert etag is None

        def copy() -> None:
            self._parts_of(upload_id)[number] = self._bytes_of(source)[span.start : span.stop]

        self._do("copy_part", copy)
        return Part(number, span.size, f"{name} {number}", None)

    def complete(self, name: str, upload_id: str, parts: Sequence[Part]) -> None:
        def complete() -> None:
            stored = self._parts_of(upload_id)
            self.bucket.objects[name] = b"".join(stored[part.number] for part in parts)
            del self.bucket.uploads[upload_id]

        self._do("complete", complete)

    def abort(self, name: str, upload_id: str) -> None:
        assert name
        self._do("abort", lambda: self.bucket.uploads.pop(upload_id, None))

    def multiparts(self, prefix: str) -> Iterator[list[Multipart]]:
        found = [
            Multipart(name, upload_id, datetime.now(UTC))
            for upload_id, (name, _) in self.bucket.uploads.items()
            if name.startswith(prefix)
        ]
        yield self._do("multiparts", lambda: found)

    def list(self, prefix: str, *, after: str = "") -> Iterator[list[ObjectFacts]]:
        found = [
            ObjectFacts(name, len(data), '"e"', datetime.now(UTC))
            for name, data in sorted(self.bucket.objects.items())
            if name.startswith(prefix) and name > after
        ]
        yield self._do("list", lambda: found)


def failing(call: str, moment: str, *, times: int = 1) -> Callable[[str, str], None]:
    """A fault: the store does not answer that call so many times; `after` means that it has done it all the same."""
    left = [times]

    def fault(called: str, at: str) -> None:
        if (called, at) == (call, moment) and left[0]:
            left[0] -= 1
            raise StoreUnavailable

    return fault
