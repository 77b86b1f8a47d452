"""The examples for devices and answers of proxies, of services that end, and of what is no service at all."""

import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.client.examples import EXAMPLES, compiled, node_command, stand_in_command

DATA = bytes(range(256)) * 300
SHA256 = "7c5b9f9ba2d2b1a3"  # of no file: the programs say so at the end, by status 1
DATE = "Fri, 31 Dec 1999 23:59:59 GMT"


def answer(fields: str = "", *, status: str = "200 OK", version: str = "1.1", offset: int = 0) -> bytes:
    """What the service says when `offset` bytes are there."""
    told = {"status": "complete" if offset == len(DATA) else "pending", "sha256": SHA256, "total_inferred": False}
    body = json.dumps({**told, "next_expected_byte": offset, "next_byte": offset, "total_bytes": len(DATA)}).encode()
    return f"HTTP/{version} {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body


class Service:
    """Takes chunks; `answer` makes what is said to each request, by its number and the bytes that are there."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.answer: Callable[[int, int], bytes] = lambda _number, offset: answer(offset=offset)
        self.closes_after: Callable[[int], bool] = lambda _number: False
        self.asked_at: list[float] = []
        self.offset = self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.connections += 1
            with closing(connection):
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            while line := lines.readline():
                fields = re.search(rb"content-length: (\d+)", b"".join(iter(lines.readline, b"\r\n")).lower())
                body = lines.read(int(fields[1])) if fields else b""
                if line.startswith(b"POST"):
                    start = int.from_bytes(body[:8], "big")
                    self.offset = max(self.offset, start + len(body) - 17)
                number = len(self.asked_at)
                self.asked_at.append(time.monotonic())
                connection.sendall(self.answer(number, self.offset))
                if self.closes_after(number):
                    return


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    with closing(made.listening):
        yield made


@pytest.fixture(scope="module")
def c_program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [str(compiled(EXAMPLES / "send_chunks.c", tmp_path_factory.mktemp("c") / "send_chunks"))]


@pytest.fixture(params=["c", "micropython", "node"])
def run(
    request: pytest.FixtureRequest, service: Service, tmp_path: Path
) -> Callable[[], subprocess.CompletedProcess[str]]:
    """Sends a file by one of the programs."""
    (tmp_path / "key").write_text("Authorization: Bearer tsk_x\n")
    (tmp_path / "data").write_bytes(DATA)
    place = [f"http://127.0.0.1:{service.port}"]
    if request.param == "c":
        program, place = request.getfixturevalue("c_program"), ["127.0.0.1", str(service.port)]
    elif request.param == "micropython":
        program = stand_in_command(EXAMPLES / "send_chunks.py")
    else:
        program = node_command(str(EXAMPLES / "send_chunks.mjs"))
    command = [*program, *place, str(tmp_path / "key"), str(tmp_path / "data")]
    return lambda: subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def check_sent(done: subprocess.CompletedProcess[str], service: Service) -> None:
    assert service.offset == len(DATA)
    assert "the service has another file of this name" in done.stderr  # it came to the end


@pytest.mark.parametrize(("version", "fields"), [("1.1", "Connection: close\r\n"), ("1.0", "")], ids=["told", "old"])
def test_an_answer_that_ends_its_connection_costs_no_wait(
    run: Callable[[], subprocess.CompletedProcess[str]], service: Service, version: str, fields: str
) -> None:
    service.answer = lambda _number, offset: answer(fields, version=version, offset=offset)
    service.closes_after = lambda _number: True
    done = run()
    check_sent(done, service)
    assert "trying again" not in done.stderr


def test_a_connection_that_was_closed_while_it_rested_costs_no_wait(
    run: Callable[[], subprocess.CompletedProcess[str]], service: Service
) -> None:
    service.closes_after = lambda number: number % 2 == 0
    done = run()
    check_sent(done, service)
    assert set(re.findall(r"trying again in (\d+) s", done.stderr)) <= {"0"}


@pytest.mark.parametrize("asked", [DATE, "0"], ids=["date", "none"])
def test_a_busy_service_is_given_a_moment_whatever_it_asks_for(
    run: Callable[[], subprocess.CompletedProcess[str]], service: Service, asked: str
) -> None:
    busy = answer(f"Retry-After: {asked}\r\n", status="503 Service Unavailable")
    service.answer = lambda number, offset: busy if number == 1 else answer(offset=offset)
    check_sent(run(), service)
    assert service.asked_at[2] - service.asked_at[1] >= 0.9  # the least that it waits by itself, as timers count


@pytest.mark.parametrize(
    "said",
    [b"\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<html>hi!", b"\xff\xfe\n"],
    ids=["nothing", "a-page", "noise"],
)
def test_what_is_no_answer_is_asked_for_again(
    run: Callable[[], subprocess.CompletedProcess[str]], service: Service, said: bytes, request: pytest.FixtureRequest
) -> None:
    service.answer = lambda number, offset: said if number == 1 else answer(offset=offset)
    service.closes_after = lambda number: number == 1
    done = run()
    assert "Traceback" not in done.stderr
    if said.startswith(b"HTTP") and "[c-" in request.node.name:  # it has no parser for all of JSON
        assert "not an answer of Transfer Service" in done.stderr
    else:
        check_sent(done, service)


def test_what_is_known_beforehand_is_no_answer(
    run: Callable[[], subprocess.CompletedProcess[str]], service: Service
) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
    service.answer = lambda _number, offset: early + answer(offset=offset)
    done = run()
    check_sent(done, service)
    assert "trying again" not in done.stderr
