"""Folders over HTTP: names that are paths, and the calls at `/api/folders`."""

import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.conftest import Device, frame
from tests.web.conftest import SignIn
from tests.web.forms import form, part
from tests.web.uploads.bench import Tus, digest, left_on, metadata


def put(device: Device, name: str, data: bytes = b"x") -> Any:
    answer = device.request("PUT", f"/api/files/{quote(name)}", data=data)
    assert answer.status_code in (200, 201), answer.text
    return answer.get_json()


def folder(device: Device, path: str) -> tuple[int, Any]:
    answer = device.get(f"/api/folders/{quote(path)}")
    return answer.status_code, answer.get_json()


def listed(device: Device, path: str, **query: object) -> tuple[list[str], list[str]]:
    answer = device.get("/api/files", query_string={"folder": path, **query})
    assert answer.status_code == 200, answer.text
    page = answer.get_json()
    return [each["path"] for each in page["folders"]], [each["filename"] for each in page["files"]]


def folders(device: Device) -> list[str]:
    """Every folder there is."""
    found, waiting = [], [""]
    while waiting:
        inner = listed(device, waiting.pop())[0]
        found += inner
        waiting += inner
    return sorted(found)


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["detail"]


def test_folders_come_with_a_file_and_stay(device: Device) -> None:
    facts = put(device, "a/b/photo.jpg", b"hello")
    assert (facts["filename"], facts["content_type"]) == ("a/b/photo.jpg", "image/jpeg")
    assert folders(device) == ["a", "a/b"]
    for path in ("/download/a/b/photo.jpg", "/download/a%2Fb%2Fphoto.jpg", "/api/files/download/a/b%2Fphoto.jpg"):
        answer = device.get(path)
        assert answer.data == b"hello"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="photo.jpg"'
    assert device.get("/api/files/status/a/b/photo.jpg").get_json()["status"] == "complete"
    device.delete("/api/files/a/b/photo.jpg")
    assert folders(device) == ["a", "a/b"]
    assert folder(device, "a")[1]["files"] == 0


DOORS: dict[str, Callable[[Device, str], TestResponse]] = {
    "17-byte": lambda device, name: device.send(frame(0, b"x"), name),
    "12-byte": lambda device, name: device.send_range(quote(name, safe=""), 0, b"x", 1),
    "raw": lambda device, name: device.post("/api/files", data=b"x", query_string={"filename": name}),
    "form": lambda device, name: device.post("/api/files", **form(part("file", b"x", filename=name.encode()))),
    "put": lambda device, name: device.request("PUT", f"/api/files/{quote(name)}", data=b"x"),
    "tus": lambda device, name: tus(device, filename=name),
    "relative path": lambda device, name: tus(device, filename=name.rpartition("/")[2], relativePath=f"/{name}"),
    "ietf": lambda device, name: device.post(
        "/api/uploads",
        data=b"x",
        headers={
            "Upload-Complete": "?1",
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        },
    ),
}
NUMBERED = {"raw", "form", "tus", "relative path", "ietf"}


def tus(device: Device, **names: str) -> TestResponse:
    return Tus(device).post({"Upload-Length": "1", **metadata(**names)}, b"x")


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def said(answer: TestResponse) -> str:
    """What an error says in any envelope."""
    return answer.get_json()["detail"] if answer.is_json else answer.text.strip()


def test_a_path_is_a_name_at_every_door(device: Device, door: str) -> None:
    answer = DOORS[door](device, "day/über/a b.bin")
    assert answer.status_code // 100 == 2, answer.text
    assert device.get(f"/download/{quote('day/über/a b.bin')}").data == b"x"
    assert (folders(device), device.names()) == (["day", "day/über"], ["day/über/a b.bin"])


def test_a_file_in_the_way_is_409_at_every_door(device: Device, door: str) -> None:
    put(device, "a")
    answer = DOORS[door](device, "a/b/c")
    assert (answer.status_code, said(answer)) == (409, "A file has this name")
    assert (folders(device), device.names()) == ([], ["a"])


def test_a_folder_has_its_name_at_every_door(device: Device, door: str) -> None:
    put(device, "day/a/b")
    answer = DOORS[door](device, "day/a")
    if door in NUMBERED:
        assert answer.status_code == 201
        assert listed(device, "day") == (["day/a"], ["day/a (2)"])
    else:
        assert (answer.status_code, said(answer)) == (409, "A folder has this name")
        assert listed(device, "day") == (["day/a"], [])


