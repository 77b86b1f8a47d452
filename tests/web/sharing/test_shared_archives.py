"""`/s/TOKEN/zip`: all that a link gives out as one archive, which is one download."""

import io
import zipfile
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Device
from tests.web.sharing.visitors import HTML, PASSWORD, Visitor, share
from transfer_service.wire.filenames import label_of_title


def members(data: bytes) -> dict[str, bytes]:
    """What is in an archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def downloads(device: Device, link: dict[str, Any]) -> int:
    count: int = device.get(f"/api/links/{link['id']}").get_json()["downloads"]
    return count


@pytest.fixture
def link(device: Device) -> dict[str, Any]:
    """A link to two files of one name, and a folder, for two downloads."""
    files = [device.store(folder.encode(), f"{folder}/a.txt")["file_id"] for folder in ("one", "two")]
    device.store(b"deep", "day/hour/b.txt")
    return share(device, *files, folders=["day"], name="Holidays 7/2026", max_downloads=2)


def test_an_archive_has_all_files_of_a_link(app: Flask, device: Device, link: dict[str, Any]) -> None:
    visitor = Visitor(app, link)
    answer = visitor.get("/zip")
    assert (answer.status_code, answer.mimetype) == (200, "application/zip")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="Holidays 7_2026.zip"'
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    assert members(answer.data) == {"a.txt": b"one", "a (2).txt": b"two", "day/hour/b.txt": b"deep"}
    assert f'href="{visitor.path}/zip"' in visitor.get(headers=HTML).text
    assert downloads(device, link) == 1


def test_an_archive_is_one_download_and_can_be_resumed(app: Flask, device: Device, link: dict[str, Any]) -> None:
    visitor = Visitor(app, link, cookies=False)
    head = visitor.ask("HEAD", "/zip").headers
    size, parts = int(head["Content-Length"]), []
    for start in range(0, size, 100):
        wanted = {"Range": f"bytes={start}-{start + 99}", "If-Range": head["ETag"]}
        parts.append(visitor.get("/zip", headers=wanted).data)
    assert len(members(b"".join(parts))) == 3
    assert visitor.get("/zip", headers={"If-None-Match": head["ETag"]}).status_code == 304
    assert downloads(device, link) == 1
    assert [visitor.get("/zip").status_code for _ in range(2)] == [200, 404]
    assert visitor.get("/zip", headers={"Range": "bytes=0-99"}).status_code == 206
    other = Visitor(app, link, address="192.0.2.7")
    assert other.ask("HEAD", "/zip").status_code == other.get("/zip").status_code == 404


def test_an_archive_is_what_is_there_when_it_is_asked(app: Flask, device: Device) -> None:
    gone, kept = (device.store(b"hello", name)["file_id"] for name in ("a.txt", "b.txt"))
    assert device.post("/api/folders", json={"path": "c"}).status_code == 201
    visitor = Visitor(app, share(device, gone, kept, folders=["c"]))
    before = visitor.get("/zip")
    assert device.delete("/api/files/a.txt").status_code == 200
    after = visitor.get("/zip")
    assert (set(members(before.data)), set(members(after.data))) == ({"a.txt", "b.txt", "c/"}, {"b.txt", "c/"})
    assert before.headers["ETag"] != after.headers["ETag"]


def test_without_the_password_there_is_none_nor_is_there_of_a_link_for_uploads(app: Flask, device: Device) -> None:
    locked = Visitor(app, share(device, device.store(b"hello")["file_id"], password=PASSWORD))
    assert locked.get("/zip").status_code == 403
    locked.unlock()
    assert members(locked.get("/zip").data) == {"log.bin": b"hello"}
    assert Visitor(app, share(device, upload=True)).get("/zip").status_code == 404


@pytest.mark.parametrize(
    ("title", "label"),
    [
        ("Holidays", "Holidays"),
        ("a/b\\c", "a_b_c"),
        ("..", "_"),
        ("/", "_"),
        ("文件", "文件"),
        ("é" * 200, "é" * 119),
    ],
)
def test_what_an_archive_is_called(title: str, label: str) -> None:
    assert label_of_title(title) == label
