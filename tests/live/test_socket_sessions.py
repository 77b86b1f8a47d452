"""Who may have a Socket.IO connection, and for how long."""

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import requests
import websocket
from sqlalchemy import update

from tests.conftest import PASSWORD
from tests.live.node import connected, connecting, token_of
from tests.live.server import LiveServer, running
from transfer_service.models.accounts import RefreshToken

pytestmark = pytest.mark.measured

SECRET_KEY = "a secret of the tests, long enough for HS256"
ALLOWED_ORIGIN = "https://app.example"
END_SECONDS, STOP_SECONDS = 30.0, 20.0  # a stop that waits for sockets takes a minute
LIFE_SECONDS = 10  # of a token: a client starts and connects within them
REFUSED = "Could not validate credentials"
HANDSHAKE = "/socket.io/?EIO=4&transport="
POLLING, WEBSOCKET = {"transports": ["polling"]}, {"transports": ["websocket"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("sessions") / "data"
    with running(folder, "alice", "bob", SECRET_KEY=SECRET_KEY, TRANSFER_CORS_ORIGINS=ALLOWED_ORIGIN) as server:
        yield server


@pytest.fixture
def bob(server: LiveServer) -> requests.Session:
    return server.sign_in("bob")


def changed(token: str, **claims: Any) -> str:
    """A token that differs in some claims, signed with the server's key."""
    real = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode({**real, **claims}, SECRET_KEY, algorithm="HS256")


def pair(server: LiveServer, name: str) -> dict[str, str]:
    """An access and a refresh token."""
    body = {"username": name, "password": PASSWORD}
    tokens: dict[str, str] = requests.post(f"{server.url}/auth/token", json=body, timeout=30).json()
    return tokens


def cookie_of(server: LiveServer, name: str) -> str:
    """The cookie of a browser that has signed in."""
    with requests.Session() as browser:
        browser.post(f"{server.url}/auth/login", json={"username": name, "password": PASSWORD}, timeout=30)
        return f"access_token_cookie={browser.cookies['access_token_cookie']}"


def logout(server: LiveServer, session: requests.Session) -> None:
    assert session.post(f"{server.url}/auth/logout", timeout=30).status_code == 204


@pytest.mark.parametrize("transport", [POLLING, WEBSOCKET], ids=["polling", "websocket"])
@pytest.mark.parametrize("place", ["access_token", "token", "Bearer in auth", "Authorization", "Cookie"])
def test_a_token_is_accepted_wherever_a_client_can_put_it(
    server: LiveServer, bob: requests.Session, place: str, transport: dict[str, Any]
) -> None:
    token = token_of(bob)
    options: dict[str, Any] = {
        "access_token": {"auth": {"access_token": token}},
        "token": {"auth": {"token": token}},
        "Bearer in auth": {"auth": {"token": f"Bearer {token}"}},
        "Authorization": {"extraHeaders": {"Authorization": f"Bearer {token}"}},
        "Cookie": {"extraHeaders": {"Cookie": cookie_of(server, "bob")}},
    }[place]
    with connecting(server.url, **transport, **options) as client:
        assert client.wait("connect") == transport["transports"][0]
        assert client.emit("typing", {})["success"] is False


def _revoked(server: LiveServer) -> str:
    session = server.sign_in("bob")
    logout(server, session)
    return token_of(session)


def _disabled(server: LiveServer) -> str:
    token = pair(server, "bob")["access_token"]
    server.command("accounts", "disable", "bob")
    return token


REFUSALS: dict[str, tuple[Callable[[LiveServer], Any], str]] = {
    "none": (lambda _: None, "Not authenticated"),
    "empty": (lambda _: "", "Not authenticated"),
    "garbage": (lambda _: "a.b.c", REFUSED),
    "not even a string": (lambda _: {"a": [1]}, REFUSED),
    "a lone surrogate": (lambda _: "\ud800", REFUSED),
    "expired": (lambda server: changed(pair(server, "bob")["access_token"], exp=int(time.time()) - 1), REFUSED),
    "somebody else's": (lambda server: changed(pair(server, "bob")["access_token"], sub="alice"), REFUSED),
    "unknown family": (lambda server: changed(pair(server, "bob")["access_token"], family=str(uuid.uuid4())), REFUSED),
    "refresh token": (lambda server: pair(server, "bob")["refresh_token"], REFUSED),
    "revoked": (_revoked, REFUSED),
    "disabled account": (_disabled, REFUSED),
}


@pytest.mark.parametrize("shown", REFUSALS)
def test_a_connection_without_a_valid_token_is_refused(server: LiveServer, shown: str) -> None:
    make_token, reason = REFUSALS[shown]
    try:
        with connecting(server.url, auth={"access_token": make_token(server)}) as client:
            assert client.wait("connect_error") == reason
            assert client.heard("connect") == []
    finally:
        if shown == "disabled account":
            server.command("accounts", "enable", "bob")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example", "app.example"])
def test_a_foreign_origin_gets_no_session(server: LiveServer, bob: requests.Session, origin: str) -> None:
    answer = bob.get(f"{server.url}{HANDSHAKE}polling", headers={"Origin": origin}, timeout=30)
    assert (answer.status_code in {400, 403}, "sid" in answer.text) == (True, False)
    assert "Access-Control-Allow-Origin" not in answer.headers
    with pytest.raises(websocket.WebSocketBadStatusException) as refusal:
        websocket.create_connection(f"ws://127.0.0.1:{server.port}{HANDSHAKE}websocket", origin=origin)
    assert refusal.value.status_code in {400, 403}


@pytest.mark.parametrize("origin", [ALLOWED_ORIGIN, "the same", None])
def test_own_and_listed_origins_get_a_session(server: LiveServer, origin: str | None) -> None:
    origin = server.url if origin == "the same" else origin
    headers = {"Origin": origin} if origin else {}
    answer = requests.get(f"{server.url}{HANDSHAKE}polling", headers=headers, timeout=30)
    assert json.loads(answer.text[1:])["sid"]
    assert answer.headers.get("Access-Control-Allow-Origin") == (origin if origin == ALLOWED_ORIGIN else None)
    url = f"ws://127.0.0.1:{server.port}{HANDSHAKE}websocket"
    connection = websocket.create_connection(url, origin=origin, suppress_origin=origin is None)
    assert str(connection.recv()).startswith("0{")
    connection.close()


def _reuse_refresh_token(server: LiveServer, tokens: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {tokens['refresh_token']}"}
    assert requests.post(f"{server.url}/auth/refresh", headers=headers, timeout=30).status_code == 200
    with server.services() as services, services.database.write() as session:  # as if it had been half an hour ago
        session.execute(
            update(RefreshToken)
            .where(RefreshToken.spent_at.is_not(None))
            .values(spent_at=datetime.now(UTC) - timedelta(minutes=30))
        )
    assert requests.post(f"{server.url}/auth/refresh", headers=headers, timeout=30).status_code == 401


def _log_out_elsewhere(server: LiveServer, tokens: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    requests.post(f"{server.url}/auth/logout", headers=headers, timeout=30).raise_for_status()


ENDINGS: dict[str, Callable[[LiveServer, dict[str, str]], object]] = {
    "logout elsewhere": _log_out_elsewhere,
    "refresh token used long ago": _reuse_refresh_token,
    "disabled": lambda server, _: server.command("accounts", "disable", "bob"),
    "new password": lambda server, _: server.command(
        "accounts", "set-password", "bob", "--password-stdin", stdin=PASSWORD + "\n"
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_live_socket_ends_with_its_sign_in(server: LiveServer, ending: str) -> None:
    tokens = pair(server, "bob")
    auth = {"auth": {"access_token": tokens["access_token"]}}
    alice = server.sign_in("alice")
    try:
        with (
            connecting(server.url, **auth, **POLLING) as polling,
            connecting(server.url, **auth, **WEBSOCKET) as direct,
            connected(server, alice, **WEBSOCKET) as other,
        ):
            polling.wait("connect")
            direct.wait("connect")
            ENDINGS[ending](server, tokens)
            assert direct.wait("disconnect", seconds=END_SECONDS) == "io server disconnect"
            polling.wait("disconnect", seconds=END_SECONDS)
            other.catch_up()
            assert other.heard("disconnect") == []
    finally:
        server.command("accounts", "enable", "bob")


@pytest.mark.parametrize("transport", [POLLING, WEBSOCKET], ids=["polling", "websocket"])
def test_a_live_socket_ends_with_its_token(
    server: LiveServer, bob: requests.Session, transport: dict[str, Any]
) -> None:
    expires_at = int(time.time()) + LIFE_SECONDS
    token = changed(token_of(bob), exp=expires_at)
    with connecting(server.url, auth={"token": token}, **transport) as client:
        client.wait("connect")
        client.wait("disconnect", seconds=expires_at + END_SECONDS - time.time())
        assert time.time() >= expires_at
        assert client.heard("error") == [{"detail": "Token expired"}]


def test_a_newer_token_prolongs_a_socket(server: LiveServer, bob: requests.Session) -> None:
    expires_at = int(time.time()) + LIFE_SECONDS
    with connecting(server.url, auth={"token": changed(token_of(bob), exp=expires_at)}, **WEBSOCKET) as client:
        client.wait("connect")
        newer = {"access_token": changed(token_of(bob), exp=expires_at + 4)}
        assert client.emit("authenticate", newer) == {"success": True}
        client.wait("error", seconds=expires_at + 4 + END_SECONDS - time.time())
        assert time.time() >= expires_at + 4
        assert client.wait("disconnect") == "io server disconnect"


@pytest.mark.parametrize(
    ("shown", "detail"),
    [
        pytest.param("alice's", "The token is another account's", id="another-accounts"),
        pytest.param("a.b.c", REFUSED, id="garbage"),
        pytest.param("x" * 900_000, REFUSED, id="enormous"),
        pytest.param(None, "Missing access_token", id="none"),
    ],
)
def test_a_token_that_does_not_count_changes_nothing(
    server: LiveServer, bob: requests.Session, shown: str | None, detail: str
) -> None:
    token = token_of(server.sign_in("alice")) if shown == "alice's" else shown
    with connected(server, bob, **WEBSOCKET) as client:
        assert client.emit("authenticate", {"access_token": token}) == {"success": False, "detail": detail}
        client.catch_up()
        assert client.heard("disconnect") == []


def silent_client(server: LiveServer, session: requests.Session) -> None:
    """A polling client that connects, and never polls again."""
    opened = session.get(f"{server.url}{HANDSHAKE}polling", timeout=30)
    url = f"{server.url}{HANDSHAKE}polling&sid={json.loads(opened.text[1:])['sid']}"
    session.post(url, data="40" + json.dumps({"token": token_of(session)}), timeout=30).raise_for_status()
    assert session.get(url, timeout=30).text.startswith("40")


def test_a_client_that_never_polls_does_not_keep_others_alive(server: LiveServer, bob: requests.Session) -> None:
    silent = server.sign_in("bob")
    silent_client(server, silent)
    with connected(server, bob, **WEBSOCKET) as later:
        logout(server, silent)
        with connected(server, server.sign_in("alice"), **POLLING) as witness:  # a look at sign-ins is now certain
            logout(server, bob)
            later.wait("disconnect", seconds=END_SECONDS)
            witness.catch_up()


@pytest.mark.one_machine("it stops one process")
@pytest.mark.parametrize("absent", [None, "polling", "websocket"])
def test_a_stop_ends_sockets_at_once(server: LiveServer, bob: requests.Session, absent: str | None) -> None:
    assert server.process is not None
    with ExitStack() as stack:
        if absent == "polling":
            silent_client(server, bob)
        elif absent == "websocket":  # a telephone without a network, say
            url = f"ws://127.0.0.1:{server.port}{HANDSHAKE}websocket"
            connection = websocket.create_connection(url, suppress_origin=True)
            stack.callback(connection.shutdown)
            connection.send("40" + json.dumps({"token": token_of(bob)}))
        clients = [stack.enter_context(connected(server, bob, **each)) for each in (POLLING, WEBSOCKET)]
        server.process.terminate()
        try:
            for client in clients:
                client.wait("disconnect", seconds=STOP_SECONDS)
            server.process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still there after {STOP_SECONDS} s")
        finally:
            if server.is_running():
                server.kill()
            server.start()
