"""Who talks with whom: `/conversations`."""

import json
import re
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Clock, Device
from tests.web.chat.bench import BAD_IDS, MESSAGE_FIELDS, NOT_PARTICIPANT, UNKNOWN_ID, Chat, refusal

CHAT_ID = re.compile(r"[0-9a-f]{24}")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
MEGABYTE = 1024 * 1024
INVALID_ID = (400, "Invalid conversation id")
UNKNOWN = (404, "Conversation not found")


@pytest.fixture
def fresh(app: Flask) -> Chat:
    """An app without conversations."""
    return Chat(app)


def create(device: Device, fields: object) -> Any:
    """The answer to a new dm."""
    return device.post("/conversations/create", json=fields)


def participants(device: Device, conversation_id: str, fields: object) -> Any:
    """The answer to a new participant."""
    return device.post(f"/conversations/{conversation_id}/participants", json=fields)


def test_a_dm_is_made_once_whoever_begins_it(fresh: Chat) -> None:
    first = create(fresh["alice"], {"email": "bob"}).get_json()
    conversation_id = first["conversation_id"]
    assert CHAT_ID.fullmatch(conversation_id)
    assert first == {"success": True, "conversation_id": conversation_id, "email": "bob", "already_exists": False}
    assert create(fresh["bob"], {"email": "alice"}).get_json() == {
        "success": True,
        "conversation_id": conversation_id,
        "email": "alice",
        "already_exists": True,
    }


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        pytest.param({"email": "alice"}, (400, "You cannot start a conversation with yourself"), id="oneself"),
        pytest.param({"email": "nobody"}, (404, "Account nobody not found"), id="unknown"),
        pytest.param({"email": "Bob"}, (404, "Account Bob not found"), id="other-case"),
        pytest.param({"email": ""}, (404, "Account not found"), id="empty"),
        pytest.param({"email": "a/b"}, (404, "Account not found"), id="impossible"),
        pytest.param({}, (400, "An account name must be a string"), id="missing"),
        pytest.param({"email": None}, (400, "An account name must be a string"), id="null"),
        pytest.param({"email": ["bob"]}, (400, "An account name must be a string"), id="a-list"),
        pytest.param(["bob"], (400, "Expected a JSON object"), id="no-object"),
    ],
)
def test_a_dm_that_cannot_be(fresh: Chat, fields: object, refused: tuple[int, str]) -> None:
    assert refusal(create(fresh["alice"], fields)) == refused
    assert fresh["alice"].get("/conversations").get_json() == {"conversations": [], "next_cursor": None}


def test_the_group_is_owned_by_its_maker_who_is_in_it(chat: Chat) -> None:
    fields = {"group_name": "Familie 家", "participants": ["carol", "bob", "alice", "bob"]}
    answer = chat["alice"].post("/conversations/create/group", json=fields).get_json()
    conversation_id = answer["conversation_id"]
    assert answer == {"success": True, "conversation_id": conversation_id}
    info = chat.info(conversation_id, "carol")
    assert INSTANT.fullmatch(info.pop("created_at"))
    assert info == {
        "_id": conversation_id,
        "type": "group",
        "participants": ["alice", "carol", "bob"],
        "owner": "alice",
        "group_name": "Familie 家",
        "last_message": None,
        "pinned_messages": [],
    }


def test_info_of_a_dm(chat: Chat) -> None:
    conversation_id = chat.dm()
    info = chat.info(conversation_id, "bob")
    assert sorted(info.pop("participants")) == ["alice", "bob"]
    assert INSTANT.fullmatch(info.pop("created_at"))
    assert info == {
        "_id": conversation_id,
        "type": "dm",
        "owner": None,
        "group_name": None,
        "last_message": None,
        "pinned_messages": [],
    }


