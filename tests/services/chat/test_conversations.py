"""Beginning conversations, and looking at them."""

import threading
from collections.abc import Callable
from datetime import datetime

import pytest
from sqlalchemy import delete

from tests.services.chat.bench import UNKNOWN_ID, Chat
from transfer_service.errors import InvalidRequest, NotFound, NotParticipant, TransferError
from transfer_service.models.accounts import Account
from transfer_service.models.chat import ConversationKind
from transfer_service.services.chat.conversation_rows import Conversation
from transfer_service.wire.chat import new_chat_id


def names(chat: Chat, conversation_id: str, viewer: str = "alice") -> list[str]:
    return list(chat.info(conversation_id, viewer).participants)


# Direct messages


def test_a_dm_is_between_two_and_has_no_owner(any_chat: Chat) -> None:
    conversation_id, already_exists = any_chat.conversations.create_direct(any_chat.id_of("alice"), "bob")
    assert not already_exists
    assert any_chat.info(conversation_id, "bob") == Conversation(
        id=conversation_id,
        kind=ConversationKind.DM,
        participants=("alice", "bob"),
        owner=None,
        group_name=None,
        created_at=any_chat.clock(),
        active_at=any_chat.clock(),
        last_message=None,
        pinned_message_ids=(),
    )


def test_there_is_one_dm_for_a_pair_whoever_begins_it(chat: Chat) -> None:
    first = chat.direct("alice", "bob")
    assert chat.conversations.create_direct(chat.id_of("bob"), "alice") == (first, True)
    assert chat.direct("alice", "carol") != first


@pytest.mark.parametrize(
    ("name", "error", "detail"),
    [
        pytest.param("alice", InvalidRequest, "You cannot start a conversation with yourself", id="oneself"),
        pytest.param("nobody", NotFound, "Account nobody not found", id="unknown"),
        pytest.param("a/b", NotFound, "Account not found", id="impossible"),
        pytest.param("\udcff", NotFound, "Account not found", id="not-utf-8"),
        pytest.param(7, InvalidRequest, "An account name must be a string", id="number"),
    ],
)
def test_a_refused_dm_is_not_made(chat: Chat, name: object, error: type[TransferError], detail: str) -> None:
    with pytest.raises(error) as caught:
        chat.conversations.create_direct(chat.id_of("alice"), name)
    assert caught.value.detail == detail
    assert chat.conversations.list_conversations(chat.id_of("alice")) == []


@pytest.mark.parametrize("leaver", ["alice", "bob"])
def test_who_left_a_dm_is_in_it_again_when_it_is_begun_again(any_chat: Chat, leaver: str) -> None:
    conversation_id = any_chat.direct()
    any_chat.post(conversation_id)
    any_chat.conversations.remove_participant(any_chat.id_of(leaver), conversation_id, leaver)
    assert any_chat.conversations.create_direct(any_chat.id_of("alice"), "bob") == (conversation_id, True)
    assert sorted(names(any_chat, conversation_id)) == ["alice", "bob"]


def test_a_dm_that_another_request_makes_in_between_is_found(any_chat: Chat) -> None:
    made: list[str] = []

    def make_id_too_late(now: datetime) -> str:
        made.append(any_chat.direct("bob", "alice"))
        return new_chat_id(now)

    slow = any_chat.conversation_service(make_id=make_id_too_late)
    assert slow.create_direct(any_chat.id_of("alice"), "bob") == (made[0], True)
    assert names(any_chat, made[0]) == ["bob", "alice"]


def test_who_is_deleted_meanwhile_begins_nothing(any_chat: Chat) -> None:
    alice, bob = any_chat.id_of("alice"), any_chat.id_of("bob")

    def make_id_too_late(now: datetime) -> str:
        with any_chat.database.write() as session:
            session.execute(delete(Account).where(Account.id == alice))
        return new_chat_id(now)

    with pytest.raises(NotFound):
        any_chat.conversation_service(make_id=make_id_too_late).create_direct(alice, "bob")
    assert any_chat.conversations.list_conversations(bob) == []


def test_many_beginning_one_dm_at_once_get_the_same(any_chat: Chat) -> None:
    outcomes: list[tuple[str, bool]] = []
    start = threading.Barrier(8)

    def begin(name: str, other: str) -> None:
        account_id = any_chat.id_of(name)
        start.wait()
        outcomes.append(any_chat.conversations.create_direct(account_id, other))

    in_parallel([lambda: begin("alice", "bob"), lambda: begin("bob", "alice")] * 4)
    assert len({conversation_id for conversation_id, _already in outcomes}) == 1
    assert sorted(already for _id, already in outcomes) == [False] + [True] * 7


