"""Records of files and uploads, and what the database says of the same rows."""

import uuid
from dataclasses import replace
from itertools import product

from sqlalchemy import select

from tests.services.uploads.bench import Uploads, any_uploads, make_uploads
from transfer_service.models.files import File, FileState
from transfer_service.models.uploads import ResumableUpload, UploadKind
from transfer_service.services.files import rows as file_rows
from transfer_service.services.uploads import rows as upload_rows
from transfer_service.services.uploads.rows import UploadRecord

__all__ = ["any_uploads", "make_uploads"]


def variants(upload: UploadRecord) -> list[UploadRecord]:
    """The upload in every state that decides whether it is due."""
    every = product(FileState, (None, 0, 3), (0, 3), (True, False), UploadKind)
    found = []
    for state, length, received, ends, kind in every:
        changed = upload.with_file(id=uuid.uuid4(), state=state, length=length, received_bytes=received)
        assert changed.file is not None
        found.append(replace(changed, id=changed.file.id, ends=ends, kind=kind))
    return found


def test_a_record_and_the_database_agree_on_what_is_due(any_uploads: Uploads) -> None:
    expected = variants(any_uploads.begin(3))
    uploads, files = ResumableUpload.__table__, File.__table__
    joined = select(uploads.c.id).join(files, files.c.id == uploads.c.id)
    with any_uploads.services.database.write_rows() as rows:
        for each in expected:
            assert each.file is not None
            upload_rows.add(rows, each, each.file)
        due = set(rows.scalars(joined.where(upload_rows.is_due(uploads.c, files.c))))
        filled = set(rows.scalars(select(files.c.id).where(file_rows.is_due(files.c))))
    assert due == {each.id for each in expected if each.is_due}
    assert filled == {each.id for each in expected if each.file is not None and each.file.is_due}
    assert len(due) == 4


def test_what_is_written_is_read(any_uploads: Uploads) -> None:
    upload = any_uploads.begin(3, "a.bin")
    with any_uploads.services.database.write_rows() as rows:
        file = file_rows.lock(rows, upload.id)
        assert file is not None
        whole = replace(file, name="B.bin", holds_name=True, media_type="image/png", state=FileState.COMPLETE)
        whole = replace(whole, received_bytes=3, sha256="0" * 64, unflushed_boot="b", completed_at=file.created_at)
        file_rows.save(rows, whole)
        found = upload_rows.find(rows, upload.id)
        folded_name = rows.scalar(select(File.folded_name).where(File.id == upload.id))
    assert found == replace(upload, file=whole)
    assert folded_name == "b.bin"
