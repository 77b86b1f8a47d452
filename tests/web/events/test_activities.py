"""The audit log: `GET /api/activities`."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.conftest import Device, forget_activities
from tests.web.conftest import signed_in
from transfer_service.bootstrap import Services
from transfer_service.models.events import Activity
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
    forget_activities(services)
    record_many(services, 5)
    return signed_in(shared_app, "alice")


def test_an_activity_in_every_field(services: Services, device: Device) -> None:
    services.accounts.grant("alice", READ)
    forget_activities(services)
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
    forget_activities(services)
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


def read_table(answer: TestResponse) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(answer.get_data(as_text=True), newline=""), strict=True))


@pytest.fixture
def log(services: Services, device: Device) -> Device:
    """`alice` with the permission, and rows of two accounts and a command on three days."""
    services.accounts.grant("alice", READ)
    with services.database.write() as session:
        session.query(Activity).delete()
        for day, (name, action) in enumerate(
            [("=bob", Action.FILE_DELETED), ("@eve", Action.LINK_CREATED), (None, Action.FILE_DELETED)]
        ):
            details = {"filename": f"-{day}.bin"}
            actor = Actor(None, name, None)
            record(session, action, f"+{day}", details, at=AT + timedelta(days=day), actor=actor)
    return device


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({}, [2, 1, 0], id="none"),
        pytest.param({"username": "@eve"}, [1], id="username"),
        pytest.param({"username": "nobody"}, [], id="unknown-username"),
        pytest.param({"username": ""}, [], id="empty-username"),
        pytest.param({"action": "file.deleted"}, [2, 0], id="action"),
        pytest.param({"action": "nothing"}, [], id="unknown-action"),
        pytest.param({"resource": "links"}, [1], id="resource"),
        pytest.param({"resource": "files", "username": "=bob"}, [0], id="resource-and-username"),
        pytest.param({"from": "2024-05-02T12:00:00.123Z"}, [2, 1], id="from-is-included"),
        pytest.param({"from": "2024-05-02T12:00:00.124Z"}, [2], id="from-is-past"),
        pytest.param({"to": "2024-05-02T12:00:00.123Z"}, [1, 0], id="to-is-included"),
        pytest.param({"to": "2024-05-02T12:00:00.122Z"}, [0], id="to-is-before"),
        pytest.param({"to": "2024-05-02"}, [1, 0], id="to-is-a-day"),
        pytest.param({"from": "2024-05-02T14:00:00+02:00", "to": "2024-05-02T23:59Z"}, [1], id="both-in-zones"),
        pytest.param({"from": "2024-05-03", "to": "2024-05-01"}, [], id="the-wrong-way-round"),
        pytest.param({"from": "0001-01-01", "to": "9999-12-31"}, [2, 1, 0], id="the-whole-calendar"),
        pytest.param({"action": "file.deleted", "to": "2024-05-02", "limit": "1"}, [0], id="action-and-time"),
    ],
)
def test_filters(log: Device, query: dict[str, str], expected: list[int]) -> None:
    found = log.get("/api/activities", query_string=query).get_json()
    assert [row["resourceId"] for row in found["data"]] == [f"+{each}" for each in expected]
    assert found["pagination"]["total"] == len(expected)
    table = read_table(log.get("/api/activities", query_string=query, headers={"Accept": "text/csv"}))
    assert [row["resourceId"] for row in table] == [f"'+{each}" for each in expected]


@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
@pytest.mark.parametrize("name", ["from", "to"])
@pytest.mark.parametrize(
    "value", ["", "now", "2024", "2024-13-01", "1714564800", "2024-05-01T25:00Z", "2024-05-01T12:00:00 02:00", "\u0662"]
)
def test_what_is_no_instant_is_refused(reader: Device, name: str, value: str, accept: str) -> None:
    answer = reader.get("/api/activities", query_string={name: value}, headers={"Accept": accept})
    detail = f"{name} must be an instant in ISO 8601, such as 2026-01-31T12:00:00Z"
    assert (answer.status_code, answer.get_json()) == (400, {"success": False, "error": detail})


def test_a_control_character_is_in_no_name(reader: Device) -> None:
    assert reader.get("/api/activities?username=%00").status_code == 400


def test_a_table_has_the_fields_of_json_as_columns_and_no_formulas(log: Device) -> None:
    answer = log.get("/api/activities?limit=1", headers={"Accept": "text/csv"})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="activities.csv"'
    assert "Accept" in answer.vary
    newest, *others = read_table(answer)
    first = log.get("/api/activities?limit=1").get_json()["data"][0]
    assert {**newest, "details": json.loads(newest["details"])} == {
        **{name: "" if value is None else str(value) for name, value in first.items()},
        "resourceId": "'+2",
        "details": first["details"],
    }
    assert [row["username"] for row in others] == ["'@eve", "'=bob"]


@pytest.mark.parametrize(
    ("accept", "is_table"),
    [
        ("*/*", False),
        ("text/*", True),
        ("application/json, text/csv", False),
        ("text/csv, */*;q=0.1", True),
        ("", False),
    ],
)
def test_who_asks_for_a_table_gets_one(log: Device, accept: str, is_table: bool) -> None:
    answer = log.get("/api/activities", headers={"Accept": accept})
    assert (answer.mimetype == "text/csv") is is_table
    assert answer.is_json is not is_table


def test_a_table_has_every_row_that_matches_and_is_made_as_it_is_read(
    services: Services, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transfer_service.services.events.activities.EXPORTED_AT_ONCE", 10)
    services.accounts.grant("alice", READ)
    record_many(services, 95)
    answer = device.get("/api/activities?username=bob", headers={"Accept": "text/csv"}, buffered=False)
    pieces = list(answer.iter_encoded())
    assert len(pieces) == 1 + 10
    assert b"".join(pieces).count(b"\r\n") == 1 + 95


def test_without_the_permission_there_is_no_table(shared_app: Flask) -> None:
    answer = signed_in(shared_app, "bob").get("/api/activities", headers={"Accept": "text/csv"})
    assert (answer.status_code, answer.is_json) == (403, True)
