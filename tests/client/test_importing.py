"""Imports of any origin: what is sent, what is verified at the end, and what an origin cannot do to anybody."""

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from transfer_service_client import TransferClient
from transfer_service_client.errors import TransferError
from transfer_service_client.folders.walking import Skipped, Unsendable
from transfer_service_client.importers.origin import Found, OriginFile, OriginFolder
from transfer_service_client.progress import Silent

from tests.client.account_service import KEY, AccountService
from tests.client.test_sources import Memory


class Things:
    """An origin of a test's own."""

    def __init__(self, *found: Found) -> None:
        self._found = found

    def found(self) -> Iterator[Found]:
        yield from self._found

    def close(self) -> None:
        pass


def file(name: str, data: bytes = b"hello") -> OriginFile:
    return OriginFile(name, len(data), lambda: Memory(data))


@pytest.fixture
def client(service: AccountService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[TransferClient]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with TransferClient(service.url, key=KEY, verify=False) as client:
        yield client


def told(errors: list[tuple[str, Exception]]) -> dict[str, str]:
    return {name: str(error) for name, error in errors}


def test_everything_arrives_and_is_verified(client: TransferClient, service: AccountService) -> None:
    report = client.import_from(Things(file("a/b", b"one"), file("c", b"two"), OriginFolder("empty")), "in")
    assert (report.outcome.done, report.verified, report.outcome.failed) == (2, 2, 0)
    assert service.files == {"in/a/b": b"one", "in/c": b"two"}
    assert "in/empty" in service.folders


def test_what_is_there_already_is_verified_and_not_sent(client: TransferClient, service: AccountService) -> None:
    service.files["c"] = b"two"
    report = client.import_from(Things(file("c", b"two")))
    assert (report.outcome.same, report.verified) == (1, 1)
    assert "PUT" not in {method for method, _ in service.requests}


def test_a_file_whose_name_somebody_else_took_meanwhile_has_failed(
    client: TransferClient, service: AccountService
) -> None:
    def opened() -> Memory:
        service.answers["GET", "/api/files"] = (200, {"files": [service._fields("c")], "next_cursor": None})
        return Memory(b"two")

    service.files["c"] = b"one"
    report = client.import_from(Things(OriginFile("c", 3, opened)))
    assert (report.verified, report.outcome.failed) == (0, 1)
    assert told(report.outcome.errors) == {"c": "The service has other bytes under this name now"}


def test_a_file_that_is_gone_at_the_end_has_failed(client: TransferClient, service: AccountService) -> None:
    service.answers["GET", "/api/files"] = (200, {"files": [], "next_cursor": None})
    report = client.import_from(Things(file("c")))
    assert told(report.outcome.errors) == {"c": "The service has no file of this name any more"}


@pytest.mark.parametrize(
    "name",
    ["../up", "a/../../up", "/top", "a//b", "a/", "", ".", "a\ud800"],
    ids=["up", "up-inside", "slash-before", "two-slashes", "slash-behind", "nothing", "dot", "half-a-character"],
)
def test_a_name_that_cannot_be_one_is_told_and_the_others_go_on(
    client: TransferClient, service: AccountService, name: str
) -> None:
    report = client.import_from(Things(file(name), file("good")), "in")
    assert (report.outcome.failed, report.verified) == (1, 1)
    assert service.files == {"in/good": b"hello"}


def test_two_files_that_would_have_one_name_do_not_replace_each_other(
    client: TransferClient, service: AccountService
) -> None:
    report = client.import_from(Things(file("caf\u00e9", b"one"), file("cafe\u0301", b"two")))
    assert service.files == {"caf\u00e9": b"one"}
    assert told(report.outcome.errors) == {"caf\u00e9": "It would be a second file of this name"}


def test_what_an_origin_cannot_give_is_told(client: TransferClient, service: AccountService) -> None:
    def refuse() -> Memory:
        raise TransferError("It is locked")

    found = (OriginFile("a", 1, refuse), Unsendable("b", TransferError("No")), Skipped("c", "A pipe"), file("d"))
    report = client.import_from(Things(*found), "in")
    assert told(report.outcome.errors) == {"in/b": "No", "in/a": "It is locked"}
    assert report.outcome.skips == [("in/c", "A pipe")]
    assert service.files == {"in/d": b"hello"}


def test_a_plan_sends_nothing_and_reads_nothing(client: TransferClient, service: AccountService) -> None:
    def never() -> Memory:
        raise AssertionError

    service.files |= {"same size": b"12345", "other size": b"1"}
    found = [OriginFile(name, 5, never) for name in ("new", "same size", "other size", "..")]
    plan = client.plan_import(Things(*found))
    assert (plan.send, plan.replace, plan.compare) == (["new"], ["other size"], ["same size"])
    assert told(plan.outcome.errors).keys() == {".."}
    assert {method for method, _ in service.requests} == {"GET"}


@pytest.mark.parametrize(
    ("there", "found", "failed"),
    [
        pytest.param({}, ("a", "a/b"), {"in/a/b": "A file has the name of its folder"}, id="file-first"),
        pytest.param({}, ("a/b/c", "a"), {"in/a": "A folder has this name"}, id="folder-first"),
        pytest.param({"in/a": b""}, ("a/b", "c"), {"in/a/b": "A file has the name of its folder"}, id="file-there"),
        pytest.param({"in/a/b": b""}, ("a", "c"), {"in/a": "A folder has this name"}, id="folder-there"),
    ],
)
def test_a_name_of_both_a_file_and_a_folder_is_that_of_the_first_and_a_plan_says_so(
    client: TransferClient,
    service: AccountService,
    there: dict[str, bytes],
    found: tuple[str, str],
    failed: dict[str, str],
) -> None:
    service.files |= there
    origin = Things(*map(file, found))
    assert told(client.plan_import(origin, "in").outcome.errors) == failed
    report = client.import_from(origin, "in")
    assert (report.verified, told(report.outcome.errors)) == (1, failed)


def test_an_empty_folder_that_has_the_name_of_a_file_is_told(client: TransferClient, service: AccountService) -> None:
    report = client.import_from(Things(file("a"), OriginFolder("a")))
    assert told(report.outcome.errors) == {"a": "A file has the name of its folder"}
    assert service.files == {"a": b"hello"}


@pytest.mark.parametrize("size", [-1, 2**63, 10**400], ids=["negative", "more-than-a-disk", "more-than-a-float"])
def test_a_size_that_no_file_has_is_told(client: TransferClient, service: AccountService, size: int) -> None:
    report = client.import_from(Things(OriginFile("lie", size, lambda: Memory(b"")), file("good")))
    assert told(report.outcome.errors) == {"lie": "It has no such size"}
    assert service.files == {"good": b"hello"}


class Interrupted(Things):
    """Somebody presses Ctrl-C while a file is waited for; what it waits for ends when the origin is closed."""

    def __init__(self) -> None:
        self.is_opening, self.is_closed = threading.Event(), threading.Event()

    def found(self) -> Iterator[Found]:
        yield OriginFile("slow", 1, self._opened)
        self.is_opening.wait(60)
        raise KeyboardInterrupt

    def _opened(self) -> Memory:
        self.is_opening.set()
        self.is_closed.wait(60)
        raise TransferError("It is closed")


def test_what_waits_for_an_origin_when_all_is_stopped_has_not_failed(
    client: TransferClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Heard(Silent):
        failures: ClassVar[list[str]] = []

        def failed(self, name: str, _error: Exception) -> None:
            self.failures.append(name)

    monkeypatch.setattr("transfer_service_client.folders.many._PARTING_SECONDS", 0.0)
    origin = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        client.import_from(origin, progress=Heard())
    workers = [each for each in threading.enumerate() if each.name == "transfer"]
    origin.is_closed.set()
    for each in workers:
        each.join(60)
    assert (len(workers), Heard.failures) == (1, [])


def test_the_digest_that_is_verified_is_that_of_the_bytes(client: TransferClient, service: AccountService) -> None:
    client.import_from(Things(file("c", b"two")))
    assert service._fields("c")["sha256"] == hashlib.sha256(b"two").hexdigest()