def test_a_group_of_one_may_wait_for_others(chat: Chat) -> None:
    answer = chat["alice"].post("/conversations/create/group", json={"group_name": "notes", "participants": []})
    assert chat.info(answer.get_json()["conversation_id"])["participants"] == ["alice"]


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        pytest.param({"group_name": "a"}, (400, "participants must be a list of account names"), id="no-participants"),
        pytest.param({"participants": ["bob"]}, (400, "group_name must be a string"), id="no-name"),
        pytest.param({"group_name": " ", "participants": []}, (400, "group_name must not be empty"), id="blank-name"),
        pytest.param({"group_name": 5, "participants": []}, (400, "group_name must be a string"), id="number"),
        pytest.param(
            {"group_name": "x" * 256, "participants": []},
            (400, "group_name must have at most 255 characters"),
            id="long-name",
        ),
        pytest.param({"group_name": "a\0b"}, (400, "group_name must not contain NUL"), id="nul"),
        pytest.param({"group_name": "\ud800"}, (400, "group_name is not valid Unicode"), id="surrogate"),
        pytest.param(
            {"group_name": "a", "participants": "bob"},
            (400, "participants must be a list of account names"),
            id="a-string",
        ),
        pytest.param(
            {"group_name": "a", "participants": None},
            (400, "participants must be a list of account names"),
            id="null",
        ),
        pytest.param(
            {"group_name": "a", "participants": ["bob", 7]}, (400, "An account name must be a string"), id="a-number"
        ),
        pytest.param(
            {"group_name": "a", "participants": ["bob", "nobody"]}, (404, "Account nobody not found"), id="unknown"
        ),
        pytest.param(
            {"group_name": "a", "participants": [f"n{number}" for number in range(1001)]},
            (400, "A group has at most 1000 participants"),
            id="too-many",
        ),
        pytest.param("team", (400, "Expected a JSON object"), id="no-object"),
    ],
)
def test_a_group_that_cannot_be(fresh: Chat, fields: object, refused: tuple[int, str]) -> None:
    answer = fresh["alice"].post("/conversations/create/group", data=json.dumps(fields))
    assert refusal(answer) == refused
    assert fresh["alice"].get("/conversations").get_json() == {"conversations": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", "/conversations/info?conversation_id={id}", id="info"),
        pytest.param("POST", "/conversations/{id}/participants", id="add"),
        pytest.param("DELETE", "/conversations/{id}/participants/bob", id="remove"),
        pytest.param("POST", "/conversations/{id}/read", id="read"),
    ],
)
class TestEveryCallWithAnId:
    @pytest.mark.parametrize("bad", [bad for bad in BAD_IDS if bad], ids=ascii)
    def test_refuses_what_is_no_id(self, chat: Chat, method: str, path: str, bad: str) -> None:
        quoted = bad.replace("\n", "%0A")
        assert refusal(chat["alice"].request(method, path.format(id=quoted), json={"email": "bob"})) == INVALID_ID

    def test_does_not_know_an_unknown_one(self, chat: Chat, method: str, path: str) -> None:
        answer = chat["alice"].request(method, path.format(id=UNKNOWN_ID), json={"email": "bob"})
        assert refusal(answer) == UNKNOWN

    def test_is_for_participants_only(self, chat: Chat, method: str, path: str) -> None:
        conversation_id = chat.group("bob")
        answer = chat["root"].request(method, path.format(id=conversation_id), json={"email": "root"})
        assert refusal(answer) == (403, NOT_PARTICIPANT)
        assert chat.info(conversation_id)["participants"] == ["alice", "bob"]


@pytest.mark.parametrize("query", ["", "?conversation_id="])
def test_info_needs_an_id(chat: Chat, query: str) -> None:
    assert refusal(chat["alice"].get(f"/conversations/info{query}")) == INVALID_ID


def test_the_list_has_own_conversations_the_newest_message_first(fresh: Chat, clock: Clock) -> None:
    ids = []
    for _ in range(3):
        clock.advance(seconds=1)
        ids.append(fresh.group("bob"))
    fresh.group("carol", owner="root")
    clock.advance(seconds=1)
    fresh.say(ids[1], "newest", name="bob")
    listed = fresh["alice"].get("/conversations").get_json()
    assert list(listed) == ["conversations", "next_cursor"]
    assert [each["_id"] for each in listed["conversations"]] == [ids[1], ids[2], ids[0]]
    assert listed["conversations"] == [fresh.info(each) for each in (ids[1], ids[2], ids[0])]


