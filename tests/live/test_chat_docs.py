"""docs/chat.md by its own word: every example is run as it is printed, and the tables name what there is."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import PASSWORD
from tests.live.doc_examples import Browser, as_function, blocks, browsing, run_node, run_python, run_shell
from tests.live.node import token_of
from tests.live.server import REPOSITORY, LiveServer
from transfer_service.web.chat.socket import EVENTS, ChatNamespace

PAGE = "chat.md"
TEXT = (REPOSITORY / "docs" / PAGE).read_text("utf-8")
SMALL, LARGE = 20_000, 3_000_000


def example(of: str) -> str:
    """The one example in JavaScript that has these words."""
    (found,) = [each for each in blocks(PAGE, "js") if of in each]
    return found


(CONNECTING,) = re.findall(r"`(io\(server, .*)`; after", TEXT)
EXAMPLES = "\n".join([
    as_function(
        example("TransferClient(server"), "begin", "server", "account", "password", "conversationId", "film",
        gives="{ client, sent, told }",
    ),
    as_function(example("chat.follow("), "follow", "chat", "conversationId", "show", gives="following"),
    as_function(example("chat.connect("), "listen", "chat", gives="told"),
    as_function(example("onProgress"), "sendFile", "chat", "conversationId", "file", gives="{ message, told }"),
    example("sendFileBefore"),
    example("SMALL_IMAGE_BYTES"),
])  # fmt: skip
GIVEN = """
import { io } from "socket.io-client";
const { server, password, conversation, small, large } = GIVEN;
const client = new TransferClient(server);
await client.signIn("alice", password);
const { chat } = client;
const file = (name, type, size) => new File([new Uint8Array(size).fill(120)], name, { type });
const failure = async (promise) => promise.then(() => null, (error) => error.message);
"""
CONNECTED = f"""
const heard = [];
const getToken = () => client.token();
const socket = {CONNECTING};
socket.on("new_message", (message) => heard.push(message));
await new Promise((resolve) => socket.on("connect", resolve));
"""
EVERYWHERE = (
    CONNECTED
    + """
const posts = [];
const realFetch = fetch;
globalThis.fetch = (url, options) => {
  if (options?.method === "POST") posts.push(new URL(url).pathname);
  return realFetch(url, options);
};
const result = {
  posts,
  byHttp: (await sendFile(chat, conversation, file("report.pdf", "application/pdf", large))).message,
  small: await send(socket, chat, conversation, file("small.png", "image/png", small), "A thumb"),
  large: await send(socket, chat, conversation, file("large.png", "image/png", large)),
  refused: await failure(send(socket, chat, "0".repeat(24), file("small.png", "image/png", 10))),
  refusedByHttp: await failure(send(socket, chat, "0".repeat(24), file("a.bin", "", 10))),
};
result.heard = heard.map((message) => message._id);
socket.disconnect();
result.offline = await send(socket, chat, conversation, file("offline.png", "image/png", small));
"""
)

CATCHING_UP = """
const told = [];
const ask = async () => (await follow(chat, conversation, (message) => told.push(message._id))).close();
await ask();
const sent = await chat.send(conversation, "Are you there?");
await ask();
await ask();
const refused = await failure(chat.follow(conversation, () => {}, { cursor: "none" }));
const result = { sent: sent._id, told, refused };
"""

LISTENING = """
const result = await listen(chat);
const bob = new TransferClient(server);
await bob.signIn("bob", password);
await bob.chat.connect();
const until = async (isTrue) => { while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 20)); };
await until(() => chat.isConnected && bob.chat.isConnected);
bob.chat.typing(conversation);
await until(() => result.length);
"""

UPLOADED = """
const film = file("film.mp4", "", large);
const { client: theirs, sent, told } = await begin(server, "alice", password, conversation, film);
const left = [];
for await (const each of theirs.browse()) left.push(each.path ?? each.filename);
const result = { sent, told, left };
"""

IN_BROWSERS = (
    CONNECTED
    + """
