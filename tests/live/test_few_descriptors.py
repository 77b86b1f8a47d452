"""An instance that may open 64 files: who comes too late is told so, and nobody else notices."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import requests

from tests.live.server import LiveServer, adapted_config, started, wait_until

pytestmark = [pytest.mark.measured, pytest.mark.one_machine("it counts the descriptors of one process")]

DESCRIPTORS = 64


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("few")
    few = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({DESCRIPTORS}, {DESCRIPTORS}))"
    server = LiveServer(folder / "data", config=adapted_config(folder / "gunicorn.conf.py", few))
    server.prepare("alice")
    with started(server):
        yield server


def connect(server: LiveServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def get(server: LiveServer, path: str) -> requests.Response:
    return requests.get(server.url + path, headers={"Connection": "close"}, timeout=30)


def lines(server: LiveServer) -> list[str]:
    return server.log_path.read_text().splitlines()


def test_who_comes_when_few_descriptors_are_left_is_told_to_come_later(server: LiveServer) -> None:
    alice = server.sign_in("alice")
    with ExitStack() as idle:
        refused = get(server, "/api/downloads")
        while refused.status_code != 503:
            idle.enter_context(connect(server))
            refused = get(server, "/api/downloads")
    assert (refused.headers["Retry-After"], refused.headers["Connection"]) == ("5", "close")
    assert refused.json() == {"success": False, "error": "Service unavailable"}
    wait_until(lambda: get(server, "/readyz").status_code == 200)
    assert server.store(alice, "afterwards.bin", b"x" * 1000)


def test_hundreds_at_once_are_no_failure_of_the_program(server: LiveServer) -> None:
    with ExitStack() as idle:
        connections = [idle.enter_context(connect(server)) for _ in range(200)]
        told = [connection.recv(4096) for connection in connections[-20:]]
    assert [(each.partition(b"\r\n")[0], b"\r\nRetry-After: 5\r\n" in each) for each in told] == [
        (b"HTTP/1.1 503 Service Unavailable", True)
    ] * 20
    wait_until(lambda: get(server, "/readyz").status_code == 200)
    events = {json.loads(line)["event"] for line in lines(server)}
    assert not events & {"failure", "machine_fault"}


def test_the_connection_that_was_there_before_goes_on(server: LiveServer) -> None:
    with server.sign_in("alice") as alice, ExitStack() as idle:
        for _ in range(2 * DESCRIPTORS):
            idle.enter_context(connect(server))
        assert server.store(alice, "meanwhile.bin", b"x" * 1000)


def test_the_threads_are_there_before_they_are_needed(server: LiveServer) -> None:
    assert server.worker().num_threads() > 10
