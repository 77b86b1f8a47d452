"""`GET|HEAD /game-zip/…`: members of archives, sent without unpacking."""

import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.http import parse_options_header
from werkzeug.wsgi import FileWrapper

from tests.conftest import Device
from tests.download_cases import CASES, DATA, LENGTH, Expected, fill
from tests.games import add_archive, add_game, complete_archive, make_zip
from tests.storage.zips import BZIP2, DEFLATED, DOS, Part, make
from tests.web.conftest import MakeApp, SignIn, signed_in
from tests.web.files.test_download import byteranges
from tests.web.shelf import METHODS, Shelf, later
from transfer_service.bootstrap import Services
from transfer_service.web.context import EXTENSION
from transfer_service.web.games.game_zip import GAME_SANDBOX

MEMBERS = {
    "content/example.com/index.html": b"<p>hello</p>",
    "data.bin": DATA,
    "empty.txt": b"",
    "big.bin": bytes(range(256)) * 9000,  # several pieces
    "a b/文件 100%.txt": b"odd",
}


@pytest.fixture
def shelf(app: Flask, tmp_path: Path) -> Shelf:
    return Shelf(app, tmp_path / "data")


@pytest.fixture(scope="module", params=METHODS)
def kept(request: pytest.FixtureRequest, shared_app: Flask) -> Iterator[tuple[Device, str]]:
    """`alice` and the beginning of the paths of MEMBERS, in an archive of each method."""
    services: Services = shared_app.extensions[EXTENSION]
    data_dir = Path(services.database.url.removeprefix("sqlite:///")).parent
    content = b"a stub that unpacks itself" + make_zip(MEMBERS, request.param)
    game_id = add_archive(services, data_dir, content, game_data_id=request.param + 1)
    yield signed_in(shared_app, "alice"), f"/game-zip/{game_id}"


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_is_sent_as_it_was_put_in(kept: tuple[Device, str], name: str) -> None:
    device, base = kept
    response = device.get(f"{base}/{name}", query_string={"v": "1"})
    assert (response.status_code, response.data) == (200, MEMBERS[name])
    assert response.headers["Content-Length"] == str(len(MEMBERS[name]))


@pytest.mark.parametrize(("headers", "expected"), CASES)
def test_conditions_and_ranges(kept: tuple[Device, str], headers: dict[str, str], expected: Expected) -> None:
    device, base = kept
    first = device.request("HEAD", f"{base}/data.bin").headers
    filled = fill(headers, etag=first["ETag"], modified=first["Last-Modified"])
    response = device.get(f"{base}/data.bin", headers=filled)
    status, content_range, body = expected
    assert (response.status_code, response.headers.get("Content-Range")) == (status, content_range)
    assert body is None or response.data == body
    assert response.headers["ETag"] == first["ETag"]


@pytest.mark.parametrize(
    ("value", "spans"),
    [
        pytest.param("bytes=0-0,5-6", [(0, 1), (5, 7)], id="forward"),
        pytest.param("bytes=1000-1009,0-4", [(1000, 1010), (0, 5)], id="backward"),
        pytest.param("bytes=-3,7-7,100-199", [(LENGTH - 3, LENGTH), (7, 8), (100, 200)], id="both"),
    ],
)
def test_several_ranges_are_multipart(kept: tuple[Device, str], value: str, spans: list[tuple[int, int]]) -> None:
    device, base = kept
    response = device.get(f"{base}/data.bin", headers={"Range": value})
    media_type, options = parse_options_header(response.headers["Content-Type"])
    assert (response.status_code, media_type) == (206, "multipart/byteranges")
    wanted = [(f"bytes {start}-{stop - 1}/{LENGTH}", DATA[start:stop]) for start, stop in spans]
    found = [part[1:] for part in byteranges(response.data, options["boundary"])]
    assert found in (wanted, sorted(wanted, key=lambda part: DATA.index(part[1])))  # what is inflated comes in order


