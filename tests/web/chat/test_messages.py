"""What is said in a conversation: `/messages`, but for attachments."""

from typing import Any

import pytest
from flask import Flask

from tests.conftest import Clock
from tests.web.chat.bench import BAD_IDS, NOT_PARTICIPANT, UNKNOWN_ID, Chat, refusal

MEGABYTE = 1024 * 1024
LONGEST = 65_536
NO_OBJECT = (400, "Expected a JSON object")


@pytest.fixture(scope="module")
def long(chat: Chat) -> str:
    """A conversation in which `0` to `104` were said."""
    conversation_id = chat.group("bob")
    for number in range(105):
        chat.say(conversation_id, str(number))
    return conversation_id


@pytest.fixture
def group(chat: Chat) -> str:
    """A group of `alice`, who owns it, `bob` and `carol`."""
    return chat.group("bob", "carol")


def patch(chat: Chat, message_id: str, fields: object, name: str = "alice") -> Any:
    """The answer to a change of a message."""
    return chat[name].request("PATCH", f"/messages/{message_id}", json=fields)


def test_a_message_is_what_the_others_read(chat: Chat, group: str) -> None:
    message = chat.say(group, " Grüße 👋\r\n\t<b>", name="bob")
    message_id, created_at = message["_id"], message["created_at"]
    assert message == {
        "_id": message_id,
        "conversation_id": group,
        "sender": "bob",
        "content": " Grüße 👋\r\n\t<b>",
        "type": "text",
        "media_url": None,
        "media": None,
        "reply_to": None,
        "is_read": False,
        "is_deleted": False,
        "created_at": created_at,
        "edited_at": None,
        "pinned": False,
    }
    assert chat.history(group, "carol") == [message]


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        pytest.param({"content": ""}, (400, "content must not be empty"), id="empty"),
        pytest.param({"content": " \n\u3000"}, (400, "content must not be empty"), id="blank"),
        pytest.param({}, (400, "content must be a string"), id="missing"),
        pytest.param({"content": None}, (400, "content must be a string"), id="null"),
        pytest.param({"content": 5}, (400, "content must be a string"), id="a-number"),
        pytest.param({"content": ["x"]}, (400, "content must be a string"), id="a-list"),
        pytest.param({"content": {}}, (400, "content must be a string"), id="an-object"),
        pytest.param({"content": True}, (400, "content must be a string"), id="a-truth"),
        pytest.param({"content": "a\0b"}, (400, "content must not contain NUL"), id="nul"),
        pytest.param({"content": "\ud83d"}, (400, "content is not valid Unicode"), id="half-a-character"),
        pytest.param(
            {"content": "x" * (LONGEST + 1)}, (400, "content must have at most 65536 characters"), id="too-long"
        ),
        pytest.param({"content": "x", "reply_to": "abc"}, (400, "Invalid message id"), id="bad-reply"),
        pytest.param({"content": "x", "reply_to": 5}, (400, "Invalid message id"), id="reply-to-a-number"),
        pytest.param({"content": "x", "reply_to": UNKNOWN_ID}, (404, "Reply target not found"), id="reply-to-nothing"),
        pytest.param(
            {"content": "x", "conversation_id": UNKNOWN_ID}, (404, "Conversation not found"), id="unknown-conversation"
        ),
        pytest.param({"content": "x", "conversation_id": None}, (400, "Invalid conversation id"), id="no-conversation"),
        pytest.param({"content": "x", "conversation_id": 7}, (400, "Invalid conversation id"), id="a-number-for-one"),
        *(
            pytest.param(
                {"content": "x", "conversation_id": bad}, (400, "Invalid conversation id"), id=f"conversation-{bad!a}"
            )
            for bad in BAD_IDS
        ),
    ],
)
def test_a_message_that_cannot_be(chat: Chat, group: str, fields: dict[str, Any], refused: tuple[int, str]) -> None:
    answer = chat["alice"].post("/messages", json={"conversation_id": group, **fields})
    assert refusal(answer) == refused
    assert chat.history(group) == []


