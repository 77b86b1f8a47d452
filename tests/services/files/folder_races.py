"""One process of several that use the same names of one account: every call that gives, frees or moves them."""

import json
import random
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from pydantic import SecretStr

from config import Settings
from tests.services.conftest import Body
from transfer_service.bootstrap import Services, build_services
from transfer_service.errors import (
    FolderNotEmpty,
    InvalidRequest,
    NameTaken,
    NotFound,
    RangeConflict,
    UploadEnded,
    UploadGone,
)
from transfer_service.models.uploads import UploadKind, UploadProtocol
from transfer_service.services.uploads.incoming import Place
from transfer_service.services.uploads.resumable import UploadDraft
from transfer_service.services.uploads.whole_files import Draft
from transfer_service.wire.ranges import Span

NAMES = ["a", "a/b", "a/b/c", "b", "b/x", "c"]
EXPECTED = (NameTaken, NotFound, FolderNotEmpty, UploadGone, UploadEnded, RangeConflict, InvalidRequest)
THREADS = 5


def _store(services: Services, account_id: uuid.UUID, name: str, *, overwrite: bool) -> None:
    data = b"x" * random.randrange(1, 9)
    services.whole_files.receive(account_id, Draft(name, "text/plain", len(data), overwrite), Body([data]))


def _chunk(services: Services, account_id: uuid.UUID, name: str) -> None:
    services.uploads.append(
        Place(account_id, name), span=Span(0, 2), incoming=Body([b"hi"], total=random.choice([2, 4]))
    )


def _upload(services: Services, account_id: uuid.UUID, name: str) -> None:
    draft = UploadDraft(
        UploadProtocol.TUS, name, None, length=random.choice([0, 0, 5]), overwrite=random.random() < 0.5
    )
    upload = services.resumable_uploads.begin(account_id, draft)
    if not upload.is_finished:
        services.resumable_uploads.cancel(account_id, upload.id)


def _concatenate(services: Services, account_id: uuid.UUID, name: str) -> None:
    part = UploadDraft(UploadProtocol.TUS, name, None, length=0, overwrite=False, kind=UploadKind.PARTIAL)
    part_ids = [services.resumable_uploads.begin(account_id, part).id for _ in range(2)]
    overwrite = random.random() < 0.5
    final = UploadDraft(UploadProtocol.TUS, name, None, length=0, overwrite=overwrite, kind=UploadKind.FINAL)
    services.resumable_uploads.begin(account_id, final, part_ids=part_ids)


def _rename(services: Services, account_id: uuid.UUID, name: str) -> None:
    found = services.files.find(account_id, name)
    if found is not None:
        services.renaming.rename(account_id, found.id, random.choice(NAMES))


CALLS: list[Callable[[Services, uuid.UUID, str], object]] = [
    lambda services, account_id, name: _store(services, account_id, name, overwrite=True),
    lambda services, account_id, name: _store(services, account_id, name, overwrite=False),
    lambda services, account_id, name: services.files.delete(account_id, name),
    _chunk,
    _upload,
    _concatenate,
    _rename,
    lambda services, account_id, name: services.folders.create(account_id, name),
    lambda services, account_id, name: services.folders.delete(account_id, name, is_recursive=random.random() < 0.7),
    lambda services, account_id, name: services.folders.move(account_id, name, random.choice([*NAMES, "m", "m/n"])),
]


def _work(services: Services, account_id: uuid.UUID, until: float, failures: Counter[str]) -> None:
    while time.monotonic() < until:
        call, name = random.choice(CALLS), random.choice(NAMES)
        try:
            call(services, account_id, name)
        except EXPECTED:
            failures["expected"] += 1
        except Exception as error:  # noqa: BLE001 - all of them are counted
            failures[f"{type(error).__name__}: {error}"] += 1
        failures["calls"] += 1


def main(data_dir: str, url: str, account_id: str, seed: str, seconds: str) -> None:
    """Use the names, and print what has failed how often."""
    random.seed(seed)
    settings = Settings(data_dir=Path(data_dir), database_url=url, secret_key=SecretStr("s" * 32))
    services, failures = build_services(settings), Counter[str]()
    until = time.monotonic() + float(seconds)
    arguments = (services, uuid.UUID(account_id), until, failures)
    threads = [Thread(target=_work, args=arguments) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps(failures))


if __name__ == "__main__":
    main(*sys.argv[1:])
