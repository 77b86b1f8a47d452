"""Chat by the JavaScript client: no message is missed, none comes twice, and what is sent is there once."""

import os
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.live.client.javascript import app, install, run
from tests.live.fault_proxy import Fault, FaultProxy
from tests.live.server import LiveServer, running

SIGNED_IN = """
const { fileStorage, openFile } = await import("transfer-service-client/node");
const asked = [];
const plan = [...given.plan ?? []];
const watching = async (url, options) => {
  const { pathname } = new URL(url);
  asked.push(`${options.method} ${pathname}`);
  const answer = await fetch(url, options);
  if (plan[0] === `${options.method} ${pathname}` && plan.shift()) throw new TypeError("fetch failed");
  return answer;
};
const count = (call) => asked.filter((each) => each === call).length;
const client = new TransferClient(given.url, { patienceSeconds: 60, fetch: watching });
const tokens = await client.signIn("alice", given.password);
const { chat } = client;
"""
FOLLOWING = (
    SIGNED_IN
    + """
const conversation = await chat.open("bob");
chat.on("connect", () => print("connect"));
await chat.connect();
const tell = (messages, cursor) => messages.forEach(({ content }) => print("message", content));
await chat.follow(conversation, tell, { onError: ({ message }) => print("stopped", message) });
print("ready", conversation);
"""
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("app")
    install(folder)
    return folder


def say(server: LiveServer, session: requests.Session, conversation: str, *contents: str) -> None:
    for content in contents:
        body = {"conversation_id": conversation, "content": content}
        assert session.post(f"{server.url}/messages", json=body, timeout=30).status_code == 200


def contents(server: LiveServer, session: requests.Session, conversation: str) -> list[Any]:
    """What the messages of a conversation say, newest first."""
    query: dict[str, Any] = {"conversation_id": conversation, "limit": 100}
    messages = session.get(f"{server.url}/messages/get", params=query, timeout=30).json()["messages"]
    return [each["content"] for each in messages]


def test_nothing_is_missed_and_nothing_comes_twice(tmp_path: Path, folder: Path) -> None:
    with running(tmp_path / "data", "alice", "bob") as server, FaultProxy(server.port) as proxy:
        bob = server.sign_in("bob")
        with app(folder, FOLLOWING, url=f"http://127.0.0.1:{proxy.port}") as following:
            conversation = following.wait("ready")
            proxy.plan.extend([Fault(reset_at=3000)] * 6)
            following.wait("connect")
            said = [f"message {number}" for number in range(30)]
            say(server, bob, conversation, *said[:10])
            server.kill()
            server.start()
            say(server, bob, conversation, *said[10:])
            following.wait("message", 30)
            following.wait("connect", 2)
            say(server, bob, conversation, "the last one")
            following.wait("message", where=lambda content: content == "the last one")
    assert following.heard("message") == [*said, "the last one"]
    assert (following.heard("stopped"), len(following.heard("connect")) > 1) == ([], True)


def test_what_was_missed_is_told_from_a_cursor_on(server: LiveServer, folder: Path) -> None:
    told = run(folder, SIGNED_IN + """
const conversation = await chat.open("bob");
const first = await chat.follow(conversation, () => {});
first.close();
const message = await chat.send(conversation, "one");
await chat.send(conversation, "two");
await chat.edit(message, "one more");
const heard = [];
const second = await chat.follow(conversation, (messages) => heard.push(...messages), { cursor: first.cursor });
const third = [];
await chat.follow(conversation, (messages) => third.push(...messages), { cursor: second.cursor });
const refused = await failure(chat.follow(conversation, () => {}, { cursor: "none" }));
print("done", { heard: heard.map(({ content }) => content), third, refused });
""", url=server.url)  # fmt: skip
    assert told == {"heard": ["two", "one more"], "third": [], "refused": ["ApiError", "Invalid cursor"]}


def test_a_message_is_there_once_whatever_is_lost(server: LiveServer, alice: requests.Session, folder: Path) -> None:
    told = run(folder, SIGNED_IN + """
const conversation = await chat.createGroup("Lost", ["bob"]);
plan.push("POST /messages", "POST /messages");
const message = await chat.send(conversation, "Only once");
print("done", { conversation, message, tries: count("POST /messages") });
""", url=server.url)  # fmt: skip
    assert (told["tries"], told["message"]["content"]) == (3, "Only once")
    assert contents(server, alice, told["conversation"]) == ["Only once"]


def test_a_file_is_sent_once_also_when_the_app_is_killed(
    server: LiveServer, alice: requests.Session, folder: Path
) -> None:
    (folder / "film.mp4").write_bytes(os.urandom(1_000_000))
    code = """
const { fileSink, fileStorage, openFile } = await import("transfer-service-client/node");
const storage = fileStorage("kept");
const dying = async (url, options) => {
  const answer = await fetch(url, options);
  if (given.isKilled && url.endsWith("/messages")) print("posted"), await new Promise(() => {});
  return answer;
};
const client = new TransferClient(given.url, { storage, fetch: dying });
await client.signIn("alice", given.password);
const conversation = given.conversation ?? await client.chat.createGroup("Films", ["bob"]);
print("conversation", conversation);
const options = { content: "The film", key: "outbox-1" };
const message = await client.chat.sendFile(conversation, await openFile("film.mp4"), options);
await client.download(message, fileSink("again.mp4"));
const names = [];
for await (const each of client.browse()) names.push(each.path ?? each.filename);
print("done", { message, names });
"""
    with app(folder, code, url=server.url, isKilled=True) as killed:
        conversation = killed.wait("conversation")
        killed.wait("posted")
        killed.kill()
    told = run(folder, code, url=server.url, conversation=conversation)
    assert (told["message"]["media"]["name"], told["names"]) == ("film.mp4", [])
    assert contents(server, alice, conversation) == ["The film"]
    assert (folder / "again.mp4").read_bytes() == (folder / "film.mp4").read_bytes()


def test_a_refusal_comes_before_the_bytes_and_leaves_nothing(server: LiveServer, folder: Path) -> None:
    told = run(folder, SIGNED_IN + """
const refused = await failure(chat.sendFile("0".repeat(24), new Uint8Array(1000), { name: "a.bin" }));
const posts = asked.filter((each) => each.startsWith("POST /api")).length;
const refusing = async (url, options) => {
  const isMessage = options.method === "POST" && url.endsWith("/messages");
  return isMessage ? new Response('{"detail": "Conversation not found"}', { status: 404 }) : watching(url, options);
};
const options = { name: "a.bin", key: ".." }; // no folder has this name
const other = new TransferClient(given.url, { tokens, fetch: refusing });
const conversation = await chat.open("bob");
const late = await failure(other.chat.sendFile(conversation, new Uint8Array(1000), options));
const left = [];
for await (const each of client.browse()) left.push(each.path ?? each.filename);
const sent = await chat.sendFile(conversation, new Uint8Array(1000), options);
print("done", { refused, posts, late, left, size: sent.media.size });
""", url=server.url)  # fmt: skip
    refusal = ["ApiError", "Conversation not found"]
    assert told == {"refused": refusal, "posts": 0, "late": refusal, "left": [], "size": 1000}


def test_a_message_has_an_address_for_who_has_no_token(server: LiveServer, folder: Path) -> None:
    url = run(folder, SIGNED_IN + """
const sent = await chat.sendFile(await chat.open("bob"), new Uint8Array([104, 105]), { name: "a.txt" });
print("done", (await client.address(sent, { inline: true })).url);
""", url=server.url)  # fmt: skip
    answer = requests.get(url, timeout=30)
    assert (answer.content, answer.headers["Content-Disposition"][:6]) == (b"hi", "inline")


def test_a_socket_whose_token_has_ended_connects_with_a_new_one(server: LiveServer, folder: Path) -> None:
    told = run(folder, SIGNED_IN + """
const ended = { ...tokens, accessToken: "eyJ.ended.token" };
const other = new TransferClient(given.url, { tokens: ended, fetch: watching });
let connections = 0;
other.chat.on("connect", () => { connections += 1; });
await Promise.all([other.chat.connect(), other.chat.connect()]);
await new Promise((resolve) => other.chat.on("connect", resolve));
print("done", [count("POST /auth/refresh"), connections]);
""", url=server.url)  # fmt: skip
    assert told == [1, 1]


def test_a_socket_lives_on_by_a_newer_token(server: LiveServer, folder: Path) -> None:
    code = SIGNED_IN + """
const other = new TransferClient(given.url, { tokens: { ...tokens, expiresAt: Date.now() + 32_000 }, fetch: watching });
other.chat.on("error", ({ detail }) => print("error", detail));
other.chat.on("disconnect", (reason) => print("disconnect", reason));
await other.chat.connect();
await new Promise((resolve) => other.chat.on("connect", resolve));
while (!count("POST /auth/refresh")) await new Promise((resolve) => setTimeout(resolve, 100));
const conversation = await other.chat.open("bob");
const heard = new Promise((resolve) => other.chat.on("new_message", resolve));
await chat.send(conversation, "Are you there?");
print("done", (await heard).content);
"""  # fmt: skip
    with app(folder, code, url=server.url) as living:
        assert living.wait("done") == "Are you there?"
        assert (living.heard("error"), living.heard("disconnect")) == ([], [])


def test_a_socket_stays_away_once_the_sign_in_has_ended(server: LiveServer, folder: Path) -> None:
    code = SIGNED_IN + """
let outs = 0;
const other = new TransferClient(given.url, { tokens, fetch: watching, onSignOut: () => { outs += 1; } });
await other.chat.connect();
await new Promise((resolve) => other.chat.on("connect", resolve));
const told = new Promise((resolve) => {
  other.chat.on("error", ({ detail }) => /The sign-in/.test(detail) && resolve(detail));
});
await client.signOut();
print("done", [await told, outs, other.chat.isConnected]);
"""  # fmt: skip
    assert run(folder, code, url=server.url) == ["The sign-in has ended", 1, False]


def test_the_rest_of_chat(server: LiveServer, folder: Path) -> None:
    told = run(folder, SIGNED_IN + """
const conversation = await chat.createGroup("Trip", ["bob"]);
const names = Array.from({ length: 103 }, (_, number) => `${number}`);
for (const each of names) await chat.send(conversation, each);
const history = [];
for await (const each of chat.history(conversation)) history.push(each.content);
const { value: newest } = await chat.conversations().next();
const reply = await chat.send(conversation, "yes", { replyTo: newest.last_message._id });
await chat.pin(reply);
await chat.delete(newest.last_message);
await chat.markRead(conversation);
const { pinned_messages, last_message } = await chat.conversation(conversation);
const isReply = reply.reply_to === newest.last_message._id;
print("done", { history, isReply, pinned: pinned_messages.length, last: last_message.content });
""", url=server.url)  # fmt: skip
    assert told["history"] == [str(number) for number in reversed(range(103))]
    assert (told["isReply"], told["pinned"], told["last"]) == (True, 1, "yes")
