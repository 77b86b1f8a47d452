"""Saying something with a file that was uploaded before: `POST /messages` with `file_id`."""

import hashlib
import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from tests.web.accounts.keys import keyed, new_key, showing
from tests.web.chat.bench import NOT_PARTICIPANT, UNKNOWN_ID, Chat, refusal
from tests.web.chat.socket_client import connect

DATA = os.urandom(300_000)
UNKNOWN = str(uuid.UUID(int=7))
TUS = {"Tus-Resumable": "1.0.0"}


@pytest.fixture
def group(chat: Chat) -> str:
    """A group of `alice`, who owns it, and `bob`."""
    return chat.group("bob")


@pytest.fixture
def file_id(chat: Chat) -> Iterator[str]:
    """A finished file of `alice`."""
    file_id = upload(chat)
    yield file_id
    chat["alice"].delete(f"/api/files/{file_id}?permanent=true")


def upload(chat: Chat, name: str = "film.mp4", data: bytes = DATA) -> str:
    answer = chat["alice"].post("/api/files", query_string={"filename": name}, data=data, content_type="video/mp4")
    assert answer.status_code == 201
    return str(answer.get_json()["file_id"])


def post(chat: Chat, group: str, name: str = "alice", **fields: Any) -> Any:
    return chat[name].post("/messages", json={"conversation_id": group, **fields})


def sent(chat: Chat, group: str, **fields: Any) -> dict[str, Any]:
    answer = post(chat, group, **fields)
    assert answer.status_code == 200, answer.text
    return dict(answer.get_json()["message"])


def test_the_file_becomes_the_attachment(chat: Chat, group: str, file_id: str) -> None:
    used_bytes, target = chat.used_bytes(), chat.say(group)
    message = sent(chat, group, file_id=file_id, content="look", reply_to=target["_id"])
    assert (message["type"], message["content"], message["reply_to"]) == ("video", "look", target["_id"])
    assert message["media_url"] == f"/uploads/chats/{message['_id']}/film.mp4"
    assert message["media"]["sha256"] == hashlib.sha256(DATA).hexdigest()
    assert chat["bob"].get(message["media_url"]).data == DATA
    assert chat.history(group)[0] == message
    assert chat["alice"].get(f"/api/files/{file_id}").status_code == 404
    assert chat.used_bytes() == used_bytes


def test_a_file_that_is_kept_stays(chat: Chat, group: str, file_id: str) -> None:
    used_bytes = chat.used_bytes()
    message = sent(chat, group, file_id=file_id, keep=True)
    assert (message["content"], chat.used_bytes()) == (None, used_bytes + len(DATA))
    assert chat["alice"].get(f"/api/files/{file_id}/download").data == DATA
    chat["alice"].delete(f"/messages/{message['_id']}")
    assert chat["bob"].get(message["media_url"]).status_code == 404
    assert chat["alice"].get(f"/api/files/{file_id}/download").data == DATA


def test_everybody_hears_of_it(app: Flask) -> None:
    chat = Chat(app)
    group, file_id = chat.group("bob"), upload(chat)
    bob = connect(app, chat["bob"].headers)
    message = sent(chat, group, file_id=file_id)
    assert [(each["name"], each["args"]) for each in bob.get_received()] == [("new_message", [message])]


def test_a_file_that_came_by_any_door(chat: Chat, group: str) -> None:
    alice, text = chat["alice"], {"Content-Type": "application/offset+octet-stream"}
    created = alice.post("/api/uploads", headers={**TUS, "Upload-Length": "5", "Upload-Metadata": "filename YS5qcGc="})
    path = created.headers["Location"].removeprefix("http://localhost")
    ended = alice.request("PATCH", path, headers={**TUS, "Upload-Offset": "0", **text}, data=b"hello")
    frame = bytes(8) + (4).to_bytes(8, "big") + bytes([sum(b"hello") % 256]) + b"hello"
    chunk = alice.post("/api/files/upload?filename=log.bin", data=frame, content_type="application/octet-stream")
    for file_id, name in ((ended.headers["X-File-Id"], "a.jpg"), (chunk.get_json()["file_id"], "log.bin")):
        message = sent(chat, group, file_id=file_id)
        assert (message["media"]["name"], chat["bob"].get(message["media_url"]).data) == (name, b"hello")
    assert alice.request("HEAD", path, headers=TUS).status_code == 404


@pytest.mark.parametrize("upper", [False, True])
def test_an_id_in_either_case(chat: Chat, group: str, file_id: str, upper: bool) -> None:
    assert sent(chat, group, file_id=file_id.upper() if upper else file_id)["media"]["size"] == len(DATA)


