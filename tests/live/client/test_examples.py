"""The examples for devices against the real service: cut off, killed, with a service that is killed, and refused."""

import hashlib
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from tests.client.examples import EXAMPLES, compiled, micropython_command, node_command
from tests.live.fault_proxy import Fault, FaultProxy, Trickle
from tests.live.server import LiveServer, killed, wait_until
from transfer_service.wire.chunk_frames import SHORT_FRAME

DATA = random.Random(19).randbytes(700_001)
OTHER = DATA[:-1] + bytes([DATA[-1] ^ 1])
PATIENCE_SECONDS = 120
SLOW = Trickle(20_000, 0.3)  # ten seconds for all, one for the first chunk

Command = Callable[..., list[str]]
"""Gives the command for a port, a file and a name."""


@pytest.fixture(scope="module")
def c_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(EXAMPLES / "send_chunks.c", tmp_path_factory.mktemp("c") / "send_chunks")


@pytest.fixture(scope="module")
def key(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with a key that may upload and nothing else."""
    body = {"name": "device", "scopes": ["upload"]}
    answer = server.sign_in("alice").post(f"{server.url}/auth/keys", json=body, timeout=30)
    path = tmp_path_factory.mktemp("key") / "key.header"
    path.write_text(f"Authorization: Bearer {answer.json()['key']}\n")
    return path


@pytest.fixture(params=["c", "micropython-17", "micropython-12", "node-17", "node-12"])
def command(request: pytest.FixtureRequest, key: Path) -> Command:
    language, _, kind = request.param.partition("-")
    if language == "c":
        program = [str(request.getfixturevalue("c_program"))]
    elif language == "micropython":
        program = micropython_command(EXAMPLES / "send_chunks.py")
    else:
        program = node_command(str(EXAMPLES / "send_chunks.mjs"))

    def of(port: int, file: Path, name: str, *, by: Path = key) -> list[str]:
        place = ["127.0.0.1", str(port)] if language == "c" else [f"http://127.0.0.1:{port}"]
        return [*program, *place, str(by), str(file), name, *([kind] if kind else [])]

    return of


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return f'gate/Grüße 100% "status": {hashlib.sha256(request.node.name.encode()).hexdigest()[:8]}.bin'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "log.bin"
    path.write_bytes(DATA)
    return path


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


def check_sent(done: subprocess.CompletedProcess[str], alice: requests.Session, server: LiveServer, name: str) -> None:
    assert (done.returncode, done.stdout) == (0, f"stored, sha256 {hashlib.sha256(DATA).hexdigest()}\n"), done.stderr
    url = f"{server.url}/api/files/download/{quote(name, safe='')}"
    assert alice.get(url, timeout=60).content == DATA


def stored_bytes(server: LiveServer, alice: requests.Session, name: str) -> int:
    url = f"{server.url}/api/files/status/{quote(name, safe='')}"
    return int(alice.get(url, timeout=30).json()["bytes_received"])


def store_beginning(server: LiveServer, alice: requests.Session, name: str, data: bytes, *, total: str) -> None:
    """Send what a file of that length, or "*", begins with."""
    fields = {"Content-Range": f"bytes 0-{len(data) - 1}/{total}"}
    url = f"{server.url}/upload/{quote(name, safe='')}"
    answer = alice.post(url, data=SHORT_FRAME.format(0, data), headers=fields, timeout=30)
    assert answer.status_code == 200, answer.text


def test_a_file_is_sent_over_connections_that_break(
    server: LiveServer, alice: requests.Session, command: Command, file: Path, name: str
) -> None:
    faults = [Fault(toward="server", reset_at=300_000), Fault(toward="client", reset_at=50)]
    with FaultProxy(server.port, faults) as proxy:
        done = run(command(proxy.port, file, name))
        assert len(proxy.faults_done) == 2
    check_sent(done, alice, server, name)
    assert "trying again" in done.stderr


def test_what_was_sent_before_a_kill_is_not_sent_again(
    server: LiveServer, alice: requests.Session, command: Command, file: Path, name: str
) -> None:
    store_beginning(server, alice, name, DATA[:600_000], total=str(len(DATA)))
    with FaultProxy(server.port) as proxy:
        check_sent(run(command(proxy.port, file, name)), alice, server, name)
        assert proxy.bytes_toward["server"] < 120_000


def test_a_killed_program_goes_on(
    server: LiveServer, alice: requests.Session, c_program: Path, key: Path, file: Path, name: str
) -> None:
    with FaultProxy(server.port, [Fault(toward="server", trickle=SLOW)]) as proxy:
        command = [str(c_program), "127.0.0.1", str(proxy.port), str(key), str(file), name]
        with subprocess.Popen(command) as process:
            wait_until(lambda: stored_bytes(server, alice, name) > 0, seconds=60)
            process.kill()
        before = stored_bytes(server, alice, name)
        assert 0 < before < len(DATA)
        sent = proxy.bytes_toward["server"]
        check_sent(run(command), alice, server, name)
        assert proxy.bytes_toward["server"] - sent < len(DATA) - before + 70_000  # heads, and a chunk under way


def test_a_killed_service_costs_a_wait(
    server: LiveServer, alice: requests.Session, c_program: Path, key: Path, file: Path, name: str
) -> None:
    with FaultProxy(server.port, [Fault(toward="server", trickle=SLOW)]) as proxy:
        command = [str(c_program), "127.0.0.1", str(proxy.port), str(key), str(file), name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            wait_until(lambda: stored_bytes(server, alice, name) > 0, seconds=60)
            with killed(server):
                assert process.poll() is None
            out, errors = process.communicate(timeout=PATIENCE_SECONDS)
    check_sent(subprocess.CompletedProcess(command, process.returncode, out, errors), alice, server, name)
    assert "trying again" in errors


def test_a_length_that_nobody_told_is_told(
    server: LiveServer, alice: requests.Session, command: Command, file: Path, name: str
) -> None:
    store_beginning(server, alice, name, DATA, total="*")
    check_sent(run(command(server.port, file, name)), alice, server, name)


def test_a_longer_file_of_the_name_is_not_waited_for(
    server: LiveServer, alice: requests.Session, command: Command, file: Path, name: str
) -> None:
    store_beginning(server, alice, name, DATA + b"and more", total=str(len(DATA) + 100))
    done = run(command(server.port, file, name))
    assert (done.returncode, done.stdout) == (1, "")
    assert "Total size does not match the one given earlier" in done.stderr
    assert stored_bytes(server, alice, name) == len(DATA) + 8


def test_another_file_of_the_name_is_told_and_stays(
    server: LiveServer, alice: requests.Session, command: Command, file: Path, name: str
) -> None:
    location = server.store(alice, name, OTHER)
    done = run(command(server.port, file, name))
    assert (done.returncode, done.stdout) == (1, "")
    assert "another file of this name" in done.stderr
    assert alice.get(server.url + location, timeout=60).content == OTHER


@pytest.mark.parametrize("content", [b"", DATA], ids=["empty", "no-key"])
def test_what_cannot_be_sent_is_told(
    server: LiveServer, command: Command, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / "file").write_bytes(content)
    (tmp_path / "wrong").write_text("Authorization: Bearer tsk_" + "A" * 43)
    done = run(command(server.port, tmp_path / "file", name, by=tmp_path / "wrong"))
    assert (done.returncode, done.stdout) == (1, "")
    assert ("401" if content else "send it whole") in done.stderr
    assert "tsk_" not in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_usage_is_told(command: Command) -> None:
    short = [each for each in command(1, Path("file"), "name") if each != "name"][:-3]
    done = run(short)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")
