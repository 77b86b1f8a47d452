"""What fits through nginx: long headers both ways; and what it says itself to pages of other origins and to its log."""

import base64
import subprocess
from collections.abc import Iterator

import pytest
import requests

from tests.live.nginx import FRONTED, NginxFront, behind_nginx, shipped_site
from tests.live.server import LiveServer, running

pytestmark = pytest.mark.one_machine("it is about nginx before one instance")

ORIGIN = "https://app.example.com"
APP = "capacitor://localhost"
TUS = {"Tus-Resumable": "1.0.0"}
NAME = "文" * 85  # 255 bytes, 765 when they are encoded
SECRET = "a-secret-in-the-query"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    settings = {**FRONTED, "TRANSFER_CORS_ORIGINS": ORIGIN}
    with running(tmp_path_factory.mktemp("limits") / "data", "alice", **settings) as server:
        yield server


@pytest.fixture(scope="module")
def front(server: LiveServer) -> Iterator[NginxFront]:
    with behind_nginx(server, max_body="1m", origins=[ORIGIN, APP]) as front:
        yield front


@pytest.fixture(scope="module")
def nobody(server: LiveServer) -> Iterator[NginxFront]:
    """An nginx in front of an instance that does not run."""
    with behind_nginx(LiveServer(server.data_dir), origins=[ORIGIN, APP]) as front:
        yield front


@pytest.fixture(scope="module")
def alice(server: LiveServer) -> requests.Session:
    return server.sign_in("alice")


def metadata(size: int) -> str:
    """An Upload-Metadata of so many bytes, header name included."""
    name = base64.b64encode(NAME.encode()).decode()
    filler = size - len(f"Upload-Metadata: filename {name},note ")
    return f"filename {name},note {'A' * (filler - filler % 4)}"


@pytest.mark.parametrize("size", [100 + 1024, 4096, 8180])
def test_metadata_that_the_service_takes_passes_nginx_both_ways(
    server: LiveServer, front: NginxFront, alice: requests.Session, size: int
) -> None:
    headers = {**TUS, "Upload-Length": "9", "Upload-Metadata": metadata(size)}
    for url in (server.url, front.url):
        created = alice.post(f"{url}/api/uploads", headers=headers, timeout=30)
        assert created.status_code == 201, created.text
        path = "/api/uploads/" + created.headers["Location"].rpartition("/")[2]
        looked = alice.head(url + path, headers=TUS, timeout=30)
        assert (looked.status_code, looked.headers["Upload-Metadata"]) == (200, headers["Upload-Metadata"])


@pytest.mark.parametrize("size", [8300, 20_000])
def test_metadata_that_is_too_long_is_431_directly_and_behind_nginx(
    server: LiveServer, front: NginxFront, alice: requests.Session, size: int
) -> None:
    headers = {**TUS, "Upload-Length": "9", "Upload-Metadata": metadata(size)}
    answers = [alice.post(f"{url}/api/uploads", headers=headers, timeout=30) for url in (server.url, front.url)]
    assert [answer.status_code for answer in answers] == [431, 431]


@pytest.mark.parametrize("size", [9000, 20_000, 30_000])
def test_a_long_field_over_http2_is_431_too(front: NginxFront, size: int) -> None:
    command = ["curl", "-sS", "--http2", "--cacert", str(front.certificate), "-o", "/dev/null", "-w", "%{http_code}"]
    command += ["-H", f"X-Long: {'x' * size}", f"{front.tls_url}/healthz"]
    answer = subprocess.run(command, capture_output=True, check=False)
    assert (answer.stdout, answer.stderr) == (b"431", b"")


def test_the_longest_name_passes_in_an_address_and_comes_back(
    server: LiveServer, front: NginxFront, alice: requests.Session
) -> None:
    path = server.store(alice, NAME, b"x")
    by_name = alice.get(f"{front.url}/download/{NAME}", timeout=30)
    by_id = alice.get(front.url + path, timeout=30)
    assert [answer.status_code for answer in (by_name, by_id)] == [200, 200]
    assert "filename*=UTF-8''%E6%96%87" in by_name.headers["Content-Disposition"]


def test_many_cookies_pass(server: LiveServer, front: NginxFront) -> None:
    cookies = "; ".join(f"cookie{number}={'x' * 200}" for number in range(38))
    assert 7500 < len(cookies) < 8180
    for url in (server.url, front.url):
        assert requests.get(f"{url}/healthz", headers={"Cookie": cookies}, timeout=30).status_code == 200


@pytest.mark.parametrize("origin", [ORIGIN, APP])
@pytest.mark.parametrize(("path", "headers"), [("/api/files", {}), ("/api/uploads", TUS), ("/api/downloads", {})])
def test_pages_of_allowed_origins_may_read_that_the_service_is_down(
    nobody: NginxFront, path: str, headers: dict[str, str], origin: str
) -> None:
    answer = requests.post(nobody.url + path, headers={**headers, "Origin": origin}, timeout=30)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
    assert answer.headers["Vary"] == "Origin"


def test_pages_of_allowed_origins_may_read_that_a_body_is_too_large(front: NginxFront) -> None:
    answer = requests.post(f"{front.url}/api/files", data=b"x" * 1_100_000, headers={"Origin": ORIGIN}, timeout=30)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (413, ORIGIN)


@pytest.mark.parametrize(
    "origin", [None, "https://app.example.com.evil.net", "https://xapp.example.com", "http://app.example.com", "null"]
)
def test_other_pages_may_not(nobody: NginxFront, origin: str | None) -> None:
    headers = {"Origin": origin} if origin else {}
    answer = requests.get(f"{nobody.url}/api/files", headers=headers, timeout=30)
    allowed = [name for name in answer.headers if name.lower().startswith("access-control-")]
    assert (answer.status_code, allowed) == (503, [])


def test_no_log_holds_a_query_a_referrer_or_the_token_of_a_link(server: LiveServer) -> None:
    with shipped_site(server) as front:
        headers = {"Referer": f"https://files.example.com/s/{SECRET}", "Authorization": f"Bearer {SECRET}"}
        for path in ("/healthz", "/nothing", f"/s/{SECRET}", f"/s/{SECRET}/files/1", "/%00", "/" + "x" * 9000):
            url = f"{front.tls_url}{path}?signature={SECRET}"
            requests.get(url, headers=headers, verify=str(front.certificate), timeout=30)
        requests.get(f"{front.url}/download/a?signature={SECRET}", headers=headers, allow_redirects=False, timeout=30)
        logged = front.logged("GET /download/a HTTP/1.1")
        complaints = front.errors()
    assert ("GET /healthz HTTP/1.1" in logged, "/s/.../files/1" in logged) == (True, True)
    assert SECRET not in logged + complaints + server.log_path.read_text()


def test_no_log_holds_the_query_of_a_request_that_failed(server: LiveServer) -> None:
    with shipped_site(LiveServer(server.data_dir)) as front:
        url = f"{front.tls_url}/api/files?signature={SECRET}"
        answer = requests.get(url, verify=str(front.certificate), timeout=30)
        logged = front.logged("upstream 502 127.0.0.1")
        complaints = front.errors()
    assert answer.status_code == 503
    assert SECRET not in logged + complaints
