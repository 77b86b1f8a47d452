"""A large upload over a bad network, from several connections, to a service that is killed on the way."""

import hashlib
import random
import threading
from pathlib import Path

import numpy as np
import pytest
import requests

from tests.live.chunks import send_chunk
from tests.live.server import LiveServer, running
from transfer_service.wire.chunk_frames import LONG_FRAME

pytestmark = pytest.mark.one_machine("scripts/torture growing kills instances")

CHUNK = 1024 * 1024
SIZE = 1024 * CHUNK
KILLS = 5
CONNECTIONS = 4
RSS_GROWTH = 64 * 1024 * 1024


def _content() -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.frombuffer(np.random.default_rng(2026).bytes(SIZE), dtype=np.uint8)


class _Sender:
    """Sends a shuffled list of chunks over several connections until the server dies or the list is empty."""

    def __init__(self, server: LiveServer, content: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> None:
        self.server = server
        self.content = content
        self.acknowledged: set[int] = set()
        self.wrongly_accepted: list[int] = []
        self.refusals: list[str] = []
        self.peak_rss = 0
        self._random = random.Random(5)
        self._lock = threading.Lock()

    def data(self, index: int) -> bytes:
        return self.content[index * CHUNK : (index + 1) * CHUNK].tobytes()

    def send(self, indices: list[int], *, kill_after: int | None) -> None:
        """Send; after `kill_after` acknowledgements of this round the server is killed."""
        remaining, acknowledged_now = list(indices), 0
        token_holder = self.server.sign_in("alice")
        worker = self.server.worker()
        start_rss = worker.memory_info().rss

        def work() -> None:
            nonlocal acknowledged_now
            session = requests.Session()
            session.headers.update(token_holder.headers)
            while True:
                with self._lock:
                    if not remaining:
                        return
                    index = remaining.pop()
                    luck = self._random.random()
                try:
                    if luck < 0.05:
                        self._send_corrupted(session, index)
                    for _ in range(2 if luck > 0.95 else 1):
                        answer = send_chunk(
                            session, self.server, "big.bin", index * CHUNK, self.data(index), total=SIZE
                        )
                        if answer.status_code != 200:
                            self.refusals.append(f"{answer.status_code} {answer.text}")
                except requests.RequestException:  # killed under our hands
                    return
                with self._lock:
                    self.acknowledged.add(index)
                    acknowledged_now += 1
                    if acknowledged_now % 64 == 0:
                        self.peak_rss = max(self.peak_rss, worker.memory_info().rss - start_rss)
                    if acknowledged_now == kill_after:
                        self.server.kill()

        threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _send_corrupted(self, session: requests.Session, index: int) -> None:
        frame = bytearray(LONG_FRAME.format(index * CHUNK, self.data(index)))
        frame[17 + self._random.randrange(CHUNK)] ^= 0x55
        url = f"{self.server.url}/api/files/upload?filename=big.bin&total_size={SIZE}"
        answer = session.post(url, data=bytes(frame), timeout=60)
        if answer.status_code != 400:
            self.wrongly_accepted.append(index)


def _missing_chunks(session: requests.Session, server: LiveServer) -> set[int]:
    """The chunks that the service still asks for, from as many status answers as it takes to learn the first gaps."""
    status = session.get(f"{server.url}/api/files/status/big.bin", timeout=60).json()
    return {start // CHUNK for gap in status["missing"] for start in range(gap["start"], gap["end"] + 1, CHUNK)}


@pytest.mark.alone
def test_a_gibibyte_survives_five_kills_and_no_acknowledged_byte_is_asked_for_again(tmp_path: Path) -> None:
    content = _content()
    order = list(range(SIZE // CHUNK))
    random.Random(7).shuffle(order)
    with running(tmp_path / "data", "alice") as server:
        sender = _Sender(server, content)
        for _ in range(KILLS):
            sender.send([index for index in order if index not in sender.acknowledged], kill_after=len(order) // 6)
            server.start()
            asked_again = _missing_chunks(server.sign_in("alice"), server) & sender.acknowledged
            assert not asked_again
        sender.send([index for index in order if index not in sender.acknowledged], kill_after=None)

        status = server.sign_in("alice").get(f"{server.url}/api/files/status/big.bin", timeout=60).json()
        assert (status["status"], status["bytes_received"]) == ("complete", SIZE)
        assert status["sha256"] == hashlib.sha256(content.tobytes()).hexdigest()
        assert _downloaded_sha256(server) == status["sha256"]
        assert (sender.wrongly_accepted, sender.refusals) == ([], [])
        assert sender.peak_rss <= RSS_GROWTH


def _downloaded_sha256(server: LiveServer) -> str:
    digest = hashlib.sha256()
    url = f"{server.url}/api/files/download/big.bin"
    with server.sign_in("alice").get(url, stream=True, timeout=60) as answer:
        for block in answer.iter_content(CHUNK):
            digest.update(block)
    return digest.hexdigest()
