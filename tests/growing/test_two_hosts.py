"""Two hosts and a cut between them: who is cut off says so, who is not goes on, and later all is as it was told."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest
import requests

from benchmarks.servers import NotInstalled
from tests.growing.client import BUSY, SlowBody
from tests.growing.hosts import Host, another_host
from tests.growing.installations import new_installation, running_engines
from tests.growing.model import Content
from tests.growing.topology import Instance
from tests.live.server import LiveServer, started, wait_until
from tests.missing import missing
from tests.torture.resumable_stories import TUS

MIB = 1024 * 1024
TAKEOVER_SECONDS, BACK_SECONDS = 12.0, 30.0
"""A dead holder costs at most 5 s; the rest is the machine's. After a cut everything works again within the latter."""
APPEND = {**TUS, "Content-Type": "application/offset+octet-stream"}


@dataclass(frozen=True)
class Hosts:
    """An instance `here`, beside the engines, and one `there`, which a wire joins to them."""

    here: LiveServer
    there: LiveServer
    wire: Host
    alice: requests.Session


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    with ExitStack() as stack:
        wire = stack.enter_context(another_host())
        try:
            engines = stack.enter_context(running_engines(wire.ours))
        except NotInstalled as error:
            missing(str(error))
        installation = new_installation(engines, tmp_path, host=wire.ours)
        stack.callback(installation.end)
        here = Instance(tmp_path / "data", installation.settings)
        there = Instance(tmp_path / "data", installation.settings, host=wire.address, prefix=wire.prefix)
        here.prepare("alice")
        stack.enter_context(started(here))
        stack.enter_context(started(there))
        yield Hosts(here, there, wire, here.sign_in("alice"))


def _offset(hosts: Hosts, server: LiveServer, path: str) -> int:
    deadline = time.monotonic() + TAKEOVER_SECONDS
    while True:
        answer = hosts.alice.head(server.url + path, headers=TUS, timeout=60)
        if answer.status_code == 200:
            return int(answer.headers["Upload-Offset"])
        assert answer.status_code in BUSY, answer.text
        assert time.monotonic() < deadline, "who was cut off keeps its claim"


@pytest.mark.alone
def test_a_host_that_is_cut_off_in_the_middle_of_an_append_neither_loses_nor_changes_a_byte(hosts: Hosts) -> None:
    content = Content(24 * MIB, seed=1)
    told = {**TUS, "Upload-Length": str(content.length), "Upload-Metadata": "filename ZmlsZS5iaW4="}
    answer = hosts.alice.post(f"{hosts.there.url}/api/uploads", headers=told, timeout=30)
    path = answer.headers["Location"].removeprefix(hosts.there.url)
    first, data = content.attempt(0, 2 * MIB)
    answer = hosts.alice.patch(hosts.there.url + path, headers={**APPEND, "Upload-Offset": "0"}, data=data, timeout=30)
    content.acknowledged(first, int(answer.headers["Upload-Offset"]))
    lost, data = content.attempt(content.offset, content.length)
    headers = {**APPEND, "Upload-Offset": str(lost.start), "Authorization": str(hosts.alice.headers["Authorization"])}
    ends: list[int] = []
    body = SlowBody(data, 6)

    def append() -> None:
        sent = requests.patch(hosts.there.url + path, headers=headers, data=body, timeout=120)
        ends.append(sent.status_code)

    appending = Thread(target=append)
    appending.start()
    wait_until(lambda: len(body) <= len(data) * 2 // 3)
    hosts.wire.cut()
    try:
        content.told(_offset(hosts, hosts.here, path))
        second, rest = content.attempt(content.offset, content.length)
        headers["Upload-Offset"] = str(content.offset)
        answer = requests.patch(hosts.here.url + path, headers=headers, data=rest, timeout=60)
        content.acknowledged(second, int(answer.headers["Upload-Offset"]))
        content.check(0, _download(hosts, hosts.here).content)
        refused = _download(hosts, hosts.there)
        assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
        assert requests.get(f"{hosts.there.url}/healthz", timeout=10).status_code == 200
    finally:
        hosts.wire.mend()
    appending.join()
    assert ends[0] in {409, 423, 503}
    wait_until(lambda: _download(hosts, hosts.there).status_code == 200, seconds=BACK_SECONDS)
    for server in (hosts.here, hosts.there):
        content.check(0, _download(hosts, server).content)


def _download(hosts: Hosts, server: LiveServer) -> requests.Response:
    return hosts.alice.get(f"{server.url}/api/files/download/file.bin", timeout=60)
