"""Downloads through a bad network: programs and the clients of phones end with the very file, and mostly resume."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live.download_clients import (
    AndroidDownloadManager,
    BackgroundDownloader,
    DownloadClient,
    FlutterDownloader,
    GaveUp,
    Source,
    UrlSession,
)
from tests.live.fault_proxy import Fault, FaultProxy, Trickle
from tests.live.nginx import behind_nginx
from tests.live.server import LiveServer, running
from tests.missing import missing

MIB = 1024 * 1024
SIZE = 24 * MIB + 12_345
HEADS_BYTES = 64 * 1024  # more than the heads of all answers together
WASTE_BYTES = 3 * MIB  # what parallel connections ask for twice, because another one was faster
SECONDS = 60

# One connection after the other, about 16 of 24 MiB altogether.
CUTS = [
    Fault(reset_at=3 * MIB + 17),
    Fault(half_close_at=5 * MIB - 1, delay_seconds=0.3),
    Fault(reset_at=1_500_000, trickle=Trickle(size=50_000, seconds=0.01)),
    Fault(half_close_at=4_444_444),
    Fault(reset_at=2 * MIB),
]
# Four connections at once, each for about 6 MiB; equally slow, so that none does the work of the others.
SLOW = Trickle(size=128 * 1024, seconds=0.01)
SHARED_CUTS = [
    Fault(reset_at=700_001, trickle=SLOW),
    Fault(half_close_at=600_000, trickle=SLOW),
    Fault(reset_at=500_000, trickle=SLOW),
    Fault(half_close_at=300_000, trickle=SLOW, delay_seconds=0.05),
    Fault(reset_at=600_000, trickle=SLOW),
    Fault(half_close_at=400_000, trickle=SLOW),
]
SLOW_LINES = [Fault(trickle=SLOW)] * 30


@dataclass(frozen=True)
class Way:
    """How clients reach the service, and `alice`'s token there."""

    server: LiveServer
    port: int
    token: str

    def store(self, name: str, data: bytes) -> str:
        """Make or replace a file of `alice` and give its path by UUID."""
        url = f"{self.server.url}/api/files?filename={name}&overwrite=true"
        answer = self.server.sign_in("alice").post(url, data=data, timeout=60)
        assert answer.status_code == 201, answer.text
        return str(answer.headers["Location"])


@pytest.fixture(scope="module", params=["direct", "nginx"])
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    data_dir = tmp_path_factory.mktemp("interrupted") / "data"
    with ExitStack() as stack:
        if request.param == "direct":
            server = stack.enter_context(running(data_dir, "alice"))
            port = server.port
        else:
            accel = running(data_dir, "alice", TRANSFER_ACCEL="nginx", TRANSFER_TRUSTED_PROXIES="1")
            server = stack.enter_context(accel)
            port = stack.enter_context(behind_nginx(server)).port
        yield Way(server, port, str(server.sign_in("alice").headers["Authorization"]))


@dataclass(frozen=True)
class Stored:
    path: str
    digest: str


@pytest.fixture(scope="module")
def stored(way: Way) -> Stored:
    """A large file of random bytes."""
    data = os.urandom(SIZE)
    return Stored(way.store("large.bin", data), hashlib.sha256(data).hexdigest())


@dataclass(frozen=True)
class Program:
    """A program as its user would call it, again and again until it succeeds if it does not try again by itself."""

    command: str
    runs: int = 1

    def fetch(self, port: int, path: str, token: str, target: Path) -> None:
        """Download to `target`."""
        names = {
            "base": f"http://127.0.0.1:{port}", "path": path.lstrip("/"), "token": f"Authorization: {token}",
            "out": target, "folder": target.parent, "name": target.name,
        }  # fmt: skip
        words = [word.format(**names) for word in self.command.split()]
        if shutil.which(words[0]) is None:
            missing(f"{words[0]} is not installed")
        for _ in range(self.runs):
            done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
            if done.returncode == 0:
                return
        raise AssertionError(f"{words[0]} ended with {done.returncode}: {done.stderr[-1000:]}")


COPYTO = "rclone --config /dev/null --retries 1 --header {token} copyto --http-url {base} :http:{path} {out}"
STREAMS = "--multi-thread-cutoff 1M --multi-thread-streams 4"
RESUMING = [
    pytest.param(Program("curl -sSf -C - -H {token} -o {out} {base}/{path}", runs=len(CUTS) + 1), id="curl"),
    pytest.param(Program("wget -nv -c -t 9 --waitretry=0 --header {token} -O {out} {base}/{path}"), id="wget"),
    pytest.param(Program(COPYTO), id="rclone"),
]
PARALLEL = [
    pytest.param(
        Program(
            "aria2c --no-conf -x4 -s4 -k1M -m0 --retry-wait=0 --header {token} -d {folder} -o {name} {base}/{path}"
        ),
        id="aria2",
    ),
    pytest.param(Program(f"{COPYTO} {STREAMS}"), id="rclone"),
]
STARTING_OVER = [
    pytest.param(
        Program("curl -sSf -C - --retry 5 --retry-all-errors --retry-delay 1 -H {token} -o {out} {base}/{path}"),
        id="curl-retry",
    ),
    pytest.param(
        Program("rclone --config /dev/null --retries 9 --header {token} copyurl {base}/{path} {out}"),
        id="rclone-copyurl",
    ),
]


