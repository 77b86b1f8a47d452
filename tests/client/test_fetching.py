import threading
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from transfer_service_client.connection.session import Session
from transfer_service_client.errors import NotFound, SignInNeeded, Stopped
from transfer_service_client.folders.fetching import everything_in, get
from transfer_service_client.folders.many import Job, Many
from transfer_service_client.folders.outcome import KEPT, Outcome
from transfer_service_client.folders.stopping import Stoppable
from transfer_service_client.models import File, Folder, Listing
from transfer_service_client.progress import SILENT, Silent

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


class Heard(Silent):
    """The names that went well."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def done(self, name: str, *, was_moved: bool) -> None:  # noqa: ARG002
        self.names.add(name)


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
        heard = Heard()
        outcome = get(Account(session, service, listings), ["a/b", "x/3", "x/3", "none"], tmp_path, progress=heard)
        assert _names(tmp_path) == {"b", "b/1", "b/c", "b/c/2", "b/empty", "3"}
        assert heard.names == {"a/b/1", "a/b/c/2", "x/3"}
        assert outcome.done == 3
        assert [name for name, _ in outcome.errors] == ["none"]
        again = get(Account(session, service, listings), ["a/b"], tmp_path)
        assert (again.done, again.same) == (0, 2)


def test_hostile_names_fail_and_the_others_go_on(tmp_path: Path) -> None:
    service, into = SmallService(b"data"), tmp_path / "into"
    listings = {
        "a": (["a/../../up", "a", "a/b"], ["a/../../out", "/abs", "a/good", "a//x"]),
        "a/b": (["a"], ["a/b/fine"]),
    }
    with serving(service) as session:
        heard = Heard()
        outcome = get(Account(session, service, listings), ["a"], into, progress=heard)
    assert heard.names == {"a/good", "a/b/fine"}
    assert {"a/../../out", "a//x"} <= {name for name, _ in outcome.errors}
    assert _names(tmp_path) <= {"into", "into/a", "into/a/good", "into/a/b", "into/a/b/fine"}


@pytest.mark.parametrize("name", [".bashrc", "b/.bashrc", "ab.bashrc", "a/b/c/deeper", ""])
def test_what_was_not_asked_for_is_not_fetched(tmp_path: Path, name: str) -> None:
    service = SmallService(b"data")
    with serving(service) as session:
        account = Account(session, service, {"a/b": ([name], [name, "a/b/good"])})
        outcome = get(account, ["a/b"], tmp_path)
    assert _names(tmp_path) == {"b", "b/good"}
    assert (outcome.done, [each for each, _ in outcome.errors]) == (1, [name, name])


def test_a_name_in_other_characters_for_the_same_letters_is_found(tmp_path: Path) -> None:
    service = SmallService(b"data")
    with serving(service) as session:
        account = Account(session, service, {"caf\u00e9": ([], ["caf\u00e9/x"])})
        outcome = get(account, ["cafe\u0301"], tmp_path)
    assert (outcome.done, _names(tmp_path)) == (1, {"caf\u00e9", "caf\u00e9/x"})


def test_two_files_for_one_place_are_told(tmp_path: Path) -> None:
    service = SmallService(b"data")
    with serving(service) as session:
        account = Account(session, service, {"": ([], ["a/x", "b/x"])})
        outcome = get(account, ["a/x", "b/x"], tmp_path)
    assert (outcome.done, [name for name, _ in outcome.errors]) == (1, ["b/x"])


def test_an_unfinished_file_is_told(tmp_path: Path) -> None:
    service = SmallService(b"data")
    with serving(service) as session:
        account = Account(session, service, {"": ([], ["x"])})
        account.find = lambda name: replace(service.file(name), sha256=None)  # type: ignore[method-assign]
        outcome = get(account, ["x"], tmp_path)
    assert "not complete" in str(dict(outcome.errors)["x"])


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_file_that_was_replaced_meanwhile_is_fetched_as_it_is_now(tmp_path: Path, is_replaced: bool) -> None:
    service = SmallService(b"data")
    service.statuses = [404]
    with serving(service) as session:
        account = Account(session, service, {"": ([], ["x"])})
        found = [service.file("x"), replace(service.file("x"), file_id="22222222-2222-4222-8222-222222222222")]
        account.find = lambda name: found.pop(0) if is_replaced else service.file(name)  # type: ignore[method-assign]
        outcome = get(account, ["x"], tmp_path)
    assert (outcome.done, outcome.failed) == (int(is_replaced), int(not is_replaced))


def test_what_waits_is_not_begun_once_all_has_to_end() -> None:
    outcome, stop, begun = Outcome(), threading.Event(), threading.Event()

    def late() -> bool:
        begun.set()
        return True

    stop.set()
    with Many(outcome, stop=stop) as many:
        many.add(Job("late", 1, late))
    assert (begun.is_set(), outcome.done) == (False, 0)


def test_a_listing_that_never_ends_ends() -> None:
    service = SmallService(b"")
    with serving(service) as session:
        account = Account(session, service, {"a": (["a", "a/b"], []), "a/b": (["a", "a/b"], [])})
        assert list(everything_in(account, "a")) == ["a/b"]


def test_one_that_ends_all_ends_those_under_way() -> None:
    outcome, is_started, is_stopped = Outcome(), threading.Event(), threading.Event()

    def long() -> bool:
        is_started.set()
        try:
            for _ in range(10_000):
                stoppable.advance("long", 1)
                time.sleep(0.005)
        except Stopped:
            is_stopped.set()
            raise
        return True

    def signed_out() -> bool:
        is_started.wait(60)
        raise SignInNeeded(401, "Not signed in")

    with pytest.raises(SignInNeeded), Many(outcome) as many:
        stoppable = Stoppable(SILENT, many.stop)
        many.add(Job("long", 1, long))
        many.add(Job("signed out", 1, signed_out))
        while True:  # until it is told
            many.add(Job("long", 1, long))
    assert is_stopped.is_set()
    assert (outcome.done, outcome.failed) == (0, 0)


def test_any_number_of_failures_takes_the_same_memory() -> None:
    outcome = Outcome()

    def fail() -> bool:
        held = bytearray(64 * 1024)
        raise ValueError(len(held))

    tracemalloc.start()
    try:
        with Many(outcome) as many:
            for number in range(KEPT + 500):
                many.add(Job(str(number), 1, fail))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (outcome.failed, len(outcome.errors)) == (KEPT + 500, KEPT)
    assert kept < 8_000_000  # with the frames it would be 64 MB
