"""Socket.IO connections of those who have shown no token: what they may send, hold and wait for."""

import contextlib
import json
import socket
import time
import zlib
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import websocket

from tests.live.node import connected, connecting, token_of
from tests.live.server import LiveServer, adapted_config, started, wait_until

pytestmark = pytest.mark.one_machine("it measures one process, and what that has open")

MIB = 1024 * 1024
STRANGER_SECONDS, STRANGER_BYTES = 3.0, 16 * 1024
HANDSHAKE = "/socket.io/?EIO=4&transport="
POLLING, WEBSOCKET = {"transports": ["polling"]}, {"transports": ["websocket"]}
CONFIG = f"import transfer_service.web.chat.bounds as strangers; strangers.STRANGER_SECONDS = {STRANGER_SECONDS}"
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
TEXT, CONTINUATION, PING = 1, 0, 9


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("strangers")
    config = adapted_config(folder / "gunicorn.conf.py", before_app=CONFIG)
    server = LiveServer(folder / "data", config=config)
    server.prepare("alice", "bob")
    with started(server):
        yield server


@pytest.fixture
def bob(server: LiveServer) -> requests.Session:
    return server.sign_in("bob")


def frame(payload: bytes, opcode: int = TEXT, *, is_last: bool = True, is_compressed: bool = False) -> bytes:
    """A WebSocket frame, masked with zeros."""
    size, first = len(payload), opcode | 0x80 * is_last | 0x40 * is_compressed
    if size < 126:
        length = bytes([0x80 + size])
    else:
        length = b"\xfe" + size.to_bytes(2, "big") if size < 65_536 else b"\xff" + size.to_bytes(8, "big")
    return bytes([first]) + length + bytes(4) + payload


class WebSocket:
    """A transport by WebSocket."""

    def __init__(self, server: LiveServer, *headers: str) -> None:
        url = f"ws://127.0.0.1:{server.port}{HANDSHAKE}websocket"
        self.connection = websocket.create_connection(url, timeout=20, suppress_origin=True, header=list(headers))
        assert self.receive().startswith("0{")

    def say(self, message: str) -> None:
        """Send a message."""
        self.send_raw(frame(message.encode()))

    def send_raw(self, data: bytes) -> None:
        """Send bytes, as far as they are taken."""
        assert self.connection.sock is not None
        with contextlib.suppress(OSError):
            self.connection.sock.sendall(data)

    def receive(self) -> str:
        """The next message, empty at the end."""
        try:
            return str(self.connection.recv())
        except (websocket.WebSocketException, OSError):
            return ""

    def is_closed(self, *, seconds: float = 10.0) -> bool:
        """Whether the server ends it."""
        self.connection.settimeout(seconds)
        started = time.monotonic()
        while time.monotonic() < started + seconds:
            if not self.receive():
                return time.monotonic() < started + seconds
        return False

    def close(self) -> None:
        """Leave without a word."""
        self.connection.shutdown()  # type: ignore[no-untyped-call]


class Polling:
    """A transport by polling."""

    def __init__(self, server: LiveServer) -> None:
        self.session = requests.Session()
        opened = self.session.get(f"{server.url}{HANDSHAKE}polling", timeout=30)
        self.url = f"{server.url}{HANDSHAKE}polling&sid={json.loads(opened.text[1:])['sid']}"

    def say(self, message: str) -> None:
        """Send messages."""
        with contextlib.suppress(requests.RequestException):
            self.session.post(self.url, data=message.encode(), timeout=30)

    def receive(self) -> str:
        """What has come, empty at the end."""
        answer = self.session.get(self.url, timeout=30)
        return answer.text if answer.status_code == 200 else ""

    def is_closed(self) -> bool:
        """Whether the server has ended it."""
        while text := self.receive():
            if text == "1":
                return True
        return True

    def close(self) -> None:
        """Forget it."""
        self.session.close()


