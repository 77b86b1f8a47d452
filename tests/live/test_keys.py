"""Keys on a real service: in Socket.IO and at every door, dead at once everywhere, and in no log."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import websocket

from tests.live.node import connecting
from tests.live.server import LiveServer, running, wait_until
from tests.web.accounts.keys import ALL
from transfer_service.wire.instants import format_second

END_SECONDS = 30.0  # it is two; a busy machine gets some more
LIFE_SECONDS = 12.0  # the client starts and connects within them
POLLING, WEBSOCKET = {"transports": ["polling"]}, {"transports": ["websocket"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("keys") / "data", "alice", "bob") as server:
        yield server


@pytest.fixture(scope="module")
def alice(server: LiveServer) -> requests.Session:
    return server.sign_in("alice")


def new_key(server: LiveServer, owner: requests.Session, *scopes: str, **fields: Any) -> dict[str, Any]:
    body = {"name": "camera", "scopes": scopes or ALL, **fields}
    answer = owner.post(f"{server.url}/auth/keys", json=body, timeout=30)
    assert answer.status_code == 201, answer.text
    key: dict[str, Any] = answer.json()
    return key


def bearer(key: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {key['key']}"}


@pytest.mark.parametrize("transport", [POLLING, WEBSOCKET], ids=["polling", "websocket"])
@pytest.mark.parametrize("place", ["access_token", "token", "Bearer in auth", "Authorization"])
def test_a_key_is_accepted_where_a_token_is(
    server: LiveServer, alice: requests.Session, place: str, transport: dict[str, Any]
) -> None:
    text = new_key(server, alice, "chat")["key"]
    options: dict[str, Any] = {
        "access_token": {"auth": {"access_token": text}},
        "token": {"auth": {"token": text}},
        "Bearer in auth": {"auth": {"token": f"Bearer {text}"}},
        "Authorization": {"extraHeaders": {"Authorization": f"Bearer {text}"}},
    }[place]
    with connecting(server.url, **transport, **options) as client:
        assert client.wait("connect") == transport["transports"][0]
        assert client.emit("typing", {})["detail"] == "Invalid conversation id"


@pytest.mark.parametrize(
    ("auth", "reason"),
    [
        pytest.param({"token": "tsk_" + "A" * 43}, "Could not validate credentials", id="unknown"),
        pytest.param({"token": "tsk_" + "A" * 10_000}, "Could not validate credentials", id="huge"),
        pytest.param({"token": "upload"}, "Key lacks scope chat", id="other-scope"),
    ],
)
def test_what_is_no_key_for_the_chat_is_refused(
    server: LiveServer, alice: requests.Session, auth: dict[str, str], reason: str
) -> None:
    auth = {"token": new_key(server, alice, "upload")["key"]} if auth["token"] == "upload" else auth
    with connecting(server.url, auth=auth) as client:
        assert client.wait("connect_error") == reason
        assert client.heard("connect") == []


@pytest.mark.parametrize("cookie", ["access_token_cookie", "game_zip_token"])
def test_a_key_in_a_cookie_opens_no_socket(server: LiveServer, alice: requests.Session, cookie: str) -> None:
    headers = {"Cookie": f"{cookie}={new_key(server, alice, 'chat')['key']}"}
    with connecting(server.url, extraHeaders=headers, **WEBSOCKET) as client:
        client.wait("connect_error")


def test_the_sockets_of_a_revoked_key_end(server: LiveServer, alice: requests.Session) -> None:
    dead, alive = new_key(server, alice, "chat"), new_key(server, alice, "chat")
    auth = {"auth": {"token": dead["key"]}}
    with (
        connecting(server.url, **auth, **POLLING) as polling,
        connecting(server.url, **auth, **WEBSOCKET) as direct,
        connecting(server.url, auth={"token": alive["key"]}, **WEBSOCKET) as other,
    ):
        for each in (polling, direct, other):
            each.wait("connect")
        alice.delete(f"{server.url}/auth/keys/{dead['id']}", timeout=30).raise_for_status()
        assert direct.wait("disconnect", seconds=END_SECONDS) == "io server disconnect"
        polling.wait("disconnect", seconds=END_SECONDS)
        other.catch_up()
        assert other.heard("disconnect") == []
        assert requests.get(f"{server.url}/auth/me", headers=bearer(dead), timeout=30).status_code == 401


def test_a_socket_ends_with_its_keys_life(server: LiveServer, alice: requests.Session) -> None:
    ends_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=LIFE_SECONDS)
    key = new_key(server, alice, "chat", expires_at=format_second(ends_at))
    with connecting(server.url, auth={"token": key["key"]}, **WEBSOCKET) as client:
        client.wait("connect")
        client.wait("disconnect", seconds=LIFE_SECONDS + END_SECONDS)
        assert datetime.now(UTC) >= ends_at
        assert client.heard("error") == [{"detail": "Token expired"}]


def test_uses_are_told_within_ten_seconds(server: LiveServer, alice: requests.Session) -> None:
    key = new_key(server, alice, "files")
    used_at = format_second(datetime.now(UTC))
    requests.get(f"{server.url}/api/files", headers=bearer(key), timeout=30).raise_for_status()

    def told() -> Any:
        keys = alice.get(f"{server.url}/auth/keys", timeout=30).json()["keys"]
        return next(each["last_used_at"] for each in keys if each["id"] == key["id"])

    wait_until(lambda: told() is not None, seconds=10 + END_SECONDS)
    assert told() >= used_at


def test_no_log_holds_a_key(server: LiveServer, alice: requests.Session) -> None:
    """Whatever is done with it, and wherever somebody puts it who means well."""
    key = new_key(server, alice)
    text = key["key"]
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/auth/me", {"headers": bearer(key)}),
        ("GET", f"/api/files?key={text}", {}),
        ("GET", f"/download/log.bin?access_token={text}", {}),
        ("GET", f"/api/files/status/{text}", {"headers": bearer(key)}),
        ("GET", f"/no/such/{text}", {"headers": bearer(key)}),
        ("POST", "/auth/token", {"json": {"username": text, "password": text}}),
        ("POST", "/auth/refresh", {"json": {"refresh_token": text}}),
        ("POST", "/auth/keys", {"json": {"name": text, "scopes": [text]}, "headers": bearer(key)}),
        ("POST", "/api/uploads", {"headers": {**bearer(key), "Tus-Resumable": text}}),
        ("GET", "/auth/me", {"headers": {"Authorization": f"Basic {text}"}}),
        ("GET", "/auth/me", {"headers": {"Cookie": f"access_token_cookie={text}"}}),
        ("GET", "/auth/me", {"headers": {"Authorization": f"Bearer {text[:30]}"}}),
        (text, "/auth/me", {}),
    ]
    for method, path, arguments in calls:
        requests.request(method, server.url + path, timeout=30, **arguments)
    connection = websocket.create_connection(
        f"ws://127.0.0.1:{server.port}/socket.io/?EIO=4&transport=websocket&token={text}", suppress_origin=True
    )
    connection.send("40" + json.dumps({"token": text}))
    connection.recv()
    connection.send(f'42["{text}",{{}}]')
    connection.close()
    requests.get(f"{server.url}/healthz", timeout=30)
    time.sleep(0.5)  # for the line of the socket
    log = server.log_path.read_text()
    assert key["id"] in log
    assert text[4:30] not in log
