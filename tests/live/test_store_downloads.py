"""Downloads from an object store: by the service, by nginx from a signed address, and by the client's own way there."""

import json
import random
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
import requests
from werkzeug.http import http_date

from benchmarks.object_store import ObjectStoreServer
from tests.conftest import PASSWORD, SECRET
from tests.download_cases import CASES, Expected, fill
from tests.live.bare_socket import BareClient
from tests.live.nginx import FRONTED, NginxFront, behind_nginx
from tests.live.server import LiveServer, running_one, started
from tests.live.test_behind_nginx import headers_of
from transfer_service.storage.s3.objects import Objects
from transfer_service.wire.store_addresses import parse_store_address

pytestmark = pytest.mark.long

DATA = random.Random(9).randbytes(1024 * 1024 + 7)
SMALL = bytes(range(256)) * 4
STORES_OWN = re.compile(r"x-amz|seaweed|amzn|minio", re.IGNORECASE)


class Site(NamedTuple):
    """One bucket and one database, served directly, behind nginx, and by sending clients to the store."""

    direct: LiveServer
    backend: LiveServer
    redirecting: LiveServer
    front: NginxFront
    alice: requests.Session
    path: str
    small: str
    storage_url: str

    def get(self, url: str, path: str | None = None, **headers: str) -> requests.Response:
        return self.alice.get(url + (path or self.path), headers=headers, timeout=30)

    def ask(self, path: str | None = None, **headers: str) -> requests.Response:
        """Ask the one that sends to the store, and do not go there."""
        url = self.redirecting.url + (path or self.path)
        return self.alice.get(url, headers=headers, timeout=30, allow_redirects=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, object_store_server: ObjectStoreServer) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("store") / "data"
    folder.mkdir()
    settings = {
        "SECRET_KEY": SECRET,
        "TRANSFER_DATABASE_URL": f"sqlite:///{folder / 'shared.sqlite3'}",
        "TRANSFER_STORAGE_URL": object_store_server.new_url(),
        "TRANSFER_CORS_ORIGINS": "https://app.example.com",
    }
    with (
        running_one(folder, "alice", "bob", **settings) as direct,
        started(LiveServer(folder, {**settings, **FRONTED})) as backend,
        started(LiveServer(folder, {**settings, "TRANSFER_S3_REDIRECT": "true"})) as redirecting,
        behind_nginx(backend, store=object_store_server.endpoint) as front,
    ):
        alice = direct.sign_in("alice")
        paths = [
            alice.post(f"{direct.url}/api/files?filename={name}", data=data, timeout=30).headers["Location"]
            for name, data in (("grün.bin", DATA), ("small.bin", SMALL))
        ]
        yield Site(direct, backend, redirecting, front, alice, paths[0], paths[1], settings["TRANSFER_STORAGE_URL"])


def without_boundary(answer: requests.Response) -> bytes:
    """The body; what separates several parts is made anew each time."""
    _, is_several, boundary = answer.headers.get("Content-Type", "").partition("boundary=")
    return answer.content.replace(boundary.encode(), b"") if is_several else answer.content


@pytest.mark.parametrize(("headers", "_expected"), CASES)
def test_conditions_and_ranges_are_the_same_from_nginx(
    site: Site, headers: dict[str, str], _expected: Expected
) -> None:
    first = site.alice.head(site.direct.url + site.path, timeout=30).headers
    filled = fill(headers, etag=first["ETag"], modified=first["Last-Modified"])
    direct, fronted = site.get(site.direct.url, **filled), site.get(site.front.url, **filled)
    assert (direct.status_code, without_boundary(direct)) == (fronted.status_code, without_boundary(fronted))
    assert headers_of(direct) == headers_of(fronted)


@pytest.mark.parametrize(("headers", "expected"), CASES)
def test_conditions_and_ranges_are_right_for_small_files(
    site: Site, headers: dict[str, str], expected: Expected
) -> None:
    first = site.alice.head(site.direct.url + site.small, timeout=30).headers
    filled = fill(headers, etag=first["ETag"], modified=first["Last-Modified"])
    answer = site.get(site.front.url, site.small, **filled)
    status, content_range, body = expected
    assert (answer.status_code, answer.headers.get("Content-Range")) == (status, content_range)
    assert body is None or answer.content == body