def test_the_last_message_is_one_even_where_it_is_deleted(chat: Chat) -> None:
    conversation_id = chat.group("bob")
    chat.say(conversation_id, "old")
    newest = chat.say(conversation_id, "new")
    assert chat.info(conversation_id)["last_message"] == newest
    chat["alice"].delete(f"/messages/{newest['_id']}")
    last = chat.info(conversation_id)["last_message"]
    assert last.keys() == MESSAGE_FIELDS
    assert (last["_id"], last["is_deleted"], last["content"]) == (newest["_id"], True, None)


def test_pinned_messages_in_the_order_of_pinning(fresh: Chat, clock: Clock) -> None:
    conversation_id = fresh.group("bob")
    first, second = fresh.say(conversation_id)["_id"], fresh.say(conversation_id)["_id"]
    for message_id in (second, first):
        clock.advance(seconds=1)
        fresh["bob"].request("PATCH", f"/messages/{message_id}", json={"pinned": True})
    assert fresh.info(conversation_id)["pinned_messages"] == [second, first]
    fresh["alice"].request("PATCH", f"/messages/{second}", json={"pinned": False})
    fresh["alice"].delete(f"/messages/{first}")
    assert fresh.info(conversation_id)["pinned_messages"] == []


def test_the_owner_lets_somebody_in_who_then_reads_what_was_said(chat: Chat) -> None:
    conversation_id = chat.group("bob")
    chat.say(conversation_id, "before")
    for _ in range(2):  # again changes nothing
        answer = participants(chat["alice"], conversation_id, {"email": "carol"})
        assert answer.get_json() == {"success": True, "participants": ["alice", "bob", "carol"]}
    assert chat.contents(conversation_id, "carol") == ["before"]


@pytest.mark.parametrize(
    ("name", "fields", "refused"),
    [
        pytest.param(
            "bob", {"email": "root"}, (403, "Only the owner of the group can add participants"), id="not-the-owner"
        ),
        pytest.param("alice", {"email": "nobody"}, (404, "Account nobody not found"), id="unknown"),
        pytest.param("alice", {"email": 1}, (400, "An account name must be a string"), id="a-number"),
        pytest.param("alice", {}, (400, "An account name must be a string"), id="missing"),
        pytest.param("alice", [], (400, "Expected a JSON object"), id="no-object"),
    ],
)
def test_a_participant_who_cannot_be_added(chat: Chat, name: str, fields: object, refused: tuple[int, str]) -> None:
    conversation_id = chat.group("bob")
    assert refusal(participants(chat[name], conversation_id, fields)) == refused
    assert chat.info(conversation_id)["participants"] == ["alice", "bob"]


def test_nobody_can_be_added_to_a_dm(chat: Chat) -> None:
    conversation_id = chat.dm()
    answer = participants(chat["alice"], conversation_id, {"email": "root"})
    assert refusal(answer) == (400, "Participants can be added to groups only")
    assert sorted(chat.info(conversation_id)["participants"]) == ["alice", "bob"]


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_taking_somebody_out(chat: Chat, name: str) -> None:
    """The owner may, and everybody may go."""
    conversation_id = chat.group("bob", "carol")
    answer = chat[name].delete(f"/conversations/{conversation_id}/participants/bob")
    assert answer.get_json() == {"success": True, "participants": ["alice", "carol"]}
    assert chat.info(conversation_id)["participants"] == ["alice", "carol"]


@pytest.mark.parametrize(
    ("name", "other", "refused"),
    [
        pytest.param("bob", "carol", (403, "Only the owner of the group can remove others"), id="not-the-owner"),
        pytest.param("bob", "nobody", (403, "Only the owner of the group can remove others"), id="not-even-asking"),
        pytest.param("alice", "dave", (404, "Participant not found"), id="not-in-it"),
        pytest.param("alice", "a%2Fb", (404, "Participant not found"), id="no-name"),
    ],
)
def test_a_participant_who_cannot_be_taken_out(chat: Chat, name: str, other: str, refused: tuple[int, str]) -> None:
    conversation_id = chat.group("bob", "carol")
    assert refusal(chat[name].delete(f"/conversations/{conversation_id}/participants/{other}")) == refused
    assert chat.info(conversation_id)["participants"] == ["alice", "bob", "carol"]


