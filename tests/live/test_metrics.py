"""Metrics of a running service: what is counted, over kills and restarts, and nothing that a client has chosen."""

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests
import yaml

from tests.live.download_worker import environment_of, working
from tests.live.scrapes import Numbers, number, scrape
from tests.live.server import REPOSITORY, LiveServer, running_one, wait_until
from tests.ports import free_port
from transfer_service.telemetry import meters

pytestmark = [pytest.mark.measured, pytest.mark.one_machine("each instance has metrics of its own")]

MIB = 1024 * 1024
QUOTA = 64 * MIB
BIND = "TRANSFER_METRICS_BIND"
PATHS = {*yaml.safe_load((REPOSITORY / "openapi.yaml").read_text("utf-8"))["paths"], meters.UNMATCHED}


@dataclass
class Watched:
    """A service with metrics."""

    server: LiveServer
    port: int

    def scrape(self) -> Numbers:
        return scrape(self.port)


def watched(folder: Path, **settings: str) -> Iterator[Watched]:
    port = free_port()
    bind = {BIND: f"127.0.0.1:{port}", "TRANSFER_QUOTA_BYTES": str(QUOTA), **settings}
    with running_one(folder / "data", "ada", **bind) as server:
        yield Watched(server, port)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    yield from watched(tmp_path_factory.mktemp("metrics"))


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[Watched]:
    yield from watched(tmp_path)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def head_of_upload(session: requests.Session) -> bytes:
    """The head of a request that promises a mebibyte."""
    token = str(session.headers["Authorization"])
    head = f"POST /api/files?filename=slow.bin HTTP/1.1\r\nHost: a\r\nAuthorization: {token}\r\n"
    return f"{head}Content-Length: {MIB}\r\n\r\n".encode()


def more(before: Numbers, after: Numbers, name: str, **labels: str) -> float:
    return number(after, name, **labels) - number(before, name, **labels)


def test_what_is_uploaded_and_downloaded_is_counted(service: Watched) -> None:
    session, before = service.server.sign_in("ada"), service.scrape()
    location = service.server.store(session, "counted.bin", bytes(MIB))
    for _ in range(2):
        session.get(f"{service.server.url}{location}", timeout=60)
    session.get(f"{service.server.url}/api/files", timeout=60)
    after = service.scrape()
    route = {"route": "/api/files/{file_id}/download", "method": "GET", "status": "200"}
    assert more(before, after, "transfer_http_requests_total", **route) == 2
    assert more(before, after, "transfer_uploads_finished_total") == 1
    assert MIB <= more(before, after, "transfer_received_bytes_total") < MIB + 1000
    assert 2 * MIB <= more(before, after, "transfer_sent_bytes_total") < 2 * MIB + 5000
    assert more(before, after, "transfer_fsync_seconds_count") >= 2
    assert more(before, after, "transfer_database_wait_seconds_count") >= 1


def test_refusals_and_sign_ins_are_counted_by_their_kind(service: Watched) -> None:
    session, before = service.server.sign_in("ada"), service.scrape()
    url = service.server.url
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(QUOTA + 1), "Upload-Metadata": "filename YQ=="}
    assert session.post(f"{url}/api/uploads", headers=headers, timeout=60).status_code == 413
    for password in ("wrong", "worse"):
        requests.post(f"{url}/token", data={"username": "ada", "password": password}, timeout=60)
    requests.get(f"{url}/api/files", timeout=60)
    after = service.scrape()
    assert more(before, after, "transfer_refusals_total", reason="quota") == 1
    assert more(before, after, "transfer_refusals_total", reason="permission") == 3
    assert more(before, after, "transfer_sign_ins_total", result="failed") == 2
    assert more(before, service.scrape(), "transfer_sign_ins_total", result="ok") == 0


