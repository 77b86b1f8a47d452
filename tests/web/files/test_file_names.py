"""Naming a file: which names every door takes, and whom they belong to."""

import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.conftest import Device, frame
from tests.web.conftest import SignIn, signed_in
from tests.web.forms import file_form, form, part
from transfer_service.wire.chunk_frames import SHORT_FRAME

REFUSED = [
    pytest.param("%2F", id="slash"),
    pytest.param("%2Fa", id="slash-in-front"),
    pytest.param("a%2F", id="slash-behind"),
    pytest.param("a%2F%2Fb", id="two-slashes"),
    pytest.param("a%2F.%2Fb", id="dot-between"),
    pytest.param("a%2F..", id="two-dots-behind"),
    pytest.param("/".join("a" * 17), id="17-labels"),
    pytest.param("/".join(["a" * 255] * 4) + "/b", id="1025-bytes"),
    pytest.param("a/b%0Ac", id="newline-in-a-folder"),
    pytest.param("..%2F..%2Fetc%2Fpasswd", id="parent-path"),
    pytest.param("a%5Cb", id="backslash"),
    pytest.param(".", id="dot"),
    pytest.param("..", id="two-dots"),
    pytest.param("a%00b", id="nul"),
    pytest.param("a%0Ab", id="newline"),
    pytest.param("a%0D%0AX-Evil:%201", id="carriage-return"),
    pytest.param("a%7Fb", id="delete"),
    pytest.param("a%C2%85b", id="c1-control"),
    *[
        pytest.param("a" + quote(chr(point)) + "b", id=f"U+{point:04X}")
        for point in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
    ],
    pytest.param("a" * 256, id="256-bytes"),
    pytest.param(quote("é" * 128), id="128-characters-of-two-bytes"),
    pytest.param("%FF", id="not-utf-8"),
    pytest.param("a%C3", id="cut-utf-8"),
    pytest.param("%C0%AF", id="overlong-slash"),
    pytest.param("%ED%A0%80", id="surrogate"),
]
TAKEN = [
    pytest.param("a", id="one-byte"),
    pytest.param("a" * 255, id="255-bytes"),
    pytest.param("é" * 127 + "x", id="255-bytes-of-utf-8"),
    pytest.param("...", id="three-dots"),
    pytest.param(".hidden", id="leading-dot"),
    pytest.param(" a b ", id="spaces"),
    pytest.param("CON", id="windows-device"),
    pytest.param("100%.txt", id="percent"),
    pytest.param("a+b&c=d?e#f;g.txt", id="url-characters"),
    pytest.param("\"quoted\" 'name'.txt", id="quotes"),
    pytest.param("<script>alert(1)</script>".replace("/", ""), id="markup"),
    pytest.param("文件.bin", id="chinese"),
    pytest.param("😀.bin", id="emoji"),
    pytest.param("a\u200db", id="joiner"),
    pytest.param("שלום.txt", id="right-to-left-letters"),
    pytest.param("~root", id="tilde"),
    pytest.param("a:b|c*d", id="windows-forbidden"),
    pytest.param("upload", id="name-of-a-route"),
    pytest.param("a/b", id="in-a-folder"),
    pytest.param("/".join("a" * 16), id="16-labels"),
    pytest.param("/".join(["a" * 255] * 4), id="1023-bytes"),
    pytest.param("a\uff0fb", id="wide-slash"),
]
SHORT = SHORT_FRAME.format(0, b"x")

Use = Callable[[Device, str], TestResponse]


def at(method: str, folder: str, **arguments: Any) -> Use:
    """A request with the name in its path, byte for byte: the test client would replace what is not UTF-8."""

    def use(device: Device, name: str) -> TestResponse:
        path = unquote_to_bytes(folder + name).decode("latin-1")
        return device.request(method, folder + name, environ_overrides={"PATH_INFO": path}, **arguments)

    return use


USES: list[Any] = [
    pytest.param(lambda d, n: d.post(f"/api/files/upload?filename={n}", data=frame(0, b"x")), id="17-byte"),
    pytest.param(lambda d, n: d.post(f"/api/files?filename={n}", data=b"x"), id="whole-file"),
    pytest.param(at("POST", "/upload/", data=SHORT, headers={"Content-Range": "bytes 0-0/1"}), id="12-byte"),
    pytest.param(at("GET", "/api/files/status/"), id="status"),
    pytest.param(at("GET", "/status/"), id="root-status"),
    pytest.param(at("GET", "/api/files/download/"), id="download"),
    pytest.param(at("GET", "/download/"), id="root-download"),
    pytest.param(at("DELETE", "/api/files/"), id="delete"),
    pytest.param(at("PUT", "/api/files/", data=b"x"), id="put"),
    pytest.param(at("GET", "/api/folders/"), id="folder"),
    pytest.param(at("DELETE", "/api/folders/"), id="delete-folder"),
]


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", REFUSED)
def test_a_name_against_the_rules_is_400_at_every_door(shared_device: Device, use: Use, name: str) -> None:
    response = use(shared_device, name)
    assert (response.status_code, list(response.get_json())) == (400, ["detail"])
    assert shared_device.names() == []
    assert shared_device.get("/api/files?folder=").get_json()["folders"] == []