@pytest.mark.parametrize("content", ["x" * LONGEST, "👋" * LONGEST], ids=["ascii", "emoji"])
def test_the_longest_message(chat: Chat, group: str, content: str) -> None:
    chat.say(group, content)
    assert chat.contents(group) == [content]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(
    ("data", "refused"),
    [
        pytest.param(b"", NO_OBJECT, id="none"),
        pytest.param(b'{"content": "x"', NO_OBJECT, id="cut-short"),
        pytest.param(b"[]", NO_OBJECT, id="a-list"),
        pytest.param(b'"text"', NO_OBJECT, id="a-string"),
        pytest.param(b"null", NO_OBJECT, id="null"),
        pytest.param(b"content=x", NO_OBJECT, id="a-form"),
        pytest.param(b'{"content": "\xff"}', NO_OBJECT, id="not-utf-8"),
        pytest.param(b'{"content": ' + b"[" * 100_000, NO_OBJECT, id="nested-too-deep"),
        pytest.param(b" " * MEGABYTE + b"{}", (413, "Request body is too large"), id="too-large"),
    ],
)
def test_a_body_that_is_no_object(chat: Chat, group: str, method: str, data: bytes, refused: tuple[int, str]) -> None:
    message = chat.say(group, "before")
    path = "/messages" if method == "POST" else f"/messages/{message['_id']}"
    assert refusal(chat["alice"].request(method, path, data=data)) == refused
    assert chat.history(group) == [message]


def test_a_body_that_ends_early_says_nothing(chat: Chat, group: str) -> None:
    data = f'{{"conversation_id": "{group}", "content": "x"}}'.encode()
    announced = {"CONTENT_LENGTH": str(len(data) + 1)}
    answer = chat["alice"].post("/messages", data=data, environ_overrides=announced)
    assert refusal(answer) == (400, "The request body ended early")
    assert chat.history(group) == []


def test_a_reply_names_its_message(chat: Chat, group: str) -> None:
    message = chat.say(group)
    assert chat.say(group, name="bob", reply_to=message["_id"])["reply_to"] == message["_id"]
    assert [each["reply_to"] for each in chat.history(group)] == [message["_id"], None]


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_empty_reply_is_none(chat: Chat, group: str, nothing: str | None) -> None:
    assert chat.say(group, reply_to=nothing)["reply_to"] is None


def test_nobody_replies_to_another_conversation(chat: Chat, group: str) -> None:
    elsewhere = chat.say(chat.group("bob"))
    fields = {"conversation_id": group, "content": "x", "reply_to": elsewhere["_id"]}
    assert refusal(chat["alice"].post("/messages", json=fields)) == (404, "Reply target not found")
    assert chat.history(group) == []


def test_only_participants_speak(chat: Chat, group: str) -> None:
    answer = chat["root"].post("/messages", json={"conversation_id": group, "content": "x"})
    assert refusal(answer) == (403, NOT_PARTICIPANT)
    assert chat.history(group) == []


