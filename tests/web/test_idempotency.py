"""`Idempotency-Key`: the first answer again, and nothing done twice."""

import hashlib
import io
import json
import sqlite3
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask, g
from sqlalchemy import func, select

from tests.conftest import Clock, Device
from tests.web.accounts.keys import new_key, showing
from tests.web.chat.bench import Chat
from tests.web.conftest import MakeApp, blobs, signed_in
from tests.web.forms import BOUNDARY, file_form, form, part
from transfer_service.bootstrap import Services
from transfer_service.models.files import File
from transfer_service.models.idempotency import IdempotentRequest
from transfer_service.services.idempotency import LEASE, HeldKey
from transfer_service.web.context import EXTENSION
from transfer_service.web.idempotency import give_way
from transfer_service.web.request_body import DISPLACED_AFTER_SECONDS, RequestBody

KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
LARGE = bytes(range(256)) * 5000
IN_USE = (409, {"detail": "A request with this Idempotency-Key is under way"})
REUSED = (422, {"detail": "This Idempotency-Key was used for another request"})


@pytest.fixture
def any_app(make_app: MakeApp, unmade_database_url: str) -> Flask:
    """An app on each database."""
    url = unmade_database_url
    return make_app(database_url=url) if url.startswith("postgresql") else make_app()


@pytest.fixture
def chat(any_app: Flask) -> Chat:
    return Chat(any_app)


def services_of(app: Flask) -> Services:
    services: Services = app.extensions[EXTENSION]
    return services


def rows(app: Flask) -> tuple[int, int]:
    """How many keys and files there are."""
    with services_of(app).database.read() as session:
        return tuple(  # type: ignore[return-value]
            session.scalars(select(func.count()).select_from(table)).one() for table in (IdempotentRequest, File)
        )


def post(device: Device, path: str, headers: dict[str, str] = KEY, **arguments: Any) -> tuple[int, Any, Any]:
    """Status, body as bytes, Location."""
    response = device.post(path, headers={**headers, **arguments.pop("headers", {})}, **arguments)
    return response.status_code, response.data, response.headers.get("Location")


def again(device: Device) -> Device:
    """The same account on a connection of its own."""
    return Device(device.client.application.test_client(use_cookies=False), device.headers)


def outcome(answer: tuple[int, bytes, Any]) -> tuple[int, Any]:
    return answer[0], json.loads(answer[1])


