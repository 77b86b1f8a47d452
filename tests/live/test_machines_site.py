"""The sites for several machines, of deploy/nginx and of deploy/compose, in front of small stand-ins.

Which instance is asked, and what is asked again where one goes: that no request is sent twice that may not be.
"""

import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from tests.live.nginx import _PATH, NginxFront, make_certificate, running_nginx
from tests.live.server import REPOSITORY
from tests.missing import missing
from tests.ports import free_port

SITES = ["nginx/transfer-machines.conf", "compose/nginx.conf"]


@dataclass
class Instance:
    """A stand-in: says who it is, or with `dies` reads a request and closes the connection."""

    port: int = 0
    dies: bool = False
    asked: list[str] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator["Instance"]:
        """Serve until the block ends."""
        instance = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                instance.asked.append(f"{self.command} {self.path} {body.decode()}".strip())
                if instance.dies:
                    self.close_connection = True
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(str(instance.port))))
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else str(instance.port).encode())

            do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = _answer  # noqa: N815 - its names

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def site_of(name: str, ports: list[int], port: int, tls_port: int, folder: Path) -> str:
    """A site as it is, but for its ports and its instances."""
    text = (REPOSITORY / "deploy" / name).read_text()
    for index, each in enumerate(ports, start=1):
        text = re.sub(rf"(10\.0\.0\.1|service-){index}:8000", f"127.0.0.1:{each}", text)
    text = re.sub(r"^ +listen \[::\]:\d+[^;]*;", "", text, flags=re.MULTILINE)
    text = text.replace("listen 80;", f"listen 127.0.0.1:{port};").replace(
        "listen 443 ", f"listen 127.0.0.1:{tls_port} "
    )
    text = (
        text.replace("proxy_pass http://store:8333", "proxy_pass http://127.0.0.1:9")
        .replace("s3.example.com", "127.0.0.1:9")
        .replace("/dev/stdout", "off")
    )
    return text.replace("/var/log/nginx/", f"{folder}/").replace("access_log off transfer", "access_log off")


@contextmanager
def in_front(name: str, ports: list[int], folder: Path) -> Iterator[NginxFront]:
    """Nginx with a site in front of instances on these ports."""
    port, tls_port = free_port(), free_port()
    site = site_of(name, ports, port, tls_port, folder)
    with running_nginx(folder, site, port=port) as process:
        yield NginxFront(folder, port, tls_port, process)


@pytest.fixture
def instances() -> Iterator[list[Instance]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Instance().running()) for _ in range(3)]


@pytest.fixture
def front(instances: list[Instance], tmp_path: Path) -> Iterator[NginxFront]:
    """The site of the compose file: it has no TLS."""
    with in_front(SITES[1], [each.port for each in instances], tmp_path / "nginx") as running:
        for each in instances:
            each.asked.clear()
        yield running


@pytest.mark.parametrize("name", SITES)
def test_nginx_takes_the_site(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "nginx"
    with in_front(name, [1, 2, 3], folder) as running:
        checked = subprocess.run(
            ["nginx", "-t", "-p", str(folder), "-c", str(folder / "nginx.conf")],
            env={"PATH": _PATH},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (checked.returncode, "warn" in checked.stderr) == (0, False), checked.stderr
        assert running.process.poll() is None


def test_requests_go_to_all_instances_and_sockets_of_a_client_to_one(
    front: NginxFront, instances: list[Instance]
) -> None:
    for _ in range(30):
        requests.get(f"{front.url}/api/files", timeout=60)
    assert {each.port for each in instances if len(each.asked) >= 5} == {each.port for each in instances}
    polled = Counter(requests.get(f"{front.url}/socket.io/?EIO=4&n={n}", timeout=60).text for n in range(12))
    assert len(polled) == 1


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "PUT", "DELETE"])
def test_whoever_cannot_be_reached_is_passed_over(instances: list[Instance], tmp_path: Path, method: str) -> None:
    ports = [free_port(), free_port(), instances[2].port]
    with in_front(SITES[1], ports, tmp_path / "nginx") as front:
        for number in range(6):
            answer = requests.request(method, f"{front.url}/x{number}", data=b"body", timeout=20)
            assert answer.status_code == 200
        assert [each for each in instances[2].asked if "/x" in each] == [f"{method} /x{n} body" for n in range(6)]


@pytest.mark.parametrize(("method", "is_repeated"), [("GET", True), ("POST", False), ("PATCH", False)])
def test_what_may_have_been_done_is_not_done_again(
    front: NginxFront, instances: list[Instance], method: str, is_repeated: bool
) -> None:
    instances[0].dies = True
    statuses = []
    for number in range(12):
        body = b"" if method == "GET" else b"body"
        answer = requests.request(method, f"{front.url}/y{number}", data=body, timeout=20)
        statuses.append(answer.status_code)
        time.sleep(0.01)
    counted = Counter(path for each in instances for path in each.asked)
    assert instances[0].asked
    assert max(counted.values()) == (2 if is_repeated else 1)
    assert set(statuses) == ({200} if is_repeated else {200, 503})


@pytest.fixture(autouse=True)
def _openssl(tmp_path: Path) -> None:
    """Certificates are made with it."""
    try:
        make_certificate(tmp_path / "try")
    except FileNotFoundError:
        missing("openssl is not installed")
