"""`GET /api/admin/usage`: what is stored, and by whom."""

from typing import Any

import pytest
from flask import Flask

from tests.conftest import Device, frame, signed_in
from tests.web.conftest import MakeApp
from tests.web.uploads.bench import Draft
from transfer_service.bootstrap import Services
from transfer_service.services.upkeep.usage import free_bytes_of


@pytest.fixture
def app(request: pytest.FixtureRequest, make_app: MakeApp) -> Flask:
    """On SQLite; on both databases for tests that use `database_url`."""
    url = request.getfixturevalue("database_url") if "database_url" in request.fixturenames else None
    return make_app(database_url=url, trash_days=30)


def usage(admin: Device, **query: Any) -> dict[str, Any]:
    answer = admin.get("/api/admin/usage", query_string=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


@pytest.mark.usefixtures("database_url")
def test_bytes_and_files_of_each_account_and_of_all(device: Device, other_device: Device, admin: Device) -> None:
    device.store(b"hello", "day/one.bin")
    device.store(b"gone", "gone.bin")
    device.delete("/api/files/gone.bin")  # the trash counts as bytes, and is seen nowhere
    device.send(frame(0, b"part"), "part.bin", query={"total_size": 100})
    other_device.store(b"", "empty.bin")
    Draft(other_device).begin()  # it has no name yet: nobody sees it
    found = usage(admin)
    assert found["accounts"] == [
        {"name": "alice", "used_bytes": 109, "files": 2},
        {"name": "bob", "used_bytes": 0, "files": 1},
        {"name": "root", "used_bytes": 0, "files": 0},
    ]
    assert (found["used_bytes"], found["files"], found["next_cursor"]) == (109, 3, None)


def test_each_account_has_what_the_command_counts(
    device: Device, other_device: Device, admin: Device, services: Services
) -> None:
    for number in range(3):
        device.store(b"x", f"a/b/{number}.bin")
    other_device.send(frame(0, b"x"), query={"total_size": 9})
    counted = services.accounts.count_files()
    by_name = {each["name"]: each["files"] for each in usage(admin)["accounts"]}
    accounts = services.accounts.list_accounts()
    assert by_name == {each.name: counted.get(each.account_id, 0) for each in accounts}


@pytest.mark.usefixtures("database_url")
def test_pages_together_are_the_whole(admin: Device) -> None:
    first = usage(admin, limit=2)
    second = usage(admin, limit=2, cursor=first["next_cursor"])
    assert [each["name"] for each in first["accounts"] + second["accounts"]] == ["alice", "bob", "root"]
    assert second["next_cursor"] is None
    assert first["used_bytes"] == second["used_bytes"]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"cursor": "x"}, {"page": 1}])
def test_a_bad_query_is_refused(admin: Device, query: dict[str, Any]) -> None:
    assert admin.get("/api/admin/usage", query_string=query).status_code == 400


def test_the_room_is_that_of_the_disk_of_the_store(admin: Device, services: Services) -> None:
    told, seen = usage(admin)["free_bytes"], free_bytes_of(services.core.settings.blob_dir)
    assert abs(told - seen) < 1 << 30  # others write meanwhile
    assert told > 0


def test_an_object_store_tells_of_no_room(make_app: MakeApp, object_store_url: str) -> None:
    app = make_app(storage_url=object_store_url)
    assert usage(signed_in(app, "root"))["free_bytes"] is None
