"""Many clients at once, with what several keys and links may bring: exact, and nobody waits for two of them."""

import random
import uuid
from collections import Counter
from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

import psycopg
import pytest

from tests.live.server import wait_until
from tests.services.conftest import Body
from tests.services.sharing.allotments import allot, counted, miscounted
from tests.services.uploads.bench import Append, Uploads, any_uploads, make_uploads
from transfer_service.bootstrap import Services
from transfer_service.errors import (
    LinkUsedUp,
    NotFound,
    QuotaExceeded,
    RangeConflict,
    UploadEnded,
    UploadGone,
)
from transfer_service.models.uploads import UploadKind, UploadProtocol
from transfer_service.services.uploads.appends import Piece
from transfer_service.services.uploads.incoming import Place
from transfer_service.services.uploads.resumable import UploadDraft
from transfer_service.services.uploads.whole_files import Draft
from transfer_service.wire.ranges import Span

__all__ = ["any_uploads", "make_uploads"]

THREADS, CALLS = 6, 25
NAMES = ["a", "b", "d/c"]
EXPECTED = (LinkUsedUp, QuotaExceeded, NotFound, UploadEnded, UploadGone, RangeConflict)


def at_once(workers: list[Callable[[], object]]) -> list[BaseException]:
    """Begin all at one moment. What they raised."""
    barrier, raised = Barrier(len(workers)), list[BaseException]()

    def run(work: Callable[[], object]) -> None:
        barrier.wait()
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - all of them are looked at
            raised.append(error)

    threads = [Thread(target=run, args=(work,)) for work in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.mark.parametrize("limit", [{"quota_files": 10}, {"quota_bytes": 50}], ids=["files", "bytes"])
def test_fifty_clients_never_bring_more_than_a_link_takes(any_uploads: Uploads, limit: dict[str, Any]) -> None:
    instances = [any_uploads, any_uploads.another_instance()]
    link = allot(any_uploads.services, any_uploads.account_id, **limit)

    def begin(instance: Uploads, number: int) -> None:
        length = None if number % 7 == 0 and "quota_files" in limit else 5
        instance.begin(length, f"{number}.bin", origin_id=link)

    refused = at_once([lambda n=n: begin(instances[n % 2], n) for n in range(50)])  # type: ignore[misc] # the number
    assert (len(refused), {type(each) for each in refused} <= {LinkUsedUp, QuotaExceeded}) == (40, True)
    assert (any_uploads.rows(), counted(any_uploads.services, link)[1]) == (10, 10)
    assert not miscounted(any_uploads.services)


class Client:
    """One of several that do everything at once that reserves room or gives it back."""

    def __init__(
        self, services: Services, account_id: uuid.UUID, keys: list[uuid.UUID], links: list[uuid.UUID], *, seed: int
    ) -> None:
        self.services, self.account_id, self.links = services, account_id, links
        self.origins = [None, *keys, *links]
        self.random = random.Random(seed)
        self.failures = Counter[str]()

    def run(self) -> None:
        calls = [self.store, self.chunk, self.upload, self.concatenate, self.delete, self.empty, self.remove_folder]
        for _ in range(CALLS):
            try:
                self.random.choice(calls)(self.random.choice(NAMES), self.random.choice(self.origins))
            except EXPECTED as error:
                self.failures[type(error).__name__] += 1

    def store(self, name: str, origin_id: uuid.UUID | None) -> None:
        data = b"x" * self.random.choice([0, 3, 300_000])
        length = self.random.choice([None, len(data)])
        draft = Draft(name, "text/plain", length, self.random.random() < 0.5, origin_id)
        self.services.whole_files.receive(self.account_id, draft, Body([data]))

    def chunk(self, name: str, origin_id: uuid.UUID | None) -> None:
        start = self.random.choice([0, 2])
        origin_id = None if origin_id in self.links else origin_id  # this door is not for them
        place = Place(self.account_id, f"chunks of {name}", origin_id)
        self.services.uploads.append(place, span=Span(start, start + 2), incoming=Body([b"hi"]))

    def draft(
        self, name: str, origin_id: uuid.UUID | None, length: int | None, kind: UploadKind = UploadKind.WHOLE
    ) -> UploadDraft:
        return UploadDraft(
            UploadProtocol.TUS, name, None, length, overwrite=self.random.random() < 0.5, kind=kind, origin_id=origin_id
        )

    def upload(self, name: str, origin_id: uuid.UUID | None) -> None:
        uploads, length = self.services.resumable_uploads, self.random.choice([0, 5, None])
        upload = uploads.begin(self.account_id, self.draft(name, origin_id, length))
        if not upload.is_finished:
            if self.random.random() < 0.7:
                piece = Piece(0, length=5, ends=True)
                uploads.append(self.account_id, upload.id, piece, Append([b"12345"], announced=5))
            else:
                uploads.cancel(self.account_id, upload.id)

    def concatenate(self, name: str, origin_id: uuid.UUID | None) -> None:
        uploads, part_ids = self.services.resumable_uploads, list[uuid.UUID]()
        for each in (origin_id, self.random.choice(self.origins)):
            part = uploads.begin(self.account_id, self.draft(name, each, 3, kind=UploadKind.PARTIAL))
            body = Append([b"123"], announced=3)
            part_ids.append(uploads.append(self.account_id, part.id, Piece(0, ends=True), body).id)
        final = self.draft(name, origin_id, 6, kind=UploadKind.FINAL)
        uploads.begin(self.account_id, final, part_ids=part_ids)

    def delete(self, name: str, _origin_id: uuid.UUID | None) -> None:
        self.services.files.delete(self.account_id, name, is_permanent=self.random.random() < 0.5)

    def empty(self, _name: str, _origin_id: uuid.UUID | None) -> None:
        self.services.trash.empty(self.account_id)

    def remove_folder(self, _name: str, _origin_id: uuid.UUID | None) -> None:
        self.services.folders.delete(self.account_id, "d", is_recursive=True)


def test_keys_and_links_of_one_account_do_not_wait_for_each_other_in_circles(
    make_uploads: Callable[..., Uploads], database_url: str
) -> None:
    bench = make_uploads(database_url=database_url, trash_days=1, quota_bytes=3_000_000)
    services, account_id = bench.services, bench.account_id
    keys = [allot(services, account_id, gives_back=True, quota_bytes=1_000_000) for _ in range(2)]
    links = [allot(services, account_id, quota_files=40, quota_bytes=800_000) for _ in range(2)]
    instances = [services, bench.another_instance().services]
    clients = [Client(instances[n % 2], account_id, keys, links, seed=n) for n in range(THREADS)]
    assert at_once([client.run for client in clients]) == []
    assert not miscounted(services)
    assert sum(sum(client.failures.values()) for client in clients) < THREADS * CALLS / 2
    for instance in bench.instances:
        instance.database.dispose()
    assert "sqlite" in database_url or _deadlocks(database_url) == 0


def _deadlocks(url: str) -> int:
    """How many PostgreSQL has resolved in a database: `run_again` hides them. A backend tells when it goes."""
    others = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        wait_until(lambda: connection.execute(others).fetchone() is None)
        row = connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    assert row is not None
    return int(row[0])
