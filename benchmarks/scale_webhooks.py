"""Requests of administrators about webhooks. The one that is there listens to nothing, and much has failed of it."""

from itertools import count

from benchmarks.scale_cases import Steps, case, deep_page, plain
from benchmarks.scale_client import Ask, Request, as_json
from benchmarks.scale_data import Size, uuid_of

DRAFT = as_json({"url": "https://hook.example/", "events": ["download.failed"]})

plain("listWebhooks", "GET", "/api/webhooks")
plain("listFailedDeliveries", "GET", "/api/webhooks/failed?limit=50")
case("listFailedDeliveries", "cursor")(deep_page("/api/webhooks/failed"))


def _added(ask: Ask) -> str:
    return str(ask(Request("POST", "/api/webhooks", expected=201, **DRAFT)).json()["id"])


@case("addWebhook")
def _add_webhook(_ask: Ask, _size: Size) -> Steps:
    while True:
        yield Request("POST", "/api/webhooks", expected=201, **DRAFT)


@case("removeWebhook")
def _remove_webhook(ask: Ask, _size: Size) -> Steps:
    while True:
        yield Request("DELETE", f"/api/webhooks/{_added(ask)}", expected=204)


@case("testWebhook")
def _test_webhook(ask: Ask, _size: Size) -> Steps:
    webhook_id = _added(ask)
    while True:
        yield Request("POST", f"/api/webhooks/{webhook_id}/test", expected=202)


@case("redeliver")
def _redeliver(_ask: Ask, _size: Size) -> Steps:
    for number in count(1):
        yield Request("POST", f"/api/webhooks/failed/{uuid_of(number)}/redeliver", expected=202)
