"""What nginx lets one client ask for at once: all that clients do, and no flood. And what it calls a request."""

import json
import re
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
import requests

from tests.live.bare_socket import Answer, BareClient
from tests.live.chunks import send_chunk
from tests.live.nginx import FRONTED, NginxFront, behind_nginx
from tests.live.server import LiveServer, running, wait_until

pytestmark = pytest.mark.one_machine("it is about nginx before one instance")

ORIGIN = "https://app.example.com"
TUS = {"Tus-Resumable": "1.0.0"}
FILE_ID = "11111111-2222-3333-4444-555555555555"
MESSAGE = "Too many requests, try again later"
MANY_ADDRESSES = "set_real_ip_from 127.0.0.1; real_ip_header X-Real-Ip;"
"""A test comes from an address of its own by saying so."""
LOG = "access_log as-shipped.log transfer;"
OWN_ZONE = "limit_req_zone $transfer_net zone=own:1m rate=1r/m;"
OWN_BOUND = f"{MANY_ADDRESSES} set $transfer_limit off; limit_req zone=own; {LOG}"
FIRST_1000 = 1000
CONNECTIONS = 1000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("floods") / "data", "alice", **FRONTED) as server:
        yield server


@pytest.fixture(scope="module")
def front(server: LiveServer) -> Iterator[NginxFront]:
    with behind_nginx(server, lines=LOG) as front:
        yield front


@pytest.fixture(scope="module")
def nobody(server: LiveServer) -> Iterator[NginxFront]:
    """Nginx in front of an instance that does not run: it answers at once, with 503."""
    with behind_nginx(LiveServer(server.data_dir), lines=MANY_ADDRESSES) as front:
        yield front


@pytest.fixture(scope="module")
def strict(server: LiveServer) -> Iterator[NginxFront]:
    """Nginx with a bound of its own in place of those that are shipped: one request a minute."""
    with behind_nginx(server, before=OWN_ZONE, lines=OWN_BOUND, origins=[ORIGIN]) as front:
        yield front


@pytest.fixture(scope="module")
def alice(server: LiveServer) -> requests.Session:
    return server.sign_in("alice")


