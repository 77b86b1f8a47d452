"""Who gets an event: rooms of accounts, less the sockets that have muted the conversation.

Membership is what the database said when the event was committed, so rooms of conversations would only be copies that
can be wrong in another process. A socket is in its account's room, and in one room for each conversation it has muted.
"""

import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from queue import Full, Queue
from typing import Any

import socketio
from cachetools import TTLCache

from transfer_service.services.event_channels import EventChannel
from transfer_service.threads import run_beside
from transfer_service.web.chat.turns import Turns

MOST_HEARD = 10_000
NEW_MESSAGE, UPLOAD_PROGRESS = "new_message", "upload_progress"
PACE_SECONDS = 0.9  # those of one instance come after a second, and may be a moment on their way
MOST_UPLOADS, KEPT_SECONDS = 10_000, 60.0
_CONVERSATION, _MUTED, _TURN = "conversation:", "muted:", "turn:"


def account_room(account_id: uuid.UUID) -> str:
    """The room of an account's own sockets."""
    return f"account:{account_id}"


def uploads_room(account_id: uuid.UUID) -> str:
    """The room of those of them that may hear how far uploads are."""
    return f"uploads:{account_id}"


def muted_room(conversation_id: str) -> str:
    """The room of the sockets that do not want to hear of a conversation."""
    return _MUTED + conversation_id


def audience(conversation_id: str, account_ids: Iterable[uuid.UUID]) -> list[str]:
    """The rooms to send an event of a conversation to."""
    return [_CONVERSATION + conversation_id, *map(account_room, account_ids)]


def in_turn(rooms: list[str], number: int) -> list[str]:
    """The rooms of an event that has its turn after, or as, a message of that number."""
    return [*rooms, f"{_TURN}{number}"]


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


class UploadPaces:
    """The progress of each upload at the pace of one instance, whichever others its bytes go through."""

    def __init__(self) -> None:
        self._told: TTLCache[str, tuple[float, int]] = TTLCache(MOST_UPLOADS, KEPT_SECONDS)

    def lets_in(self, progress: dict[str, Any]) -> bool:
        """Whether an event is told: the last one is always, none soon after another, and none with an offset behind."""
        upload_id, offset, now = progress["upload_id"], progress["offset"], time.monotonic()
        told_at, told_offset = self._told.get(upload_id, (0.0, -1))
        is_last = offset == progress["length"]
        if offset < told_offset or not (is_last or now - told_at >= PACE_SECONDS):
            return False
        self._told[upload_id] = (now, offset)
        return True


class SharedManager(socketio.PubSubManager, _Muting):  # type: ignore[misc]
    """The sockets of all instances that share a channel. What happens here is delivered here at once."""

    name = "instances"

    def __init__(self, channel: EventChannel) -> None:
        super().__init__()
        self._channel = channel
        self._paces = UploadPaces()
        self._turns: Turns[dict[str, Any]] = Turns(super()._handle_emit)
        self._heard: Queue[str]

    def initialize(self) -> None:
        """Hear the others, from the first socket on."""
        _Muting.initialize(self)  # the library's would begin its own way, which needs an event loop
        self._heard = Queue(MOST_HEARD)  # gevent's, which must not be there in a process that forks
        self._channel.open(self._hear)
        run_beside(self._thread)

    def _hear(self, event: str) -> None:
        with suppress(Full):  # who cannot keep up misses events, and has the memory for the next ones
            self._heard.put_nowait(event)

    def _handle_emit(self, message: dict[str, Any]) -> None:
        event, rooms = message.get("event"), message.get("room")
        if isinstance(rooms, list) and str(rooms[-1]).startswith(_TURN):
            conversation_id, number = rooms[0].removeprefix(_CONVERSATION), int(rooms[-1].removeprefix(_TURN))
            self._turns.take(conversation_id, message, number=number, is_message=event == NEW_MESSAGE)
        elif event != UPLOAD_PROGRESS or self._paces.lets_in(message["data"][0]):
            super()._handle_emit(message)

    def _listen(self) -> Iterator[str]:
        while True:
            yield self._heard.get()

    def _publish(self, data: dict[str, Any]) -> None:
        self._channel.send(self.json.dumps(data))


def make_manager(channel: EventChannel | None) -> Any:
    """What delivers events: in this process, or to the sockets of all instances."""
    return SharedManager(channel) if channel else LocalManager()
