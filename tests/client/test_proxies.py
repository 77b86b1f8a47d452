"""Services behind proxies of the environment: by CONNECT, past them, and proxies that cannot be used."""

import json
import select
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from transfer_service_client.connection.credentials import Key
from transfer_service_client.connection.proxies import is_proxied
from transfer_service_client.connection.quick_requests import QuickRequests
from transfer_service_client.connection.session import Session
from transfer_service_client.errors import TransferError, Unavailable

_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class _Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps({"shown": self.headers.get("Authorization")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_PATCH = _answer  # noqa: N815 # as the library calls them

    def log_message(self, *_: object) -> None: ...


class _Proxy(BaseHTTPRequestHandler):
    """Leads every CONNECT to one port, and notes what it can read."""

    def do_CONNECT(self) -> None:
        server = self.server
        assert isinstance(server, _ProxyServer)
        server.seen.append(f"{self.requestline}\n{self.headers}")
        if server.refuses:
            self.send_error(407)
            return
        self.send_response(200)
        self.end_headers()
        with socket.create_connection(("127.0.0.1", server.leads_to)) as there, suppress(OSError):
            ends = {self.connection: there, there: self.connection}
            while True:
                for each in select.select(list(ends), [], [])[0]:
                    data = each.recv(65536)
                    if not data:
                        return
                    ends[each].sendall(data)

    def do_GET(self) -> None:
        assert isinstance(self.server, _ProxyServer)
        self.server.seen.append(f"{self.requestline}\n{self.headers}")
        self.send_error(502)

    def log_message(self, *_: object) -> None: ...


class _ProxyServer(ThreadingHTTPServer):
    daemon_threads = True
    leads_to = 0
    refuses = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Proxy)
        self.seen: list[str] = []


@contextmanager
def _running(server: ThreadingHTTPServer) -> Iterator[int]:
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def proxy() -> Iterator[_ProxyServer]:
    server = _ProxyServer()
    with _running(server):
        yield server


@pytest.fixture
def behind(proxy: _ProxyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_ProxyServer]:
    """A service at https://files.example that only the proxy finds."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=files.example"
    )
    extension = ["-addext", "subjectAltName=DNS:files.example", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *extension], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    service = ThreadingHTTPServer(("127.0.0.1", 0), _Service)
    service.socket = context.wrap_socket(service.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("HTTPS_PROXY", f"http://somebody:secret@127.0.0.1:{proxy.server_port}")
    with _running(service) as port:
        proxy.leads_to = port
        yield proxy


def test_a_service_behind_a_proxy_is_reached_and_the_proxy_reads_nothing(behind: _ProxyServer) -> None:
    with Session("https://files.example", Key("tsk_x"), patience_seconds=5) as session:
        quick = QuickRequests(session)  # which has no connection of its own
        answers = [
            session.request("GET", "/a"),
            quick.put("/b", b"secret bytes", {}),
            quick.try_once("PATCH", "/c", content=[b"secret ", b"bytes"], headers={"Content-Length": "12"}),
        ]
    assert [each.json()["shown"] for each in answers] == ["Bearer tsk_x"] * 3
    assert {each.split("\n")[0] for each in behind.seen} == {"CONNECT files.example:443 HTTP/1.1"}
    assert not any("tsk_x" in each for each in behind.seen)


def test_a_proxy_that_refuses_is_told_without_its_password(behind: _ProxyServer) -> None:
    behind.refuses = True
    with (
        Session("https://files.example", Key("tsk_x"), patience_seconds=0) as session,
        pytest.raises(Unavailable, match="407") as caught,
    ):
        session.get_json("/a")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_what_is_meant_for_this_machine_is_read_by_no_proxy(
    proxy: _ProxyServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.server_port}")
    service = ThreadingHTTPServer(("localhost", 0), _Service)
    with _running(service) as port, Session(f"http://{name}:{port}", Key("tsk_x"), patience_seconds=5) as session:
        session.get_json("/a")
        with closing(QuickRequests(session)) as quick:
            quick.put("/b", b"1", {})
    assert proxy.seen == []


@pytest.mark.parametrize(
    ("host", "is_bypassed"),
    [
        ("files.example", True),
        ("a.files.example", True),
        ("FILES.example:8080", True),
        ("xfiles.example", False),
        ("ported.example:8080", True),
        ("ported.example", False),
        ("other.example", False),
    ],
)
def test_a_service_takes_one_way_for_all_requests(
    proxy: _ProxyServer, monkeypatch: pytest.MonkeyPatch, host: str, is_bypassed: bool
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.server_port}")
    monkeypatch.setenv("NO_PROXY", ".files.example, ported.example:8080")
    monkeypatch.setattr(socket, "getaddrinfo", _nowhere)
    assert is_proxied(f"http://{host}") is not is_bypassed
    with Session(f"http://{host}", Key("tsk_x"), patience_seconds=0) as session:
        for ask in (lambda: session.get_json("/a"), lambda: QuickRequests(session).put("/b", b"1", {})):
            with suppress(TransferError):
                ask()
    assert bool(proxy.seen) is not is_bypassed


def _nowhere(host: str, port: int, *_: object, **__: object) -> list[object]:
    if host == "127.0.0.1":
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
    raise socket.gaierror("no such host")


@pytest.mark.parametrize("text", ["socks5://somebody:secret@127.0.0.1:1", "what://127.0.0.1:secret"])
def test_a_proxy_that_cannot_be_used_is_told_without_its_words(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ALL_PROXY", text)
    with pytest.raises(TransferError, match="PROXY") as caught:
        Session("https://files.example")
    assert "secret" not in str(caught.value)
    Session("http://localhost:1").close()  # which needs none
