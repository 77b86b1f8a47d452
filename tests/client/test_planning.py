"""What is planned is told beforehand to who wants to hear of it, and to nobody else."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from transfer_service_client import TransferClient
from transfer_service_client.progress import Silent

from tests.client.account_service import KEY, AccountService
from tests.live.server import wait_until

SECONDS = 60


class Hearing(Silent):
    """Lets nothing begin before so many files are expected."""

    def __init__(self, count: int) -> None:
        self.counts: list[int] = []
        self.sizes: list[int] = []
        self._wanted, self._guard = count, threading.Lock()

    def expect(self, count: int, size: int) -> None:
        with self._guard:
            self.counts.append(count)
            self.sizes.append(size)

    def begin(self, name: str, size: int) -> None:  # noqa: ARG002
        wait_until(lambda: sum(self.counts) >= self._wanted)

    @property
    def heard(self) -> tuple[int, int]:
        return sum(self.counts), sum(self.sizes)


@pytest.fixture
def client(service: AccountService) -> Iterator[TransferClient]:
    with TransferClient(service.url, key=KEY) as account:
        yield account


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """600 files of 10 bytes, one of 1000."""
    (tmp_path / "in/deep").mkdir(parents=True)
    for number in range(600):
        (tmp_path / f"in/deep/{number}").write_bytes(b"0123456789")
    (tmp_path / "in/large").write_bytes(bytes(1000))
    return tmp_path / "in"


def test_what_is_sent(client: TransferClient, folder: Path) -> None:
    hearing = Hearing(602)
    outcome = client.upload_all([str(folder), f"{folder}/large"], progress=hearing)
    assert (hearing.heard, outcome.failed) == ((602, 8000), 0)


def test_what_is_fetched(service: AccountService, client: TransferClient, tmp_path: Path) -> None:
    service.files = {"a/1": bytes(10), "a/b/2": bytes(100), "c": bytes(5), "d/e": bytes(1)}
    some, everything = Hearing(3), Hearing(4)
    assert client.get(["a", "c"], tmp_path / "some", progress=some).failed == 0
    assert client.get(["/"], tmp_path / "all", progress=everything).failed == 0
    assert (some.heard, everything.heard) == ((3, 115), (4, 116))


def test_what_is_sent_and_read_to_make_a_folder_alike(
    service: AccountService, client: TransferClient, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    service.files = {"there/large": bytes(1000)}
    sending, reading = Hearing(600), Hearing(601)
    client.sync(folder, "there", progress=sending)
    client.verify(folder, "there", progress=reading)
    assert (sending.heard, reading.heard) == ((600, 6000), (601, 7000))


def test_nobody_is_asked_for_sizes_that_nobody_hears_of(
    service: AccountService, client: TransferClient, tmp_path: Path
) -> None:
    service.files = {"a/1": b"1"}
    client.get(["a"], tmp_path, progress=Silent())
    assert ("GET", "/api/folders/a") not in service.requests


def test_a_count_that_cannot_be_had_stops_nothing(
    service: AccountService, client: TransferClient, tmp_path: Path
) -> None:
    service.files = {"a/1": b"1"}
    service.answers["GET", "/api/folders/a"] = 403, {"detail": "No"}
    outcome = client.get(["a"], tmp_path, progress=Hearing(0))
    assert (outcome.done, outcome.failed) == (1, 0)
