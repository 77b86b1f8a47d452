"""Members of archives through nginx: the same answers, in whatever way the paths are written."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from tests.games import add_archive, make_zip
from tests.live.bare_socket import Answer, BareClient, Listening
from tests.live.nginx import NginxSite, running_nginx, running_site
from tests.ports import free_port

DATA = bytes(range(256)) * 4096
MEMBERS = {"content/example.com/a b.html": b"<p>hello", "data.bin": DATA}


class Shelf(NamedTuple):
    """nginx before an instance, `alice`, and the beginning of the paths in an archive of each method."""

    site: NginxSite
    alice: requests.Session
    bases: dict[int, str]

    def ask(self, listening: Listening, target: str, *headers: str) -> Answer:
        """A request whose target nobody has tidied."""
        with BareClient(listening, self.alice) as client:
            client.send_head("GET", target, *headers)
            return client.receive()


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    data_dir: Path = tmp_path_factory.mktemp("site") / "data"
    with running_site(data_dir, "alice") as site:
        with site.direct.services() as services:
            ids = {
                method: add_archive(services, data_dir, make_zip(MEMBERS, method), game_data_id=method + 1)
                for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            }
        bases = {method: f"/game-zip/{game_id}" for method, game_id in ids.items()}
        yield Shelf(site, site.direct.sign_in("alice"), bases)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize("headers", [[], ["Range: bytes=5-700000"], ["Range: bytes=5000000-"]])
def test_members_and_ranges_are_the_same(shelf: Shelf, method: int, headers: list[str]) -> None:
    target = f"{shelf.bases[method]}/data.bin"
    direct, through = (shelf.ask(each, target, *headers) for each in (shelf.site.direct, shelf.site.front))
    assert (direct.status, direct.body) == (through.status, through.body)
    names = ("etag", "last-modified", "content-range", "content-length", "content-security-policy", "accept-ranges")
    assert [direct.headers.get(name) for name in names] == [through.headers.get(name) for name in names]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/game-zip/http://example.com/a%20b.html", 200, id="two-slashes"),
        pytest.param("/game-zip/https://EXAMPLE.com/a%20b.html?x=//y", 200, id="query"),
        pytest.param("{base}//data.bin", 404, id="empty-folder"),
        pytest.param("{base}/x/../data.bin", 404, id="dots"),
        pytest.param("{base}/x/%2e%2e/data.bin", 404, id="escaped-dots"),
        pytest.param("{base}/../../secret_key", 404, id="traversal"),
        pytest.param("{base}/%2fdata.bin", 404, id="escaped-slash"),
    ],
)
def test_paths_arrive_as_they_were_sent(shelf: Shelf, path: str, status: int) -> None:
    target = path.format(base=shelf.bases[zipfile.ZIP_STORED])
    assert shelf.ask(shelf.site.direct, target).status == status
    assert shelf.ask(shelf.site.front, target).status == status


_MERGING = """
server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{backend}/; }}
}}
"""


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_merges_slashes_does_no_harm(shelf: Shelf, tmp_path: Path, scheme: str) -> None:
    port = free_port()
    site = _MERGING.format(
        port=port, backend=shelf.site.direct.port
    )  # an address with a path has nginx tidy what comes
    with running_nginx(tmp_path / "nginx", site, port=port):
        url = f"http://127.0.0.1:{port}/game-zip/{scheme}://example.com/a%20b.html"
        answer = shelf.alice.get(url, timeout=30, allow_redirects=False)
    assert (answer.status_code, answer.content) == (200, MEMBERS["content/example.com/a b.html"])
