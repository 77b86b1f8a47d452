"""What nginx decides by itself, and what it passes on: errors, names, addresses and headers."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests

from tests.live.bare_socket import Answer, BareClient
from tests.live.nginx import NginxSite, running_site

FILE_ID = "11111111-2222-3333-4444-555555555555"
TEXT = b"<p>hello</p>" * 1000
MOBILE, REMOTE = f"/api/files/{FILE_ID}/download", "/api/downloads/x"
BODIES = [
    pytest.param([], id="whole"),
    pytest.param(["Range: bytes=3-9"], id="range"),
    pytest.param(["Range: bytes=3-9,20-30"], id="several-ranges"),
    pytest.param(["If-None-Match: *"], id="unchanged"),
    pytest.param(["If-Match: x"], id="changed"),
    pytest.param(["Range: bytes=99999-"], id="unsatisfied"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxSite]:
    """Both ways to one data folder; nginx lets bodies of 1 MiB through."""
    with running_site(tmp_path_factory.mktemp("edges") / "data", "alice", max_body="1m") as site:
        yield site


@pytest.fixture(scope="module")
def alice(site: NginxSite) -> requests.Session:
    return site.direct.sign_in("alice")


@pytest.fixture(scope="module")
def stored(site: NginxSite, alice: requests.Session) -> str:
    """The path of TEXT, which a server that compresses would compress."""
    headers = {"Content-Type": "text/html"}
    answer = alice.post(f"{site.front.url}/api/files?filename=page.html", data=TEXT, headers=headers, timeout=30)
    return str(answer.headers["Location"])


def exchange(site: NginxSite, request: bytes) -> Answer:
    """The answer to what is sent as it is."""
    with BareClient(site.front) as client:
        client.send(request)
        return client.receive()


@pytest.mark.parametrize(("request_bytes", "status"), [
    pytest.param(b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 405, id="trace"),
    pytest.param(b"NONSENSE\r\n\r\n", 400, id="no-http"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, id="tls-on-the-plain-port"),
    pytest.param(b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 505, id="unknown-version"),
    pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, id="no-host"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, id="two-hosts"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: x y\r\n\r\n", 400, id="bad-host"),
    pytest.param(b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400, id="zero-byte"),
    pytest.param(b"GET /../x HTTP/1.1\r\nHost: x\r\n\r\n", 400, id="above-the-root"),
    pytest.param(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, id="long-target"),
    pytest.param(b"GET /" + b"a" * 8180 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, id="target-too-long-for-the-service"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 9000 + b"\r\n\r\n", 431, id="long-header"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n", 431, id="longer-header"),
    pytest.param(
        b"GET / HTTP/1.1\r\nHost: x\r\n" + (b"X: " + b"y" * 8000 + b"\r\n") * 20 + b"\r\n",
        431,
        id="much-of-headers",
    ),
    pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431, id="many-headers"),
    pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: a\r\n\r\n", 400, id="bad-length"),
    pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, id="unknown-coding"),
    pytest.param(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400, id="smuggling"
    ),
    pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n", 413, id="large-body"),
    pytest.param(
        b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n\r\n", 413, id="not-asked"
    ),
])  # fmt: skip
def test_a_request_that_nginx_refuses_is_answered_in_json(site: NginxSite, request_bytes: bytes, status: int) -> None:
    answer = exchange(site, request_bytes)
    assert (answer.status, list(answer.json)) == (status, ["detail"])
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["server"] in {"nginx", "gunicorn"}
    assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_http_on_the_tls_port_is_answered_in_json(site: NginxSite) -> None:
    answer = requests.get(f"http://127.0.0.1:{site.front.tls_port}/healthz", timeout=30)
    assert (answer.status_code, list(answer.json())) == (400, ["detail"])


@pytest.mark.parametrize(("request_line", "status", "body"), [
    pytest.param(f"POST {MOBILE}", 413, {"error": {"message": str, "statusCode": 413}}, id="mobile-413"),
    pytest.param(f"POST {REMOTE}", 413, {"success": False, "error": str}, id="remote-413"),
    pytest.param("POST /api/files", 413, {"detail": str}, id="files-413"),
    pytest.param("POST /api/uploads", 413, {"type": str, "status": 413, "detail": str}, id="uploads-413"),
    pytest.param(f"TRACE {MOBILE}", 405, {"error": {"message": str, "statusCode": 405}}, id="mobile-405"),
    pytest.param(f"TRACE {REMOTE}", 405, {"success": False, "error": str}, id="remote-405"),
])  # fmt: skip
def test_a_refusal_by_nginx_has_the_envelope_of_its_path(
    site: NginxSite, request_line: str, status: int, body: dict[str, Any]
) -> None:
    length = "2000000" if status == 413 else "0"
    answer = exchange(site, f"{request_line} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
    assert (answer.status, shape_of(answer.json)) == (status, body)


@pytest.mark.parametrize(("method", "status"), [("PATCH", 413), ("TRACE", 405)])
def test_a_refusal_by_nginx_is_plain_text_for_tus(site: NginxSite, method: str, status: int) -> None:
    length = "2000000" if status == 413 else "0"
    fields = f"Host: x\r\nTus-Resumable: 1.0.0\r\nContent-Length: {length}"
    answer = exchange(site, f"{method} /api/uploads/x HTTP/1.1\r\n{fields}\r\n\r\n".encode())
    assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (status, "text/plain")
    assert (answer.headers["tus-resumable"], answer.body.endswith(b"\n")) == ("1.0.0", True)


def shape_of(body: Any) -> Any:
    """The body with its texts replaced by their type."""
    if isinstance(body, dict):
        return {name: shape_of(value) for name, value in body.items()}
    return str if isinstance(body, str) else body


def test_a_client_that_sends_too_much_can_still_read_its_refusal(site: NginxSite, alice: requests.Session) -> None:
    body = b"x" * 30_000_000
    answer = alice.post(f"{site.front.url}/api/files?filename=huge", data=body, timeout=30)
    assert (answer.status_code, list(answer.json())) == (413, ["detail"])


def test_a_body_of_unknown_length_is_refused_when_it_gets_too_large(site: NginxSite, alice: requests.Session) -> None:
    blocks = (b"x" * 100_000 for _ in range(30))
    answer = alice.post(f"{site.front.url}/api/files?filename=huge", data=blocks, timeout=30)
    assert (answer.status_code, list(answer.json())) == (413, ["detail"])
    assert alice.get(f"{site.direct.url}/api/files/status/huge", timeout=30).json()["status"] == "pending"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_old_client_needs_no_host(site: NginxSite, version: str) -> None:
    head = "\r\nHost: x" if version == "1.1" else ""
    answer = exchange(site, f"GET /healthz HTTP/{version}{head}\r\nConnection: close\r\n\r\n".encode())
    assert (answer.status, answer.json) == (200, {"status": "ok"})


@pytest.mark.parametrize("target", [
    "/download/a%2Fb", "/download/a%252Fb", "/download/100%25", "/download/%E6%96%87%E4%BB%B6.bin", "/download/a%20b+c",
    "/download/a//b", "/download//a", "//download/a", "/download/a%3Fb?c=d%2Fe", "/download/a;b", "/download/%ff",
    "/download/a%5Cb", "/download/%2e%2e%2fa", "/download/./a", "/download/x/../a", "/api/files/download/a%0Ab",
    "/api/files/status/..%2F..%2Fa", "/api//files", "/download/a%2fb/", "/download/%7E~", "http://other/download/a%2Fb",
])  # fmt: skip
def test_a_target_arrives_unchanged(site: NginxSite, alice: requests.Session, target: str) -> None:
    answers = []
    for door in (site.direct, site.front):
        with BareClient(door, alice) as client:
            client.send_head("GET", target)
            answer = client.receive()
            answers.append((answer.status, answer.json))
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    "name", ["100%.txt", "a%2Fb", "文件 (2).bin", "a+b&c=d", "quote\"'.bin", "e\u0301.txt", "-;~", "day/a b.txt"]
)
def test_a_name_survives_the_way_there_and_back(site: NginxSite, alice: requests.Session, name: str) -> None:
    sent = alice.post(f"{site.front.url}/api/files", params={"filename": name}, data=b"named", timeout=30)
    quoted = quote(sent.json()["filename"], safe="")
    direct, fronted = (
        alice.get(f"{url}/api/files/download/{quoted}", timeout=30) for url in (site.direct.url, site.front.url)
    )
    assert (sent.status_code, fronted.content) == (201, b"named")
    assert fronted.headers["Content-Disposition"] == direct.headers["Content-Disposition"]


def test_an_address_that_a_client_claims_does_not_count(site: NginxSite) -> None:
    statuses = []
    for number in range(11):
        claims = {"X-Forwarded-For": f"10.0.0.{number}", "Forwarded": f"for=10.0.0.{number}", "X-Real-IP": "10.0.0.1"}
        body = {"username": "bob", "password": "wrong"}
        answer = requests.post(f"{site.front.url}/auth/token", json=body, headers=claims, timeout=30)
        statuses.append(answer.status_code)
    assert statuses == [401] * 10 + [429]
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("name", ["X-Forwarded-Prefix", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port"])
def test_a_place_that_a_client_claims_does_not_count(site: NginxSite, alice: requests.Session, name: str) -> None:
    claims = {name: "/evil", name.replace("-", "_"): "/evil"}
    url = f"{site.front.url}/api/files?filename=claimed.bin"
    answer = alice.post(url, data=b"x", headers=claims, timeout=30)
    assert (answer.status_code, "evil" in str(answer.headers), answer.headers["Location"][:11]) == (
        201, False, "/api/files/",
    )  # fmt: skip


@pytest.mark.parametrize("headers", BODIES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_wire_has_one_connection_header_and_no_trace_of_the_inside(
    site: NginxSite, alice: requests.Session, stored: str, method: str, headers: list[str]
) -> None:
    with BareClient(site.front, alice) as client:
        client.send_head(method, stored, "Accept-Encoding: gzip, br, deflate", *headers)
        head = client.peek_head()
        client.receive(has_body=method == "GET")
        client.send_head("GET", "/healthz")
        assert re.findall(rb"(?m)^connection: (.*)\r$", head) == [b"keep-alive"]
        assert not re.search(rb"(?m)^(x-accel|transfer-encoding|content-encoding|x-powered|via)", head)
        assert re.findall(rb"(?m)^server: (.*)\r$", head) == [b"nginx"]
        assert client.receive().json == {"status": "ok"}


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-11"}, {"Range": "bytes=0-5,6-11,20-25"}])
def test_nothing_is_compressed(site: NginxSite, alice: requests.Session, stored: str, headers: dict[str, str]) -> None:
    accepts = {**headers, "Accept-Encoding": "gzip, deflate, br"}
    urls = (site.direct.url, site.front.url)
    direct, fronted = (alice.get(url + stored, headers=accepts, timeout=30) for url in urls)
    assert (fronted.headers.get("Content-Encoding"), fronted.headers["ETag"]) == (None, direct.headers["ETag"])
    assert fronted.headers["Content-Length"] == direct.headers["Content-Length"]


def test_a_file_that_is_replaced_between_two_requests_is_the_new_one(site: NginxSite, alice: requests.Session) -> None:
    url = f"{site.front.url}/download/changing.bin"
    upload = f"{site.front.url}/api/files?filename=changing.bin&overwrite=true"
    alice.post(upload, data=b"old bytes", timeout=30)
    old = alice.get(url, timeout=30)
    alice.post(upload, data=b"the new bytes", timeout=30)
    resumed = alice.get(url, headers={"Range": "bytes=4-", "If-Range": old.headers["ETag"]}, timeout=30)
    alice.delete(f"{site.front.url}/api/files/changing.bin", timeout=30)
    gone = alice.get(url, timeout=30)
    assert (old.content, resumed.status_code, resumed.content) == (b"old bytes", 200, b"the new bytes")
    assert (gone.status_code, gone.json()) == (404, {"detail": "File not found"})
