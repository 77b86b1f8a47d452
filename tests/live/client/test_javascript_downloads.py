"""Downloads by the JavaScript client: over lines that break and damage, kills, files that change, and redirects."""

import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import requests

from tests.live.client.flipping import flipping_line
from tests.live.client.javascript import QUICK, app, install, run
from tests.live.fault_proxy import Fault, FaultProxy, Trickle
from tests.live.server import LiveServer

MIB = 1024 * 1024
SIZE = 8 * MIB + 345
SLOW = Trickle(size=128 * 1024, seconds=0.01)
SIGNED_IN = """
const { fileSink } = await import("transfer-service-client/node");
const client = new TransferClient(given.url, { patienceSeconds: 60 });
await client.signIn("alice", given.password);
const onProgress = (received) => print("received", received);
"""
FETCHING = SIGNED_IN + """print("done", await client.download(given.file, fileSink(given.path), { onProgress }));"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("app")
    install(folder)
    return folder


@pytest.fixture(scope="module")
def data() -> bytes:
    return os.urandom(SIZE)


@pytest.fixture(scope="module")
def file_id(server: LiveServer, data: bytes) -> str:
    return server.store(server.sign_in("alice"), "film.mp4", data).split("/")[3]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "got.mp4"


def parts(target: Path) -> list[int]:
    """The sizes of what lies beside it, unfinished."""
    return [path.stat().st_size for path in target.parent.glob(".transfer-*.part")]


def test_a_line_that_is_cut_again_and_again(
    server: LiveServer, folder: Path, data: bytes, file_id: str, target: Path
) -> None:
    cuts = [*(Fault(reset_at=size) for size in (2 * MIB, 1_500_001, 700_000)), Fault(half_close_at=900_000)]
    with FaultProxy(server.port, cuts) as proxy:
        told = run(folder, FETCHING, url=f"http://127.0.0.1:{proxy.port}", file=file_id, path=str(target))
    assert (told, target.read_bytes() == data, parts(target)) == (str(target), True, [])
    assert (len(proxy.faults_done) >= 3, proxy.bytes_toward["client"] < SIZE + 2 * MIB) == (True, True)


def test_a_line_that_is_silent_counts_as_broken(
    server: LiveServer, folder: Path, data: bytes, file_id: str, target: Path
) -> None:
    with FaultProxy(server.port, [Fault(silent_at=3 * MIB)]) as proxy:
        run(folder, QUICK + FETCHING, url=f"http://127.0.0.1:{proxy.port}", file=file_id, path=str(target))
    assert (target.read_bytes() == data, len(proxy.faults_done)) == (True, 1)


def test_another_process_goes_on_after_a_kill(
    server: LiveServer, folder: Path, data: bytes, file_id: str, target: Path
) -> None:
    with FaultProxy(server.port, [Fault(trickle=SLOW)] * 9) as proxy:
        given = {"url": f"http://127.0.0.1:{proxy.port}", "file": file_id, "path": str(target)}
        with app(folder, FETCHING, **given) as killed:
            killed.wait("received", where=lambda received: received > 2 * MIB)
            killed.kill()
        (left,) = parts(target)
        proxy.plan.clear()
        with app(folder, FETCHING, **given) as second:
            second.wait("done")
    assert (second.heard("received")[0], left > MIB) == (left, True)
    assert (target.read_bytes() == data, parts(target)) == (True, [])


@pytest.mark.parametrize("at", [SIZE // 3, SIZE - 1])
def test_damaged_bytes_are_fetched_again_and_never_a_file(
    server: LiveServer, folder: Path, data: bytes, file_id: str, target: Path, at: int
) -> None:
    code = SIGNED_IN + """
const file = await client.file(given.file);
print("ready");
process.stdin.once("data", async () => {
  print("done", await client.download(file, fileSink(given.path), { onProgress }));
});
"""  # fmt: skip
    with flipping_line(server.port) as line:
        given = {"url": f"http://127.0.0.1:{line.port}", "file": file_id, "path": str(target)}
        with app(folder, code, **given) as fetching:
            fetching.wait("ready")
            line.flip("client", at, 4)
            fetching.say("go")
            fetching.wait("done")
    assert (line.has_flipped, target.read_bytes() == data) == (True, True)
    assert fetching.heard("received").count(0) == 2


def test_bytes_that_stay_damaged_are_told_and_nothing_is_left(
    server: LiveServer, folder: Path, file_id: str, target: Path
) -> None:
    code = SIGNED_IN + """
const damaging = async (url, options) => {
  const answer = await fetch(url, options);
  if (!url.endsWith("/download")) return answer;
  return new Response(new Blob([(await answer.arrayBuffer()).slice(0, -1), "?"]), { headers: answer.headers });
};
const other = new TransferClient(given.url, { tokens: await client.signIn("alice", given.password), fetch: damaging });
print("done", await failure(other.download(given.file, fileSink(given.path))));
"""  # fmt: skip
    told = run(folder, code, url=server.url, file=file_id, path=str(target))
    assert told[0] == "DigestMismatch"
    assert (target.exists(), parts(target)) == (False, [])


def test_what_was_kept_of_another_version_is_dropped(server: LiveServer, alice: requests.Session, folder: Path) -> None:
    old, new = os.urandom(3 * MIB), os.urandom(3 * MIB + 1)
    address = f"{server.url}/api/files/changing.bin"
    sent = [alice.put(address, data=each, timeout=60).json() for each in (old, new)]
    code = SIGNED_IN + """
