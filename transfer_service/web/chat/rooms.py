"""Who gets an event: rooms of accounts, less the sockets that have muted the conversation.

Membership is what the database said when the event was committed, so rooms of conversations would only be copies that
can be wrong in another process. A socket is in its account's room, and in one room for each conversation it has muted.
"""

import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import socketio

_CONVERSATION, _MUTED = "conversation:", "muted:"


def account_room(account_id: uuid.UUID) -> str:
    """The room of an account's own sockets."""
    return f"account:{account_id}"


def muted_room(conversation_id: str) -> str:
    """The room of the sockets that do not want to hear of a conversation."""
    return _MUTED + conversation_id


def audience(conversation_id: str, account_ids: Iterable[uuid.UUID]) -> list[str]:
    """The rooms to send an event of a conversation to."""
    return [_CONVERSATION + conversation_id, *map(account_room, account_ids)]


class _Muting(socketio.Manager):  # type: ignore[misc] # python-socketio has no types
    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        """The sockets in a room or in any of several, without those that have muted their conversation."""
        found = super().get_participants(namespace, room)
        if not (isinstance(room, list) and room and str(room[0]).startswith(_CONVERSATION)):
            yield from found
            return
        muted = self.rooms.get(namespace, {}).get(muted_room(str(room[0]).removeprefix(_CONVERSATION)), {})
        yield from ((sid, transport_id) for sid, transport_id in found if sid not in muted)


class LocalManager(_Muting):
    """The sockets of this process."""


class RedisManager(socketio.RedisManager, _Muting):  # type: ignore[misc]
    """The sockets of all instances with the same Redis."""

    def _get_redis_module(self) -> Any:
        """The package redis, which python-socketio was not let look for (`web/chat/__init__.py`)."""
        import redis

        return redis


def make_manager(redis_url: str | None) -> Any:
    """What delivers events: in this process, or through Redis to those of all instances."""
    return RedisManager(redis_url) if redis_url else LocalManager()
