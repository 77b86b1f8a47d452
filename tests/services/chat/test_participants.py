"""Joining a conversation, and leaving it."""

import pytest

from tests.services.chat.bench import Chat
from transfer_service.errors import Forbidden, InvalidRequest, NotFound, NotParticipant, TransferError


def names(chat: Chat, conversation_id: str, viewer: str = "alice") -> list[str]:
    return list(chat.info(conversation_id, viewer).participants)


def add(chat: Chat, conversation_id: str, name: object, by: str = "alice") -> list[str]:
    return chat.conversations.add_participant(chat.id_of(by), conversation_id, name)


def remove(chat: Chat, conversation_id: str, name: str, by: str = "alice") -> list[str]:
    return chat.conversations.remove_participant(chat.id_of(by), conversation_id, name)


def test_the_owner_lets_people_in_and_once_is_enough(any_chat: Chat) -> None:
    conversation_id = any_chat.group("bob")
    any_chat.post(conversation_id)
    assert [add(any_chat, conversation_id, "carol") for _ in range(2)] == [["alice", "bob", "carol"]] * 2
    assert names(any_chat, conversation_id, "carol") == ["alice", "bob", "carol"]


def test_what_was_said_before_somebody_joined_counts_as_read_by_them(chat: Chat) -> None:
    conversation_id = chat.group("bob")
    chat.post(conversation_id)
    chat.messages.mark_read(chat.id_of("bob"), conversation_id)
    add(chat, conversation_id, "carol")
    assert chat.last(conversation_id).is_read
    assert not chat.post(conversation_id).is_read


@pytest.mark.parametrize(
    ("by", "name", "error"),
    [
        pytest.param("bob", "dave", Forbidden, id="not-the-owner"),
        pytest.param("dave", "dave", NotParticipant, id="an-outsider"),
        pytest.param("alice", "nobody", NotFound, id="unknown"),
        pytest.param("alice", None, InvalidRequest, id="no-name"),
    ],
)
def test_a_refused_addition_changes_nothing(chat: Chat, by: str, name: object, error: type[TransferError]) -> None:
    conversation_id = chat.group("bob", "carol")
    with pytest.raises(error):
        add(chat, conversation_id, name, by=by)
    assert names(chat, conversation_id) == ["alice", "bob", "carol"]


def test_nobody_joins_a_dm(chat: Chat) -> None:
    conversation_id = chat.direct()
    with pytest.raises(InvalidRequest, match="groups only"):
        add(chat, conversation_id, "carol")
    assert names(chat, conversation_id) == ["alice", "bob"]


@pytest.mark.parametrize(("by", "name"), [("alice", "carol"), ("carol", "carol")], ids=["owner", "oneself"])
def test_who_leaves_loses_everything_at_once(any_chat: Chat, by: str, name: str) -> None:
    conversation_id = any_chat.group("bob", "carol")
    assert remove(any_chat, conversation_id, name, by=by) == ["alice", "bob"]
    with pytest.raises(NotParticipant):
        any_chat.conversations.require_participant(any_chat.id_of("carol"), conversation_id)
    assert any_chat.conversations.list_conversations(any_chat.id_of("carol")) == []


def test_the_longest_standing_member_inherits_the_group(any_chat: Chat) -> None:
    conversation_id = any_chat.group("dave", "bob")
    add(any_chat, conversation_id, "carol")
    remove(any_chat, conversation_id, "alice")
    assert any_chat.info(conversation_id, "bob").owner == "dave"
    assert add(any_chat, conversation_id, "alice", by="dave") == ["dave", "bob", "carol", "alice"]


def test_the_last_one_leaves_a_group_without_an_owner(chat: Chat) -> None:
    conversation_id = chat.group()
    assert remove(chat, conversation_id, "alice") == []
    assert chat.conversations.participant_ids(conversation_id) == ()


@pytest.mark.parametrize(
    ("by", "name", "error", "detail"),
    [
        pytest.param("bob", "carol", Forbidden, "Only the owner of the group can remove others", id="not-the-owner"),
        pytest.param("bob", "alice", Forbidden, "Only the owner of the group can remove others", id="the-owner"),
        pytest.param(
            "dave", "dave", NotParticipant, "You are not a participant in this conversation", id="an-outsider"
        ),
        pytest.param("alice", "dave", NotFound, "Participant not found", id="not-in-it"),
        pytest.param("alice", "nobody", NotFound, "Participant not found", id="unknown"),
    ],
)
def test_a_refused_removal_changes_nothing(
    chat: Chat, by: str, name: str, error: type[TransferError], detail: str
) -> None:
    conversation_id = chat.group("bob", "carol")
    with pytest.raises(error) as caught:
        remove(chat, conversation_id, name, by=by)
    assert caught.value.detail == detail
    assert names(chat, conversation_id) == ["alice", "bob", "carol"]


def test_nobody_removes_the_other_from_a_dm(chat: Chat) -> None:
    conversation_id = chat.direct()
    with pytest.raises(Forbidden):
        remove(chat, conversation_id, "bob")
    assert names(chat, conversation_id) == ["alice", "bob"]