def test_who_leaves_loses_the_conversation_its_history_and_its_files(chat: Chat) -> None:
    conversation_id = chat.group("bob")
    message = chat.send(conversation_id, name="bob")
    chat.leave(conversation_id, "bob")
    for path in (
        f"/conversations/info?conversation_id={conversation_id}",
        f"/messages/get?conversation_id={conversation_id}",
        message["media_url"],
    ):
        assert refusal(chat["bob"].get(path)) == (403, NOT_PARTICIPANT)
    listed = chat["bob"].get("/conversations").get_json()["conversations"]
    assert conversation_id not in [each["_id"] for each in listed]
    assert chat.history(conversation_id)[0]["sender"] == "bob"


def test_who_has_left_cannot_touch_what_he_said(chat: Chat) -> None:
    conversation_id = chat.group("bob")
    message = chat.say(conversation_id, "said", name="bob")
    chat.leave(conversation_id, "bob")
    path = f"/messages/{message['_id']}"
    assert refusal(chat["bob"].delete(path)) == (403, NOT_PARTICIPANT)
    assert refusal(chat["bob"].request("PATCH", path, json={"content": "unsaid"})) == (403, NOT_PARTICIPANT)
    assert chat.contents(conversation_id) == ["said"]


def test_a_group_goes_to_who_has_been_there_longest(chat: Chat) -> None:
    conversation_id = chat.group("carol", "bob")
    chat.leave(conversation_id, "alice")
    info = chat.info(conversation_id, "bob")
    assert (info["owner"], info["participants"]) == ("carol", ["carol", "bob"])
    assert participants(chat["carol"], conversation_id, {"email": "alice"}).status_code == 200
    assert participants(chat["alice"], conversation_id, {"email": "dave"}).status_code == 403


def test_the_last_one_may_leave(chat: Chat) -> None:
    conversation_id = chat.group()
    answer = chat["alice"].delete(f"/conversations/{conversation_id}/participants/alice")
    assert answer.get_json() == {"success": True, "participants": []}
    path = f"/conversations/info?conversation_id={conversation_id}"
    assert refusal(chat["alice"].get(path)) == (403, NOT_PARTICIPANT)


def test_a_dm_that_was_left_begins_again_as_the_same(chat: Chat) -> None:
    conversation_id = chat.dm("alice", "dave")
    chat.say(conversation_id, "before")
    chat.leave(conversation_id, "dave")
    answer = create(chat["alice"], {"email": "dave"}).get_json()
    assert (answer["conversation_id"], answer["already_exists"]) == (conversation_id, True)
    assert chat.contents(conversation_id, "dave") == ["before"]


@pytest.mark.parametrize(
    "path", ["/conversations/create", "/conversations/create/group", "/conversations/{id}/participants"]
)
@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        pytest.param({"data": b""}, (400, "Expected a JSON object"), id="no-body"),
        pytest.param({"data": b"{"}, (400, "Expected a JSON object"), id="broken"),
        pytest.param({"data": b'{"email": "\xff"}'}, (400, "Expected a JSON object"), id="not-utf-8"),
        pytest.param({"data": b"null"}, (400, "Expected a JSON object"), id="null"),
        pytest.param({"data": b" " * MEGABYTE + b"{}"}, (413, "Request body is too large"), id="too-large"),
    ],
)
def test_bodies_that_are_none(chat: Chat, path: str, arguments: dict[str, Any], refused: tuple[int, str]) -> None:
    conversation_id = chat.group("bob")
    assert refusal(chat["alice"].post(path.format(id=conversation_id), **arguments)) == refused
    assert chat.info(conversation_id)["participants"] == ["alice", "bob"]