class TestHistory:
    @pytest.mark.parametrize(
        ("query", "count"),
        [
            pytest.param({}, 30, id="default"),
            pytest.param({"limit": "1"}, 1, id="one"),
            pytest.param({"limit": "100"}, 100, id="most"),
        ],
    )
    def test_is_newest_first(self, chat: Chat, long: str, query: dict[str, str], count: int) -> None:
        assert chat.contents(long, "bob", **query) == [str(number) for number in range(104, 104 - count, -1)]

    @pytest.mark.parametrize("limit", ["0", "101", "9" * 40])
    def test_needs_a_limit_in_its_range(self, chat: Chat, long: str, limit: str) -> None:
        answer = chat["alice"].get("/messages/get", query_string={"conversation_id": long, "limit": limit})
        assert refusal(answer) == (400, "limit must be 1 to 100")

    @pytest.mark.parametrize("limit", ["-1", "", "ten", "1.5", "+5", " 5", "\u0665", "9" * 41], ids=ascii)
    def test_needs_a_limit_that_is_one(self, chat: Chat, long: str, limit: str) -> None:
        answer = chat["alice"].get("/messages/get", query_string={"conversation_id": long, "limit": limit})
        assert refusal(answer) == (400, "Invalid limit")

    @pytest.mark.parametrize("limit", [1, 7, 35, 100])
    def test_page_by_page_is_the_whole(self, chat: Chat, long: str, limit: int) -> None:
        said: list[Any] = []
        query: dict[str, Any] = {"limit": limit}
        while page := chat.history(long, **query):
            said += [message["content"] for message in page]
            query["before"] = page[-1]["_id"]
        assert said == [str(number) for number in range(104, -1, -1)]

    def test_goes_on_before_a_deleted_message(self, chat: Chat) -> None:
        conversation_id = chat.group("bob")
        messages = [chat.say(conversation_id, str(number)) for number in range(3)]
        chat["alice"].delete(f"/messages/{messages[1]['_id']}")
        assert chat.contents(conversation_id, before=messages[1]["_id"]) == ["0"]
        assert chat.contents(conversation_id, before=messages[2]["_id"]) == [None, "0"]

    @pytest.mark.parametrize("limit", [7, 100])
    def test_page_by_page_after_a_message_is_the_rest_oldest_first(self, chat: Chat, long: str, limit: int) -> None:
        first = chat.history(long, limit=100)[-1]  # the fifth
        said: list[Any] = []
        query: dict[str, Any] = {"limit": limit, "after": first["_id"]}
        while page := chat.history(long, **query):
            said += [message["content"] for message in page]
            query["after"] = page[-1]["_id"]
        assert said == [str(number) for number in range(6, 105)]

    def test_goes_one_way_only(self, chat: Chat, long: str) -> None:
        newest = chat.history(long, limit=1)[0]["_id"]
        query = {"conversation_id": long, "before": newest, "after": newest}
        answer = chat["alice"].get("/messages/get", query_string=query)
        assert refusal(answer) == (400, "Expected either before or after")

    @pytest.mark.parametrize("side", ["before", "after"])
    @pytest.mark.parametrize("bad", BAD_IDS, ids=ascii)
    def test_from_no_id(self, chat: Chat, long: str, side: str, bad: str) -> None:
        answer = chat["alice"].get("/messages/get", query_string={"conversation_id": long, side: bad})
        assert refusal(answer) == (400, "Invalid message id")

    @pytest.mark.parametrize("side", ["before", "after"])
    @pytest.mark.parametrize("where", ["nowhere", "elsewhere"])
    def test_from_a_message_that_is_not_in_it(self, chat: Chat, long: str, side: str, where: str) -> None:
        message_id = UNKNOWN_ID if where == "nowhere" else chat.say(chat.group("bob"))["_id"]
        answer = chat["alice"].get("/messages/get", query_string={"conversation_id": long, side: message_id})
        assert refusal(answer) == (404, "Message not found")

    @pytest.mark.parametrize("conversation_id", [None, *BAD_IDS], ids=ascii)
    def test_of_no_conversation(self, chat: Chat, conversation_id: str | None) -> None:
        query = {} if conversation_id is None else {"conversation_id": conversation_id}
        assert refusal(chat["alice"].get("/messages/get", query_string=query)) == (400, "Invalid conversation id")

    def test_of_an_unknown_conversation(self, chat: Chat) -> None:
        answer = chat["alice"].get(f"/messages/get?conversation_id={UNKNOWN_ID}")
        assert refusal(answer) == (404, "Conversation not found")

    def test_is_for_participants_only(self, chat: Chat, long: str) -> None:
        answer = chat["root"].get(f"/messages/get?conversation_id={long}")
        assert refusal(answer) == (403, NOT_PARTICIPANT)

    def test_messages_of_one_instant_keep_their_order(self, chat: Chat, group: str) -> None:
        said = [chat.say(group, str(number)) for number in range(10)]
        assert len({message["created_at"] for message in said}) == 1  # the clock of the tests stands still
        assert chat.history(group) == said[::-1]


