"""Progress streams with real clients: EventSource, curl, bare sockets; through nginx, by the hundred, to the end."""

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from tests.conftest import PASSWORD
from tests.live.bare_socket import BareClient
from tests.live.event_source import following
from tests.live.nginx import NginxFront, behind_nginx
from tests.live.node import connected, token_of
from tests.live.server import LiveServer, running, wait_until
from tests.remote_jobs import SIZE, Jobs, jobs_of
from transfer_service.models.games import DownloadState

SECRET_KEY = "a secret of the tests, long enough for HS256"
END_SECONDS, STOP_SECONDS = 20.0, 20.0  # a stop that waits for streams takes a minute
READERS = 500
ANSWER_SECONDS, CPU_SHARE, GROWTH_BYTES = 1.0, 0.1, 100 * 1024 * 1024
PENDING = {"status": "pending", "progress": 0, "bytesDownloaded": 0, "totalBytes": SIZE, "speed": 0}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("progress") / "data", "alice", "bob", SECRET_KEY=SECRET_KEY) as server:
        yield server


@pytest.fixture(scope="module")
def front(server: LiveServer) -> Iterator[NginxFront]:
    with behind_nginx(server) as front:
        yield front


@pytest.fixture
def jobs(server: LiveServer) -> Iterator[Jobs]:
    with jobs_of(server.data_dir) as jobs:
        yield jobs


def path_of(game_id: uuid.UUID) -> str:
    return f"/api/downloads/{game_id}/download/progress"


def bearer(session: requests.Session) -> dict[str, str]:
    return {"Authorization": str(session.headers["Authorization"])}


def cookie(server: LiveServer) -> dict[str, str]:
    """What a browser sends that has signed in."""
    with requests.Session() as browser:
        browser.post(f"{server.url}/auth/login", json={"username": "alice", "password": PASSWORD}, timeout=30)
        return {"Cookie": f"access_token_cookie={browser.cookies['access_token_cookie']}"}


def messages(text: str) -> list[dict[str, Any]]:
    """The data of every event in the text of a stream."""
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]


@pytest.mark.parametrize("sign_in", ["bearer", "cookie"])
def test_an_event_source_sees_every_state_and_stays_away_after_the_end(
    server: LiveServer, alice: requests.Session, jobs: Jobs, sign_in: str
) -> None:
    game_id, job_id = jobs.add_job()
    headers = bearer(alice) if sign_in == "bearer" else cookie(server)
    with following(server.url + path_of(game_id), headers) as client:
        assert client.wait("message") == {**PENDING, "id": f"{job_id}-pending"}
        for state, received in [("downloading", 255), ("verifying", SIZE), ("completed", SIZE)]:
            jobs.change(job_id, DownloadState(state), bytes_downloaded=received)
            client.wait("message", status=state)
        assert client.wait("closed") == 204
    assert [each["progress"] for each in client.messages()[-1:]] == [100]
    assert [each["status"] for each in client.messages()].count("completed") == 1


def test_an_event_source_comes_back_after_a_crash(tmp_path: Path) -> None:
    with running(tmp_path / "data", "alice") as server, jobs_of(server.data_dir) as jobs:
        game_id, job_id = jobs.add_job()
        with following(server.url + path_of(game_id), bearer(server.sign_in("alice"))) as client:
            client.wait("message", status="pending")
            server.kill()
            client.wait("interrupted")
            jobs.change(job_id, DownloadState.ERROR, error="All sources failed")
            server.start()
            assert client.wait("message", status="error")["error"] == "All sources failed"
            assert client.wait("closed") == 204


@pytest.mark.parametrize("how", ["logout", "disabled"])
def test_a_stream_ends_soon_after_its_sign_in(server: LiveServer, jobs: Jobs, how: str) -> None:
    game_id, _ = jobs.add_job()
    ending, staying = server.sign_in("bob"), server.sign_in("alice")
    try:
        with (
            following(server.url + path_of(game_id), bearer(ending)) as client,
            following(server.url + path_of(game_id), bearer(staying)) as other,
        ):
            client.wait("message")
            other.wait("message")
            if how == "logout":
                ending.post(f"{server.url}/auth/logout", timeout=30).raise_for_status()
            else:
                server.command("accounts", "disable", "bob")
            client.wait("interrupted", seconds=END_SECONDS)
            assert client.wait("closed") == 401
            with pytest.raises(AssertionError, match="no interrupted"):
                other.wait("interrupted", seconds=0.1)
    finally:
        server.command("accounts", "enable", "bob")


def test_a_stream_ends_with_its_token(server: LiveServer, alice: requests.Session, jobs: Jobs) -> None:
    game_id, _ = jobs.add_job()
    expires_at = int(time.time()) + 8
    claims = jwt.decode(token_of(alice), options={"verify_signature": False})
    token = jwt.encode({**claims, "exp": expires_at}, SECRET_KEY, algorithm="HS256")
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.get(server.url + path_of(game_id), headers=headers, timeout=30)  # reads to the end
    assert messages(answer.text)[0] == PENDING
    assert expires_at <= time.time() < expires_at + END_SECONDS