def in_parallel(tasks: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# Groups


def test_a_group_has_its_creator_first_and_everybody_once(any_chat: Chat) -> None:
    conversation_id = any_chat.group("carol", "bob", "alice", "carol", group_name="Équipe 🙂")
    info = any_chat.info(conversation_id, "bob")
    assert (info.kind, info.owner, info.group_name) == (ConversationKind.GROUP, "alice", "Équipe 🙂")
    assert info.participants == ("alice", "carol", "bob")


def test_a_group_may_begin_with_its_creator_alone(chat: Chat) -> None:
    assert names(chat, chat.group()) == ["alice"]


@pytest.mark.parametrize(
    ("group_name", "participants", "error", "detail"),
    [
        pytest.param("", ["bob"], InvalidRequest, "group_name must not be empty", id="no-name"),
        pytest.param("team", ["bob", "nobody"], NotFound, "Account nobody not found", id="unknown"),
        pytest.param("team", "bob", InvalidRequest, "participants must be a list of account names", id="a-string"),
        pytest.param("team", [str(n) for n in range(1001)], InvalidRequest, "has at most 1000", id="too-many-names"),
    ],
)
def test_a_refused_group_is_not_made(
    chat: Chat, group_name: str, participants: object, error: type[TransferError], detail: str
) -> None:
    with pytest.raises(error, match=detail):
        chat.conversations.create_group(chat.id_of("alice"), group_name, participants)
    assert chat.conversations.list_conversations(chat.id_of("alice")) == []


def test_a_group_has_at_most_a_thousand_participants(chat: Chat) -> None:
    crowd = [f"member {number}" for number in range(1000)]
    chat.add_accounts(*crowd)
    with pytest.raises(InvalidRequest):
        chat.group(*crowd)
    full = chat.group(*crowd[:999])
    with pytest.raises(InvalidRequest):
        chat.conversations.add_participant(chat.id_of("alice"), full, crowd[999])
    assert len(names(chat, full)) == 1000


# Reading


@pytest.mark.parametrize("method", ["get_info", "require_participant"])
def test_only_participants_see_a_conversation(chat: Chat, method: str) -> None:
    conversation_id = chat.direct()
    look = getattr(chat.conversations, method)
    with pytest.raises(NotParticipant):
        look(chat.id_of("carol"), conversation_id)
    with pytest.raises(NotFound, match="Conversation not found"):
        look(chat.id_of("alice"), UNKNOWN_ID)
    look(chat.id_of("bob"), conversation_id)


def test_the_participants_and_the_conversations_of_an_account_are_told_by_id(any_chat: Chat) -> None:
    direct, group = any_chat.direct(), any_chat.group("carol")
    any_chat.direct("bob", "carol")
    alice, bob = any_chat.id_of("alice"), any_chat.id_of("bob")
    assert set(any_chat.conversations.participant_ids(direct)) == {alice, bob}
    assert {each.id for each in any_chat.conversations.list_conversations(alice)} == {direct, group}


def test_the_list_is_ordered_by_the_newest_message_or_else_by_creation(any_chat: Chat) -> None:
    made = []
    for other in ("bob", "carol", "dave"):
        made.append(any_chat.direct("alice", other))
        any_chat.clock.advance(seconds=1)
    any_chat.direct("bob", "carol")
    posted = any_chat.post(made[0])
    listed = any_chat.conversations.list_conversations(any_chat.id_of("alice"))
    assert [conversation.id for conversation in listed] == [made[0], made[2], made[1]]
    assert [conversation.last_message for conversation in listed] == [posted, None, None]
    assert listed == [any_chat.info(each.id) for each in listed]


def test_the_list_can_be_cut(chat: Chat) -> None:
    for other in ("bob", "carol", "dave"):
        chat.direct("alice", other)
        chat.clock.advance(seconds=1)
    listed = chat.conversations.list_conversations(chat.id_of("alice"), limit=1)
    assert [conversation.participants for conversation in listed] == [("alice", "dave")]


def test_the_list_goes_on_behind_a_conversation(any_chat: Chat) -> None:
    for other in ("bob", "carol", "dave"):  # made in the same instant
        any_chat.direct("alice", other)
    alice, pages = any_chat.id_of("alice"), list[Conversation]()
    while len(found := any_chat.conversations.list_conversations(alice, 1, _place(pages))) == 1:
        pages += found
    assert pages == any_chat.conversations.list_conversations(alice)


def _place(pages: list[Conversation]) -> tuple[datetime, str] | None:
    return (pages[-1].active_at, pages[-1].id) if pages else None


def test_the_last_message_tells_whether_it_was_read_and_deleted(chat: Chat) -> None:
    conversation_id = chat.direct()
    message = chat.post(conversation_id)
    chat.messages.mark_read(chat.id_of("bob"), conversation_id)
    chat.messages.delete(chat.id_of("alice"), message.id)
    last = chat.info(conversation_id).last_message
    assert last is not None
    assert (last.id, last.is_read, last.is_deleted, last.content) == (message.id, True, True, None)


def test_pinned_messages_are_listed_in_the_order_of_pinning(any_chat: Chat) -> None:
    conversation_id = any_chat.direct()
    first, second, _third = (any_chat.post(conversation_id) for _ in range(3))
    for message in (second, first):
        any_chat.messages.set_pinned(any_chat.id_of("bob"), message.id, True)
        any_chat.clock.advance(seconds=1)
    assert any_chat.info(conversation_id).pinned_message_ids == (second.id, first.id)
