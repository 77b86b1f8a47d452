"""Files in folders by programs of others, directly and through nginx: into a folder, out of one, and while it moves."""

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from tests.live.bare_socket import BareClient
from tests.live.chromium import Page, browser
from tests.live.chunks import raw_request
from tests.live.doc_examples import blocks
from tests.live.fault_proxy import FaultProxy
from tests.live.nginx import NginxSite, running_site
from tests.live.node import token_of
from tests.live.pages import serving
from tests.live.resumable import MIB, Body, Way, body, uploading, way
from tests.live.server import wait_until
from tests.live.test_tuspy import run_tuspy
from transfer_service.wire.chunk_frames import LONG_FRAME, SHORT_FRAME

__all__ = ["body", "way"]

SIZE = 3 * MIB + 12_345
TYPE = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def top() -> str:
    """A folder of the test's own."""
    return f"top {uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pages of another origin lie."""
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def origin(pages: Path) -> Iterator[str]:
    """Their origin."""
    with serving(pages) as origin:
        yield origin


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, origin: str) -> Iterator[NginxSite]:
    with running_site(tmp_path_factory.mktemp("folders") / "data", "alice", TRANSFER_CORS_ORIGINS=origin) as site:
        yield site


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    with browser() as tab:
        yield tab


def ask(way: Way, method: str, path: str, **arguments: Any) -> requests.Response:
    """A request of `alice`, through nginx where that is the way."""
    return way.alice.request(method, f"http://127.0.0.1:{way.port}{path}", timeout=30, **arguments)


def run(way: Way, folder: Path, program: str, *options: str) -> None:
    """A program that is told the token; `URL` stands for the service."""
    token = f"Authorization: {way.authorization['Authorization']}"
    header = ["--header", token]
    words = [word.replace("URL", f"http://127.0.0.1:{way.port}") for word in options]
    folder.mkdir(exist_ok=True)
    result = subprocess.run([program, *header, *words], cwd=folder, capture_output=True, timeout=60, check=False)
    assert result.returncode == 0, (result.stdout, result.stderr)


def tree(way: Way, top: str) -> tuple[set[str], set[str]]:
    """Every folder below one, and every file."""
    folders, names, waiting = set[str](), set[str](), [top]
    while waiting:
        page = ask(way, "GET", "/api/files", params={"folder": waiting.pop()}).json()
        waiting += [each["path"] for each in page["folders"]]
        folders |= {each["path"] for each in page["folders"]}
        names |= {each["filename"] for each in page["files"]}
    return folders, names


def move(way: Way, path: str, new_path: str) -> None:
    answer = ask(way, "PATCH", f"/api/folders/{quote(path)}", json={"path": new_path})
    assert (answer.status_code, answer.json()["path"]) == (200, new_path)


@pytest.mark.parametrize("slash", ["/", "%2F", "%2f"])
def test_curl_sends_into_a_folder(way: Way, body: Body, top: str, tmp_path: Path, slash: str) -> None:
    folder = slash.join(quote(label) for label in (top, "2026", "día 1"))
    run(way, tmp_path, "curl", "-sSf", "-T", str(body.path), f"URL/api/files/{folder}/")
    run(way, tmp_path, "curl", "-sSf", "-T", str(body.path), f"URL/api/files/{folder}{slash}other.bin")
    folders, names = tree(way, top)
    assert folders == {f"{top}/2026", f"{top}/2026/día 1"}
    assert names == {f"{top}/2026/día 1/body.bin", f"{top}/2026/día 1/other.bin"}
    assert {ask(way, "GET", f"/download/{quote(name)}").content for name in names} == {body.data}