def test_no_word_of_a_client_gets_into_a_label(service: Watched) -> None:
    """More than a thousand paths, methods, names, queries and hosts that nobody has thought of."""
    session, before = requests.Session(), set(service.scrape())
    for index in range(1500):
        odd = f"zq{index}x"
        method = ("GET", f"ODD{index}", "POST", "DELETE", f"BREW{index}")[index % 5]
        path = (f"/{odd}", f"/api/files/{odd}", f"/s/{odd}", f"/healthz?{odd}=1", f"/api/games/{odd}")[index // 5 % 5]
        session.request(method, service.server.url + path, headers={"User-Agent": odd, "X-Odd": odd}, timeout=60)
    for garbage in (b"GARBAGE\r\n\r\n", b"GET /zq HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: zqodd\r\n\r\n"):
        with connect(service.server.port) as connection:
            connection.sendall(garbage)
            connection.recv(1000)
    text = requests.get(f"http://127.0.0.1:{service.port}/metrics", timeout=60).text
    series = set(service.scrape()) - before
    labels = [dict(its) for name, its in series if name == "transfer_http_requests_total"]
    assert {each["route"] for each in labels} <= PATHS
    assert {each["method"] for each in labels} <= {*meters.METHODS, meters.OTHER_METHOD}
    assert all(re.fullmatch("[1-5][0-9][0-9]", each["status"]) for each in labels)
    assert len(series) < 60
    assert "zq" not in text
    assert "ODD" not in text
    assert {"method": "other", "route": "/healthz", "status": "405"} in labels


def test_uploads_under_way_and_silent_ones_are_shown(service: Watched) -> None:
    head = head_of_upload(service.server.sign_in("ada"))
    with connect(service.server.port) as connection:
        connection.sendall(head + bytes(300_000))
        wait_until(lambda: number(service.scrape(), "transfer_uploads_in_flight") == 1)
        assert number(service.scrape(), "transfer_uploads_stalled") == 0
        wait_until(lambda: number(service.scrape(), "transfer_uploads_stalled") == 1)
        connection.sendall(bytes(1000))
        wait_until(lambda: number(service.scrape(), "transfer_uploads_stalled") == 0)
        assert number(service.scrape(), "transfer_uploads_in_flight") == 1
    wait_until(lambda: number(service.scrape(), "transfer_uploads_in_flight") == 0)


class Watcher(threading.Thread):
    """Scrapes as quickly as it can, and notes what went down."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port, self._ended = port, threading.Event()
        self.scrapes, self.wrong = 0, list[str]()

    def run(self) -> None:
        last: Numbers = {}
        while not self._ended.is_set():
            try:
                now = scrape(self._port)
            except requests.RequestException:  # the process that was answering is dead
                continue
            self.scrapes += 1
            self.wrong += [
                f"{name}: {last[name, its]} then {now.get((name, its))}"
                for name, its in last
                if name.endswith(("_total", "_count", "_sum", "_bucket")) and now.get((name, its), -1) < last[name, its]
            ]
            last = now

    def end(self) -> None:
        self._ended.set()
        self.join()


def kill_worker(server: LiveServer) -> None:
    process = server.worker()
    process.kill()
    process.wait(60)


def test_counters_never_go_down_while_the_process_behind_them_is_killed(own_service: Watched) -> None:
    server, watcher = own_service.server, Watcher(own_service.port)
    session = server.sign_in("ada")
    watcher.start()
    stored = 0
    try:
        for _ in range(4):
            for _ in range(5):
                server.store(session, f"{stored}.bin", b"data")
                stored += 1
            with connect(server.port) as connection:
                connection.sendall(head_of_upload(session) + bytes(300_000))
                wait_until(lambda: number(own_service.scrape(), "transfer_uploads_in_flight") == 1)
                kill_worker(server)
            wait_until(lambda: answers(server))
            assert number(own_service.scrape(), "transfer_uploads_in_flight") == 0
    finally:
        watcher.end()
    after = own_service.scrape()
    assert number(after, "transfer_uploads_finished_total") == stored
    assert number(after, "transfer_processes", role="service") == 1
    assert (watcher.wrong, watcher.scrapes > 20) == ([], True)


def answers(server: LiveServer) -> bool:
    try:
        return requests.get(f"{server.url}/healthz", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def test_a_worker_that_is_a_program_of_its_own_belongs_to_the_service(own_service: Watched) -> None:
    server, bind = own_service.server, f"127.0.0.1:{own_service.port}"

    def workers() -> float:
        return number(own_service.scrape(), "transfer_processes", role="worker")

    with working(server.data_dir, **{BIND: bind}) as process:
        wait_until(lambda: workers() == 1, seconds=60)
        process.kill()
        process.wait(60)
        wait_until(lambda: workers() == 0)
    server.stop()
    server.start()
    assert number(own_service.scrape(), "transfer_uploads_finished_total") == 0


def test_a_worker_without_a_service_answers_where_it_is_told_to(tmp_path: Path) -> None:
    server, port = LiveServer(tmp_path / "data"), free_port()
    server.prepare()
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "worker", "--metrics"]
    environment = environment_of(server.data_dir, **{BIND: f"127.0.0.1:{port}"})
    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: is_open(port), seconds=60)
        assert number(scrape(port), "transfer_processes", role="worker") == 1
    finally:
        process.terminate()
        process.wait(20)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


PROGRAMS: dict[str, list[str]] = {
    "gunicorn": ["gunicorn"],
    "serve": ["gevent.monkey", "--module", "transfer_service.serve"],
    "worker": ["flask", "--app", "wsgi", "worker", "--metrics"],
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_occupied_port_stops_the_start(tmp_path: Path, program: str) -> None:
    server = LiveServer(tmp_path / "data")
    server.prepare("root")
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        environment = environment_of(server.data_dir, TRANSFER_BIND=f"127.0.0.1:{server.port}", **{BIND: address})
        ended = subprocess.run(
            [sys.executable, "-m", *PROGRAMS[program]],
            cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert ended.returncode != 0
    assert f"{BIND}: cannot listen at {address}: Address already in use" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_only_metrics_are_at_the_port_of_metrics(service: Watched) -> None:
    url = f"http://127.0.0.1:{service.port}"
    answers = [requests.request(*each, timeout=60).status_code for each in (
        ("GET", f"{url}/"), ("GET", f"{url}/healthz"), ("GET", f"{url}/metrics/"), ("POST", f"{url}/metrics"),
        ("HEAD", f"{url}/metrics"), ("GET", f"{service.server.url}/metrics"),
    )]  # fmt: skip
    assert answers == [404, 404, 404, 405, 200, 404]


def test_a_scraper_that_says_nothing_keeps_nobody_from_the_service(service: Watched) -> None:
    silent = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(30)]
    try:
        began = time.monotonic()
        assert answers(service.server)
        assert time.monotonic() - began < 20
    finally:
        for each in silent:
            each.close()
    assert number(service.scrape(), "transfer_processes", role="service") == 1


def test_a_reload_keeps_the_port_and_what_was_counted(own_service: Watched) -> None:
    server = own_service.server
    server.store(server.sign_in("ada"), "a.bin", b"data")
    old = server.worker().pid
    assert server.process is not None
    server.process.send_signal(signal.SIGHUP)

    def is_replaced() -> bool:
        children = psutil.Process(server.process.pid).children() if server.process else []
        return [each.pid for each in children if each.pid != old] != [] and not psutil.pid_exists(old)

    wait_until(is_replaced)
    wait_until(lambda: answers(server))
    assert number(own_service.scrape(), "transfer_uploads_finished_total") == 1
