"""Uploads by the JavaScript client: over lines that break and damage, with refusals, and kills on both sides."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.live.client.flipping import flipping_line
from tests.live.client.javascript import QUICK, app, install, run
from tests.live.client.strict_proxy import strict_proxy
from tests.live.fault_proxy import Fault, FaultProxy, Trickle
from tests.live.server import LiveServer, running, wait_until

MIB = 1024 * 1024
SIZE = 12 * MIB + 345
SLOW = Trickle(size=128 * 1024, seconds=0.01)
SIGNED_IN = """
const { fileStorage, openFile } = await import("transfer-service-client/node");
const storage = fileStorage("kept");
const client = new TransferClient(given.url, { storage, patienceSeconds: 60 });
if (!await storage.getItem(`transfer-service ${client.url} tokens`)) await client.signIn("alice", given.password);
const film = await openFile(given.path);
const onProgress = (sent) => print("sent", sent);
"""
SENDING = SIGNED_IN + """print("done", await client.upload(film, { name: given.name, onProgress }).done);"""
REFUSING = """
const { createServer, request: ask } = await import("node:http");
const [asked, plan] = [[], [...given.plan]];
const line = createServer((request, response) => {
  const at = plan.findIndex(([method, path]) => method === request.method && request.url.startsWith(path));
  asked.push(request.method);
  if (at >= 0) {
    const [[, , status]] = plan.splice(at, 1);
    return void request.resume().on("end", () => response.writeHead(status, { "Retry-After": "0" }).end());
  }
  const { method, url: path, headers } = request;
  request.pipe(ask(given.url + path, { method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  }).on("error", () => response.destroy()));
});
await new Promise((resolve) => line.listen(0, "127.0.0.1", resolve));
const client = new TransferClient(`http://127.0.0.1:${line.address().port}`);
await client.signIn("alice", given.password);
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("app")
    install(folder)
    return folder


@pytest.fixture(scope="module")
def film(folder: Path) -> Path:
    path = folder / "film.mp4"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture
