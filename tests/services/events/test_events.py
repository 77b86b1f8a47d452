"""What webhooks are told of remote downloads, to the field."""

import json
from typing import Any

from sqlalchemy import select

from tests.services.games.bench import Downloads, downloads
from transfer_service.models.webhooks import WebhookDelivery
from transfer_service.services.events.webhooks import WebhookDraft, WebhookService
from transfer_service.services.games.leases import Run
from transfer_service.wire.webhooks import Event

__all__ = ["downloads"]


def told(downloads: Downloads) -> list[Any]:
    with downloads.database.read_rows() as rows:
        found = rows.execute(select(WebhookDelivery.body).order_by(WebhookDelivery.id)).scalars()
        return [(body["type"], body["data"]) for body in map(json.loads, found)]


def claim(downloads: Downloads) -> Run:
    """A run on a job of alice's, of whose things a webhook is told."""
    WebhookService(downloads.core()).add(WebhookDraft("https://hook.example/", tuple(Event), "alice"))
    return downloads.claim()


def test_a_download_that_is_whole(downloads: Downloads) -> None:
    run = claim(downloads)
    downloads.fetching.work(run)
    assert told(downloads) == [
        ("download.completed", {"gameId": str(run.game_id), "gameDataId": run.game_data_id}),
    ]  # fmt: skip


def test_a_download_that_fails(downloads: Downloads) -> None:
    run = claim(downloads)
    assert downloads.leases.fail(run, "The sources are gone")
    assert told(downloads) == [
        (
            "download.failed",
            {"gameId": str(run.game_id), "gameDataId": run.game_data_id, "error": "The sources are gone"},
        ),
    ]


def test_a_run_that_has_lost_its_lease_tells_nothing(downloads: Downloads) -> None:
    run = claim(downloads)
    downloads.leases.release(run)
    assert not downloads.leases.fail(run, "too late")
    assert told(downloads) == []
