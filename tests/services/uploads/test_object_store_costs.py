"""How many requests an object store gets for a GiB that comes, is made one object, goes out and is deleted."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from tests.services.uploads.bench import Uploads, make_uploads
from transfer_service.bootstrap import build_compaction
from transfer_service.storage.s3 import compaction
from transfer_service.storage.s3.connection import Connection
from transfer_service.wire.ranges import Span

pytestmark = pytest.mark.long

__all__ = ["make_uploads"]

MIB = 1024 * 1024
STEPS = ("upload", "compaction", "download", "deletion")


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The calls to the store by their names."""
    made: Counter[str] = Counter()
    run = Connection.run

    def counting(self: Connection, call: Callable[[Any], Any], *, name: str, is_long: bool = False) -> Any:
        made[name] += 1
        return run(self, call, name=name, is_long=is_long)

    monkeypatch.setattr(Connection, "run", counting)
    return made


def costs(uploads: Uploads, requests: Counter[str], size: int, append_bytes: int) -> dict[str, Counter[str]]:
    """What each step in the life of a file costs, of which so many bytes come in a request."""
    data, found = os.urandom(size), {}

    @contextmanager
    def step(name: str) -> Iterator[None]:
        before = requests.copy()
        yield
        found[name] = requests - before

    with step("upload"):
        upload = uploads.begin(size)
        for start in range(0, size, append_bytes):
            upload = uploads.send(upload, start, data[start : start + append_bytes])
    work = build_compaction(uploads.services.core)
    assert work is not None
    with step("compaction"):
        work()
    with step("download"), closing(uploads.services.store.open_reader(upload.id)) as blob:
        assert b"".join(blob.blocks(Span(0, size))) == data
    with step("deletion"):
        uploads.services.files.delete(uploads.account_id, "log.bin")
    return found


def per_gib(small: int, large: int, half: int) -> int:
    """Of what costs `small` for half as many bytes as it costs `large` for, `half` being in MiB."""
    slope = (large - small) / half
    return round(small - slope * half + slope * 1024)


@pytest.mark.parametrize(
    ("append_bytes", "half", "most"),
    [
        pytest.param(1 << 30, 16, (135, 140, 280, 4), id="one-request"),
        pytest.param(5 * MIB, 40, (320, 460, 280, 4), id="5-MiB"),
        pytest.param(64 * 1024, 4, (16_400, 16_500, 280, 4), id="64-KiB"),
    ],
)
def test_a_gib_costs_no_more_requests_than_that(
    make_uploads: Callable[..., Uploads],
    object_store_url: str,
    requests: Counter[str],
    monkeypatch: pytest.MonkeyPatch,
    append_bytes: int,
    half: int,
    most: tuple[int, ...],
) -> None:
    monkeypatch.setattr(compaction, "REST", 0.0)
    uploads = make_uploads(storage_url=object_store_url)
    small = costs(uploads, requests, half * MIB, append_bytes)
    large = costs(uploads, requests, 2 * half * MIB, append_bytes)
    found = {step: per_gib(small[step].total(), large[step].total(), half) for step in STEPS}
    print(f"requests to the store per GiB, in requests of {append_bytes // 1024} KiB: {found}")  # noqa: T201
    print({step: dict(large[step]) for step in STEPS}, f"for {2 * half} MiB")  # noqa: T201
    assert all(found[step] <= bound for step, bound in zip(STEPS, most, strict=True)), found


def test_a_small_file_costs_one_request_to_come_and_few_to_go(
    make_uploads: Callable[..., Uploads], object_store_url: str, requests: Counter[str]
) -> None:
    found = costs(make_uploads(storage_url=object_store_url), requests, 16 * 1024, 16 * 1024)
    print({step: dict(found[step]) for step in STEPS}, "for 16 KiB")  # noqa: T201
    assert found["upload"] == Counter({"put_object": 1})
    assert found["compaction"] == Counter()
    assert found["download"].total() <= 1
    assert found["deletion"].total() <= 3