@pytest.mark.parametrize("query", ["filename=a&overwrite=true"])
def test_no_file_replaces_a_folder(device: Device, query: str) -> None:
    put(device, "a/b")
    assert refusal(device.post(f"/api/files?{query}", data=b"x")) == (409, "A folder has this name")
    assert device.names() == ["a/b"]


def test_an_upload_that_a_folder_comes_before_keeps_its_bytes(device: Device) -> None:
    client = Tus(device)
    location = client.begin(filename="a", overwrite="true")
    put(device, "a/b")
    answer = client.patch(location, b"hello")
    assert (answer.status_code, said(answer)) == (409, "A folder has this name")
    assert client.offset(location) == "5"
    device.delete("/api/folders/a?recursive=true")
    assert client.head(location).status_code == 200
    assert device.get("/download/a").data == b"hello"


def test_who_would_replace_a_folder_hears_of_it_before_the_bytes(device: Device) -> None:
    put(device, "a/b")
    answer = Tus(device).post(metadata(filename="a", overwrite="true"))
    assert (answer.status_code, said(answer)) == (409, "A folder has this name")
    assert left_on(device).uploads == 0


def test_the_last_label_is_numbered(device: Device) -> None:
    names = [device.store(b"x", "a.b/c.txt")["filename"] for _ in range(3)]
    assert names == ["a.b/c.txt", "a.b/c (2).txt", "a.b/c (3).txt"]


def test_a_file_is_renamed_between_folders(device: Device) -> None:
    facts = put(device, "a/b")
    put(device, "c")
    rename = f"/api/files/{facts['file_id']}"
    assert device.request("PATCH", rename, json={"filename": "x/y/z"}).get_json()["filename"] == "x/y/z"
    assert (folders(device), device.get("/download/x/y/z").data) == (["a", "x", "x/y"], b"x")
    assert refusal(device.request("PATCH", rename, json={"filename": "x"})) == (409, "A folder has this name")
    assert refusal(device.request("PATCH", rename, json={"filename": "c"})) == (409, "A file has this name")
    assert refusal(device.request("PATCH", rename, json={"filename": "c/d"})) == (409, "A file has this name")
    assert device.get(f"{rename}/download").data == b"x"


BROKEN: dict[str, Callable[[Device], TestResponse]] = {
    "chunk": lambda device: device.send(b"\0" * 16 + b"\x01x", "a/b/c"),
    "digest": lambda device: device.request(
        "PUT", "/api/files/a/b/c", data=b"x", headers={"Content-Digest": digest(b"y")}
    ),
    "quota": lambda device: Tus(device).post({"Upload-Length": str(2**62), **metadata(filename="a/b/c")}),
    "bad path": lambda device: tus(device, filename="c", relativePath="a//c"),
}


@pytest.mark.parametrize("way", BROKEN)
def test_a_refused_upload_leaves_no_folder(device: Device, way: str) -> None:
    assert BROKEN[way](device).status_code in (400, 413)
    assert (folders(device), device.names()) == ([], [])


def test_an_upload_that_ends_unfinished_takes_its_folders_along(device: Device) -> None:
    device.post("/api/folders", json={"path": "kept"})
    tus_client = Tus(device)
    first = tus_client.begin(filename="kept/a/b/one.bin")
    second = tus_client.begin(filename="kept/a/two.bin")
    assert folders(device) == ["kept", "kept/a", "kept/a/b"]
    assert refusal(device.delete("/api/folders/kept/a/b")) == (409, "Folder is not empty")
    tus_client.send("DELETE", first)
    assert folders(device) == ["kept", "kept/a"]
    tus_client.patch(second, b"hello")
    assert device.get("/download/kept/a/two.bin").data == b"hello"
    device.send(frame(5, b"gap"), "x/y/z.bin")
    device.delete("/api/files/x/y/z.bin")
    device.delete("/api/files/kept/a/two.bin")
    assert folders(device) == ["kept", "kept/a"]


