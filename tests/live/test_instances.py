"""Three instances on one PostgreSQL: sign-ins that end, a database and a Redis that fall silent.

Two of them have that Redis, one has none.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import socketio
from sqlalchemy import update

from benchmarks.postgres import Postgresql, postgresql
from benchmarks.servers import NotInstalled
from tests.conftest import PASSWORD, SECRET
from tests.live.download_worker import working
from tests.live.node import token_of
from tests.live.server import LiveServer, started, wait_until
from tests.missing import missing
from tests.redis_server import running_redis
from tests.remote_jobs import Jobs
from tests.silent_proxy import SilentProxy
from transfer_service.models.accounts import RefreshToken
from transfer_service.models.games import DownloadState

END_SECONDS, SOON, AT_ONCE, BACK_SECONDS = 30.0, 25.0, 2.0, 90.0
TIMEOUT = 60


@dataclass(frozen=True)
class Installation:
    """The instances, and the ways to what they stand on. `third` has no Redis."""

    first: LiveServer
    second: LiveServer
    third: LiveServer
    database: SilentProxy
    redis: SilentProxy

    def log(self) -> str:
        """What all of them have written."""
        return self.first.log_path.read_text()


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgresql]:
    """One that these tests may stop."""
    try:
        with postgresql() as server:
            yield server
    except NotInstalled as error:
        missing(str(error))


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, postgres: Postgresql) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("instances")
    with ExitStack() as stack:
        redis = stack.enter_context(SilentProxy(stack.enter_context(running_redis(folder)).port))
        database = stack.enter_context(SilentProxy(postgres.port))
        url = postgres.create("instances").replace(str(postgres.port), str(database.port))
        shared = {"SECRET_KEY": SECRET, "TRANSFER_DATABASE_URL": url, "TRANSFER_RATE_LIMITS": "100000/minute"}
        with_redis = {**shared, "TRANSFER_REDIS_URL": f"redis://127.0.0.1:{redis.port}/0"}
        first, second = (LiveServer(folder / "data", with_redis) for _ in range(2))
        third = LiveServer(folder / "data", shared)
        first.prepare("alice", "bob")
        for server in (first, second, third):
            stack.enter_context(started(server))
        yield Installation(first, second, third, database, redis)


@contextmanager
def silent(proxy: SilentProxy | None) -> Iterator[None]:
    """While nothing gets through, if there is anything to silence."""
    if proxy is None:
        yield
        return
    proxy.fall_silent()
    try:
        yield
    finally:
        proxy.speak()


@contextmanager
def stopped(server: Postgresql) -> Iterator[None]:
    """While it does not run."""
    server.stop("fast")
    try:
        yield
    finally:
        server.start()


@dataclass
class Presence:
    """An account that is at all three: by HTTP, by a socket at the second, by a progress stream at the third."""

    http: requests.Session
    refresh_token: str
    socket: socketio.Client
    stream: threading.Thread

    def has_ended(self) -> bool:
        """Whether neither the socket nor the stream is there any more."""
        return not self.socket.connected and not self.stream.is_alive()


def _read(stream: requests.Response) -> None:
    """Until its end: by itself, or cut off where the account is disabled, whichever comes first."""
    with suppress(requests.exceptions.ChunkedEncodingError):
        list(stream.iter_content(64))


@contextmanager
def present(installation: Installation, name: str, stream_path: str) -> Iterator[Presence]:
    """One that signs in at the first."""
    body = {"username": name, "password": PASSWORD}
    tokens = requests.post(f"{installation.first.url}/auth/token", json=body, timeout=TIMEOUT).json()
    http = requests.Session()
    http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    stream = http.get(installation.third.url + stream_path, stream=True, timeout=TIMEOUT)
    assert stream.status_code == 200
    reader = threading.Thread(target=_read, args=[stream])
    reader.start()
    client = socketio.Client(reconnection=False, handle_sigint=False)
    client.connect(installation.second.url, auth={"token": token_of(http)}, transports=["websocket"], wait_timeout=60)
    try:
        yield Presence(http, tokens["refresh_token"], client, reader)
    finally:
        client.disconnect()
        reader.join(TIMEOUT)


def _log_out(installation: Installation, presence: Presence, _name: str) -> None:
    assert presence.http.post(f"{installation.first.url}/auth/logout", timeout=TIMEOUT).status_code == 204


def _change_password(installation: Installation, _presence: Presence, name: str) -> None:
    """From another sign-in of the account."""
    body = {"current_password": PASSWORD, "new_password": PASSWORD + "2"}
    answer = installation.first.sign_in(name).post(
        f"{installation.first.url}/auth/password", json=body, timeout=TIMEOUT
    )
    assert answer.status_code == 204


def _disable(installation: Installation, _presence: Presence, name: str) -> None:
    with installation.first.services() as services:
        services.accounts.disable(name)


def _delete(installation: Installation, _presence: Presence, name: str) -> None:
    with installation.first.services() as services:
        services.account_removal.remove(name)


def _reuse(installation: Installation, presence: Presence, _name: str) -> None:
    """Of a refresh token that was spent a while ago: the family ends."""
    url, fields = f"{installation.first.url}/auth/refresh", {"Authorization": f"Bearer {presence.refresh_token}"}
    assert requests.post(url, headers=fields, timeout=TIMEOUT).status_code == 200
    long_ago = datetime.now(UTC) - timedelta(minutes=30)
    with installation.first.services() as services, services.database.write() as session:
        session.execute(update(RefreshToken).where(RefreshToken.spent_at.is_not(None)).values(spent_at=long_ago))
    assert requests.post(url, headers=fields, timeout=TIMEOUT).status_code == 401


ENDINGS: dict[str, Callable[[Installation, Presence, str], None]] = {
    "logs out": _log_out,
    "changes its password": _change_password,
    "is disabled": _disable,
    "is deleted": _delete,
    "shows a spent token": _reuse,
}


@pytest.mark.parametrize("redis_is", ["there", "silent"])
def test_a_sign_in_that_ends_at_one_instance_ends_at_all(installation: Installation, redis_is: str) -> None:
    names = {f"{ending} {redis_is}": ending for ending in ENDINGS}
    with installation.first.services() as services:
        for name in names:
            services.accounts.create(name, PASSWORD)
        game_id, job_id = Jobs(services.database).add_job()
    path = f"/api/downloads/{game_id}/download/progress"
    with silent(installation.redis if redis_is == "silent" else None), ExitStack() as stack:
        there = {name: stack.enter_context(present(installation, name, path)) for name in names}
        kept = stack.enter_context(present(installation, "bob", path))
        for name, ending in names.items():
            ENDINGS[ending](installation, there[name], name)
            refused = there[name].http.get(f"{installation.third.url}/auth/me", timeout=TIMEOUT)
            assert (name, refused.status_code) == (name, 401)
        wait_until(lambda: all(each.has_ended() for each in there.values()), seconds=END_SECONDS)
        assert (kept.socket.connected, kept.stream.is_alive()) == (True, True)
        with installation.first.services() as services:
            Jobs(services.database).change(job_id, state=DownloadState.CANCELLED)


@dataclass
class Chat:
    """Alice at the first, and what Bob hears at another one."""

    alice: requests.Session
    conversation: str
    heard: list[Any]
    socket: socketio.Client
    installation: Installation

    def post(self, content: str) -> requests.Response:
        """Say something."""
        body = {"conversation_id": self.conversation, "content": content}
        return self.alice.post(f"{self.installation.first.url}/messages", json=body, timeout=TIMEOUT)

    def is_heard(self, content: str) -> bool:
        """Say it and wait a moment."""
        self.post(content)
        time.sleep(0.3)
        return content in self.heard


@contextmanager
def chatting(installation: Installation, listens_at: LiveServer) -> Iterator[Chat]:
    """A conversation that is heard at another instance."""
    alice, bob = installation.first.sign_in("alice"), installation.first.sign_in("bob")
    created = alice.post(f"{installation.first.url}/conversations/create", json={"email": "bob"}, timeout=TIMEOUT)
    heard: list[Any] = []
    client = socketio.Client(reconnection=False, handle_sigint=False)
    client.on("new_message", lambda message: heard.append(message["content"]))
    client.connect(listens_at.url, auth={"token": token_of(bob)}, transports=["websocket"], wait_timeout=60)
    chat = Chat(alice, created.json()["conversation_id"], heard, client, installation)
    try:
        wait_until(lambda: chat.is_heard("begin"))
        yield chat
    finally:
        client.disconnect()


def _timed(ask: Callable[[], requests.Response]) -> tuple[requests.Response, float]:
    began = time.monotonic()
    return ask(), time.monotonic() - began


@pytest.mark.parametrize("database_is", ["stopped", "silent"])
def test_nobody_waits_long_for_a_database_that_is_away_and_all_goes_on_when_it_is_back(
    installation: Installation, postgres: Postgresql, database_is: str
) -> None:
    first, url = installation.first, installation.first.url
    environment = {name: value for name, value in first.environment.items() if name != "TRANSFER_REDIS_URL"}
    worker_log = first.data_dir.parent / "worker.log"
    worker_log.write_text("")
    with working(first.data_dir, **environment), chatting(installation, installation.second) as chat:
        wait_until(lambda: "worker_started" in worker_log.read_text())
        logs = {installation.first.log_path: 2, worker_log: 1}
        before = {path: len(path.read_text()) for path in logs}

        def told(event: str) -> list[int]:
            return [path.read_text()[before[path] :].count(f'"{event}"') for path in logs]

        with stopped(postgres) if database_is == "stopped" else silent(installation.database):
            with ThreadPoolExecutor(100) as pool:
                answers = list(pool.map(lambda number: _timed(lambda: chat.post(f"{number}")), range(100)))
            assert {(answer.status_code, answer.headers.get("Retry-After")) for answer, _ in answers} == {(503, "5")}
            assert max(seconds for _, seconds in answers) < SOON
            later = [_timed(lambda: chat.alice.get(f"{url}/api/files", timeout=TIMEOUT)) for _ in range(3)]
            assert {answer.status_code for answer, _ in later} == {503}
            assert min(seconds for _, seconds in later) < AT_ONCE
            typing = chat.socket.call("typing", {"conversation_id": chat.conversation}, timeout=TIMEOUT)
            assert typing == {"success": False, "detail": later[0][0].json()["detail"]}
            health = [requests.get(f"{url}/{path}", timeout=TIMEOUT).status_code for path in ("healthz", "readyz")]
            assert health == [200, 503]
            # The watch over sign-ins has asked in vain, too.
            wait_until(lambda: told("database_away") == list(logs.values()))
        wait_until(lambda: chat.is_heard("back"), seconds=BACK_SECONDS)
        assert (chat.socket.connected, requests.get(f"{url}/readyz", timeout=TIMEOUT).status_code) == (True, 200)
        with first.services() as services:
            jobs = Jobs(services.database)
            _, job_id = jobs.add_job()
            wait_until(lambda: jobs.state_of(job_id) is not DownloadState.PENDING, seconds=BACK_SECONDS)
    wait_until(lambda: told("database_back") == list(logs.values()))
    assert told("database_away") == list(logs.values())
    assert [told("machine_fault"), told("failure")] == [[0, 0], [0, 0]]


def test_nobody_waits_for_a_silent_redis_and_events_flow_when_it_speaks(installation: Installation) -> None:
    before = installation.log()
    with chatting(installation, installation.second) as chat:
        with silent(installation.redis):
            answers = [_timed(lambda: chat.post("alone")) for _ in range(50)]
            assert {answer.status_code for answer, _ in answers} == {200}
            assert sum(seconds for _, seconds in answers) < SOON
            assert requests.get(f"{installation.first.url}/readyz", timeout=TIMEOUT).json() == {"status": "degraded"}
            time.sleep(7)  # who listens has noticed
        wait_until(lambda: chat.is_heard("back"), seconds=BACK_SECONDS)
        assert chat.socket.connected
    told = installation.log().removeprefix(before).count('"redis_away"')
    assert told <= 6  # of two instances: what is sent, what is heard, what is counted
