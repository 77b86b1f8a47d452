"""What a client has missed: `GET /messages/changes`."""

from typing import Any

import pytest

from tests.web.chat.bench import BAD_IDS, NOT_PARTICIPANT, UNKNOWN_ID, Chat, refusal

INVALID = (400, "Invalid cursor")


@pytest.fixture
def group(chat: Chat) -> str:
    """A group of `alice`, who owns it, `bob` and `carol`, in which something was said."""
    conversation_id = chat.group("bob", "carol")
    chat.say(conversation_id, "before")
    return conversation_id


def ask(chat: Chat, conversation_id: str, name: str = "bob", **query: str) -> Any:
    return chat[name].get("/messages/changes", query_string={"conversation_id": conversation_id, **query})


def changes(chat: Chat, conversation_id: str, since: str | None = None, name: str = "bob") -> tuple[list[Any], str]:
    """What has changed, and the next cursor."""
    answer = ask(chat, conversation_id, name, **({} if since is None else {"since": since}))
    assert answer.status_code == 200, answer.text
    assert answer.get_json().keys() == {"messages", "cursor"}
    return answer.get_json()["messages"], answer.get_json()["cursor"]


def test_a_client_begins_with_a_cursor_and_no_messages(chat: Chat, group: str) -> None:
    messages, cursor = changes(chat, group)
    assert messages == []
    assert changes(chat, group, cursor)[0] == []


def test_every_kind_of_change_is_told_as_it_is_now(chat: Chat, group: str) -> None:
    edited, deleted, pinned, unpinned = (chat.say(group, text) for text in ("edited", "deleted", "pinned", "unpinned"))
    chat["bob"].request("PATCH", f"/messages/{unpinned['_id']}", json={"pinned": True})
    _, cursor = changes(chat, group)
    sent = chat.send(group, content="look")
    chat["alice"].request("PATCH", f"/messages/{edited['_id']}", json={"content": "new"})
    chat["alice"].request("DELETE", f"/messages/{deleted['_id']}")
    chat["carol"].request("PATCH", f"/messages/{pinned['_id']}", json={"pinned": True})
    chat["carol"].request("PATCH", f"/messages/{unpinned['_id']}", json={"pinned": False})
    told, _ = changes(chat, group, cursor)
    by_id = {each["_id"]: each for each in chat.history(group)}
    assert told == [by_id[each["_id"]] for each in (sent, edited, deleted, pinned, unpinned)]
    assert [each["content"] for each in told] == ["look", "new", None, "pinned", "unpinned"]


def test_a_hundred_at_a_time(chat: Chat, group: str) -> None:
    _, cursor = changes(chat, group)
    said = [chat.say(group, str(number))["_id"] for number in range(101)]
    first, cursor = changes(chat, group, cursor)
    rest, cursor = changes(chat, group, cursor)
    assert [each["_id"] for each in (*first, *rest)] == said
    assert (len(first), changes(chat, group, cursor)[0]) == (100, [])


def test_a_cursor_counts_again_and_again(chat: Chat, group: str) -> None:
    _, cursor = changes(chat, group)
    message = chat.say(group)
    assert changes(chat, group, cursor) == changes(chat, group, cursor)
    assert changes(chat, group, cursor)[0] == [message]


@pytest.mark.parametrize("since", ["", "0", "1", "x" * 20, "\u00e9", "A" * 5000, "AAAAAAAAAAAAAAAAWzFd"])
def test_a_cursor_that_was_never_given_is_refused(chat: Chat, group: str, since: str) -> None:
    assert refusal(ask(chat, group, since=since)) == INVALID


def test_a_cursor_counts_where_it_was_given(chat: Chat, group: str) -> None:
    _, cursor = changes(chat, group)
    page = chat["bob"].get("/conversations?limit=1").get_json()
    elsewhere = chat.group("bob")
    assert refusal(ask(chat, elsewhere, since=cursor)) == INVALID
    assert refusal(ask(chat, group, "carol", since=cursor)) == INVALID
    assert refusal(ask(chat, group, since=page["next_cursor"])) == INVALID
    assert refusal(ask(chat, group, since=cursor[:-1])) == INVALID


@pytest.mark.parametrize(
    ("query", "refused"),
    [
        *(({"conversation_id": each}, (400, "Invalid conversation id")) for each in BAD_IDS),
        ({"conversation_id": UNKNOWN_ID}, (404, "Conversation not found")),
        ({"limit": "10"}, (400, "Unknown query parameter: limit")),
    ],
)
def test_bad_questions(chat: Chat, group: str, query: dict[str, str], refused: tuple[int, str]) -> None:
    answer = chat["bob"].get("/messages/changes", query_string={"conversation_id": group, **query})
    assert refusal(answer) == refused


def test_who_leaves_is_told_nothing_more(chat: Chat, group: str) -> None:
    _, cursor = changes(chat, group, name="carol")
    chat.say(group)
    chat.leave(group, "carol")
    assert refusal(ask(chat, group, "carol", since=cursor)) == (403, NOT_PARTICIPANT)
    chat["alice"].post(f"/conversations/{group}/participants", json={"email": "carol"})
    assert [each["content"] for each in changes(chat, group, cursor, "carol")[0]] == ["hello"]


def test_reading_is_no_change(chat: Chat, group: str) -> None:
    _, cursor = changes(chat, group)
    chat.read(group, "bob")
    assert changes(chat, group, cursor)[0] == []