@pytest.mark.parametrize("name", TAKEN)
def test_any_other_name_comes_back_exactly_and_is_found_again(device: Device, name: str) -> None:
    sent = device.post(f"/api/files/upload?filename={quote(name, safe='')}", data=frame(0, b"x"))
    assert (sent.status_code, sent.get_json()["filename"]) == (200, name)
    assert device.get(f"/api/files/download/{quote(name, safe='')}").data == b"x"
    assert device.delete(f"/api/files/{quote(name, safe='')}").get_json() == {
        "detail": f"File {name} deleted successfully"
    }


@pytest.mark.parametrize(
    "filename",
    [
        pytest.param(b"..", id="two-dots"),
        pytest.param(b"a/", id="slash-behind"),
        pytest.param(b"/a", id="slash-in-front"),
        pytest.param(b"../../etc/passwd", id="parent-path"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff.bin", id="not-utf-8"),
        pytest.param(b"a" * 256, id="256-bytes"),
        pytest.param(b"a\xe2\x80\xaeb", id="right-to-left-override"),
    ],
)
def test_the_name_of_a_part_is_held_to_the_same_rules(shared_device: Device, filename: bytes) -> None:
    response = shared_device.post("/api/files", **form(part("file", b"data", filename=filename)))
    assert (response.status_code, list(response.get_json())) == (400, ["detail"])
    assert shared_device.names() == []


def test_the_name_of_a_part_may_be_any_utf8(device: Device) -> None:
    response = device.post("/api/files", **file_form(b"data", "文件 😀.bin".encode()))
    assert (response.status_code, response.get_json()["filename"]) == (201, "文件 😀.bin")
    assert device.names() == ["文件 😀.bin"]


def test_four_names_that_only_look_alike_are_four_files(device: Device) -> None:
    names = ["A", "a", "文件.bin", "图片.bin"]
    for name in names:
        device.send(frame(0, name.encode()), name)
    assert sorted(device.names()) == sorted(names)
    assert [device.get(f"/api/files/download/{name}").data for name in names] == [name.encode() for name in names]


def test_composed_and_decomposed_names_are_one_file(device: Device) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Größe é.bin") for form in ("NFC", "NFD"))
    device.send(frame(0, b"he"), decomposed)
    answer = device.send(frame(2, b"llo"), composed).get_json()
    assert (answer["filename"], answer["bytes_received"]) == (composed, 5)
    assert device.get(f"/api/files/download/{quote(decomposed)}").data == b"hello"


def test_a_name_is_measured_after_composition(device: Device) -> None:
    decomposed = "e\u0301" * 127  # 381 bytes as sent, 254 composed
    response = device.send(frame(0, b"x"), decomposed)
    assert response.status_code == 200
    assert device.names() == ["é" * 127]


def test_names_are_per_account(device: Device, other_device: Device) -> None:
    device.send(frame(0, b"alice"))
    other_device.send(frame(0, b"bob's"))
    assert device.get("/api/files/download/log.bin").data == b"alice"
    other_device.delete("/api/files/log.bin")
    assert device.names() == ["log.bin"]


@pytest.mark.parametrize(
    "target", ["/api/files/download/log.bin", "/download/log.bin", "/api/files/status/log.bin", "/status/log.bin"]
)
def test_another_accounts_file_looks_like_no_file(device: Device, other_device: Device, target: str) -> None:
    device.store(b"secret")
    seen = other_device.get(target)
    nothing = other_device.get(target.replace("log.bin", "gone.bin"))
    assert (seen.status_code, seen.text) == (nothing.status_code, nothing.text.replace("gone.bin", "log.bin"))


def test_a_double_slash_does_not_hide_a_name(shared_app: Flask) -> None:
    response = signed_in(shared_app, "alice").get("/api/files/download//etc/passwd")
    assert (response.status_code, list(response.get_json())) in [(400, ["detail"]), (404, ["detail"])]
    assert "Location" not in response.headers


def test_two_accounts_can_be_signed_in_on_one_client(app: Flask, sign_in: SignIn) -> None:
    sign_in(app, "alice").store(b"x")
    assert sign_in(app, "bob").names() == []
    assert sign_in(app, "alice").names() == ["log.bin"]
