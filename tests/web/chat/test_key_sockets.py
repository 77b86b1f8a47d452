"""Sockets by key: who is let in, what they hear, and that they end with their key. See also tests/live/test_keys.py."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Clock, Device
from tests.web.accounts.keys import ALL, keyed, new_key, showing, without
from tests.web.chat import socket_client
from tests.web.chat.bench import Chat
from tests.web.uploads.bench import Draft
from transfer_service.bootstrap import Services
from transfer_service.web.chat.sessions import LiveSessions
from transfer_service.web.chat.socketio import LIVE
from transfer_service.wire.instants import format_second


def heard(socket: Any) -> list[str]:
    """The names of the events that a socket has got."""
    return [event["name"] for event in socket.get_received()]


@pytest.mark.parametrize("scope", without("chat"))
def test_a_key_without_chat_is_not_let_in(app: Flask, scope: str) -> None:
    assert not socket_client.connect(app, keyed(app, scope).headers).is_connected()


def test_a_key_for_chat_talks_and_listens(app: Flask) -> None:
    chat = Chat(app)
    conversation = chat.dm()
    alice, bob = (socket_client.connect(app, keyed(app, "chat", name=name).headers) for name in ("alice", "bob"))
    said = alice.emit("send_message", {"conversation_id": conversation, "content": "hello"}, callback=True)
    assert (said["success"], said["message"]["sender"]) == (True, "alice")
    assert heard(bob) == heard(alice) == ["new_message"]


@pytest.mark.parametrize(("scopes", "hears"), [(["chat"], 0), (["chat", "upload"], 1), (["chat", "files"], 1)])
def test_only_a_key_that_may_ask_hears_how_far_uploads_are(
    app: Flask, device: Device, scopes: list[str], hears: int
) -> None:
    """The name of a file is in it."""
    socket = socket_client.connect(app, keyed(app, *scopes).headers)
    Draft(device).finish(b"hello", {"Content-Disposition": 'attachment; filename="secret plans.pdf"'})
    assert heard(socket).count("upload_progress") == hears


def test_a_socket_hears_by_the_key_that_it_lives_on(app: Flask, device: Device) -> None:
    socket = socket_client.connect(app, device.headers)
    key = new_key(device, "chat")["key"]
    assert socket.emit("authenticate", {"access_token": key}, callback=True) == {"success": True}
    Draft(device).finish(b"hello")
    assert heard(socket) == []


def test_a_socket_cannot_live_on_by_a_key_without_chat(app: Flask, device: Device) -> None:
    socket = socket_client.connect(app, device.headers)
    answer = socket.emit("authenticate", {"access_token": new_key(device, "upload")["key"]}, callback=True)
    assert answer == {"success": False, "detail": "Key lacks scope chat"}
    answer = socket.emit("authenticate", {"access_token": keyed_text(app, "bob")}, callback=True)
    assert answer == {"success": False, "detail": "The token is another account's"}


def keyed_text(app: Flask, name: str) -> str:
    """A key for the chat of an account."""
    return keyed(app, "chat", name=name).headers["Authorization"].removeprefix("Bearer ")


def _revoke(device: Device, _services: Services, _clock: Clock) -> None:
    key_id = device.get("/auth/keys").get_json()["keys"][0]["id"]
    assert device.delete(f"/auth/keys/{key_id}").status_code == 204


def _disable(_device: Device, services: Services, _clock: Clock) -> None:
    services.accounts.disable("alice")


def _remove(_device: Device, services: Services, _clock: Clock) -> None:
    services.account_removal.remove("alice")


def _expire(_device: Device, _services: Services, clock: Clock) -> None:
    clock.advance(hours=1)


@pytest.mark.parametrize("end", [_revoke, _disable, _remove, _expire])
def test_no_event_of_a_dead_key_counts(
    app: Flask, device: Device, services: Services, clock: Clock, end: Callable[[Device, Services, Clock], None]
) -> None:
    """Not even in the moment before its socket is ended."""
    chat = Chat(app)
    conversation = chat.dm()
    made = new_key(device, *ALL, expires_at=format_second(clock.at + timedelta(minutes=59)))
    socket = socket_client.connect(app, showing(app, made["key"]).headers)
    end(device, services, clock)
    answer = socket.emit("send_message", {"conversation_id": conversation, "content": "late"}, callback=True)
    assert answer is None or answer["success"] is False
    assert chat["bob"].get(f"/messages/get?conversation_id={conversation}").get_json()["count"] == 0
    assert not socket.is_connected()


def test_the_watch_ends_the_sockets_of_dead_keys_alone(app: Flask, device: Device) -> None:
    dead, alive = new_key(device, "chat"), new_key(device, "chat")
    for headers in (device.headers, showing(app, dead["key"]).headers, showing(app, alive["key"]).headers):
        assert socket_client.connect(app, headers).is_connected()
    assert device.delete(f"/auth/keys/{dead['id']}").status_code == 204
    sessions: LiveSessions = app.extensions[LIVE]
    (ended,) = sessions._ended()
    identity = sessions._sessions[ended].identity
    assert identity.key is not None
    assert str(identity.key.id) == dead["id"]
