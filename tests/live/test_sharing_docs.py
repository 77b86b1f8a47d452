"""What docs/sharing.md says about links for downloads and about archives, run as printed."""

import io
import json
import re
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.live.doc_examples import blocks, run_shell
from tests.live.node import token_of
from tests.live.server import REPOSITORY, LiveServer

DATA = b"a picture of a lake " * 100
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


@pytest.fixture(scope="module")
def file_id(server: LiveServer) -> str:
    return server.store(server.sign_in("alice"), "photos/2026/lake.jpg", DATA).split("/")[-2]


def example(of: str, file_id: str = "") -> str:
    """The one example that has these words, with the id of a file that is there."""
    (found,) = [each for each in blocks("sharing.md", "sh") if of in each]
    return UUID.sub(file_id, found)


@pytest.fixture
def places(server: LiveServer, alice: requests.Session) -> dict[str, str]:
    """What the examples expect in the environment."""
    return {"SERVER": server.url, "AUTH": f"Authorization: Bearer {token_of(alice)}"}


def test_a_link_and_its_file(places: dict[str, str], file_id: str, tmp_path: Path) -> None:
    link = json.loads(run_shell(example("Holidays", file_id), tmp_path, **places))
    assert (link["name"], link["kind"]) == ("Holidays", "download")
    assert requests.get(link["files"][0]["url"], timeout=30).content == DATA
    assert requests.get(f"{link['url']}/zip", timeout=30).headers["Content-Type"] == "application/zip"


def test_a_password_by_a_program(
    server: LiveServer, alice: requests.Session, places: dict[str, str], file_id: str, tmp_path: Path
) -> None:
    body = {"file_ids": [file_id], "password": "open sesame"}
    link = alice.post(f"{server.url}/api/links", json=body, timeout=30).json()
    shown = json.loads(run_shell(example("/unlock"), tmp_path, URL=link["url"], **places))
    assert [file["filename"] for file in shown["files"]] == ["lake.jpg"]
    locked = requests.get(link["url"], headers={"Accept": "application/json"}, timeout=30)
    assert locked.json() == {"kind": "download", "has_password": True}


def test_an_archive(places: dict[str, str], file_id: str, tmp_path: Path) -> None:
    bundle = json.loads(run_shell(example("/api/bundles", file_id), tmp_path, **places))
    with_curl = example("curl -C -").splitlines()[0]
    run_shell(with_curl, tmp_path, URL=bundle["url"])
    data = (tmp_path / "holidays.zip").read_bytes()
    assert (len(data), urlsplit(bundle["url"]).path[:13]) == (bundle["size"], "/api/bundles/")
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert {name: opened.read(name) for name in opened.namelist()} == {"lake.jpg": DATA, "2026/lake.jpg": DATA}


@pytest.fixture
def half(server: LiveServer, alice: requests.Session) -> str:
    """The id of a file of three bytes of which two are there."""
    chunk = bytes(15) + b"\1\0" + bytes(2)
    url = f"{server.url}/api/files/upload?filename=half&total_size=3"
    return str(alice.post(url, data=chunk, timeout=30).json()["file_id"])


def test_refusals_are_those_of_the_page(server: LiveServer, alice: requests.Session, file_id: str, half: str) -> None:
    links, bundles, whole = f"{server.url}/api/links", f"{server.url}/api/bundles", {"file_ids": [file_id]}
    scopes = {"name": "a device", "scopes": ["upload"]}
    key = alice.post(f"{server.url}/auth/keys", json=scopes, timeout=30).json()["key"]
    locked = alice.post(links, json=whole | {"password": "open sesame"}, timeout=30).json()["url"]
    tries: list[tuple[str, dict[str, object]]] = [
        (links, {}),
        (links, {"file_ids": []}),
        (links, {"upload": True, "max_downloads": 3}),
        (links, whole | {"expires_in": "7d"}),
        (links, {"file_ids": ["00000000-0000-4000-8000-000000000000"]}),
        (links, {"folders": ["nowhere"]}),
        (links, {"file_ids": [half]}),
        (bundles, {"file_ids": [half]}),
        (f"{locked}/unlock", {"password": "open"}),
    ]
    tries += [(f"{locked}/unlock", {"password": "open sesam"})] * 11
    answers = [alice.post(url, json=body, timeout=30) for url, body in tries]
    answers.append(requests.post(links, json=whole, headers={"Authorization": f"Bearer {key}"}, timeout=30))
    answers += [requests.get(url, timeout=30) for url in (f"{locked}/zip", f"{server.url}/s/{'a' * 32}")]
    page = (REPOSITORY / "docs/sharing.md").read_text("utf-8")
    rows = [row for row in page.partition("## What goes wrong")[2].splitlines() if row.startswith("| 4")]
    told = {(int(row[2:5]), detail) for row in rows for detail in re.findall("`([^`]+)`", row.split("|")[2])}
    seen = {(answer.status_code, answer.json()["detail"]) for answer in answers}
    assert (seen - told, told - seen) == (set(), {(400, "A link gives out at most 10000 files")})