def test_nginx_sends_what_is_in_the_store_and_nothing_of_the_store_is_seen(site: Site) -> None:
    answer = site.get(site.backend.url, Range="bytes=5-500")
    assert answer.headers["X-Accel-Redirect"].startswith("/_transfer/store/transfer/")
    assert (answer.headers["X-Transfer-Range"], answer.content) == ("bytes=5-500", b"")
    for headers in ({}, {"Range": "bytes=5-500"}, {"Origin": "https://app.example.com"}):
        fronted = site.get(site.front.url, **headers)
        assert not [name for name in fronted.headers if STORES_OWN.search(name)]
        assert not {"X-Transfer-Range", "X-Accel-Redirect"} & set(fronted.headers)
        assert headers_of(fronted) == headers_of(site.get(site.direct.url, **headers))


def test_nobody_outside_reaches_the_store_through_nginx(site: Site) -> None:
    target = site.get(site.backend.url).headers["X-Accel-Redirect"]
    for path in (target, f"/x/..{target}", target.replace("/_transfer", "//_transfer")):
        request = requests.Request("GET", site.front.url).prepare()
        request.url = site.front.url + path
        answer = requests.Session().send(request, timeout=30)
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not found"})


def test_a_client_chooses_nothing_that_nginx_asks_the_store_for(site: Site) -> None:
    headers = {
        "X-Transfer-Range": "bytes=0-1", "X-Accel-Redirect": "/_transfer/store/x", "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
    }  # fmt: skip
    assert site.get(site.front.url, **headers).content == DATA


def test_what_the_store_does_not_give_the_service_answers_for(
    site: Site, object_store_server: ObjectStoreServer
) -> None:
    sent = site.alice.post(f"{site.direct.url}/api/files?filename=lost.bin", data=DATA, timeout=30).json()
    client, key = object_store_server.client(), sent["file_id"].replace("-", "")
    found = client.list_objects_v2(Bucket="transfer")["Contents"]
    (name,) = [each["Key"] for each in found if each["Key"].endswith(key)]
    client.delete_object(Bucket="transfer", Key=name)
    answer = site.get(site.front.url, f"/download/{sent['file_id']}")
    assert (answer.status_code, answer.json()) == (404, {"detail": "File not found"})


