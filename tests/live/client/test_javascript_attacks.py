"""The JavaScript client beyond broken lines: long ways, other accounts, services that lie, apps that end."""

import os
from pathlib import Path

import pytest

from tests.live.client.javascript import app, install, run
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


AWAY = """
let [isAway, refusals] = [false, 0];
const flaky = async (url, options) => {
  if (!isAway || url.endsWith("/token")) return fetch(url, options);
  refusals += 1;
  return new Response("", { status: 503, headers: { "Retry-After": "0" } });
};
const client = new TransferClient(given.url, { fetch: flaky });
await client.signIn("alice", given.password);
"""


@pytest.mark.parametrize("act", [
    pytest.param("client.upload(new Uint8Array(9), { name: 'mine.bin' }).done", id="small-upload"),
    pytest.param("slow.done", id="upload"),
    pytest.param("client.createFolder('Mine')", id="folder"),
    pytest.param("client.chat.send(conversation, 'Mine')", id="message"),
    pytest.param("client.download(file, { write() {} })", id="download"),
])  # fmt: skip
def test_nothing_goes_on_in_the_name_of_who_signs_in_next(server: LiveServer, folder: Path, act: str) -> None:
    told = run(folder, AWAY + f"""
const conversation = await client.chat.open("bob");
const file = await client.upload(new Uint8Array(9), {{ name: "zeros.bin" }}).done;
const slow = client.upload(new Uint8Array(9e6), {{ name: "mine.mp4" }});
slow.pause();
isAway = true;
const error = failure({act});
if ({act != "slow.done":d}) while (!refusals) await new Promise((resolve) => setTimeout(resolve, 5));
await client.signIn("bob", given.password);
isAway = false;
slow.resume();
const files = [];
const ended = await error;
for await (const each of client.files()) files.push(each.filename);
print("done", {{ ended, bob: (await client.account()).name, files }});
""", url=server.url)  # fmt: skip
    assert told == {"ended": ["SignInNeeded", "Another account has signed in"], "bob": "bob", "files": []}


def test_what_is_done_once_is_not_done_twice_where_the_answer_breaks_off(server: LiveServer, folder: Path) -> None:
    told = run(folder, """
const cutting = async (url, options) => {
  const answer = await fetch(url, options);
  if (options.method !== "POST" || url.endsWith("/token")) return answer;
  const cut = new ReadableStream({ pull: (controller) => controller.error(new TypeError("terminated")) });
  return new Response(cut, { status: answer.status });
};
const client = new TransferClient(given.url, { fetch: cutting, patienceSeconds: 2 });
await client.signIn("alice", given.password);
const error = await failure(client.chat.createGroup("Once", ["bob"]));
const names = [];
for await (const { group_name } of client.chat.conversations()) names.push(group_name);
print("done", [error[0], names.filter((each) => each === "Once").length]);
""", url=server.url)  # fmt: skip
    assert told == ["Unavailable", 1]


LIES = """
const { fileSink } = await import("transfer-service-client/node");
const lying = async () => Response.json({
  file_id: "f", filename: "a", status: "complete", total_bytes: 5, sha256: "0".repeat(64), ...given.told,
});
const client = new TransferClient("http://127.0.0.1:1", { fetch: lying, key: "tsk_1" });
const { mkdir, readdir, rm } = await import("node:fs/promises");
await rm("deep", { recursive: true, force: true });
await mkdir("deep/in", { recursive: true });
"""


@pytest.mark.parametrize("told", [
    pytest.param({"sha256": "a/../../../b"}, id="a-path-for-a-digest"),
    pytest.param({"sha256": ["a" * 64]}, id="a-list-for-a-digest"),
    pytest.param({"total_bytes": -1}, id="a-negative-size"),
    pytest.param({"total_bytes": "5"}, id="a-string-for-a-size"),
])  # fmt: skip
def test_a_service_that_lies_makes_no_file_anywhere(folder: Path, told: dict[str, object]) -> None:
    seen = run(folder, LIES + """
const error = await failure(client.download("f", fileSink("deep/in/a.bin")));
print("done", { error, left: [await readdir("deep"), await readdir("deep/in")] });
""", told=told)  # fmt: skip
    error = ["TransferError", "The service tells no size or SHA-256 of the file"]
    assert seen == {"error": error, "left": [["in"], []]}


@pytest.mark.parametrize("call", ["find('..')", "deleteFolder('../files/a.bin')", "delete('..')", "folder('a/./b')"])
def test_dots_lead_to_no_other_address(folder: Path, call: str) -> None:
    told = run(folder, """
const asked = [];
const client = new TransferClient("http://127.0.0.1:1", { fetch: async (url) => asked.push(url), key: "tsk_1" });
"""f"""const error = await client.{call}.catch(({{ code }}) => code);
print("done", [error, asked]);
""")  # fmt: skip
    assert told == ["invalid", []]


ENDING = """
process.on("exit", () => print("over"));
const client = new TransferClient(given.url);
await client.signIn("alice", given.password);
const conversation = await client.chat.open("bob");
const begun = await client.chat.follow(conversation, () => {});
begun.close();
await client.chat.send(conversation, "News");
const follow = (listener) => client.chat.follow(conversation, listener, { cursor: begun.cursor }).catch(() => {});
process.stdin.destroy();
"""


