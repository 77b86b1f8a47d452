"""A request with an Idempotency-Key whose process is killed: sent again it is there once, whatever the moment was."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from benchmarks.object_store import ObjectStoreServer
from tests.conftest import SECRET, Clock, Device
from tests.web.conftest import MakeApp, signed_in
from tests.web.forms import form, part
from transfer_service.bootstrap import Services
from transfer_service.services.idempotency import LEASE
from transfer_service.web.context import EXTENSION

pytestmark = pytest.mark.long

REPOSITORY = Path(__file__).parents[2]
KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"
LARGE = bytes(range(256)) * 4000
KINDS = ["small file", "large file", "text", "attachment", "file of one's own"]
PLACES = {"sqlite": KINDS, "postgresql": KINDS[-3:-1], "object store": KINDS[-1:]}
CASES = [pytest.param(place, kind, id=f"{place}-{kind}") for place, kinds in PLACES.items() for kind in kinds]
STORE_SECONDS = 30
"""Longer than an object store keeps what a killed process had claimed."""


@dataclass
class Place:
    """A service, and what a second process of it needs."""

    app: Flask
    clock: Clock
    settings: dict[str, str]

    @property
    def services(self) -> Services:
        """The app's."""
        services: Services = self.app.extensions[EXTENSION]
        return services

    def kill(self, device: Device, moment: str, request: dict[str, Any], folder: Path) -> None:
        """Send the request to a process that dies at this moment of it."""
        body = folder / "body"
        body.write_bytes(request["data"])
        arguments = [
            moment, str(self.services.core.settings.data_dir), self.settings.get("database_url", ""),
            self.settings.get("storage_url", ""), request["path"], str(body), request["content_type"],
            device.headers["Authorization"], KEY, self.clock().isoformat(),
        ]  # fmt: skip
        environment = {**os.environ, "KILLED_REQUEST_SECRET": SECRET, "PYTHONPATH": str(REPOSITORY)}
        command = [sys.executable, "-m", "tests.web.killed_request", *arguments]
        died = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
        assert died.returncode == -signal.SIGKILL, died.stderr.decode()


@pytest.fixture
def place(request: pytest.FixtureRequest, make_app: MakeApp, clock: Clock) -> Place:
    settings: dict[str, str] = {}
    if request.param != "sqlite":
        settings["database_url"] = request.getfixturevalue("postgres_url")
    if request.param == "object store":
        server: ObjectStoreServer = request.getfixturevalue("object_store_server")
        settings["storage_url"] = server.new_url()
    return Place(make_app(**settings), clock, settings)


def send(device: Device, request: dict[str, Any]) -> tuple[int, Any]:
    answer = device.post(
        request["path"],
        data=request["data"],
        content_type=request["content_type"],
        headers={"Idempotency-Key": KEY},
    )
    return answer.status_code, answer.get_json()


def send_until_it_is_done(device: Device, request: dict[str, Any]) -> tuple[int, Any]:
    """The same, again and again while the store says that it takes some time."""
    deadline = time.monotonic() + STORE_SECONDS
    while (answer := send(device, request))[0] == 503 and time.monotonic() < deadline:
        time.sleep(0.5)
    return answer


def conversation_of(device: Device) -> str:
    return str(device.post("/conversations/create", json={"email": "bob"}).get_json()["conversation_id"])


def requests_of(device: Device) -> dict[str, dict[str, Any]]:
    """One request of each kind."""
    conversation_id = conversation_of(device)
    file_id = device.store(b"attached", "attached.bin")["file_id"]
    whole = {"path": "/api/files?filename=a.bin", "content_type": "text/plain"}
    said = {"path": "/messages", "content_type": "application/json"}
    text = {"conversation_id": conversation_id, "content": "hello"}
    attachment = form(
        part("conversation_id", conversation_id.encode()),
        part("file", LARGE, filename=b"a.png", media_type="image/png"),
    )
    return {
        "small file": {**whole, "data": b"hello"},
        "large file": {**whole, "data": LARGE},
        "text": {**said, "data": json.dumps(text).encode()},
        "attachment": {"path": "/messages/upload", **attachment},
        "file of one's own": {**said, "data": json.dumps({**text, "file_id": file_id}).encode()},
    }


def things(device: Device) -> tuple[list[str], int, int]:
    """The files, how many messages there are, and the room that all of it takes."""
    history = device.get("/messages/get", query_string={"conversation_id": conversation_of(device)}).get_json()
    names = sorted(name for name in device.names() if name != "attached.bin")
    return names, history["count"], device.get("/auth/me").get_json()["used_bytes"]


@pytest.mark.parametrize(("place", "kind"), CASES, indirect=["place"])
def test_whatever_was_killed_is_there_once(place: Place, kind: str, tmp_path: Path) -> None:
    moments = ("recorded", "committed") if kind in KINDS[1:4] else ("begun", "recorded", "committed")
    for number, moment in enumerate(moments):
        device = signed_in(place.app, "alice")
        if kind == "file of one's own" and number:
            device.delete("/api/files/attached.bin")
        request = requests_of(device)[kind]
        before = things(device)
        place.kill(device, moment, request, tmp_path)
        if moment == "committed":
            assert things(device) != before
            status, first = send(device, request)
        else:
            assert send(device, request) == (409, {"detail": "A request with this Idempotency-Key is under way"})
            place.clock.advance(seconds=LEASE.total_seconds() + 1)
            status, first = send_until_it_is_done(device, request)
        assert status in {200, 201}, first
        after = things(device)
        assert send(device, request) == (status, first)
        assert things(device) == after
        assert len(after[0]) + after[1] == len(before[0]) + before[1] + 1
        place.clock.advance(hours=25)
        cleanup = place.services.cleanup.run()
        assert cleanup.removed.spent_idempotency_keys.count == 1
        assert cleanup.missing == 0
