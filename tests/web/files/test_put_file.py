"""A whole file under this very name: `PUT /api/files/NAME`."""

import base64
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from werkzeug.test import TestResponse

from tests.conftest import Device, frame
from tests.web.conftest import blobs


def put(device: Device, name: str = "log.bin", data: bytes = b"hello", **arguments: Any) -> TestResponse:
    return device.request("PUT", f"/api/files/{quote(name, safe='')}", data=data, **arguments)


def test_a_new_file_is_201_and_a_replaced_one_200(device: Device, tmp_path: Path) -> None:
    answers = [put(device, data=data) for data in (b"old", b"new")]
    assert [answer.status_code for answer in answers] == [201, 200]
    facts = answers[1].get_json()
    assert (facts["filename"], facts["sha256"]) == ("log.bin", hashlib.sha256(b"new").hexdigest())
    assert answers[1].headers["Location"] == f"/api/files/{facts['file_id']}/download"
    assert (device.get("/download/log.bin").data, device.names(), len(blobs(tmp_path / "data"))) == (
        b"new",
        ["log.bin"],
        1,
    )


def test_the_new_file_has_an_id_of_its_own(device: Device) -> None:
    old, new = (put(device, data=data).get_json()["file_id"] for data in (b"old", b"new"))
    assert device.get(f"/api/files/{old}/download").status_code == 404
    assert device.get(f"/api/files/{new}/download").data == b"new"


def test_an_upload_of_that_name_is_replaced(device: Device) -> None:
    device.send(frame(0, b"x"), query={"total_size": 9})
    assert put(device).status_code == 200
    assert device.status()["status"] == "complete"


@pytest.mark.parametrize("name", ["a b.txt", "文件.bin", "status", "upload", "100%25.txt", "é" * 127])
def test_a_name_is_only_a_name(device: Device, name: str) -> None:
    assert put(device, name).status_code == 201
    assert device.names() == [name]


def test_a_form_is_stored_as_it_is(device: Device) -> None:
    put(device, "form.txt", b"--b--", content_type="multipart/form-data; boundary=b")
    answer = device.get("/download/form.txt")
    assert (answer.data, answer.headers["Content-Type"]) == (b"--b--", "text/plain")


@pytest.mark.parametrize(
    ("name", "arguments", "status"),
    [
        pytest.param("a//b", {}, 400, id="two-slashes"),
        pytest.param("..", {}, 400, id="dots"),
        pytest.param("\u202ea", {}, 400, id="bidirectional"),
        pytest.param("a\\b", {}, 400, id="backslash"),
        pytest.param("é" * 128, {}, 400, id="256-bytes"),
        pytest.param("log.bin", {"query_string": {"overwrite": "true"}}, 400, id="unknown-parameter"),
        pytest.param(
            "log.bin",
            {"headers": {"Repr-Digest": f"sha-256=:{base64.b64encode(bytes(32)).decode()}:"}},
            400,
            id="other-digest",
        ),
    ],
)
def test_a_refused_file_leaves_the_old_one(device: Device, name: str, arguments: dict[str, Any], status: int) -> None:
    device.store(b"old")
    assert put(device, name, **arguments).status_code == status
    assert (device.names(), device.get("/download/log.bin").data) == (["log.bin"], b"old")