@pytest.mark.parametrize("act", [
    pytest.param("await follow(() => client.chat.close());", id="followed-and-closed-by-its-listener"),
    pytest.param("await follow(() => {}); await client.chat.connect(); client.chat.close();", id="connected"),
    pytest.param("client.chat.connect(); client.chat.connect(); client.chat.close();", id="closed-while-connecting"),
    pytest.param("await client.upload(new Uint8Array(9e6), { name: 'c.bin' }).cancel();", id="cancelled"),
    pytest.param("""
const { spawn } = await import("node:child_process");
const { stdout } = spawn("cat", ["/dev/zero"]);
const upload = client.upload(stdout, { name: "endless.bin", onProgress: (sent) => sent > 1e7 && upload.cancel() });
await failure(upload.done);
""", id="cancelled-endless-stream"),
])  # fmt: skip
def test_an_app_ends_by_itself_once_it_is_done(server: LiveServer, folder: Path, act: str) -> None:
    with app(folder, ENDING + act, url=server.url) as running:
        running.wait("over", seconds=20)


def test_a_signal_ends_an_upload_that_the_service_does_not_begin(folder: Path) -> None:
    told = run(folder, """
const { createServer } = await import("node:http");
const controller = new AbortController();
const silent = createServer(() => controller.abort()).listen(0, "127.0.0.1");
await new Promise((resolve) => silent.on("listening", resolve));
const client = new TransferClient(`http://127.0.0.1:${silent.address().port}`, { key: "tsk_1" });
const options = { name: "a.bin", signal: controller.signal };
print("done", (await failure(client.upload(new Uint8Array(9e6), options).done))[0]);
""")  # fmt: skip
    assert told == "AbortError"


NAMES = ["100%.bin", "a#b?c=d&e.bin", "%2F..%2e.bin", "日本/ü 🎬 'x'.bin", "__proto__", "constructor/toString", "..."]


def test_names_of_any_letters_and_files_without_a_byte_go_both_ways(server: LiveServer, folder: Path) -> None:
    told = run(folder, """
const { mkdir, readFile, writeFile } = await import("node:fs/promises");
const { fileSink, openFile } = await import("transfer-service-client/node");
const client = new TransferClient(given.url);
await client.signIn("alice", given.password);
await mkdir("odd", { recursive: true });
await writeFile("odd/empty", "");
const nothing = () => new Blob([]).stream();
const seen = [];
for (const name of given.names) {
  const large = await client.upload(new Uint8Array(300_000).fill(7), { name: `Odd/${name}` }).done;
  const found = await client.find(`Odd/${name}`);
  const moved = await client.rename(found, `Moved/${name}`);
  const kept = await readFile(await client.download(moved, fileSink(`odd/${name.replaceAll("/", "_")}`)));
  seen.push([large.filename, moved.filename, kept.length]);
}
for (const source of [await openFile("odd/empty"), nothing(), new Uint8Array(0)]) {
  const file = await client.upload(source, { name: "nothing.bin", overwrite: true }).done;
  seen.push([file.total_bytes, (await readFile(await client.download(file, fileSink("odd/nothing")))).length]);
}
print("done", seen);
""", url=server.url, names=NAMES)  # fmt: skip
    assert told[:-3] == [[f"Odd/{name}", f"Moved/{name}", 300_000] for name in NAMES]
    assert told[-3:] == [[0, 0]] * 3


def test_tokens_are_in_nothing_that_an_app_may_log(server: LiveServer, folder: Path) -> None:
    told = run(folder, """
const { inspect } = await import("node:util");
let mode = null;
const broken = async (...asked) => (mode ? mode() : fetch(...asked));
const client = new TransferClient(given.url, { fetch: broken, patienceSeconds: 0.3 });
const { accessToken, refreshToken } = await client.signIn("alice", given.password);
const big = () => client.upload(new Uint8Array(1e6), { name: "a.bin", overwrite: true });
const tokens = { accessToken, refreshToken, expiresAt: Infinity };
const gone = new TransferClient("http://127.0.0.1:1", { tokens, patienceSeconds: 0.3 });
const caught = [client, big()];
await caught[1].done;
for (const each of [() => gone.account(), () => gone.upload(new Uint8Array(1e6), { name: "b.bin" }).done]) {
  await each().catch((error) => caught.push(error));
}
const elsewhere = () => Response.redirect("http://127.0.0.1:1/");
for (mode of [() => { throw new TypeError("fetch failed"); }, () => new Response("no", { status: 500 }), elsewhere]) {
  await client.account().catch((error) => caught.push(error));
}
const text = inspect(caught, { depth: 20, showHidden: true }) + JSON.stringify(caught);
print("done", { count: caught.length, leaks: [accessToken, refreshToken].map((each) => text.includes(each)) });
""", url=server.url)  # fmt: skip
    assert told == {"count": 7, "leaks": [False, False]}


def test_a_broken_line_is_told_in_words_where_the_network_tells_an_event(folder: Path) -> None:
    told = run(folder, """
const events = async () => { throw { type: "error" }; };
const client = new TransferClient("http://127.0.0.1:1", { fetch: events, key: "tsk_1", patienceSeconds: 0.1 });
print("done", await failure(client.account()));
""")  # fmt: skip
    assert told == ["Unavailable", "The service is away: The line broke"]


def test_a_listener_that_throws_ends_what_it_listens_to(server: LiveServer, folder: Path) -> None:
    told = run(folder, """
const client = new TransferClient(given.url);
await client.signIn("alice", given.password);
const failing = () => {
  let count = 0;
  return () => { if (count++) throw new Error("of the app"); };
};
const upload = (size, onProgress) => client.upload(new Uint8Array(size), { name: "heard.bin", onProgress }).done;
const file = await upload(3e6);
const download = () => client.download(file, { write() {} }, { onProgress: failing() });
print("done", [await failure(upload(9, failing())), await failure(upload(9e6, failing())), await failure(download())]);
""", url=server.url)  # fmt: skip
    assert told == [["TransferError", "onProgress failed: of the app"]] * 3
