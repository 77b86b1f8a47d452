"""The receivers of docs/webhooks.md, run as printed: they take what is genuine, once, and refuse everything else."""

import base64
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from tests.live import node
from tests.live.doc_examples import blocks, run_shell
from tests.live.server import LiveServer, wait_until
from tests.ports import free_port
from transfer_service.wire.webhooks import format_body, headers_of

KEY = b"a secret of 24 bytes ...".ljust(24)
DATA = {"file_id": "1", "filename": "a.bin"}


@pytest.fixture(params=["python", "js"])
def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator["DocReceiver"]:
    """The receiver of the page in this language."""
    (code,) = blocks("webhooks.md", request.param)
    if request.param == "js":
        node.install()
    program = tmp_path / ("receiver.py" if request.param == "python" else "receiver.mjs")
    program.write_text(code)
    port = free_port()
    secret = f"whsec_{base64.b64encode(KEY).decode()}"
    environment = {**os.environ, "PORT": str(port), "WEBHOOK_SECRET": secret}
    command = [sys.executable, "-W", "error"] if request.param == "python" else ["node"]
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen([*command, str(program)], cwd=tmp_path, env=environment, stdout=out, stderr=out)
    try:
        made = DocReceiver(f"http://127.0.0.1:{port}/", tmp_path / "out")
        wait_until(made.is_there)
        yield made
    finally:
        process.kill()
        process.wait()


class DocReceiver:
    """Where it listens, and what it prints."""

    def __init__(self, url: str, output: Path) -> None:
        self.url, self._output = url, output

    def is_there(self) -> bool:
        try:
            return requests.post(self.url, data=b"{}", timeout=5).status_code == 401
        except requests.ConnectionError:
            return False

    def send(self, body: bytes, headers: dict[str, str]) -> int:
        return requests.post(self.url, data=body, headers=headers, timeout=30).status_code

    def printed(self) -> list[object]:
        return [json.loads(line) for line in self._output.read_text().splitlines() if line.startswith("[")]


def message(*, key: bytes = KEY, age_seconds: float = 0) -> tuple[bytes, dict[str, str]]:
    at = datetime.now(UTC) - timedelta(seconds=age_seconds)
    body = format_body("file.completed", at, DATA).encode()
    return body, headers_of(uuid.uuid4(), body, secret=key, at=at)


def test_what_is_genuine_is_taken_once(receiver: DocReceiver) -> None:
    body, headers = message()
    assert [receiver.send(body, headers) for _ in range(2)] == [204, 204]
    wait_until(lambda: receiver.printed() == [["file.completed", DATA]])
    time.sleep(0.1)
    assert len(receiver.printed()) == 1


def test_what_is_not_is_refused(receiver: DocReceiver) -> None:
    body, headers = message()
    forged = {**headers, "webhook-id": str(uuid.uuid4())}
    tries = [
        receiver.send(body + b" ", headers),
        receiver.send(body, forged),
        receiver.send(*message(key=b"x" * 24)),
        receiver.send(*message(age_seconds=3600)),
        receiver.send(body, {**headers, "webhook-signature": "v1,"}),
        receiver.send(body, {**headers, "webhook-timestamp": "soon"}),
    ]
    assert (tries, receiver.printed()) == ([401] * len(tries), [])


def test_the_command_of_the_page_adds_one(server: LiveServer, tmp_path: Path) -> None:
    with server.services() as services:
        services.accounts.create("page admin", "an administrator's password", is_admin=True)
    body = {"username": "page admin", "password": "an administrator's password"}
    token = requests.post(f"{server.url}/token", json=body, timeout=30).json()["access_token"]
    (command,) = [each for each in blocks("webhooks.md", "sh") if "/api/webhooks" in each]
    made = json.loads(run_shell(command, tmp_path, SERVER=server.url, AUTH=f"Authorization: Bearer {token}"))
    assert (made["events"], made["secret"][:6]) == (["file.completed"], "whsec_")
    gone = requests.delete(
        f"{server.url}/api/webhooks/{made['id']}", headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
    assert gone.status_code == 204
