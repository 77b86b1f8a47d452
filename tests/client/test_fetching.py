import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from transfer_service_client.errors import NotFound, SignInNeeded, Stopped
from transfer_service_client.fetching import Outcome, at_once, everything_in, get
from transfer_service_client.models import File, Folder, Listing
from transfer_service_client.progress import SILENT, Progress
from transfer_service_client.session import Session

from tests.client.small_service import SmallService, serving


class Account:
    """Lists what it is told to, hostile or not; every file has the bytes of one service."""

    def __init__(
        self, session: Session, service: SmallService, listings: dict[str, tuple[list[str], list[str]]]
    ) -> None:
        self.session, self._service, self._listings = session, service, listings

    def list(self, folder: str = "") -> Listing:
        if folder not in self._listings:
            raise NotFound(404, folder)
        folders, files = self._listings[folder]
        at = self._service.file().created_at
        return Listing([Folder(each, at) for each in folders], [self._service.file(each) for each in files])

    def find(self, name: str) -> File | None:
        is_there = any(name in files for _, files in self._listings.values())
        return self._service.file(name) if is_there else None


def _names(root: Path) -> set[str]:
    return {each.relative_to(root).as_posix() for each in root.rglob("*")}


def test_files_and_folders_come_under_their_last_labels(tmp_path: Path) -> None:
    service = SmallService(b"data")
    listings = {
        "a/b": (["a/b/c", "a/b/empty"], ["a/b/1"]),
        "a/b/c": ([], ["a/b/c/2"]),
        "a/b/empty": ([], []),
        "x": ([], ["x/3"]),
    }
    with serving(service) as session:
        outcome = get(Account(session, service, listings), ["a/b", "x/3", "x/3", "none"], tmp_path)
        assert _names(tmp_path) == {"b", "b/1", "b/c", "b/c/2", "b/empty", "3"}
        assert set(outcome.done) == {"a/b/1", "a/b/c/2", "x/3"}
        assert list(outcome.failed) == ["none"]
        again = get(Account(session, service, listings), ["a/b"], tmp_path)
        assert (again.done, set(again.same)) == ([], {"a/b/1", "a/b/c/2"})


def test_hostile_names_fail_and_the_others_go_on(tmp_path: Path) -> None:
    service, into = SmallService(b"data"), tmp_path / "into"
    listings = {
        "a": (["a/../../up", "a", "a/b"], ["a/../../out", "/abs", "a/good", "a//x"]),
        "a/b": (["a"], ["a/b/fine"]),
    }
    with serving(service) as session:
        outcome = get(Account(session, service, listings), ["a"], into)
    assert set(outcome.done) == {"a/good", "a/b/fine"}
    assert {"a/../../out", "a//x"} <= set(outcome.failed)
    assert _names(tmp_path) <= {"into", "into/a", "into/a/good", "into/a/b", "into/a/b/fine"}


def test_two_files_for_one_place_are_told(tmp_path: Path) -> None:
    service = SmallService(b"data")
    with serving(service) as session:
        account = Account(session, service, {"": ([], ["a/x", "b/x"])})
        outcome = get(account, ["a/x", "b/x"], tmp_path)
    assert (outcome.done, list(outcome.failed)) == (["a/x"], ["b/x"])


def test_an_unfinished_file_is_told(tmp_path: Path) -> None:
    service = SmallService(b"data")
    with serving(service) as session:
        account = Account(session, service, {"": ([], ["x"])})
        account.find = lambda name: replace(service.file(name), sha256=None)  # type: ignore[method-assign]
        outcome = get(account, ["x"], tmp_path)
    assert "not complete" in str(outcome.failed["x"])


def test_a_listing_that_never_ends_ends() -> None:
    service = SmallService(b"")
    with serving(service) as session:
        folders, _ = everything_in(Account(session, service, {"a": (["a", "a/b"], []), "a/b": (["a", "a/b"], [])}), "a")
    assert folders == ["a/b"]


def test_one_that_ends_all_ends_those_under_way() -> None:
    outcome, is_stopped = Outcome(), threading.Event()

    def do(name: str, progress: Progress) -> bool:
        if name == "signed out":
            raise SignInNeeded(401, "Not signed in")
        try:
            for _ in range(10_000):
                progress.advance(name, 1)
                time.sleep(0.005)
        except Stopped:
            is_stopped.set()
            raise
        return True

    with pytest.raises(SignInNeeded):
        at_once(["long", "signed out", "later", "later still"], str, do, outcome, SILENT, workers=2)
    assert is_stopped.is_set()
    assert outcome.done == []
    assert list(outcome.failed) == ["long"]
