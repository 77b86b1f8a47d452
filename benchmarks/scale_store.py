"""What an object store has where there is much: rows of pieces, and small objects that are really there."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.object_store import CREDENTIALS
from benchmarks.scale_data import ARCHIVE, RANGE_BYTES, SLOT_BYTES, Filler, Size, uuid_of
from transfer_service.models import pieces
from transfer_service.storage.rooms import ARCHIVES, FILES
from transfer_service.storage.s3.layout import RoomLayout
from transfer_service.storage.s3.objects import Objects
from transfer_service.wire.store_addresses import parse_store_address

WRITERS = 8
OBJECT_BYTES = 1000


def fill_pieces(filler: Filler) -> None:
    """The pieces of the upload with ranges, one in each of its slots but the first, and those of others."""
    own_key, start = f"'{uuid_of(0).hex}'", f"CAST(n AS bigint) * {SLOT_BYTES}"
    filler.fill(
        pieces.StoredPiece, filler.size.ranges - 1, room="'files'", key=own_key, start=start,
        stop=f"{start} + {RANGE_BYTES}", object="'pieces/own/' || n", offset="0",
    )  # fmt: skip
    scattered = "'other ' || (CAST(n AS bigint) * 2654435761 % 4294967296)"
    filler.fill(
        pieces.StoredPiece, filler.size.others, room="'files'", key=scattered, start="0", stop="1000",
        object="'pieces/other/' || n", offset="0",
    )  # fmt: skip


def fill_objects(url: str, data_dir: Path, size: Size, most: int) -> int:
    """Put the archive and small files into the store: at most so many of those that there are. How many objects."""
    os.environ.update(CREDENTIALS)
    address = parse_store_address(url)
    objects = Objects(address)
    archive = f"{ARCHIVE}.zip"
    objects.put(RoomLayout(address.prefix, ARCHIVES).own_name(archive), [(data_dir / "games" / archive).read_bytes()])
    layout, count = RoomLayout(address.prefix, FILES), min(size.files, most)
    put = partial(_put, objects, layout)
    with ThreadPoolExecutor(WRITERS) as pool:
        for _ in pool.map(put, range(1, count + 1), chunksize=1):
            pass
    return count


def _put(objects: Objects, layout: RoomLayout, number: int) -> None:
    objects.put(layout.own_name(uuid_of(number)), [b"x" * OBJECT_BYTES])
