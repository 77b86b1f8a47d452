"""Sockets end with the sign-in or the key that they live on, whoever ends that."""

import pytest
from flask import Flask

from tests.conftest import signed_in
from tests.web.accounts.keys import new_key, showing
from tests.web.chat import socket_client
from transfer_service.web.chat.sessions import LiveSessions
from transfer_service.web.chat.socketio import LIVE


@pytest.mark.parametrize(
    ("changes", "ended"),
    [
        pytest.param({"is_admin": True}, set(), id="rights"),
        pytest.param({"password": "another horse"}, {"sign-in"}, id="password"),
        pytest.param({"end_keys": True}, {"key"}, id="keys"),
        pytest.param({"password": "another horse", "end_keys": True}, {"sign-in", "key"}, id="both"),
        pytest.param({"is_disabled": True}, {"sign-in", "key"}, id="disabled"),
    ],
)
def test_what_an_administrator_ends_ends_its_sockets(app: Flask, changes: dict[str, object], ended: set[str]) -> None:
    bob, alice = signed_in(app, "bob"), signed_in(app, "alice")
    for headers in (bob.headers, showing(app, new_key(bob, "chat")["key"]).headers, alice.headers):
        assert socket_client.connect(app, headers).is_connected()
    assert signed_in(app, "root").request("PATCH", "/api/admin/accounts/bob", json=changes).status_code == 200
    sessions: LiveSessions = app.extensions[LIVE]
    gone = [sessions._sessions[sid].identity for sid in sessions._ended()]
    assert {"key" if each.key else "sign-in" for each in gone} == ended
    assert len(gone) == len(ended)
    assert {each.name for each in gone} <= {"bob"}


def test_an_ended_session_ends_its_sockets_alone(app: Flask) -> None:
    lost, own = signed_in(app, "alice"), signed_in(app, "alice")
    for device in (lost, own):
        assert socket_client.connect(app, device.headers).is_connected()
    found = own.get("/auth/sessions").get_json()["sessions"]
    (session_id,) = (each["id"] for each in found if not each["current"])
    assert own.delete(f"/auth/sessions/{session_id}").status_code == 204
    sessions: LiveSessions = app.extensions[LIVE]
    assert [str(sessions._sessions[sid].identity.sign_in_id) for sid in sessions._ended()] == [session_id]