@pytest.mark.parametrize("data", [b"", b"hello", LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("kind", ["raw", "form"])
def test_a_file_that_is_sent_again_is_one_file(any_app: Flask, kind: str, data: bytes) -> None:
    device = signed_in(any_app, "alice")
    path = "/api/files?filename=a.bin" if kind == "raw" else "/api/files"
    arguments: dict[str, Any] = {"data": data}
    answers = []
    for boundary in ("one", "two"):
        if kind == "form":
            fields = form(part("note", b"x"), part("file", data, filename=b"a.bin"))
            arguments = {
                "data": fields["data"].replace(BOUNDARY.encode(), boundary.encode()),
                "content_type": f"multipart/form-data; boundary={boundary}",
            }
        answers.append(post(device, path, **arguments))
    assert answers[0] == answers[1]
    assert answers[0][0] == 201
    file = json.loads(answers[0][1])
    assert file["sha256"] == hashlib.sha256(data).hexdigest()
    assert answers[0][2] == f"/api/files/{file['file_id']}/download"
    assert (device.names(), rows(any_app)) == (["a.bin"], (1, 1))


def test_the_first_answer_comes_whatever_became_of_the_file(any_app: Flask) -> None:
    device = signed_in(any_app, "alice")
    first = post(device, "/api/files?filename=a.bin", data=b"hello")
    device.delete("/api/files/a.bin")
    device.store(b"another", "a.bin")
    assert post(device, "/api/files?filename=a.bin", data=b"hello") == first
    assert device.get("/api/files/download/a.bin").data == b"another"


def test_a_message_that_is_sent_again_is_one_message(chat: Chat) -> None:
    fields = {"conversation_id": chat.dm(), "content": "hello 家"}
    first = post(chat["alice"], "/messages", json=fields)
    message = json.loads(first[1])["message"]
    chat["alice"].delete(f"/messages/{message['_id']}")
    again = post(chat["alice"], "/messages", data=json.dumps(dict(reversed(fields.items())), indent=2))
    assert (first[0], again) == (200, first)
    assert chat.rows() == 1


def test_a_file_that_has_become_an_attachment_is_not_asked_for_again(chat: Chat) -> None:
    alice = chat["alice"]
    file_id = alice.store(b"hello", "a.png")["file_id"]
    fields = {"conversation_id": chat.dm(), "file_id": file_id}
    first = post(alice, "/messages", json=fields)
    assert (first[0], alice.names()) == (200, [])
    assert post(alice, "/messages", json=fields) == first
    assert outcome(post(alice, "/messages", json={**fields, "keep": True})) == REUSED
    assert (chat.rows(), chat.used_bytes()) == (1, 5)


@pytest.mark.parametrize("data", [b"hello", LARGE], ids=["small", "large"])
def test_an_attachment_that_is_sent_again_is_one_message(chat: Chat, data: bytes) -> None:
    conversation = part("conversation_id", chat.dm().encode())
    file, caption = part("file", data, filename=b"a.png"), part("content", b"look")
    first = post(chat["alice"], "/messages/upload", **form(conversation, caption, file))
    assert post(chat["alice"], "/messages/upload", **form(file, caption, conversation)) == first
    assert first[0] == 200
    assert (chat.rows(), chat.used_bytes()) == (1, len(data))
    stored = (services_of(chat.app).core.settings.data_dir / "uploads" / "chats").rglob("*.png")
    assert [path.read_bytes() for path in stored] == [data]


@pytest.mark.parametrize("other", [
    pytest.param({"path": "/api/files?filename=b.bin"}, id="query"),
    pytest.param({"path": "/api/files?filename=a.bin&overwrite=true"}, id="more-query"),
    pytest.param({"data": b"hellO"}, id="bytes"),
    pytest.param({"data": b"hello" * 100_000}, id="many-bytes"),
    pytest.param({"data": b""}, id="no-bytes"),
    pytest.param({"content_type": "image/png"}, id="type"),
    pytest.param({"data": None, **file_form(b"hello", b"a.bin")}, id="form"),
    pytest.param({"path": "/messages", "data": b'{"content": "x"}'}, id="route"),
])  # fmt: skip
def test_another_request_with_the_key_is_refused(app: Flask, device: Device, other: dict[str, Any]) -> None:
    path = other.pop("path", "/api/files?filename=a.bin")
    first = post(device, "/api/files?filename=a.bin", data=b"hello")
    assert outcome(post(device, path, **{"data": b"hello", **other})) == REUSED
    assert (rows(app), len(device.names())) == ((1, 1), 1)
    assert post(device, "/api/files?filename=a.bin", data=b"hello") == first


@pytest.mark.parametrize("other", [
    pytest.param([b"content", b"x"], id="field"),
    pytest.param([b"note", b"look"], id="more-fields"),
])  # fmt: skip
def test_another_form_with_the_key_is_refused(chat: Chat, other: list[bytes]) -> None:
    parts = [part("conversation_id", chat.dm().encode()), part("file", b"x", filename=b"a.png")]
    assert post(chat["alice"], "/messages/upload", **form(*parts))[0] == 200
    changed = [*parts, part(other[0].decode(), other[1])]
    assert outcome(post(chat["alice"], "/messages/upload", **form(*changed))) == REUSED
    renamed = [parts[0], part("file", b"x", filename=b"b.png")]
    assert outcome(post(chat["alice"], "/messages/upload", **form(*renamed))) == REUSED
    assert chat.rows() == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 256, "a\tb", "\x7f"])
@pytest.mark.parametrize("path", ["/messages", "/messages/upload", "/api/files?filename=a.bin"])
def test_a_key_of_another_form_is_refused(app: Flask, device: Device, path: str, key: str) -> None:
    answer = post(device, path, {"Idempotency-Key": key.encode().decode("latin-1")}, data=b"{}")
    detail = {"detail": "Idempotency-Key must be 1 to 255 visible ASCII characters"}
    assert (outcome(answer), rows(app)) == ((400, detail), (0, 0))


def test_every_visible_character_may_be_in_a_key(device: Device) -> None:
    keys = ["".join(map(chr, range(0x21, 0x7F))), "x" * 255, '"a"']
    for number, key in enumerate(keys):
        path = f"/api/files?filename={number}"
        assert post(device, path, {"Idempotency-Key": key})[0] == 201
        assert post(device, path, {"Idempotency-Key": key})[0] == 201
    assert len(device.names()) == len(keys)


@pytest.mark.parametrize(("path", "body", "status"), [
    ("/api/files", b"x", 400),
    ("/messages", b"{", 400),
    ("/messages", b'{"conversation_id": "000000000000000000000000", "content": "x"}', 404),
    ("/messages/upload", b"x", 400),
])  # fmt: skip
def test_what_was_refused_is_not_kept(any_app: Flask, path: str, body: bytes, status: int) -> None:
    device = signed_in(any_app, "alice")
    assert post(device, path, data=body)[0] == status
    assert rows(any_app) == (0, 0)
    assert post(device, "/api/files?filename=a.bin", data=b"x")[0] == 201


