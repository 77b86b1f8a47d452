"""Previews of files of links."""

import uuid

import pytest
from flask import Flask

from tests.conftest import Device
from tests.previewer.samples import picture
from tests.previewer.working import working
from tests.web.sharing.visitors import HTML, PASSWORD, Visitor, share
from transfer_service.bootstrap import Services
from transfer_service.services.previews.maker import Maker
from transfer_service.web.context import EXTENSION


@pytest.fixture(scope="module")
def photo(shared_app: Flask, shared_device: Device) -> str:
    """A picture whose preview is made."""
    services: Services = shared_app.extensions[EXTENSION]
    file_id: str = shared_device.store(picture(), "lake.jpg")["file_id"]
    maker = Maker()
    with working(services.core, maker):
        assert shared_device.get(f"/api/files/{file_id}/thumbnail?size=160").status_code == 200
    maker.stop()
    return file_id


def test_a_preview_costs_no_download(shared_app: Flask, shared_device: Device, photo: str) -> None:
    link = share(shared_device, photo, max_downloads=1)
    visitor = Visitor(shared_app, link)
    shown = [visitor.get(f"/files/{photo}/thumbnail?size=160") for _ in range(3)]
    assert [(each.status_code, each.mimetype) for each in shown] == [(200, "image/webp")] * 3
    assert f'src="{visitor.path}/files/{photo}/thumbnail?size=160"' in visitor.get(headers=HTML).text
    assert shared_device.get(f"/api/links/{link['id']}").get_json()["downloads"] == 0
    assert visitor.download(photo).status_code == 200
    assert visitor.get(f"/files/{photo}/thumbnail?size=160").status_code == 404


def test_a_preview_is_for_whom_the_file_is(shared_app: Flask, shared_device: Device, photo: str) -> None:
    other = shared_device.store(b"text", f"{uuid.uuid4()}.jpg")["file_id"]
    locked = Visitor(shared_app, share(shared_device, photo, password=PASSWORD))
    assert locked.get(f"/files/{photo}/thumbnail?size=160").status_code == 403
    visitor = Visitor(shared_app, share(shared_device, other))
    answers = [visitor.get(f"/files/{each}/thumbnail?size=160").status_code for each in (photo, other, "no-uuid")]
    assert answers == [404, 404, 404]
    assert visitor.get(f"/files/{other}/thumbnail?size=7").status_code == 400
