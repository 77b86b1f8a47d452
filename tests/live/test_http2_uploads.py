"""Uploads by HTTP/2 through nginx over a long line: they must not be much slower than those by HTTP/1.1."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.live.nginx import FRONTED, NginxFront, behind_nginx
from tests.live.server import LiveServer, running
from tests.live.slow_line import slow_line

pytestmark = pytest.mark.one_machine("it measures one instance")

UPLOAD_BYTES = 32 * 1024 * 1024
ROUND_TRIP_SECONDS = 0.1


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("distant") / "data", "alice", **FRONTED) as server:
        yield server


@pytest.fixture(scope="module")
def front(server: LiveServer) -> Iterator[NginxFront]:
    with behind_nginx(server) as front:
        yield front


def upload(front: NginxFront, session: requests.Session, source: Path, version: str) -> float:
    """The bytes a second of one upload over a line with a round trip of 100 ms."""
    token = f"Authorization: {session.headers['Authorization']!s}"
    with slow_line(front.tls_port, round_trip_seconds=ROUND_TRIP_SECONDS) as port:
        url = f"https://127.0.0.1:{port}/api/files?filename={version}.bin"
        command = ["curl", "-sS", f"--http{version}", "--cacert", str(front.certificate), "-H", token, "-H", "Expect:"]
        command += [
            "-X",
            "POST",
            "-T",
            str(source),
            "-o",
            "/dev/null",
            "-w",
            "%{http_version} %{http_code} %{speed_upload}",
        ]
        told = subprocess.run([*command, url], check=True, capture_output=True, text=True, timeout=120).stdout.split()
    assert told[:2] == [version, "201"]
    return float(told[2])


@pytest.mark.alone
def test_an_upload_by_http2_moves_at_least_half_as_fast_as_by_http1(
    server: LiveServer, front: NginxFront, tmp_path: Path
) -> None:
    source, alice = tmp_path / "source.bin", server.sign_in("alice")
    source.write_bytes(bytes(UPLOAD_BYTES))
    by_http1, by_http2 = (max(upload(front, alice, source, version) for _ in range(2)) for version in ("1.1", "2"))
    assert by_http2 >= by_http1 / 2, (by_http1, by_http2)
