"""boto3 as everybody uses it, with its default settings, against the store that our service uses, in a process of its
own.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from benchmarks.lines import Spent
from benchmarks.measure import GIBIBYTE
from benchmarks.object_store import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, ObjectStoreServer
from benchmarks.payload import Payload
from benchmarks.processes import Start, together

Work = Callable[[Any], float]
"""What is done with a client; it tells how many units that were."""


class SmallWork(Protocol):
    """Something small that is done again and again in several processes."""

    def __call__(self, store: ObjectStoreServer, payload: Payload, seconds: float, /, *, processes: int) -> Spent:
        """Measure it."""


def measure(store: ObjectStoreServer, work: Work, *, processes: int = 1) -> Spent:
    """What one unit takes, in so many processes at once; the CPU time of the store is counted too."""
    before = store.cpu_seconds()
    results = together([partial(_work, store.endpoint, work)] * processes)
    units = sum(each[0] for each in results)
    took = max(each[2] for each in results) - min(each[1] for each in results)
    cpu = store.cpu_seconds() - before + sum(each[3] for each in results)
    return Spent(took / units, cpu / units, sum(each[4] for each in results))


def _work(endpoint: str, work: Work, start_together: Start) -> tuple[float, float, float, float, int]:
    client = _client(endpoint)
    client.head_bucket(Bucket=BUCKET)
    start_together()
    cpu, began = time.process_time(), time.monotonic()
    units = work(client)
    ended, spent = time.monotonic(), time.process_time() - cpu
    status = Path("/proc/self/status").read_text()
    return units, began, ended, spent, int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _client(endpoint: str) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(s3={"addressing_style": "path"}),
    )


def upload(store: ObjectStoreServer, payload: Payload) -> Spent:
    """`upload_file` of a large file: a multipart upload, ten parts at once. A unit is a GiB."""

    def work(client: Any) -> float:
        client.upload_file(str(payload.path), BUCKET, "peer/large")
        return len(payload.view) / GIBIBYTE

    spent = measure(store, work)
    store.client().delete_object(Bucket=BUCKET, Key="peer/large")
    return spent


def download(store: ObjectStoreServer, payload: Payload) -> Spent:
    """`download_file` of a large file, ten ranges at once. A unit is a GiB."""
    key, target = f"peer/{payload.path.name}", payload.path.with_name("downloaded")

    def work(client: Any) -> float:
        client.download_file(BUCKET, key, str(target))
        return len(payload.view) / GIBIBYTE

    client = store.client()
    if not client.list_objects_v2(Bucket=BUCKET, Prefix=key).get("Contents"):
        client.upload_file(str(payload.path), BUCKET, key)
    try:
        spent = measure(store, work)
        if target.stat().st_size != len(payload.view):
            raise RuntimeError("boto3 has fetched another file")
    finally:
        target.unlink(missing_ok=True)
    return spent


def put_small(store: ObjectStoreServer, payload: Payload, seconds: float, *, processes: int) -> Spent:
    """`put_object` of a small file again and again. A unit is a file."""
    data = bytes(payload.view)

    def put(client: Any, number: int) -> None:
        client.put_object(Bucket=BUCKET, Key=f"peer/small/{number}", Body=data)

    return measure(store, partial(_again, put, seconds), processes=processes)


def get_small(store: ObjectStoreServer, payload: Payload, seconds: float, *, processes: int) -> Spent:
    """`get_object` of a small file again and again. A unit is a file."""
    store.client().put_object(Bucket=BUCKET, Key="peer/small/0", Body=bytes(payload.view))

    def get(client: Any, _number: int) -> None:
        client.get_object(Bucket=BUCKET, Key="peer/small/0")["Body"].read()

    return measure(store, partial(_again, get, seconds), processes=processes)


def head_small(store: ObjectStoreServer, payload: Payload, seconds: float, *, processes: int) -> Spent:
    """`head_object` again and again. A unit is a request."""
    store.client().put_object(Bucket=BUCKET, Key="peer/small/0", Body=bytes(payload.view))

    def head(client: Any, _number: int) -> None:
        client.head_object(Bucket=BUCKET, Key="peer/small/0")

    return measure(store, partial(_again, head, seconds), processes=processes)


def _again(call: Callable[[Any, int], None], seconds: float, client: Any) -> float:
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        call(client, count)
        count += 1
    return count
