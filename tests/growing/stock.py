"""Whether a store has what the records name, and nothing else: by what the bucket itself lists."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from benchmarks.object_store import ACCESS_KEY, SECRET_KEY
from transfer_service.bootstrap import Services
from transfer_service.models.files import File, FileState, TrashedFile
from transfer_service.models.pieces import StoredPiece
from transfer_service.wire.store_addresses import StoreAddress

MOST_NAMED = 5


def stock_faults(services: Services) -> list[str]:
    """What is too much and what is missing, after a cleanup for which nothing is too young."""
    address = services.core.settings.store_address
    assert address is not None
    with services.database.read() as session:
        files = session.execute(select(File.id, File.state).where(File.state != FileState.FOLDER)).all()
        trashed = set(session.scalars(select(TrashedFile.id)))
        pieces = session.execute(select(StoredPiece.room, StoredPiece.key, StoredPiece.object)).all()
    in_pieces = {piece.key for piece in pieces if piece.room == "files"}
    own = {each: f"{address.prefix}/files/{each.hex[:2]}/{each.hex}" for each in {*(f.id for f in files), *trashed}}
    whole = {file.id for file in files if file.state is FileState.COMPLETE} | trashed
    needed = {piece.object for piece in pieces if piece.object}
    needed |= {own[each] for each in whole if each.hex not in in_pieces}
    keys = {each.hex for each in own}
    stored = set(_listed(address))
    return [
        *_told("objects of nobody", stored - needed - set(own.values())),
        *_told("rows without an object", needed - stored),
        *_told("pieces of no file", {piece.object for piece in pieces if piece.key not in keys}),
        *_told("uploads of parts under way", set(_multiparts(address))),
    ]


def _told(what: str, names: set[str]) -> list[str]:
    return [f"{what}: {len(names)}, {sorted(names)[:MOST_NAMED]}"] if names else []


def stored_objects(services: Services) -> set[str]:
    """The names of all objects of the installation but the marks."""
    address = services.core.settings.store_address
    assert address is not None
    return set(_listed(address))


def _listed(address: StoreAddress) -> Iterator[str]:
    pages = _client(address).get_paginator("list_objects_v2").paginate(Bucket=address.bucket, Prefix=address.prefix)
    for page in pages:
        for found in page.get("Contents", []):
            if not found["Key"].startswith(f"{address.prefix}/marks/"):
                yield found["Key"]


def _multiparts(address: StoreAddress) -> Iterator[str]:
    answer = _client(address).list_multipart_uploads(Bucket=address.bucket, Prefix=address.prefix)
    return (str(found["Key"]) for found in answer.get("Uploads", []))


def _client(address: StoreAddress) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=address.endpoint,
        region_name=address.region,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(s3={"addressing_style": "path"}),
    )
