"""Links behind nginx: who sends their bytes, how they are counted, and what is in its log."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.live.nginx import NginxSite, running_site, shipped_site

DATA = bytes(range(256)) * 4096


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxSite]:
    with running_site(tmp_path_factory.mktemp("site") / "data", "alice") as site:
        yield site


@pytest.fixture(scope="module")
def alice(site: NginxSite) -> requests.Session:
    return site.direct.sign_in("alice")


def share(site: NginxSite, alice: requests.Session, **fields: Any) -> dict[str, Any]:
    """A link to a new file, with its address at nginx."""
    file_id = site.direct.store(alice, "data.bin", DATA).split("/")[-2]
    answer = alice.post(f"{site.front.url}/api/links", json={"file_ids": [file_id], **fields}, timeout=30)
    assert answer.status_code == 201, answer.text
    link: dict[str, Any] = answer.json()
    assert link["url"].startswith(f"{site.front.url}/s/")
    return link


def fetch(link: dict[str, Any], value: str | None = None) -> requests.Response:
    return requests.get(link["files"][0]["url"], headers={"Range": value} if value else {}, timeout=60)


def downloads(site: NginxSite, alice: requests.Session, link: dict[str, Any]) -> int:
    return int(alice.get(f"{site.direct.url}/api/links/{link['id']}", timeout=30).json()["downloads"])


def test_without_a_limit_nginx_sends_and_each_download_counts_once(site: NginxSite, alice: requests.Session) -> None:
    link = share(site, alice)
    assert [fetch(link).content == DATA for _ in range(2)] == [True, True]
    part = fetch(link, "bytes=100-199")
    assert (part.status_code, part.content) == (206, DATA[100:200])
    assert downloads(site, alice, link) == 2
    assert '"handed_over": true' in site.backend.log_path.read_text()


def test_with_a_limit_the_service_sends_and_nobody_gets_more(site: NginxSite, alice: requests.Session) -> None:
    link = share(site, alice, max_downloads=2)
    before = site.backend.log_path.read_text().count('"handed_over": true')
    parts = [fetch(link, f"bytes={start}-{start + 262143}") for start in range(0, len(DATA), 262144)]
    assert b"".join(part.content for part in parts) == DATA
    assert [fetch(link).status_code for _ in range(2)] == [200, 404]
    assert downloads(site, alice, link) == 2
    assert site.backend.log_path.read_text().count('"handed_over": true') == before


def test_over_tls_the_cookie_is_secure(site: NginxSite, alice: requests.Session) -> None:
    link = share(site, alice, password="open sesame")
    url = link["url"].replace(site.front.url, site.front.tls_url)
    answer = requests.post(
        f"{url}/unlock", json={"password": "open sesame"}, verify=str(site.front.certificate), timeout=30
    )
    assert (answer.status_code, "Secure" in answer.headers["Set-Cookie"]) == (204, True)


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")  # the certificate is for another name
def test_no_log_holds_the_token_of_a_link(site: NginxSite, alice: requests.Session) -> None:
    token = share(site, alice, password="open sesame")["url"].rpartition("/")[2]
    with shipped_site(site.backend) as front:
        for path in ("", "/unlock", "/files/nothing", "/nothing", "/files/%00", "?page=2"):
            for method in ("GET", "POST", "HEAD", "BREW"):
                for base in (front.url, front.tls_url):
                    url = f"{base}/s/{token}{path}"
                    headers = {"Host": "files.example.com", "Referer": url, "Accept": "text/html"}
                    ask: dict[str, Any] = {"headers": headers, "verify": False, "allow_redirects": False, "timeout": 30}
                    requests.request(method, url, data="{", **ask)
        logs = [path.read_text() for path in front.folder.glob("*.log")] + [site.backend.log_path.read_text()]
    assert any("/s/.../unlock" in log for log in logs)
    assert not any(token in log for log in logs)
