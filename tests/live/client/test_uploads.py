"""Uploads by the client to a real server: over a network that breaks and damages, with kills on both sides."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import requests
from transfer_service_client import TransferClient
from transfer_service_client.errors import DigestMismatch
from transfer_service_client.progress import Silent

from tests.conftest import PASSWORD
from tests.live.client.commands import slow_line
from tests.live.fault_proxy import Fault, FaultProxy
from tests.live.server import LiveServer, running, wait_until
from tests.proofs import length

MIB = 1024 * 1024
REPOSITORY = Path(__file__).parents[3]
PROGRAM = """
import sys
from transfer_service_client import TransferClient
with TransferClient(sys.argv[1]) as client:
    client.sign_in("alice", sys.argv[2])
    client.upload(sys.argv[3], to="film.mp4")
"""


class Restarts(Silent):
    """Where it went on."""

    def __init__(self) -> None:
        self.positions: list[int] = []

    def restart(self, _name: str, position: int) -> None:
        self.positions.append(position)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(os.urandom(24 * MIB + 17))
    return path


@contextmanager
def _signed_in(port: int, *, patience_seconds: float = 60) -> Iterator[TransferClient]:
    with TransferClient(f"http://127.0.0.1:{port}", patience_seconds=patience_seconds) as client:
        client.sign_in("alice", PASSWORD)
        yield client


def _stored(server: LiveServer, session: requests.Session, name: str) -> str:
    answer = session.get(f"{server.url}/api/files/status/{name}", timeout=30)
    return str(answer.json()["sha256"])


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_line_that_is_cut_again_and_again(server: LiveServer, alice: requests.Session, film: Path) -> None:
    of_questions = Fault()  # whose connection carries no bytes of files
    plan = [of_questions, *(Fault(reset_at=(3 + turn) * MIB, toward="server") for turn in range(4))]
    noted = Restarts()
    with FaultProxy(server.port, plan) as proxy, _signed_in(proxy.port) as client:
        client.upload(film, to="cut.mp4", progress=noted)
        assert len(proxy.faults_done) == 4
        assert proxy.bytes_toward["server"] < film.stat().st_size + 8 * MIB
    assert _stored(server, alice, "cut.mp4") == _sha256(film)
    assert sorted(noted.positions) == noted.positions


def test_a_server_that_is_killed_while_it_receives(data_dir: Path, film: Path) -> None:
    with running(data_dir, "alice") as server, _signed_in(server.port) as client:
        failed: list[Exception] = []

        class Killing(Restarts):
            def advance(self, _name: str, _count: int) -> None:
                if not failed and len(self.positions) == 1:
                    failed.append(Exception())
                    server.kill()
                    threading.Timer(0.5, server.start).start()

        noted = Killing()
        client.upload(film, to="film.mp4", progress=noted)
        assert len(noted.positions) > 1
        assert _stored(server, server.sign_in("alice"), "film.mp4") == _sha256(film)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_client_that_is_killed_goes_on(
    server: LiveServer, alice: requests.Session, film: Path, how: signal.Signals
) -> None:
    film.write_bytes(os.urandom(24 * MIB + how))
    with FaultProxy(server.port, slow_line("server")) as proxy:
        arguments = [f"http://127.0.0.1:{proxy.port}", PASSWORD, str(film)]
        # What starts the tests may ignore Ctrl-C (as shells do for what is in the background), and hands that down.
        command = ["env", "--default-signal=INT", sys.executable, "-c", PROGRAM, *arguments]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "client")}
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
            wait_until(lambda: proxy.bytes_toward["server"] > 6 * MIB)
            process.send_signal(how)
            process.wait(60)
        assert process.returncode != 0
        proxy.plan.clear()
        noted = Restarts()
        with _signed_in(proxy.port) as client:
            client.upload(film, to="film.mp4", progress=noted)
        assert noted.positions[0] > 0
        assert proxy.bytes_toward["server"] < film.stat().st_size + 4 * MIB  # of both runs, of which one had 6
    assert _stored(server, alice, "film.mp4") == _sha256(film)


class _Damaging:
    """Forwards to a port, and flips a bit of what goes there each `every` bytes of a connection, so many `times`."""

    def __init__(self, target: int, *, every: int, times: int) -> None:
        self._target, self._every, self.left = target, every, times
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets = [self._listener]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def close(self) -> None:
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                self._start(self._carry, client, server, True)
                self._start(self._carry, server, client, False)

    def _carry(self, source: socket.socket, target: socket.socket, is_ours: bool) -> None:
        passed = 0
        with suppress(OSError):
            while data := bytearray(source.recv(65536)):
                mark = (passed // self._every + 1) * self._every
                if is_ours and self.left and mark < passed + len(data):
                    data[mark - passed] ^= 1
                    self.left -= 1
                passed += len(data)
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("size", [200_000, 9 * MIB])
def test_a_flipped_bit_is_found_and_the_bytes_are_sent_again(
    server: LiveServer, alice: requests.Session, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "damaged.bin"
    path.write_bytes(os.urandom(size))
    with closing(_Damaging(server.port, every=90_000, times=1)) as proxy, _signed_in(proxy.port) as client:
        client.upload(path)
        assert proxy.left == 0
    assert _stored(server, alice, "damaged.bin") == _sha256(path)


def test_what_is_damaged_each_time_never_becomes_a_file(server: LiveServer, tmp_path: Path) -> None:
    path = tmp_path / "never.bin"
    path.write_bytes(os.urandom(200_000))
    with closing(_Damaging(server.port, every=90_000, times=100)) as proxy, _signed_in(proxy.port) as client:
        with pytest.raises(DigestMismatch):
            client.upload(path)
        assert client.find("never.bin") is None


def test_the_same_bytes_are_not_sent_again_and_others_replace(
    server: LiveServer, alice: requests.Session, film: Path
) -> None:
    with FaultProxy(server.port) as proxy, _signed_in(proxy.port) as client:
        first = client.upload(film, to="again.mp4")
        before = proxy.bytes_toward["server"]
        assert not client.upload(film, to="again.mp4").was_sent
        assert proxy.bytes_toward["server"] - before < 4096
        film.write_bytes(os.urandom(film.stat().st_size))
        assert client.upload(film, to="again.mp4").name == first.name == "again.mp4"
    assert _stored(server, alice, "again.mp4") == _sha256(film)


def test_a_folder_of_many_sizes(server: LiveServer, tmp_path: Path) -> None:
    album = tmp_path / "album"
    for number, size in enumerate([0, 1, 16_384, MIB, MIB + 1, 5 * MIB, *[100] * 60]):
        (album / f"d{number % 3}").mkdir(parents=True, exist_ok=True)
        (album / f"d{number % 3}" / f"ü {number}.bin").write_bytes(os.urandom(size))
    (album / "empty").mkdir()
    with _signed_in(server.port) as client:
        outcome = client.upload_all([str(album)], to="many")
        assert (outcome.done, outcome.failed) == (66, 0)
        there = {each.name: each.sha256 for each in client.files("many")}
        assert client.is_folder("many/album/empty")
        assert client.upload_all([str(album)], to="many").same == 66
    here = {f"many/{each.relative_to(tmp_path)}": _sha256(each) for each in album.rglob("*") if each.is_file()}
    assert there == here


_ROUND = """
import sys
from transfer_service_client import TransferClient
with TransferClient(sys.argv[1]) as client:
    client.sign_in("alice", sys.argv[2])
    client.upload(sys.argv[3], to="round.bin")
    client.download("round.bin", sys.argv[3] + ".back")
print(open('/proc/self/status').read())
"""


def _peak_mebibytes(server: LiveServer, path: Path) -> float:
    """The most memory that a process has had which sent a file and fetched it."""
    command = [sys.executable, "-c", _ROUND, server.url, PASSWORD, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "client")}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    (peak,) = (int(line.split()[1]) for line in result.stdout.splitlines() if line.startswith("VmHWM"))
    assert path.with_name(f"{path.name}.back").stat().st_size == path.stat().st_size
    return peak / 1024


@pytest.mark.alone
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    peaks = []
    with running(tmp_path / "data", "alice", TRANSFER_MAX_FILE_BYTES="32GiB") as server:
        for mebibytes in (length(300, whole=20 * 1024), 2):
            path = tmp_path / f"{mebibytes}.bin"
            with path.open("wb") as file:
                file.truncate(mebibytes * MIB)
            peaks.append(_peak_mebibytes(server, path))
    assert peaks[0] - peaks[1] < 24, peaks
