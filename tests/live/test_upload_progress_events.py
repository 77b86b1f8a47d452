"""`upload_progress` on Socket.IO: an account's own sockets hear how its uploads get on, and nobody else's."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
import requests
import socketio

from tests.live.appends import DATA, KIB, UPLOADS, Door, Protocol
from tests.live.node import token_of
from tests.live.server import LiveServer, wait_until

LARGE = DATA * 4
PACE_SECONDS, LONGEST_SECONDS = 0.9, 1.8
protocols = pytest.mark.parametrize("protocol", list(Protocol), ids=lambda protocol: protocol.value)


@dataclass
class Listener:
    """A connected client, and when it heard what of each upload."""

    client: socketio.Client
    heard: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def hear(self, event: dict[str, Any]) -> None:
        """Remember an event."""
        self.heard.append((time.monotonic(), event))

    def of(self, path: str) -> list[dict[str, Any]]:
        """What it heard of one upload."""
        return [event for _, event in self.heard if event["upload_id"] == path.rpartition("/")[2]]

    def pauses(self, path: str) -> list[float]:
        """The time between one event of an upload and the next."""
        instants = [instant for instant, event in self.heard if event["upload_id"] == path.rpartition("/")[2]]
        return [later - earlier for earlier, later in pairwise(instants)]

    def has_heard_the_last(self, path: str) -> bool:
        """Whether it knows that an upload is whole."""
        return any(event["offset"] == event["length"] for event in self.of(path))

    def catch_up(self) -> None:
        """Return when everything has come that was sent to it before now."""
        self.client.call("typing", {}, timeout=60)


@contextmanager
def listening(server: LiveServer, session: requests.Session, transport: str = "websocket") -> Iterator[Listener]:
    """A client of the session's account."""
    listener = Listener(socketio.Client(reconnection=False, handle_sigint=False))
    listener.client.on("upload_progress", listener.hear)
    listener.client.connect(server.url, auth={"token": token_of(session)}, transports=[transport], wait_timeout=60)
    try:
        yield listener
    finally:
        listener.client.disconnect()


def trickle(door: Door, path: str, *, seconds: float) -> None:
    """Append LARGE, 64 KiB every 20 ms for so long and then the rest."""
    with door.appending(path, 0, length=len(LARGE)) as append:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            append.send(LARGE[append.sent : append.sent + 64 * KIB])
            time.sleep(0.02)  # the pace is what is tested
        append.send(LARGE[append.sent :])
        assert append.client.receive().status == door.protocol.last_status


@pytest.mark.alone  # it counts seconds
def test_the_accounts_own_sockets_hear_once_a_second_and_the_last_and_nobody_else(
    server: LiveServer, alice: requests.Session
) -> None:
    doors = [Door(server, alice, protocol) for protocol in Protocol]
    paths = [door.create(len(LARGE)) for door in doors]
    with ExitStack() as stack:
        listeners = [stack.enter_context(listening(server, alice, each)) for each in ("websocket", "polling")]
        stranger = stack.enter_context(listening(server, server.sign_in("bob")))
        threads = [
            threading.Thread(target=trickle, args=(door, path), kwargs={"seconds": 3.5})
            for door, path in zip(doors, paths, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_until(lambda: all(each.has_heard_the_last(path) for each in listeners for path in paths))
        stranger.catch_up()
        assert stranger.heard == []
    for path in paths:
        events, pauses = listeners[0].of(path), listeners[0].pauses(path)
        offsets = [event["offset"] for event in events]
        assert events[0] == {"upload_id": path.removeprefix(f"{UPLOADS}/"), "filename": events[0]["filename"],
                             "offset": offsets[0], "length": len(LARGE)}  # fmt: skip
        assert (offsets, offsets[-1], len(events) >= 4) == (sorted(set(offsets)), len(LARGE), True)
        assert min(pauses[:-1]) > PACE_SECONDS  # the last one comes at once
        assert max(pauses) < LONGEST_SECONDS
        assert listeners[1].of(path) == events


@protocols
def test_an_upload_in_one_piece_tells_its_end(server: LiveServer, alice: requests.Session, protocol: Protocol) -> None:
    door = Door(server, alice, protocol)
    path = door.create(1000)
    with listening(server, alice) as listener:
        answer = door.patch(path, 0, DATA[:1000], is_last=True)
        wait_until(lambda: listener.has_heard_the_last(path))
        listener.catch_up()
    assert answer.headers["X-File-Id"] == listener.of(path)[-1]["upload_id"]
    assert [event["offset"] for event in listener.of(path)] == [1000]


@pytest.mark.alone  # it counts seconds
def test_many_small_appends_tell_once_a_second(server: LiveServer, alice: requests.Session) -> None:
    door = Door(server, alice)
    path = door.create(len(DATA))
    with listening(server, alice) as listener:
        offset, until = 0, time.monotonic() + 2.5
        while time.monotonic() < until:
            offset = int(door.patch(path, offset, DATA[offset : offset + 1000]).headers["Upload-Offset"])
        whole = door.finish(path, DATA, offset=offset)
        wait_until(lambda: listener.has_heard_the_last(path))
    assert whole == DATA
    assert (offset > 10_000, 3 <= len(listener.of(path)) <= 5) == (True, True)
    assert min(listener.pauses(path)[:-1]) > PACE_SECONDS
