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

from tests.live.doc_examples import Browser, blocks, browsing, run_node, run_python, run_shell
from tests.live.node import token_of
from tests.live.server import REPOSITORY, LiveServer
from transfer_service.web.chat.socket import EVENTS, ChatNamespace

PAGE = "chat.md"
TEXT = (REPOSITORY / "docs" / PAGE).read_text("utf-8")
SMALL, LARGE = 20_000, 3_000_000

GIVEN = """
const given = {given};
const heard = [];
const socket = connect(given.server, async () => given.token, (message) => heard.push(message));
await new Promise((resolve) => socket.on("connect", resolve));
const file = (name, type, size) => new File([new Uint8Array(size).fill(120)], name, {{ type }});
const failure = async (promise) => promise.then(() => null, (error) => error.message);
"""

EVERYWHERE = """
const { server, token, conversation } = given;
const posts = [];
const realFetch = fetch;
globalThis.fetch = (url, ...more) => (posts.push(new URL(url).pathname), realFetch(url, ...more));
const result = {
  posts,
  byHttp: await sendFile(server, token, conversation, file("report.pdf", "application/pdf", given.large), "Read it"),
  small: await send(socket, server, token, conversation, file("small.png", "image/png", given.small), "A thumb"),
  large: await send(socket, server, token, conversation, file("large.png", "image/png", given.large)),
  refused: await failure(send(socket, server, token, "0".repeat(24), file("small.png", "image/png", 10))),
  refusedByHttp: await failure(send(socket, server, token, "0".repeat(24), file("a.bin", "", 10))),
};
result.heard = heard.map((message) => message._id);
socket.disconnect();
result.offline = await send(socket, server, token, conversation, file("offline.png", "image/png", given.small));
"""

CATCHING_UP = """
const { server, token, conversation } = given;
const told = [];
const ask = (cursor) => catchUp(server, token, conversation, cursor, (message) => told.push(message._id));
const began = await ask(null);
const sent = await sendFile(server, token, conversation, file("a.bin", "", 10));
const cursor = await ask(began);
const result = { sent: sent._id, told, isOver: (await ask(cursor)) === cursor, refused: await failure(ask("none")) };
socket.disconnect();
"""

UPLOADED = """
import { TransferClient } from "transfer-service-client";
const { server, token, conversation } = given;
const client = new TransferClient(server, { key: token });
const film = Object.assign(Buffer.alloc(given.large, "x"), { name: "films/film.mp4" });
const fileId = (await client.upload(film).done).file_id;
const sent = await sendUploaded(server, await client.token(), conversation, fileId, "The film");
const result = { sent, again: await failure(sendUploaded(server, token, conversation, fileId)) };
socket.disconnect();
"""

IN_BROWSERS = """
const { server, token, conversation } = given;
const steps = [];
const next = new Promise((resolve) => socket.once("new_message", resolve));
sendFileBefore(socket, conversation, file("before.bin", "", given.small));
const before = await next;
const after = await sendFileWithProgress(
  server, token, conversation, file("after.bin", "", given.large), (sent, total) => steps.push([sent, total]));
const refused = await failure(sendFileWithProgress(server, token, "none", file("a.bin", "", 10), () => {}));
const result = { before, after, refused, steps };
socket.disconnect();
"""

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


def javascript(server: LiveServer, session: requests.Session, conversation: str, driver: str) -> str:
    """Every JavaScript example of the page, and what to do with them."""
    given = {"server": server.url, "token": token_of(session), "conversation": conversation}
    given_json = json.dumps({**given, "small": SMALL, "large": LARGE})
    return "\n".join([*blocks(PAGE, "js"), GIVEN.format(given=given_json), driver])


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
    code = javascript(server, alice, conversation, EVERYWHERE)
    sent = run_node(code, tmp_path) if engine == "node" else request.getfixturevalue("browser").run(code, server.url)
    messages = [sent[name] for name in ("byHttp", "small", "large", "offline")]
    assert [message["type"] for message in messages] == ["file", "image", "image", "image"]
    assert [message["content"] for message in messages] == ["Read it", "A thumb", None, None]
    assert [len(stored_bytes(server, alice, message)) for message in messages] == [LARGE, SMALL, LARGE, SMALL]
    assert sent["heard"] == [message["_id"] for message in messages[:3]]
    assert (sent["refused"], sent["refusedByHttp"]) == ("Conversation not found",) * 2
    assert sent["posts"] == ["/messages/upload"] * 4  # all but the small image and its refusal


def test_the_javascript_client_catches_up(
    server: LiveServer, alice: requests.Session, conversation: str, tmp_path: Path
) -> None:
    result = run_node(javascript(server, alice, conversation, CATCHING_UP), tmp_path)
    assert result == {"sent": result["sent"], "told": [result["sent"]], "isOver": True, "refused": "Invalid cursor"}


def test_a_film_that_was_uploaded_resumably_is_sent(
    server: LiveServer, alice: requests.Session, conversation: str, tmp_path: Path
) -> None:
    result = run_node(javascript(server, alice, conversation, UPLOADED), tmp_path)
    assert result["sent"]["media"]["name"] == "film.mp4"
    assert stored_bytes(server, alice, result["sent"]) == b"x" * LARGE
    assert result["again"] == "File not found"


def test_the_browser_examples_send_files_with_progress(
    server: LiveServer, alice: requests.Session, conversation: str, browser: Browser
) -> None:
    result = browser.run(javascript(server, alice, conversation, IN_BROWSERS), server.url)
    assert stored_bytes(server, alice, result["before"]) == b"x" * SMALL
    assert stored_bytes(server, alice, result["after"]) == b"x" * LARGE
    assert result["refused"] == "Invalid conversation id"
    sent, totals = zip(*result["steps"], strict=True)
    assert list(sent) == sorted(sent)
    assert sent[-1] == totals[-1] > LARGE


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
