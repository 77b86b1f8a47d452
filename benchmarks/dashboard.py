"""`scripts/bench dashboard`: a picture of the dashboard, with what a real Prometheus has of a loaded service.

Grafana is not needed: the panels of deploy/grafana/transfer.json are drawn by a page of ours, each from the answer of
Prometheus to its own query, and Chromium makes a picture of that page.
"""

import argparse
import json
import math
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.connection import Connection
from benchmarks.dashboard_page import Panel, Series, page_of
from benchmarks.measure import say
from benchmarks.servers import (
    REPOSITORY,
    NotInstalled,
    Server,
    clean_environment,
    service,
    started,
    temporary_folder,
)
from tests.ports import free_port

DASHBOARD = REPOSITORY / "deploy" / "grafana" / "transfer.json"
PICTURE = REPOSITORY / "docs" / "dashboard.png"
SCRAPE_SECONDS, WINDOW = 2, "20s"
LOAD_SECONDS = 180.0
SIZES = (1_000, 20_000, 100_000, 500_000)
_CONFIG = """
global: {{scrape_interval: {seconds}s, evaluation_interval: {seconds}s}}
rule_files: [{rules}]
scrape_configs: [{{job_name: transfer, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}]
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line says about it."""
    parser.add_argument("--load-seconds", type=float, default=LOAD_SECONDS, help="dashboard: how long it is loaded")
    parser.add_argument("--picture", type=Path, default=PICTURE, help=f"dashboard: where it goes (default: {PICTURE})")


def run(arguments: argparse.Namespace) -> None:
    """Make the picture."""
    try:
        with ExitStack() as stack:
            prometheus, *times = _watched(stack, arguments.load_seconds)
            panels = [_panel(prometheus, each, times) for each in json.loads(DASHBOARD.read_text("utf-8"))["panels"]]
            _photograph(page_of(panels), arguments.picture)
    except NotInstalled as error:
        say(f"dashboard: left out, {error}")
        return
    say(f"dashboard: {arguments.picture}, {arguments.picture.stat().st_size // 1024} KiB")


def _watched(stack: ExitStack, seconds: float) -> tuple[int, float, float]:
    """The port of a Prometheus that has watched a loaded service, and from when to when."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    server = stack.enter_context(service(TRANSFER_METRICS_BIND=address, TRANSFER_QUOTA_BYTES="350000000"))
    worker = [sys.executable, "-m", "transfer_service", "worker"]
    environment = clean_environment(TRANSFER_DATA_DIR=str(server.folder / "data"), TRANSFER_METRICS_BIND=address)
    stack.enter_context(started(server.folder, environment, worker))
    prometheus = stack.enter_context(prometheus_of(port))
    began = time.time()
    _load(server, seconds)
    return prometheus, began, time.time()


@contextmanager
def prometheus_of(port: int) -> Iterator[int]:
    """The port of a Prometheus that watches one service, by the alerts of deploy/prometheus. Raises NotInstalled."""
    program = shutil.which("prometheus")
    if program is None:
        raise NotInstalled("prometheus is not installed")
    with temporary_folder() as folder:
        own, rules = free_port(), REPOSITORY / "deploy" / "prometheus" / "alerts.yml"
        (folder / "prometheus.yml").write_text(_CONFIG.format(seconds=SCRAPE_SECONDS, port=port, rules=rules))
        command = [program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        with started(folder, clean_environment(), [*command, f"--web.listen-address=127.0.0.1:{own}"]):
            yield own


def _load(server: Server, seconds: float) -> None:
    """What people do, in waves: files up and down, lists, wrong passwords, an upload that falls silent."""
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=_people, args=(server, until, each)) for each in range(4)]
    threads.append(threading.Thread(target=_silent, args=(server, until)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _people(server: Server, until: float, number: int) -> None:
    done = 0
    while time.monotonic() < until:
        # A body that is refused by its head is not read to its end: then the connection closes.
        with suppress(ConnectionError), Connection(server.port, server.token) as connection:
            while (left := until - time.monotonic()) > 0:
                done += 1
                _person(connection, f"{number}-{done}", SIZES[done % len(SIZES)])
                time.sleep(0.05 + 0.15 * (1 + math.sin(left / 9 + number)))


def _person(connection: Connection, name: str, size: int) -> None:
    answer = connection.request("POST", f"/api/files?filename={name}.bin", bytes(size))
    for _ in range(3):
        if answer.status == 201:
            connection.request("GET", answer.field("Location"))
    connection.request("GET", "/api/files?per_page=20")
    connection.request("GET", f"/nothing/{name}")
    if name.endswith("77"):
        wrong = urllib.parse.urlencode({"username": "bench", "password": "wrong"}).encode()
        connection.request("POST", "/token", wrong, media_type="application/x-www-form-urlencoded")


def _silent(server: Server, until: float) -> None:
    while time.monotonic() < until:
        with suppress(OSError), Connection(server.port, server.token) as connection:
            head = connection.head("POST", "/api/files?filename=silent.bin", 1_000_000, "application/octet-stream")
            connection.send(head + bytes(300_000))
            time.sleep(min(15.0, max(0.0, until - time.monotonic())))
        time.sleep(10)


def _panel(port: int, panel: dict[str, Any], times: list[float]) -> Panel:
    place = panel["gridPos"]
    series = [found for target in panel["targets"] for found in _ask(port, target, times)]
    unit = panel["fieldConfig"]["defaults"]["unit"]
    return Panel(
        panel["title"], unit, panel["type"] == "stat", (place["x"], place["y"], place["w"], place["h"]), series
    )


def _ask(port: int, target: dict[str, Any], times: list[float]) -> Iterator[Series]:
    """What Prometheus answers to a query of a panel, as Grafana would ask it."""
    query = target["expr"].replace("$__rate_interval", WINDOW)
    asked = {"query": query, "start": times[0] + 20, "end": times[1], "step": SCRAPE_SECONDS}
    url = f"http://127.0.0.1:{port}/api/v1/query_range?{urllib.parse.urlencode(asked)}"
    with urllib.request.urlopen(url, timeout=20) as answer:
        results = json.load(answer)["data"]["result"]
    for result in results:
        name = target["legendFormat"]
        for label, value in result["metric"].items():
            name = name.replace("{{" + label + "}}", value)
        points = [(float(at), float(value)) for at, value in result["values"] if value != "NaN"]
        if points:
            yield Series(name, points)


def _photograph(page: str, picture: Path) -> None:
    program = shutil.which("chromium")
    if program is None:
        raise NotInstalled("chromium is not installed")
    with temporary_folder() as folder:
        (folder / "page.html").write_text(page, "utf-8")
        command = [program, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile"]
        command += [f"--screenshot={picture}", "--window-size=1200,1156", "--hide-scrollbars"]
        subprocess.run([*command, f"file://{folder}/page.html"], check=True, capture_output=True, timeout=120)
