"""Signed addresses of attachments: for who is in the conversation, and as long as that lasts."""

import pytest
from flask import Flask

from tests.web.chat.bench import BAD_IDS, NOT_PARTICIPANT, UNKNOWN_ID, Chat
from tests.web.sharing.bench import INVALID, fetch, query_of, refusal, sign, with_query


@pytest.fixture(scope="module")
def chat(shared_app: Flask) -> Chat:
    return Chat(shared_app)


def test_it_is_the_usual_address_and_gives_the_bytes_without_a_token(shared_app: Flask, chat: Chat) -> None:
    message = chat.send(chat.dm(), b"hello", "\u6e56 100%?#&.png".encode())
    url = sign(chat["bob"], f"/messages/{message['_id']}", expires_in=60)
    assert url.startswith(f"http://localhost{message['media_url']}?")
    assert query_of(url)["account"] == chat["bob"].get("/auth/me").get_json()["id"]
    response = fetch(shared_app, url)
    assert (response.data, response.headers["Content-Disposition"].partition(";")[0]) == (b"hello", "inline")
    assert response.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert fetch(shared_app, url, method="HEAD").headers["Content-Length"] == "5"
    assert fetch(shared_app, url, headers={"Range": "bytes=1-2"}).data == b"el"


@pytest.mark.parametrize(
    ("filename", "usually", "inline"),
    [
        ("a.png", "inline", "inline"),
        ("a.mp4", "inline", "inline"),
        ("a.pdf", "attachment", "inline"),
        ("a.txt", "attachment", "inline"),
        ("a.html", "attachment", "attachment"),
        ("a.svg", "attachment", "attachment"),
        ("a.zip", "attachment", "attachment"),
    ],
)
def test_what_is_shown(shared_app: Flask, chat: Chat, filename: str, usually: str, inline: str) -> None:
    message = chat.send(chat.dm(), filename=filename.encode())
    answers = [
        fetch(shared_app, sign(chat["alice"], f"/messages/{message['_id']}", inline=each)) for each in (False, True)
    ]
    found = [answer.headers["Content-Disposition"].partition(";")[0] for answer in answers]
    assert found == [usually, inline]


def test_it_ends_when_its_account_leaves(shared_app: Flask, chat: Chat) -> None:
    group = chat.group("bob", "carol")
    path = f"/messages/{chat.send(group)['_id']}"
    carols, bobs = sign(chat["carol"], path), sign(chat["bob"], path)
    chat.leave(group, "carol")
    assert refusal(fetch(shared_app, carols)) == (403, INVALID)
    assert fetch(shared_app, bobs).data == b"hello"
    answer = chat["alice"].post(f"/conversations/{group}/participants", json={"email": "carol"})
    assert answer.status_code == 200
    assert fetch(shared_app, carols).data == b"hello"


def test_it_ends_with_the_message(shared_app: Flask, chat: Chat) -> None:
    message = chat.send(chat.dm())
    url = sign(chat["bob"], f"/messages/{message['_id']}")
    assert chat["alice"].delete(f"/messages/{message['_id']}").status_code == 200
    assert refusal(fetch(shared_app, url)) == (403, INVALID)
    answer = chat["bob"].post(f"/messages/{message['_id']}/url")
    assert (answer.status_code, answer.get_json()) == (404, {"detail": "Message has no attachment"})


def test_who_gets_one(chat: Chat) -> None:
    message, text = chat.send(chat.dm()), chat.say(chat.dm())
    asked = [
        ("dave", message["_id"], 403, NOT_PARTICIPANT),
        ("alice", text["_id"], 404, "Message has no attachment"),
        ("alice", UNKNOWN_ID, 404, "Message not found"),
    ]
    for name, message_id, status, detail in asked:
        answer = chat[name].post(f"/messages/{message_id}/url")
        assert (answer.status_code, answer.get_json()) == (status, {"detail": detail})


@pytest.mark.parametrize("message_id", [each for each in BAD_IDS if each and "\n" not in each])
def test_a_bad_id_is_refused(chat: Chat, message_id: str) -> None:
    answer = chat["alice"].post(f"/messages/{message_id}/url")
    assert (answer.status_code, answer.get_json()) == (400, {"detail": "Invalid message id"})


def test_it_is_for_one_attachment_and_one_account(shared_app: Flask, chat: Chat) -> None:
    one, other = chat.send(chat.dm()), chat.send(chat.dm())
    url, bobs = (sign(chat[name], f"/messages/{one['_id']}") for name in ("alice", "bob"))
    assert refusal(fetch(shared_app, url.replace(one["_id"], other["_id"]))) == (403, INVALID)
    assert refusal(fetch(shared_app, url.replace("log.bin", "log%2ebin2"))) == (403, INVALID)
    assert refusal(fetch(shared_app, with_query(url, account=query_of(bobs)["account"]))) == (403, INVALID)
    assert fetch(shared_app, url.replace("log.bin", "%6cog.bin")).data == b"hello"  # the same address (RFC 3986)
