"""Socket.IO clients that lie, flood or do not read."""

import base64
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket

from tests.live.node import SocketClient, connected, token_of
from tests.live.server import LiveServer, running, wait_until

pytestmark = [pytest.mark.measured, pytest.mark.one_machine("it measures one process, and what that has open")]

MIB = 1024 * 1024
SOCKET_MAX_BYTES, MAX_FILE_BYTES, QUOTA_BYTES = 4 * MIB, MIB, 3 * MIB // 2
ANSWER_SECONDS, GROWTH_BYTES = 4.0, 150 * MIB  # less than a flood goes on for
HANDSHAKE = "/socket.io/?EIO=4&transport="
POLLING, WEBSOCKET = {"transports": ["polling"]}, {"transports": ["websocket"]}
EVENTS = ["authenticate", "send_message", "join_conversation", "leave_conversation", "typing", "stop_typing"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    limits = {
        "TRANSFER_SOCKET_MAX_BYTES": str(SOCKET_MAX_BYTES),
        "TRANSFER_MAX_FILE_BYTES": str(MAX_FILE_BYTES),
        "TRANSFER_QUOTA_BYTES": str(QUOTA_BYTES),
    }
    with running(tmp_path_factory.mktemp("hostile") / "data", "alice", "bob", **limits) as server:
        server.store(server.sign_in("bob"), "half the quota.bin", bytes(QUOTA_BYTES // 2))
        yield server


@pytest.fixture
def log(server: LiveServer) -> Iterator[None]:
    """Whatever happens in the test, the service does not break over it."""
    before = server.log_path.stat().st_size
    yield
    with server.log_path.open() as log:
        log.seek(before)
        new = log.read()
    assert server.is_running()
    assert [line for line in new.splitlines() if "Traceback" in line or '"level": "error"' in line] == []


@pytest.fixture
def bob(server: LiveServer) -> requests.Session:
    return server.sign_in("bob")


@pytest.fixture
def room(server: LiveServer, alice: requests.Session) -> str:
    """A conversation of both."""
    body = {"group_name": "tea", "participants": ["bob"]}
    answer = alice.post(f"{server.url}/conversations/create/group", json=body, timeout=30)
    return str(answer.json()["conversation_id"])


@pytest.fixture
def witness(server: LiveServer, alice: requests.Session, log: None) -> Iterator[SocketClient]:  # noqa: ARG001
    """Alice, who must not notice anything."""
    with connected(server, alice, **WEBSOCKET) as witness:
        yield witness
        witness.catch_up()
        assert witness.heard("disconnect") == []


def text(room: str, content: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return "send_message", {"conversation_id": room, "content": content, "type": "text", **more}


def history(server: LiveServer, session: requests.Session, room: str) -> list[Any]:
    query = {"conversation_id": room}
    found: list[Any] = session.get(f"{server.url}/messages/get", params=query, timeout=30).json()["messages"]
    return found


def stored_attachments(server: LiveServer) -> list[Path]:
    folder = server.data_dir / "uploads/chats"
    return sorted(folder.iterdir()) if folder.exists() else []


class Bare:
    """A WebSocket that says what it wants, and reads only when it wants to, a little with a small `receive_buffer`."""

    def __init__(self, server: LiveServer, session: requests.Session, *, receive_buffer: int | None = None) -> None:
        options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)] if receive_buffer else []
        url = f"ws://127.0.0.1:{server.port}{HANDSHAKE}websocket"
        self.connection = websocket.create_connection(
            url, timeout=20, sockopt=options, suppress_origin=True, skip_utf8_validation=True
        )
        assert self.receive().startswith("0")
        self.connection.send("40" + json.dumps({"token": token_of(session)}))
        assert self.receive().startswith("40")
        assert self.connection.sock is not None
        self.socket = self.connection.sock
        self.port: int = self.socket.getsockname()[1]

    def __enter__(self) -> "Bare":
        return self

    def __exit__(self, *_args: object) -> None:
        self.socket.close()

    def receive(self) -> str:
        return str(self.connection.recv())

    def emit(self, number: int, event: str, data: Any) -> None:
        """Send an event quickly: masked with zeros, so that nothing has to be computed."""
        payload = f"42{number}{json.dumps([event, data])}".encode()
        size = len(payload)
        length = bytes([0x80 + size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        self.socket.sendall(b"\x81" + length + bytes(4) + payload)

    def is_ended(self, server: LiveServer) -> bool:
        """Whether the server has let go of the connection."""
        return all(each.raddr[1:] != (self.port,) for each in server.worker().net_connections("tcp") if each.raddr)

    def read_to_the_end(self) -> list[str]:
        """Everything until the server closes."""
        found = []
        with contextlib.suppress(websocket.WebSocketException, OSError):
            while message := self.receive():
                found.append(message)
        return found


@pytest.mark.parametrize("options", [POLLING, WEBSOCKET], ids=["polling", "websocket"])
def test_too_large_a_message_disconnects_its_sender_only(
    server: LiveServer, bob: requests.Session, witness: SocketClient, room: str, options: dict[str, Any]
) -> None:
    with connected(server, bob, **options) as sender:
        sender.start_sending(text(room, "x" * (SOCKET_MAX_BYTES + 1)))
        sender.wait("disconnect")
        sender.wait("connect", 2)
        assert sender.emit(*text(room, "small again"))["success"]
    assert witness.wait("new_message")["content"] == "small again"


@pytest.mark.parametrize(("change", "detail"), [
    pytest.param({"file_data": "!!!!"}, "Invalid base64", id="no base64"),
    pytest.param({"file_data": "AAA"}, "Invalid base64", id="cut base64"),
    pytest.param({"file_data": "AA==AAAA"}, "Invalid base64", id="padding in the middle"),
    pytest.param({"file_data": "A" * 300_000 + "=" * 4 + "A" * 4}, "Invalid base64", id="bad late"),
    pytest.param({"file_data": "ä" * 400}, "Invalid base64", id="not ASCII"),
    pytest.param({"file_data": "\ud800" * 4}, "Invalid base64", id="lone surrogates"),
    pytest.param({"file_data": 5}, "Invalid file_data", id="a number"),
    pytest.param({"file_data": ["AAAA"]}, "Invalid file_data", id="a list"),
    pytest.param({"file_name": None}, "Missing file_name", id="no name"),
    pytest.param({"file_name": ""}, "Missing file_name", id="empty name"),
    pytest.param({"file_name": {"a": 1}}, "Missing file_name", id="an object as name"),
    pytest.param({"file_data": None}, "Missing file_data", id="no file"),
    pytest.param({"file_data": None, "file_name": None, "type": "video"}, "Missing file_data", id="film without one"),
    pytest.param({"type": 5}, "Invalid type", id="a number as type"),
    pytest.param({"type": "bogus"}, "Invalid type", id="an unknown type"),
    pytest.param({"content": 5}, "content must be a string", id="a number as caption"),
    pytest.param({"reply_to": "f" * 24}, "Reply target not found", id="unknown reply target"),
    pytest.param({"file_data": base64.b64encode(bytes(MAX_FILE_BYTES + 1)).decode()}, "", id="too large"),
    pytest.param({"file_data": base64.b64encode(bytes(MAX_FILE_BYTES)).decode()}, "", id="over quota"),
])  # fmt: skip
def test_a_refused_attachment_leaves_nothing(
    server: LiveServer, bob: requests.Session, room: str, log: None, change: dict[str, Any], detail: str  # noqa: ARG001
) -> None:  # fmt: skip
    before = stored_attachments(server)
    with connected(server, bob, **WEBSOCKET) as sender:
        event, data = text(room, "see", file_name="a.png", file_data="AAAA")
        answer = sender.emit(event, {**data, **change})
        assert (answer["success"], answer["detail"] if detail else "") == (False, detail)
        assert sender.wait("error") == {"detail": answer["detail"]}
    assert (history(server, bob, room), stored_attachments(server)) == ([], before)


STRANGE: list[Any] = [None, True, 5, 1e300, "text", [], [[]], {}, {"": {}}]
STRANGE_IDS: list[Any] = [
    None,
    5,
    [],
    {"$ne": 1},
    "",
    "\0",
    "\ud800",
    "f" * 23,
    "g" * 24,
    "f" * 24 + "\n",
    "f" * MIB,
    "../../x",
]


@pytest.mark.parametrize("options", [POLLING, WEBSOCKET], ids=["polling", "websocket"])
def test_strange_payloads_get_an_answer(
    server: LiveServer, bob: requests.Session, witness: SocketClient, room: str, options: dict[str, Any]
) -> None:
    payloads = [*STRANGE, *({"conversation_id": each, "content": "x"} for each in STRANGE_IDS)]
    contents = [*STRANGE[:-2], {}, "\0", "a\0b", "\ud800", "x\udfff", "x" * 65_537, "\n "]
    events = [(event, payload) for event in EVENTS for payload in payloads]
    events += [text(room, content) for content in contents if content != "text"]
    events += [text(room, "x", reply_to=each) for each in STRANGE_IDS if each not in (None, "")]
    with connected(server, bob, **options) as sender:
        answers = [answer for event in events for answer in sender.send(event)]
        assert [answer for answer in answers if answer["success"]] == []
        assert {answer["detail"] for answer in answers} & {"Internal server error"} == set()
        assert sender.heard("disconnect") == []
    assert history(server, bob, room) == []
    witness.catch_up()


GARBAGE = [
    "", "4", "9", "42", "42{", "42[]", "42[5]", "42[null]", '42[["a"]]', '42[{"a":1}]', '42{"a":1}', "43", "43[]",
    '439[1]', "44", "45", '451-["send_message",{"_placeholder":true,"num":0}]', '459999999-["x"]', '451-["x",1]',
    '42["disconnect"]x', '42/other,["send_message",{}]', "40/other,", "40", '42["on_connect"]', '42["__init__"]',
    "42" + "9" * 5000 + '["typing"]', "42" + "[" * 100_000, '42["typing"' + ",1" * 1000 + "]", "\0", "b", "bAAAA", "5",
    "2probe", "3", "6", "0{}", '42["typing",NaN]', "46[1]", '42["typing",' + "9" * 5000 + "]",
]  # fmt: skip


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_garbage_harms_nobody_else(
    server: LiveServer, bob: requests.Session, witness: SocketClient, transport: str
) -> None:
    for garbage in GARBAGE:
        if transport == "websocket":
            with Bare(server, bob) as client:
                with contextlib.suppress(
                    websocket.WebSocketException, OSError
                ):  # the service may have had enough after the first
                    client.connection.send(garbage)
                    client.connection.send_binary(garbage.encode())
                    client.connection.send("1")
                client.read_to_the_end()
            continue
        opened = bob.get(f"{server.url}{HANDSHAKE}polling", timeout=30)
        url = f"{server.url}{HANDSHAKE}polling&sid={json.loads(opened.text[1:])['sid']}"
        bob.post(url, data="40" + json.dumps({"token": token_of(bob)}), timeout=30).raise_for_status()
        assert bob.post(url, data=garbage, timeout=30).status_code < 500, garbage[:100]
    witness.catch_up()


@pytest.mark.parametrize("event", [None, "disconnect", "connect"])
def test_reserved_events_do_not_outlive_the_sign_in(
    server: LiveServer, bob: requests.Session, witness: SocketClient, event: str | None
) -> None:
    with Bare(server, bob) as client:
        if event:
            client.connection.send(f'42["{event}"]')
        bob.post(f"{server.url}/auth/logout", timeout=30).raise_for_status()
        client.connection.settimeout(30)
        assert client.receive() == "41"
    witness.catch_up()


@contextlib.contextmanager
def others_are_served(server: LiveServer, session: requests.Session, witness: SocketClient) -> Iterator[None]:
    """Within this, at least five requests and events of others are answered soon, and the worker grows little."""
    memory, slowest, rounds, over = server.worker().memory_info().rss, 0.0, 0, threading.Event()
    grown = 0

    def look() -> None:
        nonlocal slowest, rounds, grown
        while not over.is_set() or rounds < 5:
            start = time.monotonic()
            session.get(f"{server.url}/conversations", timeout=30).raise_for_status()
            witness.emit("typing", {})
            slowest, rounds = max(slowest, time.monotonic() - start), rounds + 1
            grown = max(grown, server.worker().memory_info().rss - memory)
            over.wait(0.1)

    looker = threading.Thread(target=look)
    looker.start()
    try:
        yield
    finally:
        over.set()
        looker.join()
    assert slowest < ANSWER_SECONDS
    assert grown < GROWTH_BYTES


def flood(client: Bare, room: str, *, seconds: float) -> int:
    """Send as many messages as the service takes in that time without reading anything."""
    sent, end = 0, time.monotonic() + seconds
    client.connection.settimeout(1)
    with contextlib.suppress(websocket.WebSocketException, OSError):
        while time.monotonic() < end:
            client.emit(sent, *text(room, f"{sent} " + "x" * 20_000))
            sent += 1
    return sent


def test_a_flood_by_websocket_starves_nobody(
    server: LiveServer, alice: requests.Session, bob: requests.Session, witness: SocketClient, room: str
) -> None:
    with Bare(server, bob, receive_buffer=4096) as flooder, others_are_served(server, alice, witness):
        assert flood(flooder, room, seconds=5) > 10


def test_a_flood_by_polling_starves_nobody(
    server: LiveServer, alice: requests.Session, bob: requests.Session, witness: SocketClient, room: str
) -> None:
    opened = bob.get(f"{server.url}{HANDSHAKE}polling", timeout=30)
    url = f"{server.url}{HANDSHAKE}polling&sid={json.loads(opened.text[1:])['sid']}"
    bob.post(url, data="40" + json.dumps({"token": token_of(bob)}), timeout=30).raise_for_status()
    events = "\x1e".join(f"42{number}{json.dumps(text(room, f'no. {number}'))}" for number in range(8000))
    with others_are_served(server, alice, witness):
        bob.post(url, data=events, timeout=60)


def test_a_huge_frame_is_cut_off(
    server: LiveServer, alice: requests.Session, bob: requests.Session, witness: SocketClient
) -> None:
    size, sent, block = 200 * MIB, 0, bytes(MIB)
    with Bare(server, bob) as client, others_are_served(server, alice, witness):
        client.socket.sendall(b"\x82\xff" + size.to_bytes(8, "big") + bytes(4))  # binary, masked, with a 64-bit length
        with contextlib.suppress(OSError):
            while sent < size:
                client.socket.sendall(block)
                sent += len(block)
        wait_until(lambda: client.is_ended(server))
    assert sent < size


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_who_does_not_read_a_busy_conversation_is_dropped(
    server: LiveServer, alice: requests.Session, bob: requests.Session, witness: SocketClient, room: str, transport: str
) -> None:
    """What waits for one client is bounded: 65 MB of messages do not pile up for somebody who takes none."""
    with contextlib.ExitStack() as stack:
        url = f"{server.url}{HANDSHAKE}polling"
        if transport == "websocket":
            slow = stack.enter_context(Bare(server, bob, receive_buffer=4096))
        else:
            url += f"&sid={json.loads(bob.get(url, timeout=30).text[1:])['sid']}"
            bob.post(url, data="40" + json.dumps({"token": token_of(bob)}), timeout=30).raise_for_status()
        busy = stack.enter_context(Bare(server, alice))
        with others_are_served(server, alice, witness):
            for number in range(1000):
                busy.emit(number, *text(room, "x" * 65_000))
                while not busy.receive().startswith(f"43{number}["):
                    pass
        if transport == "websocket":
            wait_until(lambda: slow.is_ended(server))
        else:
            assert bob.get(url, timeout=30).status_code == 400  # unknown session
