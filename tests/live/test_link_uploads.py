"""Upload links under what happens in life: clients in use, a link that ends meanwhile, crowds, and kills."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.growing.installations import engines
from tests.live.bare_socket import BareClient
from tests.live.doc_examples import blocks, run_node, run_shell
from tests.live.fault_proxy import FaultProxy
from tests.live.resumable import CUTS, FEWEST_CUTS, MIB, Body, Way, body, site, uploading, way
from tests.live.server import LiveServer, running, wait_until
from tests.live.test_link_pages import share
from tests.live.test_tuspy import run_tuspy
from tests.services.sharing.allotments import miscounted
from transfer_service.services.core import utc_now

__all__ = ["body", "site", "way"]

SIZE = 13 * MIB + 12_345
PASSWORD = "open sesame"
TUS = {"Tus-Resumable": "1.0.0"}
APPEND = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
ENDS_WITHIN_SECONDS = 20.0


def link_at(alice: requests.Session, server: LiveServer, url: str) -> dict[str, Any]:
    """The link of that address, as its owner sees it."""
    links: list[dict[str, Any]] = alice.get(f"{server.url}/api/links", timeout=30).json()["links"]
    return next(each for each in links if each["url"] == url)


@pytest.mark.parametrize(("options", "leading"), [
    pytest.param({"chunkSize": 5 * MIB}, {}, id="chunks"),
    pytest.param({"parallelUploads": 4}, {}, id="parallel"),
    pytest.param({"chunkSize": 5 * MIB, "uploadLengthDeferred": True}, {"stream": True}, id="deferred-length"),
])  # fmt: skip
def test_tus_js_client_sends_one_file_over_a_line_that_breaks(
    way: Way, body: Body, options: dict[str, Any], leading: dict[str, Any]
) -> None:
    url = share(way.alice, way.server, upload=True, folder="in", max_files=1, max_bytes=SIZE, password=PASSWORD)
    unlocked = requests.post(f"{url}/unlock", json={"password": PASSWORD}, timeout=30)
    cookie = unlocked.headers["Set-Cookie"].partition(";")[0]
    with FaultProxy(way.port, CUTS) as proxy:
        own = {"endpoint": f"http://127.0.0.1:{proxy.port}{urlsplit(url).path}/uploads", "headers": {"Cookie": cookie}}
        with uploading(
            way, proxy, body, options={**own, **options, "metadata": {"filename": "a.bin"}}, **leading
        ) as it:
            finished = it.finish()
        assert len(proxy.faults_done) >= (FEWEST_CUTS if "parallelUploads" not in options else 1)
    assert way.digest(finished.file_id) == body.digest
    link = link_at(way.alice, way.server, url)
    assert (link["received_files"], link["received_bytes"], way.unfinished()) == (1, SIZE, [])


def test_tuspy_sends_one_file_over_a_line_that_breaks(way: Way, body: Body) -> None:
    url = share(way.alice, way.server, upload=True, max_files=1)
    with FaultProxy(way.port, CUTS) as proxy:
        told = run_tuspy(way, proxy, body, at=f"{urlsplit(url).path}/uploads", chunk_size=MIB, upload_checksum=True)
    assert told.file_id and way.digest(told.file_id) == body.digest
    assert link_at(way.alice, way.server, url)["received_files"] == 1


def test_the_examples_of_the_page_are_run_as_printed(
    alice: requests.Session, server: LiveServer, tmp_path: Path
) -> None:
    make, send = (each for each in blocks("sharing.md", "sh") if '"upload": true' in each or "$URL/uploads" in each)
    (by_script,) = blocks("sharing.md", "js")
    authorization = f"Authorization: {alice.headers['Authorization']!s}"
    url = json.loads(run_shell(make, tmp_path, SERVER=server.url, AUTH=authorization))["url"]
    (tmp_path / "lake.jpg").write_bytes(b"a lake")
    run_shell(send, tmp_path, URL=url)
    whole = f"""import * as tus from "tus-js-client";
