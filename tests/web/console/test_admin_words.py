"""What the page admin has words for: all that the service can tell of."""

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import yaml

from transfer_service.remote import posting
from transfer_service.services.events import deliveries
from transfer_service.services.events.actions import Action
from transfer_service.services.upkeep.cleanup import Removed
from transfer_service.wire.webhooks import Event

REPOSITORY = Path(__file__).parents[3]
CONSOLE = REPOSITORY / "transfer_service/web/static/console"
ADMIN = json.loads((CONSOLE / "messages/en.json").read_text())["admin"]


def keys(texts: Mapping[str, Mapping[str, str]]) -> set[str]:
    return {f"{area}.{name}" for area, names in texts.items() for name in names}


def listed(module: str, name: str) -> set[str]:
    """The texts of a list that a module has."""
    found = re.search(rf"const {name} = \[(.*?)\];", (CONSOLE / "admin" / module).read_text(), re.DOTALL)
    assert found is not None
    return set(re.findall(r'"([^"]+)"', found[1]))


def test_actions_and_what_they_are_about() -> None:
    actions = {action.value for action in Action}
    assert (listed("activity_filters.js", "ACTIONS"), keys(ADMIN["action"])) == (actions, actions)
    resources = {action.resource for action in Action}
    assert (listed("activity_filters.js", "RESOURCES"), set(ADMIN["resource"])) == (resources, resources)


def test_events_of_webhooks() -> None:
    assert listed("events.js", "EVENTS") == {event.value for event in Event}
    assert keys(ADMIN["event"]) == {*(event.value for event in Event), "webhook.test"}


def test_kinds_of_a_cleanup() -> None:
    kinds = {*(kind.name for kind in fields(Removed)), "restored", "in_quarantine"}
    assert set(ADMIN["cleanup"]["kind"]) == kinds


def test_why_a_delivery_has_failed() -> None:
    tried = {value for name, value in vars(posting).items() if name.isupper() and isinstance(value, str)}
    assert tried > {"timeout", "tls"}
    assert set(ADMIN["deliveries"]["word"]) == tried | {deliveries.ENDED, deliveries.EXPIRED, deliveries.NO_SECRET}


def test_kinds_of_transfers() -> None:
    description = yaml.safe_load((REPOSITORY / "openapi.yaml").read_text())
    kinds = description["components"]["schemas"]["Transfer"]["properties"]["kind"]["enum"]
    assert set(ADMIN["transfers"]["kind"]) == set(kinds)
