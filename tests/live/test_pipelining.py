"""Requests that come all at once on one connection (RFC 9112 section 9.3.2)."""

import threading

import pytest
import requests

from tests.live.bare_socket import BareClient
from tests.live.server import LiveServer

pytestmark = [pytest.mark.measured, pytest.mark.one_machine("nginx takes pipelined requests apart")]

REQUESTS = 3000


@pytest.mark.parametrize("path", ["/healthz", "/conversations"], ids=["served", "refused"])
def test_thousands_of_requests_hold_up_nobody(server: LiveServer, path: str) -> None:
    answered, others = 0, requests.Session()
    others.get(f"{server.url}/healthz", timeout=30)
    with BareClient(server) as client:

        def count() -> None:
            nonlocal answered
            while block := client.socket.recv(1024 * 1024):
                answered += block.count(b"HTTP/1.1 ")

        counter = threading.Thread(target=count)
        counter.start()
        client.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * REQUESTS + b"GET / HTTP/0.9\r\n\r\n")
        assert others.get(f"{server.url}/healthz", timeout=30).status_code == 200
        answered_before = answered
        counter.join()
    assert answered_before < REQUESTS - 100 < answered