def head_of(method: str, path: str, address: str, *fields: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", f"X-Real-Ip: {address}", *fields, "", ""]).encode()


def flood(front: NginxFront, sent: list[bytes]) -> list[Answer]:
    """The answers to these requests, sent at once, each by a connection of its own."""
    with ExitStack() as stack:
        clients = [stack.enter_context(BareClient(front)) for _ in sent]
        for client, request in zip(clients, sent, strict=True):
            client.send(request)
        return [client.receive() for client in clients]


def flood_until_refused(front: NginxFront, sent: list[bytes]) -> tuple[Counter[int], list[Answer]]:
    """The first flood of which something is refused: where the machine has much to do, one may be no flood."""
    for _ in range(4):
        answers = flood(front, sent)
        counts = Counter(answer.status for answer in answers)
        if 429 in counts:
            break
    return counts, answers


@pytest.mark.parametrize(
    ("method", "path", "count"), [("GET", "/api/files", 2000), ("POST", "/api/files/upload", 3000)]
)
def test_a_flood_is_answered_429_and_nobody_else_notices(
    nobody: NginxFront, method: str, path: str, count: int
) -> None:
    address = f"192.0.2.{len(method)}"
    request = head_of(method, path, address, "Content-Length: 0")
    counts, answers = flood_until_refused(nobody, [request] * count)
    assert counts.keys() == {429, 503}
    assert counts[503] >= FIRST_1000
    refused = next(answer for answer in answers if answer.status == 429)
    assert (refused.json, refused.headers["retry-after"]) == ({"detail": MESSAGE}, "5")
    other = requests.get(nobody.url + path, headers={"X-Real-Ip": "192.0.2.77"}, timeout=30)
    assert other.status_code == 503


def test_who_waits_for_his_answers_is_slowed_down_and_not_refused(nobody: NginxFront) -> None:
    request = head_of("GET", "/api/files", "192.0.2.9", "Connection: keep-alive")
    with BareClient(nobody) as client:
        client.send(request * 700)
        statuses = Counter(client.receive().status for _ in range(700))
    assert statuses == {503: 700}


def test_one_network_of_ipv6_is_one_client(nobody: NginxFront) -> None:
    sent = [head_of("GET", "/api/files", f"2001:db8:0:a::{number:x}") for number in range(2 * FIRST_1000)]
    counts, _ = flood_until_refused(nobody, sent)
    assert counts.keys() == {429, 503}
    other = requests.get(nobody.url, headers={"X-Real-Ip": "2001:db8:0:b::1"}, timeout=30)
    assert other.status_code == 503


@pytest.fixture
def silent(server: LiveServer) -> Iterator[NginxFront]:
    """Nginx with something at /api/files/silent that takes requests and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=4096)) as backend:
        place = f"location /api/files/silent {{ proxy_pass http://127.0.0.1:{backend.getsockname()[1]}; }}"
        with behind_nginx(server, lines=f"{MANY_ADDRESSES} {place}") as front:
            yield front


def test_one_client_gets_a_thousand_connections_and_others_get_theirs(silent: NginxFront) -> None:
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            client = stack.enter_context(BareClient(silent))
            client.send(head_of("POST", "/api/files/silent", "192.0.2.20"))
        wait_until(lambda: _status_of_another(silent, stack, "192.0.2.20") == 429)
        assert _status_of_another(silent, stack, "192.0.2.21") is None  # under way


def _status_of_another(front: NginxFront, stack: ExitStack, address: str) -> int | None:
    """How one more request is answered at once, None where it is not."""
    client = stack.enter_context(BareClient(front))
    client.socket.settimeout(0.5)
    client.send(head_of("POST", "/api/files/silent", address))
    with suppress(TimeoutError):
        return client.receive().status
    return None


def test_a_page_with_a_hundred_pictures_that_is_loaded_again_and_again_is_not_refused(
    server: LiveServer, front: NginxFront, alice: requests.Session, tmp_path: Path
) -> None:
    path = server.store(alice, "picture.png", b"x" * 10_000)
    pictures = tmp_path / "pictures"
    pictures.write_text(
        "".join(f'url = "{front.tls_url}{path}?{number}"\noutput = "/dev/null"\n' for number in range(100))
    )
    command = [
        "curl",
        "-sS",
        "--no-progress-meter",
        "--http2",
        "--cacert",
        str(front.certificate),
        "--parallel",
        "--parallel-max",
        "100",
    ]
    command += ["-H", f"Authorization: {alice.headers['Authorization']!s}", "-w", "%{http_code} %{http_version}\n"]
    for _ in range(3):
        answered = subprocess.run([*command, "-K", str(pictures)], capture_output=True, text=True, check=False)
        assert (answered.stdout, answered.stderr) == ("200 2\n" * 100, "")


def test_eight_uploads_and_eight_devices_at_once_are_not_refused(front: NginxFront, alice: requests.Session) -> None:
    with ThreadPoolExecutor(16) as pool:
        uploads = [pool.submit(_upload, front, alice, 30) for _ in range(8)]
        devices = [pool.submit(_send_chunks, front, alice, f"log-{number}.bin", 30) for number in range(8)]
        statuses = Counter(status for each in (*uploads, *devices) for status in each.result())
    assert statuses == {201: 8, 204: 240, 200: 240}


def _upload(front: NginxFront, alice: requests.Session, pieces: int) -> list[int]:
    """The statuses of an upload by tus in so many pieces of one byte."""
    with requests.Session() as session:
        session.headers.update({**alice.headers, **TUS})
        created = session.post(f"{front.url}/api/uploads", headers={"Upload-Length": str(pieces)}, timeout=60)
        url = f"{front.url}/api/uploads/{created.headers['Location'].rpartition('/')[2]}"
        statuses = [created.status_code]
        for offset in range(pieces):
            headers = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
            statuses.append(session.patch(url, data=b"x", headers=headers, timeout=60).status_code)
    return statuses


def _send_chunks(front: NginxFront, alice: requests.Session, name: str, count: int) -> list[int]:
    with requests.Session() as session:
        session.headers.update(alice.headers)
        return [send_chunk(session, front, name, start, b"x", total=count).status_code for start in range(count)]


@pytest.mark.parametrize(("method", "path", "fields", "kind", "shape"), [
    pytest.param("GET", f"/api/files/{FILE_ID}/download", {}, "application/json",
                 {"error": {"message": MESSAGE, "statusCode": 429}}, id="mobile"),
    pytest.param("GET", "/api/downloads", {}, "application/json", {"success": False, "error": MESSAGE}, id="remote"),
    pytest.param("GET", "/api/activities", {}, "application/json",
                 {"success": False, "error": MESSAGE}, id="activities"),
    pytest.param("POST", "/auth/token", {}, "application/json", {"detail": MESSAGE}, id="sign-in"),
    pytest.param("GET", "/socket.io/", {}, "application/json", {"detail": MESSAGE}, id="sockets"),
    pytest.param("POST", "/api/uploads", {}, "application/problem+json",
                 {"type": "about:blank", "status": 429, "detail": MESSAGE}, id="uploads"),
    pytest.param("POST", "/api/uploads", TUS, "text/plain", f"{MESSAGE}\n", id="tus"),
])  # fmt: skip
def test_a_refusal_is_in_the_words_of_its_path(
    strict: NginxFront, method: str, path: str, fields: dict[str, str], kind: str, shape: object
) -> None:
    address = f"198.51.100.{sum(map(ord, kind + path)) % 250}"
    headers = {"X-Real-Ip": address, "Origin": ORIGIN, **fields}
    first, second = (requests.request(method, strict.url + path, headers=headers, timeout=30) for _ in range(2))
    assert (first.status_code != 429, second.status_code) == (True, 429)
    assert second.headers["Content-Type"].partition(";")[0] == kind
    assert (second.text if kind == "text/plain" else second.json()) == shape
    assert (second.headers["Retry-After"], second.headers["Cache-Control"]) == ("5", "no-store")
    assert (second.headers["Access-Control-Allow-Origin"], second.headers["Vary"]) == (ORIGIN, "Origin")
    assert {"Retry-After", "X-Request-Id"} <= set(second.headers["Access-Control-Expose-Headers"].split(", "))


def test_who_sends_much_can_still_read_the_refusal(strict: NginxFront) -> None:
    headers = {"X-Real-Ip": "198.51.100.252"}
    requests.get(f"{strict.url}/healthz", headers=headers, timeout=30)
    answer = requests.post(f"{strict.url}/api/files?filename=a", data=b"x" * 30_000_000, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()) == (429, {"detail": MESSAGE})


def logged(front: NginxFront, *ids: str) -> list[str]:
    return front.logged(*ids, name="as-shipped.log").splitlines()


def test_a_request_has_one_id_in_both_logs_and_in_its_answer(
    server: LiveServer, front: NginxFront, alice: requests.Session
) -> None:
    path = server.store(alice, "named.bin", b"x" * 10_000)  # one that nginx sends
    claimed = "0123456789abcdef0123456789abcdef"
    answers = [
        alice.request(method, front.url + each, headers={"X-Request-Id": claimed}, timeout=30)
        for method, each in (("GET", path), ("POST", "/api/uploads"), ("GET", "/socket.io/?EIO=4&transport=polling"))
    ]
    ids = [answer.headers["X-Request-Id"] for answer in answers]
    assert len({*ids, claimed}) == 4
    wait_until(lambda: all(each in server.log_path.read_text() for each in ids))
    for request_id in ids:
        assert re.fullmatch(r"[0-9a-f]{32}", request_id)
        assert len([line for line in logged(front, request_id) if f" {request_id} upstream " in line]) == 1
        ours = [json.loads(line) for line in server.log_path.read_text().splitlines() if request_id in line]
        assert [line["id"] for line in ours] == [request_id]


def test_a_refusal_of_nginx_has_the_id_of_its_log_line(strict: NginxFront) -> None:
    headers = {"X-Real-Ip": "198.51.100.251"}
    first, second = (requests.get(f"{strict.url}/api/files", headers=headers, timeout=30) for _ in range(2))
    assert (first.status_code, second.status_code) == (401, 429)
    (line,) = [
        line for line in logged(strict, second.headers["X-Request-Id"]) if second.headers["X-Request-Id"] in line
    ]
    assert line.endswith("upstream - -")


def test_behind_another_proxy_the_site_takes_its_id_where_it_is_one(server: LiveServer) -> None:
    with behind_nginx(server, lines=f"set $transfer_id $transfer_named; {LOG}") as front:
        given = {each: _id_of(front, each) for each in ("7c1f-4E", "a" * 64, "a" * 65, 'a"b', "a b", "", "a\\nb")}
        lines = logged(front, *(f" {each} upstream 200 " for each in given.values()))
    assert [given["7c1f-4E"], given["a" * 64]] == ["7c1f-4E", "a" * 64]
    others = [request_id for each, request_id in given.items() if each not in {"7c1f-4E", "a" * 64}]
    assert all(re.fullmatch(r"[0-9a-f]{32}", each) for each in others)
    assert all(any(f" {each} upstream 200 " in line for line in lines) for each in given.values())


def _id_of(front: NginxFront, given: str) -> str:
    return requests.get(f"{front.url}/healthz", headers={"X-Request-Id": given}, timeout=30).headers["X-Request-Id"]