def test_a_digest_that_does_not_match_leaves_the_key_free(any_app: Flask) -> None:
    device = signed_in(any_app, "alice")
    wrong = {**KEY, "Content-Digest": "sha-256=:" + "A" * 43 + "=:"}
    for data in (b"hello", LARGE):
        assert post(device, "/api/files?filename=a.bin", data=data, headers=wrong)[0] == 400
        assert (rows(any_app), device.names()) == ((0, 0), [])


def test_a_full_account_gets_its_first_answer(make_app: MakeApp) -> None:
    device = signed_in(make_app(quota_bytes=len(LARGE)), "alice")
    first = post(device, "/api/files?filename=a.bin", data=LARGE)
    assert first[0] == 201
    assert post(device, "/api/files?filename=a.bin", data=LARGE) == first


def test_keys_are_an_accounts_own(any_app: Flask) -> None:
    for name in ("alice", "bob"):
        assert post(signed_in(any_app, name), "/api/files?filename=a.bin", data=name.encode())[0] == 201
    services_of(any_app).account_removal.remove("alice")
    assert rows(any_app) == (1, 1)


def test_a_key_counts_for_a_day(any_app: Flask, clock: Clock) -> None:
    device = signed_in(any_app, "alice")
    cleanup = services_of(any_app).cleanup
    first = post(device, "/api/files?filename=a.bin", data=b"x")
    clock.advance(hours=23.9)
    device = signed_in(any_app, "alice")
    assert cleanup.run().removed.spent_idempotency_keys.count == 0
    assert post(device, "/api/files?filename=a.bin", data=b"x") == first
    clock.advance(hours=0.2)
    assert cleanup.run(dry_run=True).removed.spent_idempotency_keys.count == 1
    second = post(signed_in(any_app, "alice"), "/api/files?filename=a.bin", data=b"x")
    assert json.loads(second[1])["filename"] == "a (2).bin"
    clock.advance(hours=24)
    assert cleanup.run().removed.spent_idempotency_keys.count == 1
    assert rows(any_app)[0] == 0


def test_many_at_once_make_one_message(chat: Chat) -> None:
    fields = {"conversation_id": chat.dm(), "content": "hello"}
    device, start = chat["alice"], threading.Barrier(20)

    def send(_: int) -> tuple[int, bytes, Any]:
        start.wait(30)
        while (answer := post(again(device), "/messages", json=fields))[0] == 409:
            pass
        return answer

    with ThreadPoolExecutor(20) as pool:
        answers = Counter(pool.map(send, range(20)))
    assert len(answers) == 1
    assert (next(iter(answers))[0], chat.rows()) == (200, 1)


