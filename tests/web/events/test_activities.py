"""The audit log: `GET /api/activities`."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Device
from tests.web.conftest import signed_in
from transfer_service.bootstrap import Services
from transfer_service.services.events.actions import Action
from transfer_service.services.events.actors import Actor
from transfer_service.services.events.audit import record
from transfer_service.web.context import EXTENSION

AT = datetime(2024, 5, 1, 12, 0, 0, 123999, tzinfo=UTC)
GAME_ID = "0b8bd5ab-2f5c-4b3c-a3d5-2f2fd2c6d1f0"
DETAILS = {"gameDataId": 12345, "gameTitle": "Pong", "sha256": "ab" * 32, "sources": ["mirror"]}
READ = "activities.read"
BOB = Actor(None, "bob", "192.0.2.1")


def record_many(services: Services, count: int, **changes: Any) -> None:
    """Activities of one game."""
    with services.database.write() as session:
        for _ in range(count):
            fields: dict[str, Any] = {"action": Action.DOWNLOAD_STARTED, "details": DETAILS, "actor": BOB}
            record(session, resource_id=GAME_ID, at=AT, **{**fields, **changes})


@pytest.fixture(scope="module")
def reader(shared_app: Flask) -> Device:
    """`alice` with the permission, on an app where five things happened."""
    services: Services = shared_app.extensions[EXTENSION]
    services.accounts.grant("alice", READ)
    record_many(services, 5)
    return signed_in(shared_app, "alice")


def test_an_activity_in_every_field(services: Services, device: Device) -> None:
    services.accounts.grant("alice", READ)
    record_many(services, 1)
    nowhere = Actor(None, "bob", None)
    record_many(services, 1, action=Action.DOWNLOAD_FAILED, details={**DETAILS, "error": "too bad"}, actor=nowhere)
    answer = device.get("/api/activities")
    newest, oldest = answer.get_json()["data"]
    assert answer.get_json().keys() == {"data", "pagination"}
    assert oldest == {
        "id": newest["id"] - 1,
        "username": "bob",
        "action": "download.started",
        "resource": "games",
        "resourceId": GAME_ID,
        "details": DETAILS,
        "ipAddress": "192.0.2.1",
        "createdAt": "2024-05-01T12:00:00.123Z",
    }
    assert (newest["action"], newest["ipAddress"], newest["details"]["error"]) == ("download.failed", None, "too bad")


@pytest.mark.parametrize(
    ("query", "count", "pagination"),
    [
        pytest.param("", 5, {"total": 5, "page": 1, "limit": 50, "totalPages": 1}, id="defaults"),
        pytest.param("?page=2&limit=2", 2, {"total": 5, "page": 2, "limit": 2, "totalPages": 3}, id="middle"),
        pytest.param("?page=3&limit=2", 1, {"total": 5, "page": 3, "limit": 2, "totalPages": 3}, id="last"),
        pytest.param("?page=4&limit=2", 0, {"total": 5, "page": 4, "limit": 2, "totalPages": 3}, id="past-the-end"),
        pytest.param("?limit=5", 5, {"total": 5, "page": 1, "limit": 5, "totalPages": 1}, id="exactly-all"),
        pytest.param("?limit=1", 1, {"total": 5, "page": 1, "limit": 1, "totalPages": 5}, id="smallest-limit"),
        pytest.param("?limit=200", 5, {"total": 5, "page": 1, "limit": 200, "totalPages": 1}, id="largest-limit"),
        pytest.param(
            f"?page={10**39}", 0, {"total": 5, "page": 10**39, "limit": 50, "totalPages": 1}, id="an-enormous-page"
        ),
    ],
)
def test_pages(reader: Device, query: str, count: int, pagination: dict[str, int]) -> None:
    answer = reader.get(f"/api/activities{query}")
    assert (answer.status_code, len(answer.get_json()["data"])) == (200, count)
    assert answer.get_json()["pagination"] == pagination


def test_nothing_has_no_pages(services: Services, device: Device) -> None:
    services.accounts.grant("alice", READ)
    assert device.get("/api/activities").get_json() == {
        "data": [],
        "pagination": {"total": 0, "page": 1, "limit": 50, "totalPages": 0},
    }


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        pytest.param("page=0", "Invalid page", id="page-zero"),
        pytest.param("page=-1", "Invalid page", id="page-negative"),
        pytest.param("page=", "Invalid page", id="page-empty"),
        pytest.param("page=one", "Invalid page", id="page-word"),
        pytest.param("page=1.0", "Invalid page", id="page-fraction"),
        pytest.param("page=%D9%A1", "Invalid page", id="page-in-other-digits"),
        pytest.param(f"page={10**40}", "Invalid page", id="page-of-41-digits"),
        pytest.param("limit=0", "limit must be 1 to 200", id="limit-zero"),
        pytest.param("limit=201", "limit must be 1 to 200", id="limit-too-large"),
        pytest.param("limit=+5", "Invalid limit", id="limit-with-sign"),
        pytest.param("page=0&limit=0", "Invalid page", id="both"),
    ],
)
def test_an_impossible_page_is_refused(reader: Device, query: str, detail: str) -> None:
    answer = reader.get(f"/api/activities?{query}")
    assert (answer.status_code, answer.get_json()) == (400, {"success": False, "error": detail})


@pytest.mark.parametrize("query", ["", "?page=0"], ids=["good", "bad"])
@pytest.mark.parametrize("name", ["bob", "root"])
def test_without_the_permission_administrators_see_nothing_either(shared_app: Flask, name: str, query: str) -> None:
    answer = signed_in(shared_app, name).get(f"/api/activities{query}")
    error = {"message": "Insufficient permissions", "statusCode": 403}
    assert (answer.status_code, answer.get_json()) == (403, {"error": error})


@pytest.mark.parametrize("query", ["", "?page=0"], ids=["good", "bad"])
def test_without_a_token_nothing_is_seen(shared_app: Flask, query: str) -> None:
    answer = shared_app.test_client(use_cookies=False).get(f"/api/activities{query}")
    assert answer.get_json() == {"error": {"message": "Not authenticated", "statusCode": 401}}
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_permission_counts_from_the_next_request_on(services: Services, device: Device) -> None:
    statuses = []
    changes: list[Callable[[str, str], None]] = [services.accounts.grant, services.accounts.revoke]
    for change in changes:
        change("alice", READ)
        statuses.append(device.get("/api/activities").status_code)
    assert statuses == [200, 403]