BAD_FILE_IDS: list[Any] = [None, 5, True, "", "film.mp4", [], {}, UNKNOWN.replace("-", ""), f"{{{UNKNOWN}}}"]
BAD_KEEPS: list[Any] = [None, 0, 1, "true", [], {}]


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        *(pytest.param({"file_id": each}, (400, "Invalid file_id"), id=f"file_id-{each!r}") for each in BAD_FILE_IDS),
        *(pytest.param({"keep": each}, (400, "Invalid keep"), id=f"keep-{each!r}") for each in BAD_KEEPS),
        pytest.param({"content": 5}, (400, "content must be a string"), id="a-number-for-a-caption"),
        pytest.param({"content": "x" * 65537}, (400, "content must have at most 65536 characters"), id="too-long"),
        pytest.param({"reply_to": "x"}, (400, "Invalid message id"), id="bad-reply"),
        pytest.param({"reply_to": UNKNOWN_ID}, (404, "Reply target not found"), id="reply-to-nothing"),
        pytest.param({"conversation_id": None}, (400, "Invalid conversation id"), id="no-conversation"),
        pytest.param({"conversation_id": UNKNOWN_ID}, (404, "Conversation not found"), id="unknown-conversation"),
        pytest.param({"file_id": UNKNOWN}, (404, "File not found"), id="unknown-file"),
    ],
)
def test_what_is_refused_changes_nothing(
    chat: Chat, group: str, file_id: str, fields: dict[str, Any], refused: tuple[int, str]
) -> None:
    answer = post(chat, group, **{"file_id": file_id, **fields})
    assert refusal(answer) == refused
    assert chat.history(group) == []
    assert chat["alice"].get(f"/api/files/{file_id}/download").data == DATA


def test_keep_is_about_a_file(chat: Chat, group: str) -> None:
    assert refusal(post(chat, group, content="hello", keep=True)) == (400, "Missing file_id")
    assert chat.history(group) == []


def test_another_ones_file_is_unknown(chat: Chat, group: str, file_id: str) -> None:
    assert refusal(post(chat, group, "bob", file_id=file_id)) == (404, "File not found")
    assert refusal(post(chat, group, "carol", file_id=file_id)) == (403, NOT_PARTICIPANT)
    assert chat["alice"].get(f"/api/files/{file_id}").status_code == 200


def test_an_unfinished_file_is_a_conflict(chat: Chat, group: str) -> None:
    frame = bytes(8) + (4).to_bytes(8, "big") + bytes([sum(b"hello") % 256]) + b"hello"
    chunk = chat["alice"].post(
        "/api/files/upload?filename=half.bin&total_size=9", data=frame, content_type="application/octet-stream"
    )
    file_id = chunk.get_json()["file_id"]
    assert refusal(post(chat, group, file_id=file_id)) == (409, "File is not complete")
    assert chat.history(group) == []


def test_signed_addresses_end_where_it_leaves(chat: Chat, group: str) -> None:
    for is_kept, status in ((True, 200), (False, 403)):
        file_id = upload(chat, f"{is_kept}.mp4")
        url = chat["alice"].post(f"/api/files/{file_id}/url", json={}).get_json()["url"]
        sent(chat, group, file_id=file_id, keep=is_kept)
        answer = chat.app.test_client().get(url.partition("localhost")[2] or url)
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("scopes", "status"),
    [
        (("chat", "files", "download"), 200),
        (("chat", "files"), 403),
        (("chat", "download"), 403),
        (("files", "download"), 403),
    ],
)
def test_a_key_needs_three_scopes(chat: Chat, group: str, file_id: str, scopes: tuple[str, ...], status: int) -> None:
    answer = keyed(chat.app, *scopes).post("/messages", json={"conversation_id": group, "file_id": file_id})
    assert answer.status_code == status
    assert len(chat.history(group)) == (status == 200)


def test_what_a_key_brought_counts_for_it_no_more(chat: Chat, group: str) -> None:
    key = new_key(chat["alice"], "upload", "chat", "files", "download", quota_bytes=len(DATA))
    device = showing(chat.app, key["key"])

    def send() -> Any:
        return device.post("/api/files?filename=film.mp4", data=DATA, content_type="video/mp4")

    first, used_bytes = send(), chat.used_bytes()
    assert send().status_code == 413
    answer = device.post("/messages", json={"conversation_id": group, "file_id": first.get_json()["file_id"]})
    assert (answer.status_code, chat.used_bytes()) == (200, used_bytes)
    again = send()
    assert again.status_code == 201
    chat["alice"].delete(f"/api/files/{again.get_json()['file_id']}?permanent=true")


def test_links_end_where_it_leaves(chat: Chat, group: str) -> None:
    for is_kept, status in ((True, 200), (False, 404)):
        file_id = upload(chat, f"linked {is_kept}.mp4")
        url = chat["alice"].post("/api/links", json={"file_ids": [file_id]}).get_json()["url"]
        sent(chat, group, file_id=file_id, keep=is_kept)
        path = url[url.index("/s/") :]
        answer = chat.app.test_client().get(path, headers={"Accept": "application/json"})
        assert answer.status_code == status


def test_the_same_request_again_gets_the_same_message(chat: Chat, group: str, file_id: str) -> None:
    fields, headers = {"conversation_id": group, "file_id": file_id}, {"Idempotency-Key": file_id}
    first, again = (chat["alice"].post("/messages", json=fields, headers=headers) for _ in range(2))
    assert (first.status_code, again.get_json()) == (200, first.get_json())
    assert len(chat.history(group)) == 1
