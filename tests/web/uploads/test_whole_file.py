"""Sending a whole file in one request: `POST /api/files`."""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Device, frame
from tests.web.conftest import blobs
from tests.web.forms import file_form, form, part
from tests.web.uploads.bench import digest


def sha256(data: bytes) -> str:
    """A digest field's value."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        pytest.param("?filename=log.bin", {"data": b"hello"}, id="raw"),
        pytest.param("", file_form(b"hello", b"log.bin"), id="form"),
        pytest.param("?filename=log.bin", file_form(b"hello", b"other.bin"), id="query-before-the-part's-name"),
        pytest.param("", form(part("note", b"x"), part("file", b"hello", filename=b"log.bin")), id="field-before"),
        pytest.param("", form(part("file", b"hello", filename=b"log.bin"), part("note", b"x")), id="field-behind"),
    ],
)
def test_the_answer_is_201_with_the_same_fields_and_a_location(
    device: Device, target: str, arguments: dict[str, Any]
) -> None:
    response = device.post(f"/api/files{target}", **arguments)
    answer = response.get_json()
    location = f"/api/files/{answer.pop('file_id')}/download"
    assert (response.status_code, response.headers["Location"]) == (201, location)
    assert answer.pop("created_at") == answer.pop("updated_at")
    assert answer == {
        "filename": "log.bin",
        "status": "complete",
        "bytes_received": 5,
        "total_bytes": 5,
        "next_expected_byte": 5,
        "sha256": hashlib.sha256(b"hello").hexdigest(),
        "total_inferred": False,
        "content_type": "application/octet-stream",
    }
    assert device.get(location).data == b"hello"


@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        pytest.param("?filename=empty", {"data": b""}, id="raw"),
        pytest.param("", file_form(b"", b"empty"), id="form"),
    ],
)
def test_a_file_of_no_bytes_is_a_file(device: Device, target: str, arguments: dict[str, Any]) -> None:
    answer = device.post(f"/api/files{target}", **arguments).get_json()
    assert (answer["status"], answer["total_bytes"], answer["sha256"]) == ("complete", 0, hashlib.sha256().hexdigest())
    download = device.get("/api/files/download/empty")
    assert (download.status_code, download.headers["Content-Length"], download.data) == (200, "0", b"")


@pytest.mark.parametrize(
    ("target", "arguments", "detail"),
    [
        pytest.param("", {"data": b"hello"}, "Missing filename", id="raw-without-a-name"),
        pytest.param("?filename=", {"data": b"hello"}, "Missing filename", id="raw-with-an-empty-name"),
        pytest.param("", form(part("file", b"hello")), "Missing filename", id="part-without-a-name"),
        pytest.param("", form(part("data", b"hello", filename=b"a")), "Missing file part", id="other-part"),
        pytest.param("", form(), "Missing file part", id="no-part"),
        pytest.param(
            "",
            form(part("file", b"1", filename=b"a"), part("file", b"2", filename=b"b")),
            "More than one file part",
            id="two-files",
        ),
        pytest.param(
            "",
            {**file_form(b"hello"), "data": file_form(b"hello")["data"][:-12]},
            "Malformed multipart body",
            id="broken-form",
        ),
    ],
)
def test_an_incomplete_request_leaves_nothing(
    device: Device, tmp_path: Path, target: str, arguments: dict[str, Any], detail: str
) -> None:
    response = device.post(f"/api/files{target}", **arguments)
    assert (response.status_code, response.get_json()) == (400, {"detail": detail})
    assert device.names() == []
    assert blobs(tmp_path / "data") == []


@pytest.mark.parametrize("wrap", [lambda data: {"data": data}, file_form], ids=["raw", "form"])
def test_a_body_cut_short_leaves_nothing(
    device: Device, tmp_path: Path, wrap: Callable[[bytes], dict[str, Any]]
) -> None:
    arguments = wrap(b"hello")
    announced = {"CONTENT_LENGTH": str(len(arguments["data"]) + 5)}
    response = device.post("/api/files?filename=log.bin", environ_overrides=announced, **arguments)
    assert (response.status_code, list(response.get_json())) == (400, ["detail"])
    assert device.names() == []
    assert blobs(tmp_path / "data") == []


def test_taken_names_are_numbered(device: Device) -> None:
    names = [device.store(bytes([number]), "photo.jpg")["filename"] for number in range(3)]
    assert names == ["photo.jpg", "photo (2).jpg", "photo (3).jpg"]
    assert [device.get(f"/api/files/download/{name}").data for name in names] == [b"\0", b"\1", b"\2"]


@pytest.mark.parametrize(
    ("name", "numbered"),
    [
        pytest.param("README", "README (2)", id="no-extension"),
        pytest.param(".profile", ".profile (2)", id="only-a-dot"),
        pytest.param("a.tar.gz", "a.tar (2).gz", id="two-extensions"),
        pytest.param("文件.bin", "文件 (2).bin", id="chinese"),
        pytest.param("a" * 251 + ".bin", "a" * 247 + " (2).bin", id="longest-name"),
    ],
)
def test_a_number_goes_before_the_extension(device: Device, name: str, numbered: str) -> None:
    device.store(b"old", name)
    assert device.store(b"new", name)["filename"] == numbered
    assert sorted(device.names()) == sorted([name, numbered])


def test_the_name_of_an_unfinished_upload_is_taken_too(device: Device) -> None:
    device.send(frame(0, b"x"), query={"total_size": 9})
    assert device.store(b"hello")["filename"] == "log (2).bin"
    assert device.status()["bytes_received"] == 1


def test_the_same_name_of_another_account_is_free(device: Device, other_device: Device) -> None:
    device.store(b"alice")
    assert other_device.store(b"bob")["filename"] == "log.bin"
    assert device.get("/api/files/download/log.bin").data == b"alice"


@pytest.mark.parametrize("old_is_whole", [True, False], ids=["whole", "unfinished"])
def test_overwrite_replaces_the_old_file(device: Device, tmp_path: Path, old_is_whole: bool) -> None:
    device.send(frame(0, b"old"), query={"total_size": 3 if old_is_whole else 9})
    new = device.store(b"new bytes", query={"overwrite": "true"})
    assert (new["filename"], device.names()) == ("log.bin", ["log.bin"])
    assert device.get("/api/files/download/log.bin").data == b"new bytes"
    assert len(blobs(tmp_path / "data")) == 1


def test_a_refused_overwrite_keeps_the_old_file(device: Device, tmp_path: Path) -> None:
    old = device.store(b"old")
    target = "/api/files?filename=log.bin&overwrite=true"
    response = device.post(target, data=b"new", headers={"Content-Digest": sha256(b"other")})
    assert (response.status_code, device.status()["file_id"]) == (400, old["file_id"])
    assert device.get("/api/files/download/log.bin").data == b"old"
    assert len(blobs(tmp_path / "data")) == 1


def test_overwriting_what_is_not_there_is_a_plain_upload(device: Device) -> None:
    assert device.store(b"hello", query={"overwrite": "true"})["filename"] == "log.bin"
    assert device.names() == ["log.bin"]


@pytest.mark.parametrize("field", ["Content-Digest", "Repr-Digest"])
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(sha256(b"hello"), id="sha-256"),
        pytest.param("md5=:YWJj:, " + sha256(b"hello"), id="behind-an-unknown-algorithm"),
        pytest.param("md5=:YWJj:", id="only-an-unknown-algorithm"),
        pytest.param(digest(b"hello", "sha-512"), id="sha-512"),
        pytest.param(digest(b"hello", "sha-512") + ", " + sha256(b"hello"), id="both"),
    ],
)
def test_a_digest_that_matches_is_taken(device: Device, field: str, value: str) -> None:
    assert device.store(b"hello", headers={field: value})["status"] == "complete"
    assert device.names() == ["log.bin"]


@pytest.mark.parametrize("field", ["Content-Digest", "Repr-Digest"])
@pytest.mark.parametrize(
    ("value", "detail"),
    [
        pytest.param(sha256(b"other"), "The digest does not match the content", id="other-content"),
        pytest.param(digest(b"other", "sha-512"), "The digest does not match the content", id="other-sha-512"),
        pytest.param(
            digest(b"other", "sha-512") + ", " + sha256(b"hello"),
            "The digest does not match the content",
            id="one-of-two",
        ),
        pytest.param("sha-512=:YWJj:", "Invalid {} header", id="short-sha-512"),
        pytest.param("sha-256", "Invalid {} header", id="no-value"),
        pytest.param("sha-256=abc", "Invalid {} header", id="no-colons"),
        pytest.param("sha-256=:!!!:", "Invalid {} header", id="no-base64"),
        pytest.param("sha-256=:YWJj:", "Invalid {} header", id="three-bytes"),
        pytest.param("sha-256=:" + "A" * 42 + ":", "Invalid {} header", id="31-bytes"),
        pytest.param("", "Invalid {} header", id="empty"),
        pytest.param(hashlib.sha256(b"hello").hexdigest(), "Invalid {} header", id="hexadecimal"),
    ],
)
def test_a_digest_that_is_wrong_leaves_nothing(
    device: Device, tmp_path: Path, field: str, value: str, detail: str
) -> None:
    response = device.post("/api/files?filename=log.bin", data=b"hello", headers={field: value})
    assert (response.status_code, response.get_json()) == (400, {"detail": detail.format(field)})
    assert device.names() == []
    assert blobs(tmp_path / "data") == []


@pytest.mark.parametrize("covers", ["form", "file"])
def test_a_digest_of_a_form_may_cover_the_form_or_the_file(device: Device, covers: str) -> None:
    arguments = file_form(b"hello", b"log.bin")
    covered = arguments["data"] if covers == "form" else b"hello"
    response = device.post("/api/files", headers={"Content-Digest": sha256(covered)}, **arguments)
    assert response.status_code == 201
    assert device.names() == ["log.bin"]


def test_a_wrong_digest_of_a_form_leaves_nothing(device: Device, tmp_path: Path) -> None:
    headers = {"Content-Digest": sha256(b"other")}
    response = device.post("/api/files", headers=headers, **file_form(b"hello", b"log.bin"))
    assert (response.status_code, device.names()) == (400, [])
    assert blobs(tmp_path / "data") == []


@pytest.mark.parametrize(
    ("name", "declared", "stored"),
    [
        pytest.param("a.bin", "text/plain; charset=utf-8", "text/plain; charset=utf-8", id="as-declared"),
        pytest.param("a.txt", "image/png", "image/png", id="declared-before-extension"),
        pytest.param("a.jpg", "application/octet-stream", "image/jpeg", id="by-extension"),
        pytest.param("a.jpg", "application/x-www-form-urlencoded", "image/jpeg", id="curl's-default"),
        pytest.param("a.unknown-type", None, "application/octet-stream", id="neither"),
        pytest.param("a.jpg", "no media type", "image/jpeg", id="malformed"),
    ],
)
def test_the_media_type_is_kept(device: Device, name: str, declared: str | None, stored: str) -> None:
    device.store(b"hello", name, content_type=declared)
    assert device.get(f"/api/files/download/{name}").headers["Content-Type"] == stored


def test_the_media_type_of_a_part_is_kept(device: Device) -> None:
    device.post("/api/files", **form(part("file", b"x", filename=b"a.bin", media_type="image/webp")))
    assert device.get("/api/files/download/a.bin").headers["Content-Type"] == "image/webp"


@pytest.mark.parametrize(
    ("settings", "detail"),
    [
        pytest.param({"max_file_bytes": 4}, "File exceeds the maximum size", id="limit"),
        pytest.param({"quota_bytes": 4}, "Storage quota exceeded", id="quota"),
    ],
)
@pytest.mark.parametrize("wrap", [lambda data: {"data": data}, file_form], ids=["raw", "form"])
def test_a_file_without_room_is_413_and_leaves_nothing(
    make_app: Callable[..., Flask],
    sign_in: Callable[[Flask, str], Device],
    tmp_path: Path,
    wrap: Callable[[bytes], dict[str, Any]],
    settings: dict[str, int],
    detail: str,
) -> None:
    device = sign_in(make_app(**settings), "alice")
    response = device.post("/api/files?filename=log.bin", **wrap(b"hello"))
    assert (response.status_code, response.get_json()) == (413, {"detail": detail})
    assert device.names() == []
    assert blobs(tmp_path / "data") == []


def test_refused_files_take_no_room(make_app: Callable[..., Flask], sign_in: Callable[[Flask, str], Device]) -> None:
    device = sign_in(make_app(quota_bytes=5), "alice")
    for _ in range(3):
        device.post("/api/files?filename=log.bin", data=b"hello", headers={"Content-Digest": sha256(b"other")})
    device.store(b"hello")
    device.delete("/api/files/log.bin")
    assert device.store(b"world")["status"] == "complete"
    assert device.post("/api/files?filename=more.bin", data=b"!").status_code == 413
