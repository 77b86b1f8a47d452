"""Downloading through nginx: the same answers as from the service itself, whoever sends the bytes."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from tests.download_cases import CASES, DATA, Expected, fill
from tests.live.chunks import send_chunk
from tests.live.nginx import FRONTED, NginxFront, behind_nginx
from tests.live.server import LiveServer, running, started

OWN = {"Server", "Date", "X-Request-Id", "X-Accel-Redirect"}
HANDED_OVER = [pytest.param({}, id="whole"), pytest.param({"Range": "bytes=5-500"}, id="range")]


class Site(NamedTuple):
    """One data folder, served directly and by an instance behind nginx."""

    direct: LiveServer
    backend: LiveServer
    front: NginxFront
    alice: requests.Session
    path: str
    etag: str
    modified: str

    def get(self, url: str, path: str | None = None, **headers: str) -> requests.Response:
        return self.alice.get(url + (path or self.path), headers=headers, timeout=30)

    def discard_blob(self, file_id: str) -> Path:
        """Take a file's bytes away behind the service's back."""
        blob = self.backend.data_dir / "blobs" / file_id[:2] / file_id.replace("-", "")
        return blob.rename(blob.with_suffix(".away"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site") / "data"
    with (
        running(folder, "alice", "bob") as direct,
        started(LiveServer(folder, FRONTED)) as backend,
        behind_nginx(backend) as front,
    ):
        alice = direct.sign_in("alice")
        path = alice.post(f"{direct.url}/api/files?filename=data.bin", data=DATA, timeout=30).headers["Location"]
        first = alice.get(direct.url + path, timeout=30)
        yield Site(direct, backend, front, alice, path, first.headers["ETag"], first.headers["Last-Modified"])


def headers_of(answer: requests.Response) -> dict[str, str]:
    """The headers that must not depend on who sends the bytes."""
    headers = {name: value for name, value in answer.headers.items() if name not in OWN}
    if "boundary" in headers.get("Content-Type", ""):
        del headers["Content-Type"]  # the boundary is made anew each time
    if answer.status_code == 304:
        headers.pop("Content-Type", None)  # of no content; nginx leaves it out
    return headers


@pytest.mark.parametrize(("headers", "expected"), CASES)
def test_conditions_and_ranges_are_the_same_on_both_paths(
    site: Site, headers: dict[str, str], expected: Expected
) -> None:
    filled = fill(headers, etag=site.etag, modified=site.modified)
    direct, fronted = site.get(site.direct.url, **filled), site.get(site.front.url, **filled)
    status, content_range, body = expected
    assert (fronted.status_code, fronted.headers.get("Content-Range")) == (status, content_range)
    assert body is None or fronted.content == body
    assert (direct.status_code, direct.content) == (fronted.status_code, fronted.content)
    assert headers_of(direct) == headers_of(fronted)


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-4"}, {"If-None-Match": "*"}, {"If-Match": '"other"'}])
def test_head_is_the_same_on_both_paths(site: Site, headers: dict[str, str]) -> None:
    direct, fronted = (
        site.alice.head(url + site.path, headers=headers, timeout=30) for url in (site.direct.url, site.front.url)
    )
    assert direct.status_code == fronted.status_code
    assert headers_of(direct) == headers_of(fronted)


@pytest.mark.one_machine("nginx sends what lies on a disk")
@pytest.mark.parametrize("headers", HANDED_OVER)
def test_nginx_is_asked_to_send_what_it_can(site: Site, headers: dict[str, str]) -> None:
    answer = site.get(site.backend.url, **headers)
    assert answer.headers["X-Accel-Redirect"].startswith("/_transfer/")
    assert answer.content == b""


@pytest.mark.parametrize("headers", HANDED_OVER)
def test_the_internal_header_never_reaches_a_client(site: Site, headers: dict[str, str]) -> None:
    assert not [name for name in site.get(site.front.url, **headers).headers if name.startswith("X-Accel")]


@pytest.mark.one_machine("nginx sends what lies on a disk")
@pytest.mark.parametrize(
    "prefix", ["/_transfer/whole/blobs/", "/_transfer/range/blobs/", "/x/../_transfer/whole/blobs/", "//_transfer/"]
)
def test_nobody_outside_reaches_the_store(site: Site, prefix: str) -> None:
    target = site.get(site.backend.url).headers["X-Accel-Redirect"].removeprefix("/_transfer/whole/blobs/")
    request = requests.Request("GET", site.front.url).prepare()
    request.url = f"{site.front.url}{prefix}{target}"  # as it is, with its dots
    answer = requests.Session().send(request, timeout=30)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not found"})


def test_a_client_cannot_choose_the_file_that_nginx_sends(site: Site) -> None:
    answer = site.get(site.front.url, "/api/files", **{"X-Accel-Redirect": "/_transfer/whole/x", "X-Accel-Retry": "1"})
    assert set(answer.json()) == {"files", "next_cursor"}


@pytest.mark.one_machine("nginx sends what lies on a disk")
@pytest.mark.parametrize(("door", "body"), [
    pytest.param("/api/files/{id}/download", {"error": {"message": "File not found", "statusCode": 404}}, id="mobile"),
    pytest.param("/download/{id}", {"detail": "File not found"}, id="by-name"),
])  # fmt: skip
def test_lost_bytes_are_404_in_the_words_of_the_door(site: Site, door: str, body: dict[str, object]) -> None:
    sent = site.alice.post(f"{site.front.url}/api/files?filename=lost.bin", data=DATA, timeout=30).json()
    site.discard_blob(sent["file_id"])
    answer = site.get(site.front.url, door.format(id=sent["file_id"]))
    assert (answer.status_code, answer.json()) == (404, body)
    site.alice.delete(f"{site.front.url}/api/files/{sent['filename']}", timeout=30)


def test_a_file_of_inferred_length_is_sent_by_the_service_itself(site: Site) -> None:
    send_chunk(site.alice, site.backend, "growing.bin", 0, DATA)
    answer = site.get(site.backend.url, "/download/growing.bin")
    assert (answer.content, "X-Accel-Redirect" in answer.headers) == (DATA, False)


def test_an_empty_file_is_empty(site: Site) -> None:
    site.alice.post(f"{site.front.url}/api/files?filename=empty.bin&overwrite=true", data=b"", timeout=30)
    answer = site.get(site.front.url, "/download/empty.bin")
    assert (answer.status_code, answer.headers["Content-Length"]) == (200, "0")


def test_the_date_of_one_version_never_passes_for_another(site: Site) -> None:
    """Three versions of one name within a second, and the rest of the second asked for by the date of the first."""
    path, versions = "/download/dated.bin", [b"first version", b"second version", b"third, the longest version"]
    dates = []
    for version in versions:
        site.alice.put(f"{site.direct.url}/api/files/dated.bin", data=version, timeout=30)
        dates.append(site.get(site.direct.url, path).headers["Last-Modified"])
    assert len(set(dates)) == 3
    for url in (site.direct.url, site.front.url):
        for date in dates[:2]:
            resumed = site.get(url, path, **{"Range": "bytes=6-", "If-Range": date})
            assert (resumed.status_code, resumed.content) == (200, versions[2])
            assert site.get(url, path, **{"If-Unmodified-Since": date}).status_code == 412
        assert site.get(url, path, **{"Range": "bytes=6-", "If-Range": dates[2]}).content == versions[2][6:]


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=-1", "bytes=-0", "bytes=0-0,5-"])
def test_an_empty_file_has_no_ranges_on_either_path(site: Site, value: str) -> None:
    site.alice.put(f"{site.direct.url}/api/files/empty.bin", timeout=30)
    answers = [site.get(url, "/download/empty.bin", Range=value) for url in (site.direct.url, site.front.url)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(200, b"")] * 2
    assert headers_of(answers[0]) == headers_of(answers[1])


def test_an_error_of_nginx_itself_is_not_kept(site: Site) -> None:
    answer = site.alice.request("TRACE", site.front.url + site.path, timeout=30)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (405, "no-store")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "name", ["console/core/api.js", "console/css/ui.css", "console/messages/en.json", "console/icons.svg"]
)
def test_files_of_pages_are_compressed(site: Site, name: str) -> None:
    direct, fronted = (site.get(url, f"/assets/1/{name}") for url in (site.direct.url, site.front.url))
    assert (fronted.headers["Content-Encoding"], fronted.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert (fronted.content, direct.headers.get("Content-Encoding")) == (direct.content, None)
