"""`upload_progress`: an account's own sockets hear how far its uploads are."""

import time
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Device
from tests.web.chat import socket_client
from tests.web.uploads.bench import Draft, Tus, id_of, metadata

SIZE = 20


def listen(app: Flask, device: Device) -> Any:
    """A connected socket of Flask-SocketIO's test client."""
    client = socket_client.connect(app, device.headers)
    assert client.is_connected()
    return client


def heard(client: Any) -> list[dict[str, Any]]:
    """The progress since one last asked."""
    return [event["args"][0] for event in client.get_received() if event["name"] == "upload_progress"]


def test_an_append_is_told_with_its_upload(app: Flask, device: Device) -> None:
    socket = listen(app, device)
    tus = Tus(device)
    location = tus.begin(metadata(filename="log.bin"))
    tus.patch(location, b"hel")
    assert heard(socket) == [{"upload_id": str(id_of(location)), "filename": "log.bin", "offset": 3, "length": 5}]


def test_bytes_without_a_length_are_told_too(app: Flask, device: Device) -> None:
    socket = listen(app, device)
    location = Draft(device).begin(b"hel")
    (event,) = heard(socket)
    assert (event["upload_id"], event["offset"], event["length"]) == (str(id_of(location)), 3, None)


def test_many_appends_are_told_once_a_second_and_at_the_end(app: Flask, device: Device) -> None:
    socket = listen(app, device)
    tus = Tus(device)
    location = tus.begin({"Upload-Length": str(SIZE)})
    began_at = time.monotonic()
    for offset in range(SIZE):
        tus.patch(location, b"x", offset=offset)
    seconds = time.monotonic() - began_at
    offsets = [event["offset"] for event in heard(socket)]
    assert (offsets[0], offsets[-1]) == (1, SIZE)
    assert len(offsets) <= 2 + seconds
    assert offsets == sorted(set(offsets))


@pytest.mark.parametrize("size", [0, 5])
def test_an_upload_of_one_request_is_told_once(app: Flask, device: Device, size: int) -> None:
    socket = listen(app, device)
    data = b"hello"[:size]
    Tus(device).begin({"Upload-Length": str(size), **metadata(filename="log.bin")}, data)
    assert [(event["offset"], event["length"], event["filename"]) for event in heard(socket)] == [
        (size, size, "log.bin")
    ]


def test_the_last_event_has_the_name_that_the_file_got(app: Flask, device: Device) -> None:
    device.store(b"old", "log.bin")
    socket = listen(app, device)
    Draft(device).finish(b"hello", {"Content-Disposition": "attachment; filename=log.bin"})
    assert [event["filename"] for event in heard(socket)][-1] == "log (2).bin"
    assert set(device.names()) == {"log.bin", "log (2).bin"}


def test_every_socket_of_the_account_hears_and_nobody_else_s(
    app: Flask, device: Device, other_device: Device, admin: Device
) -> None:
    own = [listen(app, device), listen(app, device)]
    others = [listen(app, other_device), listen(app, admin)]
    Tus(device).begin(None, b"hel")
    assert [len(heard(socket)) for socket in own] == [1, 1]
    assert [heard(socket) for socket in others] == [[], []]


def test_two_uploads_do_not_silence_each_other(app: Flask, device: Device) -> None:
    socket = listen(app, device)
    tus = Tus(device)
    begun = [tus.begin(None, b"hel"), tus.begin(None, b"hell")]
    assert [event["upload_id"] for event in heard(socket)] == [str(id_of(each)) for each in begun]


def test_what_does_not_move_an_upload_is_not_told(app: Flask, device: Device) -> None:
    tus = Tus(device)
    location = tus.begin(None, b"hel")
    socket = listen(app, device)
    refused = [tus.patch(location, b"o", offset=4), tus.patch(location, b"lo!", offset=3)]
    tus.head(location)
    tus.delete(location)
    assert [each.status_code for each in refused] == [409, 413]
    assert heard(socket) == []


@pytest.fixture
def deaf_device(app: Flask, device: Device, monkeypatch: pytest.MonkeyPatch) -> Device:
    """A client of an app that cannot deliver any event."""

    def broken(*_args: Any, **_options: Any) -> None:
        raise ConnectionError("nobody delivers")

    monkeypatch.setattr(app.extensions["socketio"], "emit", broken)
    return device


def test_bytes_that_nobody_hears_of_count(deaf_device: Device) -> None:
    tus = Tus(deaf_device)
    location = tus.begin(None, b"hel")
    response = tus.patch(location, b"lo", offset=3)
    assert (response.status_code, response.headers["X-File-Id"]) == (204, str(id_of(location)))
    assert deaf_device.get(f"/api/files/{id_of(location)}/download").data == b"hello"
