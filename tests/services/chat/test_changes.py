"""What has changed in a conversation, for those who were away."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from tests.services.chat.bench import PHOTO, UNKNOWN_ID, Chat
from tests.services.conftest import plan_of
from transfer_service.errors import InvalidRequest, NotFound, NotParticipant
from transfer_service.services.chat import message_rows
from transfer_service.services.chat.message_rows import Message

WRITERS, STEPS = 4, 40


def edit(chat: Chat, message: Message) -> None:
    chat.messages.edit(message.sender_id or chat.id_of("alice"), message.id, "changed")


def pin(chat: Chat, message: Message, is_pinned: bool = True) -> None:
    chat.messages.set_pinned(chat.id_of("alice"), message.id, is_pinned)


def delete(chat: Chat, message: Message) -> None:
    chat.messages.delete(message.sender_id or chat.id_of("alice"), message.id)


def contents(found: tuple[list[Message], int]) -> list[str | None]:
    return [message.content for message in found[0]]


def test_who_begins_is_told_where_and_nothing_of_before(any_chat: Chat) -> None:
    conversation_id = any_chat.direct()
    assert any_chat.changes(conversation_id) == ([], 0)
    any_chat.post(conversation_id, "before")
    messages, begin = any_chat.changes(conversation_id)
    any_chat.post(conversation_id, "after")
    assert (messages, contents(any_chat.changes(conversation_id, begin))) == ([], ["after"])


@pytest.mark.parametrize("change", [edit, pin, delete])
def test_a_change_is_told_once_with_the_message_as_it_is(any_chat: Chat, change: Callable[..., None]) -> None:
    message = any_chat.post(conversation_id := any_chat.direct(), attachment=PHOTO)
    any_chat.post(conversation_id, "another")
    _, begin = any_chat.changes(conversation_id)
    change(any_chat, message)
    changed, cursor = any_chat.changes(conversation_id, begin)
    assert changed == [each for each in any_chat.history(conversation_id) if each.id == message.id]
    assert any_chat.changes(conversation_id, cursor) == ([], cursor)


def test_the_oldest_change_is_first_and_each_message_is_there_once(any_chat: Chat) -> None:
    conversation_id = any_chat.direct()
    first, second, third = (any_chat.post(conversation_id, text) for text in ("first", "second", "third"))
    for _ in range(2):
        edit(any_chat, first)
    pin(any_chat, second)
    changed, _ = any_chat.changes(conversation_id, 0)
    assert [each.id for each in changed] == [third.id, first.id, second.id]


def test_a_page_ends_where_the_next_one_begins(any_chat: Chat) -> None:
    conversation_id = any_chat.direct()
    for number in range(5):
        any_chat.post(conversation_id, str(number))
    page, cursor = any_chat.changes(conversation_id, 0, limit=2)
    edit(any_chat, page[0])
    rest, _ = any_chat.changes(conversation_id, cursor, limit=100)
    assert [each.content for each in (*page, *rest)] == ["0", "1", "2", "3", "4", "changed"]


def test_what_changes_nothing_is_no_change(any_chat: Chat) -> None:
    conversation_id = any_chat.direct()
    pinned, deleted = any_chat.post(conversation_id), any_chat.post(conversation_id)
    pin(any_chat, pinned)
    delete(any_chat, deleted)
    _, before = any_chat.changes(conversation_id)
    pin(any_chat, pinned)
    delete(any_chat, deleted)
    any_chat.messages.mark_read(any_chat.id_of("bob"), conversation_id)
    with pytest.raises(NotFound):
        edit(any_chat, deleted)
    with pytest.raises(InvalidRequest):
        any_chat.post(conversation_id, "")
    assert any_chat.changes(conversation_id, before) == ([], before)


def test_it_is_told_what_has_been_read_by_now(any_chat: Chat) -> None:
    any_chat.post(conversation_id := any_chat.direct())
    any_chat.messages.mark_read(any_chat.id_of("bob"), conversation_id)
    assert [each.is_read for each in any_chat.changes(conversation_id, 0)[0]] == [True]


def test_each_conversation_counts_for_itself(any_chat: Chat) -> None:
    one, other = any_chat.group("bob"), any_chat.group("bob")
    any_chat.post(one, "one")
    any_chat.post(other, "other")
    assert (contents(any_chat.changes(one, 0)), contents(any_chat.changes(other, 0))) == (["one"], ["other"])


def test_only_participants_are_told(any_chat: Chat) -> None:
    any_chat.post(conversation_id := any_chat.group("bob"))
    with pytest.raises(NotParticipant):
        any_chat.changes(conversation_id, 0, "carol")
    with pytest.raises(NotFound):
        any_chat.changes(UNKNOWN_ID)


def test_who_comes_back_is_told_what_was_said_meanwhile(any_chat: Chat) -> None:
    conversation_id = any_chat.group("bob")
    _, cursor = any_chat.changes(conversation_id, name="bob")
    any_chat.conversations.remove_participant(any_chat.id_of("alice"), conversation_id, "bob")
    any_chat.post(conversation_id, "meanwhile")
    with pytest.raises(NotParticipant):
        any_chat.changes(conversation_id, cursor, "bob")
    any_chat.conversations.add_participant(any_chat.id_of("alice"), conversation_id, "bob")
    assert contents(any_chat.changes(conversation_id, cursor, "bob")) == ["meanwhile"]


def test_a_cursor_of_a_database_that_was_newer_is_refused(any_chat: Chat) -> None:
    any_chat.post(conversation_id := any_chat.direct())
    with pytest.raises(InvalidRequest, match="Invalid cursor"):
        any_chat.changes(conversation_id, 2)


def test_it_is_told_that_an_account_is_gone(any_chat: Chat) -> None:
    conversation_id = any_chat.group("bob", "carol")
    for name in ("bob", "alice", "bob"):
        any_chat.post(conversation_id, f"by {name}", sender=name)
    _, cursor = any_chat.changes(conversation_id)
    any_chat.bench.services.account_removal.remove("bob")
    changed, _ = any_chat.changes(conversation_id, cursor)
    assert [(each.sender, each.content, each.is_deleted) for each in changed] == [("deleted account", None, True)] * 2
    assert changed == [each for each in reversed(any_chat.history(conversation_id)) if each.is_deleted]


def test_a_change_is_found_by_an_index(any_chat: Chat) -> None:
    plan = plan_of(any_chat.database, message_rows._CHANGED)
    assert "ix_messages_conversation_id_change" in plan
    assert "SORT" not in plan.upper().replace("USE TEMP B-TREE", "SORT")


class Writer:
    """Somebody who posts, edits, pins and deletes at random."""

    def __init__(self, chat: Chat, conversation_id: str, name: str, random: Random) -> None:
        self._messages, self._account_id = chat.messages, chat.id_of(name)
        self._conversation_id, self._random = conversation_id, random
        self._own: list[str] = []

    def work(self, everybodys: list[str]) -> None:
        for _ in range(STEPS):
            self._step(everybodys)

    def _step(self, everybodys: list[str]) -> None:
        choice = self._random.random()
        if choice < 0.4 or not self._own:
            message = self._messages.post(self._account_id, self._conversation_id, content=str(choice))
            self._own.append(message.id)
            everybodys.append(message.id)
        elif choice < 0.6:
            self._messages.edit(self._account_id, self._random.choice(self._own), str(choice))
        elif choice < 0.7:
            gone = self._own.pop(self._random.randrange(len(self._own)))
            self._messages.delete(self._account_id, gone)
        else:
            with suppress(NotFound):  # deleted
                self._messages.set_pinned(self._account_id, self._random.choice(everybodys), choice < 0.85)


class Follower:
    """A client that knows nothing but what it is told, a few changes at a time."""

    def __init__(self, chat: Chat, conversation_id: str, limit: int) -> None:
        self._ask: Callable[..., Any] = chat.messages.changes
        self._arguments = (chat.id_of("alice"), conversation_id)
        self._limit = limit
        self.cursor = 0
        self.known: dict[str, Message] = {}

    def follow(self) -> bool:
        """Whether there was anything."""
        found, self.cursor = self._ask(*self._arguments, since=self.cursor, limit=self._limit)
        self.known.update((each.id, each) for each in found)
        return bool(found)


@pytest.mark.parametrize("limit", [1, 100])
def test_who_follows_misses_nothing_of_what_others_do_at_once(any_chat: Chat, limit: int) -> None:
    names = ["alice", "bob", "carol", "dave"]
    conversation_id = any_chat.group(*names[1:])
    writers = [Writer(any_chat, conversation_id, name, Random(name)) for name in names]
    follower, everybodys, is_over = Follower(any_chat, conversation_id, limit), list[str](), threading.Event()

    def follow() -> None:
        while not is_over.is_set():
            follower.follow()

    with ThreadPoolExecutor(WRITERS + 1) as pool:
        following = pool.submit(follow)
        writing = [pool.submit(writer.work, everybodys) for writer in writers]
        try:
            for each in writing:
                each.result(60)
        finally:
            is_over.set()
        following.result(60)
    while follower.follow():
        pass
    assert {key: replace(each, is_read=False) for key, each in follower.known.items()} == _all(
        any_chat, conversation_id
    )
    assert follower.known.keys() == set(everybodys)


def _all(chat: Chat, conversation_id: str) -> dict[str, Message]:
    found: dict[str, Message] = {}
    last = None
    while page := chat.history(conversation_id, limit=100, before=last):
        found |= {each.id: replace(each, is_read=False) for each in page}
        last = page[-1].id
    return found
