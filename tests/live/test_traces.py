"""Traces of a running service: from the client's request over database and store to the webhook, and at no risk."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.live.collector import Collector, collecting
from tests.live.download_worker import working
from tests.live.receiver import Receiver
from tests.live.scrapes import number, scrape
from tests.live.server import REPOSITORY, LiveServer, running_one, wait_until
from tests.ports import free_port

pytestmark = [pytest.mark.measured, pytest.mark.one_machine("each process sends its own spans")]

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
BIND = "TRANSFER_METRICS_BIND"
SPAN = "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[LiveServer]:
    with running_one(tmp_path_factory.mktemp("traces") / "data", "ada", "root", **{ENDPOINT: collector.url}) as made:
        yield made


def new_trace() -> str:
    return os.urandom(16).hex()


def lines_of(server: LiveServer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log_path.read_text().splitlines() if line.startswith("{")]


def test_a_trace_of_a_client_goes_through_database_and_store(server: LiveServer, collector: Collector) -> None:
    session, trace = server.sign_in("ada"), new_trace()
    answer = session.post(
        f"{server.url}/api/files", params={"filename": "zq-secret.bin", "zq": "1"}, data=b"zq-content" * 1000,
        headers={"traceparent": f"00-{trace}-{SPAN}-01"}, timeout=60,
    )  # fmt: skip
    assert answer.status_code == 400  # of `zq`
    answer = session.post(
        f"{server.url}/api/files", params={"filename": "zq-secret.bin"}, data=b"zq-content" * 1000,
        headers={"traceparent": f"00-{trace}-{SPAN}-01"}, timeout=60,
    )  # fmt: skip
    assert answer.status_code == 201
    wait_until(lambda: len(collector.of_trace(trace).get("POST /api/files", [])) == 2)
    spans = collector.of_trace(trace)
    assert {"database read", "database write", "store flush"} <= spans.keys()
    request = spans["POST /api/files"][1]
    assert request.parent_span_id.hex() == SPAN
    assert spans["database write"][0].parent_span_id == request.span_id
    attributes = {each.key: each.value.int_value or each.value.string_value for each in request.attributes}
    assert attributes == {
        "http.request.method": "POST", "http.route": "/api/files", "http.response.status_code": 201,
    }  # fmt: skip
    assert b"zq" not in collector.raw
    assert str(session.headers["Authorization"])[-30:].encode() not in collector.raw
    wait_until(lambda: sum(line.get("trace_id") == trace for line in lines_of(server)) == 2)


def test_every_request_has_a_trace_of_its_own(server: LiveServer, collector: Collector) -> None:
    def found() -> list[str]:
        return [line["trace_id"] for line in lines_of(server) if line.get("route") == "/openapi.yaml"]

    with requests.Session() as session:
        for _ in range(3):
            session.get(f"{server.url}/openapi.yaml", timeout=60)
    wait_until(lambda: len(found()) == 3)  # a line comes behind the last byte
    assert len(set(found())) == 3
    wait_until(lambda: all(collector.of_trace(each) for each in found()))


@pytest.mark.parametrize("name", ["traceparent", "tracestate"])
@pytest.mark.parametrize("value", ["", "x" * 8000, "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "é=é,", "=,=,=" * 500])
def test_hostile_headers_break_nothing(server: LiveServer, name: str, value: str) -> None:
    headers: dict[str, str | bytes] = {"traceparent": f"00-{new_trace()}-{SPAN}-01"}
    headers[name] = value.encode("latin-1", "replace")
    assert requests.get(f"{server.url}/healthz", headers=headers, timeout=60).status_code == 200


def average(server: LiveServer, times: int = 200) -> float:
    with requests.Session() as session:
        began = time.monotonic()
        for _ in range(times):
            assert session.get(f"{server.url}/healthz", timeout=60).status_code == 200
        return (time.monotonic() - began) / times


@pytest.mark.parametrize("kind", ["away", "slow"])
def test_a_collector_that_is_away_or_slow_keeps_nobody_waiting(tmp_path: Path, kind: str) -> None:
    with collecting(answers_after=30) as slow:
        url = slow.url if kind == "slow" else f"http://127.0.0.1:{free_port()}"
        with running_one(tmp_path / "data", **{ENDPOINT: url}) as server:
            average(server)
            wait_until(lambda: any(line["event"] == "traces_away" for line in lines_of(server)))
            assert average(server) < 0.5  # whoever waits does so for five seconds
            began = time.monotonic()
            server.stop()
            assert time.monotonic() - began < 25
            text = server.log_path.read_text()
    assert text.count("traces_away") == 1
    assert "Traceback" not in text
    assert url not in text


def test_a_webhook_goes_on_with_the_trace_of_what_it_tells_of(tmp_path: Path, collector: Collector) -> None:
    settings = {ENDPOINT: collector.url, "TRANSFER_ALLOW_PRIVATE_SOURCES": "true"}
    port = free_port()
    settings[BIND] = f"127.0.0.1:{port}"
    with Receiver() as receiver, running_one(tmp_path / "data", "ada", "root", **settings) as server:
        draft = {"url": receiver.url_of("/told"), "events": ["file.completed"]}
        added = server.sign_in("root").post(f"{server.url}/api/webhooks", json=draft, timeout=60)
        assert added.status_code == 201, added.text
        trace, session = new_trace(), server.sign_in("ada")
        session.headers["traceparent"] = f"00-{trace}-{SPAN}-01"
        server.store(session, "told.bin", b"data")
        with working(server.data_dir, **settings):
            wait_until(lambda: bool(receiver.to("/told")), seconds=60)
            wait_until(lambda: "webhook try" in collector.of_trace(trace))
            wait_until(lambda: number(scrape(port), "transfer_webhook_tries_total", result="ok") == 1)
    spans = collector.of_trace(trace)
    sent = receiver.to("/told")[0].headers["traceparent"]
    assert sent == f"00-{trace}-{spans['webhook try'][0].span_id.hex()}-01"
    assert spans["webhook try"][0].parent_span_id.hex() in {
        each.span_id.hex() for name in ("database write", "POST /api/files") for each in spans[name]
    }


def test_without_the_packages_the_service_starts_and_says_so_once(tmp_path: Path) -> None:
    program = (
        "from gevent import monkey; monkey.patch_all(); import sys; sys.modules['opentelemetry.sdk'] = None\n"
        "from transfer_service.serve import app\nfrom transfer_service.app import begin_serving\n"
        "begin_serving(app)\nprint(app.test_client().get('/healthz').status_code)"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRANSFER_")}
    own = {"TRANSFER_DATA_DIR": str(tmp_path / "data"), ENDPOINT: "http://127.0.0.1:1"}
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, env={**clean, **own}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert result.stdout.count("no_traces") == 1
    assert result.stdout.splitlines()[-1] == "200"
