"""Whom the client trusts: nothing is loaded for plain HTTP, and nobody is trusted who should not be."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from transfer_service_client.connection.trust import LaterContext, context_for


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(tmp_path / "both.pem"), "-out", str(tmp_path / "certificate.pem")]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    return tmp_path / "certificate.pem"


@pytest.fixture
def port(certificate: Path) -> Iterator[int]:
    """Where somebody answers one request by TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("both.pem"))

    def serve() -> None:
        with suppress(OSError), context.wrap_socket(listening.accept()[0], server_side=True) as line:
            line.recv(65536)
            line.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve)
        serving.start()
        yield listening.getsockname()[1]
        serving.join()


def test_authorities_are_loaded_when_they_are_needed(
    port: int, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = context_for("http://files.example", verify=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # read from now on only
    assert isinstance(context, LaterContext)
    assert httpx.get(f"https://localhost:{port}", verify=context).status_code == 204


@pytest.mark.parametrize("url", ["http://files.example", "https://files.example"])
def test_a_stranger_is_not_trusted(port: int, url: str) -> None:
    with pytest.raises(httpx.ConnectError, match="self-signed certificate"):
        httpx.get(f"https://localhost:{port}", verify=context_for(url, verify=True))


@pytest.mark.parametrize("url", ["http://files.example", "https://files.example"])
def test_who_wants_so_trusts_anybody(port: int, url: str) -> None:
    assert httpx.get(f"https://localhost:{port}", verify=context_for(url, verify=False)).status_code == 204
