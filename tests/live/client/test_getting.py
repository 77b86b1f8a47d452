"""The client fetches from a real server, over lines that break, and while the server dies."""

import hashlib
import os
import threading
from pathlib import Path

from transfer_service_client import TransferClient
from transfer_service_client.progress import Silent

from tests.conftest import PASSWORD
from tests.live.fault_proxy import Fault, FaultProxy
from tests.live.server import LiveServer, running

MIB = 1024 * 1024
LARGE = 66 * MIB + 12_345  # fetched in pieces
CUTS = [
    Fault(reset_at=3 * MIB + 17),
    Fault(half_close_at=5 * MIB - 1),
    Fault(reset_at=100),
    Fault(reset_at=9 * MIB),
    Fault(half_close_at=21 * MIB),
]


class _Kills(Silent):
    """Kills the server once, when a third has arrived."""

    def __init__(self, server: LiveServer) -> None:
        self._server, self._count, self._lock = server, 0, threading.Lock()
        self.has_killed = False

    def advance(self, name: str, count: int) -> None:  # noqa: ARG002
        with self._lock:
            self._count += count
            if self._count > LARGE // 3 and not self.has_killed:
                self.has_killed = True
                self._server.kill()
                self._server.start()


def test_a_folder_arrives_whole_though_lines_break_and_the_server_is_killed(data_dir: Path, tmp_path: Path) -> None:
    files = {
        "Films/film.bin": os.urandom(LARGE),
        "Films/empty": b"",
        "Films/文件 %41?#.txt": b"odd name",
        "Films/a/b/c.txt": b"deep",
    }
    with running(data_dir, "alice") as server:
        alice = server.sign_in("alice")
        for name, data in files.items():
            server.store(alice, name, data)
        with FaultProxy(server.port, CUTS) as proxy, TransferClient(f"http://127.0.0.1:{proxy.port}") as client:
            client.sign_in("alice", PASSWORD)
            client.make_folder("Films/a/nothing in it")
            kills = _Kills(server)
            outcome = client.get(["Films"], tmp_path / "into", progress=kills)
            assert not outcome.failed
            assert outcome.done == len(files)
            assert kills.has_killed
            assert proxy.faults_done
            found = client.verify(tmp_path / "into" / "Films", "Films")
            assert found.is_good
            again = client.get(["Films"], tmp_path / "into")
            assert again.same == len(files)
    for name, data in files.items():
        arrived = (tmp_path / "into" / name).read_bytes()
        assert hashlib.sha256(arrived).digest() == hashlib.sha256(data).digest()
    assert (tmp_path / "into" / "Films" / "a" / "nothing in it").is_dir()
    assert not list((tmp_path / "into").rglob(".transfer-*"))