@pytest.mark.parametrize("field", ["file=@{path};filename={name}", "relativePath={name}", "filename={name}"])
def test_curl_sends_a_form_into_a_folder(way: Way, body: Body, top: str, tmp_path: Path, field: str) -> None:
    name = f"{top}/a/body.bin"
    fields = [field.format(path=body.path, name=name)]
    if not fields[0].startswith("file="):
        fields.append(f"file=@{body.path}")
    run(way, tmp_path, "curl", "-sSf", *(word for each in fields for word in ("-F", each)), "URL/api/files")
    assert tree(way, top) == ({f"{top}/a"}, {name})
    assert ask(way, "GET", f"/api/files/download/{quote(name, safe='')}").content == body.data


@pytest.mark.parametrize("slash", ["/", "%2F"])
@pytest.mark.parametrize(
    ("program", "options"),
    [
        pytest.param("aria2c", ["-q", "-x4", "-s4", "-k1M"], id="aria2"),
        pytest.param("wget", ["-q", "--content-disposition"], id="wget"),
        pytest.param("curl", ["-sSf", "-OJ"], id="curl"),
        pytest.param("rclone", ["copyurl", "--header-filename", "--auto-filename"], id="rclone"),
    ],
)
def test_a_file_comes_out_of_a_folder_under_its_last_label(
    way: Way, body: Body, top: str, tmp_path: Path, program: str, options: list[str], slash: str
) -> None:
    name = f"{top}/2026/clip one.bin"
    assert ask(way, "PUT", f"/api/files/{quote(name)}", data=body.data, headers=TYPE).status_code == 201
    target = [] if program != "rclone" else ["."]
    url = "URL/download/" + slash.join(map(quote, name.split("/")))
    run(way, tmp_path / "got", program, *options, url, *target)
    assert {path.name: path.read_bytes() for path in (tmp_path / "got").iterdir()} == {"clip one.bin": body.data}


def test_curl_goes_on_with_a_file_in_a_folder_that_has_moved(way: Way, body: Body, top: str, tmp_path: Path) -> None:
    answer = ask(way, "PUT", f"/api/files/{quote(top)}/a/b.bin", data=body.data, headers=TYPE)
    by_id = f"URL/api/files/{answer.json()['file_id']}/download"
    run(way, tmp_path, "curl", "-sSf", "-r", "0-1999999", "-o", "b.bin", f"URL/download/{quote(top)}/a/b.bin")
    before = ask(way, "HEAD", f"/download/{quote(top)}/a/b.bin").headers["ETag"]
    move(way, f"{top}/a", f"{top}/deep/er")
    assert ask(way, "HEAD", f"/download/{quote(top)}/deep/er/b.bin").headers["ETag"] == before
    run(way, tmp_path, "curl", "-sSf", "-C", "-", "-o", "b.bin", by_id)
    assert (tmp_path / "b.bin").read_bytes() == body.data


@pytest.mark.one_machine("nginx sends what lies on a disk")
def test_nginx_sends_a_file_of_a_folder(way: Way, body: Body, top: str) -> None:
    answer = ask(way, "PUT", f"/api/files/{quote(top)}/a%2Fb.bin", data=body.data, headers=TYPE)
    file_id = answer.json()["file_id"]
    asked = way.alice.get(f"{way.server.url}/download/{quote(top)}%2Fa/b.bin", timeout=30)
    is_fronted = way.port != way.server.port
    handed_over = f"/_transfer/whole/blobs/{file_id[:2]}/{file_id.replace('-', '')}"
    assert asked.headers.get("X-Accel-Redirect") == (handed_over if is_fronted else None)
    part = ask(way, "GET", f"/download/{quote(top)}/a%2Fb.bin", headers={"Range": "bytes=-5"})
    assert (part.status_code, part.content) == (206, body.data[-5:])
    assert part.headers["Content-Disposition"] == 'attachment; filename="b.bin"'


