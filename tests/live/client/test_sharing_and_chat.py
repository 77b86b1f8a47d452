"""The command shares a file with somebody who has no account, and sends one into a conversation, killed on its way."""

import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.live.client.commands import Home, slow_line
from tests.live.fault_proxy import FaultProxy
from tests.live.server import LiveServer, running, wait_until

MIB = 1024 * 1024
JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("data"), "alice", "bob") as server:
        yield server


def test_a_link_with_a_password_and_a_limit(server: LiveServer, tmp_path: Path) -> None:
    data = os.urandom(100_000)
    server.store(server.sign_in("alice"), "Films/film.bin", data)
    transfer = Home(tmp_path / "home")
    transfer.login(server.url)
    limits = ("--password", "--expires", "1h", "--max-downloads", "1")
    made = transfer("share", "Films", *limits, stdin="open sesame\n")
    assert made.code == 0, made.err
    (address,) = made.lines
    with requests.Session() as somebody:
        assert somebody.get(address, headers=JSON, timeout=30).json() == {"kind": "download", "has_password": True}
        assert somebody.post(f"{address}/unlock", json={"password": "open sesame"}, timeout=30).status_code == 204
        (file,) = somebody.get(address, headers=JSON, timeout=30).json()["files"]
        bytes_at = f"{address}/files/{file['file_id']}"
        assert somebody.get(bytes_at, timeout=30).content == data
        assert somebody.get(bytes_at, timeout=30).status_code in {403, 404}


def test_a_file_that_was_killed_on_its_way_is_in_the_conversation_once(server: LiveServer, tmp_path: Path) -> None:
    data = os.urandom(24 * MIB)
    alice, bob = server.sign_in("alice"), server.sign_in("bob")
    with FaultProxy(server.port) as proxy:
        transfer = Home(tmp_path / "home")
        transfer.login(f"http://127.0.0.1:{proxy.port}")
        proxy.plan.extend(slow_line("server"))
        (transfer.here / "film.bin").write_bytes(data)
        with transfer.start("send", "bob", "film.bin", "--text", "Look") as process:
            wait_until(lambda: proxy.bytes_toward["server"] > 9 * MIB)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        proxy.plan.clear()
        sent_before = proxy.bytes_toward["server"]
        again = transfer("--json", "send", "bob", "film.bin", "--text", "Look")
        assert proxy.bytes_toward["server"] - sent_before < 24 * MIB
    assert again.code == 0, again.err
    query = {"conversation_id": again.objects[-1]["conversation_id"]}
    found = bob.get(f"{server.url}/messages/get", params=query, timeout=30).json()["messages"]
    sha256 = hashlib.sha256(data).hexdigest()
    assert [(each["content"], each["media"]["sha256"]) for each in found] == [("Look", sha256)]
    assert bob.get(f"{server.url}{found[0]['media_url']}", timeout=30).content == data
    listing = alice.get(f"{server.url}/api/files", params={"folder": ""}, timeout=30).json()
    assert "transfer-sending" not in [each["path"] for each in listing["folders"]]
