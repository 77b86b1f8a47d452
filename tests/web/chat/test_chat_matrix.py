"""Who may do what in a conversation: every route and every event, asked by everybody."""

import re
from typing import Any

import pytest
from flask import Flask

from tests.conftest import PASSWORD, Device
from tests.web.chat import socket_client
from tests.web.chat.bench import NOT_PARTICIPANT, Chat, attachment_form

# A group that `alice` owns. She has posted the file. `bob` is in it too, and signed in as a device. `carol` has left,
# `dave` was never in it, and `root` is an administrator, which counts for nothing here.
PEOPLE = {"member": "alice", "device": "bob", "former": "carol", "stranger": "dave", "admin": "root"}
WHO = ["nobody", *PEOPLE]

HELLO = {"conversation_id": "{group}", "content": "hello"}
FILE = {"conversation_id": "{group}", "file_id": "{file}"}

# method, path, fields                                                        nobody member device former stranger admin
ROUTES: list[tuple[Any, ...]] = [
    ("POST", "/conversations/create", {"email": "erin"}, 401, 200, 200, 200, 200, 200),
    ("POST", "/conversations/create/group", {"group_name": "new", "participants": []}, 401, 200, 200, 200, 200, 200),
    ("GET", "/conversations", None, 401, 200, 200, 200, 200, 200),
    ("GET", "/conversations/info?conversation_id={group}", None, 401, 200, 200, 403, 403, 403),
    ("POST", "/conversations/{group}/participants", {"email": "erin"}, 401, 200, 403, 403, 403, 403),
    ("DELETE", "/conversations/{group}/participants/alice", None, 401, 200, 403, 403, 403, 403),
    ("DELETE", "/conversations/{group}/participants/bob", None, 401, 200, 200, 403, 403, 403),
    ("POST", "/conversations/{group}/read", None, 401, 200, 200, 403, 403, 403),
    ("POST", "/messages", HELLO, 401, 200, 200, 403, 403, 403),
    ("POST", "/messages", FILE, 401, 200, 404, 403, 403, 403),
    ("POST", "/messages/upload", "a file", 401, 200, 200, 403, 403, 403),
    ("GET", "/messages/get?conversation_id={group}", None, 401, 200, 200, 403, 403, 403),
    ("GET", "/messages/changes?conversation_id={group}", None, 401, 200, 200, 403, 403, 403),
    ("PATCH", "/messages/{message}", {"content": "new"}, 401, 200, 403, 403, 403, 403),
    ("PATCH", "/messages/{message}", {"pinned": True}, 401, 200, 200, 403, 403, 403),
    ("DELETE", "/messages/{message}", None, 401, 200, 403, 403, 403, 403),
    ("POST", "/messages/{message}/url", {"inline": True}, 401, 200, 200, 403, 403, 403),
    ("GET", "/uploads/chats/{message}/thumbnail?size=160", None, 401, 404, 404, 403, 403, 403),
    ("GET", "/uploads/chats/{message}/a.png", None, 401, 200, 200, 403, 403, 403),
    ("HEAD", "/uploads/chats/{message}/a.png", None, 401, 200, 200, 403, 403, 403),
]
WITH_FILE = {**HELLO, "file_name": "b.png", "file_data": "aGVsbG8="}
OUTSIDE = NOT_PARTICIPANT

# event, data                          nobody member device former stranger admin; None is success, a text its refusal
EVENTS: list[tuple[Any, ...]] = [
    ("send_message", HELLO, "refused", None, None, OUTSIDE, OUTSIDE, OUTSIDE),
    ("send_message", WITH_FILE, "refused", None, None, OUTSIDE, OUTSIDE, OUTSIDE),
    ("join_conversation", HELLO, "refused", None, None, OUTSIDE, OUTSIDE, OUTSIDE),
    ("leave_conversation", HELLO, "refused", None, None, OUTSIDE, OUTSIDE, OUTSIDE),
    ("typing", HELLO, "refused", None, None, OUTSIDE, OUTSIDE, OUTSIDE),
    ("stop_typing", HELLO, "refused", None, None, OUTSIDE, OUTSIDE, OUTSIDE),
    ("authenticate", HELLO, "refused", *["Missing access_token"] * 5),
]

# what alice does, how often each is told of it                               nobody member device former stranger admin
TOLD: list[tuple[Any, ...]] = [
    ("POST", "/messages", HELLO, "new_message", 0, 1, 1, 0, 0, 0),
    ("POST", "/messages", FILE, "new_message", 0, 1, 1, 0, 0, 0),
    ("POST", "/messages/upload", "a file", "new_message", 0, 1, 1, 0, 0, 0),
    ("PATCH", "/messages/{message}", {"content": "new"}, "message_edited", 0, 1, 1, 0, 0, 0),
    ("PATCH", "/messages/{message}", {"pinned": True}, "message_pinned", 0, 1, 1, 0, 0, 0),
    ("DELETE", "/messages/{message}", None, "message_deleted", 0, 1, 1, 0, 0, 0),
    ("POST", "/conversations/{group}/read", None, "messages_read", 0, 1, 1, 0, 0, 0),
    ("EVENT", "send_message", HELLO, "new_message", 0, 1, 1, 0, 0, 0),
    ("EVENT", "typing", HELLO, "typing", 0, 0, 1, 0, 0, 0),
    ("EVENT", "stop_typing", HELLO, "stop_typing", 0, 0, 1, 0, 0, 0),
]


