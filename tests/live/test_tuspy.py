"""tuspy, the tus client for Python, with its checksums and its store of addresses, over a network that breaks."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.live.fault_proxy import Fault, FaultProxy
from tests.live.resumable import MIB, Body, Way, body, site, way

__all__ = ["body", "site", "way"]

SIZE = 8 * MIB + 12_345
CUTS = [Fault(reset_at=size, toward="server") for size in (300_000, 700_001, 900_000, 555_555, 100_000, 800_000)]
"""Each in the middle of a chunk: tuspy opens a connection for each request."""

_PROGRAM = """
import json, sys
from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage
order = json.loads(sys.argv[1])
storage = FileStorage(order["store"]) if order["store"] else None
client = TusClient(order["url"], headers=order["headers"])
uploader = client.uploader(
    order["path"], store_url=bool(storage), url_storage=storage, retries=20, retry_delay=0.05, **order["options"]
)
offsets = [uploader.offset]
while uploader.offset < (order["stop_at"] or uploader.get_file_size()):
    uploader.upload_chunk()
    offsets.append(uploader.offset)
headers = uploader.request.response_headers
if storage:
    storage.close()
print(json.dumps({"url": uploader.url, "offsets": offsets, "file_id": headers.get("x-file-id")}))
"""


class Told(NamedTuple):
    """What tuspy knew at its end."""

    url: str
    offsets: list[int]
    file_id: str | None


def run_tuspy(
    way: Way,
    proxy: FaultProxy,
    body: Body,
    *,
    at: str = "/api/uploads",
    store: Path | None = None,
    stop_at: int | None = None,
    **options: Any,
) -> Told:
    """Upload in a process of its own, as far as `stop_at` or to the end."""
    url = f"http://127.0.0.1:{proxy.port}{at}"
    order = {"url": url, "headers": way.authorization, "path": str(body.path), "stop_at": stop_at, "options": options}
    command = [sys.executable, "-c", _PROGRAM, json.dumps({**order, "store": str(store) if store else None})]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return Told(**json.loads(result.stdout))


@pytest.mark.parametrize("upload_checksum", [pytest.param(True, id="checksums"), pytest.param(False, id="plain")])
def test_chunks_survive_every_cut(way: Way, body: Body, upload_checksum: bool) -> None:
    before = way.files()
    metadata = {"filename": "größe 测试.bin"}
    with FaultProxy(way.port, CUTS) as proxy:
        told = run_tuspy(way, proxy, body, chunk_size=MIB, metadata=metadata, upload_checksum=upload_checksum)
    assert told.file_id is not None
    assert (len(proxy.faults_done), sorted(told.offsets), way.digest(told.file_id)) == (
        len(CUTS), told.offsets, body.digest
    )  # fmt: skip
    assert (way.files() - before, way.unfinished()) == ({told.file_id}, [])


def test_one_request_survives_every_cut(way: Way, body: Body) -> None:
    before = way.files()
    planned = [*CUTS, CUTS[-1]]  # one more: the connection of a HEAD may still hold one when the last PATCH begins
    with FaultProxy(way.port, planned) as proxy:
        told = run_tuspy(way, proxy, body)
    assert len(proxy.faults_done) >= len(CUTS)
    assert told.file_id and way.digest(told.file_id) == body.digest
    assert (way.files() - before, way.unfinished()) == ({told.file_id}, [])


def test_another_process_goes_on_where_the_first_one_stopped(way: Way, body: Body, tmp_path: Path) -> None:
    before = way.files()
    store = tmp_path / "addresses.json"
    with FaultProxy(way.port, CUTS) as proxy:
        first = run_tuspy(way, proxy, body, store=store, stop_at=3 * MIB, chunk_size=MIB, upload_checksum=True)
        (unfinished,) = way.unfinished()
        second = run_tuspy(way, proxy, body, store=store, chunk_size=MIB, upload_checksum=True)
    assert (first.url, first.offsets[-1]) == (second.url, second.offsets[0])
    assert (unfinished["offset"], unfinished["length"]) == (first.offsets[-1], SIZE)
    assert second.file_id is not None
    assert (len(proxy.faults_done), way.digest(second.file_id)) == (len(CUTS), body.digest)
    assert (way.files() - before, way.unfinished()) == ({second.file_id}, [])
