"""Resumable uploads with the bytes of their appends in memory, on real services, a real database and a real store."""

import base64
import hashlib
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any

import pytest
from sqlalchemy import select

from config import Settings
from tests.conftest import PASSWORD, Clock
from tests.live.server import wait_until
from tests.prepared import migrate
from tests.services.conftest import Bench
from tests.stores import content
from transfer_service.bootstrap import Services, build_services
from transfer_service.errors import BodyCutShort, ChecksumMismatch, TransferError
from transfer_service.models.files import File
from transfer_service.models.uploads import ResumableUpload, UploadKind, UploadProtocol
from transfer_service.services.uploads.appends import Piece
from transfer_service.services.uploads.progress import UploadProgress
from transfer_service.services.uploads.resumable import UploadDraft
from transfer_service.services.uploads.rows import UploadRecord


class Client(Enum):
    """What a client does between its blocks, besides what a test gives it to do."""

    PAUSES = auto()
    STALLS = auto()
    """It sends nothing more; its connection lasts until somebody else wants the upload."""
    LEAVES = auto()


Step = bytes | Client | Exception | Callable[[], object]


@dataclass
class Append:
    """The body of an append: blocks, and what happens between them. `announced` is None for chunked coding."""

    steps: Sequence[Step]
    is_atomic: bool = False
    announced: int | None = None
    is_damaged: bool = False
    is_wanted: Callable[[], bool] = field(default=lambda: False, init=False)
    work: Callable[[], object] = field(default=lambda: None, init=False)
    _arriving: Iterator[bytes] | None = field(default=None, init=False)
    _left: bytes = field(default=b"", init=False)

    def readinto(self, buffer: memoryview, /) -> int:
        self._arriving = self._arriving or self.blocks()
        while not self._left:
            block = next(self._arriving, None)
            if block is None:
                return 0
            self._left = block
        piece, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def blocks(self) -> Iterator[bytes]:
        for step in self.steps:
            if isinstance(step, bytes):
                yield step
            elif step is Client.PAUSES:
                self.work()
            elif isinstance(step, Client):
                if step is Client.STALLS:
                    self.work()
                    wait_until(self.is_wanted)
                raise BodyCutShort
            elif isinstance(step, Exception):
                raise step
            else:
                step()

    awaits_leave = False

    def has_arrived(self, most: int) -> bool:
        is_here = all(isinstance(step, bytes) for step in self.steps) and not self._left
        return is_here and self.announced is not None and self.announced <= most

    def end_when(self, condition: Callable[[], bool]) -> None:
        self.is_wanted = condition

    def while_idle(self, work: Callable[[], object]) -> None:
        self.work = work

    def acknowledge(self, offset: int) -> None:
        """The clients of these tests do not listen."""

    def verify(self) -> None:
        if self.is_damaged:
            raise ChecksumMismatch


def announced(*steps: Step, **arguments: Any) -> Append:
    """A body whose length was told before it."""
    size = sum(len(step) for step in steps if isinstance(step, bytes))
    return Append(steps, **{"announced": size, **arguments})


def repr_digest(data: bytes, algorithm: str = "sha-256") -> str:
    """The value of a Repr-Digest field."""
    digest = hashlib.new(algorithm.replace("-", ""), data).digest()
    return f"{algorithm}=:{base64.b64encode(digest).decode()}:"


