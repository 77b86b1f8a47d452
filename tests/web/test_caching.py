"""`Cache-Control: no-store` and `nosniff`: every answer but bytes, by every route, errors too."""

import re
from http import HTTPStatus

import pytest
from flask import Flask

from tests.conftest import Device
from tests.web.chat.bench import attachment_form
from tests.web.test_openapi import operations

NEITHER_KEPT_NOR_GUESSED = ("no-store", "nosniff")
BYTES = ("private, no-cache", "nosniff")
NONE = "00000000-0000-4000-8000-000000000000"
BAD_NAME = "a%5Cb"
CALLS = [
    pytest.param(method.upper(), re.sub(r"\{\w+\}", BAD_NAME if method == "put" else NONE, path), id=f"{method} {path}")
    for path, method, _ in operations()
    if path not in {"/docs/assets/{filename}", "/", "/console/", "/console/{place}"}
]


def told(device: Device, method: str, path: str, **arguments: object) -> tuple[str | None, str | None]:
    """What an answer says of keeping and guessing."""
    headers = device.request(method, path, **arguments).headers
    return headers.get("Cache-Control"), headers.get("X-Content-Type-Options")


@pytest.mark.parametrize("path", ["/", "/console/", "/console/links"])
def test_the_page_of_the_console_is_asked_for_anew_but_is_nobody_s_secret(device: Device, path: str) -> None:
    assert told(device, "GET", path, headers={"Accept": "text/html"}) == ("no-cache", "nosniff")
    assert told(device, "GET", "/", headers={"Accept": "application/json"}) == NEITHER_KEPT_NOR_GUESSED


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_no_answer_of_a_route_is_kept(shared_app: Flask, shared_device: Device, method: str, path: str) -> None:
    nobody = Device(shared_app.test_client(use_cookies=False), {})
    assert told(nobody, method, path) == NEITHER_KEPT_NOR_GUESSED
    if not path.startswith("/auth/logout"):
        expected = BYTES if path == "/api/account/export" else NEITHER_KEPT_NOR_GUESSED
        assert told(shared_device, method, path) == expected


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/no-such-page", 404),
        ("PATCH", "/api/files", 405),
        ("OPTIONS", "/api/files", 200),
        ("OPTIONS", "/api/uploads", 204),
        ("GET", "/api/files?colour=red", 400),
        ("GET", "/socket.io/?EIO=4&transport=polling&sid=unknown", 400),
    ],
)
def test_nor_is_any_other(shared_device: Device, method: str, path: str, status: int) -> None:
    answer = shared_device.request(method, path)
    assert answer.status_code == HTTPStatus(status)
    assert (answer.headers.get_all("Cache-Control"), answer.headers.get_all("X-Content-Type-Options")) == (
        ["no-store"],
        ["nosniff"],
    )


def test_an_answer_without_a_body_has_no_type_of_one(device: Device) -> None:
    assert device.post("/api/folders", json={"path": "a"}).status_code == 201
    calls = [
        ("OPTIONS", "/api/uploads"),
        ("DELETE", "/api/folders/a"),
        ("DELETE", "/api/trash"),
        ("POST", "/auth/logout"),
    ]
    for method, path in calls:
        answer = device.request(method, path)
        assert (answer.status_code, answer.headers.get("Content-Type")) == (204, None), path


@pytest.mark.parametrize(
    ("headers", "status", "kept"),
    [
        pytest.param({}, 200, "private, no-cache", id="whole"),
        pytest.param({"Range": "bytes=0-1"}, 206, "private, no-cache", id="part"),
        pytest.param({"If-Modified-Since": "Sat, 01 Jan 2050 00:00:00 GMT"}, 304, "private, no-cache", id="unchanged"),
        pytest.param({"Range": "bytes=9-"}, 416, "no-store", id="not-satisfiable"),
        pytest.param({"If-Match": '"other"'}, 412, "no-store", id="precondition"),
    ],
)
def test_bytes_are_kept_and_what_is_said_instead_of_them_is_not(
    shared_device: Device, headers: dict[str, str], status: int, kept: str
) -> None:
    shared_device.store(b"hello", query={"overwrite": "true"})
    answer = shared_device.get("/download/log.bin", headers=headers)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (status, kept)
    assert answer.headers.get_all("X-Content-Type-Options") == ["nosniff"]


def test_a_failure_of_the_service_is_not_kept(app: Flask, device: Device) -> None:
    app.testing = False
    app.view_functions["stored_files.status"] = _fail
    answer = device.get("/api/files/status/log.bin")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (500, "no-store")


def _fail(name: str) -> str:
    raise RuntimeError(name)


def test_a_form_that_is_too_large_is_not_kept(shared_device: Device) -> None:
    arguments = attachment_form("0" * 24, b"x", b"a.bin")
    assert told(shared_device, "POST", "/messages/upload", **arguments) == NEITHER_KEPT_NOR_GUESSED