@pytest.mark.parametrize("metadata", [
    pytest.param(lambda name: {"filename": name}, id="filename"),
    pytest.param(lambda name: {"filename": name.rpartition("/")[2], "relativePath": name}, id="relative-path"),
])  # fmt: skip
def test_tuspy_with_a_path_for_a_name(way: Way, body: Body, top: str, metadata: Any) -> None:
    name = f"{top}/2026/größe 测试.bin"
    with FaultProxy(way.port) as proxy:
        told = run_tuspy(way, proxy, body, chunk_size=MIB, metadata=metadata(name))
    assert told.file_id is not None
    assert (tree(way, top), way.digest(told.file_id)) == (({f"{top}/2026"}, {name}), body.digest)


@pytest.mark.parametrize("parallel", [1, 2])
def test_tus_js_client_notices_nothing_of_a_move(way: Way, body: Body, top: str, parallel: int) -> None:
    name = f"{top}/2026/a/clip.bin"
    options: dict[str, Any] = {"metadata": {"filename": "clip.bin", "relativePath": f"/{name}"}, "chunkSize": MIB}
    if parallel > 1:
        options |= {"parallelUploads": parallel, "metadataForPartialUploads": options["metadata"]}
    with FaultProxy(way.port) as proxy, uploading(way, proxy, body, options=options, pauseAt=MIB) as js:
        js.wait("paused")
        assert tree(way, top)[0] == {f"{top}/2026", f"{top}/2026/a"}
        move(way, f"{top}/2026", f"{top}/2027/x")
        js.say("resume")
        done = js.finish()
    folders, names = tree(way, top)
    assert way.digest(done.file_id) == body.digest
    if parallel == 1:
        assert (folders, names) == ({f"{top}/2027", f"{top}/2027/x", f"{top}/2027/x/a"}, {f"{top}/2027/x/a/clip.bin"})
    else:  # the final upload is begun after the move, and brings its folder
        assert names == {name}


def documented_page(way: Way) -> str:
    """The page of docs/folders.md, with an address and a token in it."""
    (page,) = blocks("folders.md", "html")
    return page.replace("https://files.example.org", f"http://127.0.0.1:{way.port}").replace("…", token_of(way.alice))


@pytest.mark.parametrize("told", ["relative-path", "part"])
def test_the_page_of_the_documentation_sends_a_folder(
    way: Way, tab: Page, pages: Path, origin: str, top: str, tmp_path: Path, told: str
) -> None:
    page = documented_page(way)
    assert page.count("form.append") == 2
    if told == "part":  # an older page that says nothing but the file
        page = "\n".join(line for line in page.splitlines() if "relativePath" not in line)
    (pages / f"{top}.html").write_text(page)
    names = ["a.txt", 'день 1/a;"b".txt']
    for name in names:
        (tmp_path / top / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / top / name).write_bytes(name.encode())
    for _ in range(2):  # the second time it takes the place of the first
        tab.open(f"{origin}/{quote(top)}.html")
        tab.choose("input", tmp_path / top)
        wait_until(lambda: "are there" in tab.evaluate("document.querySelector('output').value"))
    assert tree(way, top) == ({f"{top}/день 1"}, {f"{top}/{name}" for name in names})
    for name in names:
        assert ask(way, "GET", f"/download/{quote(f'{top}/{name}')}").content == name.encode()


def test_the_page_of_the_documentation_tells_what_is_in_the_way(
    way: Way, tab: Page, pages: Path, origin: str, top: str, tmp_path: Path
) -> None:
    (pages / f"{top}.html").write_text(documented_page(way))
    (tmp_path / top).mkdir()
    (tmp_path / top / "a.txt").write_bytes(b"a")
    assert ask(way, "PUT", f"/api/files/{quote(top)}", data=b"in the way", headers=TYPE).status_code == 201
    tab.open(f"{origin}/{quote(top)}.html")
    tab.choose("input", tmp_path / top)
    wait_until(lambda: tab.evaluate("document.querySelector('output').value") == f"{top}/a.txt: A file has this name")