class Door:
    """Opens transports, and closes what is left of them at the end of a test."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self._opened = contextlib.ExitStack()

    def open(self, transport: type[Any], *arguments: str) -> Any:
        """A new transport."""
        opened = transport(self.server, *arguments)
        self._opened.callback(opened.close)
        return opened

    def let_in(self, transport: type[Any], session: requests.Session) -> Any:
        """A new transport whose client is let in."""
        opened = self.open(transport)
        opened.say("40" + json.dumps({"token": token_of(session)}))
        assert opened.receive().startswith("40")
        return opened

    def close(self) -> None:
        """Close everything."""
        self._opened.close()


@pytest.fixture
def door(server: LiveServer) -> Iterator[Door]:
    door = Door(server)
    yield door
    door.close()


TRANSPORTS = pytest.mark.parametrize("transport", [WebSocket, Polling])


@TRANSPORTS
@pytest.mark.parametrize(
    "message",
    [
        pytest.param("40" + json.dumps({"token": "x" * STRANGER_BYTES}), id="connect"),
        pytest.param('42["typing","' + "x" * STRANGER_BYTES + '"]', id="event"),
        pytest.param("4" + "[" * STRANGER_BYTES, id="of-no-kind"),
        pytest.param("40" + "[]," * 4 * MIB, id="megabytes"),
    ],
)
def test_a_stranger_sends_a_few_kib_at_once(door: Door, transport: type[Any], message: str) -> None:
    stranger = door.open(transport)
    stranger.say(message)
    assert stranger.is_closed()


@pytest.mark.parametrize("piece", [b"", b"x" * 1000])
def test_fragments_are_counted_together(door: Door, piece: bytes) -> None:
    stranger = door.open(WebSocket)
    stranger.send_raw(frame(b"40" + bytes(1000), is_last=False))
    stranger.send_raw(frame(piece, CONTINUATION, is_last=False) * 20)
    stranger.send_raw(frame(b"x" * STRANGER_BYTES, CONTINUATION))
    assert stranger.is_closed()


def test_nothing_is_compressed(door: Door) -> None:
    stranger = door.open(WebSocket, DEFLATE)
    headers = stranger.connection.getheaders() or {}
    assert "sec-websocket-extensions" not in {name.lower() for name in headers}
    stranger.send_raw(frame(zlib.compress(b"40")[2:-4], is_compressed=True))
    assert stranger.is_closed()


def test_a_large_message_right_behind_the_token_is_taken(door: Door, bob: requests.Session) -> None:
    eager = door.open(WebSocket)
    token = frame(("40" + json.dumps({"token": token_of(bob)})).encode())
    eager.send_raw(token + frame(b'421["typing",{"x":"' + b"x" * 4 * STRANGER_BYTES + b'"}]'))
    answers = [eager.receive() for _ in range(3)]
    assert answers[2].startswith('431[{"success":false,"detail":"Invalid conversation id"')


@TRANSPORTS
@pytest.mark.parametrize(
    "said", [None, '40{"token":"a.b.c"}', "40/elsewhere,"], ids=["nothing", "bad-token", "elsewhere"]
)
def test_who_is_not_let_in_is_shown_out(door: Door, transport: type[Any], said: str | None) -> None:
    stranger, started = door.open(transport), time.monotonic()
    if said:
        stranger.say(said)
        assert stranger.receive().startswith("44")
    assert stranger.is_closed()
    assert time.monotonic() - started < STRANGER_SECONDS + 15


@TRANSPORTS
def test_who_leaves_the_namespace_is_a_stranger_again(door: Door, bob: requests.Session, transport: type[Any]) -> None:
    left = door.let_in(transport, bob)
    left.say("41")
    assert left.is_closed()


def test_who_is_let_in_stays(server: LiveServer, bob: requests.Session) -> None:
    with connected(server, bob, **POLLING) as polling, connected(server, bob, **WEBSOCKET) as direct:
        time.sleep(STRANGER_SECONDS + 2)
        for client in (polling, direct):
            client.catch_up()
            assert client.heard("disconnect") == []


def test_an_unknown_namespace_is_answered_with_a_message(server: LiveServer) -> None:
    with connecting(f"{server.url}/elsewhere") as client:
        assert client.wait("connect_error") == "Invalid namespace"


@TRANSPORTS
@pytest.mark.parametrize("message", ["42{}", '42"x"', "42[1]", "42[]", "42", "4abc", '42abc["typing",{}]', "44", "47"])
def test_what_is_no_event_ends_the_connection(
    door: Door, bob: requests.Session, transport: type[Any], message: str
) -> None:
    client = door.let_in(transport, bob)
    client.say(message)
    assert client.is_closed()


@TRANSPORTS
@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param('42["send_message",{"x":[' + "[]," * 4 * MIB + "[]]}]", id="lists"),
        pytest.param('42["send_message",{"x":"' + '\\"' * 4 * MIB + '"}]', id="quotes"),
        pytest.param('4{"x":[' + "[]," * 4 * MIB + "[]]}", id="JSON for Engine.IO"),
    ],
)
def test_members_cannot_have_megabytes_parsed(
    door: Door, bob: requests.Session, transport: type[Any], hostile: str
) -> None:
    client = door.let_in(transport, bob)
    client.say(hostile)
    assert client.is_closed()


def test_an_account_cannot_fill_all_the_sockets_it_opens(server: LiveServer, door: Door, bob: requests.Session) -> None:
    half, others = b"42" + b"x" * (30 * MIB), []
    for _ in range(4):
        others.append(door.let_in(WebSocket, bob))
        others[-1].send_raw(frame(half, is_last=False))
    others_closed = sum(each.is_closed(seconds=2) for each in others)
    assert 1 <= others_closed <= 2  # a hundred MiB are three of them
    for each in others:
        each.close()
    wait_until(lambda: can_fill(door, bob, half))
    assert bob.get(f"{server.url}/conversations", timeout=30).status_code == 200


def can_fill(door: Door, session: requests.Session, half: bytes) -> bool:
    """Whether one more socket may hold as much."""
    another = door.let_in(WebSocket, session)
    another.send_raw(frame(half, is_last=False))
    return not another.is_closed(seconds=2)


@pytest.mark.parametrize("last_words", ["1", "42{", "b!!!", "42" + "9" * 50])
def test_a_session_that_has_ended_is_unknown(server: LiveServer, last_words: str) -> None:
    stranger = Polling(server)
    stranger.say(last_words)
    answers = [stranger.session.post(stranger.url, data="3", timeout=30) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [400, 400]
    stranger.close()


def test_one_poll_at_a_time(server: LiveServer, door: Door, bob: requests.Session) -> None:
    client = door.let_in(Polling, bob)
    path = client.url.removeprefix(server.url)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.sendall(head + b"42")
        time.sleep(0.5)
        assert client.session.post(client.url, data=b'42["typing",{}]', timeout=30).status_code == 400
    assert client.is_closed()


@pytest.mark.parametrize(
    ("method", "query", "headers", "status"),
    [
        pytest.param("GET", "EIO=4&transport=polling", {}, 200, id="open"),
        pytest.param("GET", "EIO=3&transport=polling", {}, 400, id="an-old-version"),
        pytest.param("GET", "EIO=4&transport=carrier-pigeon", {}, 400, id="unknown-transport"),
        pytest.param("GET", "EIO=4&transport=polling&sid=x", {}, 400, id="unknown-session"),
        pytest.param("POST", "EIO=4&transport=polling", {}, 400, id="no-session"),
        pytest.param("PUT", "EIO=4&transport=polling", {}, 405, id="unknown-method"),
        pytest.param("GET", "EIO=4&transport=polling", {"Origin": "https://evil.example"}, 400, id="foreign-origin"),
        pytest.param(
            "GET", "EIO=4&transport=websocket", {"Connection": "Upgrade", "Upgrade": "websocket"}, 400, id="no-key"
        ),
        pytest.param(
            "GET",
            "EIO=4&transport=websocket",
            {"Connection": "keep-alive", "Upgrade": "websocket"},
            400,
            id="no-upgrade",
        ),
    ],
)
def test_what_engine_io_answers_has_our_fields_and_words(
    server: LiveServer, method: str, query: str, headers: dict[str, str], status: int
) -> None:
    answer = requests.request(method, f"{server.url}/socket.io/?{query}", headers=headers, timeout=30)
    assert answer.status_code == status
    assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
    assert status == 200 or list(answer.json()) == ["detail"]


def most_while_busy(server: LiveServer) -> int:
    """The most memory that the worker is seen with until it has had nothing to do for half a second."""
    worker, seen = server.worker(), [0]
    quiet = deque([-1.0], maxlen=10)  # a look every twentieth of a second

    def is_at_rest() -> bool:
        seen.append(worker.memory_info().rss)
        times = worker.cpu_times()
        quiet.append(times.user + times.system)
        return len(quiet) == quiet.maxlen and quiet[-1] - quiet[0] < 0.02

    wait_until(is_at_rest)
    return max(seen)


@pytest.mark.alone
def test_strangers_hold_no_memory(server: LiveServer, door: Door, bob: requests.Session) -> None:
    """Twelve with what would be 48 MiB each when it is inflated, and twelve with a poll of as many announced."""
    resident = server.worker().memory_info().rss
    deflate = zlib.compressobj(wbits=-15)
    bomb = deflate.compress(bytes(48 * MIB)) + deflate.flush(zlib.Z_SYNC_FLUSH)
    websockets = [door.open(WebSocket, DEFLATE) for _ in range(12)]
    for each in websockets:
        each.send_raw(frame(bomb, is_last=False, is_compressed=True))
    fragments = [door.open(WebSocket) for _ in range(12)]
    for each in fragments:
        each.send_raw(frame(b"4" * STRANGER_BYTES, is_last=False))
    polls = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(12)]
    for each in polls:
        path = door.open(Polling).url.removeprefix(server.url)
        each.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {48 * MIB}\r\n\r\n".encode() + bytes(MIB // 4)
        )
    held = most_while_busy(server) - resident
    for each in [*websockets, *fragments, *polls]:
        each.close()
    bob.get(f"{server.url}/conversations", timeout=30).raise_for_status()
    assert held < 6 * MIB
    wait_until(lambda: server.worker().memory_info().rss - resident < 6 * MIB)
