"""What the head of a request says of its bytes and of its host, on the wire: understood, or 4xx and nothing stored."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.live.appends import UPLOADS, Door, Protocol
from tests.live.bare_socket import BareClient
from tests.live.nginx import running_nginx
from tests.live.server import LiveServer, running
from tests.ports import free_port

pytestmark = pytest.mark.one_machine("nginx judges the heads of requests first")

ZIPPED = gzip.compress(b"hello")
BASE = "https://files.example.com/base"


@pytest.mark.parametrize("coding", ["gzip, chunked", "gzip", "identity", "chunked, chunked"])
def test_a_transfer_coding_that_is_not_undone_is_refused(
    server: LiveServer, alice: requests.Session, coding: str
) -> None:
    """Decoding it is the server's duty (RFC 9112 section 6.1), so what is not decoded must not come in."""
    path = Door(server, alice).create(len(ZIPPED))
    with BareClient(server, alice) as client:
        client.send_head(
            "PATCH", path, "Tus-Resumable: 1.0.0", "Upload-Offset: 0", f"Transfer-Encoding: {coding}",
            "Content-Type: application/offset+octet-stream",
        )  # fmt: skip
        client.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(ZIPPED), ZIPPED))
        assert client.receive().status in {400, 501}
    assert Door(server, alice).offset(path) == 0


def test_a_poll_of_socket_io_that_is_coded_is_refused(server: LiveServer) -> None:
    url = f"{server.url}/socket.io/?EIO=4&transport=polling"
    opened = requests.get(url, timeout=30).text
    sid = opened.partition('"sid":"')[2].partition('"')[0]
    coded = requests.post(
        f"{url}&sid={sid}", data=gzip.compress(b"40"), headers={"Content-Encoding": "gzip"}, timeout=30
    )
    assert (coded.status_code, coded.json()) == (415, {"detail": "Content-Encoding must be identity"})
    assert coded.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("host", ["evil.example/x", "a b", "a@b", "[::1", "a:999999", "a\\b"])
def test_a_host_that_is_none_is_400(server: LiveServer, alice: requests.Session, host: str) -> None:
    token = f"Authorization: {alice.headers['Authorization']!s}"
    with BareClient(server) as client:
        lines = [f"POST {UPLOADS} HTTP/1.1", f"Host: {host}", token, "Upload-Complete: ?0", "Content-Length: 0", "", ""]
        client.send("\r\n".join(lines).encode())
        answer = client.receive()
    assert (answer.status, "location" in answer.headers) == (400, False)


def test_nobody_is_believed_who_is_no_proxy_of_ours(server: LiveServer, alice: requests.Session) -> None:
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil"}
    answer = Door(server, alice).request("POST", UPLOADS, Protocol.TUS.creation(1) | told)
    assert answer.headers["Location"].startswith(f"{server.url}{UPLOADS}/")


@pytest.fixture(scope="module", params=["prefix", "public-url"])
def mounted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, LiveServer]]:
    """The service below a path of an nginx, which tells it so or which its operator names; what clients call it."""
    folder, port = tmp_path_factory.mktemp("mounted"), free_port()
    base = f"http://127.0.0.1:{port}/base"
    settings = {"TRANSFER_TRUSTED_PROXIES": "1"} if request.param == "prefix" else {"TRANSFER_PUBLIC_URL": base}
    prefix = "proxy_set_header X-Forwarded-Prefix /base;" if request.param == "prefix" else ""
    with running(folder / "data", "alice", **settings) as server:
        location = f"""location /base/ {{ proxy_pass http://127.0.0.1:{server.port}/; proxy_http_version 1.1; {prefix}
            proxy_request_buffering off; proxy_set_header Host $http_host; proxy_set_header Connection ""; }}"""
        with running_nginx(folder, f"server {{ listen 127.0.0.1:{port}; {location} }}", port=port):
            yield base, server


@pytest.mark.parametrize("protocol", list(Protocol), ids=lambda protocol: protocol.value)
def test_below_a_path_of_nginx_a_location_leads_back(mounted: tuple[str, LiveServer], protocol: Protocol) -> None:
    base, server = mounted
    session = server.sign_in("alice")
    begun = session.post(f"{base}{UPLOADS}", headers=protocol.creation(5), timeout=30)
    location = begun.headers["Location"]
    done = session.patch(location, data=b"hello", headers=protocol.append(0, is_last=True), timeout=30)
    assert (location.startswith(f"{base}{UPLOADS}/"), done.status_code) == (True, protocol.last_status)
    assert session.get(f"{base}/api/files/{done.headers['X-File-Id']}/download", timeout=30).content == b"hello"


def test_the_interim_answer_has_the_address_of_the_final_one(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", "alice", TRANSFER_PUBLIC_URL=BASE) as server,
        BareClient(server, server.sign_in("alice")) as client,
    ):
        client.send_head("POST", UPLOADS, "Content-Length: 5", "Upload-Draft-Interop-Version: 8")
        status, interim = client.receive_head()
        client.send(b"hello")
        final = client.receive()
    assert (status, interim["location"]) == (104, final.headers["location"])
    assert final.headers["location"].startswith(f"{BASE}{UPLOADS}/")
