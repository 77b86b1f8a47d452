"""The bytes of a whole file, raw or in a form, and what was promised of them."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from multipart import MultipartSegment

from transfer_service.errors import DigestMismatch, InvalidRequest
from transfer_service.services.uploads.whole_files import Draft
from transfer_service.web.multipart_body import FILE_PART, MultipartBody, filename_of
from transfer_service.web.request_body import RequestBody
from transfer_service.wire.filenames import parse_name_in_folder
from transfer_service.wire.media_types import stored_media_type

Promises = Sequence[dict[str, bytes]]
"""Digests by their names in hashlib, one dictionary for each field."""


class _Digests:
    """The digests of some bytes, by those algorithms that were promised."""

    def __init__(self, promises: Promises, *, except_for: str = "") -> None:
        algorithms = {algorithm for each in promises for algorithm in each} - {except_for}
        self._hashers: dict[str, Any] = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}

    def update(self, data: bytes | memoryview) -> None:
        """Hash what comes next."""
        for hasher in self._hashers.values():
            hasher.update(data)

    def found(self) -> dict[str, bytes]:
        """What came out."""
        return {name: hasher.digest() for name, hasher in self._hashers.items()}


class _FileBody:
    """What both kinds of bodies have: the digests of the file, and a client that may be slow."""

    def __init__(self, body: RequestBody, promises: Promises) -> None:
        self._promises = promises
        self._digests = _Digests(promises, except_for="sha256")  # which is computed anyway
        self.has_arrived = body.has_arrived
        self.when_quiet = body.when_quiet
        self.end_when = body.end_when


class RawFile(_FileBody):
    """A body that is the file."""

    def __init__(self, body: RequestBody, promises: Promises) -> None:
        super().__init__(body, promises)
        self._body = body

    def readinto(self, buffer: memoryview, /) -> int:
        """What comes next of the file."""
        count = self._body.readinto(buffer)
        self._digests.update(buffer[:count])
        return count

    def settle(self, draft: Draft, sha256: bytes) -> Draft:
        """Nothing changes. Raises DigestMismatch."""
        found = {"sha256": sha256, **self._digests.found()}
        if not all(_holds(promise, found) for promise in self._promises):
            raise DigestMismatch
        return draft


class HashedBody(RequestBody):
    """A body that also hashes itself: a digest of a form's content covers the whole form (RFC 9530 section 2)."""

    def __init__(self, promises: Promises) -> None:
        super().__init__()
        self._digests = _Digests(promises)

    def blocks(self) -> Iterator[bytes]:
        """Every block."""
        for block in super().blocks():
            self._digests.update(block)
            yield block

    def found(self) -> dict[str, bytes]:
        """Its digests."""
        return self._digests.found()


class FormFile(_FileBody):
    """A form whose part `file` is the file. A promised digest may be the form's, as the RFC has it, or the file's.

    The name is that of the query, else the field `filename`, which may come behind the file, else the part's own.
    """

    def __init__(self, form: MultipartBody, body: HashedBody, promises: Promises, name: str | None) -> None:
        super().__init__(body, promises)
        self._form = form
        self._body = body
        self._name = name
        self._part = form.open_file_part()
        self._blocks = form.file_blocks()
        self._rest = memoryview(b"")

    def draft(self, *, overwrite: bool) -> Draft:
        """What is known before the file's bytes."""
        if self._name is None:
            self._form.read_ahead()
        is_named = self._name is not None or self._form.field("filename") is not None or self._form.is_at_end
        name = self._final_name() if is_named else FILE_PART
        return Draft(name, self._media_type(name), length=None, overwrite=overwrite)

    def readinto(self, buffer: memoryview, /) -> int:
        """What comes next of the file."""
        while not self._rest and (block := next(self._blocks, None)) is not None:
            self._digests.update(block)
            self._rest = memoryview(block)
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count

    def settle(self, draft: Draft, sha256: bytes) -> Draft:
        """The draft with its last name. Raises DigestMismatch, InvalidRequest."""
        of_file, of_form = {"sha256": sha256, **self._digests.found()}, self._body.found()
        if not all(_holds(promise, of_file) or _holds(promise, of_form) for promise in self._promises):
            raise DigestMismatch
        name = self._final_name()
        return replace(draft, name=name, media_type=self._media_type(name))

    def _final_name(self) -> str:
        return form_filename(self._form, self._part, self._name)

    def _media_type(self, name: str) -> str:
        return stored_media_type(self._part.header("Content-Type"), name)


def form_filename(form: MultipartBody, part: MultipartSegment, in_query: str | None) -> str:
    """The name that the query gives, or a field, or the part itself. Raises InvalidName, InvalidRequest."""
    in_field = form.field("filename")
    name = in_query or (filename_of(part) if in_field is None else in_field)
    if not name:
        raise InvalidRequest("Missing filename")
    return parse_name_in_folder(name, form.field("relativePath"))


def _holds(promise: dict[str, bytes], found: dict[str, bytes]) -> bool:
    return all(found[algorithm] == digest for algorithm, digest in promise.items())