def test_a_folder_is_made_with_its_parents_and_counted(device: Device) -> None:
    made = device.post("/api/folders", json={"path": "a/b"})
    again = device.post("/api/folders", json={"path": "a/b"})
    assert (made.status_code, again.status_code) == (201, 200)
    assert made.get_json() == again.get_json()
    put(device, "a/b/c/one", b"12345")
    put(device, "a/two", b"123")
    device.send(frame(5, b"gap"), "a/b/three")
    assert {**folder(device, "a")[1], "created_at": 0} == {
        "path": "a", "files": 3, "folders": 2, "bytes": 11, "created_at": 0,
    }  # fmt: skip
    assert folder(device, "a/b/d") == (404, {"detail": "Folder not found"})
    put(device, "file")
    for path in ("file", "file/a"):
        assert refusal(device.post("/api/folders", json={"path": path})) == (409, "A file has this name")
    for body in ({}, {"path": 1}, {"path": ""}, {"path": "/a"}, {"path": "a/"}, {"path": "a/../b"}):
        assert device.post("/api/folders", json=body).status_code == 400
    assert folders(device) == ["a", "a/b", "a/b/c"]


def test_a_folder_moves_with_all_that_is_in_it(device: Device) -> None:
    facts = put(device, "a/b/c.txt", b"hello")
    location = Tus(device).begin(filename="a/b/late.bin")
    device.send(frame(2, b"llo"), "a/b/chunks.bin")
    before = device.get("/download/a/b/c.txt").headers
    moved = device.request("PATCH", "/api/folders/a/b", json={"path": "x/y/z"})
    assert (moved.status_code, moved.get_json()["path"], moved.get_json()["files"]) == (200, "x/y/z", 2)
    assert folders(device) == ["a", "x", "x/y", "x/y/z"]
    assert device.get("/download/a/b/c.txt").status_code == 404
    after = device.get("/download/x/y/z/c.txt")
    assert (after.data, after.headers["ETag"]) == (b"hello", before["ETag"])
    assert device.get(f"/api/files/{facts['file_id']}/download").data == b"hello"
    Tus(device).patch(location, b"hello")
    device.send(frame(0, b"he"), "x/y/z/chunks.bin", query={"total_size": 5})
    assert sorted(device.names()) == ["x/y/z/c.txt", "x/y/z/chunks.bin", "x/y/z/late.bin"]
    assert [device.get(f"/download/{name}").data for name in device.names()] == [b"hello"] * 3
    put(device, "a/b/c.txt", b"other")  # the old path is free
    assert device.get("/download/a/b/c.txt").headers["Last-Modified"] > after.headers["Last-Modified"]


def test_a_move_that_cannot_be_changes_nothing(device: Device) -> None:
    put(device, "a/b/c")
    put(device, "file")
    put(device, "other/x")
    put(device, "long/" + "/".join("l" * 12))

    def move(path: str, to: object) -> tuple[int, str]:
        return refusal(device.request("PATCH", f"/api/folders/{path}", json={"path": to}))

    assert move("a", "a/b") == (400, "A folder cannot be moved into itself")
    assert move("a", "a/x/y")[0] == 400
    assert move("a", "other") == (409, "A folder has this name")
    assert move("a/b", "a") == (409, "A folder has this name")
    assert move("a", "file") == (409, "A file has this name")
    assert move("a", "file/a") == (409, "A file has this name")
    assert move("long", "1/2/3/4/5") == (400, "A name in the folder would become too long")
    assert move("other", "/".join(["o" * 255] * 4)) == (400, "A name in the folder would become too long")
    assert move("none", "b") == (404, "Folder not found")
    assert move("a", "b/")[0] == move("a", None)[0] == 400
    assert sorted(device.names()) == ["a/b/c", "file", "long/" + "/".join("l" * 12), "other/x"]
    assert folder(device, "1")[0] == 404
    same = device.request("PATCH", "/api/folders/a", json={"path": "a"})
    assert (same.status_code, same.get_json()["path"]) == (200, "a")


def test_a_folder_is_deleted_empty_or_with_all_that_is_in_it(device: Device) -> None:
    put(device, "a/b/c", b"12345")
    put(device, "a/d")
    Tus(device).begin(filename="a/late/x")
    put(device, "ab/c")
    assert refusal(device.delete("/api/folders/a")) == (409, "Folder is not empty")
    assert device.delete("/api/folders/a?recursive=maybe").status_code == 400
    assert len(device.names()) == 3
    assert device.delete("/api/folders/a?recursive=true").status_code == 204
    assert (folders(device), device.names()) == (["ab"], ["ab/c"])
    assert left_on(device).used_bytes == left_on(device).received_bytes == 1
    assert left_on(device).blobs == 1
    assert device.delete("/api/folders/a").status_code == 404
    device.delete("/api/files/ab/c")
    assert device.delete("/api/folders/ab").status_code == 204
    assert folders(device) == []
    Tus(device).begin(filename="up/late/x")
    assert device.delete("/api/folders/up?recursive=true").status_code == 204
    assert folders(device) == []