def test_devices_send_chunks_into_a_folder(way: Way, top: str) -> None:
    data = bytes(range(200)) * 10
    for start in (1000, 0):
        frame = LONG_FRAME.format(start, data[start : start + 1000])
        query = {"filename": f"{top}/car/long.bin", "total_size": len(data)}
        assert ask(way, "POST", "/api/files/upload", params=query, data=frame, headers=TYPE).status_code == 200
    for start, path in ((1000, f"{quote(top)}/car/short.bin"), (0, quote(f"{top}/car/short.bin", safe=""))):
        headers = {**TYPE, "Content-Range": f"bytes {start}-{start + 999}/{len(data)}"}
        frame = SHORT_FRAME.format(start, data[start : start + 1000])
        assert ask(way, "POST", f"/upload/{path}", data=frame, headers=headers).status_code == 200
    assert tree(way, top) == ({f"{top}/car"}, {f"{top}/car/long.bin", f"{top}/car/short.bin"})
    for name in ("long.bin", "short.bin"):
        assert ask(way, "GET", f"/download/{quote(top)}/car%2F{name}").content == data
        assert ask(way, "GET", f"/status/{quote(top)}%2Fcar/{name}").json()["received_bytes"] == len(data)
        assert ask(way, "GET", f"/api/files/status/{quote(top)}/car/{name}").json()["status"] == "complete"


def test_a_device_goes_on_by_id_after_its_folder_has_moved(way: Way, top: str) -> None:
    frame, rest = SHORT_FRAME.format(0, b"hello "), SHORT_FRAME.format(6, b"world")
    first, second = ({**TYPE, "Content-Range": f"bytes {span}/11"} for span in ("0-5", "6-10"))
    assert ask(way, "POST", f"/upload/{quote(top)}/car/a.bin", data=frame, headers=first).status_code == 200
    (file,) = ask(way, "GET", "/api/files", params={"folder": f"{top}/car"}).json()["files"]
    move(way, f"{top}/car", f"{top}/van")
    assert ask(way, "POST", f"/upload/{file['file_id']}", data=rest, headers=second).status_code == 200
    assert tree(way, top) == ({f"{top}/van"}, {f"{top}/van/a.bin"})
    assert ask(way, "GET", f"/download/{quote(top)}/van/a.bin").content == b"hello world"


@pytest.mark.parametrize("path", [
    pytest.param("/a", id="leading"),
    pytest.param("%2Fa", id="leading-encoded"),
    pytest.param("a//b", id="double"),
    pytest.param("a%2F%2Fb", id="double-encoded"),
    pytest.param("a%2F", id="trailing-encoded"),
    pytest.param("a/%2E%2E%2Fb/c", id="parent"),
    pytest.param("a/.%2Fb", id="dot"),
    pytest.param("a%5Cb", id="backslash"),
    pytest.param("a/%01", id="control"),
    pytest.param("/".join("abcdefghijklmnopq"), id="17-labels"),
    pytest.param("/".join(["x" * 255] * 4) + "/yy", id="1025-bytes"),
])  # fmt: skip
@pytest.mark.parametrize(("method", "door"), [
    ("PUT", "/api/files/"), ("POST", "/upload/"), ("GET", "/download/"), ("PATCH", "/api/folders/"),
])  # fmt: skip
def test_what_is_no_name_is_refused_as_it_stands_in_the_address(way: Way, path: str, method: str, door: str) -> None:
    before = ask(way, "GET", "/api/files", params={"folder": "", "limit": 1000}).json()
    content = b'{"path": "elsewhere"}' if method == "PATCH" else SHORT_FRAME.format(0, b"x")
    fields = [f"Content-Length: {len(content)}"] if method != "GET" else []
    if method == "POST":
        fields.append("Content-Range: bytes 0-0/1")
    with BareClient(way, way.alice) as client:
        client.send(raw_request(way.alice, method, door + path, *fields) + (content if method != "GET" else b""))
        answer = client.receive()
    assert (answer.status, list(answer.json)) == (400, ["detail"])
    assert ask(way, "GET", "/api/files", params={"folder": "", "limit": 1000}).json() == before
