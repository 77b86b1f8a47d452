"""Telling sockets what is committed, when that fails."""

from io import BytesIO
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Device

DATA = b"a photograph"


@pytest.fixture
def conversation(app: Flask, device: Device, monkeypatch: pytest.MonkeyPatch) -> str:
    """A conversation of an app that cannot deliver any event."""

    def broken(*_args: Any, **_options: Any) -> None:
        raise ConnectionError("nobody delivers")

    monkeypatch.setattr(app.extensions["socketio"], "emit", broken)
    created = device.post("/conversations/create", json={"email": "bob"}).get_json()
    return str(created["conversation_id"])


def test_a_message_that_nobody_hears_of_is_posted(device: Device, conversation: str) -> None:
    response = device.post("/messages", json={"conversation_id": conversation, "content": "hello"})
    page = device.get("/messages/get", query_string={"conversation_id": conversation}).get_json()
    assert (response.status_code, page["count"]) == (200, 1)


def test_an_attachment_that_nobody_hears_of_keeps_its_bytes(device: Device, conversation: str) -> None:
    form = {"conversation_id": conversation, "file": (BytesIO(DATA), "photo.png")}
    message = device.post("/messages/upload", data=form, content_type="multipart/form-data").get_json()["message"]
    assert device.get(message["media_url"]).data == DATA