def fetch(program: Program, way: Way, stored: Stored, target: Path, plan: list[Fault]) -> FaultProxy:
    """Let a program download the file through a bad network; gives the network as it was left."""
    with FaultProxy(way.port, plan) as proxy:
        program.fetch(proxy.port, stored.path, way.token, target)
    with target.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == stored.digest
    return proxy


@pytest.mark.parametrize("program", RESUMING)
def test_a_program_resumes_where_it_was_cut_off(program: Program, way: Way, stored: Stored, tmp_path: Path) -> None:
    proxy = fetch(program, way, stored, tmp_path / "large.bin", CUTS)
    assert proxy.faults_done == CUTS
    assert SIZE <= proxy.bytes_toward["client"] <= SIZE + HEADS_BYTES


@pytest.mark.parametrize("program", PARALLEL)
def test_a_program_with_four_connections_resumes_each(
    program: Program, way: Way, stored: Stored, tmp_path: Path
) -> None:
    proxy = fetch(program, way, stored, tmp_path / "large.bin", SHARED_CUTS + SLOW_LINES)
    assert set(SHARED_CUTS) <= set(proxy.faults_done)
    assert SIZE <= proxy.bytes_toward["client"] <= SIZE + WASTE_BYTES


@pytest.mark.parametrize("program", STARTING_OVER)
def test_a_program_that_starts_over_ends_with_the_file(
    program: Program, way: Way, stored: Stored, tmp_path: Path
) -> None:
    proxy = fetch(program, way, stored, tmp_path / "large.bin", CUTS[:2])
    assert proxy.faults_done == CUTS[:2]


PHONES = [AndroidDownloadManager, UrlSession, BackgroundDownloader, FlutterDownloader]


@pytest.mark.parametrize("phone", PHONES)
def test_a_phone_resumes_behind_the_last_byte_it_has(phone: type[DownloadClient], way: Way, stored: Stored) -> None:
    with FaultProxy(way.port, CUTS) as proxy:
        client = phone(Source(proxy.port, stored.path, way.token))
        assert hashlib.sha256(client.download()).hexdigest() == stored.digest
    assert proxy.faults_done == CUTS
    assert (client.attempts, client.transferred) == (len(CUTS) + 1, SIZE)


@dataclass(frozen=True)
class Replaced:
    """A client that was cut off, and the bytes that the file has now."""

    client: DownloadClient
    old: bytes
    new: bytes


def cut_off_and_replaced(phone: type[DownloadClient], way: Way, *, by_name: bool) -> Replaced:
    """Cut a download off; then the file gets other bytes of the same length."""
    old, new = os.urandom(8 * MIB), os.urandom(8 * MIB)
    path = way.store("replaced.bin", old)
    target = "/api/files/download/replaced.bin" if by_name else path
    with FaultProxy(way.port, CUTS[:1]) as proxy:
        client = phone(Source(proxy.port, target, way.token))
        assert not client.attempt()
    assert client.received
    way.store("replaced.bin", new)
    client.source = Source(way.port, target, way.token)
    return Replaced(client, old, new)


@pytest.mark.parametrize("phone", [UrlSession, BackgroundDownloader])
def test_a_phone_starts_over_when_the_file_was_replaced_meanwhile(phone: type[DownloadClient], way: Way) -> None:
    replaced = cut_off_and_replaced(phone, way, by_name=True)
    assert replaced.client.download() == replaced.new


def test_android_gives_up_when_the_file_was_replaced_meanwhile(way: Way) -> None:
    replaced = cut_off_and_replaced(AndroidDownloadManager, way, by_name=True)
    with pytest.raises(GaveUp, match="412"):
        replaced.client.download()
    assert replaced.old.startswith(replaced.client.received)


@pytest.mark.parametrize("phone", PHONES)
def test_a_uuid_never_leads_to_the_bytes_of_the_file_that_replaced_it(phone: type[DownloadClient], way: Way) -> None:
    replaced = cut_off_and_replaced(phone, way, by_name=False)
    with pytest.raises(GaveUp, match="404"):
        replaced.client.download()
    assert replaced.old.startswith(replaced.client.received)
