"""What becomes of calls to a store that fails in every way that it can."""

import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from benchmarks.object_store import SECRET_KEY
from tests import faulty_store as faults
from tests.faulty_store import Application, Fault, FaultyStore, faulty_store
from transfer_service.errors import BlobMissing, ServerAway, StorageFull, StoreUnavailable
from transfer_service.storage.s3 import compaction, connection
from transfer_service.storage.s3.objects import Objects
from transfer_service.storage.s3.pieces import Piece
from transfer_service.wire.ranges import Span

__all__ = ["faulty_store"]

DATA = os.urandom(100_000)


@pytest.fixture
def objects(faulty_store: FaultyStore) -> Objects:
    return Objects(faulty_store.address)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PAUSES", (0.02, 0.02, 0.02))
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 60.0)  # a busy machine takes seconds for a call
    monkeypatch.setattr(connection, "SILENCE_SECONDS", 0.5)
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.5)


PASSING = {
    "slow-down": faults.refusal("503 Slow Down", "SlowDown"),
    "internal": faults.refusal("500 Internal Server Error", "InternalError"),
    "no-words": faults.refusal("502 Bad Gateway", ""),
    "unheard": faults.unheard,
    "lost": faults.lost_answer,
    "slow": faults.slow(1.0),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_tried_again(objects: Objects, faulty_store: FaultyStore, name: str) -> None:
    faulty_store.faults.extend([PASSING[name], PASSING[name]])
    objects.put("p/a", [DATA[:1000], DATA[1000:]])
    faulty_store.faults.append(PASSING[name])
    assert objects.get("p/a", 0, len(DATA)) == DATA
    assert len(faulty_store.calls) == 5


@pytest.mark.parametrize("fault", [faults.short_answer, faults.damaged_answer], ids=["short", "damaged"])
def test_what_came_wrong_is_read_again(objects: Objects, faulty_store: FaultyStore, fault: Fault) -> None:
    objects.put("p/a", [DATA])
    faulty_store.faults.extend([fault, fault])
    assert objects.get_whole("p/a", len(DATA)) == DATA


def test_bytes_that_change_on_their_way_are_refused_by_the_store_and_sent_again(
    objects: Objects, faulty_store: FaultyStore
) -> None:
    faulty_store.faults.append(faults.refusal("400 Bad Request", "BadDigest"))
    objects.put("p/a", [DATA])
    assert objects.get("p/a", 0, len(DATA)) == DATA


REFUSALS = {
    "full": ("507 Insufficient Storage", "InsufficientStorage", StorageFull),
    "quota": ("403 Forbidden", "QuotaExceeded", StorageFull),
    "denied": ("403 Forbidden", "AccessDenied", StoreUnavailable),
    "no-bucket": ("404 Not Found", "NoSuchBucket", StoreUnavailable),
    "no-key": ("404 Not Found", "NoSuchKey", BlobMissing),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_does_not_pass_is_told_at_once(objects: Objects, faulty_store: FaultyStore, name: str) -> None:
    status, code, error = REFUSALS[name]
    faulty_store.always = faults.refusal(status, code)
    with pytest.raises(error):
        objects.get("p/a", 0, 1)
    assert len(faulty_store.calls) == 1


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"])
def test_a_store_that_leads_elsewhere_is_unavailable_and_not_followed(
    objects: Objects, faulty_store: FaultyStore, status: str
) -> None:
    faulty_store.always = faults.refusal(status, "TemporaryRedirect")
    for call in (lambda: objects.get("p/a", 0, 1), lambda: objects.head("p/a"), lambda: objects.put("p/a", [DATA])):
        faulty_store.calls.clear()
        with pytest.raises(StoreUnavailable):
            call()
        assert len(faulty_store.calls) <= 2  # boto3 asks once for the region of the bucket


def test_bytes_that_a_store_has_not_taken_are_not_acknowledged(objects: Objects, faulty_store: FaultyStore) -> None:
    faulty_store.always = faults.refusal("412 Precondition Failed", "PreconditionFailed")
    with pytest.raises(StoreUnavailable):
        objects.put("p/a", [DATA])
    assert not objects.put("p/a", [DATA], only_new=True)


CALLS: dict[str, Callable[[Objects], object]] = {
    "put": lambda objects: objects.put("p/a", [DATA]),
    "put-new": lambda objects: objects.put("p/a", [DATA], only_new=True),
    "get": lambda objects: objects.get("p/a", 0, 10),
    "facts": lambda objects: objects.get_with_facts("p/a", 0, 10),
    "head": lambda objects: objects.head("p/a"),
    "begin": lambda objects: objects.begin_multipart("p/a"),
    "part": lambda objects: objects.put_part("p/a", "1", 1, [DATA]),
    "copied-part": lambda objects: objects.copy_part("p/a", "1", 1, "p/b", Span(0, 5)),
    "list": lambda objects: list(objects.list("p/")),
    "multiparts": lambda objects: list(objects.multiparts("p/")),
}


@pytest.mark.parametrize("status", ["200 OK", "204 No Content"])
@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_answer_of_a_store_is_none(
    objects: Objects, faulty_store: FaultyStore, name: str, status: str
) -> None:
    faulty_store.always = faults.nonsense(status)
    with pytest.raises(StoreUnavailable):
        CALLS[name](objects)


def test_what_becomes_one_object_is_compared_on_its_way(objects: Objects, faulty_store: FaultyStore) -> None:
    pieces = [Piece(Span(0, 60_000), "p/1"), Piece(Span(60_000, 100_000), "p/2")]
    for piece in pieces:
        objects.put(piece.object, [DATA[piece.span.start : piece.span.stop]])
    upload_id = objects.begin_multipart("p/a")
    faulty_store.faults.extend([faults.damaged_answer, None, faults.damaged_answer])
    part = compaction._store_part(objects, "p/a", upload_id, 1, pieces)
    objects.complete("p/a", upload_id, [part])
    assert objects.get("p/a", 0, len(DATA)) == DATA


def test_a_store_that_keeps_failing_is_unavailable_and_nothing_secret_is_told(
    objects: Objects, faulty_store: FaultyStore, capsys: pytest.CaptureFixture[str]
) -> None:
    faulty_store.always = faults.refusal("500 Internal Server Error", "InternalError")
    with pytest.raises(StoreUnavailable) as caught:
        objects.put("p/a", [DATA])
    told = "".join(capsys.readouterr()) + str(caught.value)
    assert len(faulty_store.calls) == 4
    assert all(word in told for word in ("object_store", "put_object", "InternalError"))
    assert not any(word in told for word in (SECRET_KEY, "Signature", "secret words", "p/a", "127.0.0.1"))


def test_an_object_whose_completion_was_not_heard_of_is_complete(objects: Objects, faulty_store: FaultyStore) -> None:
    upload_id = objects.begin_multipart("p/a")
    part = objects.put_part("p/a", upload_id, 1, [DATA])
    faulty_store.faults.append(faults.lost_answer)
    objects.complete("p/a", upload_id, [part])
    assert objects.get("p/a", 0, len(DATA)) == DATA


def test_who_was_first_may_not_know_it(objects: Objects, faulty_store: FaultyStore) -> None:
    faulty_store.faults.append(faults.lost_answer)
    assert not objects.put("p/a", [DATA], only_new=True)
    assert objects.get("p/a", 0, len(DATA)) == DATA


def test_a_part_that_comes_twice_counts_once(objects: Objects, faulty_store: FaultyStore) -> None:
    upload_id = objects.begin_multipart("p/a")
    faulty_store.faults.append(faults.lost_answer)
    part = objects.put_part("p/a", upload_id, 1, [DATA])
    objects.complete("p/a", upload_id, [part])
    assert objects.get("p/a", 0, 2 * len(DATA)) == DATA


@pytest.mark.alone
def test_while_a_store_is_silent_one_asks_and_the_others_are_refused_at_once(
    objects: Objects, faulty_store: FaultyStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(connection, "AWAY_SECONDS", 0.3)
    objects.put("p/a", [DATA])
    faulty_store.always = faults.unheard
    with pytest.raises(ServerAway):
        objects.get("p/a", 0, 1)
    faulty_store.calls.clear()
    began = time.monotonic()
    for _ in range(50):
        with pytest.raises(ServerAway):
            objects.get("p/a", 0, 1)
    assert time.monotonic() - began < 0.25
    assert faulty_store.calls == []
    faulty_store.always = None
    time.sleep(0.35)
    assert objects.get("p/a", 0, len(DATA)) == DATA
    assert objects.get("p/a", 0, len(DATA)) == DATA
    assert re.findall(r"object_store\w*", capsys.readouterr().out) == ["object_store_away", "object_store_back"]


def test_one_call_that_meets_silence_does_not_refuse_the_others(objects: Objects, faulty_store: FaultyStore) -> None:
    objects.put("p/a", [DATA])

    def choose(store: Application, environ: Any, start: Any) -> Iterable[bytes]:
        if "p/bad" in environ["PATH_INFO"]:
            raise faults.Cut
        return store(environ, start)

    faulty_store.always = choose
    bad = objects.begin(lambda own: own.head("p/bad"))
    for _ in range(20):
        assert objects.get("p/a", 0, 5) == DATA[:5]
        time.sleep(0.01)
    with pytest.raises(StoreUnavailable):
        bad()
    assert objects.get("p/a", 0, 5) == DATA[:5]


@pytest.mark.alone
def test_nobody_waits_long_for_a_store_that_takes_connections_and_says_nothing(
    monkeypatch: pytest.MonkeyPatch, faulty_store: FaultyStore
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        address = faulty_store.address.__class__("transfer", "p", f"http://127.0.0.1:{silent.getsockname()[1]}", "x")
        monkeypatch.setattr(connection, "PATIENCE_SECONDS", 1.0)
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            Objects(address).put("p/a", [DATA])
        assert time.monotonic() - began < 3


def test_calls_run_beside_each_other_in_a_bounded_number_of_threads(
    objects: Objects, faulty_store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "SILENCE_SECONDS", 30.0)
    running, most, guard = 0, 0, threading.Lock()

    def count(store: Application, environ: Any, start: Any) -> Iterable[bytes]:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        time.sleep(0.3)
        with guard:
            running -= 1
        return store(environ, start)

    faulty_store.always = count
    for _ in range(2):  # in the first round clients are made, one after the other
        waits = [objects.begin(lambda own: own.head("p/none")) for _ in range(2 * connection.CALLS)]
        assert [wait() for wait in waits] == [None] * len(waits)
    assert most == connection.CALLS
