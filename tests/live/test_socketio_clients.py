"""Chat with the usual Socket.IO clients: socket.io-client of npm, the old app's client, python-socketio."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import socketio

from tests.live import node
from tests.live.nginx import behind_nginx
from tests.live.node import SocketClient, connected, token_of
from tests.live.server import LiveServer, running, started, wait_until
from tests.missing import missing
from tests.ports import free_port

pytestmark = pytest.mark.measured

POLLING, WEBSOCKET, UPGRADE = {"transports": ["polling"]}, {"transports": ["websocket"]}, dict[str, Any]()
FIELDS = (
    "_id conversation_id sender content type media_url media reply_to is_read is_deleted created_at edited_at pinned"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("chat") / "data", "alice", "bob", "carol") as server:
        yield server


class Chat:
    """A group of Alice, Bob and others, owned by Alice, and their HTTP sessions at one instance."""

    def __init__(self, server: LiveServer, *others: str) -> None:
        self.server = server
        self.alice, self.bob = server.sign_in("alice"), server.sign_in("bob")
        self.id: str = self.call(
            "POST", "/conversations/create/group", group_name="tea", participants=["bob", *others]
        )["conversation_id"]

    def call(self, method: str, path: str, *, by: requests.Session | None = None, **fields: Any) -> dict[str, Any]:
        """A JSON request by Alice or another, which must succeed."""
        answer = (by or self.alice).request(method, self.server.url + path, json=fields, timeout=30)
        assert answer.status_code == 200, answer.text
        parsed: dict[str, Any] = answer.json()
        return parsed

    def post(self, content: str, *, by: requests.Session | None = None) -> dict[str, Any]:
        """Say something by HTTP."""
        message: dict[str, Any] = self.call(
            "POST", "/messages", by=by, conversation_id=self.id, content=content
        )["message"]  # fmt: skip
        return message

    def text(self, content: str) -> tuple[str, dict[str, Any]]:
        """The event that says something by socket."""
        return "send_message", {"conversation_id": self.id, "content": content, "type": "text"}

    def history(self) -> list[str]:
        """What was said, oldest first."""
        found: list[dict[str, Any]] = []
        while True:
            before = f"&before={found[-1]['_id']}" if found else ""
            page = self.call("GET", f"/messages/get?conversation_id={self.id}&limit=100{before}")["messages"]
            if not page:
                return [each["content"] for each in reversed(found)]
            found += page


@pytest.fixture
def chat(server: LiveServer) -> Chat:
    return Chat(server)


@pytest.fixture
def sockets(chat: Chat) -> Iterator[tuple[SocketClient, SocketClient]]:
    """Alice and Bob on websockets."""
    with connected(chat.server, chat.alice) as alice, connected(chat.server, chat.bob, **WEBSOCKET) as bob:
        yield alice, bob


@pytest.mark.parametrize("options", [POLLING, WEBSOCKET, UPGRADE], ids=["polling", "websocket", "upgrade"])
def test_every_transport_sends_and_hears(chat: Chat, options: dict[str, Any]) -> None:
    with connected(chat.server, chat.alice, **options) as alice, connected(chat.server, chat.bob) as bob:
        if options == UPGRADE:
            assert alice.wait("upgrade") == "websocket"
        else:
            assert [alice.wait("connect")] == options["transports"]
        answer = alice.emit(*chat.text("hello"))
        assert (answer["success"], sorted(answer["message"])) == (True, sorted(FIELDS.split()))
        assert alice.wait("new_message") == bob.wait("new_message") == answer["message"]
        assert bob.heard("new_message") == [chat.post("hi", by=chat.bob), answer["message"]][1:]
        assert alice.wait("new_message", 2)["content"] == "hi"


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_python_socketio_sends_and_hears(chat: Chat, transport: str) -> None:
    heard: list[dict[str, Any]] = []
    client = socketio.Client(reconnection=False, handle_sigint=False)
    client.on("new_message", heard.append)
    client.connect(chat.server.url, auth={"token": token_of(chat.alice)}, transports=[transport], wait_timeout=60)
    try:
        assert client.transport() == transport
        answer = client.call(*chat.text("from Python"), timeout=60)
        posted = chat.post("by HTTP", by=chat.bob)
        wait_until(lambda: len(heard) == 2)
    finally:
        client.disconnect()
    assert heard == [answer["message"], posted]


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_clients_come_back_after_a_restart(chat: Chat, ending: str) -> None:
    with connected(chat.server, chat.bob, **POLLING) as polling, connected(chat.server, chat.bob) as websocket:
        websocket.wait("upgrade")
        getattr(chat.server, ending)()
        chat.server.start()
        for socket in (polling, websocket):
            socket.wait("connect", 2)
        posted = chat.post("back again")
        assert [each.wait("new_message") for each in (polling, websocket)] == [posted, posted]


def test_the_old_apps_client_works_unchanged(chat: Chat, tmp_path: Path) -> None:
    files = {
        "a small.PNG": b"\x89PNG" * 1000,
        "b large.png": b"\x89PNG" * 400_000,
        "c.mp4": bytes(2_000_000),
        "d": b"?",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    sent = node.run("old_app.mjs", chat.server.url, token_of(chat.alice), chat.id, str(tmp_path))
    assert [each["message"]["type"] for each in sent] == ["text", "image", "image", "video", "file"]
    assert [bool(each["progress"]) for each in sent] == [False, False, True, True, True]
    assert all(each["progress"][-1][0] == each["progress"][-1][1] for each in sent[2:])
    stored = [chat.bob.get(chat.server.url + each["message"]["media_url"], timeout=30).content for each in sent[1:]]
    assert stored == list(files.values())


@pytest.mark.parametrize(("change", "detail"), [
    pytest.param({"conversation_id": "f" * 24}, "Conversation not found", id="unknown conversation"),
    pytest.param({"conversation_id": "tea"}, "Invalid conversation id", id="bad id"),
    pytest.param({"content": " "}, "content must not be empty", id="nothing said"),
    pytest.param({"reply_to": "f" * 24}, "Reply target not found", id="unknown reply target"),
])  # fmt: skip
def test_a_failure_is_answered_twice(
    chat: Chat, sockets: tuple[SocketClient, SocketClient], change: dict[str, str], detail: str
) -> None:
    alice, _ = sockets
    event, data = chat.text("hello")
    assert alice.emit(event, {**data, **change}) == {"success": False, "detail": detail}
    assert alice.wait("error") == {"detail": detail}
    assert chat.history() == []


def test_outsiders_cannot_send_and_hear_nothing(chat: Chat) -> None:
    with connected(chat.server, chat.server.sign_in("carol")) as carol:
        answer = carol.emit(*chat.text("hello"))
        chat.post("among us")
        carol.catch_up()
        assert answer["detail"] == "You are not a participant in this conversation"
        assert (carol.heard("new_message"), chat.history()) == ([], ["among us"])


def test_a_conversation_made_later_needs_no_join(
    sockets: tuple[SocketClient, SocketClient], server: LiveServer
) -> None:
    later = Chat(server)
    posted = later.post("new here")
    assert [each.wait("new_message") for each in sockets] == [posted, posted]


def test_leaving_mutes_one_socket_until_it_joins(chat: Chat, sockets: tuple[SocketClient, SocketClient]) -> None:
    _, other = sockets
    room = {"conversation_id": chat.id}
    with connected(chat.server, chat.bob, **POLLING) as muted:
        assert muted.emit("leave_conversation", room) == {"success": True}
        one, elsewhere = chat.post("one"), Chat(chat.server).post("elsewhere")
        assert muted.wait("new_message") == elsewhere
        assert muted.emit("join_conversation", room) == {"success": True}
        two = chat.post("two")
        assert muted.wait("new_message", 2) == two
        other.wait("new_message", 3)
        assert other.heard("new_message") == [one, elsewhere, two]


@pytest.mark.parametrize("event", ["typing", "stop_typing"])
def test_typing_reaches_the_others_only(chat: Chat, sockets: tuple[SocketClient, SocketClient], event: str) -> None:
    alice, bob = sockets
    assert alice.emit(event, {"conversation_id": chat.id}) == {"success": True}
    assert bob.wait(event) == {"conversation_id": chat.id, "sender": "alice"}
    alice.catch_up()
    assert alice.heard(event) == []


def test_changes_are_told_as_documented(chat: Chat, sockets: tuple[SocketClient, SocketClient]) -> None:
    message = chat.post("helo")
    call, path = chat.call, f"/messages/{message['_id']}"
    edited = call("PATCH", path, content="hello")["message"]
    pinned = call("PATCH", path, by=chat.bob, pinned=True)["message"]
    call("POST", f"/conversations/{chat.id}/read", by=chat.bob)
    call("DELETE", path)
    for socket in sockets:
        assert socket.wait("message_deleted") == {"_id": message["_id"], "conversation_id": chat.id}
        assert (socket.wait("message_edited"), socket.wait("message_pinned")) == (edited, pinned)
        read = socket.wait("messages_read")
        assert (read.pop("read_at")[-1], read) == ("Z", {"conversation_id": chat.id, "reader": "bob"})
    assert (edited["content"], edited["edited_at"][-1], pinned["pinned"]) == ("hello", "Z", True)


@pytest.mark.parametrize("options", [POLLING, WEBSOCKET])
def test_a_burst_arrives_whole_and_in_order(chat: Chat, options: dict[str, Any]) -> None:
    said = [f"no. {number}" for number in range(200)]
    with connected(chat.server, chat.alice, **options) as alice, connected(chat.server, chat.bob, **options) as bob:
        answers = alice.send(*map(chat.text, said))
        bob.wait("new_message", len(said))
        bob.catch_up()
        assert [each["message"]["content"] for each in answers] == said
        assert [each["content"] for each in bob.heard("new_message")] == said == chat.history()


@pytest.mark.parametrize("remover", ["owner", "oneself"])
def test_who_is_gone_hears_nothing_and_who_is_new_does(
    chat: Chat, sockets: tuple[SocketClient, SocketClient], remover: str
) -> None:
    alice, bob = sockets
    by = chat.alice if remover == "owner" else chat.bob
    with connected(chat.server, chat.server.sign_in("carol")) as carol:
        chat.call("DELETE", f"/conversations/{chat.id}/participants/bob", by=by)
        chat.call("POST", f"/conversations/{chat.id}/participants", email="carol")
        posted = alice.emit(*chat.text("without Bob"))["message"]
        alice.emit("typing", {"conversation_id": chat.id})
        assert carol.wait("new_message") == posted
        bob.catch_up()
        assert (bob.heard("new_message"), bob.heard("typing")) == ([], [])


@contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    program = shutil.which("redis-server")
    if program is None:
        missing("redis-server is not installed")
    port = free_port()
    command = [program, "--port", str(port), "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()


def test_two_instances_behind_nginx_are_one_chat(server: LiveServer, tmp_path: Path) -> None:
    with ExitStack() as stack:
        settings = {"TRANSFER_TRUSTED_PROXIES": "1", "TRANSFER_REDIS_URL": stack.enter_context(running_redis(tmp_path))}
        first, second = (stack.enter_context(started(LiveServer(server.data_dir, settings))) for _ in range(2))
        front = stack.enter_context(behind_nginx(first, second))
        chat = Chat(first)
        join = partial(connected, url=front.url)
        alice = stack.enter_context(connected(first, chat.alice, **POLLING))
        bob = stack.enter_context(connected(second, chat.bob, **WEBSOCKET))
        muted = stack.enter_context(connected(second, chat.bob, **POLLING))
        fronted = [stack.enter_context(join(first, chat.bob, **options)) for options in (POLLING, WEBSOCKET, UPGRADE)]
        muted.emit("leave_conversation", {"conversation_id": chat.id})
        alice.emit("typing", {"conversation_id": chat.id})
        posted = [alice.emit(*chat.text("one"))["message"], bob.emit(*chat.text("two"))["message"]]
        posted.append(fronted[0].emit(*chat.text("three"))["message"])
        for socket in (alice, bob, *fronted):
            socket.wait("new_message", 3)
            assert sorted(each["_id"] for each in socket.heard("new_message")) == sorted(each["_id"] for each in posted)
        assert bob.wait("typing")["sender"] == "alice"
        assert fronted[2].wait("upgrade") == "websocket"
        chat.call("DELETE", f"/conversations/{chat.id}/participants/bob")
        aside = Chat(first).post("aside")
        assert muted.wait("new_message") == aside
