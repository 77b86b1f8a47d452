"""Nginx and the service when one of them cannot: no store to read, no service to ask, no client that takes anything."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests

from tests.live.bare_socket import BareClient
from tests.live.chunks import send_chunk
from tests.live.nginx import FRONTED, NginxFront, behind_nginx, shipped_site
from tests.live.server import LiveServer, running, started, wait_until
from transfer_service.wire.chunk_frames import LONG_FRAME

pytestmark = pytest.mark.one_machine("nginx reads the files of one disk")

MEBIBYTE = 1024 * 1024
DATA = np.random.default_rng(10).bytes(24 * MEBIBYTE)
FILE_ID = "11111111-2222-3333-4444-555555555555"
OWN = {"Server", "Date", "X-Request-Id"}


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("failures") / "data", "alice") as server:
        yield server


@pytest.fixture(scope="module")
def alice(direct: LiveServer) -> requests.Session:
    return direct.sign_in("alice")


@pytest.fixture(scope="module")
def stored(direct: LiveServer, alice: requests.Session) -> str:
    """The path of DATA."""
    return direct.store(alice, "data.bin", DATA)


@pytest.fixture(scope="module")
def pair(direct: LiveServer) -> Iterator[list[LiveServer]]:
    """Two more instances on the same data folder, to stand behind nginx."""
    first, second = (LiveServer(direct.data_dir, FRONTED) for _ in range(2))
    with started(first), started(second):
        yield [first, second]


@pytest.fixture
def mortals(pair: list[LiveServer]) -> list[LiveServer]:
    """Both instances, which may be killed."""
    for instance in pair:
        if not instance.is_running():
            instance.start()
    return pair


@pytest.fixture(scope="module", params=["missing", "forbidden"])
def blind(pair: list[LiveServer], request: pytest.FixtureRequest) -> Iterator[NginxFront]:
    """An nginx that cannot read the store: there is none where it looks, or it may not go there."""
    place = pair[0].data_dir.parent / f"no-store-{request.param}"
    if request.param == "forbidden":
        place.symlink_to(place)  # 403 like a lack of permissions, for root too
    with behind_nginx(pair[0], blobs=place) as front:
        yield front


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"Range": "bytes=5-9999999"}, {"Range": "bytes=-1"}, {"Range": "bytes=0-1,5-6"}, {"If-None-Match": "*"}],
    ids=["whole", "range", "last", "several-ranges", "unchanged"],
)
def test_what_nginx_cannot_read_the_service_sends_itself(
    direct: LiveServer, blind: NginxFront, alice: requests.Session, stored: str, method: str, headers: dict[str, str]
) -> None:
    expected, answer = (
        alice.request(method, url + stored, headers=headers, timeout=30) for url in (direct.url, blind.url)
    )
    assert (answer.status_code, len(answer.content)) == (expected.status_code, len(expected.content))
    if "boundary" not in expected.headers.get("Content-Type", ""):  # which is made anew each time
        assert hashlib.sha256(answer.content).digest() == hashlib.sha256(expected.content).digest()
        assert _headers_of(answer) == _headers_of(expected)


def test_a_file_that_is_lost_is_404_like_without_nginx(
    direct: LiveServer, mortals: list[LiveServer], alice: requests.Session
) -> None:
    path = direct.store(alice, "lost.bin", b"lost")
    hex_id = path.split("/")[3].replace("-", "")
    (direct.data_dir / "blobs" / hex_id[:2] / hex_id).unlink()
    with behind_nginx(mortals[0]) as front:
        expected, answer = (alice.get(url + path, timeout=30) for url in (direct.url, front.url))
    assert (answer.status_code, answer.json()) == (404, expected.json())
    assert _headers_of(answer) == _headers_of(expected)


def _headers_of(answer: requests.Response) -> dict[str, str]:
    empty = {"Content-Type"} if answer.status_code == 304 else set()
    return {name: value for name, value in answer.headers.items() if name not in OWN | empty}


def test_a_client_that_stops_reading_holds_nothing_of_the_service(
    mortals: list[LiveServer], alice: requests.Session, stored: str
) -> None:
    backend = mortals[0]
    with behind_nginx(backend) as front, BareClient(front, alice, receive_buffer=4096) as client:
        client.send_head("GET", stored)
        _, headers = client.receive_head()
        wait_until(lambda: not backend.holds_file())
        backend.kill()  # nginx does not need it any more
        assert client.take(int(headers["content-length"])) == DATA


DOWN = "Service is not available"


@pytest.mark.parametrize(("path", "body"), [
    pytest.param(f"/api/files/{FILE_ID}/download", {"error": {"message": DOWN, "statusCode": 503}}, id="mobile"),
    pytest.param(f"/api/files/{FILE_ID}/download?x=1", {"error": {"message": DOWN, "statusCode": 503}}, id="query"),
    pytest.param("/api/downloads/x", {"success": False, "error": DOWN}, id="remote"),
    pytest.param("/api/downloads/x/download/progress", {"success": False, "error": DOWN}, id="progress"),
    pytest.param("/api/activities?page=1", {"success": False, "error": DOWN}, id="activities"),
    pytest.param("/api/files", {"detail": DOWN}, id="files"),
    pytest.param("/api/files/download/download", {"detail": DOWN}, id="by-name"),
    pytest.param("/socket.io/?EIO=4", {"detail": DOWN}, id="socket"),
    pytest.param("/healthz", {"detail": DOWN}, id="else"),
])  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_the_service_nginx_says_so_in_the_envelope_of_the_path(
    nobody: NginxFront, method: str, path: str, body: dict[str, object]
) -> None:
    data = b"x" * 2_000_000 if method == "POST" else b""
    answer = requests.request(method, nobody.url + path, data=data, timeout=30)
    assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (503, body, "5")
    assert (answer.headers["Content-Type"], answer.headers["Server"]) == ("application/json", "nginx")


@pytest.mark.parametrize(("headers", "media_type", "body"), [
    pytest.param({"Tus-Resumable": "1.0.0"}, "text/plain", f"{DOWN}\n", id="tus"),
    pytest.param({}, "application/problem+json", json.dumps(
        {"type": "about:blank", "status": 503, "detail": DOWN}, separators=(",", ":")
    ), id="draft"),
])  # fmt: skip
def test_without_the_service_nginx_says_so_in_the_words_of_a_resumable_upload(
    nobody: NginxFront, headers: dict[str, str], media_type: str, body: str
) -> None:
    answer = requests.patch(f"{nobody.url}/api/uploads/{FILE_ID}", data=b"x" * 2_000_000, headers=headers, timeout=30)
    assert (answer.status_code, answer.text, answer.headers["Retry-After"]) == (503, body, "5")
    assert answer.headers["Content-Type"].partition(";")[0] == media_type
    assert answer.headers.get("Tus-Resumable") == headers.get("Tus-Resumable")


@pytest.fixture(scope="module")
def nobody(direct: LiveServer) -> Iterator[NginxFront]:
    """An nginx in front of an instance that does not run."""
    with behind_nginx(LiveServer(direct.data_dir)) as front:
        yield front


def test_a_service_that_dies_in_mid_upload_is_503_and_the_upload_resumes(
    mortals: list[LiveServer], alice: requests.Session
) -> None:
    backend, chunk = mortals[0], DATA[: 3 * MEBIBYTE]
    frame = LONG_FRAME.format(1000, chunk)
    with behind_nginx(backend) as front:
        send_chunk(alice, backend, "dying.bin", 0, b"a" * 1000, total=1000 + len(chunk))
        with BareClient(front, alice) as client:
            client.send_head("POST", "/api/files/upload?filename=dying.bin", f"Content-Length: {len(frame)}")
            client.send(frame[: 2 * MEBIBYTE])
            wait_until(backend.holds_file)
            backend.kill()
            refused = client.receive()
        backend.start()
        status = alice.get(f"{front.url}/api/files/status/dying.bin", timeout=30).json()
        resumed = send_chunk(alice, backend, "dying.bin", 1000, chunk)
    assert (refused.status, refused.json, refused.headers["retry-after"]) == (503, {"detail": DOWN}, "5")
    assert (status["next_expected_byte"], resumed.json()["status"]) == (1000, "complete")


def test_instances_that_are_restarted_one_after_the_other_are_not_missed(
    mortals: list[LiveServer], alice: requests.Session, stored: str
) -> None:
    statuses = []
    with shipped_site(*mortals) as front:
        for instance in mortals:
            instance.kill()
            statuses += [_get(front, alice, stored) for _ in range(5)]
            instance.start()
            statuses += [_get(front, alice, stored) for _ in range(5)]
    assert statuses == [206] * 20


def _get(front: NginxFront, session: requests.Session, path: str) -> int:
    headers = {**session.headers, "Range": "bytes=0-99"}
    url, certificate = front.tls_url + path, str(front.certificate)
    return requests.get(url, headers=headers, verify=certificate, timeout=30).status_code


def test_the_site_as_shipped_serves_http2_and_sends_plain_http_there(
    mortals: list[LiveServer], alice: requests.Session, stored: str, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    token = f"Authorization: {alice.headers['Authorization']!s}"
    with shipped_site(*mortals) as front:
        command = ["curl", "-sS", "--http2", "--cacert", str(front.certificate), "-w", "%{http_version} %{http_code}"]
        curl = subprocess.run(
            [*command, "-H", token, "-o", str(target), front.tls_url + stored], check=True, capture_output=True
        )
        plain = requests.get(f"{front.url}/download/a%2Fb?c=%20d", allow_redirects=False, timeout=30)
    assert (curl.stdout, target.read_bytes() == DATA) == (b"2 200", True)
    assert (plain.status_code, plain.headers["Location"]) == (308, "https://127.0.0.1/download/a%2Fb?c=%20d")
    assert plain.headers["Server"] == "nginx"


@pytest.mark.parametrize(("path", "status"), [
    pytest.param("/healthz", 200, id="service"),
    pytest.param("STORED", 200, id="handed-over"),
    pytest.param("/nowhere", 404, id="not-found"),
    pytest.param("/%00", 400, id="refused-by-nginx"),
])  # fmt: skip
def test_every_answer_over_tls_tells_browsers_to_stay_there(
    mortals: list[LiveServer], alice: requests.Session, stored: str, path: str, status: int
) -> None:
    with shipped_site(*mortals) as front:
        url, certificate = front.tls_url + path.replace("STORED", stored), str(front.certificate)
        answer = requests.get(url, headers=dict(alice.headers), verify=certificate, timeout=30)
    assert (answer.status_code, answer.headers.get("Strict-Transport-Security")) == (status, "max-age=31536000")