def test_a_folder_is_listed_in_pages_folders_first(device: Device) -> None:
    for name in ("f/b/x", "f/a/x", "f/2", "f/1", "f/3", "top", "f/a/deep/er"):
        put(device, name)
    assert listed(device, "") == (["f"], ["top"])
    assert listed(device, "f", sort="name") == (["f/a", "f/b"], ["f/1", "f/2", "f/3"])
    assert listed(device, "f", sort="name", order="desc") == (["f/b", "f/a"], ["f/3", "f/2", "f/1"])
    assert listed(device, "f", search="E") == (["f/a/deep"], ["f/a/deep/er"])
    assert listed(device, "f", search="x", sort="name") == ([], ["f/a/x", "f/b/x"])
    for sort in ("created", "name", "size", "updated"):
        for order in ("asc", "desc"):
            whole = listed(device, "f", sort=sort, order=order)
            for limit in (1, 2, 3, 4, 5):
                pages = list(pages_of(device, folder="f", sort=sort, order=order, limit=limit))
                assert all(len(page["folders"]) + len(page["files"]) == limit for page in pages[:-1])
                assert [each["path"] for page in pages for each in page["folders"]] == whole[0]
                assert [each["filename"] for page in pages for each in page["files"]] == whole[1]
    assert device.get("/api/files?folder=none").status_code == 404
    assert device.get("/api/files?folder=f/1").status_code == 404
    assert device.get("/api/files?folder=/f").status_code == 400
    assert "folders" not in device.get("/api/files").get_json()


def pages_of(device: Device, **query: object) -> Iterator[Any]:
    cursor: str | None = None
    while True:
        given = {**query, **({"cursor": cursor} if cursor else {})}
        page = device.get("/api/files", query_string=given).get_json()
        yield page
        cursor = page["next_cursor"]
        if cursor is None:
            return


def test_all_names_are_sorted_and_searched_whole(device: Device) -> None:
    names = ["a.txt", "a/b.txt", "a/b/c", "a-b/c", "a/b-c", "b", "a/B/c", "Z/z"]
    for name in names:
        put(device, name)
    for order in (False, True):
        query = {"sort": "name", "order": "desc" if order else "asc"}
        assert [f["filename"] for f in device.get("/api/files", query_string=query).get_json()["files"]] == sorted(
            names, reverse=order
        )
        paged = [file["filename"] for page in pages_of(device, **query, limit=3) for file in page["files"]]
        assert paged == sorted(names, reverse=order)
    for prefix in ("a", "a/", "a/b", "a/b/", "b", "a/B/c", "c"):
        found = device.get("/api/files", query_string={"prefix": prefix, "sort": "name"}).get_json()["files"]
        assert [file["filename"] for file in found] == sorted(name for name in names if name.startswith(prefix))
    found = device.get("/api/files", query_string={"search": "A/b/"}).get_json()["files"]
    assert sorted(file["filename"] for file in found) == ["a/B/c", "a/b/c"]


def test_folders_are_their_accounts_own(device: Device, other_device: Device) -> None:
    put(device, "a/b")
    put(other_device, "a")
    assert (folders(device), folders(other_device)) == (["a"], [])
    assert folder(other_device, "a")[0] == 404


def test_a_hundred_who_want_a_path_as_a_file_and_as_a_folder(app: Flask, sign_in: SignIn) -> None:
    devices = [sign_in(app, "alice") for _ in range(20)]
    answers: list[tuple[str, int, str]] = []

    def ask(number: int, device: Device) -> None:
        for turn in range(5):
            name = f"{turn}" if number % 2 else f"{turn}/b"
            answer = DOORS["put" if number % 3 else "raw"](device, name)
            answers.append((name, answer.status_code, said(answer) if answer.status_code == 409 else ""))

    threads = [threading.Thread(target=ask, args=(number, device)) for number, device in enumerate(devices)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {status for _, status, _ in answers} <= {200, 201, 409}
    names = set(devices[0].names())
    for turn in range(5):
        is_folder = folder(devices[0], str(turn))[0] == 200
        assert is_folder != (str(turn) in names)
        words = {word for name, status, word in answers if status == 409 and name.startswith(str(turn))}
        assert words <= {"A folder has this name" if is_folder else "A file has this name"}