def test_far_apart_ranges_of_a_large_member(kept: tuple[Device, str]) -> None:
    device, base = kept
    data = MEMBERS["big.bin"]
    response = device.get(f"{base}/big.bin", headers={"Range": "bytes=2000000-2200000,3-600000,-5"})
    _, options = parse_options_header(response.headers["Content-Type"])
    parts = [part[2] for part in byteranges(response.data, options["boundary"])]
    assert sorted(parts) == sorted([data[2000000:2200001], data[3:600001], data[-5:]])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_headers_of_a_member(kept: tuple[Device, str], method: str) -> None:
    device, base = kept
    response = device.request(method, f"{base}/content/example.com/index.html")
    headers = dict(response.headers)
    assert headers.pop("X-Request-Id")
    assert len(headers.pop("ETag")) == 66
    assert headers == {
        "Content-Type": "text/html",  # its own <meta> knows the charset: many old pages are not in UTF-8
        "Content-Length": "12",
        "Content-Disposition": 'inline; filename="index.html"',
        "Content-Security-Policy": GAME_SANDBOX,
        "Accept-Ranges": "bytes",
        "Last-Modified": "Fri, 01 May 2026 12:00:00 GMT",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    assert response.data == (b"" if method == "HEAD" else b"<p>hello</p>")


def test_the_sandbox_has_no_origin_of_ours() -> None:
    directive, *values = GAME_SANDBOX.split()
    assert (directive, "allow-scripts" in values) == ("sandbox", True)
    assert not {"allow-same-origin", "allow-top-navigation", "allow-popups-to-escape-sandbox"} & set(values)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.html", "text/html"),
        ("a.HTM", "text/html"),
        ("a.css", "text/css"),
        ("a.js", "text/javascript"),
        ("a.png", "image/png"),
        ("a.swf", "application/x-shockwave-flash"),
        ("a.wasm", "application/wasm"),
        ("a.mp3", "audio/mpeg"),
        ("a.svg", "image/svg+xml"),
        ("a.unknown-type", "application/octet-stream"),
        ("README", "application/octet-stream"),
    ],
)
def test_the_type_is_the_extensions(shelf: Shelf, device: Device, name: str, media_type: str) -> None:
    base = shelf.add(make_zip({name: b"x"}))
    assert device.get(f"{base}/{name}").headers["Content-Type"] == media_type


def test_two_members_of_the_same_bytes_have_tags_of_their_own(shelf: Shelf, device: Device) -> None:
    base = shelf.add(make_zip({"a": b"x", "b": b"x"}))
    tags = {device.get(f"{base}/{name}").headers["ETag"] for name in "aab"}
    assert len(tags) == 2


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_unpacked_or_left_open(shelf: Shelf, device: Device, method: int) -> None:
    base = shelf.add(make_zip(MEMBERS, method))
    before = sorted(shelf.data_dir.rglob("*"))
    response = device.get(f"{base}/big.bin", buffered=False)
    response.close()  # ResourceWarning is an error here
    assert sorted(path for path in shelf.data_dir.rglob("*") if "sqlite3" not in path.name) == sorted(
        path for path in before if "sqlite3" not in path.name
    )


@pytest.mark.parametrize(("part", "path"), [
    pytest.param(Part(b"a\\b.txt", b"found", made_by=DOS), "a/b.txt", id="backslash"),
    pytest.param(Part(b"./b.txt", b"found"), "b.txt", id="dot"),
    pytest.param(Part("文.txt".encode(), b"found"), "%E6%96%87.txt", id="utf8"),
    pytest.param(Part(b"b.txt", b"found", mode=0o010600), "b.txt", id="from-a-pipe"),
    pytest.param(Part(b"b.txt", b"found", DEFLATED, behind=b"junk"), "b.txt", id="bytes-behind-the-stream"),
    pytest.param(Part(b"b.txt", b"found", BZIP2), "b.txt", id="bzip2"),
])  # fmt: skip
def test_what_odd_packers_pack_is_sent(shelf: Shelf, device: Device, part: Part, path: str) -> None:
    base = shelf.add(make([part]))
    whole, ranged = device.get(f"{base}/{path}"), device.get(f"{base}/{path}", headers={"Range": "bytes=1-2"})
    assert (whole.status_code, whole.data, ranged.status_code, ranged.data) == (200, b"found", 206, b"ou")


def test_a_page_is_found_in_an_archive_with_backslashes(shelf: Shelf, device: Device) -> None:
    shelf.add(make([Part(b"htdocs\\example.com\\a\\b.txt", b"found")]))
    assert device.get("/game-zip/http://example.com/a/b.txt").data == b"found"