def name(folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Of a test's own, which begins with nothing kept."""
    yield f"{abs(hash(request.node.name)):x}.bin"
    shutil.rmtree(folder / "kept", ignore_errors=True)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unfinished(server: LiveServer, session: requests.Session, name: str) -> list[dict[str, Any]]:
    """The uploads of a name that are under way."""
    uploads = session.get(f"{server.url}/api/uploads", timeout=30).json()["uploads"]
    return [each for each in uploads if each["filename"] == name]


def stored(server: LiveServer, session: requests.Session, name: str) -> list[str]:
    """The digests of the files whose names begin like this one."""
    query = {"prefix": name.removesuffix(".bin")}
    files = session.get(f"{server.url}/api/files", params=query, timeout=30).json()["files"]
    return [str(each["sha256"]) for each in files]


def test_a_line_that_is_cut_again_and_again(
    server: LiveServer, alice: requests.Session, folder: Path, film: Path, name: str
) -> None:
    cuts = [Fault(reset_at=size, toward="server", trickle=SLOW) for size in (2 * MIB, 1_500_001, 2_222_222, 900_000)]
    with FaultProxy(server.port, [*cuts, Fault(reset_at=1)]) as proxy:
        told = run(folder, SENDING, url=f"http://127.0.0.1:{proxy.port}", path=str(film), name=name)
    assert (told["sha256"], told["filename"]) == (sha256(film), name)
    assert (len(proxy.faults_done) >= 4, proxy.bytes_toward["server"] < SIZE + 8 * MIB) == (True, True)
    assert unfinished(server, alice, name) == []


def test_a_line_that_is_silent_counts_as_broken(server: LiveServer, folder: Path, film: Path, name: str) -> None:
    silence = Fault(silent_at=3 * MIB, toward="server")  # one for the sign-in, which is too short for it
    with FaultProxy(server.port, [silence] * 2) as proxy:
        told = run(folder, QUICK + SENDING, url=f"http://127.0.0.1:{proxy.port}", path=str(film), name=name)
    assert (told["sha256"], len(proxy.faults_done)) == (sha256(film), 1)


@pytest.mark.parametrize("size", [100_000, SIZE], ids=["small", "large"])
def test_a_lost_answer_to_the_first_request_makes_no_second_file(
    server: LiveServer, alice: requests.Session, folder: Path, film: Path, name: str, size: int
) -> None:
    (folder / "first.bin").write_bytes(film.read_bytes()[:size])
    code = SIGNED_IN + """
process.stdin.once("data", async () => print("done", await client.upload(film, { name: given.name }).done));
print("ready");
"""  # fmt: skip
    with (
        FaultProxy(server.port) as proxy,
        app(folder, code, url=f"http://127.0.0.1:{proxy.port}", path=str(folder / "first.bin"), name=name) as sending,
    ):
        sending.wait("ready")
        proxy.plan.append(Fault(reset_at=1))
        sending.say("go")
        told = sending.wait("done")
    assert (told["filename"], stored(server, alice, name)) == (name, [sha256(folder / "first.bin")])


def test_a_stream_over_a_line_that_is_cut(
    server: LiveServer, alice: requests.Session, folder: Path, film: Path, name: str
) -> None:
    code = SIGNED_IN + """
const { createReadStream } = await import("node:fs");
print("done", await client.upload(createReadStream(given.path), { name: given.name }).done);
"""  # fmt: skip
    with FaultProxy(server.port, [Fault(reset_at=size, toward="server") for size in (2 * MIB, 1_500_001)]) as proxy:
        told = run(folder, code, url=f"http://127.0.0.1:{proxy.port}", path=str(film), name=name)
    assert (told["sha256"], told["total_bytes"], len(proxy.faults_done) > 0) == (sha256(film), SIZE, True)
    assert unfinished(server, alice, name) == []


def test_another_process_goes_on_after_a_kill(
    server: LiveServer, alice: requests.Session, folder: Path, film: Path, name: str
) -> None:
    with FaultProxy(server.port, [Fault(trickle=SLOW, toward="server")] * 9) as proxy:
        given = {"url": f"http://127.0.0.1:{proxy.port}", "path": str(film), "name": name}
        with app(folder, SENDING, **given) as killed:
            killed.wait("sent", where=lambda sent: sent > 4 * MIB)
            killed.kill()
        wait_until(lambda: unfinished(server, alice, name)[0]["offset"] > 0)
        (left,) = unfinished(server, alice, name)
        proxy.plan.clear()
        with app(folder, SENDING, **given) as second:
            told = second.wait("done")
    assert 0 < left["offset"] <= second.heard("sent")[0]
    assert (told["file_id"], told["sha256"]) == (left["upload_id"], sha256(film))


def test_an_upload_goes_on_after_the_service_was_killed(tmp_path: Path, folder: Path, film: Path, name: str) -> None:
    with (
        running(tmp_path / "data", "alice") as server,
        FaultProxy(server.port, [Fault(trickle=SLOW, toward="server")] * 9) as proxy,
    ):
        with app(folder, SENDING, url=f"http://127.0.0.1:{proxy.port}", path=str(film), name=name) as sending:
            sending.wait("sent", where=lambda sent: sent > 4 * MIB)
            server.kill()
            proxy.plan.clear()
            server.start()
            assert sending.wait("done")["sha256"] == sha256(film)
        uploads = server.sign_in("alice").get(f"{server.url}/api/files", timeout=30).json()["files"]
    assert [each["filename"] for each in uploads] == [name]


@pytest.mark.parametrize("answers", [True, False], ids=["413", "hangs-up"])
def test_a_proxy_that_takes_no_long_bodies_gets_shorter_pieces(
    server: LiveServer, folder: Path, film: Path, name: str, answers: bool
) -> None:
    with strict_proxy(server.port, limit=MIB, answers=answers) as proxy:
        told = run(folder, SENDING, url=f"http://127.0.0.1:{proxy.server_port}", path=str(film), name=name)
    assert told["sha256"] == sha256(film)
    assert 0 < proxy.refused < SIZE / MIB


@pytest.mark.parametrize("status", [401, 423, 429, 503])
def test_a_refusal_in_the_middle_does_not_begin_it_anew(
    server: LiveServer, folder: Path, film: Path, name: str, status: int
) -> None:
    plan = [["PATCH", "/api/uploads", 503], ["HEAD", "/api/uploads", status], ["PATCH", "/api/uploads", status]]
    told = run(folder, REFUSING + """
const { openFile } = await import("transfer-service-client/node");
const file = await client.upload(await openFile(given.path), { name: given.name }).done;
print("done", { file, asked, plan });
""", url=server.url, path=str(film), name=name, plan=plan)  # fmt: skip
    assert (told["file"]["sha256"], told["plan"]) == (sha256(film), [])
    assert told["asked"].count("HEAD") == 3
    assert told["asked"].count("POST") == 1 + 1 + 2 * (status == 401)  # a sign-in, a creation, renewals


def test_an_upload_that_is_gone_is_begun_anew(server: LiveServer, folder: Path, film: Path, name: str) -> None:
    plan = [["PATCH", "/api/uploads", 503], ["HEAD", "/api/uploads", 404]]
    told = run(folder, REFUSING + """
const { openFile } = await import("transfer-service-client/node");
print("done", (await client.upload(await openFile(given.path), { name: given.name }).done).sha256);
""", url=server.url, path=str(film), name=name, plan=plan)  # fmt: skip
    assert told == sha256(film)


def test_the_token_may_end_in_the_middle(server: LiveServer, folder: Path, film: Path, name: str) -> None:
    code = SIGNED_IN + """
const { now } = Date;
const heard = [];
const upload = client.upload(film, { name: given.name, onProgress: (sent) => {
  if (sent > 4e6) Date.now = () => now() + 29.9 * 60_000; // the half hour is over
} });
const file = await upload.done;
const { expiresAt } = JSON.parse(await storage.getItem(`transfer-service ${client.url} tokens`));
print("done", { file, isNew: expiresAt > now() + 45 * 60_000 });
"""  # fmt: skip
    told = run(folder, code, url=server.url, path=str(film), name=name)
    assert (told["file"]["sha256"], told["isNew"]) == (sha256(film), True)


@pytest.mark.parametrize("size", [100_000, SIZE], ids=["small", "large"])
def test_damaged_bytes_are_sent_again_and_never_a_file(
    server: LiveServer, alice: requests.Session, folder: Path, film: Path, name: str, size: int
) -> None:
    (folder / "piece.bin").write_bytes(film.read_bytes()[:size])
    with flipping_line(server.port) as line:
        given = {"url": f"http://127.0.0.1:{line.port}", "path": str(folder / "piece.bin"), "name": name}
        with app(folder, SIGNED_IN + """
print("ready");
process.stdin.once("data", async () => print("done", await client.upload(film, { name: given.name }).done));
""", **given) as sending:  # fmt: skip
            sending.wait("ready")
            line.flip("server", size // 2, 4)
            sending.say("go")
            told = sending.wait("done")
    assert (line.has_flipped, told["sha256"]) == (True, sha256(folder / "piece.bin"))
    assert (stored(server, alice, name), unfinished(server, alice, name)) == ([told["sha256"]], [])


def test_a_file_that_changes_while_it_is_sent_is_given_up(
    server: LiveServer, alice: requests.Session, folder: Path, film: Path, name: str
) -> None:
    (folder / "log.bin").write_bytes(film.read_bytes())
    code = SIGNED_IN + """
const { appendFile } = await import("node:fs/promises");
let isChanged = false;
const upload = client.upload(film, { name: given.name, onProgress: (sent) => {
  if (sent > 1e6 && !isChanged) appendFile(given.path, "more"), isChanged = true;
} });
const error = await failure(upload.done);
await upload.cancel();
print("done", error);
"""  # fmt: skip
    told = run(folder, code, url=server.url, path=str(folder / "log.bin"), name=name)
    assert told == ["TransferError", "The file cannot be read, or was changed while it was sent"]
    assert unfinished(server, alice, name) == []


def test_a_pause_keeps_what_arrived_and_a_cancel_frees_it(
    server: LiveServer, alice: requests.Session, folder: Path, film: Path, name: str
) -> None:
    code = SIGNED_IN + """
const upload = client.upload(film, { name: given.name, onProgress });
process.stdin.on("data", (line) => upload[`${line}`.trim()]());
upload.done.then(() => print("arrived"), (error) => print("ended", [error.name, upload.state]));
"""  # fmt: skip
    with (
        FaultProxy(server.port, [Fault(trickle=SLOW, toward="server")] * 9) as proxy,
        app(folder, code, url=f"http://127.0.0.1:{proxy.port}", path=str(film), name=name) as sending,
    ):
        sending.wait("sent", where=lambda sent: sent > 2 * MIB)
        sending.say("pause")
        wait_until(lambda: 0 < unfinished(server, alice, name)[0]["offset"] < SIZE)
        paused_at = unfinished(server, alice, name)[0]["offset"]
        sending.say("resume")
        sending.wait("sent", where=lambda sent: sent > paused_at)
        sending.say("cancel")
        ended = sending.wait("ended")
        wait_until(lambda: unfinished(server, alice, name) == [])
    assert (ended, sending.heard("arrived")) == (["AbortError", "cancelled"], [])


def test_a_signal_ends_it_and_the_next_upload_goes_on(server: LiveServer, folder: Path, film: Path, name: str) -> None:
    code = SIGNED_IN + """
const controller = new AbortController();
const { signal } = controller;
const first = client.upload(film, { name: given.name, signal, onProgress: (sent) => sent > 4e6 && controller.abort() });
const error = await failure(first.done);
const sent = [];
const file = await client.upload(film, { name: given.name, onProgress: (each) => sent.push(each) }).done;
print("done", { error, first: sent[0], sha256: file.sha256 });
"""  # fmt: skip
    with FaultProxy(server.port, [Fault(trickle=SLOW, toward="server")] * 2) as proxy:
        told = run(folder, code, url=f"http://127.0.0.1:{proxy.port}", path=str(film), name=name)
    assert (told["error"][0], told["sha256"]) == ("AbortError", sha256(film))
    assert told["first"] >= 2 * MIB
