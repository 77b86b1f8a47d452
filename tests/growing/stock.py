"""Whether a store has what the records name, and nothing else."""

import uuid

from sqlalchemy import select

from tests.stores import listed
from transfer_service.bootstrap import Services
from transfer_service.models.files import File, FileState, TrashedFile


def stock_faults(services: Services) -> list[str]:
    """What is too much and what is missing, after a cleanup for which nothing is too young."""
    with services.database.read() as session:
        files = session.execute(select(File.id, File.state).where(File.state != FileState.FOLDER)).all()
        trashed = set(session.scalars(select(TrashedFile.id)))
    known = {file.id for file in files} | trashed
    needed = {file.id for file in files if file.state is FileState.COMPLETE} | trashed
    stored = {uuid.UUID(hex=blob.key) for blob in listed(services.store)}
    faults = [f"bytes of nobody: {sorted(map(str, stored - known))}"] if stored - known else []
    return faults + ([f"without bytes: {sorted(map(str, needed - stored))}"] if needed - stored else [])