class Slow(io.BytesIO):
    """A body of which the second half waits until it may come."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._half = len(data) // 2
        self.is_waiting, self.may_end = threading.Event(), threading.Event()

    def readinto(self, buffer: Any, /) -> int:
        """Up to the half, and then the rest."""
        left = self._half - self.tell()
        if left > 0:
            return super().readinto(memoryview(buffer)[:left])
        self.is_waiting.set()
        assert self.may_end.wait(60)
        return super().readinto(buffer)


@contextmanager
def half_way(device: Device, data: bytes) -> Iterator[tuple[Slow, Future[Any]]]:
    """While a request has brought the half of a file: its body, and its answer."""
    slow = Slow(data)
    arguments: dict[str, Any] = {"input_stream": slow, "content_length": len(data)}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(post, again(device), "/api/files?filename=a.bin", **arguments)
        assert slow.is_waiting.wait(60)
        yield slow, first


def test_while_the_first_is_under_way_others_are_refused(any_app: Flask, clock: Clock) -> None:
    device, data = signed_in(any_app, "alice"), b"x" * 100_000
    with half_way(device, data) as (slow, first):
        response = device.post("/api/files?filename=a.bin", data=data, headers=KEY)
        assert (response.status_code, response.get_json()) == IN_USE
        assert response.headers["Retry-After"] == "1"
        slow.may_end.set()
        answer = first.result(60)
    assert answer[0] == 201
    assert post(device, "/api/files?filename=a.bin", data=data) == answer
    clock.advance(seconds=LEASE.total_seconds() + 1)
    assert post(device, "/api/files?filename=a.bin", data=data) == answer


def test_who_was_frozen_and_lost_the_key_stores_nothing(any_app: Flask, clock: Clock) -> None:
    """Another request has the key by then: what the first one has brought is taken back."""
    device, data = signed_in(any_app, "alice"), b"x" * 400_000
    with half_way(device, data) as (slow, first):
        clock.advance(seconds=LEASE.total_seconds() + 1)
        second = post(device, "/api/files?filename=a.bin", data=data)
        slow.may_end.set()
        assert outcome(first.result(60)) == IN_USE
    assert second[0] == 201
    assert (device.names(), rows(any_app)) == (["a.bin"], (1, 1))
    assert len(blobs(services_of(any_app).core.settings.data_dir)) == 1


@pytest.mark.parametrize("path", ["/api/files?filename=a.bin", "/messages"])
def test_without_the_header_nothing_is_asked_of_the_database(
    app: Flask, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = Chat(app)
    statements: list[str] = []
    body = json.dumps({"conversation_id": chat.dm(), "content": "x"}).encode()
    device, connect = chat["alice"], sqlite3.connect

    def traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)
        connection.set_trace_callback(statements.append)
        return connection

    services_of(chat.app).database.dispose()
    with monkeypatch.context() as patch:
        patch.setattr("sqlite3.dbapi2.connect", traced)
        patch.setattr("sqlite3.connect", traced)
        assert device.post(path, data=body).status_code in {200, 201}
    assert statements
    assert not [each for each in statements if "idempotent" in each]


def test_a_lost_commit_answer_keeps_the_fact_and_its_answer(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told after the commit fails: the request is a 500, the message is there, and so is the answer."""
    fields = {"conversation_id": chat.dm(), "content": "hello"}
    messages = services_of(chat.app).messages
    chat.app.testing = False

    def fail(_event: object) -> None:
        raise RuntimeError("lost")

    with monkeypatch.context() as patch:
        patch.setattr(messages, "_publish", fail)
        assert post(chat["alice"], "/messages", json=fields)[0] == 500
    again = post(chat["alice"], "/messages", json=fields)
    assert (again[0], json.loads(again[1])["message"]["content"], chat.rows()) == (200, "hello", 1)


def test_a_client_that_has_gone_silent_gives_way_to_its_own_request(app: Flask, device: Device) -> None:
    """An idle body ends as soon as the request has come again: `server.client_socket` asks `gives_up` meanwhile."""
    held = services_of(app).idempotency_keys.begin(uuid.UUID(device.get("/auth/me").get_json()["id"]), "key")
    assert isinstance(held, HeldKey)
    with app.test_request_context(data=b"x", method="POST"):
        g.held_key = held
        body = RequestBody()
        give_way(body)
        assert not body._gives_up(DISPLACED_AFTER_SECONDS)
        held.is_wanted = True
        assert not body._gives_up(0.1)
        assert body._gives_up(DISPLACED_AFTER_SECONDS)
    held.release()


def test_a_key_of_the_account_gets_the_answer_too_and_only_within_its_scopes(app: Flask, device: Device) -> None:
    first = post(device, "/api/files?filename=a.bin", data=b"hello")
    camera = showing(app, new_key(device, "upload")["key"])
    assert post(camera, "/api/files?filename=a.bin", data=b"hello") == first
    others = showing(app, new_key(device, "chat")["key"])
    assert outcome(post(others, "/api/files?filename=a.bin", data=b"hello"))[0] == 403
    again = {"Idempotency-Key": "another"}
    replaced = post(device, "/api/files?filename=a.bin&overwrite=true", again, data=b"hello")
    assert replaced[0] == 201
    assert outcome(post(camera, "/api/files?filename=a.bin&overwrite=true", again, data=b"hello"))[0] == 403


def test_a_body_of_unknown_length_is_compared_too(app: Flask, device: Device) -> None:
    first = post(device, "/api/files?filename=a.bin", data=LARGE)
    chunked = {**KEY, "Transfer-Encoding": "chunked"}
    arguments: dict[str, Any] = {"input_stream": io.BytesIO(LARGE), "headers": chunked}
    assert post(device, "/api/files?filename=a.bin", **arguments) == first
    arguments["input_stream"] = io.BytesIO(LARGE + b"x")
    assert outcome(post(device, "/api/files?filename=a.bin", **arguments)) == REUSED
    assert (rows(app), len(blobs(services_of(app).core.settings.data_dir))) == ((1, 1), 1)


def test_a_body_that_is_only_compared_has_a_limit(make_app: MakeApp) -> None:
    app = make_app(max_file_bytes=1000)
    device = signed_in(app, "alice")
    assert post(device, "/api/files?filename=a.bin", data=b"x")[0] == 201
    assert outcome(post(device, "/api/files?filename=a.bin", data=b"x" * 1001))[0] == 413
