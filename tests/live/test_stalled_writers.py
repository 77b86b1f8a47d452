"""Two connections for the same bytes: one writer at a time in all processes, and a stalled one gives way."""

import hashlib
import socket
import threading
import time
from pathlib import Path

import pytest
import requests

from tests.growing.installations import engines
from tests.live.appends import file_ids, is_written, stored_names
from tests.live.bare_socket import BareClient
from tests.live.chunks import send_chunk
from tests.live.server import LiveServer, running, wait_until
from transfer_service.wire.chunk_frames import LONG_FRAME

pytestmark = pytest.mark.measured

MEBIBYTE = 1024 * 1024


def _stall_in_mid_chunk(client: BareClient, name: str, data: bytes) -> None:
    """Send two thirds of a frame that is too large to wait for in memory, and then nothing."""
    frame = LONG_FRAME.format(0, data)
    client.send_head("POST", f"/api/files/upload?filename={name}", f"Content-Length: {len(frame)}")
    client.send(frame[: len(frame) * 2 // 3])


@pytest.mark.parametrize("same_instance", [True, False], ids=["same-process", "other-process"])
def test_a_stalled_writer_gives_way_within_two_seconds(tmp_path: Path, same_instance: bool) -> None:
    with running(tmp_path / "data", "alice") as first:
        second = first if same_instance else LiveServer(first.data_dir)
        if not same_instance:
            second.start()
        session, data = second.sign_in("alice"), bytes(range(256)) * 16 * 1024
        with BareClient(first, session) as stalled:
            _stall_in_mid_chunk(stalled, "log.bin", b"\xff" * len(data))
            wait_until(lambda: is_written(first, "log.bin"))
            started = time.monotonic()
            answer = send_chunk(session, second, "log.bin", 0, data, total=len(data))
            seconds = time.monotonic() - started
            assert (answer.status_code, answer.json().get("sha256")) == (200, hashlib.sha256(data).hexdigest())
            assert seconds < 10  # who is refused waits no longer than two
            assert stalled.receive().status == 503
        second.stop()


def test_a_writer_that_is_busy_is_waited_for_and_then_refused(tmp_path: Path) -> None:
    with running(tmp_path / "data", "alice") as server:
        session, data = server.sign_in("alice"), b"a" * 4 * MEBIBYTE
        frame = LONG_FRAME.format(0, data)
        with BareClient(server, session) as busy:
            busy.send_head("POST", "/api/files/upload?filename=log.bin", f"Content-Length: {len(frame)}")
            busy.send(frame[: 2 * MEBIBYTE])
            wait_until(lambda: is_written(server, "log.bin"))
            stop = threading.Event()

            def trickle() -> None:
                position = 2 * MEBIBYTE
                while not stop.wait(0.2):
                    busy.send(frame[position : position + 1])
                    position += 1
                busy.send(frame[position:])

            thread = threading.Thread(target=trickle)
            thread.start()
            refused = send_chunk(session, server, "log.bin", 0, data)
            stop.set()
            thread.join()
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
            assert busy.receive().status == 200


def test_two_processes_with_different_bytes_keep_those_of_one(tmp_path: Path) -> None:
    with running(tmp_path / "data", "alice") as first:
        second = LiveServer(first.data_dir)
        second.start()
        sessions = [(first, first.sign_in("alice")), (second, second.sign_in("alice"))]
        for round_number in range(8):
            name, contents = f"race-{round_number}", [bytes([65 + each]) * 3 * MEBIBYTE for each in range(4)]
            statuses = _send_at_once(sessions, name, contents)
            stored = first.sign_in("alice").get(f"{first.url}/api/files/download/{name}", timeout=30).content
            assert stored in contents
            assert sorted(statuses)[0] == 200
            assert set(statuses) <= {200, 409}
        second.stop()


def _send_at_once(sessions: list[tuple[LiveServer, requests.Session]], name: str, contents: list[bytes]) -> list[int]:
    statuses: list[int] = []

    def send(index: int) -> None:
        server, session = sessions[index % 2]
        total = len(contents[index])
        statuses.append(send_chunk(session, server, name, 0, contents[index], total=total).status_code)

    threads = [threading.Thread(target=send, args=(index,)) for index in range(len(contents))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def test_a_chunk_cut_short_counts_for_nothing(server: LiveServer, alice: requests.Session) -> None:
    frame = LONG_FRAME.format(0, b"z" * 2 * MEBIBYTE)
    with BareClient(server, alice) as client:
        client.send_head("POST", "/api/files/upload?filename=cut.bin", f"Content-Length: {len(frame)}")
        client.send(frame[:-1])
        _cut_short(client)
    wait_until(lambda: not is_written(server, "cut.bin"))
    status = alice.get(f"{server.url}/api/files/status/cut.bin", timeout=30).json()
    assert (status["status"], status["bytes_received"]) == ("pending", 0)


def test_a_whole_file_cut_short_leaves_nothing(server: LiveServer, alice: requests.Session) -> None:
    before = stored_names(server)
    with BareClient(server, alice) as client:
        client.send_head("POST", "/api/files?filename=cut-whole.bin", f"Content-Length: {3 * MEBIBYTE}")
        client.send(b"z" * 2 * MEBIBYTE)
        _cut_short(client)
    assert alice.get(f"{server.url}/api/files/status/cut-whole.bin", timeout=30).json()["status"] == "pending"
    wait_until(lambda: not file_ids(server, "cut-whole.bin") and stored_names(server) == before)


def _cut_short(client: BareClient) -> None:
    """End the body before its end; nginx closes then, and hears no answer."""
    client.socket.shutdown(socket.SHUT_WR)
    if engines() is None:
        assert client.receive().status == 400
    else:
        client.read_to_the_end()


def test_two_processes_that_guess_the_length_lose_no_chunk(tmp_path: Path) -> None:
    with running(tmp_path / "data", "alice") as first:
        second = LiveServer(first.data_dir)
        second.start()
        sessions = [(first, first.sign_in("alice")), (second, second.sign_in("alice"))]
        for round_number in range(6):
            name, parts = f"guess-{round_number}", [bytes([48 + index]) * 1000 for index in range(40)]
            for index in range(0, len(parts), 2):
                _send_pair(sessions, name, index, parts)
            status = first.sign_in("alice").get(f"{first.url}/api/files/status/{name}", timeout=30).json()
            stored = first.sign_in("alice").get(f"{first.url}/api/files/download/{name}", timeout=30).content
            assert stored == b"".join(parts)
            assert (status["status"], status["sha256"]) == ("complete", hashlib.sha256(stored).hexdigest())
        second.stop()


def _send_pair(sessions: list[tuple[LiveServer, requests.Session]], name: str, index: int, parts: list[bytes]) -> None:
    """Two neighbouring parts at once, each to its own instance."""

    def send(server: LiveServer, session: requests.Session, part: int) -> None:
        answer = send_chunk(session, server, name, part * len(parts[part]), parts[part])
        assert answer.status_code == 200, answer.text

    threads = [
        threading.Thread(target=send, args=(*session, index + number)) for number, session in enumerate(sessions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