const sink = everything.blobSink();
await sink.begin({ sha256: given.old, size: 3 * 2 ** 20 });
await sink.write(new Uint8Array(2 ** 20), 0);
const blob = await client.download(await client.find("changing.bin"), sink, { onProgress });
const { createHash } = await import("node:crypto");
print("done", createHash("sha256").update(new Uint8Array(await blob.arrayBuffer())).digest("hex"));
"""  # fmt: skip
    with app(folder, code, url=server.url, old=sent[0]["sha256"]) as fetching:
        assert fetching.wait("done") == hashlib.sha256(new).hexdigest()
        assert fetching.heard("received")[0] == 0


def test_a_file_that_is_replaced_in_the_middle_is_not_mixed(server: LiveServer, folder: Path, target: Path) -> None:
    """Its id has no bytes any more: that is told, and nothing becomes a file."""
    code = SIGNED_IN + """
const sent = await client.upload(new Uint8Array(8e6).fill(1), { name: "replaced.bin" }).done;
let isReplaced = false;
const sink = fileSink(given.path);
const { write } = sink;
sink.write = async (bytes, offset) => {
  await write(bytes, offset);
  if (isReplaced) return;
  isReplaced = true;
  await client.upload(new Uint8Array(8e6).fill(2), { name: "replaced.bin", overwrite: true }).done;
  throw Object.assign(new Error("enough"));
};
const first = await failure(client.download(sent, sink));
print("done", [first, await failure(client.download(sent, sink))]);
"""  # fmt: skip
    told = run(folder, code, url=server.url, path=str(target))
    assert told == [["TransferError", "What arrived cannot be kept: enough"], ["ApiError", "File not found"]]
    assert not target.exists()


def test_without_streams_it_comes_piece_by_piece(
    server: LiveServer, folder: Path, data: bytes, file_id: str, target: Path
) -> None:
    """As in React Native, whose answers have no body to read from."""
    code = SIGNED_IN + """
delete Response.prototype.body;
const ranges = [];
const watching = (url, options) => (ranges.push(options.headers.Range), fetch(url, options));
const tokens = await client.signIn("alice", given.password);
const native = new TransferClient(given.url, { tokens, fetch: watching });
await native.download(given.file, fileSink(given.path), { onProgress });
print("done", ranges.filter(Boolean));
"""  # fmt: skip
    told = run(folder, code, url=server.url, file=file_id, path=str(target))
    assert told == [f"bytes={start}-{min(start + 4 * MIB, SIZE) - 1}" for start in range(0, SIZE, 4 * MIB)]
    assert target.read_bytes() == data


def test_a_sink_of_the_app_s_own_gets_bytes_in_order(
    server: LiveServer, folder: Path, data: bytes, file_id: str
) -> None:
    code = SIGNED_IN + """
const whole = Buffer.alloc(given.size);
const offsets = [];
const sink = { write: (bytes, offset) => { offsets.push(offset); whole.set(bytes, offset); }, finish: () => whole };
const { createHash } = await import("node:crypto");
const got = await client.download(given.file, sink);
const isInOrder = offsets.every((each, at) => at === 0 || each > offsets[at - 1]);
print("done", [createHash("sha256").update(got).digest("hex"), isInOrder]);
"""  # fmt: skip
    with FaultProxy(server.port, [Fault(), Fault(reset_at=MIB)]) as proxy:
        told = run(folder, code, url=f"http://127.0.0.1:{proxy.port}", file=file_id, size=SIZE)
    assert told == [hashlib.sha256(data).hexdigest(), True]


def test_a_signal_ends_it_and_what_arrived_is_kept(
    server: LiveServer, folder: Path, file_id: str, target: Path
) -> None:
    code = SIGNED_IN + """
const controller = new AbortController();
const stopAt = (received) => received > 2e6 && controller.abort();
const { signal } = controller;
const error = await failure(client.download(given.file, fileSink(given.path), { signal, onProgress: stopAt }));
const first = await new Promise((resolve) => {
  client.download(given.file, fileSink(given.path), { onProgress: resolve });
});
print("done", [error[0], first > 2e6]);
"""  # fmt: skip
    assert run(folder, code, url=server.url, file=file_id, path=str(target)) == ["AbortError", True]


class _Store(BaseHTTPRequestHandler):
    """An object store at another origin, and a service that sends clients there."""

    heard: ClassVar[list[tuple[str, str | None]]] = []
    data = b""
    elsewhere = ""

    def do_GET(self) -> None:
        self.heard.append((self.path, self.headers.get("Authorization")))
        if self.path.endswith("/download"):
            self.send_response(307)
            self.send_header("Location", f"{self.elsewhere}/bucket/key?signature=x")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.data)))
        self.end_headers()
        self.wfile.write(self.data)

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def store(data: bytes) -> Iterator[type[_Store]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Store) as served:
        _Store.heard, _Store.data = [], data
        _Store.elsewhere = f"http://localhost:{served.server_port}"
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        try:
            yield _Store
        finally:
            served.shutdown()
            thread.join()


def test_the_token_does_not_go_along_to_an_object_store(
    folder: Path, store: type[_Store], data: bytes, target: Path
) -> None:
    code = """
const { fileSink } = await import("transfer-service-client/node");
const client = new TransferClient(given.url, { key: "tsk_secret" });
const file = { file_id: "1", filename: "a.bin", status: "complete", total_bytes: given.size, sha256: given.sha256 };
print("done", await client.download(file, fileSink(given.path)));
"""  # fmt: skip
    url = store.elsewhere.replace("localhost", "127.0.0.1")
    digest = hashlib.sha256(data).hexdigest()
    run(folder, code, url=url, size=SIZE, sha256=digest, path=str(target))
    assert target.read_bytes() == data
    assert store.heard == [("/api/files/1/download", "Bearer tsk_secret"), ("/bucket/key?signature=x", None)]