@dataclass
class Uploads(Bench):
    """A bench for resumable uploads. `told` is what the account's sockets have heard."""

    settings: Settings
    told: list[UploadProgress]
    instances: list[Services]

    def begin(self, length: int | None = None, name: str | None = "log.bin", **draft: Any) -> UploadRecord:
        overwrite = draft.pop("overwrite", False)
        protocol = draft.pop("protocol", UploadProtocol.TUS)
        part_ids = draft.pop("part_ids", ())
        new = UploadDraft(protocol=protocol, name=name, media_type=None, length=length, overwrite=overwrite, **draft)
        return self.services.resumable_uploads.begin(self.account_id, new, part_ids=part_ids)

    def begin_ietf(self, length: int | None = None, **draft: Any) -> UploadRecord:
        return self.begin(length, protocol=UploadProtocol.IETF, ends=False, **draft)

    def part(self, data: bytes | None = None, *, length: int | None = None) -> UploadRecord:
        """A partial upload: whole with its `data`, or without a byte."""
        upload = self.begin(length if data is None else len(data), kind=UploadKind.PARTIAL, concat_header="partial")
        return self.send(upload, 0, data) if data else upload

    def concatenate(self, *parts: UploadRecord, name: str = "joined.bin", **draft: Any) -> UploadRecord:
        ids = [part.id for part in parts]
        length = self.services.concatenation.check_parts(self.account_id, ids)
        header = "final;" + " ".join(f"/api/uploads/{part_id}" for part_id in ids)
        return self.begin(length, name, kind=UploadKind.FINAL, concat_header=header, part_ids=ids, **draft)

    def send(self, upload: UploadRecord, offset: int, *steps: Step, **piece: Any) -> UploadRecord:
        """Append what is announced."""
        return self.put(upload, announced(*steps), offset=offset, **piece)

    def stream(self, upload: UploadRecord, offset: int, *steps: Step, **piece: Any) -> UploadRecord:
        """Append by chunked coding."""
        return self.put(upload, Append(steps), offset=offset, **piece)

    def put(self, upload: UploadRecord, body: Append, **piece: Any) -> UploadRecord:
        """Append in the words of the protocol that began it."""
        piece = {"ends": upload.protocol is UploadProtocol.TUS, **piece}
        return self.services.resumable_uploads.append(self.account_id, upload.id, Piece(**piece), body)

    def get(self, upload: UploadRecord) -> UploadRecord:
        return self.services.resumable_uploads.get(self.account_id, upload.id)

    def look(self, upload: UploadRecord) -> UploadRecord:
        return self.services.resumable_uploads.look(self.account_id, upload.id)

    def cancel(self, upload: UploadRecord) -> None:
        self.services.resumable_uploads.cancel(self.account_id, upload.id)

    def stored(self, upload: UploadRecord) -> bytes:
        """Everything in the upload's blob, whether it counts or not."""
        return content(self.services.store, upload.id)

    def file(self, name: str = "log.bin") -> bytes:
        """The bytes of a whole file, which has the digests that it says."""
        status = self.services.files.get_readable(self.account_id, name)
        content = self.content(status)
        assert (status.sha256, status.crc32) == (hashlib.sha256(content).hexdigest(), zlib.crc32(content))
        assert (status.length, status.received_bytes) == (len(content), len(content))
        return content

    @staticmethod
    def error_of(action: Callable[[], object]) -> type[TransferError] | None:
        """What an action was refused with."""
        try:
            action()
        except TransferError as error:
            return type(error)
        return None

    def row_ids(self) -> set[uuid.UUID]:
        """The ids of all files, of every account."""
        with self.services.database.read() as session:
            return set(session.scalars(select(File.id)))

    def upload_ids(self) -> set[uuid.UUID]:
        """The ids of all uploads, tombstones among them."""
        with self.services.database.read() as session:
            return set(session.scalars(select(ResumableUpload.id)))

    def another_instance(self) -> "Uploads":
        """Services of another process on the same database and store; the same as after a restart."""
        services = build_services(self.settings, now=self.clock, on_progress=self.told.append)
        self.instances.append(services)
        return replace(self, services=services)

    def another_account(self) -> "Uploads":
        other = super().another_account()
        return replace(self, account_id=other.account_id)


@pytest.fixture
def make_uploads(make_settings: Callable[..., Settings], clock: Clock) -> Iterator[Callable[..., Uploads]]:
    """Benches for resumable uploads; keyword arguments are fields of `Settings`."""
    made: list[Services] = []

    def make(**overrides: Any) -> Uploads:
        settings, told = make_settings(**overrides), list[UploadProgress]()
        services = build_services(settings, now=clock, on_progress=told.append)
        made.append(services)
        migrate(settings.resolved_database_url)
        services.accounts.create("alice", PASSWORD)
        return Uploads(services, clock, services.accounts.get("alice").account_id, settings, told, made)

    yield make
    for services in made:
        services.database.dispose()


@pytest.fixture
def uploads(make_uploads: Callable[..., Uploads]) -> Uploads:
    """On SQLite."""
    return make_uploads()


@pytest.fixture
def any_uploads(make_uploads: Callable[..., Uploads], unmade_database_url: str) -> Uploads:
    """On each of both databases."""
    return make_uploads(database_url=unmade_database_url)