class TestByUrl:
    @pytest.mark.parametrize("scheme", ["http", "https"])
    @pytest.mark.parametrize("folder", ["content/", "htdocs/", ""])
    def test_a_page_is_found_in_each_folder(self, shelf: Shelf, device: Device, scheme: str, folder: str) -> None:
        shelf.add(make_zip({f"{folder}example.com/a/b c.html": b"found"}))
        response = device.get(f"/game-zip/{scheme}://example.com/a/b%20c.html?query=/ignored")
        assert (response.status_code, response.data) == (200, b"found")
        assert response.headers["Content-Security-Policy"] == GAME_SANDBOX

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_one_slash_is_what_a_proxy_leaves_of_two(self, shelf: Shelf, device: Device, scheme: str) -> None:
        shelf.add(make_zip({"content/example.com/a/b c.html": b"found"}))
        for slashes in ("/", "//"):
            answer = device.get(f"/game-zip/{scheme}:{slashes}example.com/a/b%20c.html")
            assert (answer.status_code, answer.data) == (200, b"found")

    def test_content_comes_before_htdocs_and_that_before_neither(self, shelf: Shelf, device: Device) -> None:
        names = ["example.com/x", "htdocs/example.com/x", "content/example.com/x"]
        shelf.add(make_zip({name: name.encode() for name in names}))
        shelf.add(make_zip({name: name.encode() for name in names[:2]}), game_data_id=2, finished_at=later(-1))
        assert device.get("/game-zip/http://example.com/x").data == b"content/example.com/x"

    def test_the_zip_downloaded_last_that_has_it_counts(self, shelf: Shelf, device: Device) -> None:
        shelf.add(make_zip({"content/example.com/x": b"old"}), game_data_id=5)
        shelf.add(make_zip({"example.com/x": b"new"}), game_data_id=4, finished_at=later(1))
        shelf.add(make_zip({"content/example.com/y": b"other"}), game_data_id=6, finished_at=later(2))
        assert device.get("/game-zip/http://example.com/x").data == b"new"

    def test_an_archive_that_is_gone_does_not_hide_an_older_one(self, shelf: Shelf, device: Device) -> None:
        shelf.add(make_zip({"example.com/x": b"old"}))
        shelf.add(make_zip({"example.com/x": b"new"}), game_data_id=2, finished_at=later(1))
        (shelf.data_dir / "games" / "2.zip").unlink()
        assert device.get("/game-zip/http://example.com/x").data == b"old"

    @pytest.mark.parametrize("host", ["example.com", "EXAMPLE.com"])
    def test_host_names_know_no_case(self, shelf: Shelf, device: Device, host: str) -> None:
        shelf.add(make_zip({"content/example.com/X": b"found"}))
        assert device.get(f"/game-zip/http://{host}/X").data == b"found"
        assert device.get(f"/game-zip/http://{host}/x").status_code == 404

    @pytest.mark.parametrize(
        "path",
        ["http://example.com/", "http://example.com", "http://other.com/x", "http:///x", "http://example.com//x",
         "http:example.com/x", "http:////example.com/x", "http:/", "ftp://example.com/x", "ftp:/example.com/x", "http://example.com/../example.com/x",
         "http://../secret_key", "http://"],
    )  # fmt: skip
    def test_everything_else_is_404(self, shelf: Shelf, device: Device, path: str) -> None:
        shelf.add(make_zip({"content/example.com/x": b"found"}))
        assert device.get(f"/game-zip/{path}").status_code == 404


def test_the_archive_completed_last_counts(shelf: Shelf, device: Device) -> None:
    game_id = add_game(shelf.services, 1, 2)
    complete_archive(shelf.services, shelf.data_dir, 2, make_zip({"x": b"old", "y": b"y"}))
    complete_archive(shelf.services, shelf.data_dir, 1, make_zip({"x": b"new"}), finished_at=later(1))
    assert device.get(f"/game-zip/{game_id}/x").data == b"new"
    assert device.get(f"/game-zip/{game_id}/y").status_code == 404


def test_who_reads_while_it_is_deleted_gets_all_of_it(shelf: Shelf, device: Device) -> None:
    base = shelf.add(make_zip(MEMBERS))
    response = device.get(f"{base}/big.bin", buffered=False)
    shutil.rmtree(shelf.data_dir / "games")
    assert response.data == MEMBERS["big.bin"]
    response.close()


@pytest.mark.parametrize("method", METHODS)
def test_nginx_is_never_asked_to_send_it(make_app: MakeApp, sign_in: SignIn, tmp_path: Path, method: int) -> None:
    shelf = Shelf(make_app(accel="nginx"), tmp_path / "data")
    base = shelf.add(make_zip(MEMBERS, method))
    response = sign_in(shelf.app, "alice").get(f"{base}/data.bin")
    assert ("X-Accel-Redirect" in response.headers, response.data) == (False, DATA)


def test_a_stored_member_is_sent_by_the_server_from_its_place(shelf: Shelf, device: Device) -> None:
    base = shelf.add(content := make_zip(MEMBERS, zipfile.ZIP_STORED))
    places = []

    def send(file: Any, block_bytes: int) -> Any:
        places.append(os.lseek(file.fileno(), 0, os.SEEK_CUR))
        return FileWrapper(file, block_bytes)

    for value in ("bytes=0-", "bytes=10-19"):
        device.get(f"{base}/data.bin", headers={"Range": value}, environ_overrides={"wsgi.file_wrapper": send})
    start = content.index(DATA)
    assert places == [start, start + 10]
