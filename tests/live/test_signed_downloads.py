"""Signed addresses through the site as shipped: the same answers as from the service, and no signature in any log."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.download_cases import CASES, DATA, Expected, fill
from tests.live.bare_socket import BareClient
from tests.live.nginx import FRONTED, NginxFront, shipped_site
from tests.live.server import LiveServer, running_one, started
from tests.live.test_behind_nginx import headers_of

pytestmark = pytest.mark.one_machine("nginx reads the files of one disk")
INVALID = {"error": {"message": "Link expired or invalid", "statusCode": 403}}


class Site(NamedTuple):
    """One data folder, served by an instance itself and by one behind nginx; `target` is what both are asked."""

    direct: LiveServer
    backend: LiveServer
    front: NginxFront
    alice: requests.Session
    url: str

    @property
    def target(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.path}?{parts.query}"

    def by_nginx(self, method: str = "GET", target: str | None = None, **headers: str) -> requests.Response:
        url, certificate = self.front.tls_url + (target or self.target), str(self.front.certificate)
        return requests.request(method, url, headers=headers, verify=certificate, timeout=30)

    def directly(self, method: str = "GET", target: str | None = None, **headers: str) -> requests.Response:
        return requests.request(method, self.direct.url + (target or self.target), headers=headers, timeout=30)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("signed") / "data"
    with (
        running_one(folder, "alice") as direct,
        started(LiveServer(folder, FRONTED)) as backend,
        shipped_site(backend) as front,
    ):
        alice = direct.sign_in("alice")
        path = direct.store(alice, "data.bin", DATA)
        asked = front.tls_url + path.replace("/download", "/url")
        answer = requests.post(
            asked, headers=dict(alice.headers), json={"expires_in": 600}, verify=str(front.certificate), timeout=30
        )
        yield Site(direct, backend, front, alice, answer.json()["url"])


def test_the_address_is_that_of_the_site_and_counts_at_every_instance(site: Site) -> None:
    assert site.url.startswith(f"{site.front.tls_url}/api/files/")
    assert requests.get(site.url, verify=str(site.front.certificate), timeout=30).content == DATA
    assert site.directly().content == DATA
    handed_over = requests.get(site.backend.url + site.target, timeout=30)
    assert handed_over.headers["X-Accel-Redirect"].startswith("/_transfer/whole/blobs/")


@pytest.mark.parametrize(("headers", "expected"), CASES)
def test_conditions_and_ranges_are_the_same_on_both_paths(
    site: Site, headers: dict[str, str], expected: Expected
) -> None:
    first = site.directly("HEAD").headers
    filled = fill(headers, etag=first["ETag"], modified=first["Last-Modified"])
    direct, fronted = site.directly(**filled), site.by_nginx(**filled)
    status, content_range, body = expected
    assert (fronted.status_code, fronted.headers.get("Content-Range")) == (status, content_range)
    assert body is None or fronted.content == body
    assert {**headers_of(direct), "Strict-Transport-Security": "max-age=31536000"} == headers_of(fronted)


def test_head_and_refusals_are_the_same_on_both_paths(site: Site) -> None:
    assert site.by_nginx("HEAD").headers["Content-Length"] == str(len(DATA))
    for target in (site.target + "0", site.target.replace("expires=", "expires=9"), site.target + "&x=1"):
        for answer in (site.directly(target=target), site.by_nginx(target=target)):
            assert (answer.status_code, answer.json(), answer.headers["Cache-Control"]) == (403, INVALID, "no-store")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert site.by_nginx(method).status_code in {401, 405}


@pytest.mark.parametrize("spell", ["//api/files", "/x/../api/files", "/api/./files", "/api/%66iles", "/api//files"])
def test_a_path_in_other_words_gives_the_file_or_nothing(site: Site, spell: str) -> None:
    """Nobody gets another file by it, nor another answer from nginx than from the service."""
    target = site.target.replace("/api/files", spell, 1)
    with BareClient(site.direct) as direct:
        direct.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = direct.receive()
    assert answer.status in {200, 404}
    assert (answer.body == DATA) == (answer.status == 200)


def test_a_download_manager_resumes_by_it(site: Site, tmp_path: Path) -> None:
    target = tmp_path / "data.bin"
    target.write_bytes(DATA[:100])
    curl = ["curl", "-sS", "--fail", "--cacert", str(site.front.certificate), "-C", "-", "-o", str(target), site.url]
    subprocess.run(curl, check=True)
    assert target.read_bytes() == DATA


def test_no_log_holds_a_signature(tmp_path: Path) -> None:
    """After bytes that were sent, refused, asked for too long, lost on the disk, and while the service is away."""
    with running_one(tmp_path / "data", "alice") as direct:
        alice = direct.sign_in("alice")
        path = direct.store(alice, "data.bin", DATA)
        url = alice.post(direct.url + path.replace("/download", "/url"), timeout=30).json()["url"]
        target = url.removeprefix(direct.url)
        with started(LiveServer(direct.data_dir, FRONTED)) as backend, shipped_site(backend) as front:
            statuses = [_status(front, each) for each in (target, target + "0", target + "&x=" + "x" * 9000)]
            plain = requests.get(front.url + target, allow_redirects=False, timeout=30)
            file_id = path.split("/")[3].replace("-", "")
            next((direct.data_dir / "blobs").rglob(file_id)).unlink()
            statuses.append(_status(front, target))
            backend.kill()
            statuses.append(_status(front, target))
            front.logged(path, times=6)
            logs = {name: (front.folder / name).read_text() for name in ("access.log", "error.log", "stderr.log")}
            logs["service"] = direct.log_path.read_text() + backend.log_path.read_text()
    assert (statuses, plain.status_code) == ([200, 403, 414, 403, 503], 308)
    assert len([line for line in logs["access.log"].splitlines() if path in line]) == 6
    assert '"signed": true' in logs["service"]
    (signature,) = parse_qs(urlsplit(url).query)["signature"]
    for name, text in logs.items():
        assert signature not in text, name
        assert "signature=" not in text, name
        assert "expires=" not in text, name


def _status(front: NginxFront, target: str) -> int:
    return requests.get(front.tls_url + target, verify=str(front.certificate), timeout=30).status_code
