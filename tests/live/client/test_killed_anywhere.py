"""put, get and sync, killed at any point on either side: the next run ends it, and nothing is left beside."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from transfer_service_client import TransferClient

from tests.conftest import PASSWORD
from tests.live.client.flipping import Side
from tests.live.fault_proxy import FaultProxy
from tests.live.server import LiveServer, running, wait_until
from tests.proofs import length

pytestmark = pytest.mark.long

MIB = 1024 * 1024
SEED = 19
KILLS = length(2, whole=60)
REPOSITORY = Path(__file__).parents[3]
PROGRAM = """
import sys
from transfer_service_client import TransferClient
url, password, way, here, there = sys.argv[1:]
with TransferClient(url) as client:
    client.sign_in("alice", password)
    if way == "put":
        outcome = client.upload_all([here + "/"], to=there)
    elif way == "get":
        outcome = client.get([there], here)
    else:
        _, outcome = client.sync(here, there, delete=True)
    assert outcome.is_good, outcome
"""
SIZES = {
    "large.bin": 9 * MIB + 1,
    "middle.bin": 2 * MIB,
    "a/empty": 0,
    **{f"a/{number}": 5_000 for number in range(20)},
}


@pytest.fixture
def site(data_dir: Path) -> Iterator[LiveServer]:
    with running(data_dir, "alice") as server:
        yield server


def _write(root: Path, chance: random.Random) -> dict[str, bytes]:
    tree = {name: chance.randbytes(size) for name, size in SIZES.items()}
    for name, data in tree.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return tree


def _read(root: Path) -> dict[str, bytes]:
    return {each.relative_to(root).as_posix(): each.read_bytes() for each in root.rglob("*") if each.is_file()}


def _start(port: int, state: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "client"), "XDG_STATE_HOME": str(state)}
    command = [sys.executable, "-c", PROGRAM, f"http://127.0.0.1:{port}", PASSWORD, *arguments]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)


@pytest.mark.parametrize("victim", ["client", "server"])
@pytest.mark.parametrize("way", ["put", "get", "sync"])
def test_a_kill_anywhere(site: LiveServer, tmp_path: Path, way: str, victim: str) -> None:
    chance = random.Random(f"{SEED} {way} {victim}")
    total, state = sum(SIZES.values()), tmp_path / "state"
    for number in range(KILLS):
        here, there = tmp_path / f"here-{number}", f"there-{number}"
        tree = _write(here, chance)
        if way == "get":
            with TransferClient(site.url) as client:
                client.sign_in("alice", PASSWORD)
                client.upload_all([f"{here}/"], to=there)
            here = tmp_path / f"fetched-{number}"
        place = here / there if way == "get" else here
        with FaultProxy(site.port) as proxy:
            toward: Side = "client" if way == "get" else "server"
            at = chance.randrange(total)
            process = _start(proxy.port, state, way, str(here), there)
            wait_until(lambda: proxy.bytes_toward[toward] >= at or process.poll() is not None)  # noqa: B023 - asked here
            if victim == "server":
                site.kill()
                site.start()
            else:
                process.kill()
            _, told = process.communicate(timeout=120)
            if victim == "server":
                assert process.returncode == 0, told.decode()
            else:
                with _start(proxy.port, state, way, str(here), there) as again:
                    _, told = again.communicate(timeout=120)
                assert again.returncode == 0, told.decode()
        assert _read(place) == tree, f"{way}, killed at {at} of {total}"
        with TransferClient(site.url) as client:
            client.sign_in("alice", PASSWORD)
            assert client.verify(place, there).is_good
    if way != "sync":  # which compares by itself: what a killed one had finished goes by its age
        assert not list((state / "transfer-service" / "uploads").glob("*.json"))