const next = new Promise((resolve) => socket.once("new_message", resolve));
sendFileBefore(socket, conversation, file("before.bin", "", small));
const before = await next;
const { message: after, told: steps } = await sendFile(chat, conversation, file("after.bin", "", large));
const refused = await failure(sendFile(chat, "none", file("a.bin", "", 10)));
const result = { before, after, refused, steps };
socket.disconnect();
"""
)

IN_PYTHON = """
import json
import sys

server, token, conversation, folder, size = sys.argv[1:]
path = Path(folder) / "grüße.bin"
path.write_bytes(b"x" * int(size))
client = socketio.Client()
client.connect(server, auth={"access_token": token}, transports=["polling"], wait_timeout=60)
before = send_file_before(client, conversation, path)
client.disconnect()
steps = []
after = send_file(server, token, conversation, path, "Bitte", lambda sent, total: steps.append((sent, total)))
try:
    send_file(server, token, "none", path)
except RuntimeError as error:
    refused = str(error)
print(json.dumps({"before": before, "after": after, "refused": refused, "steps": steps}))
"""


@pytest.fixture(scope="module")
def conversation(server: LiveServer) -> str:
    """The dm of alice and bob."""
    answer = server.sign_in("alice").post(f"{server.url}/conversations/create", json={"email": "bob"}, timeout=30)
    return str(answer.json()["conversation_id"])


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


def javascript(server: LiveServer, conversation: str, driver: str) -> str:
    """The JavaScript examples of the page, and what to do with them."""
    given = {"server": server.url, "password": PASSWORD, "conversation": conversation, "small": SMALL, "large": LARGE}
    return "\n".join([EXAMPLES, GIVEN.replace("GIVEN", json.dumps(given)), driver])


def stored_bytes(server: LiveServer, session: requests.Session, message: dict[str, Any]) -> bytes:
    answer = session.get(server.url + message["media_url"], timeout=60)
    assert answer.status_code == 200
    return answer.content


@pytest.mark.parametrize("engine", ["node", "chromium"])
def test_the_javascript_client_sends_small_images_by_socket_and_everything_else_by_http(
    server: LiveServer,
    alice: requests.Session,
    conversation: str,
    tmp_path: Path,
    engine: str,
    request: pytest.FixtureRequest,
) -> None:
    code = javascript(server, conversation, EVERYWHERE)
    sent = run_node(code, tmp_path) if engine == "node" else request.getfixturevalue("browser").run(code, server.url)
    messages = [sent[name] for name in ("byHttp", "small", "large", "offline")]
    assert [message["type"] for message in messages] == ["file", "image", "image", "image"]
    assert [message["content"] for message in messages] == ["Look at this", "A thumb", None, None]
    assert [len(stored_bytes(server, alice, message)) for message in messages] == [LARGE, SMALL, LARGE, SMALL]
    assert sent["heard"] == [message["_id"] for message in messages[:3]]
    assert (sent["refused"], sent["refusedByHttp"]) == ("Conversation not found",) * 2
    assert sent["posts"] == ["/messages", "/messages", "/api/files", "/messages"]  # of all but the small image


def test_no_javascript_example_is_left_out() -> None:
    left = [each for each in blocks(PAGE, "js") if each not in EXAMPLES]
    in_media_browser = ["async function showMedia", "async function startMediaWorker"]
    assert [each.partition("(")[0] for each in left] == in_media_browser


def test_the_javascript_client_catches_up(server: LiveServer, conversation: str, tmp_path: Path) -> None:
    result = run_node(javascript(server, conversation, CATCHING_UP), tmp_path)
    assert result == {"sent": result["sent"], "told": [result["sent"]], "refused": "Invalid cursor"}


def test_the_javascript_client_hears_who_is_typing(server: LiveServer, conversation: str, tmp_path: Path) -> None:
    assert run_node(javascript(server, conversation, LISTENING), tmp_path) == [["bob is typing"]]


def test_a_film_that_was_uploaded_resumably_is_sent(
    server: LiveServer, alice: requests.Session, conversation: str, tmp_path: Path
) -> None:
    result = run_node(javascript(server, conversation, UPLOADED), tmp_path)
    sent = result["sent"]
    assert (sent["content"], sent["media"]["name"], result["told"]) == ("The film", "film.mp4", [[sent["media_url"]]])
    assert stored_bytes(server, alice, sent) == b"x" * LARGE
    assert "transfer-sending" not in result["left"]


def test_the_browser_examples_send_files_with_progress(
    server: LiveServer, alice: requests.Session, conversation: str, browser: Browser
) -> None:
    result = browser.run(javascript(server, conversation, IN_BROWSERS), server.url)
    assert stored_bytes(server, alice, result["before"]) == b"x" * SMALL
    assert stored_bytes(server, alice, result["after"]) == b"x" * LARGE
    assert result["refused"] == "Invalid conversation id"
    sent, totals = zip(*result["steps"], strict=True)
    assert list(sent) == sorted(sent)
    assert sent[-1] == totals[-1] == LARGE


def test_the_python_examples_stream_a_file_with_progress(
    server: LiveServer, alice: requests.Session, conversation: str, tmp_path: Path
) -> None:
    code = "\n".join([*blocks(PAGE, "python"), IN_PYTHON])
    result = run_python(code, tmp_path, server.url, token_of(alice), conversation, str(tmp_path), str(LARGE))
    assert result["before"]["success"] is True
    assert stored_bytes(server, alice, result["before"]["message"]) == b"x" * LARGE
    assert stored_bytes(server, alice, result["after"]) == b"x" * LARGE
    assert result["after"]["content"] == "Bitte"
    assert result["after"]["media_url"].endswith("/gr%C3%BC%C3%9Fe.bin")
    assert result["refused"] == "Invalid conversation id"
    sent, totals = zip(*result["steps"], strict=True)
    assert len(sent) > 10
    assert sent[-1] == totals[0] > LARGE


@pytest.mark.skipif(shutil.which("dart") is None, reason="no Dart SDK in the package sources of the tests")
def test_the_dart_examples_are_dart(tmp_path: Path) -> None:
    for number, code in enumerate(blocks(PAGE, "dart")):
        path = tmp_path / f"example{number}.dart"
        path.write_text(code)
        subprocess.run(["dart", "format", "--output", "none", str(path)], check=True)


def test_the_shell_examples_and_the_objects_are_as_printed(
    server: LiveServer, alice: requests.Session, conversation: str, tmp_path: Path
) -> None:
    script = "\necho\n".join(blocks(PAGE, "sh"))
    (printed_id,) = set(re.findall(r"conversation_id[=\"]+(?:: \")?([0-9a-f]{24})", script))
    (tmp_path / "lake.jpg").write_bytes(os.urandom(1000))
    script = script.replace(printed_id, conversation)
    output = run_shell(script, tmp_path, SERVER=server.url, TOKEN=token_of(alice))
    created, said, sent = map(json.loads, filter(None, output.splitlines()))
    info = alice.get(f"{server.url}/conversations/info?conversation_id={conversation}", timeout=30).json()
    printed = [json.loads(block) for block in blocks(PAGE, "json")]
    assert [block.keys() for block in printed] == [created.keys(), sent["message"].keys(), info.keys()]
    assert (said["message"]["content"], sent["message"]["content"]) == ("Look at this", "The lake")
    assert (sent["message"]["type"], sent["message"]["media_url"][-9:]) == ("image", "/lake.jpg")


def test_the_tables_name_every_route_and_every_event() -> None:
    routes = (REPOSITORY / "openapi.yaml").read_text("utf-8")
    paths = re.findall(r"^  (/(?:conversations|messages)[^:]*):$", routes, flags=re.MULTILINE)
    shown = re.findall(r"/(?:conversations|messages)[\w/{}]*", TEXT)
    ids = re.compile(r"\{\w+_id\}")
    assert {ids.sub("{id}", path).replace("{participant}", "{name}") for path in paths} <= set(shown)
    handled = {name.removeprefix("on_") for name in vars(ChatNamespace) if name.startswith("on_")}
    sent = handled - {"connect", "disconnect"}
    assert sent == EVENTS
    assert [event for event in sent if f"`{event}`" not in TEXT] == []
