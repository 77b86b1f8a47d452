"""Objects in a bucket, by boto3: all that is ever asked of an object store. Nothing else knows boto3.

Every method may be called on the event loop, in gevent's pool and without gevent; nothing is done on the loop. All
raise StoreUnavailable where the store does not answer, or refuses what must be right, and StorageFull.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from operator import methodcaller
from typing import Any, TypeVar

from transfer_service.errors import BlobMissing, StoreUnavailable
from transfer_service.storage.s3.answers import Answer, body_of
from transfer_service.storage.s3.block_file import BlockFile
from transfer_service.storage.s3.connection import Connection
from transfer_service.storage.s3.failures import ObjectChanged, PastTheEnd
from transfer_service.threads import Outcome
from transfer_service.wire.ranges import Span
from transfer_service.wire.store_addresses import StoreAddress

T = TypeVar("T")
Blocks = Sequence[bytes | memoryview]

MIN_PART_BYTES = 5 * 1024**2
"""Of every part of a multipart upload but the last."""
MAX_PARTS = 10_000
_COPIED_WHOLE_BYTES = 64 * 1024**2
"""The largest object that is copied by one call: stores copy such a one in the time of one silence."""
_COPIED_AT_ONCE = 4
_DELETED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """An object as the store sees it. `modified_at` is by the store's clock, `etag` as it is written in headers."""

    name: str
    size: int
    etag: str
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a multipart upload that the store has acknowledged."""

    number: int
    size: int
    etag: str
    checksum: str | None


@dataclass(frozen=True, slots=True)
class Multipart:
    """A multipart upload that was begun and is not complete."""

    name: str
    upload_id: str
    begun_at: datetime


class Objects:
    """One bucket. `names` are whole names of objects. Before the first call nothing is loaded, opened or started."""

    def __init__(self, address: StoreAddress) -> None:
        self._bucket = address.bucket
        self._connection = Connection(address)

    def begin(self, work: Callable[[Objects], T]) -> Callable[[], T]:
        """Begin `work`, which calls methods of the object that it gets; the function that comes back waits for its end.

        It must be called, and raises what `work` raises. `work` runs in the bounded pool, and nobody waits there for
        others: a call of `begin` within is done at once.
        """
        return self._connection.begin_work(lambda: work(self))

    def put(self, name: str, blocks: Blocks, *, only_new: bool = False) -> bool:
        """Store an object whole, in place of what has the name.

        With `only_new` False comes back where there is one already, which may be our own: the answer to a try before
        may have been lost.
        """
        given = self._for_bytes(blocks) | ({"IfNoneMatch": "*"} if only_new else {})
        try:
            answer = self._call("put_object", Key=name, **given)
        except ObjectChanged as error:
            if not only_new:  # no condition was set: nothing is stored
                raise StoreUnavailable from error
            return False
        return bool(answer["ETag"])

    def get(self, name: str, start: int, stop: int, *, etag: str | None = None) -> bytes:
        """The bytes of a span, fewer only where the object ends. Raises BlobMissing, with `etag` ObjectChanged.

        No store gives a checksum of a span: where bytes are judged, see `checked`.
        """
        return self.get_with_facts(name, start, stop, etag=etag)[0] if start < stop else b""

    def get_whole(self, name: str, size: int, *, etag: str | None = None) -> bytes | None:
        """All bytes of an object, compared with the checksum that the store has of it. Raises like `get`, ReadFailed.

        None where it is not `size` long, or the store has none: then nothing is read.
        """
        given = {"ChecksumMode": "ENABLED"} | ({"IfMatch": etag} if etag else {})

        def fetch(client: Any) -> bytes | None:
            answer = Answer(client.get_object(Bucket=self._bucket, Key=name, **given))
            is_checked = "-" not in answer.get("ChecksumCRC32", "-")  # as in those of parts
            if answer["ContentLength"] == size and is_checked:
                return body_of(answer)
            answer["Body"].close()
            return None

        return self._connection.run(fetch, name="get_object")

    def get_with_facts(
        self, name: str, start: int, stop: int, *, etag: str | None = None
    ) -> tuple[bytes, ObjectFacts | None]:
        """Like `get`, and what the object is. The facts are None where it ends at `start` or before."""
        given = {"Range": f"bytes={start}-{stop - 1}"} | ({"IfMatch": etag} if etag else {})

        def fetch(client: Any) -> tuple[bytes, Any]:
            answer = Answer(client.get_object(Bucket=self._bucket, Key=name, **given))
            return body_of(answer), answer

        try:
            data, answer = self._connection.run(fetch, name="get_object")
        except PastTheEnd:
            return b"", None
        size = int(answer.get("ContentRange", "/").rpartition("/")[2] or answer["ContentLength"])
        return data[: stop - start], ObjectFacts(name, size, answer["ETag"], answer["LastModified"])

    def head(self, name: str) -> ObjectFacts | None:
        """What the object is, None where there is none."""
        try:
            answer = self._call("head_object", Key=name)
        except BlobMissing:
            return None
        return ObjectFacts(name, answer["ContentLength"], answer["ETag"], answer["LastModified"])

    def delete(self, names: Sequence[str]) -> None:
        """Remove objects; what is not there is as good as removed."""
        if len(names) == 1:
            self._call("delete_object", Key=names[0])
            return
        for start in range(0, len(names), _DELETED_AT_ONCE):
            listed = [{"Key": name} for name in names[start : start + _DELETED_AT_ONCE]]
            answer = self._call("delete_objects", Delete={"Objects": listed, "Quiet": True})
            if any(each.get("Code") != "NoSuchKey" for each in answer.get("Errors", ())):
                raise StoreUnavailable

    def list(self, prefix: str, *, after: str = "") -> Iterator[Sequence[ObjectFacts]]:
        """All objects whose names begin with `prefix`, in the order of their names, up to 1000 at a time."""
        given: dict[str, Any] = {"Prefix": prefix} | ({"StartAfter": after} if after else {})
        while True:
            answer = self._call("list_objects_v2", **given)
            yield [
                ObjectFacts(each["Key"], each["Size"], each.get("ETag", ""), each["LastModified"])
                for each in answer.get("Contents", ())
            ]
            if not answer["IsTruncated"]:
                return
            given["ContinuationToken"] = answer["NextContinuationToken"]

    def now(self) -> datetime:
        """What time it is by the store's clock, which `modified_at` is by."""
        answer = self._call("list_objects_v2", Prefix="", MaxKeys=1)
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])

    def copy(self, source: str, target: str) -> None:
        """Store an object under another name too, whatever its size. Raises BlobMissing, ObjectChanged."""
        facts = self.head(source)
        if facts is None:
            raise BlobMissing
        if facts.size <= _COPIED_WHOLE_BYTES:
            given = {"CopySource": self._place(source), "CopySourceIfMatch": facts.etag}
            self._call("copy_object", is_long=True, Key=target, **given)
            return
        part_bytes = max(_COPIED_WHOLE_BYTES, -(-facts.size // MAX_PARTS))
        upload_id = self.begin_multipart(target)
        try:
            spans = [Span(start, min(start + part_bytes, facts.size)) for start in range(0, facts.size, part_bytes)]
            self.complete(target, upload_id, self._copy_parts(target, upload_id, source, spans, facts.etag))
        except BaseException:
            self.abort(target, upload_id)
            raise

    def _copy_parts(self, target: str, upload_id: str, source: str, spans: Sequence[Span], etag: str) -> Sequence[Part]:
        """Some at a time: a store copies each in a second or so, and somebody may wait for all of them."""
        parts: list[Part] = []
        for start in range(0, len(spans), _COPIED_AT_ONCE):
            waits = [
                self.begin(methodcaller("copy_part", target, upload_id, number, source, span, etag=etag))
                for number, span in enumerate(spans[start : start + _COPIED_AT_ONCE], start + 1)
            ]
            parts += [each.unwrap() for each in [Outcome(wait) for wait in waits]]  # when all have ended
        return parts

    def begin_multipart(self, name: str) -> str:
        """Begin an object that comes in parts; the id of the upload. What has the name stays until it is complete."""
        return str(self._call("create_multipart_upload", Key=name, ChecksumAlgorithm="CRC32")["UploadId"])

    def put_part(self, name: str, upload_id: str, number: int, blocks: Blocks) -> Part:
        """Store a part, from 1 on, in place of one of that number. Raises BlobMissing where the upload has ended."""
        given = self._for_bytes(blocks)
        answer = self._call("upload_part", Key=name, UploadId=upload_id, PartNumber=number, **given)
        return Part(number, given["ContentLength"], answer["ETag"], answer.get("ChecksumCRC32"))

    def copy_part(
        self, name: str, upload_id: str, number: int, source: str, span: Span, *, etag: str | None = None
    ) -> Part:
        """Make a part of a span of an object. Raises BlobMissing where either is gone, with `etag` ObjectChanged."""
        given = {"CopySource": self._place(source), "CopySourceRange": f"bytes={span.start}-{span.stop - 1}"}
        if etag:
            given["CopySourceIfMatch"] = etag
        answer = Answer(
            self._call("upload_part_copy", is_long=True, Key=name, UploadId=upload_id, PartNumber=number, **given)[
                "CopyPartResult"
            ]
        )
        return Part(number, span.stop - span.start, answer["ETag"], answer.get("ChecksumCRC32"))

    def complete(self, name: str, upload_id: str, parts: Sequence[Part]) -> None:
        """Make the object of its parts, in place of what has the name. Raises BlobMissing where there is no upload."""
        listed = [
            {"PartNumber": part.number, "ETag": part.etag} | ({"ChecksumCRC32": part.checksum} if part.checksum else {})
            for part in parts
        ]

        def finish(client: Any) -> None:
            client.complete_multipart_upload(
                Bucket=self._bucket, Key=name, UploadId=upload_id, MultipartUpload={"Parts": listed}
            )

        try:
            self._connection.run(finish, name="complete_multipart_upload", is_long=True)
        except BlobMissing:  # done by a try whose answer was lost?
            facts = self.head(name)
            if facts is None or facts.size != sum(part.size for part in parts):
                raise

    def abort(self, name: str, upload_id: str) -> None:
        """Give an upload up, and free what its parts took."""
        try:
            self._call("abort_multipart_upload", Key=name, UploadId=upload_id)
        except BlobMissing:
            return

    def multiparts(self, prefix: str) -> Iterator[Sequence[Multipart]]:
        """All uploads not yet complete whose names begin with `prefix`, some hundreds at a time."""
        given: dict[str, Any] = {"Prefix": prefix}
        while True:
            answer = self._call("list_multipart_uploads", **given)
            yield [
                Multipart(each["Key"], each["UploadId"], each["Initiated"]) for each in answer.get("Uploads", ())
            ]  # fmt: skip
            if not answer["IsTruncated"]:
                return
            given |= {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}

    def signed_url(self, name: str, *, seconds: int, headers: Mapping[str, str]) -> str:
        """An address by which anybody may get the object for so long, with these headers in the answer."""
        given = {f"Response{field.replace('-', '')}": value for field, value in headers.items()}
        parameters = {"Bucket": self._bucket, "Key": name, **given}
        return self._connection.run(
            lambda client: str(client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)),
            name="generate_presigned_url",
        )

    def _call(self, operation: str, *, is_long: bool = False, **given: Any) -> Any:
        def call(client: Any) -> Any:
            if isinstance(given.get("Body"), BlockFile):
                given["Body"].seek(0)
            return Answer(getattr(client, operation)(Bucket=self._bucket, **given))

        return self._connection.run(call, name=operation, is_long=is_long)

    def _place(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": name}

    @staticmethod
    def _for_bytes(blocks: Blocks) -> dict[str, Any]:
        """What goes with bytes: their checksum, by which the store sees what a network has changed."""
        checksum = 0
        for block in blocks:
            checksum = zlib.crc32(block, checksum)
        body = BlockFile(blocks)
        encoded = base64.b64encode(checksum.to_bytes(4, "big")).decode()
        return {
            "Body": body,
            "ContentLength": body.size,
            "ChecksumAlgorithm": "CRC32",
            "ChecksumCRC32": encoded,
        }