@contextmanager
def refusing_store() -> Iterator[tuple[str, list[int]]]:
    """The address of what answers instead of a store, and a list with the status that it answers with."""
    statuses = [500]

    class Refusal(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(statuses[-1])
            self.send_header("x-amz-internal", "1")
            self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", "8")
            self.end_headers()
            self.wfile.write(b"<Error/>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", statuses
        finally:
            server.shutdown()


def test_no_error_of_a_store_is_sent_whatever_its_status(site: Site) -> None:
    with refusing_store() as (endpoint, statuses), behind_nginx(site.backend, store=endpoint) as front:
        for status in (302, 402, 410, 418, 425, 429, 431, 451, 503, 507, 511, 520, 522, 530, 598):
            statuses.append(status)
            answer = site.get(front.url, Range="bytes=5-500")
            assert (answer.status_code, answer.content) == (206, DATA[5:501]), status
            assert not [name for name in answer.headers if STORES_OWN.search(name) or name == "Location"]


def test_a_client_is_sent_to_the_store_and_gets_the_same_bytes(site: Site) -> None:
    answer = site.ask()
    assert (answer.status_code, answer.content, answer.headers["Cache-Control"]) == (307, b"", "no-store")
    direct = site.get(site.direct.url)
    got = requests.get(answer.headers["Location"], timeout=30)
    assert got.content == direct.content == DATA
    for name in ("Content-Type", "Content-Disposition", "Cache-Control", "Content-Length", "Accept-Ranges"):
        assert got.headers[name] == direct.headers[name]
    ranged = site.get(site.redirecting.url, Range="bytes=-7")
    assert (ranged.status_code, ranged.content) == (206, DATA[-7:])


@pytest.mark.parametrize("whose", ["ours", "the store's"])
def test_conditions_are_answered_right_with_either_validator(site: Site, whose: str) -> None:
    answer = site.get(site.direct.url if whose == "ours" else site.redirecting.url)
    etag, modified = answer.headers["ETag"], answer.headers["Last-Modified"]
    later = http_date(parsedate_to_datetime(modified) + timedelta(hours=1))
    part = {"Range": "bytes=5-9"}
    cases: list[tuple[dict[str, str], int, bytes | None]] = [
        ({"If-Match": etag}, 200, DATA),
        ({"If-Match": etag, **part}, 206, DATA[5:10]),
        ({"If-Match": '"other"'}, 412, None),
        ({"If-Unmodified-Since": modified}, 200, DATA),
        ({"If-Range": etag, **part}, 206, DATA[5:10]),
        ({"If-Range": modified, **part}, 200, DATA),  # two versions may have one date at the store
        ({"If-Range": '"other"', **part}, 200, DATA),
        ({"If-Range": f"W/{etag}", **part}, 200, DATA),
        ({"If-None-Match": etag}, 304, b""),
        ({"If-None-Match": f'"other", W/{etag}'}, 304, b""),
        ({"If-Modified-Since": later}, 304, b""),
        ({"If-None-Match": '"other"'}, 200, DATA),
    ]
    for headers, status, body in cases:
        got = site.get(site.redirecting.url, **headers)
        assert (got.status_code, body is None or got.content == body) == (status, True), headers


@pytest.mark.parametrize("range_", ["bytes=0-1,5-6", "bytes=-99999999", "items=0-5", "bytes=5-2", ""])
def test_what_the_store_may_read_otherwise_the_service_sends(site: Site, range_: str) -> None:
    answer, direct = site.ask(Range=range_), site.get(site.direct.url, Range=range_)
    assert (answer.status_code, len(answer.content)) == (direct.status_code, len(direct.content))


def test_pages_with_cookies_and_heads_stay_here(site: Site) -> None:
    page = requests.Session()
    signed_in = page.post(
        f"{site.redirecting.url}/auth/login", json={"username": "alice", "password": PASSWORD}, timeout=30
    )
    assert signed_in.ok
    got = page.get(site.redirecting.url + site.path, timeout=30, allow_redirects=False)
    assert (got.status_code, got.content) == (200, DATA)
    head = site.alice.head(site.redirecting.url + site.path, timeout=30, allow_redirects=False)
    assert (head.status_code, head.headers["ETag"]) == (200, got.headers["ETag"])


@pytest.fixture(scope="module")
def signed(site: Site) -> str:
    """What is asked for by a signed address of the file."""
    url = site.alice.post(site.direct.url + site.path.replace("/download", "/url"), timeout=30).json()["url"]
    return str(url).removeprefix(site.direct.url)


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=5-500"}, {"If-None-Match": "*"}, {"Range": "bytes=0-1,5-9"}])
def test_a_signed_address_goes_the_same_ways(site: Site, signed: str, headers: dict[str, str]) -> None:
    direct, *others = (
        requests.get(url + signed, headers=headers, timeout=30)
        for url in (site.direct.url, site.front.url, site.redirecting.url)
    )
    for answer in others:
        assert (answer.status_code, without_boundary(answer)) == (direct.status_code, without_boundary(direct))
    assert headers_of(direct) == headers_of(others[0])
    assert (len(others[1].history) == 1) == (headers in ({}, {"Range": "bytes=5-500"}))


def test_a_signed_address_on_a_page_with_cookies_stays_here(site: Site, signed: str) -> None:
    cookies = {"access_token_cookie": "whatever"}
    got = requests.get(site.redirecting.url + signed, cookies=cookies, timeout=30, allow_redirects=False)
    assert (got.status_code, got.content) == (200, DATA)
    refused = requests.get(site.redirecting.url + signed + "0", timeout=30, allow_redirects=False)
    assert refused.status_code == 403


def test_what_is_in_pieces_the_service_sends(site: Site) -> None:
    data = random.Random(4).randbytes(9 * 1024 * 1024)
    path = site.alice.post(f"{site.direct.url}/api/files?filename=pieces.bin", data=data, timeout=60).headers[
        "Location"
    ]
    assert site.ask(path).status_code == 200
    assert site.get(site.front.url, path, Range="bytes=8388600-8388615").content == data[8388600:8388616]
    assert site.get(site.front.url, path).content == data


@pytest.mark.parametrize("way", ["direct", "front"])
@pytest.mark.parametrize("change", ["delete", "replace", "object"])
def test_what_goes_away_in_the_middle_ends_early_and_gives_no_wrong_byte(site: Site, change: str, way: str) -> None:
    """Its owner deletes or replaces it, or the store loses it: what comes is the beginning of the old bytes."""
    name, data = f"{change}-{way}.bin", random.Random(5).randbytes(32 * 1024 * 1024)
    path = site.alice.post(f"{site.direct.url}/api/files?filename={name}", data=data, timeout=60).headers["Location"]
    with BareClient(getattr(site, way), site.alice, receive_buffer=65536) as client:
        client.send_head("GET", path)
        status, headers = client.receive_head()
        assert (status, headers["content-length"]) == (200, str(len(data)))
        if change == "replace":
            site.alice.post(f"{site.direct.url}/api/files?filename={name}&overwrite=true", data=b"new", timeout=60)
        elif change == "delete":
            site.alice.delete(f"{site.direct.url}/api/files/{name}", timeout=60)
        else:
            file_id = path.split("/")[3].replace("-", "")
            objects = Objects(parse_store_address(site.storage_url))
            found = [each.name for page in objects.list("") for each in page if file_id in each.name]
            assert found
            objects.delete(found)
        received = client.take_buffered()
        while block := client.socket.recv(1024 * 1024):
            received += block
    assert 0 < len(received) < len(data)
    assert data.startswith(received)
    after = site.get(site.direct.url, path)
    # Of pieces that are gone while their rows are there nobody can say that there never was such a file.
    assert (after.status_code, data[:100] in after.content) == (500 if change == "object" else 404, False)
    assert "Traceback" not in site.direct.log_path.read_text()


@pytest.mark.parametrize("name", ["film.mp4", "Übung 100% & mehr+1=2.png", "文件.bin", "a'b\"c (1);~.webm"])
def test_attachments_go_the_same_ways_whatever_they_are_called(site: Site, name: str) -> None:
    talk = site.alice.post(f"{site.direct.url}/conversations/create", json={"email": "bob"}, timeout=30).json()
    sent = site.alice.post(
        f"{site.direct.url}/messages/upload",
        data={"conversation_id": talk["conversation_id"]}, files={"file": (name, DATA)}, timeout=60,
    )  # fmt: skip
    path = sent.json()["message"]["media_url"]
    sent_id = path.split("/")[-2]
    assert site.get(site.backend.url, path).headers["X-Accel-Redirect"].startswith("/_transfer/store/")
    site.get(site.front.url, path)
    lines = [
        json.loads(line)
        for line in site.direct.log_path.read_text().splitlines()
        if '"handed_over"' in line or sent_id in line
    ]
    assert lines[-1].get("handed_over"), "the service was asked once more"
    for headers in ({}, {"Range": "bytes=5-1000"}, {"If-None-Match": "*"}):
        direct, fronted = site.get(site.direct.url, path, **headers), site.get(site.front.url, path, **headers)
        assert (direct.status_code, direct.content) == (fronted.status_code, fronted.content)
        assert headers_of(direct) == headers_of(fronted)
    answer = site.ask(path)
    assert answer.status_code == 307
    got = requests.get(answer.headers["Location"], timeout=30)
    assert got.content == DATA
    assert got.headers["Content-Disposition"] == site.get(site.direct.url, path).headers["Content-Disposition"]


def test_nothing_secret_is_in_the_logs(site: Site) -> None:
    site.ask()
    site.get(site.front.url)
    asked = site.front.logged(site.path).splitlines()
    asked = [line for line in asked if "/_transfer/" not in line]  # what a test has asked for itself
    told = "\n".join([site.direct.log_path.read_text(), site.front.errors(), *asked])
    assert not re.search(r"X-Amz|Signature|Credential|only-for-these-tests", told)


def test_a_link_with_a_limit_is_sent_and_counted_by_the_service(site: Site) -> None:
    file_id = site.path.split("/")[-2]
    made = site.alice.post(
        f"{site.direct.url}/api/links", json={"file_ids": [file_id], "max_downloads": 2}, timeout=30
    ).json()
    path = urlsplit(made["files"][0]["url"]).path
    parts = [
        requests.get(url + path, headers={"Range": f"bytes={start}-{start + 400_000 - 1}"}, timeout=60)
        for start, url in ((0, site.direct.url), (400_000, site.front.url), (800_000, site.redirecting.url))
    ]
    assert [part.status_code for part in parts] == [206, 206, 206]  # nobody is sent to the store
    assert b"".join(part.content for part in parts) == DATA
    whole = [requests.get(site.front.url + path, timeout=60, allow_redirects=False) for _ in range(2)]
    assert [(each.status_code, each.content == DATA) for each in whole] == [(200, True), (404, False)]


def test_a_link_without_a_limit_is_sent_by_nginx_from_the_store_and_nobody_is_sent_there(site: Site) -> None:
    file_id = site.path.split("/")[-2]
    made = site.alice.post(f"{site.direct.url}/api/links", json={"file_ids": [file_id]}, timeout=30).json()
    path = urlsplit(made["files"][0]["url"]).path
    for url in (site.direct.url, site.front.url, site.redirecting.url):
        for headers in ({}, dict(site.alice.headers)):
            answer = requests.get(url + path, headers=headers, timeout=60, allow_redirects=False)
            assert (answer.status_code, answer.content == DATA) == (200, True)
    found = site.alice.get(f"{site.direct.url}/api/links/{made['id']}", timeout=30).json()
    assert found["downloads"] == 6
