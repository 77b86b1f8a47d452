"""What may go wrong for the JavaScript client beyond broken lines: long ways, other accounts, services that lie, apps that end."""

import os
from pathlib import Path

import pytest

from tests.live.client.javascript import install, run
from tests.live.fault_proxy import Fault, FaultProxy
from tests.live.server import LiveServer

MIB = 1024 * 1024
SIZE = 12 * MIB


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("app")
    install(folder)
    (folder / "film.mp4").write_bytes(os.urandom(SIZE))
    return folder


def test_patience_counts_from_the_last_byte_that_moved(server: LiveServer, folder: Path) -> None:
    code = """
const { openFile } = await import("transfer-service-client/node");
const client = new TransferClient(given.url);
await client.signIn("alice", given.password);
const { now } = Date;
const onProgress = (sent) => {
  if (sent > 8e6) Date.now = () => now() + 400_000; // as after a long way
};
print("done", (await client.upload(await openFile("film.mp4"), { name: "far.mp4", onProgress }).done).bytes_received);
"""
    with FaultProxy(server.port, [Fault(), Fault(reset_at=11 * MIB, toward="server")]) as proxy:
        told = run(folder, code, url=f"http://127.0.0.1:{proxy.port}")
    assert (told, len(proxy.faults_done)) == (SIZE, 1)
