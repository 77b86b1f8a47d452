"""The trash over HTTP: what goes into it at every door, `/api/trash`, and what it refuses."""

import threading
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.conftest import Clock, Device, frame
from tests.web.conftest import MakeApp, SignIn
from tests.web.forms import form, part
from tests.web.uploads.bench import Tus, digest, metadata
from transfer_service.wire.instants import format_instant

DAYS = 30
HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(trash_days=DAYS)


def trash(device: Device, **query: object) -> Any:
    answer = device.get("/api/trash", query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.get_json()["files"]


def names(device: Device, **query: object) -> list[str]:
    return [each["filename"] for each in trash(device, **query)]


def restore(device: Device, file_id: str, name: object = None) -> TestResponse:
    body = {} if name is None else {"json": {"filename": name}}
    return device.post(f"/api/trash/{file_id}/restore", **body)


def refusal(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["detail"]


DELETIONS: dict[str, Callable[[Device, dict[str, Any]], TestResponse]] = {
    "name": lambda device, file: device.delete(f"/api/files/{quote(file['filename'])}"),
    "id": lambda device, file: device.delete(f"/api/files/{file['file_id']}"),
    "folder": lambda device, _file: device.delete("/api/folders/day?recursive=true"),
}


@pytest.mark.parametrize("door", DELETIONS)
def test_what_is_deleted_at_any_door_lies_there(device: Device, clock: Clock, door: str) -> None:
    file = device.store(b"hello", "day/über.txt")
    assert DELETIONS[door](device, file).status_code in (200, 204)
    shown = trash(device)
    assert len(shown) == 1
    assert shown[0].pop("deleted_at") == format_instant(clock())
    clock.advance(days=DAYS)
    assert shown[0].pop("expires_at") == format_instant(clock())
    assert shown == [
        {
            "file_id": file["file_id"],
            "filename": "day/über.txt",
            "size": 5,
            "content_type": "text/plain",
            "sha256": HELLO,
            "reason": "deleted",
        }
    ]
    assert device.names() == []


def addresses(file: dict[str, Any]) -> list[str]:
    name, file_id = quote(file["filename"]), file["file_id"]
    return [
        f"/api/files/{file_id}",
        f"/api/files/{file_id}/download",
        f"/api/files/download/{name}",
        f"/api/files/download/{file_id}",
        f"/download/{name}",
        f"/download/{file_id}",
    ]


@pytest.mark.parametrize("accel", [None, "nginx"])
def test_every_address_of_it_is_404(make_app: MakeApp, sign_in: SignIn, accel: str | None) -> None:
    app = make_app(trash_days=DAYS, accel=accel)
    device, other = sign_in(app, "alice"), sign_in(app, "bob")
    file = device.store(b"hello", "day/x")
    assert {device.get(each).status_code for each in addresses(file)} == {200}
    device.delete("/api/files/day/x")
    for asking in (device, other):
        for method in ("GET", "HEAD"):
            found = [asking.request(method, each) for each in addresses(file)]
            assert {each.status_code for each in found} == {404}
            assert not any("X-Accel-Redirect" in each.headers for each in found)
    assert device.status("day/x")["status"] == "pending"
    assert device.status(file["file_id"])["status"] == "pending"
    assert device.get("/status/day/x").get_json()["status"] == "not_found"
    assert device.get(f"/status/{file['file_id']}").get_json()["status"] == "not_found"
    assert device.request("PATCH", f"/api/files/{file['file_id']}", json={"filename": "y"}).status_code == 404
    assert device.delete("/api/files/day/x").status_code == 404
    assert device.delete(f"/api/files/{file['file_id']}").status_code == 404
    assert device.get("/api/files", query_string={"search": "x"}).get_json()["files"] == []
    assert restore(device, file["file_id"]).status_code == 200
    assert {device.get(each).status_code for each in addresses(file)} == {200}
    assert other.get(addresses(file)[1]).status_code == 403


REPLACING: dict[str, Callable[[Device, bytes], TestResponse]] = {
    "put": lambda device, data: device.request("PUT", "/api/files/day/x", data=data),
    "raw": lambda device, data: device.post(
        "/api/files", data=data, query_string={"filename": "day/x", "overwrite": "true"}
    ),
    "form": lambda device, data: device.post(
        "/api/files", query_string={"overwrite": "true"}, **form(part("file", data, filename=b"day/x"))
    ),
    "tus": lambda device, data: Tus(device).post(
        {"Upload-Length": str(len(data)), **metadata(filename="day/x", overwrite="true")}, data
    ),
    "ietf": lambda device, data: device.post(
        "/api/uploads",
        data=data,
        query_string={"overwrite": "true"},
        headers={"Upload-Complete": "?1", "Content-Disposition": "attachment; filename*=UTF-8''day%2Fx"},
    ),
}


@pytest.mark.parametrize("size", [5, 300_000])
@pytest.mark.parametrize("door", REPLACING)
def test_what_is_replaced_at_any_door_lies_there(device: Device, door: str, size: int) -> None:
    old = device.store(b"hello", "day/x")
    answer = REPLACING[door](device, b"n" * size)
    assert answer.status_code == (200 if door == "put" else 201), answer.text
    assert [(each["file_id"], each["reason"]) for each in trash(device)] == [(old["file_id"], "replaced")]
    assert device.get("/download/day/x").data == b"n" * size
    restored = restore(device, old["file_id"]).get_json()
    assert (restored["filename"], restored["file_id"]) == ("day/x (2)", old["file_id"])
    assert device.get("/download/day/x%20(2)").data == b"hello"


def test_a_put_that_replaces_nothing_is_201_and_chunks_replace_nothing(device: Device) -> None:
    assert device.request("PUT", "/api/files/x", data=b"1").status_code == 201
    assert device.send(frame(0, b"2"), "x").status_code == 409
    assert trash(device) == []


def test_the_name_is_free_at_once(device: Device) -> None:
    first = device.store(b"hello", "x")
    device.delete("/api/files/x")
    second = device.store(b"other", "x")
    assert (second["filename"], second["file_id"] != first["file_id"]) == ("x", True)
    assert device.send(frame(0, b"other"), "x", query={"total_size": 5}).status_code == 200


def test_what_is_restored_says_what_status_says(device: Device) -> None:
    file = device.store(b"hello", "a/b/x.txt")
    before = device.get(f"/api/files/{file['file_id']}/download").headers
    device.delete("/api/folders/a?recursive=true")
    answer = restore(device, file["file_id"])
    assert (answer.status_code, answer.get_json()) == (200, device.status("a/b/x.txt"))
    assert answer.get_json()["missing"] == []
    after = device.get("/download/a/b/x.txt")
    assert (after.data, after.headers["ETag"]) == (b"hello", before["ETag"])
    assert after.headers["Last-Modified"] != before["Last-Modified"]
    resumed = {"Range": "bytes=1-", "If-Range": before["Last-Modified"]}
    assert device.get("/download/a/b/x.txt", headers=resumed).status_code == 200
    assert device.get("/download/a/b/x.txt", headers={**resumed, "If-Range": before["ETag"]}).status_code == 206
    assert restore(device, file["file_id"]).status_code == 404
    assert device.get("/api/folders/a/b").get_json()["files"] == 1


def test_a_name_that_is_taken_refuses_and_changes_nothing(device: Device) -> None:
    file = device.store(b"hello", "x")
    device.delete("/api/files/x")
    device.store(b"1", "taken")
    device.store(b"2", "folder/inner")
    for name, what in [
        ("taken", "A file has this name"),
        ("folder", "A folder has this name"),
        ("taken/x", "A file has this name"),
    ]:
        assert refusal(restore(device, file["file_id"], name)) == (409, what)
    assert names(device) == ["x"]
    assert device.get("/api/folders/taken").status_code == 404
    assert restore(device, file["file_id"], "new/e\u0301").get_json()["filename"] == "new/\u00e9"


BAD = ["", "/x", "x/", "a//b", ".", "a/../b", "a\\b", "a\nb", "\u202ex", "x" * 256, "/".join("a" * 17), 5, [], {}]


@pytest.mark.parametrize("name", BAD, ids=repr)
def test_a_bad_name_is_400_and_changes_nothing(device: Device, name: object) -> None:
    file = device.store(b"hello", "x")
    device.delete("/api/files/x")
    assert restore(device, file["file_id"], name).status_code == 400
    assert (names(device), device.names()) == (["x"], [])
    if isinstance(name, str):
        assert device.get("/api/trash", query_string={"filename": name}).status_code == 400


@pytest.mark.parametrize("body", [b'{"filename": null}', b"[]", b"x", b'{"filename": "\\ud800"}', b'"x"'])
def test_a_body_that_is_none_of_ours_is_400(device: Device, body: bytes) -> None:
    file = device.store(b"hello", "x")
    device.delete("/api/files/x")
    assert device.post(f"/api/trash/{file['file_id']}/restore", data=body).status_code == 400
    assert names(device) == ["x"]
    assert device.post(f"/api/trash/{file['file_id']}/restore", data=b"{}").status_code == 200


def test_what_is_no_id_of_the_trash_is_404(device: Device, other_device: Device) -> None:
    alive, gone = device.store(b"1", "alive"), device.store(b"2", "gone")
    device.delete("/api/files/gone")
    for asking, file_id in [
        (device, alive["file_id"]),
        (device, str(uuid.uuid4())),
        (device, "gone"),
        (device, gone["file_id"].replace("-", "")),
        (other_device, gone["file_id"]),
    ]:
        assert refusal(restore(asking, file_id)) == (404, "File not found")
        assert refusal(asking.delete(f"/api/trash/{file_id}")) == (404, "File not found")
    assert (names(device), trash(other_device), device.names()) == (["gone"], [], ["alive"])
    assert restore(device, gone["file_id"].upper()).status_code == 200


@pytest.mark.parametrize("days", [DAYS, 0])
def test_permanent_passes_it_by(make_app: MakeApp, sign_in: SignIn, days: int) -> None:
    device = sign_in(make_app(trash_days=days), "alice")
    device.store(b"1", "x")
    device.store(b"2", "a/y")
    for flag in ("maybe", "1", "", "True"):
        for path in ("/api/files/x?", "/api/folders/a?recursive=true&"):
            assert refusal(device.delete(f"{path}permanent={flag}")) == (400, "Invalid permanent")
    assert sorted(device.names()) == ["a/y", "x"]
    assert device.delete("/api/files/x?permanent=true").status_code == 200
    assert device.delete("/api/folders/a?recursive=true&permanent=true").status_code == 204
    assert (trash(device), device.names()) == ([], [])
    device.store(b"1", "x")
    assert device.delete("/api/files/x?permanent=false").status_code == 200
    assert names(device) == (["x"] if days else [])
    assert device.delete("/api/files/x?permanent=true").status_code == 404


def test_unfinished_ones_are_gone_for_good(device: Device) -> None:
    device.send(frame(0, b"abc"), "part", query={"total_size": 9})
    device.delete("/api/files/part")
    device.send(frame(0, b"abc"), "part", query={"total_size": 9})
    assert device.request("PUT", "/api/files/part", data=b"whole").status_code == 200
    assert trash(device) == []


def test_it_comes_in_pages(device: Device, clock: Clock) -> None:
    for number in range(5):
        device.store(b"x", f"f{number}")
        device.delete(f"/api/files/f{number}")
        clock.advance(seconds=number % 2)
    seen, cursor = [], None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = device.get("/api/trash", query_string=query).get_json()
        seen += [each["filename"] for each in page["files"]]
        if cursor is None:
            wrong = device.get("/api/trash", query_string={"filename": "f1", "cursor": page["next_cursor"]})
            assert wrong.status_code == 400
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == names(device)
    assert sorted(seen) == [f"f{number}" for number in range(5)]
    assert seen[0] == "f4"
    for query in ({"limit": "0"}, {"limit": "1001"}, {"cursor": "x"}, {"search": "f"}):
        assert device.get("/api/trash", query_string=query).status_code == 400


def test_one_name_and_all_its_versions(device: Device, clock: Clock) -> None:
    for number in range(3):
        device.request("PUT", "/api/files/a/x", data=b"v%d" % number)
        clock.advance(seconds=1)
    device.store(b"other", "x")
    device.delete("/api/files/x")
    assert [each["size"] for each in trash(device, filename="a/x")] == [2, 2]
    assert names(device, filename="a") == []
    assert names(device, filename="a/e\u0301") == []


def test_removing_and_emptying(device: Device, other_device: Device) -> None:
    files = [device.store(b"x", f"f{number}") for number in range(3)]
    other_device.store(b"x", "theirs")
    other_device.delete("/api/files/theirs")
    for file in files:
        device.delete(f"/api/files/{file['filename']}")
    answer = device.delete(f"/api/trash/{files[0]['file_id']}")
    assert (answer.status_code, answer.data) == (204, b"")
    assert len(trash(device)) == 2
    assert device.delete("/api/trash").status_code == 204
    assert device.delete("/api/trash").status_code == 204
    assert (trash(device), names(other_device)) == ([], ["theirs"])


def test_a_quota_counts_it(make_app: MakeApp, sign_in: SignIn) -> None:
    device = sign_in(make_app(trash_days=DAYS, quota_bytes=10), "alice")
    file = device.store(b"12345", "x")
    device.delete("/api/files/x")
    assert device.post("/api/files?filename=y", data=b"123456").status_code == 413
    device.store(b"12345", "y")
    assert device.request("PUT", "/api/files/y", data=b"1").status_code == 413
    assert device.get("/download/y").data == b"12345"
    assert restore(device, file["file_id"]).status_code == 200
    device.delete("/api/files/x?permanent=true")
    assert device.post("/api/files?filename=z", data=b"12345").status_code == 201


def test_a_tus_upload_of_it_is_gone_until_it_is_restored(device: Device) -> None:
    tus = Tus(device)
    location = tus.post({"Upload-Length": "5", **metadata(filename="x")}, b"hello").headers["Location"]
    device.delete("/api/files/x")
    assert tus.head(location).status_code == 404
    restore(device, trash(device)[0]["file_id"])
    assert tus.head(location).status_code == 200


@pytest.mark.parametrize("key", ["filename", "recursive", "permanent"])
def test_a_call_that_takes_no_such_parameter_refuses_it(device: Device, key: str) -> None:
    file = device.store(b"hello", "x")
    device.delete("/api/files/x")
    query = {key: "true"}
    assert device.delete("/api/trash", query_string=query).status_code == 400
    assert device.delete(f"/api/trash/{file['file_id']}", query_string=query).status_code == 400
    assert device.post(f"/api/trash/{file['file_id']}/restore", query_string=query).status_code == 400
    assert names(device) == ["x"]


def test_a_digest_that_does_not_match_replaces_nothing(device: Device) -> None:
    device.store(b"hello", "x")
    answer = device.request("PUT", "/api/files/x", data=b"other", headers={"Repr-Digest": digest(b"another")})
    assert answer.status_code == 400
    assert (trash(device), device.get("/download/x").data) == ([], b"hello")


def test_many_at_once_restore_one(app: Flask, device: Device, sign_in: SignIn) -> None:
    file = device.store(b"hello", "x")
    device.delete("/api/files/x")
    devices, statuses = [sign_in(app, "alice") for _ in range(4)], list[int]()

    def ask(asking: Device) -> None:
        statuses.append(restore(asking, file["file_id"]).status_code)

    threads = [threading.Thread(target=ask, args=(each,)) for each in devices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 404, 404, 404]
    assert device.names() == ["x"]