class Scene:
    """The group with its people, and what is in it."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat
        self.group = chat.group("bob", "carol")
        self.message = str(chat.send(self.group, filename=b"a.png")["_id"])

    def leave(self) -> None:
        """`carol` goes."""
        self.chat.leave(self.group, "carol")

    def fill(self, value: Any) -> Any:
        """A path or fields with the ids in place of their names."""
        if isinstance(value, dict):
            return {name: self.fill(each) for name, each in value.items()}
        if not isinstance(value, str):
            return value
        file = self._file() if "{file}" in value else ""
        return value.format(group=self.group, message=self.message, file=file)

    def _file(self) -> str:
        """A finished file of `alice`."""
        answer = self.chat["alice"].post("/api/files?filename=a.bin", data=b"hello", content_type="text/plain")
        return str(answer.get_json()["file_id"])

    def ask(self, asking: Device, method: str, path: str, fields: Any) -> Any:
        """The answer to a row's request."""
        body = attachment_form(self.group) if fields == "a file" else {"json": self.fill(fields)} if fields else {}
        return asking.request(method, self.fill(path), **body)

    def state(self) -> Any:
        """All that can be seen by those who are in it."""
        chat = self.chat
        return [(chat.info(self.group, name), chat.history(self.group, name)) for name in ("alice", "bob")]


@pytest.fixture(scope="module")
def chat(shared_app: Flask) -> Chat:
    """Everybody, with `bob` signed in by his `device_id`."""
    chat = Chat(shared_app)
    chat.services.accounts.create("erin", PASSWORD)
    client = shared_app.test_client(use_cookies=False)
    tokens = client.post("/auth/token", json={"device_id": "bob", "password": PASSWORD}).get_json()
    chat.people["bob"] = Device(client, {"Authorization": f"Bearer {tokens['access_token']}"})
    return chat


@pytest.fixture
def scene(chat: Chat) -> Scene:
    return Scene(chat)


def connect(chat: Chat, who: str) -> Any:
    """A socket of Flask-SocketIO's test client."""
    return socket_client.connect(chat.app, chat[PEOPLE[who]].headers if who in PEOPLE else {})


def names(client: Any) -> list[str]:
    """The events that came since one last asked."""
    return [event["name"] for event in client.get_received()] if client.is_connected() else []


ROUTE_CELLS = [
    pytest.param(method, path, fields, who, status, id=f"{method}-{path.partition('?')[0]}-{number}-{who}")
    for number, (method, path, fields, *statuses) in enumerate(ROUTES)
    for who, status in zip(WHO, statuses, strict=True)
]
EVENT_CELLS = [
    pytest.param(event, data, who, detail, id=f"{event}-{number}-{who}")
    for number, (event, data, *details) in enumerate(EVENTS)
    for who, detail in zip(WHO, details, strict=True)
]


@pytest.mark.parametrize(("method", "path", "fields", "who", "expected"), ROUTE_CELLS)
def test_routes(scene: Scene, method: str, path: str, fields: Any, who: str, expected: int) -> None:
    scene.leave()
    before = scene.state()
    nobody = Device(scene.chat.app.test_client(use_cookies=False), {})
    response = scene.ask(scene.chat[PEOPLE[who]] if who in PEOPLE else nobody, method, path, fields)
    assert response.status_code == expected
    if expected == 401:
        assert response.headers["WWW-Authenticate"] == "Bearer"
    if expected >= 400:
        assert scene.state() == before


@pytest.mark.parametrize(("event", "data", "who", "detail"), EVENT_CELLS)
def test_events(scene: Scene, event: str, data: Any, who: str, detail: str | None) -> None:
    client = connect(scene.chat, who)  # before carol leaves: her socket stays
    scene.leave()
    before = scene.state()
    assert client.is_connected() == (detail != "refused")
    if detail == "refused":
        return
    client.get_received()
    acknowledged = client.emit(event, scene.fill(data), callback=True)
    assert acknowledged["success"] == (detail is None)
    if detail is not None:
        assert acknowledged == {"success": False, "detail": detail}
        assert client.get_received() == [{"name": "error", "args": [{"detail": detail}], "namespace": "/"}]
        assert scene.state() == before
    client.disconnect()


@pytest.mark.parametrize(("method", "path", "fields", "event", "counts"), [(*row[:4], row[4:]) for row in TOLD])
def test_who_is_told(scene: Scene, method: str, path: str, fields: Any, event: str, counts: tuple[int, ...]) -> None:
    clients = {who: connect(scene.chat, who) for who in WHO}
    scene.leave()
    for client in clients.values():
        names(client)
    if method == "EVENT":
        assert clients["member"].emit(path, scene.fill(fields), callback=True)["success"]
    else:
        assert scene.ask(scene.chat["alice"], method, path, fields).status_code == 200
    assert {who: names(client) for who, client in clients.items()} == {
        who: [event] * count for who, count in zip(WHO, counts, strict=True)
    }
    for client in clients.values():
        if client.is_connected():
            client.disconnect()


def test_every_chat_route_is_in_the_table(shared_app: Flask) -> None:
    listed = {(method, path.partition("?")[0]) for method, path, *_ in ROUTES}
    for rule in shared_app.url_map.iter_rules():
        if not re.match(r"/(conversations|messages|uploads)\b", rule.rule):
            continue
        pattern = re.compile(re.sub(r"<[^>]+>", "[^/]+", rule.rule))
        for method in (rule.methods or set()) - {"OPTIONS"}:
            matching = [path for each, path in listed if each in {method, "GET" if method == "HEAD" else method}]
            assert any(map(pattern.fullmatch, matching)), (method, rule.rule)


def test_every_event_is_in_the_table(shared_app: Flask) -> None:
    (namespace,) = shared_app.extensions["socketio"].server.namespace_handlers.values()
    handled = {name.removeprefix("on_") for name in dir(namespace) if name.startswith("on_")}
    assert {event for event, *_ in EVENTS} == handled - {"connect", "disconnect"}
