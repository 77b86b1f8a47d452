"""What the counters of allotments must be, from the rows that are there."""

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import select

from transfer_service.bootstrap import Services
from transfer_service.models.accounts import Account
from transfer_service.models.files import File, FileState, TrashedFile
from transfer_service.models.sharing import Allotment
from transfer_service.models.uploads import ResumableUpload, UploadKind
from transfer_service.services.sharing import allotments


def allot(
    services: Services,
    account_id: uuid.UUID,
    *,
    gives_back: bool = False,
    quota_bytes: int | None = None,
    quota_files: int | None = None,
    ends_at: datetime | None = None,
) -> uuid.UUID:
    """The id of a new key (`gives_back`) or upload link with an allotment."""
    origin_id = uuid.uuid4()
    limits: dict[str, Any] = {"quota_bytes": quota_bytes, "quota_files": quota_files, "ends_at": ends_at}
    with services.database.write_rows() as rows:
        allotments.add(rows, origin_id, account_id, gives_back=gives_back, **limits)
    return origin_id


def counted(services: Services, origin_id: uuid.UUID) -> tuple[int, int]:
    """The bytes and the files that an allotment counts."""
    with services.database.read_rows() as rows:
        found = allotments.find(rows, origin_id)
    assert found is not None
    return found.used_bytes, found.used_files


def miscounted(services: Services) -> list[str]:
    """Which counters of accounts and allotments are not what the rows say."""
    with services.database.read() as session:
        parts = {*session.scalars(select(ResumableUpload.id).where(ResumableUpload.kind == UploadKind.PARTIAL))}
        files, trashed = session.scalars(select(File)).all(), session.scalars(select(TrashedFile)).all()
        used = {each.id: each.used_bytes for each in session.scalars(select(Account))}
        there = session.scalars(select(Allotment)).all()
    everything: list[Any] = [*files, *trashed]
    wrong = []
    for account_id, used_bytes in used.items():
        has = sum(each.reserved_bytes for each in everything if each.account_id == account_id)
        wrong += [f"account {account_id} counts {used_bytes}, has {has}"] * (used_bytes != has)
    return [*wrong, *(fault for each in there for fault in _faults(each, files, trashed, parts))]


def _faults(allotment: Allotment, files: Any, trashed: Any, parts: set[uuid.UUID]) -> Iterator[str]:
    own = [each for each in files if each.origin_id == allotment.id]
    kept = [each for each in trashed if each.origin_id == allotment.id]
    if not allotment.gives_back:  # what was whole once counts, wherever it is now
        own, kept = [each for each in own if each.state is FileState.RECEIVING and each.sha256 is None], []
    expected_bytes = sum(each.reserved_bytes for each in (*own, *kept)) + allotment.received_bytes
    expected_files = sum(each.id not in parts for each in (*own, *kept)) + allotment.received_files
    found = allotment.used_bytes, allotment.used_files
    if found != (expected_bytes, expected_files):
        kind = "key" if allotment.gives_back else "link"
        yield f"the allotment of a {kind} counts {found}, has {expected_bytes, expected_files}"
    for used, quota in ((found[0], allotment.quota_bytes), (found[1], allotment.quota_files)):
        if used < 0 or (quota is not None and used > quota):
            yield f"{used} of {quota}"