def test_curl_gets_events_as_they_come_and_ends_by_itself(
    server: LiveServer, alice: requests.Session, jobs: Jobs
) -> None:
    game_id, job_id = jobs.add_job()
    with _curl(server.url + path_of(game_id), alice) as curl:
        assert curl.stdout is not None
        lines = iter(curl.stdout)
        first = [next(lines) for _ in range(3)]
        jobs.change(job_id, DownloadState.CANCELLED)
        rest = list(lines)
        assert curl.wait(timeout=60) == 0
    assert first[:2] == ["retry: 2000\n", f"id: {job_id}-pending\n"]
    assert messages("".join(rest))[-1] == {**PENDING, "status": "cancelled"}


def _curl(url: str, session: requests.Session, *options: str) -> subprocess.Popen[str]:
    command = [
        "curl",
        "--no-buffer",
        "--silent",
        "--fail",
        *options,
        "-H",
        f"Authorization: {bearer(session)['Authorization']}",
        url,
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_client_of_http_1_0_reads_until_the_connection_closes(
    server: LiveServer, alice: requests.Session, jobs: Jobs
) -> None:
    game_id, job_id = jobs.add_job()
    jobs.change(job_id, DownloadState.COMPLETED)
    with BareClient(server) as client:
        client.send(
            f"GET {path_of(game_id)} HTTP/1.0\r\nAuthorization: {bearer(alice)['Authorization']}\r\n\r\n".encode()
        )
        status, headers = client.receive_head()
        assert (status, headers.get("transfer-encoding"), headers["connection"]) == (200, None, "close")
        assert messages(client.read_to_the_end().decode())[-1]["status"] == "completed"


def test_a_game_that_was_never_downloaded_is_404(server: LiveServer, alice: requests.Session, jobs: Jobs) -> None:
    answer = alice.get(server.url + path_of(jobs.add_game()), timeout=30)
    assert (answer.status_code, answer.json()["success"]) == (404, False)


@pytest.mark.parametrize("protocol", ["HTTP/1.1", "HTTP/2"])
def test_nginx_passes_each_event_on_when_it_comes(
    front: NginxFront, alice: requests.Session, jobs: Jobs, protocol: str
) -> None:
    game_id, job_id = jobs.add_job()
    base = [front.url] if protocol == "HTTP/1.1" else [front.tls_url, "--http2", "--cacert", str(front.certificate)]
    came_at: list[float] = []
    with _curl(base[0] + path_of(game_id), alice, *base[1:]) as curl:
        assert curl.stdout is not None
        for line in curl.stdout:
            if line.startswith("data: "):
                came_at.append(time.monotonic())
                if len(came_at) == 4:
                    jobs.change(job_id, DownloadState.COMPLETED, bytes_downloaded=SIZE)
    assert len(came_at) == 5
    assert all(later - sooner > 0.3 for sooner, later in pairwise(came_at[1:]))


@pytest.mark.one_machine("it watches what one process has open")
def test_who_goes_away_is_forgotten(tmp_path: Path) -> None:
    with running(tmp_path / "data", "alice") as server, jobs_of(server.data_dir) as jobs:
        game_id, _ = jobs.add_job()
        with server.sign_in("alice") as alice, ExitStack() as stack:
            _open_readers(server, alice, game_id, 30, stack)
        wait_until(server.holds_nothing)
        assert server.is_running()


def _open_readers(
    server: LiveServer, session: requests.Session, game_id: uuid.UUID, count: int, stack: ExitStack
) -> list[BareClient]:
    """Clients that have asked for the stream, take no more than its head, and never read on."""
    clients = [stack.enter_context(BareClient(server, session, receive_buffer=1)) for _ in range(count)]
    for client in clients:
        client.send_head("GET", path_of(game_id))
    for client in clients:
        assert client.receive_head()[0] == 200
    return clients


@pytest.mark.one_machine("it stops one process")
def test_a_stop_ends_streams_at_once(tmp_path: Path) -> None:
    with running(tmp_path / "data", "alice") as server, jobs_of(server.data_dir) as jobs, ExitStack() as stack:
        game_id, _ = jobs.add_job()
        alice = server.sign_in("alice")
        _open_readers(server, alice, game_id, 20, stack)
        client = stack.enter_context(following(server.url + path_of(game_id), bearer(alice)))
        client.wait("message")
        assert server.process is not None
        server.process.terminate()
        client.wait("interrupted", seconds=STOP_SECONDS)
        server.process.wait(timeout=STOP_SECONDS)
        assert "Traceback" not in server.log_path.read_text()


@pytest.mark.alone
def test_hundreds_who_never_read_cost_little_and_hold_up_nobody(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", "alice") as server, jobs_of(server.data_dir) as jobs, ExitStack() as stack,
    ):  # fmt: skip
        game_id, _ = jobs.add_job()
        alice = server.sign_in("alice")
        socket = stack.enter_context(connected(server, alice))
        worker = server.worker()
        memory = worker.memory_info().rss
        _open_readers(server, alice, game_id, READERS, stack)
        before, began = worker.cpu_times(), time.monotonic()
        time.sleep(5)  # what is measured is what they cost while nothing else happens
        after, ended = worker.cpu_times(), time.monotonic()
        share = (after.user + after.system - before.user - before.system) / (ended - began)
        slowest = max(_timed(call) for call in 10 * [
            lambda: alice.get(f"{server.url}/healthz", timeout=30),
            lambda: alice.post(f"{server.url}/api/files?filename=new.bin", data=bytes(100_000), timeout=30),
            lambda: socket.emit("typing", {}),
        ])  # fmt: skip
        assert share < CPU_SHARE
        assert slowest < ANSWER_SECONDS
        assert worker.memory_info().rss - memory < GROWTH_BYTES


def _timed(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began