const url = "{url}", file = Object.assign(Buffer.from("a hill"), {{ name: "hill.jpg", type: "image/jpeg" }});
{by_script.replace("type } }", "type }, onSuccess: () => done() }")}"""
    promise = "let done; const ended = new Promise((resolve) => { done = resolve; });"
    program = whole.replace("new tus.Upload", f"{promise}\nnew tus.Upload")
    assert run_node(f"{program}await ended; const result = 1;", tmp_path) == 1
    for name, data in (("party/day 1/lake.jpg", b"a lake"), ("party/hill.jpg", b"a hill")):
        assert alice.get(f"{server.url}/api/files/download/{name}", timeout=30).content == data


@pytest.fixture
def link(alice: requests.Session, server: LiveServer) -> str:
    """The address of a new link."""
    return share(alice, server, upload=True)


def begin(url: str, length: int = SIZE) -> str:
    """The path of a new upload by a link."""
    answer = requests.post(f"{url}/uploads", headers={**TUS, "Upload-Length": str(length)}, timeout=30)
    assert answer.status_code == 201, answer.text
    return urlsplit(answer.headers["Location"]).path


def revoke(alice: requests.Session, server: LiveServer, url: str) -> None:
    answer = alice.delete(f"{server.url}/api/links/{link_at(alice, server, url)['id']}", timeout=30)
    assert answer.status_code == 204


def under_way(alice: requests.Session, server: LiveServer) -> list[dict[str, Any]]:
    uploads: list[dict[str, Any]] = alice.get(f"{server.url}/api/uploads", timeout=30).json()["uploads"]
    return uploads


def left_over(server: LiveServer) -> list[str]:
    """What is counted wrongly."""
    with server.services() as services:
        return miscounted(services)


@pytest.mark.parametrize("is_silent", [False, True], ids=["sends", "silent"])
def test_an_append_ends_with_a_link_that_is_taken_back(
    alice: requests.Session, server: LiveServer, link: str, *, is_silent: bool
) -> None:
    path = begin(link)
    with appending(server, path) as (client, go_on):
        wait_until(lambda: [each["offset"] > 0 for each in under_way(alice, server)] == [True])
        if not is_silent:
            go_on()
        began = time.monotonic()
        revoke(alice, server, link)
        assert under_way(alice, server) == []
        assert client.receive_head()[0] in {404, 410, 423}
        assert time.monotonic() - began < ENDS_WITHIN_SECONDS
    assert left_over(server) == []


def test_no_byte_counts_after_a_link_has_expired(alice: requests.Session, server: LiveServer) -> None:
    link = share(alice, server, upload=True, expires_in=8)
    path = begin(link)
    with appending(server, path) as (client, go_on):
        go_on()
        assert client.receive_head()[0] == 404
        (upload,) = under_way(alice, server)
        # What an object store has not acknowledged when the link ends does not count either.
        assert upload["offset"] < SIZE
        assert upload["offset"] > 0 or engines() is not None
    assert requests.patch(f"{server.url}{path}", headers=APPEND, data=b"x", timeout=30).status_code == 404
    assert [each["offset"] for each in under_way(alice, server)] == [upload["offset"]]
    with server.services() as services:
        services.cleanup.run()
        assert miscounted(services) == []
    assert under_way(alice, server) == []


@contextmanager
def appending(server: LiveServer, path: str) -> Iterator[tuple[BareClient, Callable[[], None]]]:
    """An append that has sent its first MiB, and what lets it send on, slowly, until the end of the block."""
    with BareClient(server) as client:
        is_over = threading.Event()
        sender = threading.Thread(target=_send_on, args=(client, is_over))
        head = [f"{name}: {value}" for name, value in APPEND.items()]
        client.send_head("PATCH", path, *head, f"Content-Length: {SIZE}")
        client.send(b"x" * MIB)
        try:
            yield client, sender.start
        finally:
            is_over.set()
            if sender.ident is not None:
                sender.join()


def _send_on(client: BareClient, is_over: threading.Event) -> None:
    with suppress(OSError):
        while not is_over.wait(0.05):
            client.send(b"y" * 32_768)


@pytest.mark.parametrize(("limits", "most"), [
    pytest.param({"max_files": 10}, 10, id="files"),
    pytest.param({"max_bytes": 10_500}, 10, id="bytes"),
])  # fmt: skip
def test_fifty_clients_at_once_bring_what_a_link_takes(
    alice: requests.Session, server: LiveServer, limits: dict[str, int], most: int
) -> None:
    url = share(alice, server, upload=True, **limits)

    def send(number: int) -> int:
        data, fields = b"x" * 1000, {**TUS, "Upload-Length": "1000"}
        if number % 2:  # in one request
            fields["Content-Type"] = "application/offset+octet-stream"
            return requests.post(f"{url}/uploads", headers=fields, data=data, timeout=60).status_code
        answer = requests.post(f"{url}/uploads", headers=fields, timeout=60)
        if answer.status_code == 201:
            path = urlsplit(answer.headers["Location"]).path
            assert requests.patch(f"{server.url}{path}", headers=APPEND, data=data, timeout=60).status_code == 204
        return answer.status_code

    with ThreadPoolExecutor(50) as crowd:
        statuses = list(crowd.map(send, range(50)))
    assert (statuses.count(201), {*statuses} - {201} <= {403, 413}) == (most, True)
    link = link_at(alice, server, url)
    assert (link["received_files"], link["received_bytes"]) == (most, most * 1000)
    assert left_over(server) == []


@pytest.mark.one_machine("nginx answers Expect by itself")
@pytest.mark.parametrize(("limits", "headers", "status"), [
    pytest.param({}, ["Upload-Length: 5"], 100, id="welcome"),
    pytest.param({"max_bytes": 4}, ["Upload-Length: 5"], 413, id="too-large"),
    pytest.param({"max_bytes": 4}, ["Upload-Defer-Length: 1"], 413, id="too-large-of-unknown-length"),
    pytest.param({"password": PASSWORD}, ["Upload-Length: 5"], 403, id="password"),
    pytest.param(None, ["Upload-Length: 5"], 404, id="no-link"),
])  # fmt: skip
def test_nobody_is_asked_for_a_body_that_will_be_refused(
    alice: requests.Session, server: LiveServer, limits: dict[str, Any] | None, headers: list[str], status: int
) -> None:
    path = "/s/unknown" if limits is None else urlsplit(share(alice, server, upload=True, **limits)).path
    fixed = ["Tus-Resumable: 1.0.0", "Content-Type: application/offset+octet-stream", "Content-Length: 5"]
    with BareClient(server) as client:
        client.send_head("POST", f"{path}/uploads", "Expect: 100-continue", *fixed, *headers)
        assert client.receive_head()[0] == status


def test_no_log_has_the_secret_of_a_link(server: LiveServer, link: str) -> None:
    path = begin(link)
    requests.head(f"{server.url}{path}", headers=TUS, timeout=30)
    requests.patch(f"{server.url}{path}", headers={**APPEND, "Upload-Offset": "7"}, timeout=30)
    requests.get(f"{link}/uploads", timeout=30)
    with server.log_path.open() as log:
        assert link.rpartition("/")[2] not in log.read()


class Guest(threading.Thread):
    """Begins, goes on with, ends and puts together uploads by a link, whatever it is answered, until it is told."""

    def __init__(self, url: str, is_over: threading.Event, seed: int) -> None:
        super().__init__()
        self.url, self.is_over, self.random = f"{url}/uploads", is_over, random.Random(seed)

    def run(self) -> None:
        while not self.is_over.is_set():
            with suppress(requests.RequestException, KeyError):
                self.random.choice([self.send, self.send_at_once, self.cancel, self.put_together])()

    def begin(self, **headers: str) -> str:
        answer = requests.post(self.url, headers={**TUS, "Upload-Length": "300000", **headers}, timeout=60)
        return f"{self.url}/{answer.headers['Location'].rpartition('/')[2]}"

    def append(self, url: str) -> None:
        requests.patch(url, headers=APPEND, data=b"x" * self.random.choice([1000, 300_000]), timeout=60)

    def send(self) -> None:
        self.append(self.begin())

    def send_at_once(self) -> None:
        fields = {**TUS, "Upload-Length": "1000", "Content-Type": "application/offset+octet-stream"}
        requests.post(self.url, headers=fields, data=b"x" * 1000, timeout=60)

    def cancel(self) -> None:
        requests.delete(self.begin(), headers=TUS, timeout=60)

    def put_together(self) -> None:
        parts = [self.begin(**{"Upload-Concat": "partial"}) for _ in range(2)]
        final = {**TUS, "Upload-Concat": f"final;{' '.join(parts)}"}
        requests.post(self.url, headers=final, timeout=60)
        for each in parts:
            self.append(each)


def has_received(alice: requests.Session, server: LiveServer, url: str, files: int) -> bool:
    return bool(link_at(alice, server, url)["received_files"] >= files)


@pytest.mark.one_machine("the instance is killed, and started again")
def test_kills_leave_counters_of_what_is_there(data_dir: Path) -> None:
    with running(data_dir, "alice") as server:
        alice = server.sign_in("alice")
        url = share(alice, server, upload=True, max_files=500, max_bytes=60_000_000)
        for number in range(4):
            is_over = threading.Event()
            guests = [Guest(url, is_over, seed=10 * number + each) for each in range(6)]
            for guest in guests:
                guest.start()
            has_come = partial(has_received, alice, server, url, 4 * (number + 1))
            wait_until(has_come)
            time.sleep(random.Random(number).random())  # any moment will do
            server.kill()
            is_over.set()
            for guest in guests:
                guest.join()
            assert left_over(server) == []
            server.start()
        link_before = link_at(alice, server, url)
        assert link_before["received_files"] > 10
        with server.services(now=lambda: utc_now() + timedelta(hours=25)) as services:
            services.cleanup.run()
            assert miscounted(services) == []
        assert under_way(alice, server) == []
        files = alice.get(f"{server.url}/api/files", params={"limit": "1000"}, timeout=30).json()["files"]
        link_after = link_at(alice, server, url)
        assert (link_after["received_files"], link_after["received_bytes"]) == (
            len(files), sum(each["total_bytes"] for each in files)
        )  # fmt: skip
