"""Signed addresses of previews, of files and of attachments."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from flask import Flask

from tests.conftest import Device
from tests.previewer.samples import picture
from tests.previewer.working import working
from tests.web.chat.bench import Chat
from tests.web.sharing.bench import INVALID, fetch, query_of, refusal, sign, sign_file, with_query
from transfer_service.bootstrap import Services
from transfer_service.services.previews.maker import Maker
from transfer_service.web.context import EXTENSION


@pytest.fixture(scope="module")
def app(shared_app: Flask) -> Iterator[Flask]:
    """An app beside which a worker works."""
    services: Services = shared_app.extensions[EXTENSION]
    maker = Maker()
    with working(services.core, maker):
        yield shared_app
    maker.stop()


@pytest.fixture(scope="module")
def chat(app: Flask) -> Chat:
    return Chat(app)


@pytest.mark.parametrize("size", [160, 480, 1280])
def test_it_shows_the_preview_of_a_file(app: Flask, shared_device: Device, size: int) -> None:
    file_id = shared_device.store(picture(), f"{size}.jpg")["file_id"]
    url = sign_file(shared_device, file_id, thumbnail=size, inline=True)
    assert (urlsplit(url).path, query_of(url)["size"]) == (f"/api/files/{file_id}/thumbnail", str(size))
    response, own = fetch(app, url), shared_device.get(f"/api/files/{file_id}/thumbnail?size={size}")
    assert (response.status_code, response.mimetype, response.data) == (200, "image/webp", own.data)
    for name in ("ETag", "Cache-Control", "Content-Disposition", "Content-Security-Policy"):
        assert response.headers[name] == own.headers[name]
    assert fetch(app, url, method="HEAD").headers["Content-Length"] == str(len(own.data))
    assert fetch(app, url, headers={"If-None-Match": own.headers["ETag"]}).status_code == 304


def test_it_shows_the_preview_of_an_attachment(app: Flask, chat: Chat) -> None:
    group = chat.group("bob")
    message = chat.send(group, picture(), b"lake.jpg")
    url = sign(chat["bob"], f"/messages/{message['_id']}", thumbnail=480)
    assert urlsplit(url).path == f"/uploads/chats/{message['_id']}/thumbnail"
    assert fetch(app, url).data == chat["bob"].get(f"{urlsplit(url).path}?size=480").data
    chat.leave(group, "bob")
    assert refusal(fetch(app, url)) == (403, INVALID)


def test_it_is_for_one_size_and_not_for_the_file(app: Flask, shared_device: Device) -> None:
    file_id = shared_device.store(picture(), "one size.jpg")["file_id"]
    small, whole = sign_file(shared_device, file_id, thumbnail=160), sign_file(shared_device, file_id)
    for changed in (
        with_query(small, size="1280"),
        with_query(small, size=None),
        small.replace("/thumbnail", "/download"),
        with_query(small.replace("/thumbnail", "/download"), size=None),
        whole.replace("/download", "/thumbnail") + "&size=160",
    ):
        assert refusal(fetch(app, changed)) == (403, INVALID), changed


def test_it_ends_with_the_file(app: Flask, shared_device: Device) -> None:
    file_id = shared_device.store(picture(), "gone.jpg")["file_id"]
    url = sign_file(shared_device, file_id, thumbnail=160)
    assert fetch(app, url).status_code == 200
    assert shared_device.delete(f"/api/files/{file_id}").status_code == 200
    assert refusal(fetch(app, url)) == (403, INVALID)


def test_of_what_is_no_picture_there_is_none(app: Flask, shared_device: Device) -> None:
    """The address is good: what it is for is there, and only has no preview."""
    file_id = shared_device.store(b"text", "a.txt")["file_id"]
    response = fetch(app, sign_file(shared_device, file_id, thumbnail=160))
    assert (response.status_code, response.get_json()) == (404, {"detail": "There is no preview of this file"})