class TestChanges:
    def test_an_edited_message_says_so(self, app: Flask, clock: Clock) -> None:
        chat = Chat(app)
        group = chat.group("bob")
        message = chat.say(group, "tpyo")
        clock.advance(minutes=1)
        edited = patch(chat, message["_id"], {"content": "typo"}).get_json()
        assert edited["success"]
        assert edited["message"] == {**message, "content": "typo", "edited_at": edited["message"]["edited_at"]}
        assert edited["message"]["edited_at"] > message["created_at"]
        assert chat.history(group, "bob") == [edited["message"]]

    @pytest.mark.parametrize("name", ["alice", "bob"])
    def test_any_participant_pins(self, chat: Chat, group: str, name: str) -> None:
        message = chat.say(group)
        for pinned in (True, True, False, False):
            answer = patch(chat, message["_id"], {"pinned": pinned}, name).get_json()
            assert answer == {"success": True, "message": {**message, "pinned": pinned}}
            assert chat.info(group)["pinned_messages"] == [message["_id"]] * pinned

    @pytest.mark.parametrize(
        ("fields", "refused"),
        [
            pytest.param({}, (400, "Expected either content or pinned"), id="neither"),
            pytest.param({"text": "x"}, (400, "Expected either content or pinned"), id="other-field"),
            pytest.param({"content": "x", "pinned": True}, (400, "Expected either content or pinned"), id="both"),
            pytest.param({"pinned": 1}, (400, "Invalid pinned"), id="pinned-1"),
            pytest.param({"pinned": "true"}, (400, "Invalid pinned"), id="pinned-string"),
            pytest.param({"pinned": None}, (400, "Invalid pinned"), id="pinned-null"),
            pytest.param({"content": None}, (400, "content must be a string"), id="content-null"),
            pytest.param({"content": 7}, (400, "content must be a string"), id="content-number"),
            pytest.param({"content": ""}, (400, "content must not be empty"), id="content-empty"),
            pytest.param(
                {"content": "x" * (LONGEST + 1)}, (400, "content must have at most 65536 characters"), id="too-long"
            ),
        ],
    )
    def test_a_change_that_cannot_be(
        self, chat: Chat, group: str, fields: dict[str, Any], refused: tuple[int, str]
    ) -> None:
        message = chat.say(group)
        assert refusal(patch(chat, message["_id"], fields)) == refused
        assert chat.history(group) == [message]

    def test_others_cannot_edit_or_delete_it(self, chat: Chat, group: str) -> None:
        message = chat.say(group, name="bob")
        edit = patch(chat, message["_id"], {"content": "x"})
        assert refusal(edit) == (403, "You can only edit your own messages")
        delete = chat["alice"].delete(f"/messages/{message['_id']}")
        assert refusal(delete) == (403, "You can only delete your own messages")
        assert chat.history(group) == [message]

    def test_a_deleted_message_keeps_its_row_only(self, chat: Chat, group: str) -> None:
        first = chat.say(group)
        message = chat.say(group, "secret", reply_to=first["_id"])
        patch(chat, message["_id"], {"pinned": True})
        emptied = {**message, "content": None, "is_deleted": True, "pinned": False}
        for _ in range(2):  # again changes nothing
            answer = chat["alice"].delete(f"/messages/{message['_id']}").get_json()
            assert answer == {"success": True, "message": emptied}
        assert chat.history(group) == [emptied, first]

    @pytest.mark.parametrize("fields", [{"content": "x"}, {"pinned": True}], ids=["edit", "pin"])
    def test_a_deleted_message_does_not_change(self, chat: Chat, group: str, fields: dict[str, Any]) -> None:
        message = chat.say(group)
        chat["alice"].delete(f"/messages/{message['_id']}")
        assert refusal(patch(chat, message["_id"], fields)) == (404, "Message not found")
        assert chat.contents(group) == [None]

    def test_a_reply_outlives_what_it_answers(self, chat: Chat, group: str) -> None:
        message = chat.say(group)
        reply = chat.say(group, "answer", reply_to=message["_id"])
        chat["alice"].delete(f"/messages/{message['_id']}")
        assert chat.history(group)[0] == reply

    @pytest.mark.parametrize("method", ["PATCH", "DELETE"])
    @pytest.mark.parametrize("bad", [bad for bad in BAD_IDS if bad and "\n" not in bad], ids=ascii)
    def test_a_bad_id(self, chat: Chat, method: str, bad: str) -> None:
        answer = chat["alice"].request(method, f"/messages/{bad}", json={"content": "x"})
        assert refusal(answer) == (400, "Invalid message id")

    @pytest.mark.parametrize("method", ["PATCH", "DELETE"])
    def test_an_unknown_id(self, chat: Chat, method: str) -> None:
        answer = chat["alice"].request(method, f"/messages/{UNKNOWN_ID}", json={"content": "x"})
        assert refusal(answer) == (404, "Message not found")


class TestReading:
    def test_a_message_is_read_once_all_others_have(self, chat: Chat, group: str) -> None:
        chat.say(group)
        seen = []
        for name in ("alice", "bob", "carol"):
            chat.read(group, name)
            seen.append([chat.history(group, reader)[0]["is_read"] for reader in ("alice", "bob", "carol")])
        assert seen == [[False] * 3, [False] * 3, [True] * 3]

    def test_marking_answers_with_success_only(self, chat: Chat, group: str) -> None:
        for _ in range(2):
            answer = chat["bob"].post(f"/conversations/{group}/read")
            assert (answer.status_code, answer.get_json()) == (200, {"success": True})

    def test_what_is_said_afterwards_is_unread(self, chat: Chat, group: str) -> None:
        chat.say(group, "old")
        for name in ("bob", "carol"):
            chat.read(group, name)
        chat.say(group, "new")
        assert [message["is_read"] for message in chat.history(group)] == [False, True]
        assert chat.info(group)["last_message"]["is_read"] is False

    def test_writing_is_not_reading(self, chat: Chat) -> None:
        group = chat.group("bob")
        chat.say(group)
        chat.say(group, name="bob")
        assert [message["is_read"] for message in chat.history(group)] == [False, False]

    def test_who_leaves_is_not_waited_for(self, chat: Chat, group: str) -> None:
        chat.say(group)
        chat.read(group, "bob")
        chat.leave(group, "carol")
        assert chat.history(group)[0]["is_read"] is True

    def test_alone_nobody_reads(self, chat: Chat) -> None:
        group = chat.group()
        chat.say(group)
        chat.read(group, "alice")
        assert chat.history(group)[0]["is_read"] is False

    def test_an_edited_message_stays_read(self, chat: Chat) -> None:
        group = chat.group("bob")
        message = chat.say(group)
        chat.read(group, "bob")
        assert patch(chat, message["_id"], {"content": "other"}).get_json()["message"]["is_read"] is True
