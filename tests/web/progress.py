"""Progress streams on an app: asking for them, reading them, and the feed they live on."""

import json
import threading
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse
from werkzeug.wrappers import Response

from tests.conftest import Clock, Device
from tests.live.server import wait_until
from tests.remote_jobs import SIZE
from transfer_service.bootstrap import Services
from transfer_service.services.games.job_rows import DownloadRecord
from transfer_service.web.games.progress_feed import FEED, ProgressFeed
from transfer_service.wire.sse import HEARTBEAT

TICK_SECONDS = 0.05
PENDING = {"status": "pending", "progress": 0, "bytesDownloaded": 0, "totalBytes": SIZE, "speed": 0}


class Looks:
    """The feed's view of the database: counted, held up, or failing."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.asked: list[set[uuid.UUID]] = []
        self.checked: list[set[uuid.UUID]] = []
        self.failure: Exception | None = None
        self.gate = threading.Lock()
        """Held, it lets nobody look."""

    def find_progress(self, game_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, DownloadRecord]:
        with self.gate:
            self.asked.append(set(game_ids))
            if self.failure is not None:
                raise self.failure
            return self._services.remote_downloads.find_progress(game_ids)

    def find_alive(self, sign_in_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
        self.checked.append(set(sign_in_ids))
        return self._services.sign_ins.find_alive(sign_in_ids)


@contextmanager
def hurrying_feed(app: Flask, looks: Looks, clock: Clock) -> Iterator[ProgressFeed]:
    """A feed that looks every TICK_SECONDS, in place of the app's own."""
    feed = ProgressFeed(
        find_progress=looks.find_progress, find_alive=looks.find_alive, now=clock, tick_seconds=TICK_SECONDS
    )
    app.extensions[FEED] = feed
    yield feed
    feed.stop()
    wait_until(lambda: not feed.is_running)


def ask(
    device: Device,
    game_id: uuid.UUID | str,
    method: str = "GET",
    query: Mapping[str, str] | None = None,
    **headers: str,
) -> TestResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    path = f"/api/downloads/{game_id}/download/progress"
    return device.request(method, path, headers=sent, query_string=query, buffered=False)


def fields(event: bytes) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in event.decode().splitlines() if line)


def data(event: bytes) -> Any:
    return json.loads(fields(event)["data"])


def told(response: Response) -> Iterator[bytes]:
    """Its events, without the heartbeats that come in between where a busy machine is slow."""
    return (event for event in response.iter_encoded() if event != HEARTBEAT)


def wait_for(events: Iterator[bytes], event_id: str) -> bytes:
    """The first event with that id."""
    return next(event for event in events if event != HEARTBEAT and fields(event)["id"] == event_id)


def follow_all(device: Device, game_ids: list[uuid.UUID]) -> list[TestResponse]:
    """Streams that have given two events each, so that the feed knows all of them."""
    responses = [ask(device, game_id) for game_id in game_ids]
    for response in responses:
        events = told(response)
        assert [data(next(events)) for _ in range(2)] == [PENDING] * 2
    return responses
